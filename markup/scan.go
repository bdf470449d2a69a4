package markup

import "strings"

// A scanner reads text with markup from left to right. It is the only reader of
// tags: what renders, measures, cuts and lays out text takes what it returns.
type scanner struct {
	rest  string
	style style // of the characters that next returns
	link  link  // what they are a link to

	flat    bool    // blocks are read as the text that is in them
	noURLs  bool    // links to pages become text, with their address behind
	address string  // what is to be shown behind the text of such a link
	blocks  []style // of the blocks that are open, the style they began in
	deep    int     // blocks that are open in as many as may be: they are read as the text that is in them
	sought  bool    // the next "|lt" was looked for
	target  int     // how many bytes from the end it is; -1 if there is none
}

// A token is what next returns.
type token uint8

const (
	end     token = iota
	chars         // characters to be shown
	newline       // the line ends
	open          // a block begins: the text is what stands in its braces
	cell          // the cell of a block ends, and another begins
	row           // the row of a block ends, and another begins
	closing       // the block ends
)

const (
	maxBlocks = 4       // that may be open at once: each doubles the work of laying out the next
	maxTarget = 2 << 10 // bytes of a link's target
)

// next returns what comes next. The text of chars has no tags, control
// characters but tabs, or bytes that are not UTF-8.
func (s *scanner) next() (token, string) {
	for s.rest != "" {
		if n := run(s.rest, 0); n > 0 {
			text := s.rest[:n]
			s.rest = s.rest[n:]
			return chars, text
		}
		switch s.rest[0] {
		case '\n':
			s.rest = s.rest[1:]
			return newline, ""
		case '|':
			if tok, text, ok := s.tag(); ok {
				return tok, text
			}
		default:
			repl, n := special(s.rest)
			s.rest = s.rest[n:]
			if repl != "" {
				return chars, repl
			}
		}
	}
	if s.address != "" {
		return chars, s.endLink()
	}
	s.link = link{}
	return end, ""
}

// endLink ends the link that is open, and returns what is to be shown behind it.
func (s *scanner) endLink() string {
	text := s.address
	s.link, s.address = link{}, ""
	return text
}

// show takes the first n bytes for a tag that stands for text.
func (s *scanner) show(n int, text string) (token, string, bool) {
	s.rest = s.rest[n:]
	return chars, text, true
}

// skip takes the first n bytes for a tag that shows nothing by itself.
func (s *scanner) skip(n int) (token, string, bool) {
	s.rest = s.rest[n:]
	return end, "", false
}

// bar takes the bar for a character.
func (s *scanner) bar() (token, string, bool) { return s.show(1, "|") }

// tag acts on the bar that rest begins with. It reports whether there is
// something to return.
func (s *scanner) tag() (token, string, bool) {
	text := s.rest
	if len(text) < 2 {
		return s.bar()
	}
	f := &s.style.format
	switch c := text[1]; c {
	case '|':
		return s.show(2, "|")
	case '$':
		return s.show(2, "$")
	case '/':
		s.rest = text[2:]
		return newline, "", true
	case '-':
		return s.show(2, "\t")
	case '_':
		return s.show(2, " ")
	case '>':
		return s.show(2, "    ")
	case 'n':
		s.style = style{}
	case 'h':
		*f |= bright
	case 'H':
		*f &^= bright
	case 'u':
		*f |= underline
	case 'U':
		*f &^= underline
	case 'i':
		*f |= italic
	case 'I':
		*f &^= italic
	case 's':
		*f |= strike
	case 'S':
		*f &^= strike
	case '*':
		*f |= inverse
	case '^':
		*f |= blink
	case '[':
		if col, n := takeColour(text[2:]); n > 0 {
			s.style.back = col
			return s.skip(2 + n)
		}
		if len(text) < 3 || !s.style.letter(c, text[2]) {
			return s.bar()
		}
		return s.skip(3)
	case '!':
		if len(text) < 3 || !s.style.letter(c, text[2]) {
			return s.bar()
		}
		return s.skip(3)
	case '#', '=', '0', '1', '2', '3', '4', '5':
		col, n := takeColour(text[1:])
		if n == 0 {
			return s.bar()
		}
		// The colour says how bright it is; |h before it made letters bold.
		s.style.fore = col
		*f &^= bright
		return s.skip(1 + n)
	case 'l':
		return s.linkTag()
	case '{':
		return s.openBlock()
	case ',', ';', '}':
		return s.inBlock(c)
	default:
		if !s.style.letter(0, c) {
			return s.bar()
		}
	}
	return s.skip(2)
}

// linkTag acts on "|l" and a letter.
func (s *scanner) linkTag() (token, string, bool) {
	if len(s.rest) < 3 {
		return s.bar()
	}
	kind := noLink
	switch s.rest[2] {
	case 'c':
		kind = runLink
	case 'p':
		kind = typeLink
	case 'u':
		kind = openLink
	case 'e':
		// Without a link before it, it is the end of one that is none.
		s.rest = s.rest[3:]
		if text := s.endLink(); text != "" {
			return chars, text, true
		}
		return end, "", false
	default:
		return s.bar()
	}
	// The target ends with the next "|lt", whose place is looked for once.
	text := s.rest[3:]
	if !s.sought || s.target > len(text) {
		s.sought, s.target = true, -1
		if n := targetLen(text); n >= 0 {
			s.target = len(text) - n
		}
	}
	n := len(text) - s.target
	if s.target < 0 || n > maxTarget || strings.Contains(text[:n], "\n") {
		return s.bar()
	}
	raw := text[:n]
	s.rest = text[n+3:]
	address := s.endLink()
	s.link = newLink(kind, raw)
	if s.link.kind == openLink && s.noURLs {
		if !strings.HasPrefix(s.rest, raw+"|le") {
			s.address = " (" + s.link.target + ")"
		}
		s.link = link{}
	}
	if address != "" {
		return chars, address, true
	}
	return end, "", false
}

// targetLen returns where the "|lt" of text is that is a tag, -1 if there is none.
func targetLen(text string) int {
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '|')
		if i < 0 {
			return -1
		}
		at += i
		switch rest := text[at+1:]; {
		case strings.HasPrefix(rest, "lt"):
			return at
		case rest != "" && (rest[0] == '|' || rest[0] == '$'):
			at += 2
		default:
			at++
		}
	}
}

// openBlock acts on "|{". What stands in the braces names the block and says how
// it is to be; if that is not understood the bar is a character.
func (s *scanner) openBlock() (token, string, bool) {
	n := strings.IndexByte(s.rest[:min(len(s.rest), 200)], '}')
	if n < 0 {
		return s.bar()
	}
	head := s.rest[2:n]
	if _, ok := parseHead(head); !ok {
		return s.bar()
	}
	s.rest = s.rest[n+1:]
	if len(s.blocks) == maxBlocks {
		s.deep++
		return end, "", false
	}
	s.blocks = append(s.blocks, s.style)
	if s.flat {
		return end, "", false
	}
	return open, head, true
}

// inBlock acts on what ends a cell, a row or a block. Each cell begins in the
// style that the block began in.
func (s *scanner) inBlock(c byte) (token, string, bool) {
	if len(s.blocks) == 0 {
		return s.bar()
	}
	if address := s.endLink(); address != "" {
		return chars, address, true // and then the tag
	}
	s.rest = s.rest[2:]
	if s.deep > 0 {
		if c == '}' {
			s.deep--
			return end, "", false
		}
		return chars, " ", true
	}
	s.style = s.blocks[len(s.blocks)-1]
	tok := cell
	switch c {
	case ';':
		tok = row
	case '}':
		tok = closing
		s.blocks = s.blocks[:len(s.blocks)-1]
	}
	if s.flat {
		if tok == closing {
			return end, "", false
		}
		return chars, " ", true
	}
	return tok, "", true
}
