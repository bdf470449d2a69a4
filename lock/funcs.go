package lock

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A Test is a function of a lock string with its arguments: it reports whether
// the subject passes. The subject is never nil; the object may be. A Test must
// not block.
type Test func(subject Subject, object Object) bool

// A Func makes a Test from the arguments in a lock string. It is called once, by
// Parse, so this is the place to check arguments and to convert them. Its error is
// shown to whoever wrote the lock, after the name of the function.
type Func func(args Args) (Test, error)

// Funcs are the functions that a lock string may use, by name. Names have lower
// case letters, digits and '_'; not, and, or are taken. Parse reads the map and
// does not keep it.
type Funcs map[string]Func

// Args are the arguments of a function in a lock string.
type Args struct {
	Pos []string          // without white space around them, and not empty
	Key map[string]string // key=value; keys are in lower case, values may be empty
}

// Want returns an error unless there are least to most positional arguments, and
// no keyword arguments but these.
func (a Args) Want(least, most int, keys ...string) error {
	if n := len(a.Pos); n < least || n > most {
		want := strconv.Itoa(least)
		if most != least {
			want += " to " + strconv.Itoa(most)
		}
		noun := "arguments"
		if most == 1 {
			noun = "argument"
		}
		return fmt.Errorf("expected %s %s, got %d", want, noun, n)
	}
	if len(a.Key) == 0 {
		return nil
	}
	var unknown []string
	for k := range a.Key {
		if !slices.Contains(keys, k) {
			unknown = append(unknown, k)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return fmt.Errorf("no keyword argument %q", unknown[0])
	}
	return nil
}

// Default returns a new map with the functions that every game has:
//
//	all(), true()          everybody passes
//	none(), false()        nobody passes, superusers aside
//	perm(name)             the subject holds the permission, by Hierarchy.Passes
//	id(12), id(#12)        the subject has that ID
//	attr(name)             the subject has the attribute, and it is not nil, false, zero or empty
//	attr(name, value)      the subject has the attribute, and it is this value
//	attr(name, value, compare=ne)
//	                       as before, with eq (is), ne (is not), gt (is greater than), ge, lt, le
//
// The value of attr is a number, true, false or text, by the attribute that it is
// compared with; one of another kind is just not equal. Numbers alone have an
// order: with gt, ge, lt and le the value must be one. Case counts in text. A
// subject without the attribute does not pass, with ne either.
func Default(levels Hierarchy) Funcs {
	levels = slices.Clone(levels)
	all := constant(true)
	none := constant(false)
	return Funcs{
		"all": all, "true": all,
		"none": none, "false": none,
		"perm": permFunc(levels),
		"id":   idFunc,
		"attr": attrFunc,
	}
}

func constant(passes bool) Func {
	return func(args Args) (Test, error) {
		return func(Subject, Object) bool { return passes }, args.Want(0, 0)
	}
}

func permFunc(levels Hierarchy) Func {
	return func(args Args) (Test, error) {
		if err := args.Want(1, 1); err != nil {
			return nil, err
		}
		wanted := args.Pos[0]
		level := levels.Level(wanted)
		return func(s Subject, _ Object) bool { return levels.passes(s.Perms(), wanted, level) }, nil
	}
}

func idFunc(args Args) (Test, error) {
	if err := args.Want(1, 1); err != nil {
		return nil, err
	}
	id, err := strconv.ParseUint(strings.TrimPrefix(args.Pos[0], "#"), 10, 64)
	if err != nil || id == 0 {
		// 0 is what those have who have no ID: it must never match.
		return nil, fmt.Errorf("%q is not an ID, such as 12 or #12", args.Pos[0])
	}
	return func(s Subject, _ Object) bool { return s.LockID() == id }, nil
}

// comparisons are the values of compare that need an order. They get what
// cmp.Compare returns for the attribute and the value.
var comparisons = map[string]func(order int) bool{
	"gt": func(order int) bool { return order > 0 },
	"ge": func(order int) bool { return order >= 0 },
	"lt": func(order int) bool { return order < 0 },
	"le": func(order int) bool { return order <= 0 },
}

func attrFunc(args Args) (Test, error) {
	if err := args.Want(1, 2, "compare"); err != nil {
		return nil, err
	}
	name := args.Pos[0]
	compare, comparing := args.Key["compare"]
	if len(args.Pos) == 1 {
		if comparing {
			return nil, errors.New("compare needs a value")
		}
		return func(s Subject, _ Object) bool {
			v, ok := s.LockAttr(name)
			return ok && !empty(v)
		}, nil
	}
	value := parseLiteral(args.Pos[1])
	switch compare {
	case "", "eq", "ne":
		if comparing && compare == "" {
			break
		}
		wanted := compare != "ne"
		return func(s Subject, _ Object) bool {
			v, ok := s.LockAttr(name)
			return ok && value.equals(v) == wanted
		}, nil
	case "gt", "ge", "lt", "le":
		if value.kind == textLiteral {
			return nil, fmt.Errorf("compare=%s needs a number, not %q", compare, value.text)
		}
		holds := comparisons[compare]
		return func(s Subject, _ Object) bool {
			v, _ := s.LockAttr(name)
			order, ok := value.order(v)
			return ok && holds(order)
		}, nil
	}
	return nil, fmt.Errorf("compare is one of eq, ne, gt, ge, lt, le, not %q", compare)
}

// A literal is the value that a lock compares attributes with, read once as all
// that it can be.
type literal struct {
	text    string
	kind    literalKind
	whole   int64
	decimal float64
}

type literalKind uint8

const (
	textLiteral literalKind = iota
	wholeLiteral
	decimalLiteral
)

func parseLiteral(text string) literal {
	l := literal{text: text}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		l.kind, l.whole, l.decimal = wholeLiteral, n, float64(n)
	} else if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		l.kind, l.decimal = decimalLiteral, f
	}
	return l
}

// equals reports whether attribute v is the value.
func (l *literal) equals(v any) bool {
	switch v := v.(type) {
	case string:
		return v == l.text
	case bool:
		return v && strings.EqualFold(l.text, "true") || !v && strings.EqualFold(l.text, "false")
	}
	order, ok := l.order(v)
	return ok && order == 0
}

// order compares attribute v with the value. It returns false if not both are
// numbers.
func (l *literal) order(v any) (int, bool) {
	if l.kind == textLiteral {
		return 0, false
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		if l.kind == wholeLiteral {
			return cmp.Compare(r.Int(), l.whole), true
		}
		return cmp.Compare(float64(r.Int()), l.decimal), true
	case r.CanUint():
		if l.kind == wholeLiteral {
			if l.whole < 0 {
				return 1, true
			}
			return cmp.Compare(r.Uint(), uint64(l.whole)), true
		}
		return cmp.Compare(float64(r.Uint()), l.decimal), true
	case r.CanFloat():
		f := r.Float()
		return cmp.Compare(f, l.decimal), !math.IsNaN(f)
	}
	return 0, false
}

// empty reports whether an attribute counts as not set.
func empty(v any) bool {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Slice, reflect.Map:
		return r.Len() == 0
	}
	return r.IsZero()
}
