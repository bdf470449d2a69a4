package markup

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns text that somebody typed, in a form that stands as it is when it
// becomes part of a text with markup, and cannot do more than be read. Each place
// where text of players or of other programs enters the game calls it, or
// [EscapeLine], or for those who may use colours [KeepColors].
//
//   - A bar is doubled and a dollar sign has a bar put before it, so no tag, link,
//     block or inline function comes of it.
//   - Control characters are dropped, line feeds and tabs excepted.
//   - So are characters that turn the direction of what follows (U+202A to U+202E
//     and U+2066 to U+2069), by which a name could reorder the line around it, those
//     that annotate (U+FFF9 to U+FFFB) and U+FEFF. U+2028 and U+2029 become a space.
//   - Of marks and invisible characters in a row, those beyond the eighth are
//     dropped: they would pile up over other lines.
//   - "!!SOUND(" and "!!MUSIC(", at which clients play sounds where a line begins
//     with it, lose the exclamation marks, wherever they stand: a line that is
//     broken may begin there.
//
// Strip(Escape(text)) is text without what was dropped, and Escape does nothing
// more to the result.
func Escape(text string) string {
	var e escaper
	return disarm(e.escape(text))
}

// escape returns text, which follows what was escaped before, escaped.
func (e *escaper) escape(text string) string {
	e.rest = text
	n := e.run()
	if n == len(text) {
		return text
	}
	out := make([]byte, 0, len(text)+8)
	for {
		out = append(out, e.rest[:n]...)
		if e.rest = e.rest[n:]; e.rest == "" {
			return string(out)
		}
		repl, skip := e.special()
		out = append(out, repl...)
		e.rest = e.rest[skip:]
		n = e.run()
	}
}

// EscapeLine is Escape for what is to be on one line: white space becomes single
// spaces, and there is none at the ends.
func EscapeLine(text string) string {
	return strings.Join(strings.Fields(Escape(text)), " ")
}

// KeepColors is Escape for somebody who may use the tags for colours and formats,
// which stay; what they leave on is off at the end. Of links and blocks the text
// stays.
func KeepColors(text string) string {
	lines := parseFlat(text)
	for _, ln := range lines {
		var e escaper
		for i := range ln {
			ln[i].link = link{}
			ln[i].text = string(flatText(e.escape(ln[i].text)))
		}
		ln.disarm()
	}
	return join(lines)
}

// An escaper takes text from its beginning.
type escaper struct {
	rest  string
	marks int // in a row
}

const maxMarks = 8

// run returns the length of what rest begins with that stands as it is.
func (e *escaper) run() int {
	text := e.rest
	i := 0
	for i < len(text) {
		c := text[i]
		if shown[c] && c != '$' || c == '\n' {
			e.marks = 0
			i++
			continue
		}
		if c < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if r < 0xa0 || r == utf8.RuneError && n == 1 || dropped(r) || isLineEnd(r) {
			break
		}
		if invisible(r) {
			if e.marks == maxMarks {
				break
			}
			e.marks++
		} else {
			e.marks = 0
		}
		i += n
	}
	return i
}

// special takes what ended a run.
func (e *escaper) special() (repl string, n int) {
	switch c := e.rest[0]; {
	case c == '|':
		e.marks = 0
		return "||", 1
	case c == '$':
		e.marks = 0
		return "|$", 1
	case strings.HasPrefix(e.rest, "\u2028"), strings.HasPrefix(e.rest, "\u2029"):
		e.marks = 0
		return " ", 3
	}
	if r, n := utf8.DecodeRuneInString(e.rest); n > 1 || r != utf8.RuneError {
		return "", n
	}
	e.marks = 0
	return special(e.rest)
}

func dropped(r rune) bool {
	return isTurn(r) || r == '\uFEFF' || '\uFFF9' <= r && r <= '\uFFFB'
}

// isTurn reports whether r turns the direction of what follows.
func isTurn(r rune) bool {
	return '\u202A' <= r && r <= '\u202E' || '\u2066' <= r && r <= '\u2069'
}

// invisible reports whether r takes no room of its own.
func invisible(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) }

// disarm takes the exclamation marks from the triggers in text.
func disarm(text string) string {
	from := 0
	var b strings.Builder
	for _, cut := range triggers(text) {
		b.WriteString(text[from:cut.from])
		from = cut.to
	}
	if from == 0 {
		return text
	}
	b.WriteString(text[from:])
	return b.String()
}

// disarm takes the exclamation marks from the triggers in a line.
func (l line) disarm() {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.text)
	}
	cuts := triggers(b.String())
	at := 0 // where the segment begins in the line
	for i, s := range l {
		end := at + len(s.text)
		from := 0
		var left strings.Builder
		for len(cuts) > 0 && cuts[0].from < end {
			left.WriteString(s.text[from:max(cuts[0].from-at, from)])
			from = min(cuts[0].to-at, len(s.text))
			if cuts[0].to > end {
				break // it goes on in the next
			}
			cuts = cuts[1:]
		}
		left.WriteString(s.text[from:])
		l[i].text = left.String()
		at = end
	}
}

// A cut is a piece that is taken out of a text, in bytes.
type cut struct{ from, to int }

// triggers returns what is to be cut out of text so that no client plays a sound
// for it (https://www.zuggsoft.com/zmud/msp.htm): all exclamation marks before
// "SOUND(" and "MUSIC(", where there are two or more. Triggers count at the
// beginnings of lines alone, but where these are to be is known only when the
// text has been laid out for a client. A client may not have what takes no room,
// so nothing of that counts; what stands on the marks goes with them.
func triggers(text string) []cut {
	var cuts []cut
	var c cut
	marks := 0 // in a row
	word := "" // what is still to come behind the marks
	for i, r := range text {
		switch {
		case marks == 0 && r != '!', r >= utf8.RuneSelf && invisible(r):
		case r == '!':
			if marks == 0 || word != "" {
				c.from, marks, word = i, 0, ""
			}
			marks++
		case marks >= 2 && word == "" && r|0x20 == 's':
			c.to, word = i, "ound("
		case marks >= 2 && word == "" && r|0x20 == 'm':
			c.to, word = i, "usic("
		case word != "" && (r == rune(word[0]) || r >= 'A' && r <= 'Z' && r|0x20 == rune(word[0])):
			if word = word[1:]; word == "" {
				cuts = append(cuts, c)
				marks = 0
			}
		default:
			marks, word = 0, ""
		}
	}
	return cuts
}

// couldBeTag reports whether a bar that is a character in the text of a cell may be
// none in the block: what follows it would end the cell, or makes a tag with what
// stands behind the cell. Any other bar stays, since it may begin a tag of a game's
// own.
func couldBeTag(rest string) bool {
	switch {
	case rest == "" || rest == "l":
		return true
	case rest[0] == 'l':
		return strings.IndexByte("cptu", rest[1]) >= 0
	}
	return strings.IndexByte(",;}{", rest[0]) >= 0
}

// Balance returns text with markup in a form that can be the cell of a block: tags
// that end a cell, a row or a block which is not in text itself are shown, as is
// what would be the beginning of a link with what follows, and blocks that begin
// in it end in it. Tags of a game's own stay as they are.
func Balance(text string) string {
	i := strings.IndexByte(text, '|')
	for i >= 0 && i+1 < len(text) && strings.IndexByte(",;}{l", text[i+1]) < 0 {
		n := strings.IndexByte(text[i+1:], '|')
		if n < 0 {
			return text
		}
		i += 1 + n
	}
	if i < 0 {
		return text
	}
	var b strings.Builder
	s := scanner{rest: text}
	for {
		before := s.rest
		tok, shown := s.next()
		if tok == end {
			b.WriteString(before)
			break
		}
		taken := before[:len(before)-len(s.rest)]
		b.WriteString(taken)
		if tok == chars && shown == "|" && strings.HasSuffix(taken, "|") && !strings.HasSuffix(taken, "||") && couldBeTag(s.rest) {
			b.WriteByte('|')
		}
	}
	for range len(s.blocks) + s.deep {
		b.WriteString("|}")
	}
	return b.String()
}
