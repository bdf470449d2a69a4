package markup_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"mudlark.dev/markup"
)

func TestAppend(t *testing.T) {
	for _, tc := range []struct {
		name, in, ansi, plain string
	}{
		{"empty", "", "", ""},
		{"no tags", "a lark", "a lark", "a lark"},
		{"bright colours", "|rr|gg|yy|bb|mm|cc|ww|xx",
			"\x1b[1;31mr\x1b[32mg\x1b[33my\x1b[34mb\x1b[35mm\x1b[36mc\x1b[37mw\x1b[30mx\x1b[0m", "rgybmcwx"},
		{"normal colours", "|RR|GG|YY|BB|MM|CC|WW|XX",
			"\x1b[31mR\x1b[32mG\x1b[33mY\x1b[34mB\x1b[35mM\x1b[36mC\x1b[37mW\x1b[30mX\x1b[0m", "RGYBMCWX"},
		{"backgrounds", "|[RR|[GG|[YY|[BB|[MM|[CC|[WW|[XX",
			"\x1b[41mR\x1b[42mG\x1b[43mY\x1b[44mB\x1b[45mM\x1b[46mC\x1b[47mW\x1b[40mX\x1b[0m", "RGYBMCWX"},
		{"bright backgrounds", "|[rr|[gg|[yy|[bb|[mm|[cc|[ww|[xx",
			"\x1b[101mr\x1b[102mg\x1b[103my\x1b[104mb\x1b[105mm\x1b[106mc\x1b[107mw\x1b[100mx\x1b[0m", "rgybmcwx"},
		{"colour alone, bright", "|ra|!Gb|!Xc", "\x1b[1;31ma\x1b[32mb\x1b[30mc\x1b[0m", "abc"},
		{"colour alone, normal", "|Ra|!Gb", "\x1b[31ma\x1b[32mb\x1b[0m", "ab"},
		{"bright on and off", "|ha|Gb|hc|Hd", "\x1b[1ma\x1b[0;32mb\x1b[1mc\x1b[0;32md\x1b[0m", "abcd"},
		{"formats on", "|ua|ib|sc|*d|^e", "\x1b[4ma\x1b[3mb\x1b[9mc\x1b[7md\x1b[5me\x1b[0m", "abcde"},
		{"formats off", "|u|i|s|ra|Ub|Ic|Sd", "\x1b[1;3;4;9;31ma\x1b[0;1;3;9;31mb\x1b[0;1;9;31mc\x1b[0;1;31md\x1b[0m", "abcd"},
		{"all at once", "|h|i|u|^|*|s|!R|[ra", "\x1b[1;3;4;5;7;9;31;101ma\x1b[0m", "a"},
		{"reset", "|ra|nb", "\x1b[1;31ma\x1b[0mb", "ab"},
		{"reset at the end", "|ra|n", "\x1b[1;31ma\x1b[0m", "a"},
		{"spacing", "a|/b|-c|_d|>e", "a\nb\tc d    e", "a\nb\tc d    e"},
		{"bar", "a||b", "a|b", "a|b"},
		{"bar before a tag's letter", "||r|||rx", "|r|\x1b[1;31mx\x1b[0m", "|r|x"},
		{"bar at the end", "a|", "a|", "a|"},
		{"bar at the end in colour", "|ga|", "\x1b[1;32ma|\x1b[0m", "a|"},

		{"tags that are none", "|z |é |1 |[ |[z |! |!r |!z |", "|z |é |1 |[ |[z |! |!r |!z |", "|z |é |1 |[ |[z |! |!r |!z |"},
		{"half a tag at the end", "a|[", "a|[", "a|["},
		{"tag after a bar that is none", "|z|ra", "|z\x1b[1;31ma\x1b[0m", "|za"},
		{"colours beyond sixteen", "|500a|=kb|#f80c|#ff8800d|[050e|n|[=af|[#00fg",
			"\x1b[1;31ma\x1b[30mb\x1b[31mcd\x1b[102me\x1b[0;40mf\x1b[44mg\x1b[0m", "abcdefg"},
		{"half a colour", "|50 |= |=A |#f |#gg |[5 |[# |600", "|50 |= |=A |#f |#gg |[5 |[# |600", "|50 |= |=A |#f |#gg |[5 |[# |600"},
		{"five digits are three", "|#12345x", "\x1b[1;30m45x\x1b[0m", "45x"},
		{"dark text is no black", "|=bx|=ay|#010101z", "\x1b[1;30mx\x1b[0;30my\x1b[1mz\x1b[0m", "xyz"},
		{"bold ends with a colour", "|ha|500b|hc", "\x1b[1ma\x1b[31mbc\x1b[0m", "abc"},
		{"links", "|lcgo|ltGo|le", "Go", "Go"},
		{"a bar and a dropped character are no tag", "|\x01r", "|r", "|r"},

		{"repeated", "|ra|rb|n|rc", "\x1b[1;31mabc\x1b[0m", "abc"},
		{"without characters", "|r|n|g|u|U|n", "", ""},
		{"only the last counts", "|r|g|b|[Wa", "\x1b[1;34;47ma\x1b[0m", "a"},
		{"there and back", "|ua|U|ub", "\x1b[4mab\x1b[0m", "ab"},

		{"newline in colour", "|ra|nb\n|rc|n\n|rd", "\x1b[1;31ma\x1b[0mb\n\x1b[1;31mc\nd\x1b[0m", "ab\nc\nd"},
		{"background ends before the line", "|[Ra|n\n|gb", "\x1b[41ma\x1b[0m\n\x1b[1;32mb\x1b[0m", "a\nb"},
		{"inverse ends before the line", "|*a|n|/b", "\x1b[7ma\x1b[0m\nb", "a\nb"},
		{"background over lines", "|[Ra|/b", "\x1b[41ma\nb\x1b[0m", "a\nb"},
		{"coloured newline alone", "|[R\n", "\n", "\n"},

		{"escape", "\x1b[31mred\x1b]0;title\x07", "[31mred]0;title", "[31mred]0;title"},
		{"control characters", "a\x00\b\r\n\tb\x7fc", "a\n\tbc", "a\n\tbc"},
		{"C1", "a\u0080\u009b31m\u009fb", "a31mb", "a31mb"},
		{"not UTF-8", "a\xff\x9bb\xe2\x82", "a\uFFFDb\uFFFD", "a\uFFFDb\uFFFD"},
		{"UTF-8", "|gé日本\u00a0\U0001f426\uFFFD", "\x1b[1;32mé日本\u00a0\U0001f426\uFFFD\x1b[0m", "é日本\u00a0\U0001f426\uFFFD"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(markup.Append([]byte(">"), tc.in, markup.Target{Depth: markup.ANSI16})); got != ">"+tc.ansi {
				t.Errorf("Append(%q, ANSI16) = %q\nwant %q", tc.in, got, ">"+tc.ansi)
			}
			if got := string(markup.Append([]byte(">"), tc.in, markup.Target{})); got != ">"+tc.plain {
				t.Errorf("Append(%q, Plain) = %q\nwant %q", tc.in, got, ">"+tc.plain)
			}
			if got := markup.Strip(tc.in); got != tc.plain {
				t.Errorf("Strip(%q) = %q, want %q", tc.in, got, tc.plain)
			}
		})
	}
}

func TestEscape(t *testing.T) {
	for _, tc := range []struct{ name, in, want, seen string }{
		{"inline functions", "$You() $5 |$", "|$You() |$5 |||$", "$You() $5 |$"},
		{"sound triggers", "!!SOUND(x)\n\t !!music(off)", "SOUND(x)\n\t music(off)", "SOUND(x)\n\t music(off)"},
		{"triggers inside of a line, which may be broken there", "hm !!SOUND(x) and x!!Music(y)", "hm SOUND(x) and xMusic(y)", "hm SOUND(x) and xMusic(y)"},
		{"triggers with more marks", "!!!SOUND(!!!!!music(", "SOUND(music(", "SOUND(music("},
		{"no triggers", "!SOUND( !! SOUND( !!SOUN( !!SOUND !!SOMUSIC( !!", "!SOUND( !! SOUND( !!SOUN( !!SOUND !!SOMUSIC( !!", "!SOUND( !! SOUND( !!SOUN( !!SOUND !!SOMUSIC( !!"},
		{"half a trigger before one", "!!SO!!SOUND(", "!!SOSOUND(", "!!SOSOUND("},
		{"a trigger over two lines", "!!\nSOUND(", "!!\nSOUND(", "!!\nSOUND("},
		{"a trigger with what is dropped in it", "!!SOUND\x00(", "SOUND(", "SOUND("},
		{"a trigger with what clients may drop", "\u200b!\u0301!\u200dsou\u200dnd(", "\u200bsou\u200dnd(", "\u200bsou\u200dnd("},
		{"a trigger behind what is dropped", "\x01!!SOUND(x)", "SOUND(x)", "SOUND(x)"},
		{"marks in a row", "e" + strings.Repeat("\u0301", 9) + "x", "e" + strings.Repeat("\u0301", 8) + "x", "e" + strings.Repeat("\u0301", 8) + "x"},
		{"invisible ones", strings.Repeat("\u200d", 99), strings.Repeat("\u200d", 8), strings.Repeat("\u200d", 8)},
		{"a flag of tags", "\U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F", "\U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F", "\U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F"},
		{"other line ends", "a\u2028b\u2029c\ufeffd\ufff9", "a b cd", "a b cd"},
		{"empty", "", "", ""},
		{"nothing to do", "hello, é\n\tworld", "hello, é\n\tworld", "hello, é\n\tworld"},
		{"tags", "|rred|n ||", "||rred||n ||||", "|rred|n ||"},
		{"bar at the end", "x|", "x||", "x|"},
		{"control characters", "a\x1b[1m\r\x7f\u009bb", "a[1mb", "a[1mb"},
		{"dropped between a bar and a letter", "|\x00r", "||r", "|r"},
		{"directions", "a\u202eb\u2066c\u2069d\u202ae", "abcde", "abcde"},
		{"direction alone", "\u202e", "", ""},
		{"marks stay", "\u200f\u200d\u2065\u206a\u202f", "\u200f\u200d\u2065\u206a\u202f", "\u200f\u200d\u2065\u206a\u202f"},
		{"not UTF-8", "|\xff\xfe|", "||\uFFFD||", "|\uFFFD|"},
		{"direction cut off", "a\xe2\x80", "a\uFFFD", "a\uFFFD"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := markup.Escape(tc.in)
			if got != tc.want {
				t.Errorf("Escape(%q) = %q, want %q", tc.in, got, tc.want)
			}
			if got := markup.Strip(got); got != tc.seen {
				t.Errorf("Strip(Escape(%q)) = %q, want %q", tc.in, got, tc.seen)
			}
		})
	}
}

func TestAppendRaw(t *testing.T) {
	in := "|rred|n || a\x1b[1m\n\tb\r\u009bc\xff\xfe\u202ed"
	want := ">|rred|n || a[1m\n\tbc\uFFFD\u202ed"
	if got := string(markup.AppendRaw([]byte(">"), in)); got != want {
		t.Errorf("AppendRaw(%q) = %q, want %q", in, got, want)
	}
}

func TestUntouchedTextDoesNotAllocate(t *testing.T) {
	text := "You see a lark, rising from the reeds.\nIt sings: é."
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		markup.Strip(text)
		markup.Escape(text)
		dst = markup.Append(dst[:0], "|g"+text[:0], markup.Target{Depth: markup.ANSI16})
		dst = markup.Append(dst[:0], text, markup.Target{Depth: markup.ANSI16})
		dst = markup.AppendRaw(dst[:0], text)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var sgr = regexp.MustCompile("\x1b\\[([0-9]+(?:;[0-9]+)*)m")

// A cell is a character in the style in which a terminal shows it.
type cell struct {
	r     rune
	style string
}

// A terminal shows what Append wrote.
type terminal struct {
	formats [10]bool
	fore    string
	back    string
}

func (s *terminal) style() string { return fmt.Sprint(s.formats, s.fore, s.back) }

// codes takes the parameters of one sequence.
func (s *terminal) codes(t *testing.T, codes []string) {
	for len(codes) > 0 {
		n := 1
		if codes[0] == "38" || codes[0] == "48" {
			if n = map[string]int{"5": 3, "2": 5}[codes[1]]; n == 0 || n > len(codes) {
				t.Fatalf("the parameters %q", codes)
			}
			for _, v := range codes[2:n] {
				if i, err := strconv.Atoi(v); err != nil || i > 255 {
					t.Fatalf("the parameters %q", codes)
				}
			}
		}
		s.code(strings.Join(codes[:n], ";"))
		codes = codes[n:]
	}
}

func (s *terminal) code(code string) {
	switch {
	case code == "0":
		*s = terminal{}
	case len(code) == 1:
		s.formats[code[0]-'0'] = true
	case code[0] == '3':
		s.fore = code
	default:
		s.back = code
	}
}

// display returns the cells that out shows. It fails the test for a sequence
// that changes nothing and for a style that is left on.
func display(t *testing.T, out string) []cell {
	t.Helper()
	var cells []cell
	var s terminal
	for out != "" {
		if m := sgr.FindStringSubmatchIndex(out); m != nil && m[0] == 0 {
			before := s.style()
			s.codes(t, strings.Split(out[m[2]:m[3]], ";"))
			if s.style() == before {
				t.Fatalf("%q changes nothing", out[:m[1]])
			}
			out = out[m[1]:]
			if strings.HasPrefix(out, "\x1b") {
				t.Fatalf("two sequences in a row before %q", out)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(out)
		cells = append(cells, cell{r, s.style()})
		out = out[n:]
	}
	if s != (terminal{}) {
		t.Fatalf("the style %s is left on", s.style())
	}
	return cells
}

var tags = regexp.MustCompile(`^\|(?:\[?(?:[0-5]{3}|=[a-z]|#[0-9a-fA-F]{6}|#[0-9a-fA-F]{3})|[|$/_>nhHuUiIsS*^rgybmcwxRGYBMCWX-]|\[[rgybmcwxRGYBMCWX]|![RGYBMCWX])`)

var beyond = regexp.MustCompile(`^\|(\[)?(?:([0-5]{3})|=([a-z])|#([0-9a-fA-F]{3,6}))$`)

// expect returns the cells that text asks for, by a reading of the table of tags
// that has nothing in common with the package: one expression, one tag at a time.
func expect(text string) []cell {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var cells []cell
	var s terminal
	put := func(text string) {
		for _, r := range text {
			if r == '\u2028' || r == '\u2029' {
				r = ' '
			}
			if r == '\n' || r == '\t' || r >= 0x20 && r < 0x7f || r >= 0xa0 {
				cells = append(cells, cell{r, s.style()})
			}
		}
	}
	for text != "" {
		tag := tags.FindString(text)
		if tag == "" {
			_, n := utf8.DecodeRuneInString(text)
			put(text[:n])
			text = text[n:]
			continue
		}
		text = text[len(tag):]
		last := tag[len(tag)-1]
		colour := fmt.Sprint(strings.IndexByte("xrgybmcw", last|0x20))
		small := last >= 'a'
		if m := beyond.FindStringSubmatch(tag); m != nil {
			code := "38"
			if m[1] != "" {
				code = "48"
			}
			hex := m[4]
			if len(hex) == 3 {
				hex = hex[:1] + hex[:1] + hex[1:2] + hex[1:2] + hex[2:] + hex[2:]
			}
			switch n := 0; {
			case m[2] != "":
				n, _ := strconv.ParseInt(m[2], 6, 32)
				code += fmt.Sprint(";5;", 16+n)
			case m[3] == "a":
				code += ";5;16"
			case m[3] == "z":
				code += ";5;231"
			case m[3] != "":
				code += fmt.Sprint(";5;", 231+int(m[3][0]-'a'))
			default:
				fmt.Sscanf(hex, "%x", &n)
				code += fmt.Sprintf(";2;%d;%d;%d", n>>16, n>>8&255, n&255)
			}
			if code = strings.ReplaceAll(code, " ", ""); code[0] == '3' {
				s.fore, s.formats[1] = code, false
			} else {
				s.back = code
			}
			continue
		}
		switch {
		case len(tag) == 3 && tag[1] == '[':
			s.back = map[bool]string{false: "4", true: "10"}[small] + colour
		case len(tag) == 3:
			s.fore = "3" + colour
		case strings.IndexByte("|$/-_>", last) >= 0:
			put(map[byte]string{'|': "|", '$': "$", '/': "\n", '-': "\t", '_': " ", '>': "    "}[last])
		case last == 'n':
			s = terminal{}
		case last == '*':
			s.formats[7] = true
		case last == '^':
			s.formats[5] = true
		case strings.IndexByte("huis", last|0x20) >= 0:
			s.formats[map[byte]int{'h': 1, 'i': 3, 'u': 4, 's': 9}[last|0x20]] = small
		default:
			s.fore, s.formats[1] = "3"+colour, small
		}
	}
	return cells
}

func FuzzAppend(f *testing.F) {
	for _, s := range []string{
		"|rred|n |[Gon green|/|u|i|s|*|^|h all |H|U|I|S some", "|| ||| |[ |! |[z |é |!r |!R",
		"\x1b[31m \u009b \x00 \r\n\t\x7f \xff\xfe", "|-|_|>|/", "|500|=a|#ff0000|lcgo|ltGo|le", "\u202e|r\u2066",
		"|[Ra|n\n|*b|n|/|[rc|n\n|[w|Xd", "a\u2028|rb\u2029",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "|l") || strings.Contains(text, "|{") {
			return // links and blocks: see FuzzTargets
		}
		for _, depth := range []markup.Depth{markup.ANSI16, markup.ANSI256} {
			// Fewer colours: the same characters, nothing left on, nothing twice.
			cells := display(t, string(markup.Append(nil, text, markup.Target{Depth: depth})))
			if want := expect(text); len(cells) != len(want) {
				t.Fatalf("%d characters at depth %d, want %d", len(cells), depth, len(want))
			}
		}
		out := string(markup.Append(nil, text, markup.Target{Depth: markup.TrueColor}))
		if len(out) > 16*len(text) {
			t.Errorf("%d bytes became %d", len(text), len(out))
		}
		plain := sgr.ReplaceAllString(out, "")
		if strings.ContainsFunc(plain, func(r rune) bool {
			return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0
		}) {
			t.Errorf("control characters in %q", out)
		}
		if !utf8.ValidString(out) {
			t.Errorf("%q is not UTF-8", out)
		}
		if got := markup.Strip(text); got != plain {
			t.Errorf("Strip = %q, Append without its sequences %q", got, plain)
		}

		got, want := display(t, out), expect(text)
		if len(got) != len(want) {
			t.Fatalf("%q shows %d characters, want %d", out, len(got), len(want))
		}
		for i := range got {
			if got[i].r == '\n' && want[i].r == '\n' {
				continue // whose style nobody sees
			}
			if got[i] != want[i] {
				t.Fatalf("%q shows character %d as %q, want %q", out, i, got[i], want[i])
			}
		}

	})
}

// FuzzEscape checks that nothing of what somebody typed does more than be read,
// whoever gets it.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{
		"", "|rred|n", "|| |$ $You()", "|lclook|ltLook|le", "|{table head}a|,b|}", "\x1b[31m\u009b\x00", "\u202e|r\u2066\ufeff\ufff9", "\xff|\xfe",
		"!!SOUND(x)\n !!music(off)\n\u2028!!!SOUND(x)", strings.Repeat("\u0301", 20) + "a\u200d", "a\x01!!SOUND(y)", "\x01!!SOUND(y)",
		"The tide !!SOUND(x) is out !!!!MUSIC(y)", "--- !!SOUND(x) ---", "!!---SOUND(x)\n!\u200b!\u200b\u200bsound(x", strings.Repeat("\u200b!", 9) + "\u200bmusic(",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		escaped := markup.Escape(text)
		shown := markup.Strip(escaped)
		if again := markup.Strip(markup.Escape(shown)); again != shown {
			t.Errorf("Escape(%q) shows %q, and that escaped %q", text, shown, again)
		}
		for _, target := range targets {
			out := string(markup.Append(nil, escaped, target.Target))
			if strings.ContainsFunc(out, func(r rune) bool {
				return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
			}) {
				t.Errorf("%s: %q became %q", target.name, text, out)
			}
			if target.Format == markup.Terminal && !target.Wrap && out != shown {
				t.Errorf("%s: Escape(%q) shows %q, want %q", target.name, text, out, shown)
			}
			if target.Format == markup.HTML && strings.ContainsAny(withoutLinks.ReplaceAllString(strings.ReplaceAll(out, "<br>", ""), ""), "<>\"") {
				t.Errorf("HTML of %q: %q", text, out)
			}
		}
		noTriggers(t, text)
		if line := markup.EscapeLine(text); strings.ContainsAny(line, "\n\t") || line != strings.TrimSpace(line) {
			t.Errorf("EscapeLine(%q) = %q", text, line)
		}
		kept := markup.KeepColors(text)
		if got := markup.KeepColors(kept); got != kept {
			t.Errorf("KeepColors(%q) = %q, and of that %q", text, kept, got)
		}
		if out := string(markup.Append(nil, kept, targets[0].Target)); strings.Contains(sgr.ReplaceAllString(out, ""), "\x1b") {
			t.Errorf("KeepColors(%q) shows %q", text, out)
		}
	})
}

// noTriggers checks that of what somebody typed no line begins as a trigger of
// sounds, however it is broken.
func noTriggers(t *testing.T, text string) {
	t.Helper()
	for name, safe := range map[string]string{
		"Escape": markup.Escape(text), "EscapeLine": markup.EscapeLine(text), "KeepColors": markup.KeepColors(text),
	} {
		for _, width := range []int{10, 11, 12, 13, 17, 40, 500} {
			for _, target := range []markup.Target{{Width: width, Wrap: true}, {Format: markup.Reader, Width: width}} {
				for ln := range strings.Lines(string(markup.Append(nil, safe, target))) {
					if trigger.MatchString(unseen.ReplaceAllString(ln, "")) {
						t.Errorf("%s(%q) at %d: %q begins as a trigger", name, text, width, ln)
					}
				}
			}
		}
	}
}

var (
	trigger = regexp.MustCompile(`(?i)^\s*!!(SOUND|MUSIC)\(`)
	unseen  = regexp.MustCompile(`[\p{Mn}\p{Me}\p{Cf}]`)
)

func TestTriggers(t *testing.T) {
	parts := []string{"!", "!", "!!", "!!!!", "sound(", "MUSIC(", "SOU", "ND(", "x) ", " ", "-", "---", "====", "\u2500", "\u200b", "\u0301", "\u200d", "\x00", "\u202e",
		"|r", "|n", "|/", "|-", "|_", "|", "|$", "$", "\n", "\t", "\u2028", "日本", "|{box}", "|,", "|}", "|lcx|lt", "|le", "and so on "}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var b strings.Builder
		for range r.IntN(20) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		text := b.String()
		noTriggers(t, text)
		shown := markup.Strip(markup.Escape(text))
		if again := markup.Strip(markup.Escape(shown)); again != shown {
			t.Errorf("Escape(%q) shows %q, and that escaped %q", text, shown, again)
		}
		kept := markup.KeepColors(text)
		if got := markup.KeepColors(kept); got != kept {
			t.Errorf("KeepColors(%q) = %q, and of that %q", text, kept, got)
		}
		if t.Failed() {
			return
		}
	}
}

var withoutLinks = regexp.MustCompile(`<a target="_blank" rel="noopener noreferrer nofollow" href="[^"<>]*">|</a>`)

func Benchmark(b *testing.B) {
	plain := strings.Repeat("The tide is out and the mudflats shine. ", 10)
	for _, bm := range []struct{ name, text string }{
		{"ascii", plain},
		{"coloured", strings.ReplaceAll(plain, "mudflats", "|cmudflats|n")},
		{"rgb", strings.ReplaceAll(plain, "mudflats", "|#ff8800mudflats|n")},
		{"unicode", strings.ReplaceAll(plain, "mudflats", "Wattenmeer – 干潟 –")},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.text)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = markup.Append(dst[:0], bm.text, markup.Target{Depth: markup.ANSI16})
			}
		})
	}
	b.Run("escape", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		b.ReportAllocs()
		for b.Loop() {
			markup.Escape(plain)
		}
	})
}

func ExampleAppend() {
	said := "|rfire|n!" // typed by a player
	text := "|cAda|n says: " + markup.Escape(said)
	fmt.Printf("%q\n", markup.Append(nil, text, markup.Target{Depth: markup.ANSI16}))
	fmt.Printf("%q\n", markup.Append(nil, text, markup.Target{}))
	// Output:
	// "\x1b[1;36mAda\x1b[0m says: |rfire|n!"
	// "Ada says: |rfire|n!"
}
