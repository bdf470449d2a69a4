package link_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
)

// A narrow transport takes no more than a few bytes at once without waiting, and
// counts its writes.
type narrow struct {
	link.Transport
	mu          sync.Mutex
	rng         *rand.Rand
	now, waited int
}

func (t *narrow) WriteNow(p []byte) (int, error) {
	t.mu.Lock()
	n := min(len(p), t.rng.IntN(12))
	t.now++
	t.mu.Unlock()
	return t.Transport.(link.NowWriter).WriteNow(p[:n])
}

func (t *narrow) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.waited++
	t.mu.Unlock()
	return t.Transport.Write(p)
}

// What many send at once arrives whole, each one's in order, however much of it a
// Send could write itself.
func TestSendsAtOnceAndLater(t *testing.T) {
	const senders, each = 8, 200
	ta, tb := pipe.New()
	nt := &narrow{Transport: ta, rng: rand.New(rand.NewPCG(1, 2))}
	a, b := link.New(nt, link.Config{}), link.New(tb, link.Config{})
	defer a.Close()
	defer b.Close()
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for n := range each {
				if err := a.Send(&link.Close{Index: link.Index(s + 1), N: uint64(n), Reason: "the tide"}, &link.Ping{Seq: uint64(n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var next [senders + 1]uint64
	for range senders * each {
		f, err := b.Recv()
		if err != nil {
			t.Fatal(err)
		}
		c, ok := f.(*link.Close)
		if !ok || c.N != next[c.Index] {
			t.Fatalf("received %#v, want a Close with N %d", f, next)
		}
		next[c.Index]++
		if f, err = b.Recv(); err != nil || f.(*link.Ping).Seq != c.N {
			t.Fatalf("behind Close %d: %#v, %v; want its Ping", c.N, f, err)
		}
	}
	all.Wait()
	if err := a.Flush(); err != nil {
		t.Error(err)
	}
	if nt.now == 0 || nt.waited == 0 {
		t.Errorf("%d writes at once, %d that may wait; want both", nt.now, nt.waited)
	}
}

// An idle link is written to by Send itself, and what it has written counts as
// written at once.
func TestIdleLinkIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ta, tb := pipe.New()
		c := link.New(ta, link.Config{})
		defer c.Close()
		want, err := link.AppendFrame(nil, &link.Ping{Seq: 7})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Millisecond) // or it is not idle
			if err := c.Send(&link.Ping{Seq: 7}); err != nil {
				t.Fatal(err)
			}
			// No other goroutine has run on behalf of it: the bytes are there.
			got := make([]byte, 2*len(want))
			if n, err := tb.Read(got); err != nil || !bytes.Equal(got[:n], want) {
				t.Fatalf("read %x, %v; want %x", got[:n], err, want)
			}
			if err := c.Written(c.Sent()); err != nil {
				t.Fatal(err)
			}
		}
		// Right after a write it is not idle: the writer sees to it.
		if err := c.Send(&link.Ping{Seq: 7}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := c.Written(c.Sent()); err != nil {
			t.Fatal(err)
		}
		// The peer has gone: Send says so.
		tb.Close()
		time.Sleep(time.Millisecond)
		if err := c.Send(&link.Ping{Seq: 8}); err == nil || c.Err() == nil {
			t.Errorf("Send to a peer that has gone = %v, Err = %v; want errors", err, c.Err())
		}
	})
}

func TestBuffered(t *testing.T) {
	ta, tb := pipe.New()
	c := link.New(tb, link.Config{})
	defer c.Close()
	ping, err := link.AppendFrame(nil, &link.Ping{Seq: 300})
	if err != nil {
		t.Fatal(err)
	}
	if c.Buffered() {
		t.Error("Buffered before anything has come")
	}
	two := append(bytes.Clone(ping), ping...)
	if _, err := ta.Write(two[:len(two)-1]); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	if c.Buffered() {
		t.Error("Buffered with a frame that lacks its end")
	}
	if _, err := ta.Write(append(two[len(two)-1:], ping...)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Recv(); err != nil {
		t.Fatal(err)
	}
	if !c.Buffered() {
		t.Error("not Buffered though a whole frame has come with the one before")
	}
}
