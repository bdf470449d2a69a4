package bench

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"mudlark.dev/launch"
)

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		rounds            []float64
		median, low, high float64
	}{
		{nil, 0, 0, 0}, {[]float64{3}, 3, 3, 3}, {[]float64{3, 1}, 2, 1, 3}, {[]float64{9, 1, 2}, 2, 1, 9},
	} {
		s := spreadOf(test.rounds)
		if s.Median != test.median || s.Low != test.low || s.High != test.high {
			t.Errorf("spreadOf(%v) = %+v, want %v [%v–%v]", test.rounds, s, test.median, test.low, test.high)
		}
	}
}

func TestRows(t *testing.T) {
	s := &suite{rounds: 3, rep: &TargetReport{Rounds: 3}}
	r := s.row("a", "lines/s", "echo", []float64{10, 20, 30}, []float64{20, 20, 20})
	if r.bound("ratio", true, 0.9); r.Ratio.Median != 1 || r.Ratio.Low != 0.5 || !r.Met {
		t.Errorf("row %+v, ratio %+v, want a median of 1 and at least 0.9 met", r, r.Ratio)
	}
	if r.bound("ratio", false, 0.9); r.Met {
		t.Error("at most 0.9 is met by 1")
	}
	r = s.row("b", "ms", "", []float64{5, 6, 7}, nil)
	if r.bound("measured", false, 6); !r.Met {
		t.Error("at most 6 is not met by 6")
	}
	if r.bound("measured", true, 6.5); r.Met {
		t.Error("at least 6.5 is met by 6")
	}
	// A yardstick that had nothing is no division by zero.
	if r := s.row("c", "processors", "relay", []float64{1}, []float64{0}); r.Ratio.Median != 0 {
		t.Errorf("ratio to nothing is %v", r.Ratio.Median)
	}
	s.note("something else")
	var out bytes.Buffer
	if err := s.rep.print(&out, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"20.0 [10.0–30.0] lines/s", "echo: 20.0 [20.0–20.0]", "1.00 [0.50–1.50]", "≤ 0.90", "no", "≥ 6.50 ms", "something else", "Every line was answered once"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

func TestTargetPlots(t *testing.T) {
	r := &TargetReport{}
	if r.latencySVG() != nil || r.crowdSVG() != nil {
		t.Error("nothing is drawn all the same")
	}
	r.latencies = []*Result{{Mix: "look", Percentiles: []Point{{0, 1}, {50, 2}}}}
	for name, list := range map[string][]Speech{
		"one":  {{Who: "game", Lines: 50, Deliveries: 0}},
		"many": {{Who: "game", Lines: 50, Deliveries: 50e3, KeptUp: true}, {Who: "hall", Lines: 3000, Deliveries: 3e6, KeptUp: true}, {Who: "game", Lines: 100, Deliveries: 7e4}},
	} {
		r.Crowd = list
		svg := r.crowdSVG()
		if err := xml.Unmarshal(svg, new(struct{})); err != nil || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("%s: %v\n%s", name, err, svg)
		}
		if n := bytes.Count(svg, []byte("<circle")); n != len(list) {
			t.Errorf("%s: %d points, want %d", name, n, len(list))
		}
	}
	if svg := r.latencySVG(); bytes.Contains(svg, []byte("0 players")) {
		t.Errorf("the picture has a number of players:\n%s", svg)
	}
}

func TestTargetFlags(t *testing.T) {
	for args, want := range map[string]string{
		"targets --rounds 0":    "--rounds: 0",
		"targets --only dance":  `"dance" is none of look`,
		"targets extra":         "no argument",
		"targets --what":        "unknown flag",
		"floor":                 "one of echo, relay, hall",
		"floor pier":            `"pier" is none of echo`,
		"floor echo relay hall": "one of echo",
	} {
		err := runCommand(t.Context(), strings.Fields(args), launch.Stdio{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", args, err, want)
		}
	}
	var out bytes.Buffer
	if err := runCommand(t.Context(), []string{"targets", "--help"}, launch.Stdio{Out: &out, Err: io.Discard}); err != nil || !strings.Contains(out.String(), "--rounds") {
		t.Errorf("help: %v\n%s", err, out.String())
	}
}
