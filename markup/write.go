package markup

import "bytes"

// tags is the format of text with markup: what cuts and joins text writes it.
const tags Format = 255

// A writer renders what is shown, one piece after the other.
type writer struct {
	dst []byte
	Target
	line  int   // where in dst the line began
	have  style // what the client shows characters in
	want  style // what the next character is to be shown in
	goal  style // the same, as far as the client can show it
	since style // the want that goal was found for
	link  link  // what is open at the client
	not   link  // what the client cannot have
}

// stream renders text without blocks.
func (w *writer) stream(text string) {
	s := scanner{rest: text, flat: true, noURLs: w.textURLs()}
	for {
		tok, text := s.next()
		switch tok {
		case end:
			return
		case newline:
			w.want = s.style
			w.newline()
		default:
			w.want = s.style
			w.show(text, s.link)
		}
	}
}

// textURLs reports whether the client has no links to pages.
func (w *writer) textURLs() bool {
	return w.Format == Reader || w.Format == Terminal && w.Links <= MSLP
}

// aim returns goal.
func (w *writer) aim() style {
	if w.want != w.since {
		w.since, w.goal = w.want, w.want
		if w.Format <= Reader {
			w.goal = w.want.at(w.Depth)
		}
	}
	return w.goal
}

// show writes s in the wanted style, as a link to l.
func (w *writer) show(s string, l link) {
	switch {
	case w.Format == HTML:
		w.showHTML(s, l)
		return
	case w.Format == tags:
		w.showTags(s, l)
		return
	case l != w.link:
		w.switchLink(l)
	}
	if w.Depth != Plain && w.aim() != w.have && (w.link.kind == noLink || w.Links != MSLP) {
		w.change()
	}
	w.dst = append(w.dst, s...)
}

// switchLink ends the link that is open and begins l.
func (w *writer) switchLink(l link) {
	w.endLink()
	if l.kind == noLink || w.Links == NoLinks || l == w.not {
		return
	}
	if w.Depth != Plain && w.aim() != w.have {
		// The sequences of a link stand around its text alone. With MSLP they switch
		// underlining on and off themselves, so nothing else may in between.
		if w.Links == MSLP {
			w.want.format &^= underline
		}
		if w.aim() != w.have {
			w.change()
		}
	}
	if w.beginLink(l) {
		w.link = l
	} else {
		w.not = l
	}
}

// newline ends a line. A style that is to end with the line ends before it if it
// is one that shows on empty space, since terminals fill the next line with it.
// So does a link: what was to be chosen would go on to the end of the window.
func (w *writer) newline() {
	switch w.Format {
	case HTML:
		w.endSpan()
		w.endLink()
		w.dst = append(w.dst, "<br>"...)
		return
	case tags:
		w.dst = append(w.dst, '\n') // as a style does, a link goes on
		return
	case Reader:
		if w.undecorate() {
			return // of the line nothing is left
		}
	}
	w.endLink()
	if w.Depth != Plain && w.have.spaces().leaves(w.aim()) {
		w.change()
	}
	w.dst = append(w.dst, '\n')
	w.line = len(w.dst)
}

// end leaves the client in the normal style.
func (w *writer) end() {
	if w.Format == HTML {
		w.endSpan()
		w.endLink()
		return
	}
	if w.Format == Reader && w.undecorate() {
		w.dst = bytes.TrimSuffix(w.dst, []byte("\n"))
	}
	w.endLink()
	w.want = style{}
	if w.have != w.want {
		if w.Format == tags {
			w.dst = append(w.dst, "|n"...)
		} else {
			w.change()
		}
	}
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

// showTags writes s as text with markup.
func (w *writer) showTags(s string, l link) {
	if s == "" {
		return
	}
	if l != w.link {
		w.endLink()
	}
	if w.want != w.have {
		w.dst = w.want.appendTags(w.dst, w.have)
		w.have = w.want
	}
	if l != w.link && w.beginLink(l) {
		w.link = l
	}
	w.dst = appendBars(w.dst, s)
}

// appendBars appends plain text in a form that stands as it is.
func appendBars(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == '|' || s[i] == '$' {
			dst = append(dst, '|')
		}
		dst = append(dst, s[i])
	}
	return dst
}

// appendTags appends the tags that lead from one style to s.
func (s style) appendTags(dst []byte, from style) []byte {
	if from.leaves(s) {
		dst = append(dst, "|n"...)
		from = style{}
	}
	if s.fore != from.fore || (s.format^from.format)&bright != 0 {
		dst = s.fore.appendTag(dst, false, s.format&bright != 0)
	}
	for i, c := range []byte{0, 'i', 'u', '^', '*', 's'} {
		if on := format(1) << i; c != 0 && s.format&on != 0 && from.format&on == 0 {
			dst = append(dst, '|', c)
		}
	}
	if s.back != from.back {
		dst = s.back.appendTag(dst, true, false)
	}
	return dst
}

// appendTag appends the tag of a colour.
func (c colour) appendTag(dst []byte, back, light bool) []byte {
	if c.kind == own {
		if light {
			dst = append(dst, "|h"...)
		}
		return dst
	}
	dst = append(dst, '|')
	if back {
		dst = append(dst, '[')
	}
	const hex = "0123456789abcdef"
	switch {
	case c.kind == ansi:
		letter := colours[c.r&7]
		if !light && c.r < 8 {
			letter -= 'a' - 'A'
		}
		return append(dst, letter)
	case c.kind == rgb:
		dst = append(dst, '#')
		for _, v := range [...]uint8{c.r, c.g, c.b} {
			dst = append(dst, hex[v>>4], hex[v&15])
		}
	case c.r >= 232:
		dst = append(dst, '=', 'b'+c.r-232)
	default:
		i := c.r - 16
		dst = append(dst, '0'+i/36, '0'+i/6%6, '0'+i%6)
	}
	if light {
		dst = append(dst, "|h"...)
	}
	return dst
}

// undecorate takes from the line that was written what is there to be looked at
// and cannot be read. It reports whether nothing is left of a line that had
// something.
func (w *writer) undecorate() bool {
	line := w.dst[w.line:]
	out := line[:0]
	cut := false
	for i := 0; i < len(line); {
		n, decor := decoration(line[i:])
		if !decor {
			out = append(out, line[i:i+n]...)
		} else {
			cut = true
			if len(out) > 0 && out[len(out)-1] != ' ' {
				out = append(out, ' ')
			}
			for i+n < len(line) && line[i+n] == ' ' {
				n++
			}
		}
		i += n
	}
	if !cut {
		return false
	}
	out = bytes.TrimSpace(out)
	w.dst = append(w.dst[:w.line], out...)
	return len(out) == 0
}

// decoration returns the length of what b begins with that is alike, and whether
// that is a ruling: three and more characters that lines are drawn with, or any of
// those that were made for it (U+2500 to U+259F).
func decoration(b []byte) (n int, is bool) {
	for n < len(b) && isRuling(b[n]) {
		n++
	}
	if n >= 3 {
		return n, true
	}
	if n > 0 {
		return n, false
	}
	for n+2 < len(b) && b[n] == 0xE2 && b[n+1] >= 0x94 && b[n+1] <= 0x96 && (b[n+1] < 0x96 || b[n+2] < 0xA0) {
		n += 3
	}
	if n > 0 {
		return n, true
	}
	return 1, false
}

func isRuling(c byte) bool {
	switch c {
	case '-', '=', '_', '*', '~', '+', '#', '|':
		return true
	}
	return false
}
