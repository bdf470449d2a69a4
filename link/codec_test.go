package link_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/session"
)

// samples has every frame, with every field set.
func samples() []link.Frame {
	info := session.Info{
		Protocol: "telnet", Addr: "[2001:db8::1]:4242", Client: "TINTIN++", Terminal: "xterm", Encoding: "ISO-8859-1",
		Colors: session.ColorsTrue, Width: 132, Height: 41, ScreenReader: true, GMCP: true, MSDP: true, TLS: true, Version: "2.02", Packages: "char 1", Flags: 1 << 31,
	}
	rich := message.New("room_info", 12, "Mudflat", nil, 1.5, true).With("exits", map[string]any{"n": int64(13)})
	return []link.Frame{
		&link.ServerHello{Version: 1, Server: "server", Epoch: 7, Mode: link.ModeCrash, Commit: 1 << 40},
		&link.PortalHello{Version: 1, Portal: "portal", Epoch: 9, Game: "Mudflat"},
		&link.Refuse{Reason: "another version", Hint: "build both from one release"},
		&link.Seat{Index: 3, ID: session.NewID(), Number: 12, Info: info, Processed: 5, Question: link.QuestionID{Line: 4, K: 2}, Unread: 900},
		&link.Synced{},
		&link.Open{Index: 3, N: 1},
		&link.Input{Index: 3, N: 2, Message: message.Text("look")},
		&link.Input{Index: 3, N: 3, Question: link.QuestionID{Line: 2, K: 1}, Message: rich},
		&link.Update{Index: 3, N: 4, Info: info},
		&link.Close{Index: 3, N: 5, Reason: "connection lost"},
		&link.Credit{Index: 3, Bytes: 65536},
		&link.Ping{Seq: 1},
		&link.Drain{Mode: link.ModeReset, Reason: "new build"},
		&link.Output{Sessions: []link.Index{1, 2, 70000}, Options: message.Options{Raw: true}, Message: message.Text("A |rred|n lark.")},
		&link.Output{Sessions: []link.Index{1}, Options: message.Options{NoColor: true}, Message: rich},
		&link.Question{Session: 3, ID: link.QuestionID{Line: 2, K: 1}, Hidden: true, Prompt: "Password: "},
		&link.Login{Session: 3, Account: "ada", Puppet: "Ada"},
		&link.Prefs{Session: 3, Prefs: session.Prefs{NoColor: true, ScreenReader: true, Width: 40, Encoding: "IBM437"}},
		&link.Disconnect{Session: 3, Reason: "Goodbye."},
		&link.Action{Mode: link.ModeReload, Session: 3, Reason: "because"},
		&link.End{Commit: 501, Lines: []link.Line{{Session: 3, N: 9}, {Session: 4, N: 1 << 33}}},
		&link.End{Commit: 501},
		&link.Committed{Commit: 501},
		&link.Pong{Seq: 1},
		&link.Drained{Commit: 502},
		&link.Go{Mode: link.ModeReload},
		&link.Aside{Unit: link.Unit{Kind: link.UnitLine, Session: session.NewID(), N: 9, Name: "text"}},
		&link.Stalled{Text: "disk full"},
		&link.Request{ID: 1, Message: message.New("status")},
		&link.Reply{ID: 1, Message: rich},
		&link.Reply{ID: 2, Err: "no"},
	}
}

func TestRoundTrip(t *testing.T) {
	seen := map[byte]bool{}
	for _, f := range samples() {
		b, err := link.AppendFrame([]byte("x"), f)
		if err != nil {
			t.Errorf("AppendFrame(%#v): %v", f, err)
			continue
		}
		b = b[1:]
		if n := binary.BigEndian.Uint32(b); int(n) != len(b)-4 {
			t.Errorf("%T: length field is %d, want %d", f, n, len(b)-4)
		}
		seen[b[4]] = true
		got, err := link.DecodeFrame(b[4:])
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("DecodeFrame gave %#v, %v; want %#v", got, err, f)
		}
		for i := range len(b) - 4 { // cut short anywhere: an error
			if got, err := link.DecodeFrame(b[4 : 4+i]); !errors.Is(err, link.ErrBadFrame) && err == nil {
				t.Errorf("%T cut to %d bytes decodes as %#v", f, i, got)
			}
		}
		if _, err := link.DecodeFrame(append(b[4:], 0)); err == nil {
			t.Errorf("%T with a byte too many decodes", f)
		}
	}
	if len(seen) != 29 {
		t.Errorf("the samples cover %d frames, the protocol has 29", len(seen))
	}
}

func TestAppendFrameErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		frame link.Frame
		want  error
	}{
		{"too large", &link.Disconnect{Reason: strings.Repeat("x", link.MaxFrame)}, link.ErrFrameTooLarge},
		{"value that cannot be sent", &link.Request{Message: message.Message{Name: "x", Args: []any{make(chan int)}}}, message.ErrBadType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := link.AppendFrame([]byte("before"), tt.frame)
			if !errors.Is(err, tt.want) || string(b) != "before" {
				t.Errorf("AppendFrame = %.20q, %v; want the buffer as it was and %v", b, err, tt.want)
			}
		})
	}
}

// A frame that cannot be encoded takes the whole Send with it and leaves the
// link usable.
func TestSendAllOrNothing(t *testing.T) {
	ta, tb := pipe.New()
	a, b := link.New(ta, link.Config{}), link.New(tb, link.Config{})
	defer a.Close()
	defer b.Close()
	if err := a.Send(&link.Ping{Seq: 1}, &link.Request{Message: message.Message{Name: "x", Args: []any{func() {}}}}); !errors.Is(err, message.ErrBadType) {
		t.Fatalf("Send = %v, want ErrBadType", err)
	}
	if err := a.Send(&link.Ping{Seq: 2}); err != nil {
		t.Fatal(err)
	}
	if f, err := b.Recv(); err != nil || f.(*link.Ping).Seq != 2 {
		t.Errorf("Recv = %#v, %v; want the second Ping", f, err)
	}
}

func TestRecvRefusesHugeFrame(t *testing.T) {
	ta, tb := pipe.New()
	b := link.New(tb, link.Config{})
	defer b.Close()
	ta.Write([]byte{255, 255, 255, 255, 1})
	if _, err := b.Recv(); !errors.Is(err, link.ErrFrameTooLarge) {
		t.Errorf("Recv = %v, want ErrFrameTooLarge", err)
	}
	if err := b.Err(); !errors.Is(err, link.ErrClosed) || !errors.Is(err, link.ErrFrameTooLarge) {
		t.Errorf("Err = %v, want ErrClosed because of ErrFrameTooLarge", err)
	}
}

func TestRecvCutInsideFrame(t *testing.T) {
	ta, tb := pipe.New()
	b := link.New(tb, link.Config{})
	defer b.Close()
	frame, _ := link.AppendFrame(nil, &link.Close{Index: 1, N: 2, Reason: "gone"})
	ta.Write(frame[:len(frame)-1])
	ta.Close()
	if _, err := b.Recv(); err != io.ErrUnexpectedEOF {
		t.Errorf("Recv = %v, want an unexpected EOF", err)
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for _, s := range samples() {
		b, err := link.AppendFrame(nil, s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[4:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		frame, err := link.DecodeFrame(body)
		if err != nil {
			if frame != nil {
				t.Fatalf("an error and a frame: %v, %#v", err, frame)
			}
			return
		}
		b, err := link.AppendFrame(nil, frame)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %#v: %v", frame, err)
		}
		again, err := link.DecodeFrame(b[4:])
		if err != nil {
			t.Fatalf("decode of the encoded: %v", err)
		}
		b2, err := link.AppendFrame(nil, again)
		if err != nil || string(b2) != string(b) {
			t.Fatalf("%#v became %#v", frame, again)
		}
	})
}

// benchmarkCodec measures both ways of a frame.
func benchmarkCodec(b *testing.B, f link.Frame) {
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = link.AppendFrame(buf[:0], f)
		}
	})
	buf, err := link.AppendFrame(nil, f)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := link.DecodeFrame(buf[4:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkInputText is a line on its way to the Server.
func BenchmarkInputText(b *testing.B) {
	benchmarkCodec(b, &link.Input{Index: 1017, N: 4711, Message: message.Text("say The tide comes in over the flats.")})
}

// BenchmarkOutputText is a text on its way to so many sessions.
func BenchmarkOutputText(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("to=%d", n), func(b *testing.B) {
			out := &link.Output{Message: message.Text("The tide comes in over the flats, and a lark goes up singing.")}
			for i := range n {
				out.Sessions = append(out.Sessions, link.Index(17+i))
			}
			benchmarkCodec(b, out)
		})
	}
}

func BenchmarkStream(b *testing.B) {
	ta, tb := pipe.New()
	from, to := link.New(ta, link.Config{}), link.New(tb, link.Config{})
	defer from.Close()
	defer to.Close()
	in := &link.Input{Index: 17, N: 1, Message: message.Text("say The tide comes in over the flats.")}
	b.ReportAllocs()
	go func() {
		for range b.N {
			if from.Send(in) != nil {
				return
			}
		}
	}()
	for range b.N {
		if _, err := to.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}
