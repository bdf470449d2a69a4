package server

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"mudlark.dev/store"
)

const (
	// DefaultSlowTurn is Config.SlowTurn if that is 0.
	DefaultSlowTurn = 10 * time.Millisecond

	maxSlowTurns  = 256         // that are kept; the oldest goes
	keepSlowTurns = time.Minute // for how long
	maxUnits      = 8           // of a turn that are kept: the longest
	maxCommits    = 256         // whose durations are known
	leastShare    = 64          // of the time that makes a turn slow: what takes less is not kept
)

// A SlowTurn is a turn of the loop that took longer than Config.SlowTurn. While it
// lasted nobody else was answered.
type SlowTurn struct {
	Start  time.Time     `json:"start"`
	Took   time.Duration `json:"took"`   // from its first event to the loop's readiness for the next
	End    time.Duration `json:"end"`    // of that, what came after its events: values, texts, the batch
	Events int           `json:"events"` // lines, timers and finished work
	Units  []SlowUnit    `json:"units"`  // the longest of them, at most 8, the longest first
	Commit uint64        `json:"commit"` // the number of its batch; 0: it changed nothing that is stored
	Rows   int           `json:"rows"`   // of the batch
	Bytes  int           `json:"bytes"`  // of these rows
	Stored time.Duration `json:"stored"` // how long the commit took that had the batch; 0: not known, or not yet
}

// A SlowUnit is something that ran in a slow turn.
type SlowUnit struct {
	Kind string        `json:"kind"` // "command", "message", "timer", "work", "do", "value" or "hook"
	Name string        `json:"name"` // never anything that a player typed beside a command's name
	Took time.Duration `json:"took"` // how long it held the loop
}

// A flight keeps the slow turns of the last minute. Its methods may be called by any
// goroutine.
type flight struct {
	slow time.Duration // negative: off
	log  *slog.Logger

	telling sync.Mutex // before mu

	mu      sync.Mutex
	turns   []SlowTurn // in the order of their starts
	commits [maxCommits]storedIn
	next    int // the place of the next commit
	count   int // slow turns since the last line in the log
	worst   SlowTurn
	timer   *time.Timer // writes that line
	closed  bool
}

// storedIn is how long the commit of some batches took.
type storedIn struct {
	first, last uint64
	took        time.Duration
}

// add keeps a slow turn. The log has one line a minute at most.
func (f *flight) add(t SlowTurn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetLocked(t.Start.Add(t.Took))
	if len(f.turns) == maxSlowTurns {
		f.turns = slices.Delete(f.turns, 0, 1)
	}
	for _, c := range f.commits {
		if t.Commit != 0 && c.first <= t.Commit && t.Commit <= c.last {
			t.Stored = c.took
		}
	}
	f.turns = append(f.turns, t)
	if f.closed {
		return
	}
	if f.count++; f.count == 1 || t.Took > f.worst.Took {
		f.worst = t
	}
	if f.count == 1 {
		f.timer = time.AfterFunc(keepSlowTurns, func() { f.tell(false) })
	}
}

// forgetLocked forgets what has ended more than a minute ago.
func (f *flight) forgetLocked(now time.Time) {
	k := 0
	for k < len(f.turns) && now.Sub(f.turns[k].Start.Add(f.turns[k].Took)) > keepSlowTurns {
		k++
	}
	f.turns = slices.Delete(f.turns, 0, k)
}

// committed notes how long the commit of the batches from first to last took.
func (f *flight) committed(first, last uint64, took time.Duration) {
	if f.slow < 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commits[f.next] = storedIn{first, last, took}
	f.next = (f.next + 1) % maxCommits
	for i := len(f.turns) - 1; i >= 0; i-- {
		t := &f.turns[i]
		if t.Commit == 0 {
			continue
		}
		if t.Commit < first {
			break
		}
		if t.Commit <= last {
			t.Stored = took
		}
	}
}

// list returns the slow turns of the last minute.
func (f *flight) list() []SlowTurn {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetLocked(time.Now())
	return slices.Clone(f.turns)
}

// tell writes the line of the last minute, at its end or that of the flight: last.
// The lock is not held meanwhile, as the log may be on a slow disk.
func (f *flight) tell(last bool) {
	f.telling.Lock() // nothing is written when close has returned
	defer f.telling.Unlock()
	f.mu.Lock()
	if f.closed && !last {
		f.mu.Unlock()
		return
	}
	n, worst := f.count, f.worst
	f.count = 0
	f.mu.Unlock()
	if n == 0 {
		return
	}
	unit := SlowUnit{Kind: "end", Took: worst.End}
	if len(worst.Units) > 0 && worst.Units[0].Took > worst.End {
		unit = worst.Units[0]
	}
	f.log.Warn("slow turns", "turns", n, "threshold", f.slow, "longest", worst.Took, "at", worst.Start, "kind", unit.Kind, "name", unit.Name, "took", unit.Took)
}

// close ends the flight, and tells what was not told yet.
func (f *flight) close() {
	f.mu.Lock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.mu.Unlock()
	f.tell(true)
}

// SlowTurns returns the slow turns of the last minute, at most 256, in the order of
// their starts, and how long a turn must take to be one; negative if none is. It may
// be called by any goroutine, and does not wait for the loop.
func (s *Server) SlowTurns() (threshold time.Duration, turns []SlowTurn) {
	return s.meter.flight.slow, s.meter.flight.list()
}

// units are the longest of a turn, the longest first. It belongs to the loop.
type units struct {
	list  [maxUnits]SlowUnit
	n     int
	least time.Duration
}

// add adds one that took at least a share of what makes a turn slow: of shorter ones
// alone there is no slow turn.
func (u *units) add(kind, name string, took time.Duration) {
	if took < u.least {
		return
	}
	if u.n == maxUnits && took <= u.list[maxUnits-1].Took {
		return
	}
	i := min(u.n, maxUnits-1)
	for ; i > 0 && u.list[i-1].Took < took; i-- {
		u.list[i] = u.list[i-1]
	}
	u.list[i] = SlowUnit{kind, name, took}
	u.n = min(u.n+1, maxUnits)
}

// batchSize returns how many rows a batch has and the bytes of their data.
func batchSize(b *store.Batch) (rows, bytes int) {
	for _, r := range b.Puts {
		bytes += len(r.Data)
	}
	return len(b.Puts) + len(b.Deletes), bytes
}
