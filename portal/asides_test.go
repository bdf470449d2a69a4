package portal

import (
	"fmt"
	"testing"
	"time"

	"mudlark.dev/link"
)

// The number of units is bounded: what was put aside is kept the longest, but for
// lines that are past.
func TestAsidesAreBounded(t *testing.T) {
	a := make(asides)
	now := time.Now()
	unit := func(n int) link.Unit { return link.Unit{Kind: link.UnitHook, Name: fmt.Sprint("h", n)} }
	die := func(n int) *suspect {
		now = now.Add(time.Second)
		s := a.died(unit(n), "", "", now)
		if len(a) > maxSuspects {
			t.Fatalf("%d units are kept", len(a))
		}
		return s
	}
	die(0)
	die(0)
	die(1)
	die(1)
	a[unit(1)].past = true
	for n := 2; n < 5000; n++ {
		die(n)
	}
	if s := a[unit(0)]; s == nil || !s.put {
		t.Error("what was put aside is forgotten before what was not")
	}
	if a[unit(1)] != nil {
		t.Error("a line that is past is kept")
	}
	if s := die(2); s.deaths != 1 {
		t.Errorf("%d deaths of a unit that was forgotten, want 1", s.deaths)
	}
	if s := die(4999); !s.put {
		t.Error("the newest is not put aside at its second death")
	}
	for n := 10000; n < 12000; n++ {
		die(n)
		die(n)
	}
	put := 0
	for _, s := range a.list() {
		if s.put {
			put++
		}
	}
	if put != maxSuspects || a[unit(0)] != nil || a[unit(11999)] == nil {
		t.Errorf("%d are put aside, want the last %d", put, maxSuspects)
	}
}
