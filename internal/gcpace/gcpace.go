// Package gcpace has the garbage collector of a process leave small heaps alone.
//
// By itself the collector begins when the heap has doubled, but at 4 MiB at the
// latest: a game whose live data is a few MiB then collects fifty times a second
// under load, and spends more on it than on the game. With a floor, as much garbage
// may come together as the floor says before a collection begins, or as GOGC says if
// that is more.
package gcpace

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Floor is what a Portal and a Server keep, in bytes: with 16 MiB the collector takes
// a few percent of a busy game's time, and a game that idles does not fill it.
const Floor = 16 << 20

// usual is GOGC where nobody has set it.
const usual = 100

// Keep sets the floor of this process, in bytes, from now on: it follows the heap
// from collection to collection. It does nothing if the environment sets GOGC, whose
// word then counts, or if floor is not above 0. It is called once, at the beginning
// of a process.
func Keep(floor int64) {
	if os.Getenv("GOGC") != "" || floor <= 0 {
		return
	}
	p := &pace{floor: floor, sample: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}}
	p.set()
	p.watch()
}

// A pace follows one process.
type pace struct {
	floor   int64
	percent int
	sample  []metrics.Sample
}

// A marker is forgotten by each collection, whose end it tells thereby. It has
// something in it, as only what is allocated by itself can be told of.
type marker struct{ p *pace }

func (p *pace) watch() {
	runtime.SetFinalizer(&marker{p}, func(m *marker) {
		m.p.set()
		m.p.watch()
	})
}

// set has the next collection begin after as much garbage as is due.
func (p *pace) set() {
	metrics.Read(p.sample)
	var base uint64 // GOGC is a percentage of all that is scanned, and not of the live heap alone
	for _, s := range p.sample {
		base += s.Value.Uint64()
	}
	percent := percentFor(int64(base), p.floor)
	// Each change stops the world for a moment: small ones are not worth it.
	if diff := percent - p.percent; diff > p.percent/8 || -diff > p.percent/8 {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentFor returns how many percent of base are as much as floor, or usual if that
// is more. Less than 1 MiB counts as one.
func percentFor(base, floor int64) int {
	base = max(base, 1<<20)
	return int(min(max(float64(floor)/float64(base)*100, usual), math.MaxInt32))
}
