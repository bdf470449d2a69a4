package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mudlark.dev/bench"
)

// "mudlark bench --quick" plays all its mixes with the real processes, and every line
// is answered once.
func TestBenchQuick(t *testing.T) {
	prog, err := exec.LookPath("mudlark")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, picture := filepath.Join(dir, "report.json"), filepath.Join(dir, "plot.svg")
	cmd := exec.Command(prog, "bench", "--quick", "--json", file, "--plot", picture)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mudlark bench: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report bench.Report
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if len(report.Results) != 10 {
		t.Errorf("%d mixes were run, want 10", len(report.Results))
	}
	for _, r := range report.Results {
		if r.Sent != r.Answered || r.Sent < 12 || r.Doubled+r.Wrong+r.Unheard != 0 || len(r.Processes) != 3 {
			t.Errorf("%s: %+v", r.Mix, r)
		}
	}
	if _, err := os.Stat(picture); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "mudlark-bench-*")); len(left) > 0 {
		t.Errorf("the game's folder is left: %v", left)
	}
}
