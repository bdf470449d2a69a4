package ui

import (
	"fmt"
	"strconv"
	"strings"

	"mudlark.dev/markup"
)

// A Table has rows and columns. Where there is no room for its columns side by
// side, and for who hears it, a row is a line "heading: cell, heading: cell".
type Table struct {
	Head   []string // names of the columns; none if it is empty, which makes it hard to hear
	Rows   [][]string
	Align  string // a letter for each column: l, c, r, or j for text with straight edges; l for those beyond it
	Border bool   // lines around all cells
	Wide   bool   // as wide as there is room, not only as wide as it must be
}

// Add appends a row of cells, of which each is a string or what fmt.Sprint makes
// of it.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

// String returns the table as text with markup.
func (t Table) String() string {
	var b strings.Builder
	b.WriteString("|{table")
	if len(t.Head) > 0 {
		b.WriteString(" head")
	}
	if t.Border {
		b.WriteString(" border")
	}
	if t.Wide {
		b.WriteString(" wide")
	}
	writeAlign(&b, t.Align)
	b.WriteString("}")
	rows := t.Rows
	if len(t.Head) > 0 {
		writeCells(&b, t.Head)
		b.WriteString("|;")
	}
	for i, row := range rows {
		if i > 0 {
			b.WriteString("|;")
		}
		writeCells(&b, row)
	}
	b.WriteString("|}")
	return b.String()
}

func writeCells(b *strings.Builder, cells []string) {
	for i, c := range cells {
		if i > 0 {
			b.WriteString("|,")
		}
		b.WriteString(markup.Balance(c))
	}
	if len(cells) == 1 && strings.Trim(cells[0], " \n") == "" {
		b.WriteString("|,") // or the row would be none
	}
}

func writeAlign(b *strings.Builder, align string) {
	if align == "" {
		return
	}
	b.WriteString(" align=")
	for i := range len(align) {
		switch c := align[i]; c {
		case 'c', 'r', 'j':
			b.WriteByte(c)
		default:
			b.WriteByte('l')
		}
	}
}

// A Box is text with lines around it and a title in the upper one. Who hears it
// hears the title and the text.
type Box struct {
	Title string // on one line
	Text  string // may have other blocks in it
	Align string // l, c, r or j; "" means l
	Width int    // in cells, at least 3; 0 means as the text needs
	Wide  bool   // as wide as there is room
}

// String returns the box as text with markup.
func (x Box) String() string {
	var b strings.Builder
	b.WriteString("|{box")
	writeAlign(&b, x.Align)
	writeNumber(&b, "width", x.Width, 3, 500)
	if x.Wide {
		b.WriteString(" wide")
	}
	b.WriteString("}" + markup.Balance(x.Title) + "|," + markup.Balance(x.Text) + "|}")
	return b.String()
}

// writeNumber writes an option that is from low to high, and nothing for 0.
func writeNumber(b *strings.Builder, name string, n, low, high int) {
	if n > 0 {
		b.WriteString(" " + name + "=" + strconv.Itoa(min(max(n, low), high)))
	}
}

// Columns are short texts in as many columns as there is room for, down one and
// then the next. Who hears them hears a list.
type Columns []string

// String returns the columns as text with markup.
func (c Columns) String() string {
	var b strings.Builder
	b.WriteString("|{columns}")
	writeCells(&b, c)
	b.WriteString("|}")
	return b.String()
}

// A Bar shows how much there is of something. Who hears it hears the label and
// "Value of Max".
type Bar struct {
	Label      string // on one line; it names what the bar is of
	Value, Max int64  // a Max below 1 is 1
	Width      int    // in cells; 0 means 20
}

// String returns the bar as text with markup.
func (x Bar) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "|{bar %d/%d", x.Value, max(x.Max, 1))
	writeNumber(&b, "width", x.Width, 3, 500)
	b.WriteString("}" + markup.Balance(x.Label) + "|}")
	return b.String()
}

// Rule returns a line across the window, with a title in it unless that is "".
// Who hears it hears the title.
func Rule(title string) string { return "|{rule}" + markup.Balance(title) + "|}" }

// Art returns a picture made of characters, such as a map. Its lines are not
// broken. Who hears it, or has a window that is too narrow, gets alt, which says
// the same in words. It panics if alt is empty: the picture would be nothing for
// some.
func Art(picture, alt string) string {
	if strings.TrimSpace(alt) == "" {
		panic("ui: a picture needs an alternative text")
	}
	return "|{art}" + markup.Balance(picture) + "|," + markup.Balance(alt) + "|}"
}

// A Paragraph is text in lines of its own shape. A line end in it begins another
// paragraph.
type Paragraph struct {
	Text   string
	Align  string // l, c, r or j; "" means l
	Indent int    // cells before the first line, at most 40
	Hang   int    // cells before the other lines, at most 40
	Width  int    // in cells, at least 3; 0 means the window's
}

// String returns the paragraph as text with markup.
func (p Paragraph) String() string {
	var b strings.Builder
	b.WriteString("|{p")
	writeAlign(&b, p.Align)
	writeNumber(&b, "indent", p.Indent, 1, 40)
	writeNumber(&b, "hang", p.Hang, 1, 40)
	writeNumber(&b, "width", p.Width, 3, 500)
	b.WriteString("}" + markup.Balance(p.Text) + "|}")
	return b.String()
}

// Command returns a link that sends a command when it is chosen. Clients without
// links show the text; so do all if the command is empty, or not on one line.
func Command(command, text string) string { return link("|lc", command, text) }

// Prompt returns a link that puts a text where the player types, to be gone on
// with. Clients without links show the text; so do all if it is empty, or not on
// one line.
func Prompt(begin, text string) string { return link("|lp", begin, text) }

// Page returns a link to a page on the web or a mail address: one that begins with
// http:, https: or mailto:. Clients without links show the text and the address.
// All show the text alone if the address is of another kind.
func Page(url, text string) string { return link("|lu", url, text) }

func link(tag, target, text string) string {
	if strings.ContainsAny(target, "\n\t") {
		return text
	}
	return tag + markup.Escape(target) + "|lt" + text + "|le"
}
