package lock_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"mudlark.dev/lock"
)

// A character is a Subject with all that a lock can ask for.
type character struct {
	id    uint64
	attrs map[string]any
	perms []string
	super bool
}

func (c *character) LockID() uint64 { return c.id }
func (c *character) LockAttr(name string) (any, bool) {
	v, ok := c.attrs[name]
	return v, ok
}
func (c *character) Perms() []string { return c.perms }
func (c *character) Superuser() bool { return c.super }

// funcs are the default ones and one of a game, which needs an object.
func funcs() lock.Funcs {
	f := lock.Default(lock.DefaultHierarchy())
	f["self"] = func(args lock.Args) (lock.Test, error) {
		return func(s lock.Subject, o lock.Object) bool {
			return o != nil && s.LockID() != 0 && s.LockID() == o.LockID()
		}, args.Want(0, 0)
	}
	return f
}

func parse(t testing.TB, text string) lock.Lock {
	t.Helper()
	l, err := lock.Parse(text, funcs())
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return l
}

func TestExpressions(t *testing.T) {
	// Every operator with every outcome of T and F.
	for _, tc := range []struct {
		expr string
		want bool
	}{
		{"true()", true},
		{"false()", false},
		{"all()", true},
		{"none()", false},
		{"not true()", false},
		{"not false()", true},
		{"not not true()", true},
		{"true() and true()", true},
		{"true() and false()", false},
		{"false() or true()", true},
		{"false() or false()", false},
		{"true() or true() and false()", true},
		{"(true() or true()) and false()", false},
		{"false() and true() or true()", true},
		{"false() and (true() or true())", false},
		{"not true() or true()", true},
		{"not (true() or true())", false},
		{"not false() and false()", false},
		{"not (false() and false())", true},
		{"not(false())and(true())or(false())", true},
		{"NOT False() AND (None() Or TRUE())", true},
		{"((((true()))))", true},
	} {
		l := parse(t, "x:"+tc.expr)
		if got, defined := l.Check("x", lock.Nobody{}, nil); got != tc.want || !defined {
			t.Errorf("%s = %v, %v, want %v, true", tc.expr, got, defined, tc.want)
		}
	}
}

func TestFunctions(t *testing.T) {
	c := &character{id: 12, perms: []string{"builders", "Dyer"}, attrs: map[string]any{
		"hp": int64(50), "ratio": 0.5, "name": "Ada", "yes": true, "no": false, "zero": int64(0), "empty": "", "nil": nil,
		"list": []any{"a"}, "nolist": []any{}, "digits": "50", "small": uint8(7), "int": 50, "nan": math.NaN(),
		"max": int64(math.MaxInt64), "umax": uint64(math.MaxUint64), "map": map[string]any{"a": nil},
	}}
	for _, tc := range []struct {
		expr string
		want bool
	}{
		{"perm(Builder)", true},
		{"perm(BUILDERS)", true},
		{"perm(Guest)", true},
		{"perm(helpers)", true},
		{"perm(Admin)", false},
		{"perm(developers)", false},
		{"perm(dyer)", true},
		{"perm(dyers)", false},
		{"perm(Weaver)", false},
		{"id(12)", true},
		{"id(#12)", true},
		{"id(1)", false},
		{"self()", true},
		{"attr(hp)", true},
		{"attr(none)", false},
		{"attr(HP)", false},
		{"attr(yes)", true},
		{"attr(no)", false},
		{"attr(zero)", false},
		{"attr(empty)", false},
		{"attr(nil)", false},
		{"attr(list)", true},
		{"attr(nolist)", false},
		{"attr(map)", true},
		{"attr(hp, 50)", true},
		{"attr(hp,50.0)", true},
		{"attr(hp, 51)", false},
		{"attr(hp, fifty)", false},
		{"attr(int, 50)", true},
		{"attr(small, 7)", true},
		{"attr(small, 6.5, compare=gt)", true},
		{"attr(small, -1, compare=gt)", true},
		{"attr(ratio, 0.5)", true},
		{"attr(ratio, 5e-1)", true},
		{"attr(name, Ada)", true},
		{"attr(name, ada)", false},
		{"attr(yes, True)", true},
		{"attr(yes, false)", false},
		{"attr(no, false)", true},
		{"attr(no, no)", false},
		{"attr(zero, 0)", true},
		{"attr(digits, 50)", true},
		{"attr(digits, 50.0)", false},
		{"attr(list, a)", false},
		{"attr(nil, nil)", false},
		{"attr(max, 9223372036854775807)", true},
		{"attr(max, 9223372036854775806)", false},
		{"attr(max, 9223372036854775806, compare=gt)", true},
		{"attr(umax, 9223372036854775807, compare=gt)", true},
		{"attr(umax, 1.5, compare=gt)", true},
		{"attr(hp, 50, compare=eq)", true},
		{"attr(hp, 50, compare=ne)", false},
		{"attr(hp, 51, compare=ne)", true},
		{"attr(name, Bob, COMPARE = ne)", true},
		{"attr(none, 50, compare=ne)", false},
		{"attr(hp, 49, compare=gt)", true},
		{"attr(hp, 50, compare=gt)", false},
		{"attr(hp, 50, compare=ge)", true},
		{"attr(hp, 51, compare=ge)", false},
		{"attr(hp, 51, compare=lt)", true},
		{"attr(hp, 50, compare=lt)", false},
		{"attr(hp, 50, compare=le)", true},
		{"attr(hp, 49.5, compare=le)", false},
		{"attr(compare=gt, hp, 49)", true},
		{"attr(name, 1, compare=gt)", false},
		{"attr(name, 1, compare=lt)", false},
		{"attr(digits, 1, compare=gt)", false},
		{"attr(none, 1, compare=lt)", false},
		{"attr(nil, 1, compare=lt)", false},
		{"attr(nan, 1, compare=lt)", false},
		{"attr(nan, 1)", false},
	} {
		l := parse(t, "x:"+tc.expr)
		if got, _ := l.Check("x", c, c); got != tc.want {
			t.Errorf("%s = %v, want %v", tc.expr, got, tc.want)
		}
	}
}

// TestNobody holds that a session without an account does not pass because it
// is unknown.
func TestNobody(t *testing.T) {
	for _, who := range []lock.Subject{nil, lock.Nobody{}, &character{}} {
		for expr, want := range map[string]bool{
			"all()":                           true,
			"none()":                          false,
			"perm(Guest)":                     false,
			"perm(Dyer)":                      false,
			"id(1)":                           false,
			"self()":                          false,
			"attr(hp)":                        false,
			"attr(hp, 1, compare=ne)":         false,
			"attr(hp, 1, compare=lt)":         false,
			"perm(Admin) or id(1) or attr(x)": false,
			"perm(Admin) or all()":            true,
		} {
			l := parse(t, "x:"+expr)
			if got, _ := l.Check("x", who, lock.Nobody{}); got != want {
				t.Errorf("%T passes %s: %v, want %v", who, expr, got, want)
			}
		}
		if passes, defined := (lock.Lock{}).Check("x", who, nil); passes || defined {
			t.Errorf("%T and a lock without definitions: %v, %v", who, passes, defined)
		}
	}
}

func TestSuperuser(t *testing.T) {
	god := &character{id: 1, super: true}
	l := parse(t, "edit:none();get:all()")
	for _, tc := range []struct {
		access                    string
		passes, defined, strictly bool
	}{
		{"edit", true, true, false},
		{"get", true, true, true},
		{"view", true, false, false},
	} {
		if passes, defined := l.Check(tc.access, god, nil); passes != tc.passes || defined != tc.defined {
			t.Errorf("Check(%s) = %v, %v, want %v, %v", tc.access, passes, defined, tc.passes, tc.defined)
		}
		if passes, defined := l.CheckStrictly(tc.access, god, nil); passes != tc.strictly || defined != tc.defined {
			t.Errorf("CheckStrictly(%s) = %v, %v, want %v, %v", tc.access, passes, defined, tc.strictly, tc.defined)
		}
	}
}

func TestAccessTypesInAnyCase(t *testing.T) {
	l := parse(t, "EDIT:all()")
	for _, access := range []string{"edit", "Edit"} {
		if passes, defined := l.Check(access, nil, nil); !passes || !defined {
			t.Errorf("Check(%q) = %v, %v, want true, true", access, passes, defined)
		}
	}
}

func TestString(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"a:all()", "a:all()"},
		{" Edit : PERM( Admin )OR id( #12 ) ; get:TRUE();", "edit:perm(Admin) or id(#12);get:true()"},
		{"a:(all())", "a:all()"},
		{"a:((all() or none()) or true())", "a:all() or none() or true()"},
		{"a:(all() or none()) and true()", "a:(all() or none()) and true()"},
		{"a:(all() and none()) or true()", "a:all() and none() or true()"},
		{"a:not (not (all()))", "a:not not all()"},
		{"a:not(all() and none())", "a:not (all() and none())"},
		{"a:attr( hp ,50,  Compare = ge )", "a:attr(hp, 50, compare=ge)"},
		{"a:attr(hp, two words)", "a:attr(hp, two words)"},
		{"a:attr(hp, \"50\")", "a:attr(hp, \"50\")"},
	} {
		l, err := lock.Parse(tc.in, funcs())
		if err != nil || l.String() != tc.want {
			t.Errorf("Parse(%q) = %q, %v, want %q", tc.in, l, err, tc.want)
			continue
		}
		if again := parse(t, tc.want).String(); again != tc.want {
			t.Errorf("Parse(%q) = %q", tc.want, again)
		}
	}
}

func TestParseErrors(t *testing.T) {
	many := "a:" + strings.Repeat("all() or ", lock.MaxFuncs)
	for _, tc := range []struct{ in, want string }{
		{"edit:prm(Admin)", `lock: at character 6, "prm(Admin)": no function "prm", did you mean "perm"?`},
		{"edit:atr(x)", `did you mean "attr"?`},
		{"edit:permission(x)", `no function "permission", there are all, attr, false, id, none, perm, self, true`},
		{"edit:perm(Ädmin) perm(x)", `lock: at character 18, "perm(x)": expected 'and', 'or', ';' or the end`},
		{"edit", `lock: at character 5, the end: expected ':' after the access type "edit"`},
		{"edit all()", `expected ':' after the access type "edit"`},
		{":all()", `lock: at character 1, ":all()": expected an access type`},
		{" ; ", "expected an access type"},
		{";a:all()", "expected an access type"},
		{"a:all();;b:all()", "expected an access type"},
		{"é:all()", "expected an access type"},
		{"a:", `lock: at character 3, the end: expected a function, 'not' or '('`},
		{"a:;b:all()", "expected a function"},
		{"a:all() or", "the end: expected a function"},
		{"a:and all()", "expected a function, 'not' or '('"},
		{"a:all() or or all()", "expected a function, 'not' or '('"},
		{"a:not", "expected a function, 'not' or '('"},
		{"a:()", "expected a function"},
		{"a:all", `expected '(' after the function "all"`},
		{"a:all() all()", "expected 'and', 'or', ';' or the end"},
		{"a:all())", `lock: at character 8, ")": expected 'and', 'or', ';' or the end`},
		{"a:(all()", "lock: at character 9, the end: expected 'and', 'or' or ')' for the '(' at character 3"},
		{"a:(all();b:all())", `";b:all())": expected 'and', 'or' or ')'`},
		{"a:perm(", "expected an argument"},
		{"a:perm(x", `the end: expected ',' or ')' after the argument "x"`},
		{"a:perm(x;b:all()", `";b:all()": expected ',' or ')' after the argument "x"`},
		{"a:perm(x(y))", `"(y))": expected ',' or ')' after the argument "x"`},
		{"a:perm(,x)", "expected an argument"},
		{"a:perm(x,)", "expected an argument"},
		{"a:perm()", "perm: expected 1 argument, got 0"},
		{"a:perm(x,y)", "perm: expected 1 argument, got 2"},
		{"a:all(x)", "all: expected 0 arguments, got 1"},
		{"a:perm(x,y=1)", `perm: no keyword argument "y"`},
		{"a:id(x)", `id: "x" is not an ID, such as 12 or #12`},
		{"a:id(0)", `id: "0" is not an ID`},
		{"a:id(#)", "is not an ID"},
		{"a:id(-1)", "is not an ID"},
		{"a:attr()", "attr: expected 1 to 2 arguments, got 0"},
		{"a:attr(a,b,c)", "attr: expected 1 to 2 arguments, got 3"},
		{"a:attr(a,compare=eq)", "attr: compare needs a value"},
		{"a:attr(a,1,compare=xx)", `attr: compare is one of eq, ne, gt, ge, lt, le, not "xx"`},
		{"a:attr(a,1,compare=)", `attr: compare is one of eq, ne, gt, ge, lt, le, not ""`},
		{"a:attr(a,b,compare=gt)", `attr: compare=gt needs a number, not "b"`},
		{"a:attr(a,NaN,compare=gt)", `attr: compare=gt needs a number, not "NaN"`},
		{"a:attr(a,1,compare=eq,Compare=ne)", `"compare" is given twice`},
		{"a:attr(a,=b)", `"" is not a name for a keyword argument`},
		{"a:attr(a,x y=b)", `"x y" is not a name for a keyword argument`},
		{"a:all();A:none()", `lock: at character 9, "A:none()": "a" is defined twice`},
		{"a:attr(a\nb)", "lock: at character 9, \"\\nb)\": control characters are not allowed"},
		{"a:attr(\xff)", "not UTF-8"},
		{"a:broken()", "broken: the function gave no test"},
		{"a:" + strings.Repeat("(", 17) + "all()" + strings.Repeat(")", 17), "nested deeper than 16"},
		{"a:" + strings.Repeat("not ", 17) + "all()", "nested deeper than 16"},
		{many + "all()", "more than 64 functions"},
		{"a:attr(" + strings.Repeat("x", lock.MaxBytes) + ")", "lock: at character 1025, \"xxxxxxx)\": the lock string has 1032 bytes, the limit is 1024"},
		{strings.Repeat("\x80", 2000), "at character 1025, \"…\": the lock string has 2000 bytes"},
		{"a:all() xééééééééééééééééééé", "\"xééééééééééé…\": expected 'and', 'or', ';' or the end"},
		{"a:all()or attr(" + strings.Repeat("x", lock.MaxBytes-16) + ")", "in its normal form the lock string has 1025 bytes"},
	} {
		f := funcs()
		if strings.Contains(tc.in, "broken") {
			f["broken"] = func(lock.Args) (lock.Test, error) { return nil, nil }
		}
		l, err := lock.Parse(tc.in, f)
		var perr *lock.ParseError
		if !errors.As(err, &perr) {
			t.Errorf("Parse(%.80q) = %v, %v, want a *ParseError", tc.in, l, err)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Parse(%.80q): %v\nwant %s", tc.in, err, tc.want)
		}
		if len(err.Error()) > 1500 {
			t.Errorf("Parse(%.80q): the error has %d bytes", tc.in, len(err.Error()))
		}
	}
}

func TestParseAtTheLimits(t *testing.T) {
	for _, in := range []string{
		"a:" + strings.Repeat("(", 16) + "all()" + strings.Repeat(")", 16),
		"a:" + strings.Repeat("not ", 16) + "all()",
		"a:" + strings.Repeat("all() or ", lock.MaxFuncs-1) + "all()",
		"a:attr(" + strings.Repeat("x", lock.MaxBytes-8) + ")",
	} {
		parse(t, in)
	}
}

func TestFuncErrorIsKept(t *testing.T) {
	cause := errors.New("no such guild")
	f := funcs()
	f["guild"] = func(lock.Args) (lock.Test, error) { return nil, cause }
	if _, err := lock.Parse("a:guild(x)", f); !errors.Is(err, cause) {
		t.Errorf("Parse = %v, want one around %v", err, cause)
	}
}

func TestWithAndWithout(t *testing.T) {
	base := parse(t, "edit:perm(Admin);get:all()")
	sum, err := base.With(parse(t, "get:none();view:all()"))
	if want := "edit:perm(Admin);get:none();view:all()"; err != nil || sum.String() != want {
		t.Errorf("With = %q, %v, want %q", sum, err, want)
	}
	if passes, defined := sum.Check("get", nil, nil); passes || !defined {
		t.Errorf("Check(get) = %v, %v, want false, true", passes, defined)
	}
	if want := "edit:perm(Admin);view:all()"; sum.Without("GET").String() != want {
		t.Errorf("Without = %q, want %q", sum.Without("GET"), want)
	}
	if want := "edit:perm(Admin);get:all()"; base.String() != want {
		t.Errorf("the lock changed to %q", base)
	}

	expr, defined := parse(t, "edit:perm(Admin) OR (id(1))").Expr("Edit")
	if expr != "perm(Admin) or id(1)" || !defined {
		t.Errorf("Expr = %q, %v", expr, defined)
	}
	if expr, defined := base.Expr("view"); expr != "" || defined {
		t.Errorf("Expr of what is not defined = %q, %v", expr, defined)
	}

	long := parse(t, "a:attr("+strings.Repeat("x", 600)+")")
	if l, err := long.With(parse(t, "b:attr("+strings.Repeat("x", 600)+")")); err == nil {
		t.Errorf("With gave a lock of %d bytes", len(l.String()))
	}
	many := parse(t, "a:"+strings.Repeat("all() or ", 39)+"all()")
	if l, err := many.With(parse(t, "b:"+strings.Repeat("all() or ", 39)+"all()")); err == nil {
		t.Errorf("With gave %s, of 80 functions", l)
	}
}

func TestHierarchy(t *testing.T) {
	h := lock.Hierarchy{"Serf", "Lord"}
	for _, tc := range []struct {
		held   string
		wanted string
		want   bool
	}{
		{"Lord", "serf", true},
		{"Lords", "Lord", true},
		{"Serf", "Lord", false},
		{"Serfss", "Serf", false},
		{"", "Serf", false},
		{"Builder", "Builder", true},
		{"Builder", "Player", false},
		{"a,Lord", "Serf", true},
		{"", "", true}, // an empty label is held by whoever has it
	} {
		if got := h.Passes(strings.Split(tc.held, ","), tc.wanted); got != tc.want {
			t.Errorf("Passes(%q, %q) = %v, want %v", tc.held, tc.wanted, got, tc.want)
		}
	}
	if h.Passes(nil, "") {
		t.Error("who holds nothing passes for the empty label")
	}
	if got := h.Level("LORDS"); got != 1 {
		t.Errorf("Level(LORDS) = %d, want 1", got)
	}
	if got := h.Level("King"); got != -1 {
		t.Errorf("Level(King) = %d, want -1", got)
	}
}

// TestDefaultIsNotShared holds that two games can have different functions.
func TestDefaultIsNotShared(t *testing.T) {
	h := lock.DefaultHierarchy()
	a := lock.Default(h)
	b := maps.Clone(a)
	h[0] = "Changed"
	delete(a, "perm")
	if _, err := lock.Parse("x:perm(Guest)", lock.Default(lock.DefaultHierarchy())); err != nil {
		t.Error(err)
	}
	l, err := lock.Parse("x:perm(Guest)", b)
	if err != nil {
		t.Fatal(err)
	}
	if passes, _ := l.Check("x", &character{perms: []string{"Player"}}, nil); !passes {
		t.Error("a changed hierarchy changed functions made before")
	}
}

const longLock = "cmd:all();edit:not attr(cursed) and (perm(Admin) or id(#12) or attr(strength, 50, compare=gt) and attr(name, Ada));get:perm(weavers)"

func TestCheckDoesNotAllocate(t *testing.T) {
	l := parse(t, longLock)
	var ada lock.Subject = &character{id: 5, perms: []string{"Dyer", "Builder"},
		attrs: map[string]any{"strength": int64(60), "name": "Ada", "cursed": false}}
	if passes, _ := l.Check("edit", ada, ada); !passes {
		t.Fatal("Ada does not pass")
	}
	if n := testing.AllocsPerRun(100, func() {
		l.Check("edit", ada, ada)
		l.Check("Edit", nil, nil)
		l.Check("get", ada, nil)
		l.Check("none", ada, nil)
		l.CheckStrictly("cmd", ada, ada)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", longLock, "a:not(not(all()))and(true()or none());b:id(1);", "a:(all() or none()) and not (true() and false())",
		"a:attr( x , 1 , compare = ge )", "edit:prm(x)", "a:all())", "a:(((", "é:all()", "a:attr(\xff)",
	} {
		f.Add(s)
	}
	fs := funcs()
	subjects := []lock.Subject{nil,
		&character{id: 12, perms: []string{"Admin"}, attrs: map[string]any{"x": 1}},
		&character{id: 1, perms: []string{"Guest"}, attrs: map[string]any{"hp": "a"}}}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := lock.Parse(text, fs)
		if err != nil {
			if l.String() != "" {
				t.Fatalf("Parse(%q) = %q, %v", text, l, err)
			}
			return
		}
		normal := l.String()
		again, err := lock.Parse(normal, fs)
		if err != nil {
			t.Fatalf("Parse(%q), the normal form of %q: %v", normal, text, err)
		}
		if got := again.String(); got != normal {
			t.Fatalf("normal form of %q: %q, then %q", text, normal, got)
		}
		for _, def := range strings.Split(normal, ";") {
			access, _, _ := strings.Cut(def, ":")
			for _, s := range subjects {
				a, okA := l.Check(access, s, s)
				b, okB := again.Check(access, s, s)
				if a != b || okA != okB {
					t.Fatalf("%q: %v, %v; its normal form %q: %v, %v", text, a, okA, normal, b, okB)
				}
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	l := parse(b, longLock)
	var ada lock.Subject = &character{id: 5, perms: []string{"Dyer", "Builder"},
		attrs: map[string]any{"strength": int64(60), "name": "Ada", "cursed": false}}
	for _, access := range []string{"cmd", "edit", "get"} {
		b.Run(access, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Check(access, ada, ada)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	f := funcs()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lock.Parse(longLock, f); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParse() {
	funcs := lock.Default(lock.DefaultHierarchy())
	_, err := lock.Parse("edit:prm(Admin)", funcs)
	fmt.Println(err)

	l, err := lock.Parse("Edit: perm(Admin) OR id(#12)", funcs)
	fmt.Println(l, err)
	fmt.Println(l.Check("edit", lock.Nobody{}, nil))
	// Output:
	// lock: at character 6, "prm(Admin)": no function "prm", did you mean "perm"?
	// edit:perm(Admin) or id(#12) <nil>
	// false true
}
