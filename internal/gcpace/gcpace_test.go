package gcpace

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestPercentFor(t *testing.T) {
	for _, test := range []struct {
		live, floor int64
		want        int
	}{
		{0, 16 << 20, 1600},
		{4 << 20, 16 << 20, 400},
		{16 << 20, 16 << 20, 100},
		{1 << 30, 16 << 20, 100},
		{32 << 20, 16 << 20, 100},
	} {
		if got := percentFor(test.live, test.floor); got != test.want {
			t.Errorf("percentFor(%d, %d) = %d, want %d", test.live, test.floor, got, test.want)
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

func TestEnvironmentCounts(t *testing.T) {
	before := debug.SetGCPercent(150)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "150")
	Keep(64 << 20)
	if got := debug.SetGCPercent(150); got != 150 {
		t.Errorf("with GOGC=150 the percentage became %d", got)
	}
}
