package inline

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"mudlark.dev/markup"
)

// A Chance is an Env that has the chance of a world: random, randint and choice
// need one.
type Chance interface{ Rand() *rand.Rand }

// Base returns the functions that need nothing of a world:
//
//	eval(1 + 2 * (3 - 4))        numbers with + - * / % and parentheses
//	add(a, b) sub mult div       of two numbers; add also joins texts
//	round(n, digits)             toint(n)
//	int2str(n)                   "twelve" for 12; numbers above that as digits
//	random() random(n) random(m, n)   from 0 to 1, to n, from m to n
//	randint(m, n)                an integer from m to n
//	choice(a, b, …)              one of them
//	pad(text, width, align, fill)  align is l, c or r; width 78, c and a space if left out
//	crop(text, width, mark)      78 and "[...]" if left out
//	just(text, width, align)     wrapped and aligned: l, c, r or f
//	ljust rjust cjust (text, width)
//	space(n)
//	clr(color, text)             $clr(r, text) for |rtext|n
//	pluralize(noun, n, plural)   n and the word that fits it
//	an(noun)                     the noun with "a" or "an"
//
// just is also named justify, the others justify_left, justify_right and
// justify_center.
func Base() map[string]Func {
	m := map[string]Func{
		"eval": eval, "add": add,
		"sub": arith(less), "mult": arith(times),
		"div": div, "round": round, "toint": toInt, "int2str": intToText,
		"random": random, "randint": randInt, "choice": choice,
		"pad": pad, "crop": crop, "space": space, "clr": clr, "pluralize": pluralize, "an": an,
		"just": just(""), "justify": just(""), "ljust": just("l"), "justify_left": just("l"),
		"rjust": just("r"), "justify_right": just("r"), "cjust": just("c"), "justify_center": just("c"),
	}
	return m
}

func arith(f func(a, b any) (any, error)) Func {
	return func(c *Call) (any, error) {
		a, b, err := two(c)
		if err != nil {
			return nil, err
		}
		return f(a, b)
	}
}

func plus(a, b any) (any, error) {
	return calculate(a, b, func(a, b float64) float64 { return a + b },
		func(a, b int64) (int64, bool) { return a + b, (a+b > a) == (b > 0) })
}

func less(a, b any) (any, error) {
	return calculate(a, b, func(a, b float64) float64 { return a - b },
		func(a, b int64) (int64, bool) { return a - b, (a-b < a) == (b > 0) })
}

func times(a, b any) (any, error) {
	return calculate(a, b, func(a, b float64) float64 { return a * b },
		func(a, b int64) (int64, bool) {
			return a * b, a == 0 || a*b/a == b && (a != -1 || b != math.MinInt64)
		})
}

// calculate returns an integer if both are and it is one, else a fraction.
func calculate(a, b any, f func(a, b float64) float64, exact func(a, b int64) (int64, bool)) (any, error) {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			if n, ok := exact(x, y); ok {
				return n, nil
			}
		}
	}
	return finite(f(float(a), float(b)))
}

func finite(f float64) (any, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, errors.New("that is no number")
	}
	return f, nil
}

func two(c *Call) (a, b any, err error) {
	if a, err = c.Number(0); err != nil {
		return nil, nil, err
	}
	b, err = c.Number(1)
	return a, b, err
}

func float(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

func add(c *Call) (any, error) {
	a, b, err := two(c)
	if err != nil {
		if len(c.Args) != 2 {
			return nil, err
		}
		return text(c.Args[0]) + text(c.Args[1]), nil
	}
	return plus(a, b)
}

var errZero = errors.New("division by zero")

func div(c *Call) (any, error) {
	a, b, err := two(c)
	if err != nil {
		return nil, err
	}
	return divide(a, b)
}

func divide(a, b any) (any, error) {
	if float(b) == 0 {
		return nil, errZero
	}
	return calculate(a, b, func(a, b float64) float64 { return a / b },
		func(a, b int64) (int64, bool) { return a / b, a%b == 0 && !(a == math.MinInt64 && b == -1) })
}

func round(c *Call) (any, error) {
	n, err := c.Number(0)
	if err != nil {
		return nil, err
	}
	digits, err := strconv.Atoi(c.Option("digits", 1, "0"))
	if err != nil || digits < 0 || digits > 15 {
		return nil, errors.New("digits are from 0 to 15")
	}
	if digits == 0 {
		return whole(math.Round(float(n)))
	}
	p := math.Pow10(digits)
	return finite(math.Round(float(n)*p) / p)
}

func whole(f float64) (any, error) {
	if f >= math.MaxInt64 || f <= math.MinInt64 || math.IsNaN(f) {
		return nil, errors.New("the number is too large")
	}
	return int64(f), nil
}

func toInt(c *Call) (any, error) {
	n, err := c.Number(0)
	if err != nil {
		return nil, err
	}
	if i, ok := n.(int64); ok {
		return i, nil
	}
	return whole(math.Trunc(float(n)))
}

func intToText(c *Call) (any, error) {
	n, err := c.Number(0)
	if err != nil {
		return nil, err
	}
	words := [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}
	if i, ok := n.(int64); ok && i >= 0 && i < int64(len(words)) {
		return words[i], nil
	}
	return text(n), nil
}

func chance(c *Call) (*rand.Rand, error) {
	if e, ok := c.Env.(Chance); ok {
		return e.Rand(), nil
	}
	return nil, errors.New("there is no chance here")
}

func random(c *Call) (any, error) {
	r, err := chance(c)
	if err != nil {
		return nil, err
	}
	low, high := any(int64(0)), any(int64(1))
	switch len(c.Args) {
	case 0:
	case 1:
		high, err = c.Number(0)
	default:
		low, high, err = two(c)
	}
	if err != nil {
		return nil, err
	}
	return finite(float(low) + r.Float64()*(float(high)-float(low)))
}

func randInt(c *Call) (any, error) {
	r, err := chance(c)
	if err != nil {
		return nil, err
	}
	a, b, err := two(c)
	if err != nil {
		return nil, err
	}
	low, ok1 := a.(int64)
	high, ok2 := b.(int64)
	if !ok1 || !ok2 || high < low || high-low < 0 || high-low == math.MaxInt64 {
		return nil, errors.New("two integers are needed, the smaller one first")
	}
	return low + r.Int64N(high-low+1), nil
}

func choice(c *Call) (any, error) {
	r, err := chance(c)
	if err != nil {
		return nil, err
	}
	if len(c.Args) == 0 {
		return nil, errors.New("there is nothing to choose from")
	}
	return c.Args[r.IntN(len(c.Args))], nil
}

const maxWidth = 500

func width(c *Call, i int, def string) (int, error) {
	n, err := strconv.Atoi(c.Option("width", i, def))
	if err != nil || n < 0 || n > maxWidth {
		return 0, fmt.Errorf("a width is from 0 to %d", maxWidth)
	}
	return n, nil
}

func pad(c *Call) (any, error) {
	w, err := width(c, 1, "78")
	if err != nil {
		return nil, err
	}
	in := c.Text(0, "")
	fill := c.Option("fillchar", 3, " ")
	if fill == "" {
		fill = " "
	}
	if markup.Width(fill) != 1 {
		return nil, errors.New("what fills is one character")
	}
	gap := max(0, w-markup.Width(in))
	switch c.Option("align", 2, "c") {
	case "l":
		return in + strings.Repeat(fill, gap), nil
	case "r":
		return strings.Repeat(fill, gap) + in, nil
	case "c":
		return strings.Repeat(fill, gap/2) + in + strings.Repeat(fill, gap-gap/2), nil
	}
	return nil, errors.New("align is l, c or r")
}

func crop(c *Call) (any, error) {
	w, err := width(c, 1, "78")
	if err != nil {
		return nil, err
	}
	return markup.Crop(c.Text(0, ""), w, markup.Strip(c.Option("suffix", 2, "[...]"))), nil
}

func just(align string) Func {
	return func(c *Call) (any, error) {
		w, err := width(c, 1, "78")
		if err != nil {
			return nil, err
		}
		to := align
		if to == "" {
			to = c.Option("align", 2, "l")
		}
		how, ok := map[string]markup.Align{"l": markup.Left, "r": markup.Right, "c": markup.Center, "f": markup.Full}[to]
		if !ok {
			return nil, errors.New("align is l, c, r or f")
		}
		return markup.Justify(c.Text(0, ""), w, how), nil
	}
}

func space(c *Call) (any, error) {
	n, err := strconv.Atoi(c.Text(0, "1"))
	if err != nil || n < 0 || n > maxWidth {
		return nil, fmt.Errorf("spaces are from 0 to %d", maxWidth)
	}
	return strings.Repeat(" ", n), nil
}

func clr(c *Call) (any, error) {
	color := strings.TrimPrefix(c.Text(0, ""), "|")
	tag := "|" + color
	if color == "" || markup.Strip(tag+"x") != "x" {
		return nil, fmt.Errorf("%q is no color", color)
	}
	return tag + c.Text(1, "") + "|n", nil
}

func pluralize(c *Call) (any, error) {
	noun := c.Text(0, "")
	n, err := c.Number(1)
	if err != nil {
		return nil, err
	}
	if float(n) == 1 {
		return noun, nil
	}
	return c.Option("plural", 2, Plural(noun)), nil
}

// Plural returns the plural of an English noun by the rules that most follow. Tags
// around the noun stay around it.
func Plural(noun string) string {
	noun, tags := cutTags(noun)
	lower := strings.ToLower(noun)
	before := byte(0)
	if len(lower) > 1 {
		before = lower[len(lower)-2]
	}
	switch {
	case markup.Strip(noun) == "":
		return noun + tags
	case hasSuffix(lower, "s", "x", "z", "ch", "sh"):
		return noun + "es" + tags
	case strings.HasSuffix(lower, "y") && strings.IndexByte("aeiou", before) < 0:
		return noun[:len(noun)-1] + "ies" + tags
	}
	return noun + "s" + tags
}

// cutTags cuts the tags off the end of text, as many as somebody writes.
func cutTags(text string) (rest, tags string) {
	rest = text
	for range 8 {
		i := strings.LastIndexByte(rest, '|')
		if i < 0 || markup.Strip(rest[i:]) != "" || markup.Strip(rest[:i]) != markup.Strip(rest) {
			break
		}
		rest = rest[:i]
	}
	return rest, text[len(rest):]
}

func hasSuffix(s string, suffixes ...string) bool {
	for _, x := range suffixes {
		if strings.HasSuffix(s, x) {
			return true
		}
	}
	return false
}

func an(c *Call) (any, error) { return Article(c.Text(0, "")) + " " + c.Text(0, ""), nil }

// Article returns "an" before a vowel and "a" before anything else, by what is
// shown of noun. Where English goes by sound, as in "an hour" and "a unicorn", the
// commonest beginnings are known.
func Article(noun string) string {
	plain := strings.ToLower(strings.TrimSpace(markup.Strip(noun)))
	for _, known := range []struct{ article, begins string }{
		{"an", "hour honest honour honor heir"},
		{"an", "unide unidio unign unill unima unimb unimm unimp unin unir uniss unisol"}, // "un" before a vowel: not a unit
		{"a", "uni unanim use usu uten eu ewe one once"},
	} {
		for begin := range strings.FieldsSeq(known.begins) {
			if strings.HasPrefix(plain, begin) {
				return known.article
			}
		}
	}
	if plain != "" && strings.IndexByte("aeiou", plain[0]) >= 0 {
		return "an"
	}
	return "a"
}

// eval computes an expression. What it is made of is bounded, so it takes no time.
func eval(c *Call) (any, error) {
	var parts []string
	for _, a := range c.Args {
		parts = append(parts, text(a))
	}
	e := expression{rest: strings.Join(parts, ",")}
	if len(e.rest) > 200 {
		return nil, errors.New("the expression is longer than 200 bytes")
	}
	v, err := e.sum()
	if err != nil {
		return nil, err
	}
	if e.skip(); e.rest != "" {
		return nil, fmt.Errorf("%q is not understood", e.rest)
	}
	return v, nil
}

type expression struct{ rest string }

func (e *expression) skip() { e.rest = strings.TrimLeft(e.rest, " ") }

// takes takes one of the characters, and returns it, or 0.
func (e *expression) takes(chars string) byte {
	if e.skip(); e.rest == "" || strings.IndexByte(chars, e.rest[0]) < 0 {
		return 0
	}
	c := e.rest[0]
	e.rest = e.rest[1:]
	return c
}

func (e *expression) sum() (any, error) {
	v, err := e.product()
	for err == nil {
		var w any
		switch e.takes("+-") {
		case '+':
			if w, err = e.product(); err == nil {
				v, err = plus(v, w)
			}
		case '-':
			if w, err = e.product(); err == nil {
				v, err = less(v, w)
			}
		default:
			return v, nil
		}
	}
	return nil, err
}

func (e *expression) product() (any, error) {
	v, err := e.factor()
	for err == nil {
		op := e.takes("*/%")
		if op == 0 {
			return v, nil
		}
		var w any
		if w, err = e.factor(); err != nil {
			break
		}
		switch op {
		case '*':
			v, err = times(v, w)
		case '/':
			v, err = divide(v, w)
		case '%':
			if float(w) == 0 {
				return nil, errZero
			}
			v, err = calculate(v, w, math.Mod, func(a, b int64) (int64, bool) { return a % b, true })
		}
	}
	return nil, err
}

func (e *expression) factor() (any, error) {
	switch e.takes("-(") {
	case '-':
		v, err := e.factor()
		if err != nil {
			return nil, err
		}
		return less(int64(0), v)
	case '(':
		v, err := e.sum()
		if err == nil && e.takes(")") == 0 {
			err = errors.New("a parenthesis is open")
		}
		return v, err
	}
	e.skip()
	n := 0
	for n < len(e.rest) && (e.rest[n] >= '0' && e.rest[n] <= '9' || e.rest[n] == '.') {
		n++
	}
	v, err := number(e.rest[:n])
	if err != nil {
		return nil, fmt.Errorf("a number is missing before %q", e.rest)
	}
	e.rest = e.rest[n:]
	return v, nil
}
