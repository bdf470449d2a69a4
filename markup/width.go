package markup

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// The functions of this file take text with markup and return such text. They
// count what is shown: tags have no width, a character is a grapheme cluster
// (Unicode Standard Annex 29) with all its marks and joined parts, and takes the
// cells that a terminal gives it: two if it is wide (Annex 11), none if it is but
// a mark. A style or link that goes across the place of a cut ends before it and
// begins again behind it, so each result stands alone. Cells of a block follow one
// another, with a space between them: blocks are laid out by who shows them.

// An Align says where text stands in the room it has.
type Align byte

const (
	Left   Align = 'l' // at the beginning
	Center Align = 'c' // in the middle
	Right  Align = 'r' // at the end
	Full   Align = 'j' // both ends are straight: gaps between words are widened
)

// Width returns the cells that the longest line of text takes.
func Width(text string) int {
	if run(text, 0) == len(text) && strings.IndexByte(text, '\t') < 0 {
		return cells(text)
	}
	n := 0
	for _, ln := range parseFlat(text) {
		n = max(n, ln.width())
	}
	return n
}

// Len returns how many characters of text are shown; a line end is one.
func Len(text string) int {
	n := -1
	for _, ln := range parseFlat(text) {
		n++
		for _, s := range ln {
			for range clusters(s.text) {
				n++
			}
		}
	}
	return max(n, 0)
}

// Wrap breaks the lines of text that take more than width cells, where a word
// ends, or anywhere in a word that takes more by itself. Text in Chinese and
// Japanese is broken between characters, but not before what closes a phrase. The
// spaces at a break are dropped. A width below 1 is 1.
func Wrap(text string, width int) string {
	return eachLine(text, func(ln line) []line { return ln.wrap(width, width) })
}

// Justify wraps text, and puts each line where align says in width cells. Right
// and Center leave the end of the line open.
func Justify(text string, width int, align Align) string {
	return eachLine(text, func(ln line) []line {
		l := layouter{room: maxRoom}
		out := ln.wrap(width, width)
		for i := range out {
			if align == Full && i < len(out)-1 {
				out[i] = l.justify(out[i], width)
			}
			out[i] = l.aligned(out[i], width, byte(align), false)
		}
		return out
	})
}

// Pad returns text with spaces added to each line that takes less than width
// cells, until it takes that many. Full is as Left.
func Pad(text string, width int, align Align) string {
	return eachLine(text, func(ln line) []line {
		l := layouter{room: maxRoom}
		if gap := width - ln.width(); align == Left || align == Full {
			return []line{append(ln, l.pad(gap, style{})...)}
		}
		return []line{l.aligned(ln, width, byte(align), true)}
	})
}

// Crop returns text with what goes beyond width cells cut off from each line, the
// mark in its place; "…" is usual, "" is none.
func Crop(text string, width int, mark string) string {
	return eachLine(text, func(ln line) []line { return []line{ln.crop(width, mark)} })
}

// Slice returns the characters of text from number from up to, but not with,
// number to, where the first is 0 and a line end is one. Negative numbers count
// from the end; those that are out of range are the nearest in it.
func Slice(text string, from, to int) string {
	if from < 0 || to < 0 {
		n := Len(text)
		if from < 0 {
			from = max(0, from+n)
		}
		if to < 0 {
			to += n
		}
	}
	var out []line
	n := 0
	for i, ln := range parseFlat(text) {
		if i > 0 {
			if n >= from && n < to {
				if out == nil {
					out = []line{nil}
				}
				out = append(out, nil)
			}
			n++
		}
		for _, s := range ln {
			begin, stop := -1, 0
			at := 0
			for c := range clusters(s.text) {
				if n >= from && n < to {
					if begin < 0 {
						begin = at
					}
					stop = at + len(c.text)
				}
				at += len(c.text)
				n++
			}
			if begin >= 0 {
				if len(out) == 0 {
					out = []line{nil}
				}
				s.text = s.text[begin:stop]
				out[len(out)-1] = append(out[len(out)-1], s)
			}
		}
	}
	return join(out)
}

// Split cuts text at each sep among the characters that are shown. If sep is "",
// it cuts at white space, and returns no empty parts.
func Split(text, sep string) []string {
	lines := parseFlat(text)
	var plain strings.Builder
	for i, ln := range lines {
		if i > 0 {
			plain.WriteByte('\n')
		}
		for _, s := range ln {
			plain.WriteString(s.text)
		}
	}
	all := plain.String()
	// The parts as places in all.
	var parts [][2]int
	if sep == "" {
		at := 0
		for f := range strings.FieldsSeq(all) {
			i := at + strings.Index(all[at:], f)
			parts = append(parts, [2]int{i, i + len(f)})
			at = i + len(f)
		}
	} else {
		at := 0
		for {
			i := strings.Index(all[at:], sep)
			if i < 0 {
				parts = append(parts, [2]int{at, len(all)})
				break
			}
			parts = append(parts, [2]int{at, at + i})
			at += i + len(sep)
		}
	}
	out := make([]string, len(parts))
	var next cutter
	next.lines = lines
	for i, p := range parts {
		out[i] = join(next.cut(p[0], p[1]))
	}
	return out
}

// A cutter cuts pieces from lines, each behind the one before it.
type cutter struct {
	lines []line
	seg   int // of the first line
	at    int // where that segment begins, in bytes of all that is shown
}

// cut returns the bytes from one place to the other.
func (c *cutter) cut(from, to int) []line {
	out := []line{nil}
	for len(c.lines) > 0 {
		if c.seg == len(c.lines[0]) { // the line end is a byte
			if c.at >= to || len(c.lines) == 1 {
				return out
			}
			if c.at >= from {
				out = append(out, nil)
			}
			c.at++
			c.lines, c.seg = c.lines[1:], 0
			continue
		}
		s := c.lines[0][c.seg]
		length := len(s.text)
		begin, stop := max(from-c.at, 0), min(to-c.at, length)
		if begin < stop {
			s.text = s.text[begin:stop]
			out[len(out)-1] = append(out[len(out)-1], s)
		}
		if c.at+length > to {
			return out
		}
		c.at += length
		c.seg++
	}
	return out
}

// Upper returns text in capital letters.
func Upper(text string) string { return mapped(text, cases.Upper(language.Und).String) }

// Lower returns text in small letters.
func Lower(text string) string { return mapped(text, cases.Lower(language.Und).String) }

// Title returns text with a capital letter at the beginning of each word, and
// small letters else.
func Title(text string) string {
	inside := false
	return mapped(text, func(s string) string {
		return strings.Map(func(r rune) rune {
			was := inside
			inside = unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || was && (r == '\'' || r == '’')
			if was {
				return unicode.ToLower(r)
			}
			return unicode.ToTitle(r)
		}, s)
	})
}

// Capital returns text with its first letter as a capital.
func Capital(text string) string {
	done := false
	return mapped(text, func(s string) string {
		return strings.Map(func(r rune) rune {
			if done || !unicode.IsLetter(r) {
				return r
			}
			done = true
			return unicode.ToTitle(r)
		}, s)
	})
}

func mapped(text string, f func(string) string) string {
	lines := parseFlat(text)
	for _, ln := range lines {
		for i := range ln {
			ln[i].text = f(ln[i].text)
		}
	}
	return join(lines)
}

// eachLine returns text with each of its lines replaced by others.
func eachLine(text string, f func(line) []line) string {
	var out []line
	for _, ln := range parseFlat(text) {
		out = append(out, f(ln)...)
	}
	return join(out)
}

// parseFlat returns the lines of text, with its blocks as the text in them.
func parseFlat(text string) []line {
	s := scanner{rest: text, flat: true}
	var out []line
	var cur line
	for {
		tok, t := s.next()
		switch tok {
		case end:
			return append(out, cur.merge())
		case newline:
			out = append(out, cur.merge())
			cur = nil
		default:
			cur = cur.addText(t, &s)
		}
	}
}

// join returns lines as text with markup.
func join(lines []line) string {
	w := writer{Target: Target{Format: tags}}
	for i, ln := range lines {
		if i > 0 {
			w.newline()
		}
		for _, s := range ln {
			w.want = s.style
			w.show(s.text, s.link)
		}
	}
	w.end()
	return string(w.dst)
}

// A cluster is what people take for one character.
type cluster struct {
	text  string
	width int // in cells
}

// clusters returns the clusters of plain text.
func clusters(s string) func(yield func(cluster) bool) {
	return func(yield func(cluster) bool) {
		for len(s) > 0 {
			// A printable ASCII character that another follows stands alone.
			if s[0] < utf8.RuneSelf && (len(s) == 1 || s[1] < utf8.RuneSelf) {
				if !yield(cluster{s[:1], asciiCells(s[0])}) {
					return
				}
				s = s[1:]
				continue
			}
			g := displaywidth.StringGraphemes(s)
			for g.Next() {
				v := g.Value()
				if !yield(cluster{v, g.Width()}) {
					return
				}
				s = s[len(v):]
				if len(s) > 1 && s[0] < utf8.RuneSelf && s[1] < utf8.RuneSelf {
					break
				}
			}
		}
	}
}

func asciiCells(c byte) int {
	if c < ' ' || c == 0x7f {
		return 0
	}
	return 1
}

// cells returns the width of plain text on one line.
func cells(s string) int {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return displaywidth.String(s)
		}
	}
	return len(s)
}

// tooLong reports whether a line of text may take more cells than width. A
// character never takes more cells than it has bytes; tags count as if they were
// shown. The address of a page may come to stand lines below its tag.
func tooLong(text string, width int) bool {
	long := 0
	for i := range len(text) {
		switch text[i] {
		case '\n':
			long = 0
			continue
		case '\t':
			long += tabStop
		case '|':
			if i+1 < len(text) && text[i+1] == '>' {
				long += 4
			} else if i+1 < len(text) && text[i+1] == '-' {
				long += tabStop
			} else if strings.HasPrefix(text[i:], "|lu") {
				return true
			}
		}
		if long++; long > width {
			return true
		}
	}
	return false
}

// A piece is a cluster of a line.
type piece struct {
	seg, from, to int
	width         int
	breaks        breaking
}

type breaking uint8

const (
	space  breaking = 1 << iota // it is dropped where the line is broken
	wide                        // the line may be broken beside it
	opens                       // but not behind it
	closes                      // but not before it
	hyphen                      // the line may be broken behind it if it is between letters
	letter
)

func breaksOf(c cluster) breaking {
	r, n := utf8.DecodeRuneInString(c.text)
	switch {
	case c.text == " " || r == '\u3000':
		return space
	case r == '\u200b': // zero width space
		return space
	case c.text == "-" || r == '\u2010':
		return hyphen
	case n < len(c.text) && c.width == 2:
		return wide
	case strings.ContainsRune("、。，．・：；？！ー」』）】〕〉》〙〗々〻ゝゞヽヾぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ…", r):
		return wide | closes
	case strings.ContainsRune("「『（【〔〈《〘〖", r):
		return wide | opens
	case unicode.Is(unicode.Hangul, r): // Korean has spaces between its words
		return letter
	case c.width == 2:
		return wide
	case unicode.IsLetter(r):
		return letter
	}
	return 0
}

// pieces returns the clusters of a line.
func (l line) pieces() []piece {
	n := 0
	for _, s := range l {
		n += len(s.text)
	}
	out := make([]piece, 0, n)
	for i, s := range l {
		at := 0
		for c := range clusters(s.text) {
			p := piece{seg: i, from: at, to: at + len(c.text), width: c.width, breaks: breaksOf(c)}
			if n := len(out); n > 0 && c.width == 0 && at == 0 && p.breaks&space == 0 && out[n-1].seg == i-1 {
				// A mark whose letter has another style.
				p.breaks = out[n-1].breaks&^(space|wide|hyphen) | closes
			}
			at = p.to
			out = append(out, p)
		}
	}
	return out
}

// of returns a part of the line.
func (l line) of(pieces []piece) line {
	var out line
	for i := 0; i < len(pieces); {
		j := i
		for j < len(pieces) && pieces[j].seg == pieces[i].seg {
			j++
		}
		s := l[pieces[i].seg]
		s.text = s.text[pieces[i].from:pieces[j-1].to]
		out = append(out, s)
		i = j
	}
	return out
}

// wrap breaks the line: the first part takes at most first cells, the others at
// most other.
func (l line) wrap(first, other int) []line {
	if l.width() <= first {
		return []line{l}
	}
	ps := l.pieces()
	var out []line
	limit := max(first, 1)
	emit := func(part []piece) {
		for len(part) > 0 && part[len(part)-1].breaks&space != 0 {
			part = part[:len(part)-1]
		}
		out = append(out, l.of(part))
	}
	start := 0
	for start < len(ps) {
		width, at, words := 0, -1, false
		i := start
		for ; i < len(ps); i++ {
			p := ps[i]
			if p.breaks&space != 0 {
				width += p.width
				if words {
					at = i + 1
				}
				continue
			}
			if words && i > start {
				before := ps[i-1].breaks
				switch {
				case (p.breaks|before)&wide != 0 && p.breaks&closes == 0 && before&(opens|space) == 0,
					before&hyphen != 0 && p.breaks&letter != 0 && i > start+1 && ps[i-2].breaks&letter != 0:
					at = i
				}
			}
			if width+p.width > limit && i > start {
				break
			}
			width += p.width
			words = true
		}
		if i == len(ps) {
			emit(ps[start:])
			break
		}
		if at <= start {
			at = i
		}
		emit(ps[start:at])
		for start = at; start < len(ps) && ps[start].breaks&space != 0; {
			start++
		}
		limit = max(other, 1)
	}
	return out
}

// crop cuts what goes beyond width cells, with the mark in its place.
func (l line) crop(width int, mark string) line {
	if l.width() <= width {
		return l
	}
	room := width - cells(mark)
	if room < 0 {
		mark, room = "", max(width, 0)
	}
	ps := l.pieces()
	n := 0
	for n < len(ps) && room >= ps[n].width {
		room -= ps[n].width
		n++
	}
	out := l.of(ps[:n])
	if mark != "" {
		s := segment{text: mark}
		if len(out) > 0 {
			s.style, s.link = out[len(out)-1].style, out[len(out)-1].link
		}
		out = append(slices.Clip(out), s)
	}
	return out
}
