package bench

import (
	"slices"
	"time"
)

// A kind is what a line asks for.
type kind string

const (
	look  kind = "look"
	walk  kind = "walk"
	say   kind = "say"
	get   kind = "get"
	drop  kind = "drop"
	fence kind = "fence" // said now and then: all before it must be answered before it
	login kind = "login"
)

// changes reports whether a line of the kind changes what is stored.
func (k kind) changes() bool { return k == walk || k == get || k == drop }

// A pending line was typed and has no answer yet.
type pending struct {
	kind kind
	want string    // what its answer must name, such as a number; "" if answers have none
	due  time.Time // when it was to be typed; its latency begins then
	sent time.Time
}

// is reports whether an answer can be this line's.
func (p pending) is(k kind, got string) bool {
	return p.kind == k && (p.want == "" || p.want == got)
}

// Counts are what became of lines. Each line that was sent is answered or lost.
type Counts struct {
	Sent     int64 `json:"sent"`
	Answered int64 `json:"answered"`
	Lost     int64 `json:"lost"`    // without an answer when a later line was answered, or in time
	Late     int64 `json:"late"`    // of the lost, those that were answered after all
	Doubled  int64 `json:"doubled"` // answers to lines that had one
	Wrong    int64 `json:"wrong"`   // answers that belong to no line, or name another thing than it asked for
}

func (c *Counts) add(o Counts) {
	c.Sent += o.Sent
	c.Answered += o.Answered
	c.Lost += o.Lost
	c.Late += o.Late
	c.Doubled += o.Doubled
	c.Wrong += o.Wrong
}

// bad is how many answers were not as they must be.
func (c Counts) bad() int64 { return c.Lost + c.Doubled + c.Wrong }

// remembered is how many lines that are done with a matcher knows.
const remembered = 64

// A matcher finds the line that an answer belongs to. Games answer the lines of a
// player in order. It is not safe for concurrent use; the zero value is ready.
type matcher struct {
	queue  []pending
	done   []pending // answered, the last ones
	lost   []pending
	counts Counts
}

func (m *matcher) typed(p pending) {
	m.queue = append(m.queue, p)
	m.counts.Sent++
}

// answer takes an answer, and returns the line it belongs to. If there is none, or
// the answer is a wrong one, ok is false, and the answer is counted as such.
func (m *matcher) answer(k kind, got string) (p pending, ok bool) {
	for i, p := range m.queue {
		if p.is(k, got) {
			m.lose(i)
			m.queue = m.queue[1:]
			m.counts.Answered++
			m.done = remember(m.done, p)
			return p, true
		}
		if p.kind == fence && k != fence {
			break // what is behind a fence is not answered before it
		}
	}
	// An answer without a number is rather late than doubled while a line of its
	// kind is lost.
	is := func(p pending) bool { return p.is(k, got) }
	if i := slices.IndexFunc(m.lost, is); i >= 0 {
		m.lost = slices.Delete(m.lost, i, i+1)
		m.counts.Late++
		return pending{}, false
	}
	if slices.ContainsFunc(m.done, is) {
		m.counts.Doubled++
		return pending{}, false
	}
	m.counts.Wrong++
	if len(m.queue) > 0 && m.queue[0].kind == k {
		// It is this line's answer, and names another thing. It is counted once, as
		// wrong, and the line as answered.
		m.queue = m.queue[1:]
		m.counts.Answered++
	}
	return pending{}, false
}

// lose takes the first n lines for lost.
func (m *matcher) lose(n int) {
	for _, p := range m.queue[:n] {
		m.lost = remember(m.lost, p)
	}
	m.counts.Lost += int64(n)
	m.queue = m.queue[n:]
}

// expire takes the lines that were sent before t for lost.
func (m *matcher) expire(t time.Time) {
	n := 0
	for n < len(m.queue) && m.queue[n].sent.Before(t) {
		n++
	}
	m.lose(n)
}

// reset begins a new count. What is pending is forgotten.
func (m *matcher) reset() { *m = matcher{} }

func remember(list []pending, p pending) []pending {
	if len(list) >= remembered {
		list = slices.Delete(list, 0, len(list)-remembered+1)
	}
	return append(list, p)
}
