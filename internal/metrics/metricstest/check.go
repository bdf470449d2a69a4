// Package metricstest checks the text format of metrics strictly, for tests: more
// strictly than scrapers do, and by code that shares nothing with what writes it.
package metricstest

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Family is a family as it was read.
type Family struct {
	Name, Type, Help string
	Samples          []Sample
}

// A Sample is one line.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

var (
	nameRE  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	labelRE = regexp.MustCompile(`^([a-z][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)`)
	lineRE  = regexp.MustCompile(`^([a-z][a-z0-9_]*)(?:\{(.*)\})? (\S+)$`)
)

// Parse reads a page and reports the first thing that is wrong with it. It wants:
// HELP and TYPE before the samples of each family, each family once, no sample twice,
// the same labels on all samples of a family, counters that end in _total and
// nothing else that does, values that are no NaN and counters that are not negative,
// and histograms whose buckets rise, end with +Inf and agree with their count.
func Parse(page string) (map[string]*Family, error) {
	families := make(map[string]*Family)
	var cur *Family
	seen := make(map[string]bool)
	if page != "" && !strings.HasSuffix(page, "\n") {
		return nil, fmt.Errorf("the page does not end with a line break")
	}
	help := ""
	for i, line := range strings.Split(strings.TrimSuffix(page, "\n"), "\n") {
		bad := func(format string, args ...any) error {
			return fmt.Errorf("line %d: %q: %s", i+1, line, fmt.Sprintf(format, args...))
		}
		switch {
		case strings.HasPrefix(line, "# HELP "):
			words := strings.SplitN(line, " ", 4)
			if len(words) != 4 || words[3] == "" || families[words[2]] != nil {
				return nil, bad("no help, or a family for the second time")
			}
			help, cur = words[2], &Family{Name: words[2], Help: words[3]}
		case strings.HasPrefix(line, "# TYPE "):
			words := strings.Split(line, " ")
			if len(words) != 4 || cur == nil || help != words[2] || cur.Type != "" {
				return nil, bad("TYPE without its HELP")
			}
			cur.Type = words[3]
			if !slices.Contains([]string{"counter", "gauge", "histogram", "summary"}, cur.Type) {
				return nil, bad("unknown type")
			}
			if !nameRE.MatchString(cur.Name) || (cur.Type == "counter") != strings.HasSuffix(cur.Name, "_total") {
				return nil, bad("bad name for a %s", cur.Type)
			}
			families[cur.Name] = cur
		default:
			if cur == nil || cur.Type == "" {
				return nil, bad("a sample without a family")
			}
			s, err := parseSample(line)
			if err != nil {
				return nil, bad("%v", err)
			}
			id := s.Name + fmt.Sprint(s.Labels)
			if seen[id] {
				return nil, bad("for the second time")
			}
			seen[id] = true
			if !belongs(cur, s.Name) {
				return nil, bad("not of the family %s", cur.Name)
			}
			if math.IsNaN(s.Value) || s.Value < 0 && cur.Type != "gauge" {
				return nil, bad("bad value for a %s", cur.Type)
			}
			cur.Samples = append(cur.Samples, s)
		}
	}
	for _, f := range families {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return families, nil
}

func parseSample(line string) (Sample, error) {
	m := lineRE.FindStringSubmatch(line)
	if m == nil {
		return Sample{}, fmt.Errorf("not a sample")
	}
	s := Sample{Name: m[1], Labels: map[string]string{}}
	for rest := m[2]; rest != ""; {
		l := labelRE.FindStringSubmatch(rest)
		if l == nil || strings.HasSuffix(l[0], ",") && len(l[0]) == len(rest) {
			return s, fmt.Errorf("bad labels at %q", rest)
		}
		if _, twice := s.Labels[l[1]]; twice {
			return s, fmt.Errorf("label %s twice", l[1])
		}
		s.Labels[l[1]] = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(l[2])
		rest = rest[len(l[0]):]
	}
	var err error
	s.Value, err = strconv.ParseFloat(m[3], 64)
	return s, err
}

func belongs(f *Family, name string) bool {
	suffix, ok := strings.CutPrefix(name, f.Name)
	switch {
	case !ok:
		return false
	case f.Type == "histogram":
		return suffix == "_bucket" || suffix == "_sum" || suffix == "_count"
	case f.Type == "summary":
		return suffix == "" || suffix == "_sum" || suffix == "_count"
	}
	return suffix == ""
}

// check looks at what can only be seen with all samples of a family.
func (f *Family) check() error {
	if len(f.Samples) == 0 {
		return fmt.Errorf("no samples")
	}
	type series struct {
		last, le   float64
		inf, count float64
		sum        bool
		buckets    int
	}
	all := make(map[string]*series)
	names := ""
	for i, s := range f.Samples {
		le, hasLe := s.Labels["le"]
		var keys []string
		id := ""
		for k := range s.Labels {
			if k != "le" && k != "quantile" {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		for _, k := range keys {
			id += k + "=" + strconv.Quote(s.Labels[k]) + ","
		}
		if n := strings.Join(keys, ","); i == 0 {
			names = n
		} else if n != names {
			return fmt.Errorf("labels %q and %q", names, n)
		}
		if f.Type != "histogram" {
			continue
		}
		h := all[id]
		if h == nil {
			h = &series{le: math.Inf(-1), inf: -1, count: -1}
			all[id] = h
		}
		switch strings.TrimPrefix(s.Name, f.Name) {
		case "_bucket":
			bound, err := strconv.ParseFloat(le, 64)
			if err != nil || !hasLe || bound <= h.le || s.Value < h.last {
				return fmt.Errorf("bucket %q of {%s} is out of order", le, id)
			}
			h.le, h.last = bound, s.Value
			h.buckets++
			if math.IsInf(bound, 1) {
				h.inf = s.Value
			}
		case "_sum":
			h.sum = true
		case "_count":
			h.count = s.Value
		}
	}
	for id, h := range all {
		if h.inf < 0 || h.inf != h.count || !h.sum || h.buckets < 2 {
			return fmt.Errorf("histogram {%s} is not whole: %+v", id, *h)
		}
	}
	return nil
}

// Value returns the value of the sample of that name with exactly these labels, and
// false if there is none.
func Value(families map[string]*Family, name string, labels map[string]string) (float64, bool) {
	for _, f := range families {
		if !belongs(f, name) {
			continue
		}
		for _, s := range f.Samples {
			if s.Name != name || len(s.Labels) != len(labels) {
				continue
			}
			same := true
			for k, v := range labels {
				same = same && s.Labels[k] == v
			}
			if same {
				return s.Value, true
			}
		}
	}
	return 0, false
}
