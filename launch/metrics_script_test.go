package launch_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mudlark.dev/internal/metrics/metricstest"
)

// metricsCmds are the commands of scripts that ask the admin listener.
var metricsCmds = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"get":        cmdGet,
	"scrape":     cmdScrape,
	"documented": cmdDocumented,
}

// cmdGet gets a page until the answer has that status, and leaves it in the file
// page: get 200 $ADMIN/readyz. What follows are headers: Host=example.com
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get status host:port/path header=value...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		got := 0
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+args[1], nil)
		ts.Check(err)
		for _, h := range args[2:] {
			name, value, _ := strings.Cut(h, "=")
			if req.Header.Set(name, value); name == "Host" {
				req.Host = value
			}
		}
		var body []byte
		resp, err := client.Do(req)
		if err == nil {
			got = resp.StatusCode
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil && got == want {
			ts.Check(os.WriteFile(ts.MkAbs("page"), body, 0o600))
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("get %s: %d %v, want %d; the page is\n%s", args[1], got, err, want, body)
		}
	}
}

// cmdScrape gets the metrics until the page has a line that matches, checks it
// strictly, and leaves it in the file page: scrape $ADMIN '^mudlark_server_up 1$'
func cmdScrape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: scrape host:port regexp")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	end := time.Now().Add(patience)
	for {
		cmdGet(ts, false, []string{"200", args[0] + "/metrics"})
		page := ts.ReadFile("page")
		if _, err := metricstest.Parse(page); err != nil {
			ts.Fatalf("%v in\n%s", err, page)
		}
		if re.MatchString(page) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("no line matches %q in\n%s", re, page)
		}
	}
}

// cmdDocumented compares the file page, a scrape of a game in which all has happened
// that makes metrics, with what docs/operate says of them: documented
func cmdDocumented(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: documented")
	}
	families, err := metricstest.Parse(ts.ReadFile("page"))
	ts.Check(err)
	rows := documentedMetrics(ts.Check)
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		var labels []string
		for l := range f.Samples[0].Labels {
			if l != "le" && l != "quantile" {
				labels = append(labels, l)
			}
		}
		slices.Sort(labels)
		got := f.Type + " " + strings.Join(labels, ", ")
		switch want, ok := rows[name]; {
		case !ok:
			ts.Fatalf("docs/operate/metrics.md has no row for %s", name)
		case got != want:
			ts.Fatalf("%s is %q, and docs/operate/metrics.md says %q", name, got, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if families[name] == nil && (runtime.GOOS == "linux" || !strings.HasPrefix(name, "process_")) {
			ts.Fatalf("docs/operate/metrics.md has a row for %s, which the game does not tell", name)
		}
	}
	for _, file := range []string{"dashboard.json", "alerts.yml"} {
		for _, name := range usedMetrics(ts.Check, file) {
			if !exists(families, name) {
				ts.Fatalf("docs/operate/%s uses %s, which the game does not tell", file, name)
			}
		}
	}
}

// exists reports whether a sample of that name is in a page.
func exists(families map[string]*metricstest.Family, name string) bool {
	for _, f := range families {
		if slices.ContainsFunc(f.Samples, func(s metricstest.Sample) bool { return s.Name == name }) {
			return true
		}
	}
	return false
}

var operateDocs = filepath.Join("..", "docs", "operate")

var metricRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| (counter|gauge|histogram|summary) \\| ([^|]*) \\| [^|]+ \\| [^|]+ \\|$")

// documentedMetrics returns the type and labels that the document gives for each.
func documentedMetrics(check func(error)) map[string]string {
	text, err := os.ReadFile(filepath.Join(operateDocs, "metrics.md"))
	check(err)
	rows := make(map[string]string)
	for _, m := range metricRow.FindAllStringSubmatch(string(text), -1) {
		labels := strings.Split(strings.NewReplacer("`", "", "–", "").Replace(m[3]), ", ")
		slices.Sort(labels)
		rows[m[1]] = m[2] + " " + strings.Join(labels, ", ")
	}
	return rows
}

var metricName = regexp.MustCompile(`\b(?:mudlark|go|process)_[a-z0-9_]+\b`)

// usedMetrics returns the names that stand in a file of docs/operate.
func usedMetrics(check func(error), file string) []string {
	text, err := os.ReadFile(filepath.Join(operateDocs, file))
	check(err)
	names := metricName.FindAllString(string(text), -1)
	slices.Sort(names)
	return slices.Compact(names)
}

// TestDashboard looks at what Grafana wants of a dashboard: see also the script
// metrics, which compares its names with those of a game.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(operateDocs, "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	type datasource struct{ Type, UID string }
	type panel struct {
		ID         int
		Title      string
		Type       string
		Datasource *datasource
		GridPos    struct{ H, W, X, Y int }
		Targets    []struct {
			Expr, RefID string
			Datasource  *datasource
		}
	}
	var d struct {
		Title         string
		UID           string
		SchemaVersion int
		Templating    struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
		Panels []panel
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 36 {
		t.Errorf("title %q, uid %q, schema version %d", d.Title, d.UID, d.SchemaVersion)
	}
	if v := d.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" || v[0].Query != "prometheus" {
		t.Errorf("variables %+v, want the first to be the datasource", v)
	}
	ids := make(map[int]bool)
	var taken [][4]int
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("panel %d %q: its ID or title is missing or taken", p.ID, p.Title)
		}
		ids[p.ID] = true
		at := [4]int{p.GridPos.X, p.GridPos.Y, p.GridPos.X + p.GridPos.W, p.GridPos.Y + p.GridPos.H}
		if at[2] > 24 || at[2] == at[0] || at[3] == at[1] {
			t.Errorf("panel %q has the place %+v", p.Title, p.GridPos)
		}
		for _, o := range taken {
			if at[0] < o[2] && o[0] < at[2] && at[1] < o[3] && o[1] < at[3] {
				t.Errorf("panel %q lies over another one", p.Title)
			}
		}
		taken = append(taken, at)
		if p.Type == "row" {
			continue
		}
		if p.Datasource == nil || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %q: datasource %+v, %d targets", p.Title, p.Datasource, len(p.Targets))
		}
		for _, target := range p.Targets {
			if target.Expr == "" || target.RefID == "" || !metricName.MatchString(target.Expr) {
				t.Errorf("panel %q: target %+v", p.Title, target)
			}
			if strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("panel %q: brackets of %s", p.Title, target.Expr)
			}
		}
	}
	// All that the document explains of the game itself is to be seen somewhere.
	used := strings.Join(usedMetrics(func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}, "dashboard.json"), " ") + " "
	for name := range documentedMetrics(func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}) {
		if strings.HasPrefix(name, "mudlark_") && !regexp.MustCompile(name+`(_bucket|_sum|_count)? `).MatchString(used) {
			t.Errorf("no panel shows %s", name)
		}
	}
}
