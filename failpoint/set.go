package failpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Env is the environment variable that Portal and Server read at their start.
const Env = "MUDLARK_FAILPOINT"

// maxFile bounds the file that a value may name.
const maxFile = 64 << 10

// A Set says what is to happen at which passages of which points. It counts them
// for one process. A nil Set is empty.
type Set struct {
	mu    sync.Mutex
	rules []*rule
}

type rule struct {
	point   string
	every   bool
	passage uint64 // the one that counts, from 1
	seen    uint64
	do      func()
}

// Parse reads failpoints, separated by commas. Each is a point, a colon and the
// number of the passage that counts, or "*" for all of them, an equals sign and
// what is to happen:
//
//	server.committed:3=kill
//	server.written:*=sleep(20ms)
//
// Without a number the first passage counts. "kill" sends the process SIGKILL,
// "stop" sends it SIGSTOP, "exit" ends it with code 1, and "sleep" has whoever
// passes the point wait. All that is wrong is in the error. An empty value is an
// empty set.
func Parse(value string) (*Set, error) {
	var errs []error
	s := &Set{}
	for text := range strings.SplitSeq(value, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		r, err := parseRule(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.rules = append(s.rules, r)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// A badError is a value that is not understood.
type badError struct{ text, cause string }

func (e *badError) Error() string { return fmt.Sprintf("%s: %q: %s", Env, e.text, e.cause) }

// Hint says how it is to be written.
func (e *badError) Hint() string {
	return "for example: server.committed:3=kill; unset " + Env + " unless this is a test"
}

func parseRule(text string) (*rule, error) {
	bad := func(format string, args ...any) (*rule, error) {
		return nil, &badError{text, fmt.Sprintf(format, args...)}
	}
	at, action, ok := strings.Cut(text, "=")
	if !ok {
		return bad("what is to happen is missing")
	}
	r := &rule{passage: 1}
	point, passage, numbered := strings.Cut(at, ":")
	switch n, err := strconv.ParseUint(passage, 10, 64); {
	case passage == "*":
		r.every = true
	case numbered && (err != nil || n == 0):
		return bad("the passage is a number from 1, or *")
	case numbered:
		r.passage = n
	}
	if !slices.Contains(Points(), point) {
		return bad("there is no such point; there are %s", strings.Join(Points(), ", "))
	}
	r.point = point
	switch action {
	case "kill":
		r.do = func() { end(syscall.SIGKILL) }
	case "stop":
		r.do = func() { syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
	case "exit":
		r.do = func() { os.Exit(1) }
	default:
		wait, isSleep := strings.CutPrefix(action, "sleep(")
		wait, closed := strings.CutSuffix(wait, ")")
		if !isSleep || !closed {
			return bad("what is to happen is kill, stop, exit or sleep(50ms)")
		}
		d, err := time.ParseDuration(wait)
		if err != nil || d < 0 {
			return bad("%q is no time to sleep", wait)
		}
		r.do = func() { time.Sleep(d) }
	}
	return r, nil
}

// end sends this process a signal that it does not survive, and does not return.
func end(sig syscall.Signal) {
	syscall.Kill(os.Getpid(), sig)
	select {}
}

// Read is Parse for the value of Env in a process of a game. A value "@FILE" stands
// for what is in that file, whose path is relative to dir. If take is set the file
// is read and removed, so that one process alone has it; no file is an empty set.
// Otherwise it is left to another process, and the set is empty.
func Read(value, dir string, take bool) (*Set, error) {
	name, isFile := strings.CutPrefix(value, "@")
	if !isFile {
		return Parse(value)
	}
	if !take {
		return nil, nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = os.Remove(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Env, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: %s: %d bytes, the limit is %d", Env, name, len(data), maxFile)
	}
	return Parse(string(data))
}

// Func returns the function that is to be called at each passage of a point, or nil
// if the set is empty. It may be called by several goroutines.
func (s *Set) Func() func(point string) {
	if s == nil || len(s.rules) == 0 {
		return nil
	}
	return s.pass
}

func (s *Set) pass(point string) {
	for _, r := range s.rules {
		if r.point != point {
			continue
		}
		s.mu.Lock()
		r.seen++
		due := r.every || r.seen == r.passage
		s.mu.Unlock()
		if due {
			r.do()
		}
	}
}
