package markup

import (
	"math"
	"strconv"
)

// A colour is one that characters or their background have; the zero colour is
// the client's own.
type colour struct {
	kind    colourKind
	r, g, b uint8 // of kind rgb; of others r is the index
}

type colourKind uint8

const (
	own     colourKind = iota
	ansi               // 0 to 7, of the background also 8 to 15; a bright foreground is a format
	palette            // 16 to 255 of xterm's palette
	rgb
)

// appendSGR appends the parameters that set the colour, and a semicolon. ECMA-48,
// 8.3.117, and for palette and rgb the forms of xterm, which all clients read.
func (c colour) appendSGR(dst []byte, back bool) []byte {
	base := 30
	if back {
		base = 40
	}
	switch c.kind {
	case own:
		return dst
	case ansi:
		n := base + int(c.r)
		if c.r > 7 {
			// Codes 100 to 107 are not in ECMA-48; aixterm had them first, and
			// clients with sixteen colours know them.
			n = base + 60 + int(c.r) - 8
		}
		return append(strconv.AppendInt(dst, int64(n), 10), ';')
	case palette:
		dst = append(strconv.AppendInt(dst, int64(base+8), 10), ";5;"...)
		return append(strconv.AppendInt(dst, int64(c.r), 10), ';')
	}
	dst = append(strconv.AppendInt(dst, int64(base+8), 10), ";2;"...)
	for _, v := range [...]uint8{c.r, c.g, c.b} {
		dst = append(strconv.AppendInt(dst, int64(v), 10), ';')
	}
	return dst
}

// at returns the style as a client of that depth shows it.
func (s style) at(depth Depth) style {
	if s.fore.kind <= ansi && s.back.kind <= ansi || depth == TrueColor {
		return s
	}
	if depth == ANSI256 {
		s.fore, s.back = s.fore.to256(), s.back.to256()
		return s
	}
	if s.fore.kind > ansi {
		i := s.fore.to16(true)
		s.fore = colour{kind: ansi, r: i & 7}
		if i > 7 {
			s.format |= bright
		}
	}
	if s.back.kind > ansi {
		s.back = colour{kind: ansi, r: s.back.to16(false)}
	}
	return s
}

// to256 returns the nearest colour of the palette that all terminals have alike:
// the first sixteen are the user's to choose.
func (c colour) to256() colour {
	if c.kind != rgb {
		return c
	}
	return colour{kind: palette, r: nearest(c.lab(), all240[:], 1)}
}

// to16 returns the nearest of the sixteen colours. So few of them would make half
// of all colours grey, so one that has a hue becomes one that has. Text is black
// only if it was meant to be: what is but dark would vanish on the background that
// most have.
func (c colour) to16(text bool) uint8 {
	l := c.lab()
	switch {
	case l.a*l.a+l.b*l.b > hue*hue:
		return nearest(l, []uint8{1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14}, 0.25)
	case text && c != colour{kind: palette, r: 16} && c != colour{kind: rgb}:
		return nearest(l, []uint8{8, 7, 15}, 1)
	}
	return nearest(l, []uint8{0, 8, 7, 15}, 1)
}

// hue is how far from grey a colour is that people call by another name.
const hue = 0.075

// all240 has the indexes of the colours that all terminals have alike.
var all240 = func() (t [240]uint8) {
	for i := range t {
		t[i] = uint8(16 + i)
	}
	return t
}()

// lab returns the colour, of kind palette or rgb, in a space where distances are
// as people see them.
func (c colour) lab() lab {
	if c.kind == palette {
		return paletteLab[c.r]
	}
	return labOf(c.r, c.g, c.b)
}

// A lab is a colour in OKLab, https://bottosson.github.io/posts/oklab/.
type lab struct{ l, a, b float32 }

// nearest returns which of these indexes of the palette looks most alike; of
// several the first counts. light is how much a difference of lightness counts.
func nearest(c lab, among []uint8, light float32) uint8 {
	best, at := float32(math.MaxFloat32), among[0]
	for _, i := range among {
		p := &paletteLab[i]
		dl, da, db := p.l-c.l, p.a-c.a, p.b-c.b
		if d := light*dl*dl + da*da + db*db; d < best {
			best, at = d, i
		}
	}
	return at
}

// linear has the light of each value of a channel of sRGB, IEC 61966-2-1.
var linear = func() (t [256]float64) {
	for i := range t {
		v := float64(i) / 255
		if v <= 0.04045 {
			t[i] = v / 12.92
		} else {
			t[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return t
}()

func labOf(r, g, b uint8) lab {
	lr, lg, lb := linear[r], linear[g], linear[b]
	l := math.Cbrt(0.4122214708*lr + 0.5363325363*lg + 0.0514459929*lb)
	m := math.Cbrt(0.2119034982*lr + 0.6806995451*lg + 0.1073969566*lb)
	s := math.Cbrt(0.0883024619*lr + 0.2817188376*lg + 0.6299787005*lb)
	return lab{
		l: float32(0.2104542553*l + 0.7936177850*m - 0.0040720468*s),
		a: float32(1.9779984951*l - 2.4285922050*m + 0.4505937099*s),
		b: float32(0.0259040371*l + 0.7827717662*m - 0.8086757660*s),
	}
}

// sixteen has the first colours of xterm's palette, as it comes.
var sixteen = [16][3]uint8{
	{0, 0, 0}, {205, 0, 0}, {0, 205, 0}, {205, 205, 0}, {0, 0, 238}, {205, 0, 205}, {0, 205, 205}, {229, 229, 229},
	{127, 127, 127}, {255, 0, 0}, {0, 255, 0}, {255, 255, 0}, {92, 92, 255}, {255, 0, 255}, {0, 255, 255}, {255, 255, 255},
}

// paletteRGB returns a colour of xterm's palette: the sixteen, a cube of six
// steps a side, and 24 greys.
func paletteRGB(i int) (r, g, b uint8) {
	step := func(n int) uint8 {
		if n == 0 {
			return 0
		}
		return uint8(55 + 40*n)
	}
	switch {
	case i < 16:
		return sixteen[i][0], sixteen[i][1], sixteen[i][2]
	case i < 232:
		i -= 16
		return step(i / 36), step(i / 6 % 6), step(i % 6)
	}
	v := uint8(8 + 10*(i-232))
	return v, v, v
}

var paletteLab = func() (t [256]lab) {
	for i := range t {
		t[i] = labOf(paletteRGB(i))
	}
	return t
}()

// takeColour reads what follows the bar, and the bracket of a background, of a
// tag for a colour beyond the sixteen: "500", "=k", "#f80" or "#ff8800". It
// returns its length, 0 if it is none.
func takeColour(text string) (c colour, n int) {
	digit := func(i int) (int, bool) {
		if i >= len(text) || text[i] < '0' || text[i] > '5' {
			return 0, false
		}
		return int(text[i] - '0'), true
	}
	switch {
	case text == "":
		return c, 0
	case text[0] == '=':
		if len(text) < 2 || text[1] < 'a' || text[1] > 'z' {
			return c, 0
		}
		i := 231 + int(text[1]-'a')
		switch text[1] {
		case 'a':
			i = 16
		case 'z':
			i = 231
		}
		return colour{kind: palette, r: uint8(i)}, 2
	case text[0] == '#':
		hex := 0
		for hex < 6 && hex+1 < len(text) && hexValue(text[hex+1]) >= 0 {
			hex++
		}
		v := func(i int) uint8 { return uint8(hexValue(text[i])) }
		switch {
		case hex == 6:
			return colour{kind: rgb, r: v(1)<<4 | v(2), g: v(3)<<4 | v(4), b: v(5)<<4 | v(6)}, 7
		case hex >= 3:
			return colour{kind: rgb, r: v(1) * 17, g: v(2) * 17, b: v(3) * 17}, 4
		}
		return c, 0
	}
	r, ok1 := digit(0)
	g, ok2 := digit(1)
	b, ok3 := digit(2)
	if !ok1 || !ok2 || !ok3 {
		return c, 0
	}
	return colour{kind: palette, r: uint8(16 + 36*r + 6*g + b)}, 3
}

// hexValue returns the value of a hexadecimal digit, -1 of anything else.
func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
