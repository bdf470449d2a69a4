package pipe_test

import (
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/link/linktest"
	"mudlark.dev/link/pipe"
)

func TestContract(t *testing.T) {
	linktest.Run(t, func(*testing.T) (link.Listener, link.Dialer) {
		l := pipe.Listen()
		return l, l
	})
}

func TestContractWithFaults(t *testing.T) {
	linktest.Run(t, func(*testing.T) (link.Listener, link.Dialer) {
		l := pipe.Listen()
		return linktest.Wrap(l, l, linktest.Faults{Seed: 1, Split: true})
	})
}

func TestCut(t *testing.T) {
	linktest.RunCut(t, func(*testing.T) (link.Listener, link.Dialer) {
		l := pipe.Listen()
		return l, l
	})
}

// In a bubble the deadline is on the bubble's clock: nothing of the pipe may
// block in a way that the bubble cannot see.
func TestDeadlineInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New()
		defer b.Close()
		defer a.Close()
		start := time.Now()
		a.SetWriteDeadline(start.Add(time.Hour))
		n, err := a.Write(make([]byte, pipe.Buffer+1))
		if n != pipe.Buffer || err == nil {
			t.Errorf("Write = %d, %v; want %d bytes and a time-out", n, err, pipe.Buffer)
		}
		if got := time.Since(start); got != time.Hour {
			t.Errorf("Write returned after %v, want an hour", got)
		}
	})
}
