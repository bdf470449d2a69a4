package launch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRunExitCodes(t *testing.T) {
	tests := []struct {
		name string
		args []string
		code int
		out  string
		err  string
	}{
		{name: "no game", args: []string{"status"}, code: 1, err: "error: no game runs in DIR\nhint: "},
		{name: "unknown flag", args: []string{"--loud", "status"}, code: 2, err: "error: unknown flag: --loud\nhint: "},
		{name: "unknown command", args: []string{"rum"}, code: 2, err: "error: unknown command \"rum\"\nhint: did you mean run?\n"},
		{name: "help", args: []string{"help"}, code: 0, out: "Available Commands"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var out, errOut bytes.Buffer
			code := Run(t.Context(), Game{}, append(tt.args, "--dir", dir), Stdio{Out: &out, Err: &errOut})
			if code != tt.code {
				t.Errorf("Run(%q) = %d, want %d", tt.args, code, tt.code)
			}
			if got, want := errOut.String(), strings.ReplaceAll(tt.err, "DIR", dir); !strings.HasPrefix(got, want) || want == "" && got != "" {
				t.Errorf("Run(%q) wrote the errors %q, want %q", tt.args, got, want)
			}
			if !strings.Contains(out.String(), tt.out) {
				t.Errorf("Run(%q) wrote %q, want %q in it", tt.args, out.String(), tt.out)
			}
			if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
				t.Errorf("Run(%q) left %v in the folder (%v)", tt.args, list, err)
			}
		})
	}
}

// wrongUse is an error of a command of a game's own that is the user's.
type wrongUse struct{ error }

func (wrongUse) Hint() string { return "do it otherwise" }
func (wrongUse) Usage() bool  { return true }

// A game's own command gets what follows its name as it is.
func TestOwnCommand(t *testing.T) {
	tests := []struct {
		args []string
		err  error
		code int
		want string // written as an error
	}{
		{[]string{"sing", "--loud", "-n", "3", "song"}, nil, 0, ""},
		{[]string{"sing", "--help"}, errors.New("hoarse"), 1, "error: hoarse\n"},
		{[]string{"sing"}, wrongUse{errors.New("no song")}, 2, "error: no song\nhint: do it otherwise\n"},
	}
	for _, tt := range tests {
		var got []string
		var out, errOut bytes.Buffer
		game := Game{Commands: []Command{{Name: "sing", Short: "Sing", Run: func(_ context.Context, args []string, stdio Stdio) error {
			got = args
			io.WriteString(stdio.Out, "la")
			return tt.err
		}}}}
		code := Run(t.Context(), game, tt.args, Stdio{Out: &out, Err: &errOut})
		if code != tt.code || errOut.String() != tt.want || out.String() != "la" || !slices.Equal(got, tt.args[1:]) {
			t.Errorf("Run(%q) = %d with arguments %q, output %q and errors %q, want %d and %q", tt.args, code, got, &out, &errOut, tt.code, tt.want)
		}
	}
}

func TestPrintError(t *testing.T) {
	one := withHint(errors.New("first"), "do %d things", 2)
	two := errors.New("second\n")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"plain", two, "error: second\n"},
		{"hint", one, "error: first\nhint: do 2 things\n"},
		{"wrapped hint", fmt.Errorf("start: %w", one), "error: start: first\nhint: do 2 things\n"},
		{"joined", errors.Join(one, errors.Join(two, one)), "error: first\nhint: do 2 things\nerror: second\nerror: first\nhint: do 2 things\n"},
		{"two with a text around", fmt.Errorf("both: %w, %w", one, errors.New("x")), "error: both: first, x\nhint: do 2 things\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			printError(&b, tt.err)
			if b.String() != tt.want {
				t.Errorf("printError(%v) wrote %q, want %q", tt.err, b.String(), tt.want)
			}
		})
	}
}

func TestNextEpoch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "epoch")
	for want := uint64(1); want <= 3; want++ {
		if got, err := nextEpoch(path); got != want || err != nil {
			t.Fatalf("nextEpoch = %d, %v, want %d", got, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := nextEpoch(path); err == nil || hintOf(err) == "" {
		t.Errorf("nextEpoch of a file with %q = %d, %v, want an error with a hint", "many", got, err)
	}
}

func TestDemoFolder(t *testing.T) {
	tests := []struct {
		name, game, xdg, home, want string
	}{
		{"XDG", "Mudflat", "/data", "/home/ada", "/data/mudlark/demo/mudflat"},
		{"home", "My Game!", "", "/home/ada", "/home/ada/.local/share/mudlark/demo/my-game"},
		{"relative XDG counts for nothing", "../x", "data", "/home/ada", "/home/ada/.local/share/mudlark/demo/x"},
		{"no letter", "…", "/data", "", "/data/mudlark/demo/game"},
		{"nowhere", "Mudflat", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := demoFolder(tt.game, func(key string) string {
				return map[string]string{"XDG_DATA_HOME": tt.xdg, "HOME": tt.home}[key]
			})
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("demoFolder(%q) = %q, %v, want %q", tt.game, got, err, tt.want)
			}
		})
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if _, held := whoHolds(path); held {
		t.Errorf("whoHolds without a file: held")
	}
	first := holder{PID: 7, Command: "first"}
	l, err := tryLock(path, "/game", first)
	if err != nil {
		t.Fatalf("tryLock: %v", err)
	}
	if who, held := whoHolds(path); !held || who != first {
		t.Errorf("whoHolds = %+v, %t, want %+v", who, held, first)
	}
	_, err = tryLock(path, "/game", holder{PID: 8, Command: "second"})
	var busy *busyError
	if !errors.As(err, &busy) || busy.holder != first {
		t.Errorf("second tryLock: %v, want a busyError that names the first", err)
	}
	l.release()
	if who, held := whoHolds(path); held {
		t.Errorf("whoHolds after release = %+v", who)
	}
	l, err = waitLock(t.Context(), path, "/game", holder{PID: 9})
	if err != nil {
		t.Fatalf("waitLock: %v", err)
	}
	l.release()
}

func TestOpenLogPutsAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	write := func(size int) {
		t.Helper()
		f, err := openLog(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	size := func(path string) int64 {
		fi, err := os.Stat(path)
		if err != nil {
			return -1
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", path, fi.Mode())
		}
		return fi.Size()
	}
	write(maxLog)
	write(1) // not over the limit yet: appended
	if got := size(path); got != maxLog+1 {
		t.Errorf("size %d, want %d", got, maxLog+1)
	}
	write(2)
	write(3)
	if got, old := size(path), size(path+".1"); got != 5 || old != maxLog+1 {
		t.Errorf("sizes %d and %d, want 5 and %d", got, old, maxLog+1)
	}
}

func TestLastWords(t *testing.T) {
	lines := func(n int, text string) []string { return slices.Repeat([]string{text}, n) }
	tests := []struct {
		name string
		log  []string
		want string
	}{
		{"nothing", nil, ""},
		{"log only", []string{"time=1 msg=a", "time=2 msg=b"}, "time=1 msg=a\ntime=2 msg=b"},
		{"all is well", []string{"time=1 level=INFO msg=a", "time=2 level=WARN msg=b", "time=3 level=DEBUG msg=c"}, "time=2 level=WARN msg=b"},
		{"the last of many", append(lines(50, "old"), lines(maxTailLines, "new")...), strings.Repeat("new\n", maxTailLines-1) + "new"},
		{"error and hint", []string{"time=1 msg=a", "error: cannot open store: bad", "hint: restore it"}, "cannot open store: bad\nhint: restore it"},
		{"several errors", []string{"error: a", "hint: h", "error: b"}, "a\nhint: h\nerror: b"},
		{"error of many lines", []string{"error: build", "x.go:1: bad", "more"}, "build\nx.go:1: bad\nmore"},
		{"crash", append([]string{"msg=a", "panic: oops"}, lines(100, "stack")...), "panic: oops\n" + strings.Repeat("stack\n", maxTailLines-2) + "stack"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.log")
			before := "error: of the one before\n"
			text := before
			for _, l := range tt.log {
				text += l + "\n"
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := lastWords(tail(path, int64(len(before)))); got != tt.want {
				t.Errorf("last words %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTailIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	if err := os.WriteFile(path, []byte(strings.Repeat("0123456789\n", maxTailBytes/5)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := tail(path, 3)
	if n := len(strings.Join(got, "\n")); n > maxTailBytes || n < maxTailBytes-20 {
		t.Errorf("tail has %d bytes, want nearly %d", n, maxTailBytes)
	}
	if got[0] != "0123456789" {
		t.Errorf("tail begins with %q, want a whole line", got[0])
	}
}

func TestGoBuild(t *testing.T) {
	dir := folder(t.TempDir())
	if err := dir.create(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"go.mod": "module example.com/g\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n"}
	for name, text := range files {
		if err := os.WriteFile(dir.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{2, 9, 10} {
		if err := os.WriteFile(buildPath(dir, n), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path, err := goBuild(t.Context(), dir)
	if want := buildPath(dir, 11); path != want || err != nil {
		t.Fatalf("goBuild = %q, %v, want %q", path, err, want)
	}
	if got, err := listBuilds(dir); !slices.Equal(got, []int{9, 10, 11}) {
		t.Errorf("builds kept: %v (%v), want 9, 10, 11", got, err)
	}

	// What cannot be run is no build, and takes no number.
	if err := os.WriteFile(dir.path("main.go"), []byte("package g\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := goBuild(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "is not a command") {
		t.Errorf("goBuild of a library = %q, %v", path, err)
	}
	if got, err := listBuilds(dir); !slices.Equal(got, []int{9, 10, 11}) {
		t.Errorf("builds after a failure: %v (%v), want 9, 10, 11", got, err)
	}
}

func TestBuildOutputIsBounded(t *testing.T) {
	err := runBuild(t.Context(), folder(t.TempDir()), "sh", "-c", `echo first; yes | head -c 100000; exit 3`)
	var be *buildError
	if !errors.As(err, &be) {
		t.Fatalf("runBuild = %v, want a buildError", err)
	}
	text := err.Error()
	if !strings.Contains(text, "exit status 3\nfirst\n") || !strings.HasSuffix(text, "(more was left out)") {
		t.Errorf("error is %.60q…%.30q, want the exit status, the first line and a note", text, text[len(text)-30:])
	}
	if len(text) > maxBuildOut+200 {
		t.Errorf("error has %d bytes, want no more than about %d", len(text), maxBuildOut)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"": "''", "/a/b-1.c": "/a/b-1.c", "my game": "'my game'", "a'b": `'a'\''b'`} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestConnectText(t *testing.T) {
	for _, tt := range []struct{ name, addr, want string }{
		{"telnet:4000", "127.0.0.1:4000", "telnet 127.0.0.1 4000"},
		{"telnet:4000", "[::]:4000", "telnet localhost 4000"},
		{"telnet:4000", "0.0.0.0:4000", "telnet localhost 4000"},
		{"telnet:4001", "[::1]:4001", "telnet ::1 4001"},
		{"telnets:4443", "[::]:4443", "telnets://localhost:4443"},
		{"telnets:[::1]:4443", "[::1]:4443", "telnets://[::1]:4443"},
		{"line:4000", "127.0.0.1:4000", ""},
		{"telnet:x", "memory", ""},
	} {
		if got := connectText(tt.name, tt.addr); got != tt.want {
			t.Errorf("connectText(%q, %q) = %q, want %q", tt.name, tt.addr, got, tt.want)
		}
	}
}

// FuzzReadJSON feeds the control socket's reader: no panic, and no request
// from more bytes than the limit.
func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(`{"op":"status"}` + "\n"))
	f.Add([]byte(`{"op":"stop","reason":"x"}`))
	f.Add([]byte("\n\n"))
	f.Add(bytes.Repeat([]byte("["), 2000))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1000
		var req request
		err := readJSON(bufio.NewReader(bytes.NewReader(data)), limit, &req)
		end := bytes.IndexByte(data, '\n')
		if err == nil && (end < 0 || end >= limit) {
			t.Errorf("a request without a line end within %d bytes was taken: %+v", limit, req)
		}
		if len(data) == 0 && !errors.Is(err, io.EOF) {
			t.Errorf("readJSON of nothing: %v, want EOF", err)
		}
	})
}

func TestByGoRun(t *testing.T) {
	for file, want := range map[string]bool{
		"/tmp/go-build2787336501/b001/exe/castle":  true,
		"/root/.cache/go-build/83/8329ef-d/castle": true,
		"/usr/local/bin/castle":                    false,
		"/home/ada/exe/castle":                     false,
		"./castle":                                 false,
		"/srv/castle/run/game-3":                   false,
	} {
		if got := byGoRun(file); got != want {
			t.Errorf("byGoRun(%q) = %v", file, got)
		}
	}
}
