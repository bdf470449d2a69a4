// Package linktest holds the contract of the link's transports: every
// transport passes Run. Wrap gives a transport that misbehaves in the ways a
// network may, to run the same contract over.
package linktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
)

// A Maker opens a listener and a dialer that reaches it, for one test.
type Maker func(t *testing.T) (link.Listener, link.Dialer)

// Run tests the contract of link.Transport, Listener and Dialer.
func Run(t *testing.T, open Maker) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, Maker)
	}{
		{"bytes arrive in order", testOrder},
		{"what was written is read after the writer's end", testWrittenThenClosed},
		{"a write nobody reads ends at its deadline", testWriteDeadline},
		{"close wakes reader and writer", testCloseWakes},
		{"close twice", testCloseTwice},
		{"accept ends with close", testAcceptClose},
		{"dial after close fails", testDialClosed},
		{"dial with a done context fails", testDialContext},
		{"several peers", testSeveral},
		{"frames both ways", testFrames},
		{"request and reply", testRequest},
		{"a peer that does not read is dropped", testStalled},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open) })
	}
}

// pair returns two connected transports.
func pair(t *testing.T, open Maker) (dialled, accepted link.Transport) {
	t.Helper()
	l, d := open(t)
	type result struct {
		tr  link.Transport
		err error
	}
	got := make(chan result, 1)
	go func() {
		tr, err := l.Accept()
		got <- result{tr, err}
	}()
	a, err := d.Dial(t.Context())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	r := <-got
	if r.err != nil {
		t.Fatalf("Accept: %v", r.err)
	}
	t.Cleanup(func() { a.Close(); r.tr.Close(); l.Close() })
	return a, r.tr
}

// pattern returns n bytes that tell their position.
func pattern(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func testOrder(t *testing.T, open Maker) {
	a, b := pair(t, open)
	want := pattern(300_000)
	var wg sync.WaitGroup
	for _, dir := range []struct{ w, r link.Transport }{{a, b}, {b, a}} {
		wg.Go(func() {
			for i, step := 0, 1; i < len(want); step = step*3%7919 + 1 {
				n := min(step, len(want)-i)
				if _, err := dir.w.Write(want[i : i+n]); err != nil {
					t.Errorf("Write: %v", err)
					return
				}
				i += n
			}
		})
		wg.Go(func() {
			got := make([]byte, len(want))
			if _, err := io.ReadFull(dir.r, got); err != nil {
				t.Errorf("Read: %v", err)
			} else if !bytes.Equal(got, want) {
				t.Error("bytes arrived changed or out of order")
			}
		})
	}
	wg.Wait()
}

func testWrittenThenClosed(t *testing.T, open Maker) {
	a, b := pair(t, open)
	want := pattern(20_000)
	if _, err := a.Write(want); err != nil {
		t.Fatalf("Write: %v", err)
	}
	a.Close()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v; want all %d", len(got), err, len(want))
	}
}

func testWriteDeadline(t *testing.T, open Maker) {
	a, _ := pair(t, open)
	if err := a.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatalf("SetWriteDeadline: %v", err)
	}
	var timeout interface{ Timeout() bool }
	for range 100 {
		if _, err := a.Write(make([]byte, 1<<20)); err != nil {
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("Write = %v, want a time-out", err)
			}
			return
		}
	}
	t.Error("100 MiB were written though nobody reads")
}

func testCloseWakes(t *testing.T, open Maker) {
	a, _ := pair(t, open)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := a.Read(make([]byte, 1)); err == nil {
			t.Error("Read returned no error after Close")
		}
	})
	wg.Go(func() {
		for {
			if _, err := a.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	a.Close()
	wg.Wait()
}

func testCloseTwice(t *testing.T, open Maker) {
	a, b := pair(t, open)
	a.Close()
	a.Close()
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read = %d, %v; want EOF", n, err)
	}
	if _, err := a.Write([]byte("x")); err == nil {
		t.Error("Write after Close returned no error")
	}
}

func testAcceptClose(t *testing.T, open Maker) {
	l, _ := open(t)
	done := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		done <- err
	}()
	l.Close()
	if err := <-done; err == nil {
		t.Error("Accept returned no error after Close")
	}
}

func testDialClosed(t *testing.T, open Maker) {
	l, d := open(t)
	l.Close()
	if _, err := d.Dial(t.Context()); err == nil {
		t.Error("Dial returned no error though nobody listens")
	}
}

func testDialContext(t *testing.T, open Maker) {
	l, d := open(t)
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Dial(ctx); err == nil {
		t.Error("Dial returned no error though its context is done")
	}
}

func testSeveral(t *testing.T, open Maker) {
	l, d := open(t)
	defer l.Close()
	go func() {
		for {
			tr, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer tr.Close()
				b := make([]byte, 1)
				if _, err := io.ReadFull(tr, b); err == nil {
					tr.Write(b)
				}
			}()
		}
	}()
	var peers []link.Transport
	for range 5 {
		tr, err := d.Dial(t.Context())
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		defer tr.Close()
		peers = append(peers, tr)
	}
	for i := len(peers) - 1; i >= 0; i-- {
		b := []byte{byte(i)}
		if _, err := peers[i].Write(b); err != nil {
			t.Fatalf("peer %d: Write: %v", i, err)
		}
		b[0] = 255
		if _, err := io.ReadFull(peers[i], b); err != nil || b[0] != byte(i) {
			t.Errorf("peer %d read %d, %v", i, b[0], err)
		}
	}
}

func testFrames(t *testing.T, open Maker) {
	ta, tb := pair(t, open)
	a, b := link.New(ta, link.Config{}), link.New(tb, link.Config{})
	defer a.Close()
	defer b.Close()
	const n = 5000
	var wg sync.WaitGroup
	for i, dir := range []struct{ from, to *link.Conn }{{a, b}, {b, a}} {
		wg.Go(func() {
			for k := range n {
				if err := dir.from.Send(&link.Input{Index: link.Index(i), N: uint64(k), Message: message.Text(fmt.Sprint(k))},
					&link.Ping{Seq: uint64(k)}); err != nil {
					t.Errorf("Send: %v", err)
					return
				}
			}
			if err := dir.from.Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
		})
		wg.Go(func() {
			for k := range n {
				f, err := dir.to.Recv()
				if in, ok := f.(*link.Input); err != nil || !ok || in.N != uint64(k) || in.Message.Args[0] != fmt.Sprint(k) {
					t.Errorf("Recv %d = %+v, %v", k, f, err)
					return
				}
				f, err = dir.to.Recv()
				if p, ok := f.(*link.Ping); err != nil || !ok || p.Seq != uint64(k) {
					t.Errorf("Recv %d = %+v, %v", k, f, err)
					return
				}
			}
		})
	}
	wg.Wait()
	a.Close()
	if _, err := b.Recv(); err != io.EOF {
		t.Errorf("Recv after the peer's end = %v, want EOF", err)
	}
	if err := b.Send(&link.Ping{}); !errors.Is(err, link.ErrClosed) {
		t.Errorf("Send after the link's end = %v, want ErrClosed", err)
	}
}

func testRequest(t *testing.T, open Maker) {
	ta, tb := pair(t, open)
	a, b := link.New(ta, link.Config{}), link.New(tb, link.Config{})
	defer b.Close()
	var wg sync.WaitGroup
	wg.Go(func() { // the asking side: somebody must be in Recv
		for {
			if _, err := a.Recv(); err != nil {
				return
			}
		}
	})
	heard := make(chan string, 4)
	wg.Go(func() { // the answering side: the second question first
		var first *link.Request
		for {
			f, err := b.Recv()
			if err != nil {
				return
			}
			r := f.(*link.Request)
			heard <- r.Message.Name
			switch name := r.Message.Name; {
			case name == "hang":
			case first == nil:
				first = r
			default:
				if err := b.Send(&link.Reply{ID: r.ID, Err: "no such thing"}, &link.Reply{ID: first.ID, Message: message.New("yes", 1)}); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		}
	})
	asked := make(chan struct{})
	wg.Go(func() {
		defer close(asked)
		m, err := a.Request(t.Context(), message.New("first"))
		if err != nil || m.Name != "yes" {
			t.Errorf("Request = %v, %v; want yes", m, err)
		}
	})
	<-heard
	var refused *link.RequestError
	if _, err := a.Request(t.Context(), message.New("second")); !errors.As(err, &refused) || refused.Text != "no such thing" {
		t.Errorf("Request = %v, want the other side's refusal", err)
	}
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := a.Request(ctx, message.New("hang")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Request = %v, want the context's error", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := a.Request(t.Context(), message.New("hang"))
		done <- err
	}()
	for range 3 { // "second" and both that hang
		<-heard
	}
	a.Close()
	if err := <-done; !errors.Is(err, link.ErrClosed) {
		t.Errorf("Request on a closed link = %v, want ErrClosed", err)
	}
	wg.Wait()
}

func testStalled(t *testing.T, open Maker) {
	ta, tb := pair(t, open)
	defer tb.Close()
	a := link.New(ta, link.Config{WriteTimeout: 20 * time.Millisecond})
	defer a.Close()
	big := message.Text(string(make([]byte, 1<<20)))
	for range 30 {
		if err := a.Send(&link.Output{Sessions: []link.Index{1}, Message: big}); err != nil {
			break
		}
	}
	<-a.Ended()
	if err := a.Err(); !errors.Is(err, link.ErrStalled) {
		t.Errorf("the link ended with %v, want ErrStalled", err)
	}

	// A link with a small bound ends as soon as too much is waiting.
	tc, td := pair(t, open)
	defer td.Close()
	c := link.New(tc, link.Config{MaxBuffered: 100_000, WriteTimeout: -1})
	defer c.Close()
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		err = c.Send(&link.Output{Sessions: []link.Index{1}, Message: message.Text(string(make([]byte, 90_000)))})
	}
	if !errors.Is(err, link.ErrStalled) {
		t.Errorf("Send over the bound = %v, want ErrStalled", err)
	}
}

// RunCut tests what a link makes of a transport that breaks in the middle of a
// write: the receiver gets the frames that came whole, in order and none twice,
// then an error; the sender learns that not all was written.
func RunCut(t *testing.T, open Maker) {
	var whole int
	for _, cut := range []int{1, 3, 4, 5, 16, 17, 100, 1001} {
		l, d := open(t)
		cl, cd := Wrap(l, d, Faults{Seed: uint64(cut), Cut: cut})
		a, b := pair(t, func(*testing.T) (link.Listener, link.Dialer) { return cl, cd })
		from, to := link.New(a, link.Config{}), link.New(b, link.Config{})
		var sendErr error
		for n := 1; n <= 200 && sendErr == nil; n++ {
			sendErr = from.Send(&link.Input{Index: 1, N: uint64(n), Message: message.Text("look")})
		}
		if sendErr == nil {
			sendErr = from.Flush()
		}
		if !errors.Is(sendErr, link.ErrClosed) {
			t.Errorf("cut after %d bytes: the sender is told %v, want ErrClosed", cut, sendErr)
		}
		for n := uint64(1); ; n++ {
			f, err := to.Recv()
			if err != nil {
				break
			}
			if in, ok := f.(*link.Input); !ok || in.N != n {
				t.Errorf("cut after %d bytes: frame %d is %#v", cut, n, f)
				break
			}
			whole++
		}
		from.Close()
		to.Close()
	}
	if whole == 0 {
		t.Error("no frame came whole in any of the runs")
	}
}

// Faults says how a transport of Wrap misbehaves.
type Faults struct {
	Seed  uint64
	Split bool          // reads and writes happen in small pieces
	Delay time.Duration // each piece of a write waits up to this long
	Cut   int           // after this many written bytes the transport is closed in the middle of a write; 0 means never
}

// Wrap returns l and d with transports that misbehave as f says.
func Wrap(l link.Listener, d link.Dialer, f Faults) (link.Listener, link.Dialer) {
	return listener{l, f}, dialer{d, f}
}

type listener struct {
	link.Listener
	f Faults
}

func (l listener) Accept() (link.Transport, error) {
	t, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newTransport(t, l.f, 1), nil
}

type dialer struct {
	d link.Dialer
	f Faults
}

func (d dialer) Dial(ctx context.Context) (link.Transport, error) {
	t, err := d.d.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return newTransport(t, d.f, 2), nil
}

type transport struct {
	link.Transport
	f       Faults
	r, w    *rand.Rand // one each, as Read and Write may run at the same time
	written int
}

func newTransport(t link.Transport, f Faults, side uint64) link.Transport {
	return &transport{Transport: t, f: f, r: rand.New(rand.NewPCG(f.Seed, side)), w: rand.New(rand.NewPCG(f.Seed, side+2))}
}

func (t *transport) Read(p []byte) (int, error) {
	if t.f.Split && len(p) > 1 {
		p = p[:1+t.r.IntN(min(len(p), 600))]
	}
	return t.Transport.Read(p)
}

func (t *transport) Write(p []byte) (n int, err error) {
	for n < len(p) {
		piece := p[n:]
		if t.f.Split {
			piece = piece[:min(len(piece), 1+t.w.IntN(2000))]
		}
		if t.f.Delay > 0 {
			time.Sleep(time.Duration(t.w.Int64N(int64(t.f.Delay))))
		}
		if t.f.Cut > 0 && t.written+len(piece) > t.f.Cut {
			piece = piece[:t.f.Cut-t.written]
			k, _ := t.Transport.Write(piece)
			t.written += k
			t.Close()
			return n + k, io.ErrClosedPipe
		}
		k, err := t.Transport.Write(piece)
		n, t.written = n+k, t.written+k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
