package metrics

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
)

// Types of a family.
const (
	TypeCounter   = "counter"
	TypeGauge     = "gauge"
	TypeHistogram = "histogram"
	TypeSummary   = "summary"
)

// A Family is what samples of one name have in common. All samples of a family
// have the same labels, beside le and quantile.
type Family struct {
	Name string
	Type string
	Help string // one sentence, without a line break
}

// A Counter rises; a Gauge is what it was set to last. Adding to a counter is one
// atomic addition, setting a gauge one atomic store. They may be used by any
// goroutine.
type (
	Counter = vm.Counter
	Gauge   = vm.Gauge
)

// A Set has the metrics of a process. Its methods may be called by any goroutine.
// They panic for a family that was not declared, or has another type: that is a
// bug of the caller.
type Set struct {
	set      *vm.Set
	families map[string]Family

	mu         sync.Mutex
	histograms map[string]*Histogram // by family and labels
}

// New returns a Set of these families.
func New(families ...Family) *Set {
	s := &Set{set: vm.NewSet(), families: make(map[string]Family, len(families)), histograms: make(map[string]*Histogram)}
	for _, f := range families {
		if _, twice := s.families[f.Name]; twice {
			panic("metrics: family " + f.Name + " is declared twice")
		}
		s.families[f.Name] = f
	}
	return s
}

// Counter returns the counter of that family with these labels, names and values in
// turn. It is made when it is asked for first, and shown from then on.
func (s *Set) Counter(family string, labels ...string) *Counter {
	return s.set.GetOrCreateCounter(s.sample(family, TypeCounter, labels))
}

// Gauge is Counter for gauges.
func (s *Set) Gauge(family string, labels ...string) *Gauge {
	return s.set.GetOrCreateGauge(s.sample(family, TypeGauge, labels), nil)
}

// Histogram is Counter for histograms. Buckets are upper bounds, rising.
func (s *Set) Histogram(family string, buckets []float64, labels ...string) *Histogram {
	id := s.sample(family, TypeHistogram, labels)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.histograms[id]
	if h == nil {
		h = &Histogram{bounds: buckets, counts: make([]uint64, len(buckets)+1)}
		s.histograms[id] = h
	}
	return h
}

// Spans is Histogram for durations that one goroutine takes: see Spans.
func (s *Set) Spans(family string, buckets []float64, labels ...string) *Spans {
	sp := &Spans{counts: make([]uint32, len(buckets)+1), h: func() *Histogram { return s.Histogram(family, buckets, labels...) }}
	for _, b := range buckets {
		sp.bounds = append(sp.bounds, time.Duration(b*float64(time.Second)))
	}
	return sp
}

func (s *Set) sample(family, kind string, labels []string) string {
	f, ok := s.families[family]
	if !ok || f.Type != kind || len(labels)%2 != 0 {
		panic(fmt.Sprintf("metrics: %s %s%v is not declared", kind, family, labels))
	}
	return f.Name + labelSet(labels)
}

var escapeValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labelSet returns labels as {name="value",…}.
func labelSet(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(labels[i])
		b.WriteString(`="`)
		// The format is UTF-8; what is not would spoil the whole page.
		escapeValue.WriteString(&b, strings.ToValidUTF8(labels[i+1], "\uFFFD"))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

// Append appends all samples of s to dst in the text format, families in the order
// of their names. A family without samples is left out.
func (s *Set) Append(dst []byte) []byte {
	var b bytes.Buffer
	s.set.WritePrometheus(&b)
	s.mu.Lock()
	histograms := maps.Clone(s.histograms)
	s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(histograms)) {
		name, labels, _ := strings.Cut(id, "{")
		histograms[id].write(&b, name, strings.TrimSuffix(labels, "}"))
	}
	return appendFamilies(dst, b.Bytes(), s.families, nil)
}

// Families returns what is declared, by name.
func (s *Set) Families() []Family {
	out := make([]Family, 0, len(s.families))
	for _, f := range s.families {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Buckets of durations in seconds.
var (
	// Short is for what is to take milliseconds at most: 50 µs to 1 s.
	Short = []float64{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1}
	// Long is for what people wait for: 50 ms to a minute.
	Long = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	// Counts is for how many there are of something: 1 to 65,536.
	Counts = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 65536}
)
