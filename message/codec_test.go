package message_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"mudlark.dev/message"
)

func roomInfo() message.Message {
	return message.New("room_info", 12, "Mudflat").
		With("exits", []any{
			map[string]any{"dir": "north", "to": 13, "open": true},
			map[string]any{"dir": "south", "to": 11, "open": false},
		}).
		With("light", 0.75).
		With("owner", nil)
}

// roundTrips are messages that both forms carry unchanged.
var roundTrips = map[string]message.Message{
	"text":       message.Text("You see a lark."),
	"empty text": message.Text(""),
	"bare":       message.New("ping"),
	"falsy":      message.New("x", nil, false, 0, 0.0, "", []any{}, map[string]any{}),
	"structured": roomInfo(),
	"floats":     message.New("x", 1.0, -1.5, 1e21, 1e300, 5e-324, 1e-7, 123456789.0, math.MaxFloat64, math.Copysign(0, -1)),
	"ints": message.New("x", 1, -1, 31, -32, -33, 127, 128, 255, 256, -128, -129, 32767, 32768, -32768, -32769,
		65536, math.MaxInt32, math.MaxInt32+1, math.MinInt32, math.MinInt32-1, math.MaxInt64, math.MinInt64),
	"characters": message.Text("\x00\x1b\b\f\n\r\t\"\\/<>&\u2028\u2029\u2027 é 日本 \U0001f426"),
	"keys":       message.New("x").With("", 1).With("a\"b", 2).With("é", 3),
	"deep":       message.New("x", nested(message.MaxDepth)),
	"many":       message.New("x", make([]any, message.MaxValues)...),
	"lengths": message.New("x", strings.Repeat("a", 31), strings.Repeat("a", 32), strings.Repeat("a", 255),
		strings.Repeat("a", 256), strings.Repeat("a", 65535), strings.Repeat("a", 65536)),
	"list lengths": message.New("x", make([]any, 15), make([]any, 16)),
}

// largest returns a text message whose binary form has exactly MaxBytes.
func largest() message.Message {
	return message.Text(strings.Repeat("\x01", message.MaxBytes-1-5-1-5-1))
}

func TestBinaryRoundTrip(t *testing.T) {
	for name, m := range roundTrips {
		t.Run(name, func(t *testing.T) {
			b, err := m.AppendBinary([]byte("head"))
			if err != nil {
				t.Fatal(err)
			}
			got, rest, err := message.DecodeBinary(append(b[4:], "tail"...))
			if err != nil || string(rest) != "tail" || !same(got, m) {
				t.Fatalf("DecodeBinary = %v, %q, %v\nwant %v", got, rest, err, m)
			}
			for cut := range min(len(b)-4, 200) {
				if m, rest, err := message.DecodeBinary(b[4 : 4+cut]); !errors.Is(err, message.ErrSyntax) || len(rest) != cut {
					t.Errorf("DecodeBinary of the first %d bytes = %v, %d left, %v, want ErrSyntax", cut, m, len(rest), err)
				}
			}
		})
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for name, m := range roundTrips {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			direct, err := m.AppendJSON(nil)
			if err != nil || !bytes.Equal(direct, b) {
				t.Errorf("AppendJSON = %.200q, %v\njson.Marshal = %.200q", direct, err, b)
			}
			var got message.Message
			if err := json.Unmarshal(b, &got); err != nil || !same(got, m) {
				t.Fatalf("Unmarshal(%.200q) = %v, %v\nwant %v", b, got, err, m)
			}
		})
	}
}

// same is reflect.DeepEqual that tells 0 from -0.
func same(a, b message.Message) bool {
	return reflect.DeepEqual(a, b) && fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
}

func TestLargest(t *testing.T) {
	m := largest()
	b, err := m.AppendBinary(nil)
	if err != nil || len(b) != message.MaxBytes {
		t.Fatalf("AppendBinary: %d bytes, %v, want %d", len(b), err, message.MaxBytes)
	}
	if got, _, err := message.DecodeBinary(b); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("DecodeBinary: %v", err)
	}
	j, err := m.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got message.Message
	if err := got.UnmarshalJSON(j); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("UnmarshalJSON of %d bytes: %v", len(j), err)
	}

	larger := message.Text(m.Args[0].(string) + "\x01")
	if err := larger.Check(); !errors.Is(err, message.ErrTooLarge) {
		t.Errorf("Check of one byte more = %v, want ErrTooLarge", err)
	}
	j = append(j[:len(j)-len(`"],{}]`)], `\u0001"],{}]`...)
	if err := got.UnmarshalJSON(j); !errors.Is(err, message.ErrTooLarge) {
		t.Errorf("UnmarshalJSON of one character more = %v, want ErrTooLarge", err)
	}
	// The same message with one byte more, by hand.
	b = append(b[:len(b)-1], 1, 0x80)
	b[1+5+1+4]++
	if _, _, err := message.DecodeBinary(b); !errors.Is(err, message.ErrTooLarge) {
		t.Errorf("DecodeBinary of one byte more = %v, want ErrTooLarge", err)
	}
}

func TestEncodings(t *testing.T) {
	m := message.New("Hp", 1, 2.0, "é<").With("b", false).With("a", nil)
	if b, err := m.AppendJSON(nil); err != nil || string(b) != `["Hp",[1,2.0,"é\u003c"],{"a":null,"b":false}]` {
		t.Errorf("AppendJSON = %s, %v", b, err)
	}
	want := "\x93\xa2Hp\x93\x01\xcb\x40\x00\x00\x00\x00\x00\x00\x00\xa3é<\x82\xa1a\xc0\xa1b\xc2"
	if b, err := m.AppendBinary(nil); err != nil || string(b) != want {
		t.Errorf("AppendBinary = %q, %v\nwant %q", b, err, want)
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	m := message.Text("a\xffb")
	want := message.Text("a\uFFFDb")
	b, err := m.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := message.DecodeBinary(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("binary form: %v, %v, want %v", got, err, want)
	}
	j, err := m.AppendJSON(nil)
	if err != nil || !strings.Contains(string(j), "a\uFFFDb") {
		t.Errorf("AppendJSON = %q, %v", j, err)
	}
	if got, _, err := message.DecodeBinary([]byte("\x93\xa4text\x91\xa3a\xffb\x80")); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeBinary = %v, %v, want %v", got, err, want)
	}
	var got message.Message
	if err := got.UnmarshalJSON([]byte("[\"text\",[\"a\xffb\"]]")); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("UnmarshalJSON = %v, %v, want %v", got, err, want)
	}
}

func TestUnmarshalJSON(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want message.Message
	}{
		{`["ping"]`, message.New("ping")},
		{`["ping",[]]`, message.New("ping")},
		{" [ \"x\" ,\t[ 1 , -0 , 1e2 , 0.5E+1 ] ,\r\n { \"a\" : [ ] , \"b\" : { } } ] ",
			message.New("x", 1, 0, 100.0, 5.0).With("a", []any{}).With("b", map[string]any{})},
		{`["x",["\ud83d\udc26\u00E9\/\"\\\b\f\n\r\t"]]`, message.New("x", "\U0001f426é/\"\\\b\f\n\r\t")},
		{`["x",["\ud83d","\ud83dx","\udc26\ud83d","\ud83d\u0041"]]`, message.New("x", "\uFFFD", "\uFFFDx", "\uFFFD\uFFFD", "\uFFFDA")},
		{`["\u0078"]`, message.New("x")},
		{`["x",[9223372036854775807,-9223372036854775808]]`, message.New("x", math.MaxInt64, math.MinInt64)},
	} {
		var got message.Message
		if err := got.UnmarshalJSON([]byte(tc.in)); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("UnmarshalJSON(%s) = %#v, %v\nwant %#v", tc.in, got, err, tc.want)
		}
	}
}

func TestUnmarshalJSONErrors(t *testing.T) {
	for _, tc := range []struct {
		in   string
		err  error
		text string // contained in the error
	}{
		{``, message.ErrSyntax, "message: the input ends, expected '['"},
		{`null`, message.ErrSyntax, `'n' at byte 0, expected '['`},
		{`"text"`, message.ErrSyntax, ""},
		{`[]`, message.ErrSyntax, "expected a name"},
		{`[1]`, message.ErrSyntax, "expected a name"},
		{`["x"`, message.ErrSyntax, `message "x": the input ends, expected ',' or ']'`},
		{`["x",]`, message.ErrSyntax, `message "x": args: ']' at byte 5, expected '['`},
		{`["x","a"]`, message.ErrSyntax, ""},
		{`["x",null]`, message.ErrSyntax, ""},
		{`["x",{}]`, message.ErrSyntax, ""},
		{`["x",[],[]]`, message.ErrSyntax, `kwargs: '[' at byte 8, expected '{'`},
		{`["x",[],{},1]`, message.ErrSyntax, "',' at byte 10, expected ']'"},
		{`["x",[],{}]]`, message.ErrSyntax, "expected the end of the input"},
		{`["x",[1,]]`, message.ErrSyntax, `message "x": args[1]: ']' at byte 8, expected a value`},
		{`["x",[1 2]]`, message.ErrSyntax, ""},
		{`["x",[],{"a":1,}]`, message.ErrSyntax, "expected a key"},
		{`["x",[],{"a",1}]`, message.ErrSyntax, "kwargs.a: ',' at byte 12, expected ':'"},
		{`["x",[],{a:1}]`, message.ErrSyntax, "expected a key"},
		{`["x",[],{"a":1,"a":2}]`, message.ErrSyntax, "kwargs.a: the key appears twice"},
		{`["x",[],{"a":1,"\u0061":2}]`, message.ErrSyntax, "kwargs.a: the key appears twice"},
		{`["x",[tru]]`, message.ErrSyntax, "args[0]: 't' at byte 6, expected a value"},
		{`["x",[01]]`, message.ErrSyntax, ""},
		{`["x",[-]]`, message.ErrSyntax, "expected a digit"},
		{`["x",[+1]]`, message.ErrSyntax, ""},
		{`["x",[1.]]`, message.ErrSyntax, "expected a digit"},
		{`["x",[.5]]`, message.ErrSyntax, ""},
		{`["x",[1e]]`, message.ErrSyntax, "expected a digit"},
		{`["x",[NaN]]`, message.ErrSyntax, ""},
		{`["x",["a]]`, message.ErrSyntax, "the input ends"},
		{`["x",["a\`, message.ErrSyntax, ""},
		{`["x",["\x"]]`, message.ErrSyntax, "after a backslash"},
		{`["x",["\u12g4"]]`, message.ErrSyntax, "4 hexadecimal digits"},
		{`["x",["\u12"`, message.ErrSyntax, ""},
		{"[\"x\",[\"a\nb\"]]", message.ErrSyntax, "escape for the control character"},
		{"[\"x\",[\"\\ta\nb\"]]", message.ErrSyntax, "escape for the control character"},
		{`["x",[9223372036854775808]]`, message.ErrBadType, `message "x": args[0]: the number 9223372036854775808 does not fit an int64`},
		{`["x",[],{"hp":[1,-9223372036854775809]}]`, message.ErrBadType, "kwargs.hp[1]: the number"},
		{`["x",[1e999]]`, message.ErrBadType, "args[0]: the number 1e999 does not fit a float64"},
		{`["x",[` + strings.Repeat("9", 1000) + `]]`, message.ErrBadType, "999..."},
		{`[""]`, message.ErrBadName, ""},
		{`[" x"]`, message.ErrBadName, ""},
		{`["` + strings.Repeat("x", 65) + `"]`, message.ErrBadName, ""},
		{`["x",` + strings.Repeat("[", 18) + strings.Repeat("]", 18) + `]`, message.ErrTooDeep, "args[0][0]"},
		{`["x",` + strings.Repeat("[", 100000), message.ErrTooDeep, ""},
		{`["x",[` + strings.Repeat("0,", message.MaxValues) + `0]]`, message.ErrTooLarge, "4096 values"},
		{`["x",["` + strings.Repeat("a", message.MaxBytes) + `"]]`, message.ErrTooLarge, "1048576 bytes"},
		{`["x",["\n` + strings.Repeat("a", message.MaxBytes) + `"]]`, message.ErrTooLarge, ""},
		{`["x",["` + strings.Repeat("a", message.MaxBytes) + `\n"]]`, message.ErrTooLarge, ""},
	} {
		was := message.Text("before")
		m := was
		err := m.UnmarshalJSON([]byte(tc.in))
		if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("UnmarshalJSON(%.60s) = %v, want %v with %q", tc.in, err, tc.err, tc.text)
		}
		if !reflect.DeepEqual(m, was) {
			t.Errorf("UnmarshalJSON(%.60s) left %v", tc.in, m)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("UnmarshalJSON(%.60s): the error has %d bytes", tc.in, len(err.Error()))
		}
	}
}

func TestDecodeBinaryForeign(t *testing.T) {
	// What other encoders write: unsigned numbers, 32 bit floats, long headers.
	in := "\xdc\x00\x03\xd9\x01x\xdd\x00\x00\x00\x05\xcc\xff\xcd\xff\xff\xce\x00\x00\x00\x01" +
		"\xcf\x00\x00\x00\x00\x00\x00\x00\x01\xca\x3f\x00\x00\x00\xde\x00\x01\xda\x00\x01k\xd0\x05"
	want := message.New("x", 255, 65535, 1, 1, 0.5).With("k", 5)
	got, rest, err := message.DecodeBinary([]byte(in))
	if err != nil || len(rest) != 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeBinary = %v, %q, %v\nwant %v", got, rest, err, want)
	}
}

func TestDecodeBinaryErrors(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		err      error
		text     string
	}{
		{"empty", "", message.ErrSyntax, "message: the input ends, expected an array of 3"},
		{"not an array", "\xa1x", message.ErrSyntax, "type str, expected an array of 3"},
		{"array of 2", "\x92\xa1x\x90", message.ErrSyntax, "an array of 2, expected one of 3"},
		{"name not text", "\x93\x01\x90\x80", message.ErrSyntax, "type int, expected a name"},
		{"name empty", "\x93\xa0\x90\x80", message.ErrBadName, ""},
		{"args not a list", "\x93\xa1x\x80\x80", message.ErrSyntax, `message "x": args: type map, expected an array`},
		{"kwargs not a map", "\x93\xa1x\x90\x90", message.ErrSyntax, `message "x": kwargs: type array, expected a map`},
		{"key not text", "\x93\xa1x\x90\x81\x01\x01", message.ErrSyntax, "expected a text key"},
		{"key twice", "\x93\xa1x\x90\x82\xa1a\x01\xa1a\x02", message.ErrSyntax, "kwargs.a: the key appears twice"},
		{"keys that become one", "\x93\xa1x\x90\x82\xa1\xff\x01\xa1\xfe\x02", message.ErrSyntax, "the key appears twice"},
		{"binary data", "\x93\xa1x\x91\xc4\x01a\x80", message.ErrBadType, `args[0]: a MessagePack bin cannot be sent`},
		{"extension", "\x93\xa1x\x91\xd4\x05\x00\x80", message.ErrBadType, "args[0]: a MessagePack"},
		{"time", "\x93\xa1x\x91\xd6\xff\x00\x00\x00\x00\x80", message.ErrBadType, "args[0]: a MessagePack"},
		{"byte never used", "\x93\xa1x\x91\xc1\x80", message.ErrSyntax, "args[0]: the byte 0xc1 begins no value"},
		{"uint64", "\x93\xa1x\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x80", message.ErrBadType, "args[0]: the number 18446744073709551615"},
		{"NaN", "\x93\xa1x\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x01\x80", message.ErrBadType, "args[0]: the number NaN"},
		{"NaN of 32 bits", "\x93\xa1x\x91\xca\x7f\xc0\x00\x00\x80", message.ErrBadType, "args[0]: the number NaN"},
		{"count beyond the input", "\x93\xa1x\xdd\xff\xff\xff\xff", message.ErrSyntax, "the input ends, expected 4294967295 values"},
		{"map beyond the input", "\x93\xa1x\x90\xdf\xff\xff\xff\xff\xa1a\x01", message.ErrSyntax, "the input ends"},
		{"text beyond the input", "\x93\xa1x\x91\xdb\x00\xff\xff\xffabc", message.ErrSyntax, "the input ends, expected a text"},
		{"text of 4 GiB", "\x93\xa1x\x91\xdb\xff\xff\xff\xffabc", message.ErrTooLarge, ""},
		{"too many", "\x93\xa1x\xdd\x00\x00\x10\x01" + strings.Repeat("\xc0", 4097) + "\x80", message.ErrTooLarge, "4096 values"},
		{"too many in all", "\x93\xa1x\x92\xdc\x0f\xff" + strings.Repeat("\xc0", 4095) + "\x90\x80", message.ErrTooLarge, "4096 values"},
		{"too deep", "\x93\xa1x" + strings.Repeat("\x91", 18) + "\xc0\x80", message.ErrTooDeep, "args[0][0]"},
		{"maps too deep", "\x93\xa1x\x90" + strings.Repeat("\x81\xa1k", 18) + "\xc0", message.ErrTooDeep, "kwargs.k.k.k"},
		{"far too deep", "\x93\xa1x" + strings.Repeat("\x91", 1e6), message.ErrTooDeep, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, rest, err := message.DecodeBinary([]byte(tc.in))
			if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("DecodeBinary = %v, want %v with %q", err, tc.err, tc.text)
			}
			if len(rest) != len(tc.in) || !reflect.DeepEqual(m, message.Message{}) {
				t.Errorf("DecodeBinary = %v with %d bytes left of %d", m, len(rest), len(tc.in))
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestHostileCounts sends counts and lengths that nothing stands behind. What
// is allocated for them is bounded by MaxValues, not by what they say.
func TestHostileCounts(t *testing.T) {
	for name, in := range map[string]string{
		"list":  "\x93\xa1x\xdd\x7f\xff\xff\xff" + strings.Repeat("\xc0", 100),
		"map":   "\x93\xa1x\x90\xdf\x7f\xff\xff\xff" + strings.Repeat("\xa0\xc0", 100),
		"text":  "\x93\xa1x\x91\xdb\x7f\xff\xff\xff" + strings.Repeat("a", 100),
		"lists": "\x93\xa1x\xdc\x0f\xff" + strings.Repeat("\xdc\x0f\xff", 4096),
	} {
		data := []byte(in)
		const runs = 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, _, err := message.DecodeBinary(data); err == nil {
				t.Fatalf("%s: no error", name)
			}
		}
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / runs; got > 100<<10 {
			t.Errorf("%s: %d bytes allocated", name, got)
		}
	}
}

func TestDecodedDoesNotAlias(t *testing.T) {
	data := []byte("\x93\xa1x\x91\xa3abc\x81\xa1k\xa1v")
	m, _, err := message.DecodeBinary(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if want := message.New("x", "abc").With("k", "v"); !reflect.DeepEqual(m, want) {
		t.Errorf("after the input was overwritten: %v, want %v", m, want)
	}
	data = []byte(`["x",["abc"],{"k":"v"}]`)
	if err := m.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if want := message.New("x", "abc").With("k", "v"); !reflect.DeepEqual(m, want) {
		t.Errorf("after the JSON was overwritten: %v, want %v", m, want)
	}
}

// checkDecoded holds what is true of every decoded message: it passes Check, and
// both forms carry it unchanged.
func checkDecoded(t *testing.T, m message.Message) {
	t.Helper()
	if err := m.Check(); err != nil {
		t.Fatalf("Check of decoded %#v: %v", m, err)
	}
	b, err := m.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > message.MaxBytes {
		t.Fatalf("the binary form has %d bytes", len(b))
	}
	if got, rest, err := message.DecodeBinary(b); err != nil || len(rest) != 0 || !same(got, m) {
		t.Fatalf("DecodeBinary = %#v, %q, %v\nwant %#v", got, rest, err, m)
	}
	j, err := m.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(j) {
		t.Fatalf("not JSON: %s", j)
	}
	var got message.Message
	if err := got.UnmarshalJSON(j); err != nil || !same(got, m) {
		t.Fatalf("UnmarshalJSON(%s) = %#v, %v\nwant %#v", j, got, err, m)
	}
}

func FuzzDecodeBinary(f *testing.F) {
	for _, m := range roundTrips {
		b, err := m.AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 1000 {
			f.Add(b)
		}
	}
	f.Add([]byte("\xdc\x00\x03\xd9\x01x\xdd\x00\x00\x00\x02\xcc\xff\xca\x3f\x00\x00\x00\xde\x00\x01\xda\x00\x01\xff\xd0\x05"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, rest, err := message.DecodeBinary(data)
		if err != nil {
			if len(rest) != len(data) {
				t.Fatalf("%v, with %d of %d bytes left", err, len(rest), len(data))
			}
			return
		}
		if !bytes.HasSuffix(data, rest) {
			t.Fatalf("rest %q is not the end of %q", rest, data)
		}
		checkDecoded(t, m)
	})
}

func FuzzUnmarshalJSON(f *testing.F) {
	for _, m := range roundTrips {
		b, err := m.AppendJSON(nil)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 1000 {
			f.Add(b)
		}
	}
	f.Add([]byte(` [ "x" , [ 1.5e3 , "\ud83d\udc26\u00e9\n" , [ ] ] , { "a" : { } } ] `))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m message.Message
		if err := m.UnmarshalJSON(data); err != nil {
			return
		}
		checkDecoded(t, m)
		// The standard library has to read the same out of it.
		var parts []any
		if err := json.Unmarshal(data, &parts); err != nil || len(parts) < 1 || len(parts) > 3 || parts[0] != m.Name {
			t.Fatalf("json.Unmarshal(%q) = %v, %v; the message is %#v", data, parts, err, m)
		}
		if len(parts) > 1 {
			sameJSON(t, parts[1], m.Args)
		}
		if len(parts) > 2 {
			sameJSON(t, parts[2], m.Kwargs)
		}
	})
}

// squeeze makes runs of U+FFFD one: encoding/json writes one for each bad byte,
// we one for a run of them.
func squeeze(s string) string {
	for strings.Contains(s, "\uFFFD\uFFFD") {
		s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
	}
	return s
}

// sameJSON compares what encoding/json made of a value with what we did.
func sameJSON(t *testing.T, std, our any) {
	switch our := our.(type) {
	case []any:
		list, ok := std.([]any)
		if !ok || len(list) != len(our) {
			t.Fatalf("encoding/json reads %#v, we %#v", std, our)
		}
		for i := range list {
			sameJSON(t, list[i], our[i])
		}
	case map[string]any:
		dict, ok := std.(map[string]any)
		if !ok || len(dict) < len(our) {
			t.Fatalf("encoding/json reads %#v, we %#v", std, our)
		}
		squeezed := make(map[string]any, len(our))
		for k, v := range our {
			squeezed[squeeze(k)] = v
		}
		if len(squeezed) < len(our) {
			return // keys that only differ in how many bytes were replaced
		}
		for k, v := range dict {
			sameJSON(t, v, squeezed[squeeze(k)])
		}
	case int64:
		if std != float64(our) {
			t.Fatalf("encoding/json reads %v, we %v", std, our)
		}
	case string:
		if s, ok := std.(string); !ok || squeeze(s) != squeeze(our) {
			t.Fatalf("encoding/json reads %#v, we %#v", std, our)
		}
	default:
		if std != our {
			t.Fatalf("encoding/json reads %#v, we %#v", std, our)
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	for _, bm := range []struct {
		name string
		m    message.Message
	}{
		{"text", message.Text("You see a lark, rising from the reeds. It sings as if nobody had told it of the tide.")},
		{"structured", roomInfo()},
	} {
		bin, err := bm.m.AppendBinary(nil)
		if err != nil {
			b.Fatal(err)
		}
		text, err := bm.m.AppendJSON(nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bm.name+"/encode-binary", func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = bm.m.AppendBinary(dst[:0])
			}
		})
		b.Run(bm.name+"/decode-binary", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, _ = message.DecodeBinary(bin)
			}
		})
		b.Run(bm.name+"/encode-json", func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = bm.m.AppendJSON(dst[:0])
			}
		})
		b.Run(bm.name+"/decode-json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var m message.Message
				_ = m.UnmarshalJSON(text)
			}
		})
	}
}

func ExampleNew() {
	m := message.New("room_info", 12).With("name", "Mudflat").With("exits", []string{"north", "up"})
	b, err := m.AppendJSON(nil)
	fmt.Println(string(b), err)
	fmt.Println(m.With("door", make(chan int)).Check())
	// Output:
	// ["room_info",[12],{"exits":["north","up"],"name":"Mudflat"}] <nil>
	// message "room_info": kwargs.door: a chan int cannot be sent
}
