package markup

import "unicode/utf8"

// A Depth says what a client can show.
type Depth uint8

const (
	Plain     Depth = iota // text alone: tags for colour and format are taken out
	ANSI16                 // sixteen colours and formats, by SGR sequences (ECMA-48, 8.3.117)
	ANSI256                // xterm's palette
	TrueColor              // 24 bits
)

// Append appends text to dst as a client of that depth is to get it. Lines end
// with a line feed alone; a protocol that needs another line end replaces it.
// What is appended is UTF-8, without control characters but line feed, tab and
// the SGR sequences that the tags ask for, and leaves the client in the normal
// style. A colour that the client does not have becomes the nearest. The result
// is at most 16 times as long as text.
func Append(dst []byte, text string, depth Depth) []byte {
	w := writer{dst: dst, depth: depth}
	w.write(text)
	return w.dst
}

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

// Strip returns what a reader without colours sees of text. The result is plain
// text: it may have bars that are tags if it is taken for markup again, so it
// goes through Escape first.
func Strip(text string) string {
	if run(text, lines) == len(text) {
		return text
	}
	return string(Append(make([]byte, 0, len(text)), text, Plain))
}

// Escape returns text, such as a player typed it, in a form that stands as it is
// when it becomes part of a text with markup: bars are doubled. Control
// characters are dropped, and with them the characters that turn the direction
// of what follows (U+202A to U+202E and U+2066 to U+2069), by which a name could
// reorder the line around it. Line feeds and tabs stay.
//
// Strip(Escape(text)) is text without what was dropped.
func Escape(text string) string {
	n := run(text, lines|turns)
	if n == len(text) {
		return text
	}
	out := make([]byte, 0, len(text)+8)
	for {
		out = append(out, text[:n]...)
		if text = text[n:]; text == "" {
			return string(out)
		}
		if text[0] == '|' {
			out = append(out, "||"...)
			text = text[1:]
		} else {
			repl, skip := special(text)
			out = append(out, repl...)
			text = text[skip:]
		}
		n = run(text, lines|turns)
	}
}

// What a run takes beside ordinary characters, or leaves out of them.
const (
	bars  = 1 << iota // takes bars
	lines             // takes line feeds
	turns             // leaves out what turns the direction of text
)

// run returns the length of what text begins with that is shown as it is: it ends
// before a bar, a line feed, a control character and what is not UTF-8.
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
		if r < 0xa0 || r == utf8.RuneError && n == 1 || mode&turns != 0 && isTurn(r) {
			break
		}
		i += n
	}
	return i
}

// shown marks the bytes that always are characters to be shown.
var shown = func() (t [utf8.RuneSelf * 2]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = c != '|'
	}
	t['\t'] = true
	return t
}()

func isTurn(r rune) bool {
	return '\u202A' <= r && r <= '\u202E' || '\u2066' <= r && r <= '\u2069'
}

// special takes the character that ended a run, or all the bytes there that are
// not UTF-8. It returns what comes in their place and their length.
func special(text string) (repl string, n int) {
	r, size := utf8.DecodeRuneInString(text)
	if r != utf8.RuneError || size != 1 {
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

// A writer holds the state of one Append.
type writer struct {
	dst   []byte
	depth Depth
	have  style // what the client shows characters in
	want  style // what the next character is to be shown in
	goal  style // the same, as far as the client can show it
	since style // the want that goal was found for
}

// aim returns goal.
func (w *writer) aim() style {
	if w.want != w.since {
		w.since, w.goal = w.want, w.want.at(w.depth)
	}
	return w.goal
}

func (w *writer) write(text string) {
	for text != "" {
		if n := run(text, 0); n > 0 {
			w.show(text[:n])
			text = text[n:]
			continue
		}
		switch text[0] {
		case '\n':
			w.newline()
			text = text[1:]
		case '|':
			text = text[w.tag(text):]
		default:
			repl, n := special(text)
			if repl != "" {
				w.show(repl)
			}
			text = text[n:]
		}
	}
	if w.have != (style{}) {
		w.want = style{}
		w.change()
	}
}

// show writes s in the wanted style.
func (w *writer) show(s string) {
	if w.depth != Plain && w.aim() != w.have {
		w.change()
	}
	w.dst = append(w.dst, s...)
}

// newline ends a line. A style that is to end with the line ends before it if it
// is one that shows on empty space, since terminals fill the next line with it.
func (w *writer) newline() {
	if w.depth != Plain && w.have.spaces().leaves(w.aim()) {
		w.change()
	}
	w.dst = append(w.dst, '\n')
}

// tag acts on the bar that text begins with and returns the length of its tag,
// which is 1 if it is but a bar.
func (w *writer) tag(text string) int {
	if len(text) < 2 {
		w.show("|")
		return 1
	}
	switch c := text[1]; c {
	case '|':
		w.show("|")
	case '/':
		w.newline()
	case '-':
		w.show("\t")
	case '_':
		w.show(" ")
	case '>':
		w.show("    ")
	case 'n':
		w.want = style{}
	case 'h':
		w.want.format |= bright
	case 'H':
		w.want.format &^= bright
	case 'u':
		w.want.format |= underline
	case 'U':
		w.want.format &^= underline
	case 'i':
		w.want.format |= italic
	case 'I':
		w.want.format &^= italic
	case 's':
		w.want.format |= strike
	case 'S':
		w.want.format &^= strike
	case '*':
		w.want.format |= inverse
	case '^':
		w.want.format |= blink
	case '[':
		if col, n := takeColour(text[2:]); n > 0 {
			w.want.back = col
			return 2 + n
		}
		if len(text) < 3 || !w.want.letter(c, text[2]) {
			w.show("|")
			return 1
		}
		return 3
	case '!':
		if len(text) < 3 || !w.want.letter(c, text[2]) {
			w.show("|")
			return 1
		}
		return 3
	case '#', '=', '0', '1', '2', '3', '4', '5':
		col, n := takeColour(text[1:])
		if n == 0 {
			w.show("|")
			return 1
		}
		// The colour says how bright it is; |h before it made letters bold.
		w.want.fore = col
		w.want.format &^= bright
		return 1 + n
	default:
		if !w.want.letter(0, c) {
			w.show("|")
			return 1
		}
	}
	return 2
}

// change writes the one SGR sequence that leads from the style the client has to
// the wanted one.
func (w *writer) change() {
	have, want := w.have, w.aim()
	codes := append(w.dst, "\x1b["...)
	if have.leaves(want) {
		codes = append(codes, "0;"...)
		have = style{}
	}
	for i, code := range formatCodes {
		if on := format(1) << i; want.format&on != 0 && have.format&on == 0 {
			codes = append(codes, code, ';')
		}
	}
	if want.fore != have.fore {
		codes = want.fore.appendSGR(codes, false)
	}
	if want.back != have.back {
		codes = want.back.appendSGR(codes, true)
	}
	codes[len(codes)-1] = 'm' // in place of the last semicolon: there is at least one code
	w.dst, w.have = codes, want
}
