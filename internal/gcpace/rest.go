package gcpace

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// restEvery is how often a process is looked at.
	restEvery = 30 * time.Second
	// restBytes is how much a process allocates between two looks that does next to
	// nothing: keepalives, pings, a page of metrics.
	restBytes = 4 << 20
	// restWorth is how much there is to give back for it to be worth a collection.
	restWorth = 4 << 20
)

// Rest gives memory back to the system whenever this process has had little to do for
// half a minute: it collects garbage and releases what is free. Otherwise what many logins
// or a busy hour have left stays until the next collection, which a process that
// idles hardly comes to, and the free memory stays longer still. It returns when ctx
// is done.
func Rest(ctx context.Context) {
	var r rest
	t := time.NewTicker(restEvery)
	defer t.Stop()
	r.look()
	for {
		select {
		case <-t.C:
			if r.look() {
				debug.FreeOSMemory()
				r.look() // what the collection has allocated is not the process's doing
			}
		case <-ctx.Done():
			return
		}
	}
}

// A rest is what was seen of the process.
type rest struct {
	allocated uint64
	settled   bool // it has been quiet before, and was collected then
}

// look reports whether memory is to be given back.
func (r *rest) look() bool {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	v := func(i int) uint64 { return s[i].Value.Uint64() }
	return r.due(v(0), v(2)-min(v(1), v(2))+v(3))
}

// due takes how many bytes were ever allocated, and how many are known to be of no
// use. What has become so since the last collection is not among them, so after
// whatever the process was busy with it is due once in any case.
func (r *rest) due(allocated, back uint64) bool {
	quiet := allocated-r.allocated < restBytes
	r.allocated = allocated
	first := !r.settled
	r.settled = quiet
	return quiet && (first || back >= restWorth)
}
