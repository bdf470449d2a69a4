package telnet_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"mudlark.dev/telnet"
)

// feed decodes pieces and returns the events, one line each, and the replies.
func feed(c *telnet.Codec, pieces ...[]byte) (events []string, replies string) {
	var out []byte
	for _, p := range pieces {
		c.Decode(p, func(e telnet.Event) { events = append(events, show(e)) })
		out = append(out, c.TakeOutput()...)
	}
	return events, hex.EncodeToString(out)
}

func show(e telnet.Event) string {
	switch e.Kind {
	case telnet.Line:
		return fmt.Sprintf("line %q", e.Text)
	case telnet.LineTooLong:
		return "too long"
	case telnet.OptionChanged:
		return fmt.Sprintf("%v %v %v", e.Option, e.Side, e.On)
	case telnet.Subnegotiation:
		return fmt.Sprintf("sub %d %x", byte(e.Option), e.Payload)
	case telnet.SubDropped:
		return fmt.Sprintf("sub dropped %d", byte(e.Option))
	case telnet.Other:
		return e.Command.String()
	}
	return fmt.Sprintf("%+v", e)
}

// server returns a Codec as a server has it, but for decompression, whose state
// cannot be written down.
func server(maxLine int) *telnet.Codec {
	options := telnet.ServerOptions()
	delete(options, telnet.MCCP3)
	return telnet.New(telnet.Config{Options: options, MaxLine: maxLine})
}

// unhex reads hexadecimal bytes with spaces, and text between single quotes.
func unhex(s string) []byte {
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			panic(err)
		}
		out = append(out, b...)
	}
	return out
}

var decodeTests = []struct {
	name    string
	in      string
	events  []string
	replies string
}{
	{"line ends", "'a' 0d 0a 'b' 0d 00 'c' 0a 'd' 0d 'e' 0a", []string{`line "a"`, `line "b"`, `line "c"`, `line "d"`, `line "e"`}, ""},
	{"empty lines", "0d 0a 0a 0d 0d", []string{`line ""`, `line ""`, `line ""`, `line ""`}, ""},
	{"CR and LF apart by a command", "'a' 0d ff f1 0a 'b' 0a", []string{`line "a"`, "NOP", `line "b"`}, ""},
	{"no end yet", "'abc'", nil, ""},
	{"doubled 255", "'a' ff ff 'b' 0a", []string{`line "a` + "\uFFFD" + `b"`}, ""},
	{"controls are dropped", "'a' 00 07 1b 'b' 09 'c' 0a", []string{`line "ab\tc"`}, ""},
	{"backspace and delete", "'abc' 08 08 7f 'xy' 7f 0a", []string{`line "x"`}, ""},
	{"backspace takes a whole character", "'a' e2 82 ac 08 'b' 0a", []string{`line "ab"`}, ""},
	{"backspace at the beginning", "08 7f 'a' 0a", []string{`line "a"`}, ""},
	{"backspace takes a stray byte alone", "'a' 82 08 0a", []string{`line "a"`}, ""},
	{"erase character and line", "'ab' ff f7 'c' 0a 'no' ff f8 'yes' 0a", []string{`line "ac"`, `line "yes"`}, ""},
	{"euro", "e2 82 ac 0d 0a", []string{`line "€"`}, ""},
	{"invalid UTF-8", "c3 28 0d 0a", []string{`line "` + "\uFFFD" + `("`}, ""},
	{"maximal subparts", "e2 82 41 f0 9f 92 42 0a c0 80 0a", []string{`line "` + "\uFFFDA\uFFFDB" + `"`, `line "` + "\uFFFD\uFFFD" + `"`}, ""},
	{"too long", "'123456789' 0a 'ok' 0a", []string{"too long", `line "ok"`}, ""},
	{"too long without an end", "'123456789012345678901234567890'", []string{"too long"}, ""},
	{"as long as may be", "'12345678' 0a", []string{`line "12345678"`}, ""},
	{"window size", "ff fb 1f ff fa 1f 00 50 00 18 ff f0", []string{"NAWS them true", "sub 31 00500018"}, "fffd1f"},
	{"window size with a doubled 255", "ff fb 1f ff fa 1f 00 ff ff 00 18 ff f0", []string{"NAWS them true", "sub 31 00ff0018"}, "fffd1f"},
	{"SE without SB", "ff f0 'a' 0a", []string{`line "a"`}, ""},
	{"empty subnegotiations", "ff fb 18 ff fa 18 ff f0 ff fa 18 01 ff f0", []string{"TERMINAL-TYPE them true", "sub 24 ", "sub 24 01"}, "fffd18"},
	{"subnegotiation of what was not agreed", "ff fa 22 'abc' ff f0 ff fa 1f 00 50 00 18 ff f0 'a' 0a", []string{"sub dropped 34", "sub dropped 31", `line "a"`}, ""},
	{"subnegotiation after the option was ended", "ff fb 1f ff fc 1f ff fa 1f 00 50 00 18 ff f0", []string{"NAWS them true", "NAWS them false", "sub dropped 31"}, "fffd1ffffe1f"},
	{"erasing the line ends what is too long", "'123456789' ff f8 'ok' 0a '123456789' ff f4 'on' 0a", []string{"too long", `line "ok"`, "too long", "IP", `line "on"`}, ""},
	{"backspace takes an unfinished character whole", "'a' e2 82 08 'b' 0a", []string{`line "ab"`}, ""},
	{"marks are answered each time", "ff fd 06 ff fd 06 ff fb 06", nil, "fffc06fffc06fffe06"},
	{"subnegotiation without end", "ff fa 18 00 'x' ff fb 1f 'a' 0a", []string{"sub dropped 24", "NAWS them true", `line "a"`}, "fffd1f"},
	{"unknown options are refused", "ff fb 63 ff fd 63 ff fc 63 ff fe 63", nil, "fffe63fffc63"},
	{"go-ahead is suppressed when asked for", "ff fd 03 ff fd 03 ff fe 03", []string{"SUPPRESS-GO-AHEAD us true", "SUPPRESS-GO-AHEAD us false"}, "fffb03fffc03"},
	{"ECHO that was not announced", "ff fd 01 ff fb 01 ff fe 01", nil, "fffc01fffe01"},
	{"interrupt with timing mark", "'half' ff f4 ff fd 06 'a' 0a", []string{"IP", `line "a"`}, "fffc06"},
	{"are you there", "ff f6", []string{"AYT"}, ""},
	{"what a scanner sends",
		"ff fc 22 ff fa 22 ff f0 ff ff fc 03 ff fc 18 ff fc 1f ff fc 27 ff fe 56 ff fc 5b ff fe 46 ff fe 5d ff fe c9 0a",
		[]string{"sub dropped 34", `line "` + "\uFFFD\uFFFD" + `"`}, ""},
	{"bytes that are no command", "ff 00 ff 7f ff ee 'a' 0a", []string{`line "a"`}, ""},
}

// The events and replies are the same however the input is cut, also when the
// state moves to another Codec at the cut.
func TestDecode(t *testing.T) {
	for _, tt := range decodeTests {
		t.Run(tt.name, func(t *testing.T) {
			in := unhex(tt.in)
			check := func(how string, events []string, replies string) {
				t.Helper()
				if strings.Join(events, "\n") != strings.Join(tt.events, "\n") {
					t.Errorf("%s: events %q, want %q", how, events, tt.events)
				}
				if replies != tt.replies {
					t.Errorf("%s: replies %s, want %s", how, replies, tt.replies)
				}
			}
			events, replies := feed(server(8), in)
			check("whole", events, replies)
			var single [][]byte
			for i := range in {
				single = append(single, in[i:i+1])
			}
			events, replies = feed(server(8), single...)
			check("byte by byte", events, replies)
			for i := range in {
				a := server(8)
				ev1, _ := feed(a)
				a.Decode(in[:i], func(e telnet.Event) { ev1 = append(ev1, show(e)) })
				state, err := a.AppendBinary(nil)
				if err != nil {
					t.Fatal(err)
				}
				b := server(8)
				if err := b.UnmarshalBinary(state); err != nil {
					t.Fatalf("cut at %d: %v", i, err)
				}
				var ev2 []string
				b.Decode(in[i:], func(e telnet.Event) { ev2 = append(ev2, show(e)) })
				check(fmt.Sprintf("moved at %d", i), append(ev1, ev2...), hex.EncodeToString(b.TakeOutput()))
			}
		})
	}
}

func TestSubLimits(t *testing.T) {
	for _, tt := range []struct {
		option telnet.Option
		size   int
		want   string
	}{
		{telnet.TermType, telnet.MaxSub, "sub 24 "},
		{telnet.TermType, telnet.MaxSub + 1, "sub dropped 24"},
		{201, telnet.MaxSubOOB, "sub 201 "},
		{201, telnet.MaxSubOOB + 1, "sub dropped 201"},
	} {
		c := telnet.New(telnet.Config{Options: map[telnet.Option]telnet.Policy{tt.option: {AcceptThem: true}}})
		feed(c, []byte{255, 251, byte(tt.option)})
		events, _ := feed(c, telnet.AppendSub(nil, tt.option, bytes.Repeat([]byte{7}, tt.size)), []byte("after\n"))
		if len(events) != 2 || !strings.HasPrefix(events[0], tt.want) || events[1] != `line "after"` {
			t.Errorf("%d bytes for %v: %.60q", tt.size, tt.option, events)
		}
	}
}

func TestAnnouncedEcho(t *testing.T) {
	c := server(0)
	var out []byte
	out = c.AppendEnable(out, telnet.Echo, telnet.Us)
	out = c.AppendEnable(out, telnet.Echo, telnet.Us) // on already
	if got := hex.EncodeToString(out); got != "fffb01" {
		t.Errorf("hide: %s", got)
	}
	// A client that never answers, one that does, and one that answers late.
	for _, answer := range []string{"", "ff fd 01", "ff fe 01"} {
		if _, replies := feed(c, unhex(answer)); replies != "" {
			t.Errorf("answer %q is answered with %s", answer, replies)
		}
		if !c.On(telnet.Echo, telnet.Us) {
			t.Errorf("after %q ECHO is off", answer)
		}
	}
	out = c.AppendDisable(nil, telnet.Echo, telnet.Us)
	out = c.AppendDisable(out, telnet.Echo, telnet.Us)
	if got := hex.EncodeToString(out); got != "fffc01" {
		t.Errorf("show: %s", got)
	}
	if _, replies := feed(c, unhex("ff fd 01")); replies != "" {
		t.Errorf("a late answer to the announcement is answered with %s", replies)
	}
	if out = c.AppendEnable(nil, telnet.Echo, telnet.Us); hex.EncodeToString(out) != "fffb01" {
		t.Errorf("hide again, before any answer: %x", out)
	}
}

// Two Codecs with any policies and wishes come to rest and agree.
func TestNegotiationEnds(t *testing.T) {
	const option = telnet.Option(99)
	policies := []telnet.Policy{{}, {AcceptUs: true}, {AcceptThem: true}, {AcceptUs: true, AcceptThem: true}}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		pa, pb := policies[rng.IntN(4)], policies[rng.IntN(4)]
		a := telnet.New(telnet.Config{Options: map[telnet.Option]telnet.Policy{option: pa}})
		b := telnet.New(telnet.Config{Options: map[telnet.Option]telnet.Policy{option: pb}})
		var toA, toB []byte
		wishes, messages := rng.IntN(8), 0
		for step := 0; wishes > 0 || len(toA) > 0 || len(toB) > 0; step++ {
			if step > 500 {
				t.Fatalf("round %d: no end in sight (%+v, %+v)", round, pa, pb)
			}
			switch n := rng.IntN(4); {
			case n == 0 && wishes > 0:
				wishes--
				side := telnet.Side(rng.IntN(2) == 0)
				wish := (*telnet.Codec).AppendEnable
				if rng.IntN(2) == 0 {
					wish = (*telnet.Codec).AppendDisable
				}
				if rng.IntN(2) == 0 {
					toB = wish(a, toB, option, side)
				} else {
					toA = wish(b, toA, option, side)
				}
			case n%2 == 0 && len(toA) > 0:
				cut := 1 + rng.IntN(len(toA))
				a.Decode(toA[:cut], func(telnet.Event) { messages++ })
				toA = toA[cut:]
				toB = append(toB, a.TakeOutput()...)
			case len(toB) > 0:
				cut := 1 + rng.IntN(len(toB))
				b.Decode(toB[:cut], func(telnet.Event) { messages++ })
				toB = toB[cut:]
				toA = append(toA, b.TakeOutput()...)
			}
		}
		if a.On(option, telnet.Us) != b.On(option, telnet.Them) || a.On(option, telnet.Them) != b.On(option, telnet.Us) {
			t.Fatalf("round %d: they do not agree (%+v, %+v)", round, pa, pb)
		}
	}
}

func TestAppendText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"a\nb", "a\r\nb"}, {"a\r\nb", "a\r\nb"}, {"\n", "\r\n"}, {"a\rb\r", "a\r\x00b\r\x00"},
		{"\xff\xfe", "\xff\xff\xfe"}, {"", ""}, {"€", "€"},
	} {
		if got := string(telnet.AppendText(nil, tt.in)); got != tt.want {
			t.Errorf("AppendText(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestParseNAWS(t *testing.T) {
	for _, tt := range []struct {
		in   string
		w, h int
		ok   bool
	}{
		{"00 50 00 18", 80, 24, true}, {"00 ff 00 18", 255, 24, true}, {"00 50", 0, 0, false}, {"", 0, 0, false},
		{"00 ff ff 00 18", 255, 24, true}, {"00 50 00 18 00", 0, 0, false}, {"00 00 00 00", 0, 0, true},
		{"00 01 00 01", 20, 5, true}, {"03 ff 01 ff", 1000, 500, true}, {"00 50 ff fd", 80, 5, true},
	} {
		w, h, ok := telnet.ParseNAWS(unhex(tt.in))
		if w != tt.w || h != tt.h || ok != tt.ok {
			t.Errorf("ParseNAWS(%s) = %d, %d, %v; want %d, %d, %v", tt.in, w, h, ok, tt.w, tt.h, tt.ok)
		}
	}
}

func TestTermTypes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answers  []string
		asked    int // questions after the first
		client   string
		terminal string
		mtts     int
		colors   int
	}{
		{"Mudlet", []string{"MUDLET", "ANSI-TRUECOLOR", "MTTS 2349", "MTTS 2349"}, 2, "MUDLET", "ANSI-TRUECOLOR", 2349, 1 << 24},
		{"TinTin++", []string{"TINTIN++", "xterm-256color", "MTTS 2349"}, 2, "TINTIN++", "xterm-256color", 2349, 1 << 24},
		{"plain telnet", []string{"xterm-256color", "xterm-256color"}, 1, "xterm-256color", "", 0, 256},
		{"dumb", []string{"dumb", "dumb"}, 1, "dumb", "", 0, 0},
		{"starts over", []string{"A", "B", "A", "B"}, 2, "A", "B", 0, 0},
		{"never ends", []string{"A", "B", "C", "D", "E", "F"}, 3, "A", "B", 0, 0},
		{"garbage bits", []string{"X", "MTTS -5", "MTTS 9"}, 1, "X", "", 0, 0},
		{"bits without number", []string{"X", "MTTS"}, 1, "X", "", 0, 0},
		{"huge bits", []string{"X", "MTTS 99999999999999999999"}, 1, "X", "", 0, 0},
		{"vt100", []string{"VT100"}, 1, "VT100", "", 0, 16},
		{"hostile", []string{strings.Repeat("\x1b[31mx", 100)}, 1, strings.Repeat("[31mx", 13)[:64], "", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tty telnet.TermTypes
			asked := 0
			for _, a := range tt.answers {
				if !tty.Add(append([]byte{0}, a...)) {
					break
				}
				asked++
			}
			if asked != tt.asked || tty.Client != tt.client || tty.Terminal != tt.terminal || tty.MTTS != tt.mtts || tty.Colors() != tt.colors {
				t.Errorf("asked %d times, got %+v with %d colours; want %d, %q, %q, %d, %d", asked, tty, tty.Colors(), tt.asked, tt.client, tt.terminal, tt.mtts, tt.colors)
			}
		})
	}
	var tty telnet.TermTypes
	if tty.Add(nil) || tty.Add([]byte{1}) || tty.Answers != 0 {
		t.Error("a payload that is no answer counts as one")
	}
}

func TestUnmarshalErrors(t *testing.T) {
	c := server(16)
	feed(c, []byte("half \xff\xfb\x1f\xff\xfa\x18\x00x"))
	good, _ := c.AppendBinary(nil)
	for i := range good {
		d := server(16)
		if err := d.UnmarshalBinary(good[:i]); !errors.Is(err, telnet.ErrBadState) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	if err := server(4).UnmarshalBinary(good); err != nil {
		t.Errorf("a line over a limit that was lowered meanwhile: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range decodeTests {
		f.Add(unhex(tt.in), uint64(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		want, wantReplies := feed(server(64), in)
		rng := rand.New(rand.NewPCG(seed, 1))
		var got []string
		var replies []byte
		c := server(64)
		for rest := in; len(rest) > 0; {
			n := 1 + rng.IntN(min(len(rest), 9))
			c.Decode(rest[:n], func(e telnet.Event) { got = append(got, show(e)) })
			rest = rest[n:]
			replies = append(replies, c.TakeOutput()...)
			if c.Pending() > 64 {
				t.Fatalf("%d bytes of a line are kept", c.Pending())
			}
			state, _ := c.AppendBinary(nil)
			d := server(64)
			if err := d.UnmarshalBinary(state); err != nil {
				t.Fatal(err)
			}
			c = d
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || hex.EncodeToString(replies) != wantReplies {
			t.Fatalf("cut: %q, %x\nwhole: %q, %s", got, replies, want, wantReplies)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	c := server(0)
	feed(c, []byte("half \xff\xfb\x1f\xff\xfa\x18\x00x"))
	state, _ := c.AppendBinary(nil)
	f.Add(state)
	f.Fuzz(func(t *testing.T, state []byte) {
		c := server(64)
		if c.UnmarshalBinary(state) != nil {
			return
		}
		feed(c, []byte("\xff\xf0text\r\n\xff\xfd\x03"))
	})
}

func BenchmarkDecodeLine(b *testing.B) {
	c := server(0)
	in := []byte("say The tide comes in over the flats, and a lark goes up there.\r\n")
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		c.Decode(in, func(telnet.Event) {})
	}
}

func BenchmarkAppendText(b *testing.B) {
	text := "The tide comes in over the flats,\nand a lark goes up there.\n"
	var buf []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		buf = telnet.AppendText(buf[:0], text)
	}
}

func Example() {
	c := telnet.New(telnet.Config{Options: telnet.ServerOptions()})
	// From a network connection in a real server:
	received := []byte("\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0look\r\n")
	c.Decode(received, func(e telnet.Event) {
		switch e.Kind {
		case telnet.Line:
			fmt.Println("line:", e.Text)
		case telnet.Subnegotiation:
			if w, h, ok := telnet.ParseNAWS(e.Payload); ok && e.Option == telnet.NAWS {
				fmt.Printf("window: %d by %d\n", w, h)
			}
		}
	})
	fmt.Printf("to send: % x\n", c.TakeOutput())
	// Output:
	// window: 80 by 24
	// line: look
	// to send: ff fd 1f
}
