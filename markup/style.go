package markup

import "strings"

// A style is how a character is shown. The zero style is the client's normal one.
type style struct {
	format format
	fore   colour
	back   colour
}

type format uint8

const (
	bright format = 1 << iota
	italic
	underline
	blink
	inverse
	strike
)

// formatCodes are the SGR codes of the formats, in their order (ECMA-48, 8.3.117).
var formatCodes = [...]byte{'1', '3', '4', '5', '7', '9'}

// leaves reports whether something of s has to be switched off to get to next.
func (s style) leaves(next style) bool {
	return s.format&^next.format != 0 || s.fore.kind != own && next.fore.kind == own || s.back.kind != own && next.back.kind == own
}

// spaces returns what of s can be seen on empty space.
func (s style) spaces() style {
	s.format &= underline | inverse | strike
	if s.format&inverse == 0 {
		s.fore = colour{}
	}
	return s
}

// colours has the letters of colours in the order of their SGR codes.
const colours = "xrgybmcw"

// letter applies the colour of a letter, of which the small one is the bright
// one, to the part that kind says: 0 for the foreground with its brightness, '!'
// for the foreground alone, '[' for the background. It returns false if there is
// no such colour.
func (s *style) letter(kind, c byte) bool {
	i := strings.IndexByte(colours, c|0x20)
	small := c&0x20 != 0
	if i < 0 || kind == '!' && small {
		return false
	}
	switch {
	case kind == '[' && small:
		s.back = colour{kind: ansi, r: 8 + uint8(i)}
	case kind == '[':
		s.back = colour{kind: ansi, r: uint8(i)}
	default:
		// Bright is a format of its own, as with |h: codes 1 and 30 to 37 are
		// what the oldest clients know.
		s.fore = colour{kind: ansi, r: uint8(i)}
		if kind == 0 {
			s.format &^= bright
			if small {
				s.format |= bright
			}
		}
	}
	return true
}
