package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// A failure is a bug in game code that ended a unit: a line, a timer, a hook.
// It is in the log, with the stack, under its reference.
type failure struct {
	ref  string
	what string
}

func (f *failure) Error() string {
	return fmt.Sprintf("server: %s failed, see %s in the log", f.what, f.ref)
}

// text is what the player reads.
func (f *failure) text() string {
	return fmt.Sprintf("Something went wrong with that, and nothing was changed. The staff can find it as %s in the log.", f.ref)
}

// failed logs what ended a unit: the value of a panic, with the stack if it is
// called while panicking, or an error that was not meant for the player.
func (s *Server) failed(what string, cause any) *failure {
	f := &failure{ref: newRef(), what: what}
	var old *failure
	switch c := cause.(type) {
	case stacked:
		s.log.Error("game code panicked", "ref", f.ref, "what", what, "err", c.text, "stack", c.stack)
	case error:
		if errors.As(c, &old) {
			return old
		}
		s.log.Error("game code failed", "ref", f.ref, "what", what, "err", c, "stack", string(debug.Stack()))
	default:
		s.log.Error("game code panicked", "ref", f.ref, "what", what, "err", fmt.Sprint(c), "stack", string(debug.Stack()))
	}
	s.meter.failures.Inc()
	return f
}

// stacked is the value of a panic that was caught on another goroutine.
type stacked struct{ text, stack string }

func withStack(r any) any { return stacked{fmt.Sprint(r), string(debug.Stack())} }

// newRef returns a reference that a player can read out: E- and six characters
// that cannot be mistaken for each other.
func newRef() string {
	const letters = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
	b := make([]byte, 6)
	rand.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return "E-" + string(b)
}

// newGrace is how long the end of a Server waits for background work.
func newGrace() *time.Timer { return time.NewTimer(2 * time.Second) }
