package markup

import (
	"fmt"
	"strconv"
	"strings"
)

// Stylesheet returns the CSS for what is rendered for HTML. Its rules hold inside
// of elements with the class "mudlark".
func Stylesheet() string {
	var b strings.Builder
	b.WriteString(`.mudlark{--text:#d0d0d0;--page:#101010;color:var(--text);background:var(--page);white-space:pre-wrap;overflow-wrap:anywhere}
.mudlark a{color:inherit;text-decoration:underline}
.mudlark .bold{font-weight:bold}.mudlark .italic{font-style:italic}.mudlark .underline{text-decoration:underline}
.mudlark .strike{text-decoration:line-through}.mudlark .underline.strike{text-decoration:underline line-through}
.mudlark .blink{animation:mudlark-blink 1s steps(2) infinite}@keyframes mudlark-blink{to{visibility:hidden}}
@media (prefers-reduced-motion:reduce){.mudlark .blink{animation:none}}
.mudlark .color-page{color:var(--page)}.mudlark .bgcolor-text{background:var(--text)}
.mudlark table{border-collapse:collapse;margin:.2em 0}.mudlark th,.mudlark td{padding:0 1.5ch 0 0;text-align:left;vertical-align:top}
.mudlark table.border th,.mudlark table.border td{border:1px solid;padding:0 1ch}.mudlark thead th{border-bottom:1px solid}
.mudlark .right{text-align:right}.mudlark .center{text-align:center}.mudlark .justify{text-align:justify}
.mudlark section{border:1px solid;padding:.2em 1ch;margin:.2em 0}.mudlark section>header{font-weight:bold}
.mudlark ul{columns:16ch auto;list-style:none;margin:0;padding:0}.mudlark pre{margin:0;white-space:pre;overflow-x:auto;font:inherit}
.mudlark p{margin:0}.mudlark hr{border:0;border-top:1px solid}
`)
	for i := range 256 {
		r, g, bl := paletteRGB(i)
		fmt.Fprintf(&b, ".mudlark .color-%03d{color:#%02x%02x%02x}.mudlark .bgcolor-%03d{background:#%02x%02x%02x}\n", i, r, g, bl, i, r, g, bl)
	}
	return b.String()
}

// showHTML writes s, as a link to l. Addresses of pages in it are links as well.
func (w *writer) showHTML(s string, l link) {
	for l.kind == noLink {
		from, to := bareURL(s)
		if to == 0 {
			break
		}
		if from > 0 {
			w.pieceHTML(s[:from], link{})
		}
		w.pieceHTML(s[from:to], newLink(openLink, Escape(s[from:to])))
		s = s[to:]
	}
	if s != "" {
		w.pieceHTML(s, l)
	}
}

func (w *writer) pieceHTML(s string, l link) {
	if l != w.link || w.want != w.have {
		w.endSpan()
	}
	if l != w.link {
		w.endLink()
		if l.kind != noLink && w.beginLink(l) {
			w.link = l
		}
	}
	if w.want != w.have {
		w.beginSpan()
	}
	for s != "" { // HTML has no tab stops
		i := strings.IndexByte(s, '\t')
		if i < 0 {
			i = len(s)
		}
		w.dst = appendEntities(w.dst, s[:i])
		if i == len(s) {
			return
		}
		w.dst = append(w.dst, "    "...)
		s = s[i+1:]
	}
}

// htmlLink writes the element that begins a link. That of a command has it as the
// attribute data-send, or data-prompt; the page's script does what they say.
func (w *writer) htmlLink(l link) {
	switch l.kind {
	case openLink:
		w.dst = append(w.dst, `<a target="_blank" rel="noopener noreferrer nofollow" href="`...)
	case runLink:
		w.dst = append(w.dst, `<a href="#" data-send="`...)
	case typeLink:
		w.dst = append(w.dst, `<a href="#" data-prompt="`...)
	}
	w.dst = append(appendEntities(w.dst, l.target), `">`...)
}

func (w *writer) endSpan() {
	if w.have != (style{}) {
		w.dst = append(w.dst, "</span>"...)
		w.have = style{}
	}
}

func (w *writer) beginSpan() {
	w.have = w.want
	s := w.want
	fore, back := s.fore, s.back
	bold := s.format&bright != 0
	if bold && fore.kind == ansi && fore.r < 8 {
		fore.r, bold = fore.r+8, false
	}
	w.dst = append(w.dst, "<span"...)
	attribute := ` class="`
	add := func(class string) {
		w.dst = append(append(w.dst, attribute...), class...)
		attribute = " "
	}
	if bold {
		add("bold")
	}
	for _, f := range [...]struct {
		on    format
		class string
	}{{italic, "italic"}, {underline, "underline"}, {blink, "blink"}, {strike, "strike"}} {
		if s.format&f.on != 0 {
			add(f.class)
		}
	}
	if s.format&inverse != 0 {
		fore, back = back, fore
		if fore.kind == own {
			add("color-page")
		}
		if back.kind == own {
			add("bgcolor-text")
		}
	}
	if fore.kind == ansi || fore.kind == palette {
		add(fmt.Sprintf("color-%03d", fore.r))
	}
	if back.kind == ansi || back.kind == palette {
		add(fmt.Sprintf("bgcolor-%03d", back.r))
	}
	if attribute == " " {
		w.dst = append(w.dst, '"')
	}
	if fore.kind == rgb || back.kind == rgb {
		w.dst = append(w.dst, ` style="`...)
		if fore.kind == rgb {
			w.dst = fmt.Appendf(w.dst, "color:#%02x%02x%02x", fore.r, fore.g, fore.b)
		}
		if back.kind == rgb {
			if fore.kind == rgb {
				w.dst = append(w.dst, ';')
			}
			w.dst = fmt.Appendf(w.dst, "background:#%02x%02x%02x", back.r, back.g, back.b)
		}
		w.dst = append(w.dst, '"')
	}
	w.dst = append(w.dst, '>')
}

func (w *writer) element(name, attributes string) {
	w.dst = append(append(append(append(w.dst, '<'), name...), attributes...), '>')
}

func (w *writer) endElement(name string) {
	w.endSpan()
	w.endLink()
	w.dst = append(append(append(w.dst, "</"...), name...), '>')
}

// htmlDoc writes text with blocks as elements.
func (w *writer) htmlDoc(d doc) {
	for _, it := range d {
		if it.block != nil {
			w.htmlBlock(it.block)
			continue
		}
		for i, ln := range it.lines {
			if i > 0 {
				w.newline()
			}
			for _, s := range ln {
				w.want = s.style
				w.show(s.text, s.link)
			}
		}
	}
	w.endSpan()
	w.endLink()
}

func (w *writer) htmlBlock(b *block) {
	w.endSpan()
	w.endLink()
	cellOf := func(name, attributes string, d doc) {
		w.element(name, attributes)
		w.htmlDoc(d)
		w.endElement(name)
	}
	switch b.kind {
	case tableBlock:
		class := ""
		if b.border {
			class = ` class="border"`
		}
		w.element("table", class)
		for i, row := range b.rows {
			name, attributes := "td", ""
			if b.head && i == 0 {
				w.element("thead", "")
				name, attributes = "th", ` scope="col"`
			}
			w.element("tr", "")
			for col, d := range row {
				cellOf(name, attributes+htmlAlign(b.alignOf(col)), d)
			}
			w.endElement("tr")
			if b.head && i == 0 {
				w.endElement("thead")
			}
		}
		w.endElement("table")
	case boxBlock:
		w.element("section", "")
		if title := b.cell(0); len(title) > 0 {
			cellOf("header", "", title)
		}
		cellOf("div", htmlAlign(b.alignOf(0)), b.cell(1))
		w.endElement("section")
	case columnsBlock:
		w.element("ul", "")
		for _, d := range b.cells() {
			cellOf("li", "", d)
		}
		w.endElement("ul")
	case barBlock:
		w.htmlDoc(b.cell(0))
		if len(b.cell(0)) > 0 {
			w.dst = append(w.dst, ' ')
		}
		value, limit := strconv.FormatInt(b.value, 10), strconv.FormatInt(b.limit, 10)
		w.element("meter", ` min="0" value="`+value+`" max="`+limit+`"`)
		w.dst = append(w.dst, value+" of "+limit...)
		w.endElement("meter")
		// Who hears the page has heard the numbers with the meter.
		w.dst = append(w.dst, `<span aria-hidden="true"> `+value+"/"+limit+"</span>"...)
	case ruleBlock:
		if title := b.cell(0); len(title) > 0 {
			cellOf("div", ` class="center"`, title)
		}
		w.element("hr", "")
	case artBlock:
		w.element("pre", ` role="img" aria-label="`)
		w.dst = w.dst[:len(w.dst)-1] // the value follows
		w.dst = append(appendEntities(w.dst, plainLine(b.cell(1))), `">`...)
		w.htmlDoc(b.cell(0))
		w.endElement("pre")
	case parBlock:
		cellOf("p", htmlAlign(b.alignOf(0)), b.cell(0))
	}
}

func htmlAlign(a byte) string {
	switch a {
	case 'r':
		return ` class="right"`
	case 'c':
		return ` class="center"`
	case 'j':
		return ` class="justify"`
	}
	return ""
}
