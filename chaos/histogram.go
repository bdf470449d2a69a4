package chaos

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A histogram counts waits in steps of a fiftieth, from 10 µs on, in bounded memory.
type histogram struct {
	counts []int
	n      int
	max    time.Duration
}

const (
	firstStep = 10 * time.Microsecond
	stepRatio = 1.02
)

func (h *histogram) add(d time.Duration) {
	i := 0
	if d > firstStep {
		i = int(math.Log(float64(d)/float64(firstStep)) / math.Log(stepRatio))
	}
	i = min(i, 1200) // more than two days
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]int, i+1-len(h.counts))...)
	}
	h.counts[i]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	if len(o.counts) > len(h.counts) {
		h.counts = append(h.counts, make([]int, len(o.counts)-len(h.counts))...)
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// quantile returns the wait that a share q of all does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int(math.Ceil(q * float64(h.n)))
	for i, n := range h.counts {
		if rank -= n; rank <= 0 {
			return min(h.max, time.Duration(float64(firstStep)*math.Pow(stepRatio, float64(i+1))))
		}
	}
	return h.max
}

// pauseOf sums up a list of waits, which it sorts.
func pauseOf(list []time.Duration) Pause {
	if len(list) == 0 {
		return Pause{}
	}
	slices.Sort(list)
	at := func(q float64) float64 { return millis(list[min(len(list)-1, int(q*float64(len(list))))]) }
	return Pause{Count: len(list), Median: at(0.5), P99: at(0.99), Max: millis(list[len(list)-1])}
}

func millis(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*100) / 100
}

// A choice is one of several things, with how often it is to be.
type choice struct {
	name   string
	weight int
}

func pick(rng *rand.Rand, list []choice) string {
	sum := 0
	for _, c := range list {
		sum += c.weight
	}
	at := rng.IntN(sum)
	for _, c := range list {
		if at -= c.weight; at < 0 {
			return c.name
		}
	}
	return list[len(list)-1].name
}

func durationOf(seconds float64) time.Duration {
	return time.Duration(min(seconds, 3600) * float64(time.Second))
}
