package bench

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Report is what has come of a run. Times that end in _ms are milliseconds.
type Report struct {
	Began     time.Time `json:"began"`
	Addr      string    `json:"addr,omitempty"` // empty if the game was started for the run
	CPUs      int       `json:"cpus"`
	Go        string    `json:"go"` // the version that this program was built with
	Seed      uint64    `json:"seed"`
	Clients   int       `json:"clients"`
	Idle      int       `json:"idle"`
	Room      int       `json:"room"`
	DurationS float64   `json:"duration_s"`
	WarmupS   float64   `json:"warmup_s"`
	Results   []*Result `json:"results"`

	// What became of the one line that each idle player has typed at the end, and what
	// one of them took of the memory of Portal and Server, or of the processes that
	// were named: the growth while they came in.
	IdleCounts Counts  `json:"idle_counts"`
	IdleBytes  float64 `json:"idle_bytes_each,omitempty"`
}

// A Result is what has come of one mix. The counts are of all of its lines, with
// those of the warm-up and the fences; latencies and PerSecond are of those that
// were due, or answered, in the time that counts.
type Result struct {
	Mix     string  `json:"mix"`
	Loop    string  `json:"loop"` // "closed" or "open"
	Clients int     `json:"clients"`
	RateDue float64 `json:"rate_due_per_s,omitempty"` // in an open loop

	Counts
	Heard   int64 `json:"heard,omitempty"`   // what others said where that goes to many
	Unheard int64 `json:"unheard,omitempty"` // what should have been heard, and was not

	// What was heard twice, or after what the same speaker has said later.
	Disordered     int64   `json:"disordered,omitempty"`
	HeardPerSecond float64 `json:"heard_per_s,omitempty"` // in the time that counts

	PerSecond   float64            `json:"answers_per_s"`
	GameCPU     float64            `json:"game_cpu"` // of the processes that are watched but bench, in processors
	All         Latency            `json:"latency"`
	Latencies   map[string]Latency `json:"latency_by_line"`
	Reading     *Latency           `json:"latency_reading,omitempty"`  // of lines that change nothing
	Changing    *Latency           `json:"latency_changing,omitempty"` // of those that change what is stored; both, or none
	Percentiles []Point            `json:"percentiles"`
	Processes   []*Process         `json:"processes"`
}

// A Latency sums up the times from when a line was due to its answer.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// A Point says that a share of all, in per cent, was not slower than this.
type Point struct {
	Percentile float64 `json:"percentile"`
	MS         float64 `json:"ms"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(p float64) float64 { return millis(h.ValueAtPercentile(p)) }
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{Count: h.TotalCount(), Mean: millis(int64(h.Mean())), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: millis(h.Max())}
}

// curveOf has points that are close together where a logarithmic axis is wide, as
// far as there are values to tell them apart.
func curveOf(h *hdrhistogram.Histogram) []Point {
	var points []Point
	n := float64(h.TotalCount())
	if n == 0 {
		return nil
	}
	for i := 0; ; i++ {
		rest := math.Pow(10, -float64(i)/20)
		if i > 0 && rest*n < 1 {
			break
		}
		p := 100 * (1 - rest)
		points = append(points, Point{Percentile: math.Round(p*1e6) / 1e6, MS: millis(h.ValueAtPercentile(p))})
	}
	return points
}

// millis rounds microseconds for people.
func millis(us int64) float64 { return math.Round(float64(us)) / 1000 }

func round(f float64) float64 { return math.Round(f*100) / 100 }

func (r *Result) label() string {
	if r.Loop == "open" {
		return fmt.Sprintf("%s, %g/s", r.Mix, r.RateDue)
	}
	return r.Mix
}

func (r *Result) bad() int64 { return r.Counts.bad() + max(r.Unheard, -r.Unheard) + r.Disordered }

func (r *Report) bad() (n int64) {
	n = r.IdleCounts.bad()
	for _, res := range r.Results {
		n += res.bad()
	}
	return n
}

// print writes the report for people.
func (r *Report) print(w io.Writer) error {
	game := "a game of its own, rooms of " + fmt.Sprint(r.Room)
	if r.Addr != "" {
		game = "the game at " + r.Addr
	}
	if r.Idle > 0 {
		game += fmt.Sprintf(", %d idle players beside them", r.Idle)
	}
	fmt.Fprintf(w, "%d players, %s; %g s after %g s of warm-up; %d processors\n\n", r.Clients, game, r.DurationS, math.Round(r.WarmupS*1000)/1000, r.CPUs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "mix\tline\tanswers\tper s\tmean ms\tp50\tp90\tp99\tp99.9\tmax\tlost\tdoubled\twrong\t")
	for _, res := range r.Results {
		row := func(label, line, perSecond string, l Latency, rest string) {
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t", label, line, l.Count, perSecond)
			for _, v := range []float64{l.Mean, l.P50, l.P90, l.P99, l.P999, l.Max} {
				cell := "-"
				if l.Count > 0 {
					cell = fmt.Sprintf("%.2f", v)
				}
				fmt.Fprintf(t, "%s\t", cell)
			}
			fmt.Fprintf(t, "%s\n", rest)
		}
		rest := fmt.Sprintf("%d\t%d\t%d\t", res.Lost, res.Doubled, res.Wrong)
		row(res.label(), "all", fmt.Sprintf("%.0f", res.PerSecond), res.All, rest)
		if len(res.Latencies) > 1 {
			for _, k := range slices.Sorted(maps.Keys(res.Latencies)) {
				row("", k, "", res.Latencies[k], "\t\t\t")
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	fmt.Fprintln(t, "mix\tprocess\tCPU s\tCPU %\tms/1000 answers\tRSS before\tafter\tmaximum\t")
	mib := func(n int64) string {
		if n < 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	for _, res := range r.Results {
		label := res.label()
		for _, p := range res.Processes {
			cost := "-"
			if n := res.PerSecond * r.DurationS; n > 0 && p.CPUSeconds >= 0 {
				cost = fmt.Sprintf("%.0f", p.CPUSeconds*1e6/n)
			}
			fmt.Fprintf(t, "%s\t%s\t%.2f\t%.0f\t%s\t%s\t%s\t%s\t\n", label, p.Name, p.CPUSeconds, p.CPUPercent, cost, mib(p.RSSBefore), mib(p.RSSAfter), mib(p.RSSMax))
			label = ""
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, res := range r.Results {
		if res.Heard > 0 {
			fmt.Fprintf(w, "%s: what others said was heard %d times, and not heard %d times; %.0f times a second.\n", res.label(), res.Heard, res.Unheard, res.HeardPerSecond)
		}
		if res.Disordered > 0 {
			fmt.Fprintf(w, "%s: %d times something was heard twice, or too late for its order.\n", res.label(), res.Disordered)
		}
		if res.Changing != nil {
			fmt.Fprintf(w, "%s: p99.9 of lines that change what is stored %.2f ms, of the others %.2f ms.\n", res.label(), res.Changing.P999, res.Reading.P999)
		}
		if len(res.Processes) > 1 && res.GameCPU > 0 {
			fmt.Fprintf(w, "%s: the game took %.2f of a processor.\n", res.label(), res.GameCPU)
		}
		if res.Late > 0 {
			fmt.Fprintf(w, "%s: %d of the lost were answered after all, too late.\n", res.label(), res.Late)
		}
		if res.All.Count == 0 && res.Mix != "idle" {
			fmt.Fprintf(w, "%s: no line that counts was answered.\n", res.label())
		}
	}
	if r.IdleBytes > 0 {
		fmt.Fprintf(w, "Each idle player took %.1f KiB of the game's memory.\n", r.IdleBytes/1024)
	}
	if n := r.bad(); n > 0 {
		_, err := fmt.Fprintf(w, "WRONG: %d answers are lost, doubled or wrong.\n", n)
		return err
	}
	_, err := fmt.Fprintln(w, "Every line was answered once, and right.")
	return err
}
