package portal

import (
	"context"
	"fmt"
	"sync"

	"mudlark.dev/link"
)

// A Starter starts Servers for a Portal, one at a time: Start is not called
// while a Process that it returned before is not done.
type Starter interface {
	// Build makes ready what Start will run, before a running Server is
	// stopped. The text of its error is shown to whoever asked for the reload;
	// the old Server plays on. It may run while Start is called for another
	// reason.
	Build(ctx context.Context) error

	// Start starts a Server, which is to attach at the Portal's Listener. It
	// does not wait for that. The process goes on when ctx is done. For a reload it
	// is called while the Server before plays; the new one loads the world then,
	// says that it is ready and waits for Go.
	Start(ctx context.Context, mode link.Mode) (Process, error)
}

// A Noter is a Starter that may have something to say of what it has built, such
// as what has no effect yet. A player who asked for a reload reads it when that
// has gone well.
type Noter interface {
	Note() string // of the last Build that went well; "" for nothing
}

// A Reverter is a Starter that can go back to the build before: Revert has the
// following Starts run that, and reports whether there is one. It is called when a
// Server of the last build died by a fault of its own before it had lived for
// Config.Trial.
type Reverter interface {
	Revert() bool
}

// A Process is a Server that was started. Its methods may be called by any
// goroutine, also after its end.
type Process interface {
	PID() int              // 0 if it has none of its own
	Done() <-chan struct{} // closed when it has ended: it writes nothing any more
	Exit() Exit            // how it ended, once Done is closed
	Dump() error           // has it write its stacks to its log, as SIGQUIT does
	Kill() error           // ends it, whatever it is doing; does not wait
}

// An Exit is how a process ended.
type Exit struct {
	Code   int    // exit code, if it was not killed by a signal
	Signal string // "killed", "segmentation fault", …; "" if it ended by itself
	Text   string // the last that it said, for people; may be ""
	ByUs   bool   // Kill or Dump of this Process ended it
}

// String says it in words.
func (e Exit) String() string {
	s := fmt.Sprintf("exit code %d", e.Code)
	switch {
	case e.Signal != "":
		s = "signal: " + e.Signal
	case e.Code == 0:
		s = "ended"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// A visitor stands for a Server that nobody here has started: it lasts as long
// as its link.
type visitor struct {
	a    *attachment // only the supervisor touches it
	done chan struct{}
	once sync.Once
}

var _ Process = (*visitor)(nil)

func (v *visitor) PID() int              { return 0 }
func (v *visitor) Done() <-chan struct{} { return v.done }
func (v *visitor) Exit() Exit            { return Exit{Text: "with its link"} }
func (v *visitor) Dump() error           { return nil }

// Kill ends the link; the Server behind it must see to itself.
func (v *visitor) Kill() error {
	if v.a == nil {
		v.end()
	} else {
		v.a.conn.Close()
	}
	return nil
}

func (v *visitor) end() { v.once.Do(func() { close(v.done) }) }

// changed notes that the Server's link came or went.
func (v *visitor) changed(c linkChange) {
	v.a = c.a
	if !c.attached {
		v.end()
	}
}
