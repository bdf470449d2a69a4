package metrics_test

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mudlark.dev/internal/metrics"
	"mudlark.dev/internal/metrics/metricstest"
)

func testSet() *metrics.Set {
	return metrics.New(
		metrics.Family{Name: "lamp_lit_total", Type: metrics.TypeCounter, Help: "Lamps that were lit."},
		metrics.Family{Name: "lamp_oil_litres", Type: metrics.TypeGauge, Help: "Oil."},
		metrics.Family{Name: "lamp_burn_seconds", Type: metrics.TypeHistogram, Help: "How long lamps burn."},
		metrics.Family{Name: "lamp_unused_total", Type: metrics.TypeCounter, Help: "Never counted."},
	)
}

func parse(t *testing.T, page []byte) map[string]*metricstest.Family {
	t.Helper()
	f, err := metricstest.Parse(string(page))
	if err != nil {
		t.Fatalf("%v in\n%s", err, page)
	}
	return f
}

func TestAppend(t *testing.T) {
	s := testSet()
	s.Counter("lamp_lit_total", "where", "quay").Add(3)
	s.Counter("lamp_lit_total", "where", "quay").Inc()
	for _, hard := range []string{`a "quoted" one`, `back\slash`, "two\nlines", "{brace},x=", "bad\xffbyte", "Glühwürmchen", `"`, `\`, ""} {
		s.Counter("lamp_lit_total", "where", hard).Inc()
		s.Histogram("lamp_burn_seconds", metrics.Short, "where", hard).Update(0.5)
	}
	s.Gauge("lamp_oil_litres").Set(2.5)
	h := s.Histogram("lamp_burn_seconds", metrics.Short, "where", "quay")
	for _, v := range []float64{0.00001, 0.002, 0.002, 5} {
		h.Update(v)
	}
	page := s.Append([]byte(nil))
	f := parse(t, page)
	if len(f) != 3 {
		t.Errorf("%d families, want 3: one has no samples", len(f))
	}
	for _, tt := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"lamp_lit_total", map[string]string{"where": "quay"}, 4},
		{"lamp_lit_total", map[string]string{"where": `a "quoted" one`}, 1},
		{"lamp_lit_total", map[string]string{"where": "two\nlines"}, 1},
		{"lamp_lit_total", map[string]string{"where": "bad\uFFFDbyte"}, 1},
		{"lamp_lit_total", map[string]string{"where": `\`}, 1},
		{"lamp_oil_litres", map[string]string{}, 2.5},
		{"lamp_burn_seconds_count", map[string]string{"where": "quay"}, 4},
		{"lamp_burn_seconds_bucket", map[string]string{"where": "quay", "le": "0.0025"}, 3},
		{"lamp_burn_seconds_bucket", map[string]string{"where": "quay", "le": "+Inf"}, 4},
	} {
		if got, ok := metricstest.Value(f, tt.name, tt.labels); !ok || got != tt.want {
			t.Errorf("%s%v = %v, %v; want %v in\n%s", tt.name, tt.labels, got, ok, tt.want, page)
		}
	}
}

func TestUndeclared(t *testing.T) {
	s := testSet()
	odd := []string{"where"}
	for name, f := range map[string]func(){
		"unknown":     func() { s.Counter("lamp_broken_total") },
		"other type":  func() { s.Gauge("lamp_lit_total") },
		"half a pair": func() { s.Counter("lamp_lit_total", odd...) },
		"twice":       func() { metrics.New(s.Families()[0], s.Families()[0]) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// TestSpans shows that what is collected is what a Histogram would have counted.
func TestSpans(t *testing.T) {
	s := testSet()
	sp := s.Spans("lamp_burn_seconds", metrics.Short, "where", "quay")
	if page := s.Append(nil); len(page) != 0 {
		t.Errorf("before the first Flush there is\n%s", page)
	}
	h := s.Histogram("lamp_burn_seconds", metrics.Short, "where", "sea")
	for round := range 3 {
		for _, d := range []time.Duration{0, 50 * time.Microsecond, 50*time.Microsecond + 1, 3 * time.Millisecond, time.Second, time.Hour} {
			sp.Add(d)
			h.Update(d.Seconds())
		}
		sp.Flush()
		f := parse(t, s.Append(nil))
		got := map[string][]float64{}
		for _, sample := range f["lamp_burn_seconds"].Samples {
			got[sample.Labels["where"]] = append(got[sample.Labels["where"]], sample.Value)
		}
		if len(got["quay"]) != len(metrics.Short)+3 || !slices.EqualFunc(got["quay"], got["sea"], func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }) {
			t.Errorf("round %d: collected %v, counted %v", round, got["quay"], got["sea"])
		}
	}
}

// TestTwoSets shows that two games do not share anything.
func TestTwoSets(t *testing.T) {
	a, b := testSet(), testSet()
	a.Counter("lamp_lit_total").Inc()
	if page := b.Append(nil); len(page) != 0 {
		t.Errorf("the other set has\n%s", page)
	}
}

func TestMerge(t *testing.T) {
	a, b := testSet(), testSet()
	a.Counter("lamp_lit_total", "process", "portal").Add(1)
	b.Counter("lamp_lit_total", "process", "server").Add(2)
	b.Gauge("lamp_oil_litres").Set(7)
	one, two := metrics.AppendProcess(a.Append(nil), "portal"), metrics.AppendProcess(b.Append(nil), "server")
	page := metrics.Merge(nil, one, two)
	f := parse(t, page)
	for process, want := range map[string]float64{"portal": 1, "server": 2} {
		if got, _ := metricstest.Value(f, "lamp_lit_total", map[string]string{"process": process}); got != want {
			t.Errorf("lamp_lit_total of %s = %v, want %v", process, got, want)
		}
		if got, ok := metricstest.Value(f, "go_goroutines", map[string]string{"process": process}); !ok || got < 1 {
			t.Errorf("go_goroutines of %s = %v, %v", process, got, ok)
		}
	}
	if n := strings.Count(string(page), "# TYPE lamp_lit_total "); n != 1 {
		t.Errorf("lamp_lit_total is declared %d times", n)
	}

	// Another build has another type for a name: its samples would be wrong.
	other := metrics.New(metrics.Family{Name: "lamp_oil_litres", Type: metrics.TypeHistogram, Help: "Oil."})
	other.Histogram("lamp_oil_litres", metrics.Counts).Update(1)
	f = parse(t, metrics.Merge(nil, two, other.Append(nil)))
	if got := f["lamp_oil_litres"]; got.Type != metrics.TypeGauge || len(got.Samples) != 1 {
		t.Errorf("lamp_oil_litres = %+v, want the gauge alone", got)
	}
	// Rubbish is passed over.
	parse(t, metrics.Merge(nil, one, []byte("<html>\n# TYPE x\n# HELP\nx 1\nlamp_lit_total 5")))
}

// TestConcurrent is for the race detector: counting and writing at the same time.
func TestConcurrent(t *testing.T) {
	s := testSet()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				s.Counter("lamp_lit_total", "where", "quay").Inc()
				s.Histogram("lamp_burn_seconds", metrics.Long).Update(float64(i))
				s.Gauge("lamp_oil_litres").Set(float64(i))
				if _, err := metricstest.Parse(string(s.Append(nil))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, _ := metricstest.Value(parse(t, s.Append(nil)), "lamp_lit_total", map[string]string{"where": "quay"}); got != 400 {
		t.Errorf("lamp_lit_total = %v, want 400", got)
	}
}
