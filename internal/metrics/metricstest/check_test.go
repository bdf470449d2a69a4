package metricstest

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const head = "# HELP a_total Help.\n# TYPE a_total counter\n"
	const hist = "# HELP h Help.\n# TYPE h histogram\n"
	for name, tt := range map[string]struct{ page, want string }{
		"good":             {head + "a_total{x=\"1\"} 1\na_total{x=\"2\"} 2.5e+06\n", ""},
		"empty":            {"", "without a family"},
		"no end":           {head + "a_total 1", "line break"},
		"no family":        {"a_total 1\n", "without a family"},
		"no type":          {"# HELP a_total Help.\na_total 1\n", "without a family"},
		"no help":          {"# TYPE a_total counter\na_total 1\n", "without its HELP"},
		"family twice":     {head + "a_total 1\n" + head + "a_total{x=\"1\"} 1\n", "second time"},
		"sample twice":     {head + "a_total 1\na_total 1\n", "second time"},
		"other labels":     {head + "a_total 1\na_total{x=\"1\"} 1\n", "labels"},
		"counter's name":   {"# HELP a Help.\n# TYPE a counter\na 1\n", "bad name"},
		"gauge's name":     {"# HELP a_total Help.\n# TYPE a_total gauge\na_total 1\n", "bad name"},
		"stranger":         {head + "b_total 1\n", "not of the family"},
		"negative":         {head + "a_total -1\n", "bad value"},
		"nan":              {head + "a_total NaN\n", "bad value"},
		"no number":        {head + "a_total x\n", "invalid syntax"},
		"timestamp":        {head + "a_total 1 2\n", "not a sample"},
		"open quote":       {head + "a_total{x=\"1} 1\n", "bad labels"},
		"trailing comma":   {head + "a_total{x=\"1\",} 1\n", "bad labels"},
		"label twice":      {head + "a_total{x=\"1\",x=\"2\"} 1\n", "twice"},
		"no samples":       {head, "no samples"},
		"histogram":        {hist + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", ""},
		"no infinity":      {hist + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\nh_sum 3\nh_count 1\n", "not whole"},
		"no sum":           {hist + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\n", "not whole"},
		"count is other":   {hist + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 3\n", "not whole"},
		"buckets fall":     {hist + "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", "out of order"},
		"bounds fall":      {hist + "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 2\nh_sum 3\nh_count 2\n", "out of order"},
		"a bare histogram": {hist + "h 1\n", "not of the family"},
	} {
		_, err := Parse(tt.page)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
