package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits of a build.
const (
	keepBuilds  = 3
	maxBuildOut = 8 << 10
	buildPeriod = 10 * time.Minute
)

// A buildError says why there is no new binary. The game goes on with the one
// it has.
type buildError struct {
	command string
	err     error
	out     string // what the command wrote
}

func (e *buildError) Error() string {
	text := fmt.Sprintf("%s: %v", e.command, e.err)
	if e.out != "" {
		text += "\n" + e.out
	}
	return text
}

func (e *buildError) Unwrap() error { return e.err }
func (e *buildError) Hint() string  { return hintGoesOn }

// hintGoesOn is for a reload that fails before anything was stopped.
const hintGoesOn = "the game goes on as it was; correct this and reload again"

// goBuild builds the game in dir into the next numbered file of its run folder
// and returns the file's path. It keeps the last keepBuilds of them.
func goBuild(ctx context.Context, dir folder) (string, error) {
	builds, err := listBuilds(dir)
	if err != nil {
		return "", err
	}
	n := 1
	if len(builds) > 0 {
		n = builds[len(builds)-1] + 1
	}
	path := buildPath(dir, n)
	if err := runBuild(ctx, dir, "go", "build", "-o", path, "."); err != nil {
		os.Remove(path)
		return "", err
	}
	// "go build" succeeds for a package that is no command, and writes an
	// archive.
	if fi, err := os.Stat(path); err != nil || fi.Mode()&0o100 == 0 {
		os.Remove(path)
		return "", withHint(&buildError{command: "go build", err: fmt.Errorf("the package in %s is not a command", dir)},
			"give it package main, or set reload.build to a command that builds the game")
	}
	builds = append(builds, n)
	for _, old := range builds[:max(0, len(builds)-keepBuilds)] {
		os.Remove(buildPath(dir, old)) // what stays is tried again at the next build
	}
	return path, nil
}

const buildPrefix = "game-"

func buildPath(dir folder, n int) string { return dir.path("run", buildPrefix+strconv.Itoa(n)) }

// listBuilds returns the numbers of the builds in dir, in order.
func listBuilds(dir folder) ([]int, error) {
	entries, err := os.ReadDir(dir.path("run"))
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	var list []int
	for _, e := range entries {
		if num, ok := strings.CutPrefix(e.Name(), buildPrefix); ok {
			if n, err := strconv.Atoi(num); err == nil && n > 0 {
				list = append(list, n)
			}
		}
	}
	slices.Sort(list)
	return list, nil
}

// runBuild runs a command in dir that builds the game, and what it wrote becomes
// part of the error. Where the binary of a command of the game's own ends up is
// its own business.
func runBuild(ctx context.Context, dir folder, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, buildPeriod)
	defer cancel()
	shown := strings.Join(append([]string{name}, args...), " ")
	var out headBuffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = string(dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	// A group of its own: Ctrl-C in the terminal is for the Portal alone, and
	// what the command has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second // for a grandchild that has left the group and holds the pipe
	err := cmd.Run()
	if err == nil {
		return nil
	}
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		err = fmt.Errorf("took longer than %v", buildPeriod)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return withHint(&buildError{command: shown, err: err},
			`install Go, or set reload.build = "" to reload the binary that is there`)
	}
	return &buildError{command: shown, err: err, out: out.String()}
}

// A headBuffer keeps the first maxBuildOut bytes of what is written to it: the
// first errors of a compiler are the ones to read.
type headBuffer struct {
	buf bytes.Buffer
	cut bool
}

func (b *headBuffer) Write(p []byte) (int, error) {
	keep := p[:min(len(p), maxBuildOut-b.buf.Len())]
	b.cut = b.cut || len(keep) < len(p)
	b.buf.Write(keep)
	return len(p), nil
}

func (b *headBuffer) String() string {
	text := strings.TrimRight(strings.ToValidUTF8(b.buf.String(), "\uFFFD"), "\n")
	if b.cut {
		text += "\n(more was left out)"
	}
	return text
}

// hasModule reports whether dir holds a Go module.
func hasModule(dir folder) (bool, error) {
	switch _, err := os.Stat(dir.path("go.mod")); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, fmt.Errorf("build: %w", err)
	}
}
