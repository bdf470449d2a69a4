package markup_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"mudlark.dev/markup"
)

// What clients of each depth get of the tags beyond sixteen colours.
func TestDepths(t *testing.T) {
	for _, tt := range []struct{ in, x256, rgb string }{
		{"|rx", "1;31", "1;31"},
		{"|500x", "38;5;196", "38;5;196"},
		{"|000x", "38;5;16", "38;5;16"},
		{"|[345x", "48;5;153", "48;5;153"},
		{"|=ax", "38;5;16", "38;5;16"},
		{"|=bx", "38;5;232", "38;5;232"},
		{"|=yx", "38;5;255", "38;5;255"},
		{"|[=zx", "48;5;231", "48;5;231"},
		{"|#ff0000x", "38;5;196", "38;2;255;0;0"},
		{"|#F80x", "38;5;208", "38;2;255;136;0"},
		{"|[#808080x", "48;5;244", "48;2;128;128;128"},
		{"|#123456x", "38;5;236", "38;2;18;52;86"},
		{"|[#000x", "48;5;16", "48;2;0;0;0"},
		{"|#5f87afx", "38;5;67", "38;2;95;135;175"}, // of the palette itself
	} {
		for depth, code := range map[markup.Depth]string{markup.ANSI256: tt.x256, markup.TrueColor: tt.rgb} {
			want := "\x1b[" + code + "mx\x1b[0m"
			if got := string(markup.Append(nil, tt.in, markup.Target{Depth: depth})); got != want {
				t.Errorf("%s at depth %d: %q, want %q", tt.in, depth, got, want)
			}
		}
	}
}

// Colours that a client shows alike are not told apart: nothing is sent twice.
func TestNothingTwice(t *testing.T) {
	if got, want := string(markup.Append(nil, "|#ff0000a|#fe0000b|500c", markup.Target{Depth: markup.ANSI256})), "\x1b[38;5;196mabc\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := string(markup.Append(nil, "|#ff0000a|500b|rc", markup.Target{Depth: markup.ANSI16})), "\x1b[1;31mabc\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Each colour of the palette that all terminals share is its own nearest, and of
// the sixteen each is what a person would call it.
func TestNearest(t *testing.T) {
	code := regexp.MustCompile(`38;5;(\d+)m`)
	steps := []int{0, 95, 135, 175, 215, 255}
	for i := 16; i < 232; i++ {
		n := i - 16
		in := fmt.Sprintf("|#%02x%02x%02xx", steps[n/36], steps[n/6%6], steps[n%6])
		got := code.FindStringSubmatch(string(markup.Append(nil, in, markup.Target{Depth: markup.ANSI256})))
		if got == nil || got[1] != fmt.Sprint(i) {
			t.Errorf("%s is %v, want %d", in, got, i)
		}
	}
	for in, want := range map[string]string{
		"|#f00": "1;31", "|#800000": "31", "|#00ff00": "1;32", "|#008000": "32", "|#ffff00": "1;33", "|#a0522d": "31", "|#ff8c00": "1;31", "|#ffa500": "33", "|#8b4513": "31",
		"|#0000ff": "34", "|#6666ff": "1;34", "|#ff00ff": "1;35", "|#800080": "35", "|#00ffff": "1;36", "|#008080": "36",
		"|#ffffff": "1;37", "|#d0d0d0": "37", "|#808080": "1;30", "|#000000": "30", "|#222222": "1;30", "|#ffc0cb": "37",
	} {
		if got := string(markup.Append(nil, in+"x", markup.Target{Depth: markup.ANSI16})); got != "\x1b["+want+"mx\x1b[0m" {
			t.Errorf("%s is %q, want %s", in, got, want)
		}
	}
	// A background may be black, and has eight colours more by other codes.
	for in, want := range map[string]string{"|[#010101": "40", "|[#ff0000": "101", "|[#cd0000": "41"} {
		if got := string(markup.Append(nil, in+"x", markup.Target{Depth: markup.ANSI16})); got != "\x1b["+want+"mx\x1b[0m" {
			t.Errorf("%s is %q, want %s", in, got, want)
		}
	}
}

func TestColoursAreStripped(t *testing.T) {
	in := "|500a|[=kb|#ff8800c|[#f80d"
	if got := markup.Strip(in); got != "abcd" {
		t.Errorf("Strip = %q", got)
	}
	if got := markup.Strip(markup.Escape(in)); got != in {
		t.Errorf("Strip(Escape) = %q", got)
	}
	if strings.Contains(string(markup.Append(nil, in, markup.Target{})), "|") {
		t.Error("tags are left")
	}
}
