package markup_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mudlark.dev/markup"
)

// Characters that are easily torn or counted wrong.
const (
	family   = "\U0001F468\u200d\U0001F469\u200d\U0001F467" // three people joined: one character, two cells
	banner   = "\U0001F1F1\U0001F1FA"                       // two letters that are one flag
	thumb    = "\U0001F44D\U0001F3FD"                       // with a skin tone
	heart    = "\u2764\ufe0f"                               // shown as a picture: two cells
	accent   = "e\u0301"                                    // a letter and its mark
	hangul   = "\u1112\u1161\u11ab"                         // three parts of one syllable
	hebrew   = "שלום עולם"
	devanaga = "नमस्ते"
)

func TestWidth(t *testing.T) {
	for _, tc := range []struct {
		name, in    string
		width, size int
	}{
		{"empty", "", 0, 0},
		{"ASCII", "a lark", 6, 6},
		{"tags", "|ra |#ff8800lark|n", 6, 6},
		{"escaped", "a||b|$", 4, 4},
		{"the longest line", "ab|/abcd\nc", 4, 9},
		{"wide", "日本語", 6, 3},
		{"half and full", "ｱＡ", 3, 2},
		{"combining", accent + accent, 2, 2},
		{"joined emoji", family, 2, 1},
		{"flag", banner + banner, 4, 2},
		{"skin tone", thumb, 2, 1},
		{"as a picture", heart, 2, 1},
		{"syllable in parts", hangul, 2, 1},
		{"Hebrew", hebrew, 9, 9},
		{"Devanagari", devanaga, 3, 3},
		{"control characters", "a\x1b[1m\x07b", 5, 5},
		{"a tab", "ab\tc", 9, 9},
		{"a link", "|lclook|lthere|le!", 5, 5},
		{"a colour inside a character", "e|r\u0301x", 2, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := markup.Width(tc.in); got != tc.width {
				t.Errorf("Width(%q) = %d, want %d", tc.in, got, tc.width)
			}
			if got := markup.Len(tc.in); got != tc.size {
				t.Errorf("Len(%q) = %d, want %d", tc.in, got, tc.size)
			}
		})
	}
}

func TestWidthFunctions(t *testing.T) {
	wrap := func(n int) func(string) string { return func(s string) string { return markup.Wrap(s, n) } }
	pad := func(n int, a markup.Align) func(string) string {
		return func(s string) string { return markup.Pad(s, n, a) }
	}
	just := func(n int, a markup.Align) func(string) string {
		return func(s string) string { return markup.Justify(s, n, a) }
	}
	crop := func(n int, mark string) func(string) string {
		return func(s string) string { return markup.Crop(s, n, mark) }
	}
	slice := func(from, to int) func(string) string {
		return func(s string) string { return markup.Slice(s, from, to) }
	}
	split := func(sep string) func(string) string {
		return func(s string) string { return strings.Join(markup.Split(s, sep), "<>") }
	}
	for _, tc := range []struct {
		name     string
		f        func(string) string
		in, want string
	}{
		{"wrap", wrap(10), "the lark sings high", "the lark\nsings high"},
		{"wrap keeps what fits", wrap(10), "ten  cells", "ten  cells"},
		{"wrap keeps the indent", wrap(8), "  the lark", "  the\nlark"},
		{"wrap a long word", wrap(4), "abcdefghij", "abcd\nefgh\nij"},
		{"wrap at a hyphen", wrap(8), "sky-lark -1 -2", "sky-lark\n-1 -2"},
		{"wrap behind a hyphen", wrap(6), "skylark-song", "skylar\nk-song"},
		{"wrap colour over the break", wrap(5), "|rred lark|n", "|rred\nlark|n"},
		{"wrap Japanese", wrap(6), "日本語です。", "日本語\nです。"},
		{"wrap before no full stop", wrap(10), "日本語です。", "日本語で\nす。"},
		{"wrap emoji", wrap(3), family + family, family + "\n" + family},
		{"wrap to less than a character", wrap(1), "日本", "日\n本"},
		{"wrap Hebrew in order", wrap(5), hebrew, "שלום\nעולם"},
		{"wrap to nothing", wrap(0), "ab", "a\nb"},
		{"wrap lines apart", wrap(5), "ab\n\nabc def", "ab\n\nabc\ndef"},
		{"wrap a tag that is none", wrap(5), "a |z b", "a ||z\nb"},

		{"pad left", pad(6, markup.Left), "|rab|n", "|rab|n    "},
		{"pad right", pad(6, markup.Right), "|rab|n", "    |rab|n"},
		{"pad centre", pad(5, markup.Center), "日", " 日  "},
		{"pad enough", pad(2, markup.Center), "abc", "abc"},
		{"pad lines", pad(2, markup.Left), "a\nb", "a \nb "},
		{"pad a background", pad(4, markup.Left), "|[rab", "|[rab|n  "},

		{"justify", just(11, markup.Full), "a lark in the sky", "a  lark  in\nthe sky"},
		{"justify right", just(8, markup.Right), "the lark sings", "the lark\n   sings"},
		{"justify centre", just(8, markup.Center), "lark sings", "  lark\n sings"},

		{"crop", crop(6, "…"), "the lark", "the l…"},
		{"crop what fits", crop(8, "…"), "the lark", "the lark"},
		{"crop colour", crop(6, "[...]"), "|rthe lark", "|rt[...]|n"},
		{"crop no half", crop(4, "…"), "日本語", "日…"},
		{"crop without room for the mark", crop(2, "[...]"), "abc", "ab"},
		{"crop a character of parts", crop(2, ""), family + "x", family},
		{"crop to nothing", crop(0, "…"), "abc", ""},

		{"slice", slice(1, 3), "|ra|gbc|nd", "|gbc|n"},
		{"slice from the end", slice(-2, 99), "a日本", "日本"},
		{"slice before the end", slice(0, -1), accent + family, accent},
		{"slice over lines", slice(1, 4), "ab\ncd", "b\nc"},
		{"slice a line end", slice(1, 2), "a\nb", "\n"},
		{"slice nothing", slice(2, 1), "abc", ""},
		{"slice out of range", slice(7, 9), "abc", ""},
		{"slice a link", slice(1, 3), "|lclook|lthere|le", "|lclook|lter|le"},

		{"split at spaces", split(""), " |ra b|n  c\nd ", "|ra|n<>|rb|n<>c<>d"},
		{"split", split(", "), "a, |gb, c|n, ", "a<>|gb|n<>|gc|n<>"},
		{"split no tag", split("r"), "|rab", "|rab|n"},
		{"split over lines", split(","), "a\nb,c", "a\nb<>c"},

		{"upper", markup.Upper, "|rstraße|n |lclook|ltx|le", "|rSTRASSE|n |lclook|ltX|le"},
		{"lower", markup.Lower, "|RÀB|n", "|Ràb|n"},
		{"title", markup.Title, "the |rl|nark's song o'er", "The |rL|nark's Song O'er"},
		{"capital", markup.Capital, "|r(the lark", "|r(The lark|n"},
		{"upper keeps a bar", markup.Upper, "a||r", "A||R"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.f(tc.in); got != tc.want {
				t.Errorf("of %q:\n got %q\nwant %q", tc.in, got, tc.want)
			}
		})
	}
}

// pieces of which texts are made that are hard to cut.
var hard = []string{
	"a", "lark ", " ", "日", "本", "。", family, banner, thumb, heart, accent, hangul, hebrew, devanaga, "\u0301", "\u200d", "\u200b",
	"|r", "|n", "|[b", "|u", "|#f80", "|/", "\n", "\t", "|_", "||", "|", "|$", "$",
	"|lclook|lt", "|lpsay |lt", "|le", "|{box}", "|{table head}", "|,", "|;", "|}", "\x1b[31m", "\xff", "-", "…",
}

// hardText makes a text out of what a fuzzer gives.
func hardText(from []byte) string {
	var b strings.Builder
	for _, c := range from {
		b.WriteString(hard[int(c)%len(hard)])
	}
	return b.String()
}

// checkWidths checks what holds for every text.
func checkWidths(t *testing.T, in string, n int) {
	t.Helper()
	// The cells and characters that a terminal shows.
	plain := markup.Strip(markup.Slice(in, 0, markup.Len(in)))
	width := markup.Width(in)
	escaped := markup.Strip(markup.Escape(plain))
	if again := markup.Strip(markup.Escape(escaped)); again != escaped {
		t.Errorf("Escape(%q) shows %q, and that %q", plain, escaped, again)
	}
	closed := func(what, out string) {
		t.Helper()
		const after = "after"
		got := string(markup.Append(nil, out+after, markup.Target{Depth: markup.TrueColor, Links: markup.OSC8}))
		if !strings.HasSuffix(got, after) {
			t.Errorf("%s of %q = %q leaks into what follows: %q", what, in, out, got)
		}
		if strings.Contains(markup.Strip(out), "\x1b") {
			t.Errorf("%s of %q has an escape: %q", what, in, out)
		}
	}

	cropped := markup.Crop(in, n, "")
	closed("Crop", cropped)
	if w := markup.Width(cropped); w > max(n, 0) {
		t.Errorf("Crop(%q, %d) = %q takes %d cells", in, n, cropped, w)
	}

	wrapped := markup.Wrap(in, n)
	closed("Wrap", wrapped)
	for ln := range strings.SplitSeq(wrapped, "\n") {
		if w := markup.Width(ln); w > max(n, 1) && markup.Len(ln) > 1 && !hasMarks(ln) {
			t.Errorf("Wrap(%q, %d) has a line %q of %d cells", in, n, ln, w)
		}
	}
	if got, want := letters(markup.Strip(wrapped)), letters(plain); got != want {
		t.Errorf("Wrap(%q, %d) lost something: %q, not %q", in, n, got, want)
	}

	padded := markup.Pad(in, width+n, markup.Right)
	if w := markup.Width(padded); in != "" && w != width+n && markup.Len(in) > 0 {
		t.Errorf("Pad(%q, %d) takes %d cells", in, width+n, w)
	}

	// The parts of a text make the whole.
	size := markup.Len(in)
	at := 0
	if size > 0 {
		at = n % (size + 1)
	}
	head, tail := markup.Slice(in, 0, at), markup.Slice(in, at, size)
	closed("Slice", head)
	closed("Slice", tail)
	if got := markup.Strip(head) + markup.Strip(tail); got != plain {
		t.Errorf("Slice(%q) at %d: %q and %q are not %q", in, at, head, tail, plain)
	}
	if a, b := markup.Len(head), markup.Len(tail); a+b != size && !hasMarks(in) {
		t.Errorf("Slice(%q) at %d has %d and %d characters of %d", in, at, a, b, size)
	}

	if got := strings.Join(markup.Split(in, "a"), "a"); markup.Strip(got) != plain {
		t.Errorf("Split(%q): %q, not %q", in, markup.Strip(got), plain)
	}

	kept := markup.KeepColors(in)
	closed("KeepColors", kept)
	if strings.Contains(kept, "|l") && strings.Contains(string(markup.Append(nil, kept, markup.Target{Links: markup.OSC8})), "\x1b]8") {
		t.Errorf("KeepColors(%q) = %q has a link", in, kept)
	}
	if again := markup.KeepColors(kept); again != kept {
		t.Errorf("KeepColors(%q) = %q, and again %q", in, kept, again)
	}

	// What is balanced is one cell whatever is in it.
	box := "|{table}" + markup.Balance(in) + "|,last|}after"
	got := string(markup.Append(nil, box, markup.Target{Format: markup.Reader, Width: 200}))
	if !strings.HasSuffix(got, "last\nafter") {
		t.Errorf("Balance(%q) = %q breaks out of its cell: %q", in, markup.Balance(in), got)
	}
}

// letters is text without white space.
func letters(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \n\t\u200b\u3000", r) }), "")
}

// hasMarks reports whether s has what joins the character before it or behind it:
// then a cut moves the borders of characters.
func hasMarks(s string) bool {
	return strings.ContainsAny(s, "\u0301\u200d\u200b\U0001F1F1\U0001F3FD\u1161\u11ab")
}

func TestWidthProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		from := make([]byte, r.IntN(30))
		for i := range from {
			from[i] = byte(r.IntN(256))
		}
		checkWidths(t, hardText(from), r.IntN(20))
		if t.Failed() {
			return
		}
	}
}

func FuzzWidths(f *testing.F) {
	f.Add([]byte{17, 6, 18}, 3)
	f.Add([]byte{33, 1, 37, 35, 37}, 5)
	f.Fuzz(func(t *testing.T, from []byte, n int) {
		if len(from) > 200 {
			return
		}
		checkWidths(t, hardText(from), min(max(n, 0), 200))
	})
}

func TestKeepColors(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"plain", "plain"},
		{"|rred", "|rred|n"},
		{"|rred|n |#f80x|n", "|rred|n |#ff8800x|n"},
		{"|lcquit|ltlook|le", "look"},
		{"|luhttp://a.b|lthere|le", "here"},
		{"|{box}a|,b|}", "a b"},
		{"$You() |$x", "|$You() |$x"},
		{"a\x1b[1m\u202eb", "a[1mb"},
		{"|r!!SOUND(x)", "|rSOUND(x)|n"},
		{"!|r!sou|gnd(x)", "|rsou|gnd(x)|n"},
		{"a !|r!|b!!Mu|gsic(x) !!sound(", "a |bMu|gsic(x) sound(|n"},
		{"!!|/SOUND(", "!!\nSOUND("},
		{"||r", "||r"},
	} {
		if got := markup.KeepColors(tc.in); got != tc.want {
			t.Errorf("KeepColors(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestBalance(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"plain |r|n", "plain |r|n"},
		{"a|,b|;c|}d", "a||,b||;c||}d"},
		{"|{box}a|,b|}", "|{box}a|,b|}"},
		{"|{box}a|,b", "|{box}a|,b|}"},
		{"ends in |", "ends in ||"},
		{"ends in ||", "ends in ||"},
		// A tag of a game's own is a lone bar until it is expanded.
		{"|tidewater|n", "|tidewater|n"},
		{"|{table}|tidewater|n|,|lilac|}", "|{table}|tidewater|n|,|lilac|}"},
		{"|? | x |\n", "|? | x |\n"},
		{"|lcgo |lugo |lpgo |l", "||lcgo ||lugo ||lpgo ||l"},
		{"|lt |{what |}", "||lt ||{what ||}"},
	} {
		if got := markup.Balance(tc.in); got != tc.want {
			t.Errorf("Balance(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestTags(t *testing.T) {
	tags, err := markup.NewTags(map[string]string{"fire": "|#ff4400|h", "f": "<f>", "r": "|[r", "sigh": "|fire", "(c)": "©"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"|firehot|n", "|#ff4400|hhot|n"}, // the longest
		{"|fog", "<f>og"},
		{"|red", "|[red"},                  // in the place of the package's
		{"|sigh", "|fire"},                 // not again
		{"||fire |$fire", "||fire |$fire"}, // escaped
		{"|||fire", "|||#ff4400|h"},
		{"|(c) |(d) |é |", "© |(d) |é |"},
	} {
		if got := tags.Expand(tc.in); got != tc.want {
			t.Errorf("Expand(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
	if got := (*markup.Tags)(nil).Expand("|fire"); got != "|fire" {
		t.Errorf("no tags: %q", got)
	}
	_, err = markup.NewTags(map[string]string{"": "x", "|a": "x", "$a": "x", "{a": "x", "a b": "x", "é": "x", strings.Repeat("a", 33): "x", "ok": "x"})
	if err == nil || strings.Count(err.Error(), `"`) != 14 || strings.Contains(err.Error(), "ok") {
		t.Errorf("wrong names: %v", err)
	}
	// What somebody typed has no tag of a game either.
	for _, in := range hard {
		in += "|fire"
		if got := tags.Expand(markup.Escape(in)); markup.Strip(got) != markup.Strip(markup.Escape(in)) {
			t.Errorf("Escape(%q) expands to %q", in, got)
		}
	}
	if !slices.Contains(hard, "|r") {
		t.Error("the hard texts have no tag")
	}
}
