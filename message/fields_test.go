package message_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mudlark.dev/message"
)

// TestFields: fields are encoded as those of a message are.
func TestFields(t *testing.T) {
	many := map[string]any{}
	for i := range 20 {
		many["k"+strconv.Itoa(i)] = int64(i)
	}
	var f message.Fields
	for name, kwargs := range map[string]map[string]any{
		"none":  nil,
		"all":   {"a": "text", "b": int64(-7), "c": true, "d": nil, "e": 2.5, "f": []any{"x", int64(300)}, "g": map[string]any{"y": "z"}},
		"utf-8": {"a": "caf\xe9", "é": "caf\xe9 again"},
		"long":  {"a": strings.Repeat("x", 300), "b": strings.Repeat("y", 70000)},
		"many":  many,
	} {
		f.Reset()
		for _, k := range slices.Sorted(maps.Keys(kwargs)) {
			switch v := kwargs[k].(type) {
			case string:
				f.Text(k, v)
			case int64:
				f.Int(k, v)
			default:
				f.Value(k, v)
			}
		}
		got, err := f.AppendBinary([]byte("before"), "e")
		want, wantErr := message.Message{Name: "e", Kwargs: kwargs}.AppendBinary([]byte("before"))
		if err != nil || wantErr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v, want %x, %v", name, got, err, want, wantErr)
		}
	}
}

// TestFieldsErrors: what a message may not hold, fields may not either.
func TestFieldsErrors(t *testing.T) {
	half := strings.Repeat("x", message.MaxBytes/2)
	for name, test := range map[string]struct {
		add  func(f *message.Fields)
		name string
		err  error
		path string
	}{
		"order":    {func(f *message.Fields) { f.Int("b", 1); f.Int("a", 2); f.Int("c", 3) }, "e", message.ErrBadName, "kwargs.a"},
		"twice":    {func(f *message.Fields) { f.Int("a", 1); f.Int("a", 2) }, "e", message.ErrBadName, "kwargs.a"},
		"key":      {func(f *message.Fields) { f.Int("\xe9", 1); f.Int("a", 2) }, "e", message.ErrBadName, `kwargs["\xe9"]`},
		"type":     {func(f *message.Fields) { f.Value("a", 1) }, "e", message.ErrBadType, "kwargs.a"},
		"too long": {func(f *message.Fields) { f.Text("a", half); f.Text("b", half) }, "e", message.ErrTooLarge, "kwargs.b"},
		"name":     {func(f *message.Fields) {}, "", message.ErrBadName, ""},
	} {
		var f message.Fields
		test.add(&f)
		for range 2 { // it says the same each time
			got, err := f.AppendBinary([]byte("before"), test.name)
			var perr *message.PathError
			if string(got) != "before" || !errors.Is(err, test.err) || !errors.As(err, &perr) || perr.Path != test.path {
				t.Errorf("%s: %q, %v, want %v at %s", name, got, err, test.err, test.path)
			}
		}
		f.Reset()
		if _, err := f.AppendBinary(nil, "e"); err != nil {
			t.Errorf("%s: after Reset: %v", name, err)
		}
	}
}
