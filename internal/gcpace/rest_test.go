package gcpace

import (
	"context"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"
)

func TestRestIsDue(t *testing.T) {
	r := rest{allocated: 100 << 20}
	for i, test := range []struct {
		allocated, back uint64
		want            bool
	}{
		{150 << 20, 50 << 20, false}, // it was busy
		{151 << 20, 50 << 20, true},  // no longer
		{151 << 20, 1 << 20, false},  // there is little to give back
		{152 << 20, 30 << 20, true},
		{157 << 20, 30 << 20, false},
	} {
		if got := r.due(test.allocated, test.back); got != test.want {
			t.Errorf("look %d: due(%d, %d) = %v, want %v", i, test.allocated, test.back, got, test.want)
		}
	}
}

// A process that has left much garbage and then does nothing gives it back.
func TestRestGivesBack(t *testing.T) {
	heap := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64() + s[1].Value.Uint64()
	}
	const garbage = 64 << 20
	held = make([]byte, garbage)
	before := heap()
	held = nil
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { Rest(ctx); close(done) }()
		time.Sleep(2*restEvery + time.Second)
		cancel()
		<-done
	})
	if now := heap(); now > before-garbage/2 {
		t.Errorf("the heap has %d MiB, and had %d with %d MiB of garbage", now>>20, before>>20, garbage>>20)
	}
}
