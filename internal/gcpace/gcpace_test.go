package gcpace

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
)

func TestPercentFor(t *testing.T) {
	for _, test := range []struct {
		base, floor int64
		want        int
	}{
		{0, 16 << 20, 1600},
		{4 << 20, 16 << 20, 400},
		{16 << 20, 16 << 20, 100},
		{1 << 30, 16 << 20, 100},
		{32 << 20, 16 << 20, 100},
	} {
		if got := percentFor(test.base, test.floor); got != test.want {
			t.Errorf("percentFor(%d, %d) = %d, want %d", test.base, test.floor, got, test.want)
		}
	}
}

// held is reachable, so that what it holds is live.
var held []byte

// The setting follows the heap as it grows and shrinks.
func TestKeepFollowsTheHeap(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(usual))
	t.Setenv("GOGC", "")
	Keep(64 << 20)
	percent := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	// The finalizer runs some time after a collection: each of the next ones
	// may be the first to be followed by it.
	until := func(what string, ok func(uint64) bool) {
		t.Helper()
		for range 10000 {
			if ok(percent()) {
				return
			}
			runtime.GC()
			runtime.Gosched()
		}
		t.Errorf("with %s the percentage stays at %d", what, percent())
	}
	until("a small heap", func(p uint64) bool { return p > 1000 })
	held = make([]byte, 256<<20)
	until("a large heap", func(p uint64) bool { return p == usual })
	held = nil
	until("a small heap again", func(p uint64) bool { return p > 1000 })
}

// What comes together before a collection is the floor, and not a multiple of it,
// also where stacks and globals are more than the live heap.
func TestFloorIsKept(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(usual))
	t.Setenv("GOGC", "")
	const floor = 64 << 20 // as in the other test, whose Keep goes on
	release := make(chan struct{})
	var deep sync.WaitGroup
	for range 200 {
		deep.Go(func() { stack(64<<10, release) })
	}
	defer deep.Wait()
	defer close(release)
	Keep(floor)
	goal := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
		metrics.Read(s)
		if s[2].Value.Uint64() < 4<<20 {
			return 0 // the stacks are not seen yet
		}
		return s[0].Value.Uint64() - s[1].Value.Uint64()
	}
	var got uint64
	for range 10000 {
		runtime.GC()
		runtime.Gosched()
		if got = goal(); got > floor/2 && got < floor*3/2 {
			return
		}
	}
	t.Errorf("%d bytes may come together before a collection, want about %d", got, floor)
}

// stack has a stack of at least n bytes until release is closed.
func stack(n int, release <-chan struct{}) byte {
	var frame [1 << 10]byte
	if n <= 0 {
		<-release
		return frame[0]
	}
	frame[n%len(frame)] = stack(n-len(frame), release)
	return frame[0]
}

func TestEnvironmentCounts(t *testing.T) {
	before := debug.SetGCPercent(150)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "150")
	Keep(64 << 20)
	if got := debug.SetGCPercent(150); got != 150 {
		t.Errorf("with GOGC=150 the percentage became %d", got)
	}
}
