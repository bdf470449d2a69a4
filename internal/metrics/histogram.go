package metrics

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A Histogram counts values in buckets. It may be used by any goroutine; a lock of
// its own is held for a moment.
type Histogram struct {
	bounds []float64

	mu     sync.Mutex
	counts []uint64 // by bucket, the last for what is above all bounds
	sum    float64
}

// Update counts a value.
func (h *Histogram) Update(v float64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.mu.Lock()
	h.counts[i]++
	h.sum += v
	h.mu.Unlock()
}

// write writes the samples. labels are in the form of labelSet, without braces.
func (h *Histogram) write(w io.Writer, name, labels string) {
	h.mu.Lock()
	counts, sum := append([]uint64(nil), h.counts...), h.sum
	h.mu.Unlock()
	comma, set := "", ""
	if labels != "" {
		comma, set = ",", "{"+labels+"}"
	}
	n := uint64(0)
	for i, bound := range h.bounds {
		n += counts[i]
		fmt.Fprintf(w, "%s_bucket{%s%sle=\"%v\"} %d\n", name, labels, comma, bound, n)
	}
	n += counts[len(h.bounds)]
	fmt.Fprintf(w, "%s_bucket{%s%sle=\"+Inf\"} %d\n%s_sum%s %g\n%s_count%s %d\n", name, labels, comma, n, name, set, sum, name, set, n)
}

// Spans collects durations for a Histogram of seconds, for one goroutine that takes
// very many of them: a duration costs two additions, and the Histogram is brought up
// to date by Flush. Make it with Set.Spans.
type Spans struct {
	h      func() *Histogram
	made   *Histogram
	bounds []time.Duration
	counts []uint32
	sum    time.Duration
}

// Add counts a duration.
func (s *Spans) Add(d time.Duration) {
	i := 0
	for i < len(s.bounds) && d > s.bounds[i] {
		i++
	}
	s.counts[i]++
	s.sum += d
}

// Flush gives the Histogram what was added. It is made at the first Flush.
func (s *Spans) Flush() {
	if s.made == nil {
		s.made = s.h()
	}
	s.made.mu.Lock()
	for i, n := range s.counts {
		if n != 0 {
			s.made.counts[i] += uint64(n)
			s.counts[i] = 0
		}
	}
	s.made.sum += s.sum.Seconds()
	s.made.mu.Unlock()
	s.sum = 0
}
