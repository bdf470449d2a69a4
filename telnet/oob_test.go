package telnet_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"mudlark.dev/telnet"
)

func TestParseEnviron(t *testing.T) {
	v := func(name, value string) telnet.EnvironVar {
		return telnet.EnvironVar{Name: name, Value: value, Defined: true}
	}
	u := func(name, value string) telnet.EnvironVar {
		return telnet.EnvironVar{Name: name, Value: value, Defined: true, User: true}
	}
	for _, tt := range []struct {
		name, in string
		want     []telnet.EnvironVar
		ok       bool
	}{
		{"many in one", "\x00\x03ANSI\x011\x03UTF-8\x011\x00CHARSET\x01UTF-8", []telnet.EnvironVar{u("ANSI", "1"), u("UTF-8", "1"), v("CHARSET", "UTF-8")}, true},
		{"escaped", "\x00\x00A\x02\x01B\x01C\x02\x02D", []telnet.EnvironVar{v("A\x01B", "C\x02D")}, true},
		{"INFO", "\x02\x00CHARSET\x01ASCII", []telnet.EnvironVar{v("CHARSET", "ASCII")}, true},
		{"no value", "\x00\x00A\x00B", []telnet.EnvironVar{{Name: "A"}, {Name: "B"}}, true},
		{"an empty value", "\x00\x00A\x01\x03B\x01", []telnet.EnvironVar{v("A", ""), u("B", "")}, true},
		{"no name", "\x00\x00\x01x\x00B\x01y", []telnet.EnvironVar{v("B", "y")}, true},
		{"two values", "\x00\x00A\x011\x012\x00B\x013", []telnet.EnvironVar{v("A", "1"), v("B", "3")}, true},
		{"a value first", "\x00\x01x", nil, true},
		{"text first", "\x00abc\x00A\x01b", []telnet.EnvironVar{v("A", "b")}, true},
		{"an escape at the end", "\x00\x00A\x01b\x02", []telnet.EnvironVar{v("A", "b")}, true},
		{"none", "\x00", nil, true},
		{"nothing", "", nil, false},
		{"SEND", "\x01", nil, false},
		{"a name too long", "\x00\x00" + strings.Repeat("x", 65) + "\x01y\x00A\x01b", []telnet.EnvironVar{v("A", "b")}, true},
		{"a value too long", "\x00\x00X\x01" + strings.Repeat("y", 1025) + "\x00A\x01b", []telnet.EnvironVar{v("A", "b")}, true},
	} {
		got, ok := telnet.ParseEnviron([]byte(tt.in))
		if ok != tt.ok || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: ParseEnviron(%q) = %+v, %v; want %+v, %v", tt.name, tt.in, got, ok, tt.want, tt.ok)
		}
	}
	if got, _ := telnet.ParseEnviron([]byte("\x00" + strings.Repeat("\x00A\x01b", 1000))); len(got) != telnet.MaxEnviron {
		t.Errorf("%d variables are taken, want %d", len(got), telnet.MaxEnviron)
	}
	if got := string(telnet.AppendEnvironSend(nil)); got != "\xff\xfa\x27\x01\xff\xf0" {
		t.Errorf("SEND is %q", got)
	}
}

func FuzzParseEnviron(f *testing.F) {
	f.Add([]byte("\x00\x03ANSI\x011\x03UTF-8\x011\x00CHARSET\x01UTF-8"))
	f.Add([]byte("\x00\x00A\x02\x01B\x01C\x02\x02D"))
	f.Fuzz(func(t *testing.T, in []byte) {
		vars, _ := telnet.ParseEnviron(in)
		if len(vars) > telnet.MaxEnviron {
			t.Fatalf("%d variables", len(vars))
		}
		for _, v := range vars {
			if v.Name == "" || len(v.Name) > telnet.MaxEnvironName || len(v.Value) > telnet.MaxEnvironValue || !v.Defined && v.Value != "" {
				t.Fatalf("%+v", v)
			}
		}
	})
}

func TestParseCharset(t *testing.T) {
	for _, tt := range []struct {
		in    string
		kind  telnet.CharsetKind
		names []string
		ok    bool
	}{
		{"\x01;UTF-8;ISO-8859-1", telnet.CharsetRequest, []string{"UTF-8", "ISO-8859-1"}, true},
		{"\x01 UTF-8", telnet.CharsetRequest, []string{"UTF-8"}, true},
		{"\x01[TTABLE]\x01;UTF-8", telnet.CharsetRequest, []string{"UTF-8"}, true},
		{"\x01;;", telnet.CharsetRequest, nil, false},
		{"\x01;", telnet.CharsetRequest, nil, false},
		{"\x01", telnet.CharsetRequest, nil, false},
		{"\x02UTF-8", telnet.CharsetAccepted, []string{"UTF-8"}, true},
		{"\x02", telnet.CharsetAccepted, []string{""}, false},
		{"\x02U\x1bT\x00F", telnet.CharsetAccepted, []string{"UTF"}, true},
		{"\x03", telnet.CharsetRejected, nil, true},
		{"\x04\x01;", telnet.CharsetTTable, nil, true},
		{"\x09", 9, nil, false},
		{"", 0, nil, false},
	} {
		kind, names, ok := telnet.ParseCharset([]byte(tt.in))
		if kind != tt.kind || !reflect.DeepEqual(names, tt.names) || ok != tt.ok {
			t.Errorf("ParseCharset(%q) = %v, %q, %v; want %v, %q, %v", tt.in, kind, names, ok, tt.kind, tt.names, tt.ok)
		}
	}
	for want, got := range map[string][]byte{
		"\xff\xfa\x2a\x01;UTF-8;ISO-8859-1\xff\xf0": telnet.AppendCharsetRequest(nil, "UTF-8", "ISO-8859-1"),
		"\xff\xfa\x2a\x02utf8\xff\xf0":              telnet.AppendCharsetAccepted(nil, "utf8"),
		"\xff\xfa\x2a\x03\xff\xf0":                  telnet.AppendCharsetRejected(nil),
		"\xff\xfa\x2a\x05\xff\xf0":                  telnet.AppendCharsetTTableRejected(nil),
	} {
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzParseCharset(f *testing.F) {
	f.Add([]byte("\x01;UTF-8;ISO-8859-1"))
	f.Add([]byte("\x01[TTABLE]\x01;UTF-8"))
	f.Add([]byte("\x02UTF-8"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, names, ok := telnet.ParseCharset(in)
		if len(names) > 64 {
			t.Fatalf("%d names", len(names))
		}
		for _, n := range names {
			if len(n) > 64 || ok && n == "" || strings.ContainsFunc(n, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("name %q", n)
			}
		}
	})
}

func TestParseGMCP(t *testing.T) {
	for _, tt := range []struct {
		in, name, data string
		ok             bool
	}{
		{`Core.Ping`, "Core.Ping", "", true},
		{` Core.Ping  `, "Core.Ping", "", true},
		{`Core.Ping 120`, "Core.Ping", "120", true},
		{`Core.Hello {"a": 1} `, "Core.Hello", `{"a": 1}`, true},
		{``, "", "", false},
		{"Co\x01re", "", "", false},
		{"Caf\xc3\xa9 1", "", "", false},
		{strings.Repeat("x", 97) + " 1", "", "", false},
	} {
		name, data, ok := telnet.ParseGMCP([]byte(tt.in))
		if name != tt.name || string(data) != tt.data || ok != tt.ok || (data == nil) != (tt.data == "") {
			t.Errorf("ParseGMCP(%q) = %q, %q, %v; want %q, %q, %v", tt.in, name, data, ok, tt.name, tt.data, tt.ok)
		}
	}
	for want, got := range map[string][]byte{
		"\xff\xfa\xc9Core.Ping\xff\xf0":      telnet.AppendGMCP(nil, "Core.Ping", ""),
		"\xff\xfa\xc9A.B [1,2]\xff\xf0":      telnet.AppendGMCP(nil, "A.B", "[1,\r\n2]\x00"),
		"\xff\xfa\xc9A \xff\xff\xff\xf0":     telnet.AppendGMCP(nil, "A", []byte{255}),
		"\xff\xfa\xc9A \"\xc3\xbf\"\xff\xf0": telnet.AppendGMCP(nil, "A", `"ÿ"`),
	} {
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzParseGMCP(f *testing.F) {
	f.Add([]byte(`Core.Hello { "client": "Mudlet", "version": "4.18.5" }`))
	f.Add([]byte("Core.Ping"))
	f.Fuzz(func(t *testing.T, in []byte) {
		name, data, ok := telnet.ParseGMCP(in)
		if ok == (name == "") || len(name) > 96 || data != nil && len(data) == 0 {
			t.Fatalf("%q: %q, %q, %v", in, name, data, ok)
		}
		if frame := telnet.AppendGMCP(nil, name, data); bytes.ContainsAny(frame[:len(frame)-2], "\x00\n\r") {
			t.Fatalf("frame %q", frame)
		}
	})
}

// The examples of the protocol's description, and what it leaves open.
var msdpTests = []struct {
	in   string
	want []telnet.MSDPVar
	ok   bool
}{
	{"\x01LIST\x02COMMANDS", []telnet.MSDPVar{{"LIST", []any{"COMMANDS"}}}, true},
	{"\x01REPORT\x02HEALTH\x02MANA", []telnet.MSDPVar{{"REPORT", []any{"HEALTH", "MANA"}}}, true},
	{"\x01A\x02\x05\x021\x022\x06", []telnet.MSDPVar{{"A", []any{[]any{"1", "2"}}}}, true},
	{"\x01ROOM\x02\x03\x01VNUM\x026008\x01EXITS\x02\x03\x01n\x026011\x01e\x026007\x04\x04",
		[]telnet.MSDPVar{{"ROOM", []any{map[string]any{"VNUM": "6008", "EXITS": map[string]any{"n": "6011", "e": "6007"}}}}}, true},
	{"\x01A\x01B\x02", []telnet.MSDPVar{{"A", nil}, {"B", []any{""}}}, true},
	{"\x01T\x02\x03\x01x\x04", []telnet.MSDPVar{{"T", []any{map[string]any{"x": ""}}}}, true},
	{"\x01A\x02caf\xe9", []telnet.MSDPVar{{"A", []any{"caf\uFFFD"}}}, true},
	{"", nil, true},
	{"A", nil, false},
	{"\x01", nil, false},
	{"\x01\x02x", nil, false},
	{"\x01A\x02\x05\x021", nil, false},
	{"\x01A\x02\x03\x021\x04", nil, false},
	{"\x01A\x02\x06", []telnet.MSDPVar{{"A", []any{""}}}, false},
	{"\x01A\x02" + strings.Repeat("\x05\x02", 16) + "x" + strings.Repeat("\x06", 16), nil, true},
	{"\x01A\x02" + strings.Repeat("\x05\x02", 17) + "x" + strings.Repeat("\x06", 17), nil, false},
	{"\x01A\x02" + strings.Repeat("\x03\x01a\x02", 20000), nil, false},
}

func TestParseMSDP(t *testing.T) {
	for _, tt := range msdpTests {
		got, ok := telnet.ParseMSDP([]byte(tt.in))
		if ok != tt.ok || (tt.want != nil || !ok) && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseMSDP(%.40q) = %+v, %v; want %+v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestAppendMSDP(t *testing.T) {
	deep := any("x")
	for range 40 {
		deep = []any{deep}
	}
	for _, tt := range []struct {
		values []any
		want   string
	}{
		{nil, ""},
		{[]any{"x"}, "\x02x"},
		{[]any{"a\x01\x06b\x00\xff\n"}, "\x02ab\xef\xbf\xbd\n"},
		{[]any{int64(-3), 1.5, true, false, nil}, "\x02-3\x021.5\x021\x020\x02"},
		{[]any{[]any{}, map[string]any{}}, "\x02\x05\x06\x02\x03\x04"},
		{[]any{map[string]any{"b": "2", "a": []any{"1"}}}, "\x02\x03\x01a\x02\x05\x021\x06\x01b\x022\x04"},
		{[]any{deep}, "\x02" + strings.Repeat("\x05\x02", 16) + strings.Repeat("\x06", 16)},
	} {
		if got, want := string(telnet.AppendMSDP(nil, "N", tt.values...)), "\xff\xfa\x45\x01N"+tt.want+"\xff\xf0"; got != want {
			t.Errorf("AppendMSDP(%v) = %q, want %q", tt.values, got, want)
		}
	}
}

// What was read can be written, and reads the same.
func FuzzParseMSDP(f *testing.F) {
	for _, tt := range msdpTests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		vars, _ := telnet.ParseMSDP(in)
		for _, v := range vars {
			frame := telnet.AppendMSDP(nil, v.Name, v.Values...)
			payload := bytes.ReplaceAll(frame[3:len(frame)-2], []byte{255, 255}, []byte{255})
			again, ok := telnet.ParseMSDP(payload)
			name := strings.ReplaceAll(v.Name, "\x00", "")
			if name == "" {
				continue
			}
			if !ok || len(again) != 1 || again[0].Name != name || len(again[0].Values) != len(v.Values) {
				t.Fatalf("%q: %+v was written as %q and read as %+v", in, v, frame, again)
			}
		}
	})
}

// compressed returns a zlib stream with a flush after each piece.
func compressed(end bool, pieces ...string) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	for _, p := range pieces {
		io.WriteString(w, p)
		w.Flush()
	}
	if end {
		w.Close()
	}
	return b.Bytes()
}

// mccp3 returns a Codec whose peer has just agreed to compress.
func mccp3(t testing.TB) *telnet.Codec {
	c := telnet.New(telnet.Config{Options: telnet.ServerOptions(), MaxLine: 4096})
	c.AppendEnable(nil, telnet.MCCP3, telnet.Us)
	feed(c, []byte("\xff\xfd\x57"))
	if !c.On(telnet.MCCP3, telnet.Us) {
		t.Fatal("MCCP3 is not in force")
	}
	t.Cleanup(c.Close)
	return c
}

const mccp3Marker = "\xff\xfa\x57\xff\xf0"

func TestInflate(t *testing.T) {
	whole := append([]byte("one\r\n"+mccp3Marker), compressed(true, "two\r", "\nthr", "ee\r\n\xff\xf6", "fo")...)
	whole = append(whole, "ur\r\n"+mccp3Marker...)
	whole = append(whole, compressed(false, "five\r\n")...)
	want := []string{`line "one"`, "inflation on", `line "two"`, `line "three"`, "AYT", "inflation off", `line "four"`, "inflation on", `line "five"`}
	for size := 1; size <= len(whole); size++ {
		c := mccp3(t)
		var got []string
		for rest := whole; len(rest) > 0; {
			n := min(size, len(rest))
			if c.Decode(rest[:n], func(e telnet.Event) { got = append(got, showInflate(e)) }) {
				t.Fatal("Decode wants to be called again, and nobody has paused it")
			}
			rest = rest[n:]
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("in pieces of %d: %q, want %q", size, got, want)
		}
		if _, err := c.MarshalBinary(); !errors.Is(err, telnet.ErrInflating) {
			t.Fatalf("MarshalBinary = %v, want ErrInflating", err)
		}
		c.Close()
		if c.Decode([]byte("after the end\r\n"), func(telnet.Event) { t.Error("an event after Close") }) {
			t.Error("more after Close")
		}
	}
}

func showInflate(e telnet.Event) string {
	switch e.Kind {
	case telnet.Inflation:
		return "inflation " + map[bool]string{true: "on", false: "off"}[e.On]
	case telnet.Line:
		return fmt.Sprintf("line %q", e.Text)
	case telnet.Other:
		return e.Command.String()
	}
	return fmt.Sprintf("%+v", e)
}

func TestInflateErrors(t *testing.T) {
	for name, in := range map[string][]byte{
		"no zlib":  []byte("plain text\r\n"),
		"bomb":     compressed(false, strings.Repeat("x", 100<<20)),
		"checksum": append(compressed(true, "x\r\n")[:10], make([]byte, 40)...),
	} {
		c := mccp3(t)
		var last telnet.Event
		n := 0
		for rest := append([]byte(mccp3Marker), in...); len(rest) > 0; {
			k := min(4096, len(rest))
			c.Decode(rest[:k], func(e telnet.Event) { last, n = e, n+1 })
			rest = rest[k:]
		}
		if last.Kind != telnet.InflateError || last.Err == nil || n > 10 {
			t.Errorf("%s: the last of %d events is %+v", name, n, last)
		}
		if name == "bomb" && !errors.Is(last.Err, telnet.ErrBomb) {
			t.Errorf("a bomb is %v", last.Err)
		}
		c.Decode([]byte("more\r\n"), func(e telnet.Event) { t.Errorf("%s: after the error: %+v", name, e) })
	}
}

// A pause holds back what is not decompressed, and loses nothing of it.
func TestInflatePause(t *testing.T) {
	c := mccp3(t)
	const lines = 20000
	in := append([]byte(mccp3Marker), compressed(true, strings.Repeat("\n", lines))...)
	in = append(in, "end\n"...)
	got, most, last := 0, 0, ""
	count := func(e telnet.Event) {
		if e.Kind == telnet.Line {
			got++
			last = e.Text
			c.Pause()
		}
	}
	for more := c.Decode(in, count); more; {
		before := got
		more = c.Decode(nil, count)
		most = max(most, got-before)
	}
	if got != lines+1 || last != "end" || most > 1024+1 {
		t.Errorf("%d lines, at most %d of them at once, the last %q", got, most, last)
	}
}

// Text of a client comes out the same, compressed or not, however it is cut.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("say hello\r\n\xff\xfd\x03look\r\n"), []byte("\x00\x01\x02"), uint64(1))
	f.Add([]byte(strings.Repeat("north\r\n", 100)), []byte{}, uint64(7))
	f.Fuzz(func(t *testing.T, text, garbage []byte, seed uint64) {
		if bytes.Contains(text, []byte{250, 87}) { // a marker in the stream has no meaning
			return
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		plain := mccp3(t)
		var want, got []string
		plain.Decode(text, func(e telnet.Event) { want = append(want, showInflate(e)) })
		c := mccp3(t)
		var pieces []string
		for rest := string(text); rest != ""; {
			n := 1 + rng.IntN(len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		for rest := append([]byte(mccp3Marker), compressed(false, pieces...)...); len(rest) > 0; {
			n := 1 + rng.IntN(min(len(rest), 50))
			c.Decode(rest[:n], func(e telnet.Event) {
				if e.Kind != telnet.Inflation {
					got = append(got, showInflate(e))
				}
			})
			rest = rest[n:]
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("compressed: %q, plain: %q", got, want)
		}
		d := mccp3(t)
		d.Decode(append([]byte(mccp3Marker), garbage...), func(telnet.Event) {})
		d.Close()
		plain.Close()
		c.Close()
	})
}

// TestAllow shows that what is not allowed leaves no trace.
func TestAllow(t *testing.T) {
	left := 2
	c := telnet.New(telnet.Config{Options: telnet.ServerOptions(), Allow: func() bool { left--; return left >= 0 }})
	c.Decode([]byte("\xff\xfb\x1f\xff\xfd\x63\xff\xfb\x18\xff\xfd\x63text\r\n"), func(e telnet.Event) {
		if e.Kind == telnet.OptionChanged && e.Option != telnet.NAWS {
			t.Errorf("%+v", e)
		}
	})
	if got := string(c.TakeOutput()); got != "\xff\xfd\x1f\xff\xfc\x63" {
		t.Errorf("answered with %q", got)
	}
	if c.On(telnet.TermType, telnet.Them) {
		t.Error("an option is in force that was not allowed")
	}
}

// TestDecoder shows that lines are read in another encoding, and edited in it.
func TestDecoder(t *testing.T) {
	latin1 := func(b []byte) string {
		var s strings.Builder
		for _, c := range b {
			s.WriteRune(rune(c))
		}
		return s.String()
	}
	pairs := func(b []byte) string { return strings.Repeat("x", (len(b)+1)/2) } // two bytes a character
	for _, tt := range []struct {
		decode   func([]byte) string
		in, want string
	}{
		{latin1, "caf\xe9\r\n", "café"},
		{latin1, "caf\xe9\xe8\x08\r\n", "café"},
		{latin1, "\xff\xff\r\n", "ÿ"},
		{latin1, "\x08\x08a\x08\x08\r\n", ""},
		{pairs, "aabb\x08\r\n", "x"},
		{nil, "caf\xc3\xa9\r\n", "café"},
	} {
		c := telnet.New(telnet.Config{})
		c.SetDecoder(tt.decode)
		var got []string
		c.Decode([]byte(tt.in), func(e telnet.Event) { got = append(got, e.Text) })
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("%q: lines %q, want %q", tt.in, got, tt.want)
		}
	}
}
