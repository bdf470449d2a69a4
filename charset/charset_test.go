package charset_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"mudlark.dev/charset"
)

func get(t testing.TB, name string) *charset.Charset {
	t.Helper()
	c, err := charset.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"UTF-8": "UTF-8", "utf8": "UTF-8", "Utf_8": "UTF-8", "ascii": "US-ASCII", "ANSI_X3.4-1968": "US-ASCII",
		"latin1": "ISO-8859-1", "ISO_8859-1": "ISO-8859-1", "iso8859-1": "ISO-8859-1", "ISO_8859-1:1987": "ISO-8859-1", "8859": "",
		"cp1252": "WINDOWS-1252", "Windows-1252": "WINDOWS-1252", "x-cp1251": "WINDOWS-1251",
		"CP437": "IBM437", "ibm437": "IBM437", "437": "IBM437", "KOI8-R": "KOI8-R", "koi8r": "KOI8-R",
		"GBK": "GBK", "big5": "BIG5", "CP949": "EUC-KR", "euc-kr": "EUC-KR", "sjis": "SHIFT_JIS", "x-sjis": "SHIFT_JIS",
		"UTF-16": "", "UTF-7": "", "ISO-2022-JP": "", "": "", "none": "", strings.Repeat("UTF-8", 9): "",
	} {
		c, err := charset.Lookup(name)
		switch {
		case want == "" && !errors.Is(err, charset.ErrUnknown):
			t.Errorf("Lookup(%q) = %v, %v; want ErrUnknown", name, c, err)
		case want != "" && (err != nil || c.Name() != want):
			t.Errorf("Lookup(%q) = %v, %v; want %s", name, c, err, want)
		case want != "" && c != get(t, want):
			t.Errorf("Lookup(%q) is not the one of %s", name, want)
		}
	}
	if _, err := charset.Lookup("utf-16"); err == nil || !strings.Contains(err.Error(), "zero bytes") {
		t.Errorf("the error does not say why: %v", err)
	}
	for _, name := range charset.Names() {
		if c := get(t, name); c.Name() != name || len(name) > 20 || name != strings.ToUpper(name) {
			t.Errorf("name %q", name)
		}
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct{ charset, in, want string }{
		{"UTF-8", "naïve – ☃", "naïve – ☃"},
		{"UTF-8", "a\xffb", "a\uFFFDb"},
		{"ISO-8859-1", "naïve ÿ", "na\xefve \xff"},
		{"ISO-8859-1", "“Ah – oui…” 5 €", `"Ah - oui..." 5 EUR`},
		{"WINDOWS-1252", "“Ah – oui…” 5 €", "\x93Ah \x96 oui\x85\x94 5 \x80"},
		{"IBM437", "┌─┐│█é", "\xda\xc4\xbf\xb3\xdb\x82"},
		{"IBM437", "╭─╮", "+\xc4+"},
		{"US-ASCII", "┌─┐ │x│ ═╬═ █░", "+-+ |x| =+= #."},
		{"US-ASCII", "naïve café Ærø Łódź Straße þorn", "naive cafe AEro Lodz Strasse thorn"},
		{"US-ASCII", "e\u0301 o\u0308", "e o"},
		{"ISO-8859-1", "e\u0301 o\u0308 x\u0301", "\xe9 \xf6 x"},
		{"US-ASCII", "½ ① ﬁ Ⅳ ＡＢ x²", "1/2 1 fi IV AB x2"},
		{"US-ASCII", "Привет, Ёж! Щука", "Privet, Yozh! Shchuka"},
		{"KOI8-R", "Привет", "\xf0\xd2\xc9\xd7\xc5\xd4"},
		{"US-ASCII", "Καλημέρα", "Kalimera"},
		{"US-ASCII", "日本", "??"},
		{"SHIFT_JIS", "日本 ok", "\x93\xfa\x96{ ok"},
		{"US-ASCII", "☃ 🙂 ♥ ❤️ 👍", "? :-) <3 <3 +1"},
		{"US-ASCII", "👨‍👩‍👧‍👦!", "?!"},
		{"US-ASCII", "🦊🏽x", "?x"},
		{"US-ASCII", "🇩🇪🇫🇷", "??"},
		{"US-ASCII", "a\u200bb\u00adc\ufeffd\u202ee", "abcde"},
		{"US-ASCII", "a\u00a0b\u3000c", "a b c"},
		{"US-ASCII", "\x1b[1mx\x1b[0m\r\n\t", "\x1b[1mx\x1b[0m\r\n\t"},
		{"ISO-8859-1", "a\u0085\u009bb", "ab"}, // no control characters beyond ASCII
		{"US-ASCII", "a\xffb\xc3", "a?b?"},
		{"US-ASCII", "\uFFFD", "?"},
		{"US-ASCII", "", ""},
	} {
		if got := string(get(t, tt.charset).Append([]byte("x"), tt.in)); got != "x"+tt.want {
			t.Errorf("%s of %q = %q, want %q", tt.charset, tt.in, got[1:], tt.want)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct{ charset, in, want string }{
		{"UTF-8", "caf\xc3\xa9 \xe2\x82 x\xff", "café \uFFFD x\uFFFD"},
		{"UTF-8", "\xe2\x82A\xf0\x9f\x92B\xc0\x80", "\uFFFDA\uFFFDB\uFFFD\uFFFD"},
		{"US-ASCII", "caf\xc3\xa9", "caf\uFFFD\uFFFD"},
		{"ISO-8859-1", "caf\xe9 \xff \x85", "café ÿ \uFFFD"},
		{"WINDOWS-1252", "\x80 \x93\x94 \x81", "€ “” \uFFFD"},
		{"IBM437", "\xda\xc4\xbf", "┌─┐"},
		{"KOI8-R", "\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"},
		{"SHIFT_JIS", "\x93\xfa\x96{ ok \xff", "日本 ok \uFFFD"},
		{"GBK", "\xc4\xe3\xba\xc3", "你好"},
		{"ISO-8859-1", "plain", "plain"},
	} {
		if got := get(t, tt.charset).Decode([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: Decode(%q) = %q, want %q", tt.charset, tt.in, got, tt.want)
		}
	}
}

// Each byte that means a character beyond ASCII is written as it was read, and
// ASCII is ASCII everywhere.
func TestRoundTrip(t *testing.T) {
	for _, name := range charset.Names() {
		c := get(t, name)
		for b := range 128 {
			if got := c.Decode([]byte{byte(b)}); got != string(rune(b)) {
				t.Errorf("%s: %#x is read as %q", name, b, got)
			}
			if got := c.Append(nil, string(rune(b))); string(got) != string(rune(b)) {
				t.Errorf("%s: %#x is written as %q", name, b, got)
			}
		}
		known := 0
		for r := rune(0xa0); r < 0x10000; r++ {
			if !utf8.ValidRune(r) || r == utf8.RuneError {
				continue
			}
			out := c.Append(nil, string(r))
			if c.Decode(out) == string(r) {
				known++
				if again := c.Append(nil, c.Decode(out)); string(again) != string(out) {
					t.Errorf("%s: %q is written as %q and then as %q", name, r, out, again)
				}
			}
		}
		if least := 50; name != "US-ASCII" && known < least {
			t.Errorf("%s has %d characters beyond ASCII", name, known)
		}
	}
}

// Whatever the text, no control character comes about, all can be read again, and
// there is a bound.
func FuzzAppend(f *testing.F) {
	f.Add("naïve “Ah” ☃ 👨‍👩‍👧‍👦 \x1b[31m", 3)
	f.Add("日本 ½ ﷺ e\u0301\u0301\u0301 \xff\x80", 1)
	names := charset.Names()
	f.Fuzz(func(t *testing.T, text string, n int) {
		c := get(t, names[(n%len(names)+len(names))%len(names)])
		out := c.Append(nil, text)
		if len(out) > 8*len(text) {
			t.Fatalf("%s: %d bytes of %d", c.Name(), len(out), len(text))
		}
		back := c.Decode(out)
		if !utf8.ValidString(back) || c.Name() != "UTF-8" && strings.ContainsRune(back, utf8.RuneError) {
			t.Fatalf("%s: %q is written as %q and read as %q", c.Name(), text, out, back)
		}
		if c.Name() == "UTF-8" {
			return
		}
		controls := func(s string) int {
			return strings.Count(strings.Map(func(r rune) rune {
				if r < ' ' || r >= 0x7f && r < 0xa0 {
					return 1
				}
				return 'x'
			}, s), "\x01")
		}
		if ascii := controls(strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf {
				return 'x'
			}
			return r
		}, text)); controls(back) != ascii {
			t.Fatalf("%s: %q has other control characters than %q", c.Name(), back, text)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("caf\xc3\xa9\x85\xff"), 3)
	names := charset.Names()
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		c := get(t, names[(n%len(names)+len(names))%len(names)])
		if got := c.Decode(b); !utf8.ValidString(got) || len(got) > 4*len(b)+4 {
			t.Fatalf("%s: %q is read as %q", c.Name(), b, got)
		}
	})
}

func Example() {
	latin1, err := charset.Lookup("latin1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", latin1.Append(nil, "“Voilà” – 5 €"))
	fmt.Println(latin1.Decode([]byte("Voil\xe0")))
	// Output:
	// "\"Voil\xe0\" - 5 EUR"
	// Voilà
}

func BenchmarkAppend(b *testing.B) {
	for _, bb := range []struct{ name, charset, text string }{
		{"ascii", "ISO-8859-1", "The tide comes in over the flats, and a lark goes up singing.\r\n"},
		{"latin", "ISO-8859-1", "Die Flut kommt über das Watt, und eine Lerche steigt singend auf.\r\n"},
		{"replaced", "US-ASCII", "“Die Flut” – kommt … über’s Watt\r\n"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c := get(b, bb.charset)
			var dst []byte
			b.SetBytes(int64(len(bb.text)))
			b.ReportAllocs()
			for b.Loop() {
				dst = c.Append(dst[:0], bb.text)
			}
		})
	}
}
