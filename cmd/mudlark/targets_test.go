package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"mudlark.dev/bench"
)

// "mudlark bench targets --quick" plays all targets with the real processes of game
// and yardsticks, and nothing is lost.
func TestTargetsQuick(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the generator of load needs epoll")
	}
	prog, err := exec.LookPath("mudlark")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "report.json")
	cmd := exec.Command(prog, "bench", "targets", "--quick", "--json", file, "--plots", dir)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mudlark bench targets: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report bench.TargetReport
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	bounds := 0
	for _, r := range report.Rows {
		if r.Of != "" {
			bounds++
		}
		if len(r.Measured.Rounds) != 1 || r.Beside != nil && len(r.Beside.Rounds) != 1 {
			t.Errorf("row %+v, want one round", r)
		}
	}
	if bounds != 17 || len(report.Crowd) != 2 {
		t.Errorf("%d targets and %d crowds were measured, want 17 and 2", bounds, len(report.Crowd))
	}
	for _, name := range []string{"latency.svg", "crowd.svg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, pattern := range []string{"mudlark-bench-*", "floor*"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("folders are left: %v", left)
		}
	}
}
