package markup

import (
	"slices"
	"strconv"
	"strings"
)

// A doc is text with blocks, parsed.
type doc []item

// An item is lines of text, or a block.
type item struct {
	lines []line
	block *block
}

// A line is what stands between two line ends.
type line []segment

// A segment is characters in one style, of one link.
type segment struct {
	text  string
	style style
	link  link
}

type blockKind uint8

const (
	tableBlock blockKind = iota
	boxBlock
	columnsBlock
	barBlock
	ruleBlock
	artBlock
	parBlock
)

var blockKinds = map[string]blockKind{
	"table": tableBlock, "box": boxBlock, "columns": columnsBlock, "bar": barBlock,
	"rule": ruleBlock, "art": artBlock, "p": parBlock,
}

// A block is a piece of text whose layout depends on who reads it.
type block struct {
	kind         blockKind
	head         bool   // the first row of a table names its columns
	border       bool   // a table has lines around its cells
	wide         bool   // as wide as there is room
	align        string // of each column 'l', 'c', 'r' or 'j'; 'l' of those beyond it
	indent, hang int    // empty cells before the first line, and before the others
	width        int    // in cells; 0 means what it needs
	value, limit int64  // of a bar
	style        style  // that it began in
	rows         [][]doc
}

// parseHead reads what stands in the braces of a block, which is not well-formed
// if it returns false.
func parseHead(head string) (*block, bool) {
	words := strings.Fields(head)
	if len(words) == 0 {
		return nil, false
	}
	kind, ok := blockKinds[words[0]]
	if !ok {
		return nil, false
	}
	b := &block{kind: kind, align: "l", limit: -1}
	number := func(s string, limit int, to *int) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > limit {
			ok = false
		}
		*to = n
	}
	for _, word := range words[1:] {
		key, value, has := strings.Cut(word, "=")
		switch {
		case key == "head" && kind == tableBlock && !has:
			b.head = true
		case key == "border" && kind == tableBlock && !has:
			b.border = true
		case key == "wide" && (kind == tableBlock || kind == boxBlock) && !has:
			b.wide = true
		case key == "align" && (kind == tableBlock || kind == boxBlock || kind == parBlock):
			if value == "" || strings.Trim(value, "lcrj") != "" {
				return nil, false
			}
			b.align = value
		case key == "indent" && kind == parBlock:
			number(value, 40, &b.indent)
		case key == "hang" && kind == parBlock:
			number(value, 40, &b.hang)
		case key == "width" && (kind == parBlock || kind == boxBlock || kind == barBlock):
			if number(value, maxWidth, &b.width); b.width < 3 {
				ok = false
			}
		case kind == barBlock && b.limit < 0:
			v, l, both := strings.Cut(word, "/")
			var err1, err2 error
			b.value, err1 = strconv.ParseInt(v, 10, 64)
			b.limit, err2 = strconv.ParseInt(l, 10, 64)
			if !both || err1 != nil || err2 != nil || b.limit <= 0 {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	return b, ok && (kind != barBlock || b.limit > 0)
}

func (b *block) alignOf(col int) byte {
	if col < len(b.align) {
		return b.align[col]
	}
	return 'l'
}

// cells returns the cells of all rows.
func (b *block) cells() []doc { return slices.Concat(b.rows...) }

// cell returns cell i of all, empty if there are fewer.
func (b *block) cell(i int) doc {
	for _, row := range b.rows {
		if i < len(row) {
			return row[i]
		}
		i -= len(row)
	}
	return nil
}

// parse reads text up to its end, or to the end of the cell that it is.
func (s *scanner) parse() (d doc, tok token) {
	var text []line
	var cur line
	begun := false // something stands before the end of the line, or its end itself
	flush := func(tok token) {
		if begun || tok == end && len(text) > 0 {
			text = append(text, cur.merge())
		}
		if len(text) > 0 {
			d = append(d, item{lines: text})
		}
		text, cur, begun = nil, nil, false
	}
	after := false // a block was just closed
	for {
		tok, t := s.next()
		switch tok {
		case chars:
			cur = cur.addText(t, s)
			begun, after = true, false
		case newline:
			if after { // a block ends its last line itself
				after = false
				continue
			}
			text = append(text, cur.merge())
			cur, begun = nil, false
		case open:
			flush(tok)
			d = append(d, item{block: s.parseBlock(t)})
			after = true
		default:
			flush(tok)
			return d, tok
		}
	}
}

// add appends a segment, unless there is nothing in it.
func (l line) add(s segment) line {
	if s.text == "" {
		return l
	}
	return append(l, s)
}

// addText appends characters that a scanner returned, their tabs as empty cells.
func (l line) addText(text string, s *scanner) line {
	if strings.IndexByte(text, '\t') < 0 {
		return append(l, segment{text, s.style, s.link})
	}
	var b strings.Builder
	col := l.width()
	for {
		i := strings.IndexByte(text, '\t')
		if i < 0 {
			break
		}
		b.WriteString(text[:i])
		col += cells(text[:i])
		b.WriteString("        "[col%tabStop:])
		col += tabStop - col%tabStop
		text = text[i+1:]
	}
	b.WriteString(text)
	return append(l, segment{b.String(), s.style, s.link})
}

// merge joins the segments that are shown alike: characters may join over the tags
// that stood between them.
func (l line) merge() line {
	same := func(a, b segment) bool { return a.style == b.style && a.link == b.link }
	out := l[:0]
	for i := 0; i < len(l); {
		end, size := i+1, len(l[i].text)
		for end < len(l) && same(l[i], l[end]) {
			size += len(l[end].text)
			end++
		}
		s := l[i]
		if end > i+1 {
			b := make([]byte, 0, size)
			for _, part := range l[i:end] {
				b = append(b, part.text...)
			}
			s.text = string(b)
		}
		out = append(out, s)
		i = end
	}
	return out
}

// tabStop is how many cells a tab goes to a multiple of.
const tabStop = 8

func (s *scanner) parseBlock(head string) *block {
	b, _ := parseHead(head) // the scanner has made sure of it
	b.style = s.style
	var cells []doc
	for {
		d, tok := s.parse()
		d = d.trim(b.kind == tableBlock)
		// The line end behind the last row of a table begins no other.
		if b.kind != tableBlock || tok == cell || len(cells) > 0 || len(d) > 0 {
			cells = append(cells, d)
		}
		if tok == cell {
			continue
		}
		if len(cells) > 0 {
			b.rows = append(b.rows, cells)
			cells = nil
		}
		if tok != row {
			return b
		}
	}
}

// trim takes the empty lines around a cell off, which are there for those who
// write it, and the spaces at the ends of lines if these are not to count.
func (d doc) trim(spaces bool) doc {
	if spaces {
		for _, it := range d {
			for i := range it.lines {
				it.lines[i] = it.lines[i].trimmed()
			}
		}
	}
	for len(d) > 0 && d[0].block == nil {
		ls := d[0].lines
		for len(ls) > 0 && ls[0].blank() {
			ls = ls[1:]
		}
		if d[0].lines = ls; len(ls) > 0 {
			break
		}
		d = d[1:]
	}
	for len(d) > 0 && d[len(d)-1].block == nil {
		last := &d[len(d)-1]
		for len(last.lines) > 0 && last.lines[len(last.lines)-1].blank() {
			last.lines = last.lines[:len(last.lines)-1]
		}
		if len(last.lines) > 0 {
			break
		}
		d = d[:len(d)-1]
	}
	return d
}

func (l line) blank() bool {
	for _, s := range l {
		if strings.Trim(s.text, " ") != "" || s.style.spaces() != (style{}) {
			return false
		}
	}
	return true
}

// trimmed returns l without spaces at its ends.
func (l line) trimmed() line { return l.trimEnd().trimStart() }

func (l line) trimStart() line {
	l = slices.Clone(l)
	for len(l) > 0 && l[0].style.spaces() == (style{}) {
		if l[0].text = strings.TrimLeft(l[0].text, " "); l[0].text != "" {
			break
		}
		l = l[1:]
	}
	return l
}

func (l line) trimEnd() line {
	l = slices.Clone(l)
	for len(l) > 0 && l[len(l)-1].style.spaces() == (style{}) {
		last := &l[len(l)-1]
		if last.text = strings.TrimRight(last.text, " "); last.text != "" {
			break
		}
		l = l[:len(l)-1]
	}
	return l
}

func (l line) width() int {
	n := 0
	for _, s := range l {
		n += cells(s.text)
	}
	return n
}

// A layouter lays text out in cells.
type layouter struct {
	reader bool // for who hears it
	wrap   bool // lines outside of blocks are broken
	room   int  // cells of empty space and rulings that may still be made
}

// maxRoom bounds what is added to a text.
const maxRoom = 1 << 20

// layout renders text with blocks, or lines that are to be broken.
func (w *writer) layout(text string) {
	s := scanner{rest: text, noURLs: w.textURLs()}
	d, _ := s.parse()
	if w.Format == HTML {
		w.htmlDoc(d)
		return
	}
	l := layouter{reader: w.Format == Reader, wrap: w.Wrap, room: maxRoom}
	lines := l.doc(d, w.Width, false)
	for i, ln := range lines {
		if i > 0 {
			if len(ln) == 0 {
				w.want = style{}
			} else {
				w.want = ln[0].style
			}
			w.newline()
		}
		for _, s := range ln {
			w.want = s.style
			if s.link == w.link && w.have.spaces() == s.style.spaces() && strings.Trim(s.text, " ") == "" {
				w.want = w.have // nobody sees the difference
			}
			w.show(s.text, s.link)
		}
	}
}

// doc returns the lines of d, each of at most width cells if it is inside of a
// block or lines are to be broken.
func (l *layouter) doc(d doc, width int, inside bool) []line {
	var out []line
	for _, it := range d {
		if it.block != nil {
			out = append(out, l.block(it.block, width)...)
			continue
		}
		for _, ln := range it.lines {
			if (inside || l.wrap) && !l.reader {
				out = append(out, ln.wrap(width, width)...)
			} else {
				out = append(out, ln)
			}
		}
	}
	return out
}

func (l *layouter) block(b *block, width int) []line {
	if b.width > 0 && b.kind != barBlock {
		width = min(width, b.width)
	}
	width = max(width, 1)
	switch b.kind {
	case tableBlock:
		return l.table(b, width)
	case boxBlock:
		return l.box(b, width)
	case columnsBlock:
		return l.columns(b, width)
	case barBlock:
		return l.bar(b, width)
	case ruleBlock:
		return l.rule(b, width)
	case artBlock:
		return l.art(b, width)
	}
	return l.par(b, width)
}

// pad returns n empty cells, in a style that shows.
func (l *layouter) pad(n int, s style) line { return l.fill(" ", n, s) }

// fill returns n cells with what takes one.
func (l *layouter) fill(what string, n int, s style) line {
	if n <= 0 || l.room < n {
		return nil
	}
	l.room -= n
	return line{{text: strings.Repeat(what, n), style: s}}
}

// aligned returns a line in width cells. That of 'l' has no end.
func (l *layouter) aligned(ln line, width int, align byte, full bool) line {
	gap := width - ln.width()
	if gap <= 0 {
		return ln
	}
	switch align {
	case 'r':
		return append(l.pad(gap, style{}), ln...)
	case 'c':
		ln = append(l.pad(gap/2, style{}), ln...)
		gap -= gap / 2
	}
	if full {
		ln = append(slices.Clip(ln), l.pad(gap, style{})...)
	}
	return ln
}

// oneLine returns d as one line of segments, with blocks as they are read aloud:
// what is drawn makes no sense on one line.
func (l *layouter) oneLine(d doc) line {
	aloud := layouter{reader: true, room: l.room}
	lines := aloud.doc(d, maxWidth, false)
	l.room = aloud.room
	var out line
	for _, ln := range lines {
		if ln = ln.trimmed(); len(ln) == 0 {
			continue
		}
		if len(out) > 0 {
			out = out.add(segment{text: " "})
		}
		for _, s := range ln {
			out = out.add(s)
		}
	}
	return out
}

// plainLine returns d as plain text on one line.
func plainLine(d doc) string {
	l := layouter{room: maxRoom}
	var b strings.Builder
	for _, s := range l.oneLine(d) {
		b.WriteString(s.text)
	}
	return b.String()
}

// natural returns how many cells d is wide if there is room for it.
func (l *layouter) natural(d doc, width int) int {
	n := 0
	for _, it := range d {
		if it.block != nil {
			for _, ln := range l.block(it.block, width) {
				n = max(n, ln.width())
			}
			continue
		}
		for _, ln := range it.lines {
			n = max(n, ln.width())
		}
	}
	return n
}

const (
	maxColumns = 40 // of a table; with more its rows are written as records
	minColumn  = 3  // cells that a column needs
)

func (l *layouter) table(b *block, width int) []line {
	columns := 0
	for _, row := range b.rows {
		columns = max(columns, len(row))
	}
	if columns == 0 {
		return nil
	}
	between, around := 2, 0
	if b.border {
		between, around = 3, 4
	}
	avail := width - around - between*(columns-1)
	if l.reader || columns > maxColumns || avail < columns {
		return l.records(b, width)
	}
	widths := make([]int, columns)
	for _, row := range b.rows {
		for i, d := range row {
			widths[i] = max(widths[i], l.natural(d, width))
		}
	}
	if !fit(widths, avail) {
		return l.records(b, width)
	}
	if b.wide {
		for extra := avail - sum(widths); extra > 0; {
			for i := range widths {
				if extra > 0 {
					widths[i]++
					extra--
				}
			}
		}
	}
	ruling := func(left, mid, right string) line {
		var ln line
		ln = ln.add(segment{text: left, style: b.style})
		for i, w := range widths {
			if i > 0 {
				ln = ln.add(segment{text: mid, style: b.style})
			}
			for _, s := range l.fill("─", w, b.style) {
				ln = ln.add(s)
			}
		}
		return ln.add(segment{text: right, style: b.style})
	}
	var out []line
	if b.border {
		out = append(out, ruling("┌─", "─┬─", "─┐"))
	}
	for r, row := range b.rows {
		var tall int
		laid := make([][]line, columns)
		for i, d := range row {
			laid[i] = l.doc(d, widths[i], true)
			tall = max(tall, len(laid[i]))
		}
		for y := range tall {
			var ln line
			if b.border {
				ln = line{{text: "│ ", style: b.style}}
			}
			for i := range columns {
				var c line
				if y < len(laid[i]) {
					c = laid[i][y]
				}
				if b.head && r == 0 {
					c = slices.Clone(c)
					for j := range c {
						if c[j].style == b.style {
							c[j].style.format |= bright
						}
					}
				}
				ln = append(ln, l.aligned(c, widths[i], b.alignOf(i), true)...)
				if i < columns-1 {
					ln = append(ln, segment{text: map[bool]string{false: "  ", true: " │ "}[b.border], style: b.style})
				}
			}
			if b.border {
				ln = append(ln, segment{text: " │", style: b.style})
			} else {
				ln = ln.trimEnd()
			}
			out = append(out, ln)
		}
		if b.head && r == 0 {
			if b.border {
				out = append(out, ruling("├─", "─┼─", "─┤"))
			} else {
				out = append(out, ruling("", "  ", ""))
			}
		}
	}
	if b.border {
		out = append(out, ruling("└─", "─┴─", "─┘"))
	}
	return out
}

// fit makes the widest columns narrower until all have room. It returns false if
// they had too little then.
func fit(widths []int, avail int) bool {
	for over := sum(widths) - avail; over > 0; over = sum(widths) - avail {
		most, next, count := 0, 0, 0
		for _, w := range widths {
			switch {
			case w > most:
				most, next, count = w, most, 1
			case w == most:
				count++
			case w > next:
				next = w
			}
		}
		if most <= minColumn {
			return false
		}
		less := max(1, min(most-max(next, minColumn), over/count))
		for i := range widths {
			if widths[i] == most && over > 0 {
				widths[i] -= less
				over -= less
			}
		}
	}
	return true
}

func sum(list []int) int {
	n := 0
	for _, v := range list {
		n += v
	}
	return n
}

// records returns the rows of a table as lines of their own, each cell with the
// name of its column: how a table is read aloud, and what it is where there is no
// room for its columns.
func (l *layouter) records(b *block, width int) []line {
	var head []line
	rows := b.rows
	if b.head && len(rows) > 0 {
		for _, d := range rows[0] {
			head = append(head, l.oneLine(d))
		}
		rows = rows[1:]
	}
	var out []line
	for _, row := range rows {
		var ln line
		for i, d := range row {
			text := l.oneLine(d)
			if len(text) == 0 {
				continue
			}
			switch {
			case len(ln) > 0 && !b.head && len(row) == 2:
				ln = ln.add(segment{text: ": ", style: b.style})
			case len(ln) > 0:
				ln = ln.add(segment{text: ", ", style: b.style})
			}
			if i < len(head) && len(head[i]) > 0 {
				for _, s := range head[i] {
					ln = ln.add(s)
				}
				ln = ln.add(segment{text: ": ", style: b.style})
			}
			for _, s := range text {
				ln = ln.add(s)
			}
		}
		if l.reader {
			out = append(out, ln)
		} else {
			out = append(out, ln.wrap(width, width)...)
		}
	}
	return out
}

const minBox = 5 // cells of a box with one inside

func (l *layouter) box(b *block, width int) []line {
	title, body := l.oneLine(b.cell(0)), b.cell(1)
	if l.reader || width < minBox {
		out := l.doc(body, width, true)
		switch {
		case len(title) == 0:
			return out
		case l.reader:
			return append([]line{title}, out...)
		}
		return append(title.wrap(width, width), out...)
	}
	inner := width - 4
	if !b.wide && b.width == 0 {
		need := max(l.natural(body, inner), 1)
		if len(title) > 0 {
			need = max(need, title.width()+2)
		}
		inner = min(inner, need)
	}
	text := l.justified(l.doc(body, inner, true), b, inner)
	if inner < 4 && len(title) > 0 && title.width() > inner-2 { // in the line above nothing would be left of it
		text = append(title.wrap(inner, inner), text...)
		title = nil
	}
	title = title.crop(inner-2, "…")
	top := line{{text: "┌─", style: b.style}}
	n := inner
	if len(title) > 0 {
		top = append(top, segment{text: " ", style: b.style})
		top = append(top, title...)
		top = append(top, segment{text: " ", style: b.style})
		n -= title.width() + 2
	}
	top = append(top, l.fill("─", n, b.style)...)
	out := []line{append(top, segment{text: "─┐", style: b.style})}
	for _, ln := range text {
		ln = l.aligned(ln, inner, b.alignOf(0), true)
		out = append(out, slices.Concat(line{{text: "│ ", style: b.style}}, ln, line{{text: " │", style: b.style}}))
	}
	bottom := append(line{{text: "└─", style: b.style}}, l.fill("─", inner, b.style)...)
	return append(out, append(bottom, segment{text: "─┘", style: b.style}))
}

// columns writes cells down one column after the other, like a newspaper, in as
// many as there is room for.
func (l *layouter) columns(b *block, width int) []line {
	var items []line
	widest := 1
	for _, d := range b.cells() {
		if ln := l.oneLine(d); len(ln) > 0 {
			items = append(items, ln)
			widest = max(widest, ln.width())
		}
	}
	if len(items) == 0 {
		return nil
	}
	if l.reader {
		var out line
		for i, ln := range items {
			if i > 0 {
				out = out.add(segment{text: ", ", style: b.style})
			}
			for _, s := range ln {
				out = out.add(s)
			}
		}
		return []line{out}
	}
	widest = min(widest, width)
	count := max(1, (width+2)/(widest+2))
	tall := (len(items) + count - 1) / count
	var out []line
	for y := range tall {
		if widest == width { // an item may need lines of its own
			out = append(out, items[y].wrap(width, width)...)
			continue
		}
		var ln line
		for i := y; i < len(items); i += tall {
			ln = append(ln, l.aligned(items[i], widest, 'l', i+tall < len(items))...)
			if i+tall < len(items) {
				ln = append(ln, l.pad(2, style{})...)
			}
		}
		out = append(out, ln)
	}
	return out
}

func (l *layouter) bar(b *block, width int) []line {
	label := l.oneLine(b.cell(0))
	numbers := strconv.FormatInt(b.value, 10)
	if l.reader {
		if len(label) > 0 {
			label = append(label, segment{text: ": ", style: b.style})
		}
		return []line{append(label, segment{text: numbers + " of " + strconv.FormatInt(b.limit, 10), style: b.style})}
	}
	numbers += "/" + strconv.FormatInt(b.limit, 10)
	long := b.width
	if long == 0 {
		long = 20
	}
	room := width - len(numbers) - 1
	if len(label) > 0 {
		label = append(slices.Clip(label), segment{text: " "})
		room -= label.width()
	}
	if long = min(long, room); long < 3 {
		return append(label, segment{text: numbers, style: b.style}).wrap(width, width)
	}
	full := int(float64(min(max(b.value, 0), b.limit)) / float64(b.limit) * float64(long))
	if full == 0 && b.value > 0 {
		full = 1 // not nothing
	}
	label = append(label, l.fill("█", full, b.style)...)
	label = append(label, l.fill("░", long-full, b.style)...)
	return []line{append(label, segment{text: " " + numbers, style: b.style})}
}

func (l *layouter) rule(b *block, width int) []line {
	title := l.oneLine(b.cell(0))
	if l.reader {
		if len(title) == 0 {
			return nil
		}
		return []line{title}
	}
	if title = title.crop(width-4, "…"); len(title) == 0 {
		return []line{l.fill("─", width, b.style)}
	}
	rest := width - title.width() - 2
	ln := append(l.fill("─", rest/2, b.style), segment{text: " ", style: b.style})
	ln = append(append(ln, title...), segment{text: " ", style: b.style})
	return []line{append(ln, l.fill("─", rest-rest/2, b.style)...)}
}

// art shows lines as they stand, or, to who does not see them or has no room for
// them, what they are in words.
func (l *layouter) art(b *block, width int) []line {
	if !l.reader && l.natural(b.cell(0), width) <= width {
		return l.doc(b.cell(0), width, true)
	}
	return l.doc(b.cell(1), width, true)
}

func (l *layouter) par(b *block, width int) []line {
	if l.reader {
		return l.doc(b.cell(0), width, true)
	}
	var out []line
	for _, it := range b.cell(0) {
		if it.block != nil {
			for _, ln := range l.block(it.block, max(1, width-b.hang)) {
				out = append(out, append(l.pad(b.hang, style{}), ln...))
			}
			continue
		}
		for _, logical := range it.lines {
			first, other := max(1, width-b.indent), max(1, width-b.hang)
			laid := logical.wrap(first, other)
			for i, ln := range laid {
				indent, room := b.hang, other
				if i == 0 {
					indent, room = b.indent, first
				}
				if b.alignOf(0) == 'j' && i < len(laid)-1 {
					ln = l.justify(ln, room)
				}
				ln = l.aligned(ln, room, b.alignOf(0), false)
				out = append(out, append(l.pad(indent, style{}), ln...))
			}
		}
	}
	return out
}

// justified widens lines that are to be, except those that end a paragraph: which
// ends where the next line is empty or there is none.
func (l *layouter) justified(lines []line, b *block, width int) []line {
	if b.alignOf(0) == 'j' {
		for i := range lines {
			if i+1 < len(lines) && !lines[i+1].blank() {
				lines[i] = l.justify(lines[i], width)
			}
		}
	}
	return lines
}

// justify widens the gaps between words until the line has width cells.
func (l *layouter) justify(ln line, width int) line {
	missing := width - ln.width()
	gaps := 0
	inside := false
	for _, s := range ln {
		for i := range len(s.text) {
			if s.text[i] == ' ' {
				if inside {
					gaps++
				}
				inside = false
			} else {
				inside = true
			}
		}
	}
	if !inside {
		gaps-- // the last gap is at the end
	}
	if missing <= 0 || gaps <= 0 || missing > width/2 || l.room < missing {
		return ln
	}
	l.room -= missing
	var out line
	gap := 0
	inside = false
	for _, s := range ln {
		var b strings.Builder
		for i := range len(s.text) {
			c := s.text[i]
			b.WriteByte(c)
			if c != ' ' {
				inside = true
				continue
			}
			if inside && gap < gaps {
				b.WriteString(strings.Repeat(" ", missing*(gap+1)/gaps-missing*gap/gaps))
				gap++
			}
			inside = false
		}
		s.text = b.String()
		out = append(out, s)
	}
	return out
}
