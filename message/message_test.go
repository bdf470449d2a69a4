package message_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"mudlark.dev/message"
)

func TestNewConverts(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want any
	}{
		{"nil", nil, nil},
		{"false", false, false},
		{"zero", 0, int64(0)},
		{"empty text", "", ""},
		{"int8", int8(-3), int64(-3)},
		{"int16", int16(300), int64(300)},
		{"int32", int32(70000), int64(70000)},
		{"int64", int64(math.MinInt64), int64(math.MinInt64)},
		{"uint", uint(7), int64(7)},
		{"uint8", uint8(255), int64(255)},
		{"uint16", uint16(65535), int64(65535)},
		{"uint32", uint32(math.MaxUint32), int64(math.MaxUint32)},
		{"uint64", uint64(math.MaxInt64), int64(math.MaxInt64)},
		{"uint64 too large", uint64(math.MaxInt64) + 1, uint64(math.MaxInt64) + 1},
		{"float32", float32(0.5), 0.5},
		{"strings", []string{"a", "b"}, []any{"a", "b"}},
		{"string map", map[string]string{"a": "b"}, map[string]any{"a": "b"}},
		{"nested", []any{1, map[string]any{"n": uint8(2), "l": []string{"x"}}},
			[]any{int64(1), map[string]any{"n": int64(2), "l": []any{"x"}}}},
		{"unknown is kept", time.Second, time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := message.New("x", tc.in).Args[0]; !reflect.DeepEqual(got, tc.want) {
				t.Errorf("New: argument %#v (%T), want %#v", got, got, tc.want)
			}
			if got := message.New("x").With("k", tc.in).Kwargs["k"]; !reflect.DeepEqual(got, tc.want) {
				t.Errorf("With: argument %#v (%T), want %#v", got, got, tc.want)
			}
		})
	}
}

func TestNewLeavesCallersDataAlone(t *testing.T) {
	list := []any{1, 2}
	dict := map[string]any{"a": 1}
	m := message.New("x", list, dict)
	if list[0] != 1 || dict["a"] != 1 {
		t.Errorf("New changed its arguments to %v, %v", list, dict)
	}
	list[0], dict["a"] = "changed", "changed"
	if want := []any{[]any{int64(1), int64(2)}, map[string]any{"a": int64(1)}}; !reflect.DeepEqual(m.Args, want) {
		t.Errorf("arguments after the caller changed its own: %v, want %v", m.Args, want)
	}
}

func TestWithCopies(t *testing.T) {
	a := message.New("x").With("k", 1)
	b := a.With("k", 2).With("l", 3)
	if want := map[string]any{"k": int64(1)}; !reflect.DeepEqual(a.Kwargs, want) {
		t.Errorf("With changed its receiver: %v, want %v", a.Kwargs, want)
	}
	if want := map[string]any{"k": int64(2), "l": int64(3)}; !reflect.DeepEqual(b.Kwargs, want) {
		t.Errorf("With: %v, want %v", b.Kwargs, want)
	}
}

func TestAccessors(t *testing.T) {
	m := message.New("x", "a", 5, 5.0).With("s", "t").With("n", 0)
	text := func(s string, ok bool) any {
		if !ok {
			return nil
		}
		return s
	}
	num := func(n int64, ok bool) any {
		if !ok {
			return nil
		}
		return n
	}
	for _, tc := range []struct {
		name      string
		got, want any
	}{
		{"ArgText(0)", text(m.ArgText(0)), "a"},
		{"ArgText(1)", text(m.ArgText(1)), nil},
		{"ArgText(-1)", text(m.ArgText(-1)), nil},
		{"ArgText(3)", text(m.ArgText(3)), nil},
		{"ArgInt(1)", num(m.ArgInt(1)), int64(5)},
		{"ArgInt(2)", num(m.ArgInt(2)), nil},
		{"ArgInt(-1)", num(m.ArgInt(-1)), nil},
		{"ArgInt(3)", num(m.ArgInt(3)), nil},
		{"KwargText(s)", text(m.KwargText("s")), "t"},
		{"KwargText(n)", text(m.KwargText("n")), nil},
		{"KwargText(none)", text(m.KwargText("none")), nil},
		{"KwargInt(n)", num(m.KwargInt("n")), int64(0)},
		{"KwargInt(s)", num(m.KwargInt("s")), nil},
		{"KwargText of no map", text(message.Text("a").KwargText("s")), nil},
	} {
		if tc.got != tc.want {
			t.Errorf("%s = %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}

func TestCanonicalName(t *testing.T) {
	if got := message.CanonicalName(" Room.Info\t"); got != "room.info" {
		t.Errorf("CanonicalName = %q", got)
	}
}

// nested returns n lists in one another.
func nested(n int) any {
	var v any = "core"
	for range n {
		v = []any{v}
	}
	return v
}

func TestCheck(t *testing.T) {
	cycle := []any{nil}
	cycle[0] = cycle
	wide := []any{nil, nil, nil}
	wide[0], wide[1], wide[2] = wide, wide, wide
	loop := map[string]any{}
	loop["again"] = loop
	exits := []any{"n", "s", "e", map[string]any{"to": make(chan int)}}

	for _, tc := range []struct {
		name string
		m    message.Message
		err  error  // nil means that the message is fine
		text string // of the error; "" means that only err counts
	}{
		{name: "text", m: message.Text("hello")},
		{name: "no arguments", m: message.New("ping")},
		{name: "all types", m: message.New("x", nil, true, 1, 1.5, "s", []any{}, map[string]any{"": nil})},
		{name: "nil list and map", m: message.New("x", []any(nil), map[string]any(nil))},
		{name: "name of every kind", m: message.New("Room-1._x")},
		{name: "longest name", m: message.New(strings.Repeat("n", message.MaxName))},
		{name: "deepest", m: message.New("x", nested(message.MaxDepth))},
		{name: "most values", m: message.New("x", make([]any, message.MaxValues)...)},
		{name: "not UTF-8", m: message.Text("\xff")},

		{name: "path", m: message.New("room_info").With("exits", exits),
			err: message.ErrBadType, text: `message "room_info": kwargs.exits[3].to: a chan int cannot be sent`},
		{name: "quoted key", m: message.New("x").With("a b", []byte("hi")),
			err: message.ErrBadType, text: `message "x": kwargs["a b"]: a []uint8 cannot be sent`},
		{name: "argument", m: message.New("x", 1, time.Second),
			err: message.ErrBadType, text: `message "x": args[1]: a time.Duration cannot be sent`},
		{name: "int in a literal", m: message.Message{Name: "x", Args: []any{1}},
			err: message.ErrBadType, text: `message "x": args[0]: an int cannot be sent as it is: use int64, or New and With, which convert`},
		{name: "uint64", m: message.New("x", uint64(math.MaxUint64)),
			err: message.ErrBadType, text: `message "x": args[0]: the uint64 18446744073709551615 does not fit an int64`},
		{name: "NaN", m: message.New("x", math.NaN()),
			err: message.ErrBadType, text: `message "x": args[0]: the number NaN cannot be sent`},
		{name: "infinity", m: message.New("x", math.Inf(-1)),
			err: message.ErrBadType, text: `message "x": args[0]: the number -Inf cannot be sent`},
		{name: "no name", m: message.New(""),
			err: message.ErrBadName, text: `message: a name may not be empty`},
		{name: "long name", m: message.New(strings.Repeat("n", 65)), err: message.ErrBadName},
		{name: "space in name", m: message.New("a b"), err: message.ErrBadName},
		{name: "letter beyond a to z", m: message.New("é"), err: message.ErrBadName},
		{name: "key not UTF-8", m: message.New("x").With("\xff", 1), err: message.ErrBadName},
		{name: "too deep", m: message.New("x", nested(message.MaxDepth+1)), err: message.ErrTooDeep},
		{name: "list in itself", m: message.New("x", cycle), err: message.ErrTooDeep},
		{name: "wide list in itself", m: message.New("x", wide), err: message.ErrTooDeep},
		{name: "map in itself", m: message.Message{Name: "x", Kwargs: loop}, err: message.ErrTooDeep},
		{name: "too many values", m: message.New("x", make([]any, message.MaxValues+1)...), err: message.ErrTooLarge},
		{name: "too many in all", m: message.New("x", make([]any, 4000), make([]any, 100)), err: message.ErrTooLarge},
		{name: "too many bytes", m: message.New("x", strings.Repeat("a", message.MaxBytes)), err: message.ErrTooLarge},
		{name: "too many with U+FFFD", m: message.New("x", strings.Repeat("\xffa", message.MaxBytes/3)), err: message.ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.m.Check()
			if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Fatalf("Check = %v, want %v", err, tc.err)
			}
			if tc.text != "" && err.Error() != tc.text {
				t.Errorf("Check = %q\nwant %q", err, tc.text)
			}
			if err == nil {
				return
			}
			var perr *message.PathError
			if !errors.As(err, &perr) {
				t.Errorf("Check returned a %T", err)
			}
			if len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if b, err := tc.m.AppendBinary([]byte("dst")); !errors.Is(err, tc.err) || string(b) != "dst" {
				t.Errorf("AppendBinary = %q, %v, want dst and %v", b, err, tc.err)
			}
			if b, err := tc.m.AppendJSON([]byte("dst")); !errors.Is(err, tc.err) || string(b) != "dst" {
				t.Errorf("AppendJSON = %q, %v, want dst and %v", b, err, tc.err)
			}
		})
	}
}
