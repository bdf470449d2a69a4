package markup

import (
	"strings"
	"unicode/utf8"
)

// A Depth says what colours a client can show.
type Depth uint8

const (
	Plain     Depth = iota // text alone: tags for colour and format are taken out
	ANSI16                 // sixteen colours and formats, by SGR sequences (ECMA-48, 8.3.117)
	ANSI256                // xterm's palette
	TrueColor              // 24 bits
)

// A Format is a family of clients.
type Format uint8

const (
	Terminal Format = iota // characters in cells, and escape sequences as far as Depth and Links say
	Reader                 // text that is read aloud: the words, and nothing that is there to be looked at
	HTML                   // a fragment for a page that has Stylesheet; Depth, Links, Width and Wrap do not count
)

// A Target is what text is rendered for. It is comparable: what is rendered for
// one serves for all that are equal. The zero Target is a terminal without
// colours and links.
type Target struct {
	Format Format
	Depth  Depth
	Links  Links
	Width  int  // cells that blocks are laid out for, at least 10 and at most 500; 0 means 80
	Wrap   bool // lines of more than Width cells are broken, where words end
}

// Append appends text to dst as t is to get it. Lines end with a line feed alone;
// a protocol that needs another line end replaces it. What is appended is UTF-8,
// without control characters but line feed, tab and the sequences that the tags
// ask for, and leaves a terminal in the normal style with no link open. A colour
// that the client does not have becomes the nearest.
//
// How long the result is depends on the text alone: without blocks at most 16
// times as long (plus the addresses of links); blocks may add as much as 1 MiB of
// empty space and lines.
func Append(dst []byte, text string, t Target) []byte {
	w := writer{dst: dst, Target: t, line: len(dst)}
	if w.Format == Reader {
		w.Depth, w.Links, w.Wrap = Plain, NoLinks, false
	}
	switch {
	case w.Width == 0:
		w.Width = defaultWidth
	default:
		w.Width = min(max(w.Width, minWidth), maxWidth)
	}
	if strings.Contains(text, "|{") || w.Wrap && w.Format == Terminal && tooLong(text, w.Width) {
		w.layout(text)
	} else {
		w.stream(text)
	}
	w.end()
	return w.dst
}

const (
	defaultWidth = 80
	minWidth     = 10
	maxWidth     = 500
)

// AppendRaw appends text to dst with its markup characters as they stand. As in
// Append, control characters are dropped and what is not UTF-8 is replaced.
func AppendRaw(dst []byte, text string) []byte {
	for {
		n := run(text, bars|lines)
		dst = append(dst, text[:n]...)
		if text = text[n:]; text == "" {
			return dst
		}
		repl, n := special(text)
		dst = append(dst, repl...)
		text = text[n:]
	}
}

// Strip returns what a reader without colours sees of text; blocks are laid out
// for 80 cells. The result is plain text: it may have bars that are tags if it is
// taken for markup again, so it goes through Escape first.
func Strip(text string) string {
	if run(text, lines) == len(text) {
		return text
	}
	return string(Append(make([]byte, 0, len(text)), text, Target{}))
}

// What a run takes beside ordinary characters, or leaves out of them.
const (
	bars  = 1 << iota // takes bars
	lines             // takes line feeds
)

// run returns the length of what text begins with that is shown as it is: it ends
// before a bar, a line feed, a control character, another line end (U+2028, U+2029) and
// what is not UTF-8.
func run(text string, mode int) int {
	i := 0
	for i < len(text) {
		c := text[i]
		if shown[c] || c == '|' && mode&bars != 0 || c == '\n' && mode&lines != 0 {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if r < 0xa0 || r == utf8.RuneError && n == 1 || isLineEnd(r) {
			break
		}
		i += n
	}
	return i
}

// isLineEnd reports whether r ends a line or paragraph for Unicode alone: terminals
// give it no cell or one, and break no line. It is shown as a space.
func isLineEnd(r rune) bool { return r == '\u2028' || r == '\u2029' }

// shown marks the bytes that always are characters to be shown.
var shown = func() (t [utf8.RuneSelf * 2]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = c != '|'
	}
	t['\t'] = true
	return t
}()

// special takes the character that ended a run, or all the bytes there that are
// not UTF-8. It returns what comes in their place and their length.
func special(text string) (repl string, n int) {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case isLineEnd(r):
		return " ", size
	case r != utf8.RuneError || size != 1:
		return "", size
	}
	for n < len(text) { // one replacement for all of them
		if r, size := utf8.DecodeRuneInString(text[n:]); r != utf8.RuneError || size != 1 {
			break
		}
		n++
	}
	return "\uFFFD", n
}
