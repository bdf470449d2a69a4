package server

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/failpoint"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/world"
)

// A task is a line's command from its start to its end. It belongs to the
// loop; the goroutine that runs the command has the baton whenever it touches
// it.
type task struct {
	s      *Server
	seat   *seat
	what   string        // for the log: never what a player typed after the command's name
	number uint64        // in the order of their starts
	id     string        // what the client calls the line, or ""
	meter  *commandMeter // of the command that it runs; nil: none so far

	first uint64 // its line
	last  uint64 // the last line that belongs to it: answers do
	asked uint32 // questions so far

	// The rule of link/SPEC.md, section 3, for when a line is processed.
	returned, changed, slept bool

	mark   world.Mark // the start of what is undone if it fails
	since  time.Time  // since when it has had the baton
	state  state
	dying  bool // it was woken to end
	listed bool // it is in turn.tasks

	wake     chan bool // hands it the baton; true: it is to end
	question link.QuestionID
	answer   string
	until    time.Time          // when it has slept enough
	heapAt   int                // its place in Server.sleepers
	cancel   context.CancelFunc // of the work it awaits
}

// state says what a task waits for.
type state uint8

const (
	running  state = iota
	asking         // an answer; it is its seat's current
	queueing       // to become its seat's current, so that it can ask
	sleeping
	awaiting
)

var _ command.Task = (*task)(nil)

// start runs a line as a task, to its end or its first wait. It returns on the
// goroutine of the task: after a wait that is long afterwards.
func (s *Server) start(seat *seat, n uint64, what string, fn func(*task) error) {
	s.lastTask++
	t := &task{s: s, seat: seat, what: what, number: s.lastTask, first: n, last: n}
	seat.current = t
	t.begin()
	defer t.end() // also when Goexit ends it
	t.finish(t.protect(fn))
}

// protect runs fn and turns a panic into a *failure, which it logs with the
// stack of where it happened.
func (t *task) protect(fn func(*task) error) (err error) {
	ok := false
	defer func() {
		if ok {
			return
		}
		switch p := recover().(type) {
		case nil: // Goexit: t.end sees that it did not return
		case tooMany:
			err = &command.UserError{Text: string(p)}
		default:
			err = t.s.failed(t.what, p)
		}
	}()
	err = fn(t)
	ok = true
	return err
}

// begin marks the point back to which a failure is undone.
func (t *task) begin() {
	t.state = running
	t.s.aside.enter(lineUnit(t.seat, t.first, t.what))
	t.mark = t.s.world.Mark()
	t.since = time.Now()
	t.s.touch(t.seat)
}

// leave is called when the baton leaves the task, by a wait or its end.
func (t *task) leave() {
	t.changed = t.changed || t.s.world.Changed(t.mark)
	if took := t.s.meter.left(t); t.s.cfg.Slow > 0 && took > t.s.cfg.Slow {
		t.s.log.Warn("slow command", "cmd", t.what, "took", took, "session", t.seat.session.Number())
	}
}

// finish is the end of a command that returned, with or without an error.
func (t *task) finish(err error) {
	t.returned = true
	if err == nil {
		return // nearly always: what errors.As fills in would cost memory
	}
	var user *command.UserError
	var fail *failure
	switch {
	case errors.As(err, &user):
		t.reply(user.Text)
	default:
		// What a failed line has done since its last wait is undone, and
		// what it has said is not said.
		t.s.world.Undo(t.mark)
		if !errors.As(err, &fail) {
			fail = t.s.failed(t.what, err)
		}
		t.reply(fail.text())
	}
}

// reply tells the player how the line ended, under the client's name for it.
func (t *task) reply(text string) {
	m := message.Text(text)
	if t.id != "" {
		m = m.With("cmdid", t.id)
	}
	t.seat.session.Send(m, message.Options{})
}

// end is the last that runs of a task, whatever ended it.
func (t *task) end() {
	switch {
	case t.returned:
	case !t.dying:
		// runtime.Goexit in the command itself, as t.FailNow of a test does.
		t.s.world.Undo(t.mark)
		t.returned = true
	case !t.changed && !t.slept:
		// The next Server runs its line again, so what its defers did just
		// now must not stay.
		t.s.world.Undo(t.mark)
	}
	t.leave()
	t.s.aside.leaveLine()
	t.release()
	t.settle()
	t.s.passes(failpoint.Executed)
}

// release gives up the seat's queue, to the next command that wants to ask or
// to the next line.
func (t *task) release() {
	seat := t.seat
	if seat.current != t {
		return
	}
	seat.current = nil
	t.s.touch(seat)
	if len(seat.wanting) > 0 {
		next := seat.wanting[0]
		seat.wanting = seat.wanting[1:]
		seat.current = next
		t.s.woken = append(t.s.woken, next)
		return
	}
	t.s.makeRunnable(seat)
}

// settle marks the task's lines as processed if they are by now.
func (t *task) settle() {
	t.listed = false
	if t.returned || t.changed || t.slept {
		t.seat.done = max(t.seat.done, t.last)
		t.s.touch(t.seat)
	}
}

// park gives the baton to a new goroutine and waits until it comes back. It
// does not return if the task is to end.
func (t *task) park(st state) {
	s := t.s
	t.leave()
	s.aside.leave()
	t.state = st
	s.tasks[t] = struct{}{}
	t.seat.parked = append(t.seat.parked, t)
	if !t.listed {
		t.listed = true
		s.turn.tasks = append(s.turn.tasks, t)
	}
	t.wake = make(chan bool)
	go s.loop()
	dead := <-t.wake
	delete(s.tasks, t)
	t.seat.parked = slices.DeleteFunc(t.seat.parked, func(o *task) bool { return o == t })
	if dead {
		t.die()
	}
	t.begin()
}

// die ends a task that is not to go on: its defers run, nothing after the wait
// does.
func (t *task) die() {
	s := t.s
	t.dying = true
	switch t.state {
	case sleeping:
		heap.Remove(&s.sleepers, t.heapAt)
		t.seat.sleeping--
	case awaiting:
		t.cancel()
	case queueing:
		t.seat.wanting = slices.DeleteFunc(t.seat.wanting, func(o *task) bool { return o == t })
	}
	t.begin()
	switch {
	case t.seat.closing():
		t.returned = true // its line has nobody left to be run again for
	case t.changed || t.slept:
		t.seat.session.Msg(textInterrupted)
	}
	runtime.Goexit()
}

// A tooMany is what a wait panics with when there are too many already; the
// player reads it.
type tooMany string

func (t *task) checkTasks() {
	if len(t.s.tasks) >= maxTasks {
		panic(tooMany("Too many commands are waiting just now. Please try again later."))
	}
}

// Ask implements command.Task.
func (t *task) Ask(prompt string, hidden bool) string {
	t.checkTasks()
	s, seat := t.s, t.seat
	if seat.current == nil {
		seat.current = t
	}
	if seat.current != t { // it has slept, and another command holds the queue by now
		seat.wanting = append(seat.wanting, t)
		t.park(queueing)
	}
	t.asked++
	t.question = link.QuestionID{Line: t.first, K: t.asked}
	s.world.Emit(openQuestion{seat: seat, id: t.question, hidden: hidden, prompt: prompt})
	s.makeRunnable(seat) // the answer may be there already
	t.park(asking)
	t.question = link.QuestionID{}
	answer := t.answer
	t.answer = ""
	return answer
}

// Sleep implements command.Task.
func (t *task) Sleep(d time.Duration) {
	t.checkTasks()
	if t.seat.sleeping >= maxSleeping {
		panic(tooMany("You have too many things under way. Please wait a moment."))
	}
	t.slept = true
	t.until = t.s.world.Now().Add(max(d, 0))
	t.seat.sleeping++
	heap.Push(&t.s.sleepers, t)
	t.release()
	t.park(sleeping)
	t.seat.sleeping--
}

// Await implements command.Task.
func (t *task) Await(work func(context.Context)) {
	t.checkTasks()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t.cancel = cancel
	s := t.s
	var failed any
	s.turn.after = append(s.turn.after, func() {
		s.work.start(ctx, func(ctx context.Context) {
			defer func() {
				if r := recover(); r != nil {
					failed = fmt.Sprintf("%v\n%s", r, debug.Stack())
				}
				s.post(func() { s.woken = append(s.woken, t) })
			}()
			work(ctx)
		})
	})
	t.park(awaiting)
	if failed != nil {
		panic(failed)
	}
}
