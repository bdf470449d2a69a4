package launch

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit codes of a game's binary.
const (
	exitOK     = 0
	exitFailed = 1 // it was asked for something sensible and could not do it
	exitUsage  = 2 // the command line is wrong: an unknown command, flag or argument
)

// A hintError is an error for whoever sits at the terminal, with what to do
// about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// Hint is what the reader can do; it is printed below the error.
func (e *hintError) Hint() string { return e.hint }

func withHint(err error, format string, args ...any) error {
	return &hintError{err: err, hint: fmt.Sprintf(format, args...)}
}

// A usageError is a wrong command line.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

// exitCode is the exit code for what a command returned.
func exitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	default:
		return exitFailed
	}
}

// hintOf returns the hint of err, or "".
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// printError writes err in the form that all commands use: each problem of a
// joined error as a line of its own, and below it what to do.
func printError(w io.Writer, err error) {
	for _, e := range flatten(err, nil) {
		fmt.Fprintf(w, "error: %s\n", strings.TrimRight(e.Error(), "\n"))
		if hint := hintOf(e); hint != "" {
			fmt.Fprintf(w, "hint: %s\n", hint)
		}
	}
}

// flatten appends the problems that err consists of to dst. An error that says
// something of its own about those it wraps stays whole.
func flatten(err error, dst []error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list := joined.Unwrap()
		if err.Error() == errors.Join(list...).Error() {
			for _, e := range list {
				dst = flatten(e, dst)
			}
			return dst
		}
	}
	return append(dst, err)
}
