package inline_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"mudlark.dev/inline"
	"mudlark.dev/markup"
)

// chance is an environment with numbers that are always the same.
type chance struct{ r *rand.Rand }

func (c chance) Rand() *rand.Rand { return c.r }

func env() chance { return chance{rand.New(rand.NewPCG(1, 2))} }

type lark struct{}

func (lark) Name() string { return "the lark" }

func newSet(t testing.TB) *inline.Set {
	t.Helper()
	s, err := inline.NewSet(inline.Base(), map[string]inline.Func{
		"echo":  func(c *inline.Call) (any, error) { return fmt.Sprintf("%q", c.Args), nil },
		"keys":  func(c *inline.Call) (any, error) { return fmt.Sprint(c.Kwargs), nil },
		"lark":  func(*inline.Call) (any, error) { return lark{}, nil },
		"kind":  func(c *inline.Call) (any, error) { return fmt.Sprintf("%T", c.Args[0]), nil },
		"list":  func(c *inline.Call) (any, error) { return c.Args, nil },
		"fails": func(*inline.Call) (any, error) { return nil, errors.New("no wind") },
		"big":   func(*inline.Call) (any, error) { return strings.Repeat("x", inline.MaxOutput/4), nil },
		"none":  func(*inline.Call) (any, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExpand(t *testing.T) {
	s := newSet(t)
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"no calls", "no calls"},
		{"a $add(1, 2) b", "a 3 b"},
		{"$echo()", "[]"},
		{"$echo(a)", `["a"]`},
		{"$echo( a b , c )", `["a b" "c"]`},
		{"$echo(,)", `["" ""]`},
		{`$echo(" a, b ")`, `[" a, b "]`},
		{`$echo("")`, `[""]`},
		{"$echo(f(x, y), z)", `["f(x, y)" "z"]`},
		{`$echo(a\, b)`, `["a, b"]`},
		{`$echo(a\))`, `["a)"]`},
		{`$echo(\()`, `["("]`},
		{`$echo(a\=b)`, `["a=b"]`},
		{`$echo(\\)`, `["\\"]`},
		{`$keys(a = 1, b2="x, y")`, "map[a:1 b2:x, y]"},
		{"$keys(a=b=c)", "map[a:b=c]"},
		{"$echo(1 + 1=2)", `["1 + 1=2"]`},
		{"$add($add(1, 2), 3)", "6"},
		{"$kind($add(1, 2)) $kind(3) $kind(a $add(1, 2))", "int64 string string"},
		{"$lark() sings", "the lark sings"},
		{"$list(a, $lark())", "a, the lark"},
		{"[$none()]", "[]"},

		{"it costs $5 or $ 6, $(x) or $9(x)", "it costs $5 or $ 6, $(x) or $9(x)"},
		{"$add", "$add"},
		{"$_a(b)", "$_a(b)"},
		{"é $add(1, 1) é", "é 2 é"},
		// What stays as it was is never read again: its dollars have a bar.
		{"$nothing(a) b", "|$nothing(a) b"},
		{"$fails() $add(1, 1)", "|$fails() 2"},
		{"$nothing($add(1, 1))", "|$nothing(|$add(1, 1))"},
		{"$add(1, 2", "$add(1, 2"},
		{`\$add(1, 2)`, "|$add(1, 2)"},
		{"$$add(1, 2)", "|$add(1, 2)"},
		{"|$add(1, 2)", "|$add(1, 2)"},
		{"||$add(1, 2)", "||3"},
		{"|r$add(1, 2)|n", "|r3|n"},
		{`a \x`, `a \x`},
		// Outside of a call a backslash stands before nothing but a dollar.
		{`costs 5$ \(cheap\) a\\b \, \= \"x\" \`, `costs 5$ \(cheap\) a\\b \, \= \"x\" \`},
		{`\(x\) $echo(\(x\)) \(y\)`, `\(x\) ["(x)"] \(y\)`},
		{`\\$add(1, 2)`, `\|$add(1, 2)`},
		{`$echo(\", \\, \$add(1))`, `["\"" "\\" "|$add(1)"]`},
		{"$echo(|$add(1, 2))", `["|$add(1, 2)"]`},
	} {
		got, err := s.Expand(tc.in, env(), inline.Options{})
		if err != nil || got != tc.want {
			t.Errorf("Expand(%q) = %q, %v, want %q", tc.in, got, err, tc.want)
		}
	}
}

func TestBase(t *testing.T) {
	s := newSet(t)
	for _, tc := range []struct{ in, want string }{
		{"eval(1 + 2 * (3 - 4))", "-1"},
		{"eval(7 / 2)", "3.5"},
		{"eval(8 / 2)", "4"},
		{"eval(-7 % 3)", "-1"},
		{"eval(5 % -1)", "0"},
		{"eval(- -3)", "3"},
		{"eval(9223372036854775807 + 1)", "9223372036854776000"},
		{"eval(.5 * 2)", "1"},
		{"eval(1 / 0)", ""},
		{"eval(1 % 0)", ""},
		{"eval((1)", ""},
		{"eval(1 2)", ""},
		{"eval(__import__)", ""},
		{"eval()", ""},
		{"eval(" + strings.Repeat("9", 201) + ")", ""},
		{"add(1, 2.5)", "3.5"},
		{"add(a, b)", "ab"},
		{"add(1)", ""},
		{"sub(1, 2)", "-1"},
		{"sub(0, -9223372036854775808)", "9223372036854776000"},
		{"mult(3, 4)", "12"},
		{"mult(4611686018427387904, 4)", "18446744073709552000"},
		{"div(9, 3)", "3"},
		{"div(1, 4)", "0.25"},
		{"div(1, 0)", ""},
		{"round(2.5)", "3"},
		{"round(2.345, 2)", "2.35"},
		{"round(1, 99)", ""},
		{"toint(2.9)", "2"},
		{"toint(-2.9)", "-2"},
		{"toint(99999999999999999999)", ""},
		{"toint(NaN)", ""},
		{"int2str(0)", "zero"},
		{"int2str(12)", "twelve"},
		{"int2str(13)", "13"},
		{"choice(a)", "a"},
		{"choice()", ""},
		{"randint(4, 4)", "4"},
		{"randint(4, 3)", ""},
		{"randint(-9223372036854775808, 9223372036854775807)", ""},
		{"random(0)", "0"},
		{"pad(ab, 5)", " ab  "},
		{"pad(ab, 5, r)", "   ab"},
		{"pad(ab, 5, l, .)", "ab..."},
		{"pad(ab, width=4, align=c, fillchar=-)", "-ab-"},
		{"pad(日, 4, l)", "日  "},
		{"pad(ab, 501)", ""},
		{"pad(ab, -1)", ""},
		{"pad(ab, 5, x)", ""},
		{"pad(ab, 5, l, ab)", ""},
		{"crop(the lark sings, 10)", "the l[...]"},
		{"crop(the lark sings, 5, …)", "the …"},
		{"just(a lark, 8, r)", "  a lark"},
		{"ljust(a, 3)", "a"},
		{"rjust(a, 3)", "  a"},
		{"cjust(a, 3)", " a"},
		{"justify(a b c, 7, f)", "a b c"},
		{"just(a, 3, q)", ""},
		{"space(3)", "   "},
		{"space(501)", ""},
		{"clr(r, red)", "|rred|n"},
		{"clr(|#f80, red)", "|#f80red|n"},
		{"clr(zzz, red)", ""},
		{"clr(/, red)", ""},
		{"pluralize(lark, 1)", "lark"},
		{"pluralize(lark, 3)", "larks"},
		{"pluralize(fox, 2)", "foxes"},
		{"pluralize(berry, 0)", "berries"},
		{"pluralize(goose, 2, geese)", "geese"},
		{"pluralize(lark)", ""},
		{"an(apple)", "an apple"},
		{"an(|gpear|n)", "a |gpear|n"},
		{"an(hour)", "an hour"},
		{"an(unicorn)", "a unicorn"},
		{"an(unimportant lark)", "an unimportant lark"},
		{"an(unidentified lark)", "an unidentified lark"},
		{"pluralize(|rfox|n, 2)", "|rfoxes|n"},
	} {
		in := "$" + tc.in
		got, err := s.Expand(in, env(), inline.Options{Strict: true})
		if tc.want == "" {
			var e *inline.Error
			if !errors.As(err, &e) || got != in || e.Name != tc.in[:strings.IndexByte(tc.in, '(')] || e.At != 0 {
				t.Errorf("%s = %q, %v: want an error", in, got, err)
			}
		} else if err != nil || got != tc.want {
			t.Errorf("%s = %q, %v, want %q", in, got, err, tc.want)
		}
	}
	for range 100 {
		v, err := s.Value("$randint(1, 6)", env(), inline.Options{Strict: true})
		if n, ok := v.(int64); !ok || n < 1 || n > 6 || err != nil {
			t.Fatalf("$randint(1, 6) = %v, %v", v, err)
		}
		v, err = s.Value("$random(2, 3)", env(), inline.Options{Strict: true})
		if n, ok := v.(float64); !ok || n < 2 || n >= 3 || err != nil {
			t.Fatalf("$random(2, 3) = %v, %v", v, err)
		}
	}
	for _, in := range []string{"$random()", "$randint(1, 2)", "$choice(a, b)"} {
		if _, err := s.Expand(in, nil, inline.Options{Strict: true}); err == nil {
			t.Errorf("%s without chance is no error", in)
		}
	}
}

func TestStrict(t *testing.T) {
	s := newSet(t)
	for _, tc := range []struct {
		in   string
		want error
		name string
		at   int
	}{
		{"a $nothing()", inline.ErrUnknown, "nothing", 2},
		{"a $add(1, 2", inline.ErrOpen, "add", 2},
		{"$echo($nothing())", inline.ErrUnknown, "nothing", 6},
		{strings.Repeat("$echo(", inline.MaxDepth+1) + strings.Repeat(")", inline.MaxDepth+1), inline.ErrDepth, "echo", 6 * inline.MaxDepth},
		{strings.Repeat("$none()", inline.MaxCalls+1), inline.ErrCalls, "none", 7 * inline.MaxCalls},
		{strings.Repeat("$big()", 5), inline.ErrOutput, "big", 24},
	} {
		got, err := s.Expand(tc.in, nil, inline.Options{Strict: true})
		var e *inline.Error
		if !errors.As(err, &e) || !errors.Is(err, tc.want) || e.Name != tc.name || e.At != tc.at {
			t.Errorf("Expand(%.40q): %v", tc.in, err)
		}
		if got != tc.in {
			t.Errorf("Expand(%.40q) = %q", tc.in, got)
		}
		// Without it the text is shown.
		got, err = s.Expand(tc.in, nil, inline.Options{})
		if err != nil || len(got) > 2*len(tc.in)+inline.MaxOutput {
			t.Errorf("Expand(%.40q) = %.40q, %v", tc.in, got, err)
		}
	}
}

func TestOptions(t *testing.T) {
	s := newSet(t)
	for _, tc := range []struct {
		o    inline.Options
		want string
	}{
		{inline.Options{}, "3 map[b:9] x"},
		{inline.Options{Strip: true}, "  x"},
		{inline.Options{Escape: true}, "|$add(1, |$add(1, 1)) |$keys(b=9) x"},
		{inline.Options{Values: map[string]any{"a": 1, "b": 2}}, "3 map[a:1 b:9] x"},
		{inline.Options{Reserved: map[string]any{"b": 2}}, "3 map[b:2] x"},
	} {
		got, err := s.Expand("$add(1, $add(1, 1)) $keys(b=9) x", nil, tc.o)
		if err != nil || got != tc.want {
			t.Errorf("%+v: %q, %v, want %q", tc.o, got, err, tc.want)
		}
	}
	v, err := s.Value("$lark()", nil, inline.Options{})
	if v != (lark{}) || err != nil {
		t.Errorf("Value: %v, %v", v, err)
	}
	if v, err = s.Value("a $lark()", nil, inline.Options{}); v != "a the lark" || err != nil {
		t.Errorf("Value: %v, %v", v, err)
	}
	if v, err = s.Value("$lark(", nil, inline.Options{Strict: true}); v != "$lark(" || !errors.Is(err, inline.ErrOpen) {
		t.Errorf("Value: %v, %v", v, err)
	}
}

func TestNewSet(t *testing.T) {
	f := func(*inline.Call) (any, error) { return nil, nil }
	for _, name := range []string{"", "a b", "9", "_x", "é", "a("} {
		if _, err := inline.NewSet(map[string]inline.Func{name: f}); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
	if _, err := inline.NewSet(map[string]inline.Func{"a": nil}); err == nil {
		t.Error("nil is a function")
	}
	s, err := inline.NewSet(map[string]inline.Func{"b": f, "a": f}, map[string]inline.Func{"a": f})
	if err != nil || strings.Join(s.Names(), " ") != "a b" {
		t.Errorf("%v, %v", s, err)
	}
}

func TestArticle(t *testing.T) {
	for want, nouns := range map[string]string{
		"a": "lark unicorn union uniform unique unit universe unison unisex unicycle unity united university unilateral unanimous useful " +
			"usual European ewe one once-over utensil |runicorn|n |[rUnit|n UNION hawk",
		"an": "apple hour honest heir unidentified uninvited unimportant unintended uninhabited unimpressed unimaginable unideal unidiomatic " +
			"unignored unillustrated unironed unissued unisolated unable unaware uneven unopened unusual |guninvited|n Unidentified umbrella",
	} {
		for noun := range strings.FieldsSeq(nouns) {
			if got := inline.Article(noun); got != want {
				t.Errorf("Article(%q) = %q, want %q", noun, got, want)
			}
		}
	}
}

// What is shown of a noun becomes another; the tags around it stay.
func TestPlural(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"fox", "foxes"},
		{"|rfox|n", "|rfoxes|n"},
		{"|rberry|n", "|rberries|n"},
		{"|rberry|n|H", "|rberries|n|H"},
		{"|#2288aaeel", "|#2288aaeels"},
		{"|rday|n", "|rdays|n"},
		{"be|ry|n", "be|ries|n"},
		{"berr|y", "berrs|y"}, // the tag of yellow
		{"red |rfox|n", "red |rfoxes|n"},
		{"|lclook|ltfox|le", "|lclook|ltfoxes|le"},
		{"fox||", "fox||s"},
		{"fox|$", "fox|$s"},
		{"|r|n", "|r|n"},
		{strings.Repeat("|n", 1000), strings.Repeat("|n", 1000)},
	} {
		if got := inline.Plural(tc.in); got != tc.want {
			t.Errorf("Plural(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

// A template is rendered for many readers at once.
func TestTemplateShared(t *testing.T) {
	s := newSet(t)
	tpl, err := inline.Parse("$kind($add(1, 2)), $echo(a, $lark())", true)
	if err != nil || !tpl.Calls() {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				got, err := tpl.Render(s, nil, inline.Options{Values: map[string]any{"k": 1}})
				if want := `int64, ["a" {}]`; got != want || err != nil {
					t.Errorf("%q, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzExpand(f *testing.F) {
	f.Add("a $add(1, $echo(\"x, y\", k = |r\\)) $$b(")
	f.Add("$eval(1 + 2 * (3 / 4 % 5)) $pad($clr(r, x), 9, c, -)")
	s := newSet(f)
	f.Fuzz(func(t *testing.T, in string) {
		for _, o := range []inline.Options{{}, {Strip: true}, {Escape: true}} {
			out, err := s.Expand(in, env(), o)
			if err != nil {
				t.Fatalf("Expand(%q): %v", in, err)
			}
			if len(out) > 2*len(in)+2*inline.MaxOutput {
				t.Fatalf("Expand(%q) has %d bytes", in, len(out))
			}
		}
		if out, err := s.Expand(in, env(), inline.Options{Strict: true}); err != nil && out != in {
			t.Fatalf("Expand(%q) = %q, %v", in, out, err)
		}
		// What a player typed is read as it was typed.
		safe := markup.Escape(in)
		out, err := s.Expand(safe, env(), inline.Options{Strict: true})
		if err != nil || out != safe {
			t.Fatalf("Escape(%q) = %q expands to %q, %v", in, safe, out, err)
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	s := newSet(b)
	for _, bc := range []struct{ name, in string }{
		{"plain", strings.Repeat("A lark sings high over the moor. ", 20)},
		{"actor", "$clr(r, The lark) $pluralize(sing, 2) $an(apple) song."},
		{"open", strings.Repeat("$add(", 4000)},
		{"deep", strings.Repeat("$add(1, ", inline.MaxDepth) + strings.Repeat(")", inline.MaxDepth)},
		{"many", strings.Repeat("$add(1, 2)", 4000)},
		{"quotes", "$echo(" + strings.Repeat(`"`, 40000) + ")"},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.SetBytes(int64(len(bc.in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Expand(bc.in, nil, inline.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
