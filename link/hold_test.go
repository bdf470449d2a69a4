package link_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
)

// A writeCounter counts the writes of a transport.
type writeCounter struct {
	link.Transport
	mu sync.Mutex
	n  int
}

func (t *writeCounter) WriteNow(p []byte) (int, error) {
	t.mu.Lock()
	t.n++
	t.mu.Unlock()
	return t.Transport.(link.NowWriter).WriteNow(p)
}

func (t *writeCounter) writes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// What is sent under Hold goes out in one write, when the last Hold is released; what
// is sent without it goes out at once, as before.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ta, tb := pipe.New()
		wc := &writeCounter{Transport: ta}
		a, b := link.New(wc, link.Config{}), link.New(tb, link.Config{})
		defer b.Close()
		defer a.Close()
		var seq uint64
		send := func(n int) {
			t.Helper()
			for range n {
				seq++
				if err := a.Send(&link.Ping{Seq: seq}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		for round := range 3 {
			before, seen := wc.writes(), seq
			a.Hold()
			send(3)
			a.Hold()
			send(2)
			a.Release()
			send(1)
			if n := wc.writes() - before; n != 0 {
				t.Errorf("round %d: %d writes under Hold", round, n)
			}
			a.Release()
			if err := a.Flush(); err != nil {
				t.Fatal(err)
			}
			if n := wc.writes() - before; n != 1 {
				t.Errorf("round %d: %d writes after Release, want 1", round, n)
			}
			for seen++; seen <= seq; seen++ {
				if f, err := b.Recv(); err != nil || f.(*link.Ping).Seq != seen {
					t.Fatalf("received %#v, %v; want Ping %d", f, err, seen)
				}
			}
		}
		a.Hold()
		a.Release() // nothing to write
		send(1)
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
		a.Hold()
		send(1)
		a.Close()
		a.Release()
		if err := a.Send(&link.Ping{}); err == nil {
			t.Error("Send after Close: no error")
		}
	})
}
