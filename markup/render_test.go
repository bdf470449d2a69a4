package markup_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"mudlark.dev/markup"
)

var update = flag.Bool("update", false, "write the golden files")

// targets has one of each kind of client.
var targets = []struct {
	name string
	markup.Target
}{
	{"plain", markup.Target{Width: 40, Wrap: true}},
	{"ansi16", markup.Target{Depth: markup.ANSI16, Width: 40, Wrap: true}},
	{"ansi256", markup.Target{Depth: markup.ANSI256, Width: 60}},
	{"mxp", markup.Target{Depth: markup.ANSI16, Links: markup.MXP, Width: 60}},
	{"mslp", markup.Target{Depth: markup.ANSI256, Links: markup.MSLP, Width: 60}},
	{"osc8", markup.Target{Depth: markup.TrueColor, Links: markup.OSC8, Width: 60, Wrap: true}},
	{"reader", markup.Target{Format: markup.Reader}},
	{"html", markup.Target{Format: markup.HTML}},
}

// TestGolden renders testdata/*.txt for each kind of client. In the golden files
// an escape byte is written as ␛.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no texts", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range targets {
			name := strings.TrimSuffix(file, ".txt") + "." + target.name
			t.Run(filepath.Base(name), func(t *testing.T) {
				got := string(markup.Append(nil, strings.TrimSuffix(string(text), "\n"), target.Target)) + "\n"
				got = strings.NewReplacer("\x1b", "␛", "\a", "␇", "<br>", "<br>\n").Replace(got)
				if *update {
					if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
			})
		}
	}
}

// Links, where they may lead, and what they are to who has none.
func TestLinks(t *testing.T) {
	for _, tc := range []struct{ in, plain, mxp, osc8, html string }{
		{"|lclook|ltLook|le.", "Look.",
			"\x1b[4z<send href=\"look\">Look\x1b[4z</send>.", "\x1b]8;;send:look\x1b\\Look\x1b]8;;\x1b\\.", `<a href="#" data-send="look">Look</a>.`},
		{"|lca||lt|ltx|le", "x", "x", "\x1b]8;;send:a%7Clt\x1b\\x\x1b]8;;\x1b\\", `<a href="#" data-send="a|lt">x</a>`},
		{"|lptell ada |ltTell|le", "Tell",
			"\x1b[4z<send href=\"tell ada \" prompt>Tell\x1b[4z</send>", "\x1b]8;;prompt:tell%20ada%20\x1b\\Tell\x1b]8;;\x1b\\", `<a href="#" data-prompt="tell ada ">Tell</a>`},
		{"|luhttps://a.b/c?d=1&e|ltSite|le!", "Site (https://a.b/c?d=1&e)!",
			"\x1b[4z<a href=\"https://a.b/c?d=1&amp;e\">Site\x1b[4z</a>!", "\x1b]8;;https://a.b/c?d=1&e\x1b\\Site\x1b]8;;\x1b\\!",
			`<a target="_blank" rel="noopener noreferrer nofollow" href="https://a.b/c?d=1&amp;e">Site</a>!`},
		{"|luhttp://a.b|lthttp://a.b|le", "http://a.b", "\x1b[4z<a href=\"http://a.b\">http://a.b\x1b[4z</a>", "\x1b]8;;http://a.b\x1b\\http://a.b\x1b]8;;\x1b\\",
			`<a target="_blank" rel="noopener noreferrer nofollow" href="http://a.b">http://a.b</a>`},
		{"|lumailto:a@b.c|ltMail", "Mail (mailto:a@b.c)", "\x1b[4z<a href=\"mailto:a@b.c\">Mail\x1b[4z</a>", "\x1b]8;;mailto:a@b.c\x1b\\Mail\x1b]8;;\x1b\\",
			`<a target="_blank" rel="noopener noreferrer nofollow" href="mailto:a@b.c">Mail</a>`},
		{"|lujavascript:alert(1)|ltX|le", "X", "X", "X", "X"},
		{"|lufile:///etc/passwd|ltX|le", "X", "X", "X", "X"},
		{"|luhttp:|ltX|le|lu//x|ltX|le|lumailto:|ltX|le|lu:|ltX|le", "XXXX", "XXXX", "XXXX", "XXXX"},
		{"|luhttp://a/\"><b>|ltX|le", "X (http://a/%22%3E%3Cb%3E)", "\x1b[4z<a href=\"http://a/%22%3E%3Cb%3E\">X\x1b[4z</a>", "\x1b]8;;http://a/%22%3E%3Cb%3E\x1b\\X\x1b]8;;\x1b\\",
			`<a target="_blank" rel="noopener noreferrer nofollow" href="http://a/%22%3E%3Cb%3E">X</a>`},
		{"|lcsay <\"é\">|ltX|le", "X", "\x1b[4z<send href=\"say &lt;&quot;é&quot;&gt;\">X\x1b[4z</send>", "\x1b]8;;send:say%20%3C%22%C3%A9%22%3E\x1b\\X\x1b]8;;\x1b\\",
			`<a href="#" data-send="say &lt;&quot;é&quot;&gt;">X</a>`},
		{"|lca||b|ltX|le", "X", "X", "\x1b]8;;send:a%7Cb\x1b\\X\x1b]8;;\x1b\\", `<a href="#" data-send="a|b">X</a>`}, // a bar would be a menu
		{"|lc|ltX|le|lc  |ltY|le", "XY", "XY", "XY", "XY"},
		{"|lca|lta|/b|le", "a\nb", "\x1b[4z<send href=\"a\">a\x1b[4z</send>\n\x1b[4z<send href=\"a\">b\x1b[4z</send>",
			"\x1b]8;;send:a\x1b\\a\x1b]8;;\x1b\\\n\x1b]8;;send:a\x1b\\b\x1b]8;;\x1b\\", `<a href="#" data-send="a">a</a><br><a href="#" data-send="a">b</a>`},
		{"|lca|ltA|lcb|ltB|le", "AB", "\x1b[4z<send href=\"a\">A\x1b[4z</send>\x1b[4z<send href=\"b\">B\x1b[4z</send>",
			"\x1b]8;;send:a\x1b\\A\x1b]8;;\x1b\\\x1b]8;;send:b\x1b\\B\x1b]8;;\x1b\\", `<a href="#" data-send="a">A</a><a href="#" data-send="b">B</a>`},
		{"|lca\nb|ltX", "|lca\nb|ltX", "|lca\nb|ltX", "|lca\nb|ltX", "|lca<br>b|ltX"},
		{"|lcgo |le|lt |lx |l", "|lt |lx |l", "|lt |lx |l", "|lt |lx |l", "|lt |lx |l"},
	} {
		for name, one := range map[string]struct {
			markup.Target
			want string
		}{
			"plain": {markup.Target{}, tc.plain},
			"mxp":   {markup.Target{Links: markup.MXP}, tc.mxp},
			"osc8":  {markup.Target{Links: markup.OSC8}, tc.osc8},
			"html":  {markup.Target{Format: markup.HTML}, tc.html},
		} {
			if tc.in == "|lcgo |le|lt |lx |l" {
				continue
			}
			if got := string(markup.Append(nil, tc.in, one.Target)); got != one.want {
				t.Errorf("%s of %q:\n got %q\nwant %q", name, tc.in, got, one.want)
			}
		}
	}
	// TinTin++ wants the codes of underlining alone around the text.
	got := string(markup.Append(nil, "a |g|u|lclook|ltL|ro|nok|le b", markup.Target{Depth: markup.ANSI16, Links: markup.MSLP}))
	if want := "a \x1b[1;32m\x1b]68;1;SEND;look\a\x1b[4mLook\x1b[24m\x1b[0m b"; got != want {
		t.Errorf("MSLP: %q, want %q", got, want)
	}
}

// Whoever hears a text gets the words.
func TestReader(t *testing.T) {
	for in, want := range map[string]string{
		"|r-- Title --|n":                          "-- Title --",
		"--- |cTitle|n ---":                        "Title",
		"=====\nHello\n=====":                      "Hello",
		"a\n+----+\nb":                             "a\nb",
		"│ Ada │ 3 │":                              "Ada 3",
		"┌──┐\n│hi│\n└──┘":                         "hi",
		"C++ and a--b, f*** off":                   "C++ and a--b, f off",
		"|lclook|ltLook|le at this":                "Look at this",
		"|luhttp://a.b|ltSite|le":                  "Site (http://a.b)",
		"\n\n":                                     "\n\n",
		"----":                                     "",
		"a\n----":                                  "a",
		"|{rule|}":                                 "",
		"a|{rule}News|}b":                          "a\nNews\nb",
		"|{bar 3/10}Health|}":                      "Health: 3 of 10",
		"|{bar 3/10|}":                             "|{bar 3/10|}",
		"|{bar 3/10}|}":                            "3 of 10",
		"|{art} /\\\n/  \\|,A hill.|}":             "A hill.",
		"|{box}Mail|,You have none.|}":             "Mail\nYou have none.",
		"|{columns}a|,b|,c|}":                      "a, b, c",
		"|{table head}Name|,Idle|;Ada|,3s|;Bo|,|}": "Name: Ada, Idle: 3s\nName: Bo",
		"|{table}Ada|,3s|;Bo|,4s|}":                "Ada: 3s\nBo: 4s",
		"|{p align=c}Hello\nyou|}":                 "Hello\nyou",
	} {
		if in == "|{rule|}" || in == "|{bar 3/10|}" {
			continue // no closing brace: see TestBlocks
		}
		if got := string(markup.Append(nil, in, markup.Target{Format: markup.Reader, Depth: markup.TrueColor, Links: markup.OSC8, Wrap: true, Width: 10})); got != want {
			t.Errorf("Reader(%q) = %q, want %q", in, got, want)
		}
	}
}

// Blocks in few cells, and what is no block.
func TestBlocks(t *testing.T) {
	for _, tc := range []struct {
		name  string
		width int
		in    string
		want  []string
	}{
		{"between texts", 20, "a|{rule}|}b", []string{"a", "────────────────────", "b"}},
		{"on lines of its own", 20, "a\n|{rule}|}\nb\n", []string{"a", "────────────────────", "b", ""}},
		{"nothing in it", 20, "|{table}|}", []string{""}},
		{"no name", 20, "|{}x|}", []string{"|{}x|}"}},
		{"unknown", 20, "|{tabel}x|,y|}", []string{"|{tabel}x|,y|}"}},
		{"unknown option", 20, "|{table haed}x|}", []string{"|{table haed}x|}"}},
		{"option of another", 20, "|{rule head}x|}|{p align=x}y|}", []string{"|{rule head}x|}|{p align=x}y|}"}},
		{"not closed", 20, "|{rule|}", []string{"|{rule|}"}},
		{"without an end", 20, "|{columns}a|,b", []string{"a  b"}},
		{"bars", 20, "|{bar 1/0}|}|{bar x/2}|}|{bar}|}", []string{"|{bar 1/0}|}|{bar x/2}|}|{bar}|}"}},
		{"a bar", 30, "|{bar 5/10 width=10}HP|}", []string{"HP █████░░░░░ 5/10"}},
		{"too much", 30, "|{bar 15/10 width=4}|}|{bar -1/10 width=4}|}|{bar 1/1000 width=4}|}", []string{"████ 15/10", "░░░░ -1/10", "█░░░ 1/1000"}},
		{"a bar without room", 10, "|{bar 5/10}Health|}", []string{"Health", "5/10"}},
		{"table", 30, "|{table head align=lr}Name|,Idle|;Ada|,3s|;Bo the great|,12m|}",
			[]string{"Name          Idle", "────────────  ────", "Ada             3s", "Bo the great   12m"}},
		{"written on lines", 30, "|{table head align=lr}\nName |, Idle |;\nAda |, 3s |;\n|}",
			[]string{"Name  Idle", "────  ────", "Ada     3s"}},
		{"border", 30, "|{table head border}A|,B|;1|,22|}",
			[]string{"┌───┬────┐", "│ A │ B  │", "├───┼────┤", "│ 1 │ 22 │", "└───┴────┘"}},
		{"wide", 20, "|{table wide align=lr}a|,b|}", []string{"a                  b"}},
		{"narrow", 16, "|{table}The tide is out|,and the mud shines|}",
			[]string{"The      and the", "tide is  mud", "out      shines"}},
		{"no room for columns", 10, "|{table head}A|,B|,C|,D|;1|,2|,3|,four|}", []string{"A: 1, B:", "2, C: 3,", "D: four"}},
		{"rows of other lengths", 20, "|{table}a|;b|,c|;|,d|}", []string{"a", "b  c", "   d"}},
		{"wide characters", 20, "|{table}干潟|,x|;ab|,y|}", []string{"干潟  x", "ab    y"}},
		{"box", 20, "|{box}Mail|,You have none.|}", []string{"┌─ Mail ─────────┐", "│ You have none. │", "└────────────────┘"}},
		{"box without title", 20, "|{box align=c width=9}|,a b c|}", []string{"┌───────┐", "│ a b c │", "└───────┘"}},
		{"box wraps", 12, "|{box}|,The tide is out.|}", []string{"┌──────────┐", "│ The tide │", "│ is out.  │", "└──────────┘"}},
		{"long title", 12, "|{box}A very long title|,x|}", []string{"┌─ A ver… ─┐", "│ x        │", "└──────────┘"}},
		{"table in a box", 30, "|{box}T|,|{table}a|,b|;c|,d|}|}", []string{"┌─ T ──┐", "│ a  b │", "│ c  d │", "└──────┘"}},
		{"small box", 10, "|{box}|,x|}", []string{"┌───┐", "│ x │", "└───┘"}},
		{"box in a cell", 20, "|{table}|{box}|,x|}|,|{box}T|,yy|}|}", []string{"┌───┐  ┌─ T ─┐", "│ x │  │ yy  │", "└───┘  └─────┘"}},
		{"box in a narrow box", 10, "|{box}|,|{box}|,abc|}|}", []string{"┌────────┐", "│ ┌────┐ │", "│ │ ab │ │", "│ │ c  │ │", "│ └────┘ │", "└────────┘"}},
		{"box without room", 8, "|{box width=4}T|,abcde|}", []string{"T", "abcd", "e"}},
		{"box whose title has no room above", 10, "|{box width=6}Title|,abc|}", []string{"┌────┐", "│ Ti │", "│ tl │", "│ e  │", "│ ab │", "│ c  │", "└────┘"}},
		{"four boxes in one another", 17, strings.Repeat("|{box}|,", 4) + "x" + strings.Repeat("|}", 4), []string{
			"┌───────────────┐", "│ ┌───────────┐ │", "│ │ ┌───────┐ │ │", "│ │ │ ┌───┐ │ │ │", "│ │ │ │ x │ │ │ │", "│ │ │ └───┘ │ │ │", "│ │ └───────┘ │ │", "│ └───────────┘ │", "└───────────────┘"}},
		{"five boxes in one another", 80, strings.Repeat("|{box}|,", 4) + "|{box}T|,x|}" + strings.Repeat("|}", 4), []string{
			"┌─────────────────┐", "│ ┌─────────────┐ │", "│ │ ┌─────────┐ │ │", "│ │ │ ┌─────┐ │ │ │", "│ │ │ │ T x │ │ │ │", "│ │ │ └─────┘ │ │ │", "│ │ └─────────┘ │ │", "│ └─────────────┘ │", "└─────────────────┘"}},
		{"blocks in columns", 60, "|{columns}a|,|{box}Sign|,Beware!|}|,|{table head}A|,B|;1|,2|}|,|{bar 1/2}HP|}|,|{art}/\\|,hill|}|,|{rule}|}|}", []string{"a             A: 1, B: 2    hill", "Sign Beware!  HP: 1 of 2"}},
		{"blocks in a title and a label", 40, "|{rule}|{bar 1/2}HP|}|}|{bar 1/2 width=3}|{box}|,MP|}|}|{box}|{box}|,T|}|,x|}", []string{
			"────────────── HP: 1 of 2 ──────────────", "MP █░░ 1/2", "┌─ T ─┐", "│ x   │", "└─────┘"}},
		{"blocks in records", 10, "|{table head}A|,B|,C|,D|;|{box}|,one|}|,|{bar 1/2}HP|}|,x|,y|}", []string{"A: one, B:", "HP: 1 of", "2, C: x,", "D: y"}},
		{"columns", 12, "|{columns}a|,bb|,ccc|,d|,e|}", []string{"a    d", "bb   e", "ccc"}},
		{"rule", 11, "|{rule}News|}", []string{"── News ───"}},
		{"art", 10, "|{art}\n /\\\n/  \\\n|,A hill.|}", []string{" /\\", "/  \\"}},
		{"art without room", 10, "|{art}.-----------.|,A box.|}", []string{"A box."}},
		{"paragraph", 16, "|{p indent=2 hang=0}The tide is out and so am I.|}", []string{"  The tide is", "out and so am I."}},
		{"hanging", 14, "|{p hang=2}The tide is out.|}", []string{"The tide is", "  out."}},
		{"right", 14, "|{p align=r}The tide is out.|}", []string{"   The tide is", "          out."}},
		{"justified", 14, "|{p align=j}The tide is out.|}", []string{"The  tide   is", "out."}},
		{"deep", 14, strings.Repeat("|{p}", 5) + "x" + strings.Repeat("|}", 5), []string{"x"}},
	} {
		got := string(markup.Append(nil, tc.in, markup.Target{Width: tc.width}))
		if want := strings.Join(tc.want, "\n"); got != want {
			t.Errorf("%s: %q at %d:\n%s\nwant:\n%s", tc.name, tc.in, tc.width, got, want)
		}
	}
}

// A cell's style ends with it.
func TestBlockStyles(t *testing.T) {
	got := string(markup.Append(nil, "|g|{table}|ra|,b|;c|,|[Yd|}e", markup.Target{Depth: markup.ANSI16}))
	want := "\x1b[1;31ma  \x1b[32mb\nc  \x1b[43md\x1b[0;1;32m\ne\x1b[0m"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = string(markup.Append(nil, "|{table head}A|,|rB|;c|,d|}", markup.Target{Depth: markup.ANSI16}))
	want = "\x1b[1mA  \x1b[31mB\n\x1b[0m─  ─\nc  d"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// sequences are all that may stand in what is rendered for terminals.
var sequences = regexp.MustCompile("\x1b\\[[0-9;]*m|\x1b\\[4z<(?:send href=\"[^\"<>\x1b]*\"(?: prompt)?|a href=\"[^\"<>\x1b]*\"|/send|/a)>|\x1b\\]8;;[^\x00-\x1f]*\x1b\\\\|\x1b\\]68;1;SEND;[^\x00-\x1f]*\a")

func FuzzTargets(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		f.Add(string(text), uint8(20))
	}
	f.Add("|lca|ltb|luhttp://x|ltc|le|{table head}|lca|lta|,b|;|{box}|,|{bar 1/2}|}|}|}", uint8(5))
	f.Add("|{table}"+strings.Repeat("a|;", 50)+strings.Repeat("b|,", 50), uint8(100))
	f.Add("|luhttp://x|ltlong\nle$$$$$$$$$$$|le", uint8(23)) // the address stands a line below its tag
	f.Fuzz(func(t *testing.T, text string, width uint8) {
		for _, target := range targets {
			target.Width = int(width)
			out := string(markup.Append(nil, text, target.Target))
			if !utf8.ValidString(out) {
				t.Errorf("%s: %q is not UTF-8", target.name, out)
			}
			rest := sequences.ReplaceAllString(out, "")
			if strings.ContainsFunc(rest, func(r rune) bool {
				return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0
			}) {
				t.Errorf("%s: control characters in %q", target.name, out)
			}
			// Nothing is left on or open.
			if i := strings.LastIndex(out, "\x1b["); i >= 0 && target.Links == markup.NoLinks && !strings.HasPrefix(out[i:], "\x1b[0m") && strings.Contains(out, "\x1b[") {
				t.Errorf("%s: %q does not end normal", target.name, out)
			}
			if strings.Count(out, "\x1b]8;;")%2 != 0 || strings.Count(out, "\x1b[4z</") != strings.Count(out, "\x1b[4z<")/2 {
				t.Errorf("%s: a link is open in %q", target.name, out)
			}
			// Nothing of what is laid out is torn, or goes over the width.
			if target.Wrap && target.Format == markup.Terminal {
				for ln := range strings.Lines(rest) {
					ln = strings.TrimSuffix(ln, "\n")
					if w := markup.Width(markup.Escape(strings.TrimRight(ln, " \u3000"))); w > min(max(int(width), 10), 500) && width > 0 && !strings.ContainsAny(ln, "\t") {
						if len([]rune(ln)) > 1 {
							t.Errorf("%s: %q takes %d cells of %d", target.name, ln, w, width)
						}
					}
				}
			}
			if target.Format == markup.HTML {
				balanced(t, out)
			}
		}
	})
}

var element = regexp.MustCompile(`<(/?)([a-z]+)[^<>]*>`)

// balanced checks that each element ends, in the reverse order of beginnings.
func balanced(t *testing.T, out string) {
	t.Helper()
	var stack []string
	for _, m := range element.FindAllStringSubmatch(out, -1) {
		switch {
		case m[2] == "br" || m[2] == "hr":
		case m[1] == "":
			stack = append(stack, m[2])
		case len(stack) == 0 || stack[len(stack)-1] != m[2]:
			t.Fatalf("%s ends where %v are open, in %s", m[2], stack, out)
		default:
			stack = stack[:len(stack)-1]
		}
	}
	if len(stack) > 0 {
		t.Fatalf("%v are open at the end of %s", stack, out)
	}
	if strings.ContainsAny(element.ReplaceAllString(out, ""), "<>") {
		t.Fatalf("there are brackets in %s", out)
	}
}

func TestStylesheet(t *testing.T) {
	css := markup.Stylesheet()
	for _, want := range []string{".color-196{color:#ff0000}", ".bgcolor-015{background:#ffffff}", ".underline{"} {
		if !strings.Contains(css, want) {
			t.Errorf("no %s", want)
		}
	}
}

// What a player with a grudge may send costs no more than its length: each of
// these was slow in some reader of markup.
func BenchmarkHostile(b *testing.B) {
	for name, part := range map[string]string{
		"bars": "|", "links": "|lc", "targets": "|lca|lt", "blocks": "|{p}", "cells": "|{table}a|,", "marks": "\u0301", "ends": "|}|le",
	} {
		for _, n := range []int{10_000, 100_000} {
			text := strings.Repeat(part, n/len(part))
			b.Run(name+"/"+strconv.Itoa(n), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				var dst []byte
				for b.Loop() {
					dst = markup.Append(dst[:0], text, markup.Target{Depth: markup.ANSI16, Wrap: true})
				}
			})
		}
	}
}

// BenchmarkRender renders what games send for each kind of client.
func BenchmarkRender(b *testing.B) {
	table := "|{table head}Name|,On for|,Where"
	for i := range 50 {
		table += "|;|wPlayer " + strconv.Itoa(i) + "|n|,3m|,The |cFerry|n Jetty"
	}
	for _, text := range []struct{ name, text string }{
		{"line", "|cAda|n says, \"The tide is out, and I have lost my boots.\""},
		{"room", "|cThe Ferry Jetty|n\n" + strings.Repeat("The tide is out and the |gmudflats|n shine. ", 12) + "\nExits: |lcup|lt|wup|n|le"},
		{"table", table + "|}"},
	} {
		for _, target := range targets {
			b.Run(text.name+"/"+target.name, func(b *testing.B) {
				target.Width = 80
				b.SetBytes(int64(len(text.text)))
				b.ReportAllocs()
				var dst []byte
				for b.Loop() {
					dst = markup.Append(dst[:0], text.text, target.Target)
				}
			})
		}
	}
}
