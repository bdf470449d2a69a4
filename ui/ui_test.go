package ui_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"mudlark.dev/markup"
	"mudlark.dev/ui"
)

// show prints what a text looks like in a window of 40 cells, and what a screen
// reader reads.
func show(text fmt.Stringer) {
	fmt.Println(string(markup.Append(nil, text.String(), markup.Target{Width: 40})))
	fmt.Println("heard:")
	fmt.Println(string(markup.Append(nil, text.String(), markup.Target{Format: markup.Reader, Width: 40})))
}

func ExampleTable() {
	t := ui.Table{Head: []string{"Name", "Gold", "Says"}, Align: "lrl"}
	t.Add("Ada", 1200, "|yhello|n")
	t.Add("日本", 3, "")
	show(t)
	// Output:
	// Name  Gold  Says
	// ────  ────  ─────
	// Ada   1200  hello
	// 日本     3
	// heard:
	// Name: Ada, Gold: 1200, Says: hello
	// Name: 日本, Gold: 3
}

func ExampleBox() {
	show(ui.Box{Title: "A sign", Text: "Beware of the |rgoose|n.", Width: 24})
	// Output:
	// ┌─ A sign ─────────────┐
	// │ Beware of the goose. │
	// └──────────────────────┘
	// heard:
	// A sign
	// Beware of the goose.
}

func ExampleColumns() {
	show(ui.Columns{"north", "south", "east", "west", "up", "down", "in", "out"})
	// Output:
	// north  east   up     in
	// south  west   down   out
	// heard:
	// north, south, east, west, up, down, in, out
}

func ExampleBar() {
	show(ui.Bar{Label: "Health", Value: 3, Max: 4, Width: 10})
	// Output:
	// Health ███████░░░ 3/4
	// heard:
	// Health: 3 of 4
}

func ExampleParagraph() {
	show(ui.Paragraph{Text: "A lark sings high over the moor, and nobody sees it.", Indent: 2, Width: 24})
	// Output:
	//   A lark sings high over
	// the moor, and nobody
	// sees it.
	// heard:
	// A lark sings high over the moor, and nobody sees it.
}

func ExampleArt() {
	fmt.Println(string(markup.Append(nil, ui.Art("[A]--[B]", "A way leads east from A to B."), markup.Target{Width: 40})))
	fmt.Println(string(markup.Append(nil, ui.Art("[A]--[B]", "A way leads east from A to B."), markup.Target{Format: markup.Reader})))
	// Output:
	// [A]--[B]
	// A way leads east from A to B.
}

func TestArtNeedsWords(t *testing.T) {
	for _, alt := range []string{"", " \n"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Art with the text %q does not panic", alt)
				}
			}()
			ui.Art("[A]", alt)
		}()
	}
}

func TestLinks(t *testing.T) {
	for _, tc := range []struct{ in, plain, osc8 string }{
		{ui.Command("look at|r $x()", "look"), "look", "\x1b]8;;send:look%20at%7Cr%20%24x%28%29\x1b\\look\x1b]8;;\x1b\\"},
		{ui.Prompt("say ", "talk"), "talk", "\x1b]8;;prompt:say%20\x1b\\talk\x1b]8;;\x1b\\"},
		{ui.Page("https://mudlark.dev/a?b", "home"), "home (https://mudlark.dev/a?b)", "\x1b]8;;https://mudlark.dev/a?b\x1b\\home\x1b]8;;\x1b\\"},
		{ui.Page("javascript:alert(1)", "home"), "home", "home"},
		{ui.Command("a\nquit", "x"), "x", "x"},
		{ui.Command("a|lt|le", "x"), "x", "\x1b]8;;send:a%7Clt%7Cle\x1b\\x\x1b]8;;\x1b\\"},
	} {
		if got := string(markup.Append(nil, tc.in, markup.Target{})); got != tc.plain {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.plain)
		}
		if got := string(markup.Append(nil, tc.in, markup.Target{Links: markup.OSC8})); got != tc.osc8 {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.osc8)
		}
	}
}

// Whatever stands in a cell, it stays in it.
func TestHostileCells(t *testing.T) {
	parts := []string{"|", "|,", "|;", "|}", "|{", "|{table head}", "|{box width=9}", "|{art}", "|lc", "|lt", "|le", "|lu", "||", "$", "|$", "a", " ", "\n", "|/", "|r", "}", "{", "日", "\x1b[1m", "\xff"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		bad := b.String()
		t1 := ui.Table{Head: []string{"a", bad}, Rows: [][]string{{bad, "b"}, {"c", bad}, {"LAST", bad}}}
		for _, in := range []fmt.Stringer{
			t1, ui.Box{Title: bad, Text: bad}, ui.Columns{bad, bad, "LAST"}, ui.Paragraph{Text: bad}, ui.Bar{Label: bad, Value: 1, Max: 2},
			text(ui.Rule(bad)), text(ui.Art(bad, "LAST"+bad)), ui.Box{Text: ui.Box{Text: t1.String()}.String()},
		} {
			for _, target := range []markup.Target{{Width: 30, Depth: markup.ANSI16}, {Format: markup.Reader}, {Width: 10}, {Format: markup.HTML}} {
				got := sgr.ReplaceAllString(string(markup.Append(nil, in.String()+"AFTER", target)), "")
				if target.Format != markup.HTML && !strings.HasSuffix("\n"+got, "\nAFTER") {
					t.Fatalf("%T of %q does not end with its end:\n%s", in, bad, got)
				}
				if strings.Contains(got, "|}AFTER") || strings.Contains(got, "\x1b") {
					t.Fatalf("%T of %q:\n%s", in, bad, got)
				}
			}
		}
		heard := string(markup.Append(nil, t1.String(), markup.Target{Format: markup.Reader}))
		if n := strings.Count(heard, "LAST"); n != 1 {
			t.Fatalf("table of %q has its last row %d times:\n%s", bad, n, heard)
		}
	}
}

// A table whose columns have no names is one, whether Head is nil or empty.
func TestTableWithoutHead(t *testing.T) {
	rows := [][]string{{"a", "b"}, {"c", "d"}}
	want := ui.Table{Rows: rows}.String()
	if got := (ui.Table{Head: []string{}, Rows: rows}).String(); got != want {
		t.Errorf("an empty Head: %q, want %q", got, want)
	}
}

// Tags of a game's own are in cells as elsewhere, however deep.
func TestOwnTags(t *testing.T) {
	tags, err := markup.NewTags(map[string]string{"tide": "|b"})
	if err != nil {
		t.Fatal(err)
	}
	inner := ui.Table{Rows: [][]string{{"|tidewater|n", "|,"}}}
	in := ui.Box{Title: "|tidesign|n", Text: ui.Table{Rows: [][]string{{inner.String(), "x"}}}.String()}
	got := string(markup.Append(nil, tags.Expand(in.String()), markup.Target{Width: 40}))
	want := "┌─ sign ───────┐\n│ water  |,  x │\n└──────────────┘"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

type text string

func (t text) String() string { return string(t) }
