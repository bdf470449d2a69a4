package portal

import (
	"errors"
	"log/slog"
	"runtime/debug"
)

// recoverTo turns a panic of the function that defers it into *err.
func recoverTo(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{value: v, stack: debug.Stack()}
	}
}

// guard calls foreign code and returns its panic as an error.
func guard(f func() error) (err error) {
	defer recoverTo(&err)
	return f()
}

// errAttrs are the attributes under which err is logged: with the stack, if it
// was a panic.
func errAttrs(err error) slog.Attr {
	if pe, ok := errors.AsType[*panicError](err); ok {
		return slog.Group("", slog.Any("err", err), slog.String("stack", string(pe.stack)))
	}
	return slog.Any("err", err)
}
