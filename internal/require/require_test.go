package require_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mudlark.dev/internal/require"
)

// A recorder is a test that notes how it ends.
type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) {
	r.end = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.end = "fail: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// program runs Program in a test of its own and returns its result and how the
// test ended, "" if it went on.
func program(t *testing.T, name string) (path, end string) {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		path = require.Program(r, name)
	}()
	<-done
	return path, r.end
}

func TestFound(t *testing.T) {
	dir := t.TempDir()
	want := filepath.Join(dir, "larkspur")
	if err := os.WriteFile(want, []byte("#!/bin/sh\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for _, list := range []string{"", "all", "larkspur"} {
		t.Setenv(require.Env, list)
		if got, end := program(t, "larkspur"); got != want || end != "" {
			t.Errorf("TEST_REQUIRE=%q: Program = %q, end %q; want %q and to go on", list, got, end, want)
		}
	}
}

func TestMissing(t *testing.T) {
	const missing = "the program larkspur is missing; on Debian and Ubuntu: apt-get install larkspur"
	tests := []struct{ list, want string }{
		{"", "skip: " + missing},
		{"tt++", "skip: " + missing},
		{"larks,purlark", "skip: " + missing},
		{"ALL", "skip: " + missing},
		{"all", "fail: " + missing + " (TEST_REQUIRE asks for it)"},
		{"tt++, larkspur", "fail: " + missing + " (TEST_REQUIRE asks for it)"},
		{"larkspur,tmux", "fail: " + missing + " (TEST_REQUIRE asks for it)"},
	}
	t.Setenv("PATH", t.TempDir())
	for _, tt := range tests {
		t.Setenv(require.Env, tt.list)
		if got, end := program(t, "larkspur"); got != "" || end != tt.want {
			t.Errorf("TEST_REQUIRE=%q: Program = %q, end %q; want %q", tt.list, got, end, tt.want)
		}
	}
}

func TestAble(t *testing.T) {
	tests := []struct {
		list string
		err  error
		want string
	}{
		{"all", nil, ""},
		{"", errors.New("no tide"), "skip: this system has no sea: no tide"},
		{"all", errors.New("no tide"), "fail: this system has no sea: no tide (TEST_REQUIRE asks for it)"},
		{"tmux, sea", errors.New("no tide"), "fail: this system has no sea: no tide (TEST_REQUIRE asks for it)"},
	}
	for _, tt := range tests {
		t.Setenv(require.Env, tt.list)
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			require.Able(r, "sea", tt.err)
		}()
		<-done
		if r.end != tt.want {
			t.Errorf("TEST_REQUIRE=%q, %v: end %q, want %q", tt.list, tt.err, r.end, tt.want)
		}
	}
}

// A file that cannot be run is no program.
func TestNotExecutable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "larkspur"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv(require.Env, "")
	if got, end := program(t, "larkspur"); got != "" || !strings.HasPrefix(end, "skip: ") {
		t.Errorf("Program = %q, end %q; want it to be skipped", got, end)
	}
}

// The package to install is often not named as the program is.
func TestPackageNames(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(require.Env, "")
	for name, pkg := range map[string]string{"telnet": "inetutils-telnet", "nc": "netcat-openbsd", "ps": "procps", "tmux": "tmux", "systemd-analyze": "systemd"} {
		if _, end := program(t, name); !strings.HasSuffix(end, "apt-get install "+pkg) {
			t.Errorf("%s: end %q, want the package %s", name, end, pkg)
		}
	}
}
