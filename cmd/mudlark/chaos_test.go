package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mudlark.dev/chaos"
)

// Ten bots play on while the game is broken fifty times, in all the ways that
// "mudlark chaos" knows: each line takes effect once and is answered once.
func TestChaos(t *testing.T) {
	prog, err := exec.LookPath("mudlark")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.Command(prog, "chaos", "--bots", "10", "--kills", "50", "--seed", "2", "--think", "50ms", "--json", file)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mudlark chaos: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report chaos.Report
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	faults := 0
	for _, n := range report.Faults {
		faults += n
	}
	for _, n := range report.Skipped {
		faults += n
	}
	if faults != 50 || report.Answered+report.Unheard+report.Lost != report.Sent || report.Sent < 500 || len(report.Violations) > 0 {
		t.Errorf("%d faults, %d lines sent, %d answered, %d lost, violations %v", faults, report.Sent, report.Answered, report.Lost, report.Violations)
	}
}
