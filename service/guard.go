package service

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// A PanicError is a panic of code that is not ours.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Recover turns a panic of the function that defers it into *err.
func Recover(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Value: v, Stack: debug.Stack()}
	}
}

// Guard calls f and returns its panic as a *PanicError.
func Guard(f func() error) (err error) {
	defer Recover(&err)
	return f()
}

// ErrAttr is the attribute under which err is logged: with the stack, if it was
// a panic.
func ErrAttr(err error) slog.Attr {
	if pe, ok := errors.AsType[*PanicError](err); ok {
		return slog.Group("", slog.Any("err", err), slog.String("stack", string(pe.Stack)))
	}
	return slog.Any("err", err)
}
