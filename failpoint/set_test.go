package failpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/failpoint"
)

func TestParseErrors(t *testing.T) {
	tests := []struct{ value, want string }{
		{"server.committed", "what is to happen is missing"},
		{"server.comitted=kill", "there is no such point; there are portal.sent, server.received"},
		{"server.committed:0=kill", "the passage is a number from 1, or *"},
		{"server.committed:=kill", "the passage is a number from 1, or *"},
		{"server.committed:x=kill", "the passage is a number from 1, or *"},
		{"server.committed:3=die", "what is to happen is kill, stop, exit or sleep(50ms)"},
		{"server.committed=sleep(50)", `"50" is no time to sleep`},
		{"server.committed=sleep(-1s)", `"-1s" is no time to sleep`},
		{"server.committed=kill,server.output=jump,nowhere=kill", "there is no such point"},
	}
	for _, tt := range tests {
		s, err := failpoint.Parse(tt.value)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), failpoint.Env) {
			t.Errorf("Parse(%q) = %v, %v, want an error with %q and %s", tt.value, s, err, tt.want, failpoint.Env)
		}
	}
	_, err := failpoint.Parse("server.output=jump")
	var h interface{ Hint() string }
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || !errors.As(joined.Unwrap()[0], &h) || h.Hint() == "" {
		t.Errorf("Parse: %v has no hint", err)
	}
}

// Every point can be named, and what is empty is off.
func TestParse(t *testing.T) {
	for _, p := range failpoint.Points() {
		if s, err := failpoint.Parse(" " + p + ":2=exit , "); err != nil || s.Func() == nil {
			t.Errorf("Parse of point %s: %v", p, err)
		}
	}
	for _, value := range []string{"", " , "} {
		if s, err := failpoint.Parse(value); err != nil || s.Func() != nil {
			t.Errorf("Parse(%q) is not an empty set: %v", value, err)
		}
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := failpoint.Parse("server.committed:3=sleep(50ms),server.output:*=sleep(1ms)")
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		for range 5 {
			s.Func()(failpoint.Committed)
			s.Func()(failpoint.Output)
			s.Func()(failpoint.Received)
		}
		if got, want := time.Since(begun), 55*time.Millisecond; got != want {
			t.Errorf("five passages took %v, want %v", got, want)
		}
	})
}

// A file is for one process alone, and for none that does not take it.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "fail")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("server.output=kill\n")
	if s, err := failpoint.Read("@fail", dir, false); err != nil || s.Func() != nil {
		t.Errorf("Read without take = %v, %v", s.Func() != nil, err)
	}
	if s, err := failpoint.Read("@fail", dir, true); err != nil || s.Func() == nil {
		t.Errorf("Read = %v, %v", s.Func() != nil, err)
	}
	if s, err := failpoint.Read("@"+file, "", true); err != nil || s.Func() != nil {
		t.Errorf("Read of a file that was taken = %v, %v", s.Func() != nil, err)
	}
	write("server.output=jump")
	if _, err := failpoint.Read("@fail", dir, true); err == nil {
		t.Error("Read of a bad file: no error")
	}
}

// The process that passes the point ends, at the passage that was named.
func TestProcess(t *testing.T) {
	if value := os.Getenv("FAILPOINT_TEST"); value != "" {
		s, err := failpoint.Parse(value)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			os.Stdout.WriteString("passed;")
			s.Func()(failpoint.Executed)
		}
		os.Exit(0)
	}
	for _, tt := range []struct {
		action string
		signal syscall.Signal
		code   int
	}{{"kill", syscall.SIGKILL, -1}, {"exit", 0, 1}} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$")
		cmd.Env = append(os.Environ(), "FAILPOINT_TEST=server.executed:2="+tt.action)
		out, _ := cmd.Output()
		ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if string(out) != "passed;passed;" || tt.signal != 0 && ws.Signal() != tt.signal || cmd.ProcessState.ExitCode() != tt.code {
			t.Errorf("%s: it wrote %q and ended with %v", tt.action, out, cmd.ProcessState)
		}
	}

	cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$")
	cmd.Env = append(os.Environ(), "FAILPOINT_TEST=server.executed=stop")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() {
		t.Errorf("stop: %v, wait status %#x, want a process that is stopped", err, ws)
	}
	cmd.Process.Signal(syscall.SIGCONT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("stop: the process does not go on: %v", err)
	}
}
