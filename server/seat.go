package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mudlark.dev/command"
	"mudlark.dev/failpoint"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// A seat is a session as its link knows it: its log and how far it is handled.
// It belongs to the loop.
type seat struct {
	index   link.Index
	session *world.Session

	queue    []line  // received, not handled; the Portal's ring bounds it
	last     uint64  // the last line received
	done     uint64  // all up to here are processed, as far as this turn knows
	told     uint64  // the last line that the Portal was told of as processed
	unread   uint64  // bytes of output that its client has not taken
	current  *task   // the command that holds the queue: it runs, asks or awaits
	wanting  []*task // commands that have slept and want to ask; at most maxSleeping
	parked   []*task // commands that wait, in no order
	sleeping int     // commands that sleep
	queued   bool    // it is in Server.runnable
	touched  bool    // it is in turn.seats
	offered  bool    // its client was told that it may log in by itself
	dropped  bool    // it is being disconnected because it does not read
	gone     bool    // its Close is handled
}

// A line is one entry of a session's log.
type line struct {
	n     uint64
	frame link.Frame // *link.Open, *link.Input, *link.Update or *link.Close
}

// processed says that all lines of seat up to n are.
type processed struct {
	seat *seat
	n    uint64
}

// What players read when a command ends otherwise than they expect.
const (
	textInterrupted = "Your command was interrupted: the game was replaced meanwhile."
	textQuestion    = "That question was interrupted. Please start again."
	textTooSlow     = "Your client does not take what it is sent."
)

// attach takes up the sessions that the Portal has and ends those that it has
// no more, as the first turn of this Server.
func (s *Server) attach(state store.State, seats []*link.Seat) {
	s.turn.worked = true
	s.startGame()
	known := make(map[[16]byte]bool, len(seats))
	for _, f := range seats {
		known[f.ID] = true
		s.addSeat(f, state.Lines[f.ID])
	}
	for _, id := range s.world.StoredSessions(s.portal) {
		drop := func() error { s.world.DropStored(id); return nil }
		if err := s.protect(fmt.Sprintf("disconnect hooks of stored session %s", id), drop); errors.Is(err, ErrAside) {
			s.world.WithoutHooks(func() { s.world.DropStored(id) })
		} else if err != nil {
			s.log.Error("session dropped with an error", "session", id, "err", err)
		}
	}
	for id := range state.Lines {
		if !known[id] {
			s.ended = append(s.ended, id)
		}
	}
	slices.SortFunc(s.ended, func(a, b [16]byte) int { return strings.Compare(string(a[:]), string(b[:])) })
}

// startGame readies the world: an empty one is built, every AtInit is called,
// and AtServerStart.
func (s *Server) startGame() {
	game := &s.cfg.Game
	switch {
	case s.world.Empty() && game.Build == nil:
	case s.world.Empty():
		if err := s.protect("build", func() error { return game.Build(s.world) }); err != nil {
			s.fail(fmt.Errorf("server: build the first world: %w", err))
		}
	default:
		for _, e := range s.world.Inits() {
			s.hook(fmt.Sprintf("AtInit of %s (%s)", e.ID(), e.Typeclass()), func() error {
				world.CallHook(e, world.AtInitHook.AtInit)
				return nil
			})
		}
	}
	if game.AtServerStart != nil {
		s.hook("AtServerStart", func() error { return game.AtServerStart(s.world, s.cfg.Mode) })
	}
}

// stopGame calls what is to be called before the Server ends.
func (s *Server) stopGame(why Mode) {
	if why == ModeReload {
		defer s.keepTold() // after the hooks, which may change what is told
	}
	for _, h := range s.world.Stopping(why == ModeReload) {
		s.hook(h.Name, func() error { h.Run(); return nil })
	}
	if stop := s.cfg.Game.AtServerStop; stop != nil {
		s.hook("AtServerStop", func() error { return stop(s.world, why) })
	}
}

// hook runs a hook that no player's line stands for, on its own: what fails is
// in the log.
func (s *Server) hook(what string, fn func() error) {
	if err := s.protect(what, fn); err != nil {
		s.log.Debug("hook undone", "hook", what, "err", err)
	}
	s.stillHere()
}

// addSeat opens the session that f announces. stored is the last line that the
// store knows to be processed.
func (s *Server) addSeat(f *link.Seat, stored uint64) {
	s.names.ShareInfo(&f.Info)
	seat := &seat{
		index: f.Index, session: s.world.OpenSession(f.ID, f.Number, f.Info, s.portal),
		last: f.Processed, done: max(stored, f.Processed), told: f.Processed, unread: f.Unread,
	}
	s.seats[f.Index] = seat
	s.bySession[seat.session] = seat
	s.unread += f.Unread
	if f.Question.Line != 0 && f.Question.Line <= seat.done {
		// Its command will not run again, so nobody asks it any more.
		s.world.Emit(closeQuestion{seat})
		seat.session.Msg(textInterrupted)
		s.turn.worked = true
	}
	s.touch(seat)
	if seat.session.Account() != nil {
		s.world.Emit(world.Login{Session: seat.session}) // the Portal's copy may be older
		s.world.Emit(world.PrefsChanged{Session: seat.session})
	}
	seat.offered = f.Processed > 0 || stored > 0 // by the Server before
	s.watch(seat.session)
	s.takeTold(seat.session)
}

// takeLine queues a line of a session's log.
func (s *Server) takeLine(index link.Index, l line) error {
	seat := s.seats[index]
	if seat == nil {
		return fmt.Errorf("%w: line %d for index %d, which has no seat", ErrProtocol, l.n, index)
	}
	if l.n != seat.last+1 {
		return fmt.Errorf("%w: line %d of session %d follows line %d", ErrProtocol, l.n, seat.session.Number(), seat.last)
	}
	if len(seat.queue) >= maxQueue {
		return fmt.Errorf("%w: session %d has more than %d lines that are not processed", ErrProtocol, seat.session.Number(), maxQueue)
	}
	seat.last = l.n
	if u, ok := l.frame.(*link.Update); ok {
		s.names.ShareInfo(&u.Info)
		seat.session.SetInfo(u.Info) // at once: see link/SPEC.md, section 3
	}
	if l.n <= seat.done {
		return nil // processed by the Server before this one
	}
	if seat.queue == nil {
		seat.queue = s.newQueue()
	}
	seat.queue = append(seat.queue, l)
	s.makeRunnable(seat)
	s.passes(failpoint.Received)
	return nil
}

// makeRunnable puts seat at the end of the queue if it has something to run.
func (s *Server) makeRunnable(seat *seat) {
	if !seat.queued && !seat.gone && len(seat.queue) > 0 {
		seat.queued = true
		s.runnable = append(s.runnable, seat)
	}
}

func (s *Server) takeRunnable() *seat {
	for len(s.runnable) > 0 {
		seat := s.runnable[0]
		s.runnable = dropFirst(s.runnable)
		seat.queued = false
		if !seat.gone && len(seat.queue) > 0 && (seat.unread <= seatHold || seat.dropped) {
			return seat
		}
	}
	return nil
}

// touch has the end of this turn tell the Portal of seat's processed lines.
func (s *Server) touch(seat *seat) {
	s.turn.worked = true
	if !seat.touched {
		seat.touched = true
		s.turn.seats = append(s.turn.seats, seat)
	}
}

// processed returns what the turn has processed, one entry a session.
func (s *Server) processed() []processed {
	var out []processed
	for _, seat := range s.turn.seats {
		seat.touched = false
		if seat.done > seat.told {
			out = append(out, processed{seat, seat.done})
			seat.told = seat.done
		}
	}
	return out
}

// pop takes the first line off a seat's queue. One that is empty goes to
// the next seat that gets a line, for most are idle.
func (s *Server) pop(q *seat) line {
	l := q.queue[0]
	q.queue[0] = line{}
	switch {
	case len(q.queue) > 1:
		q.queue = q.queue[1:]
		return l
	case cap(q.queue) == lineRoom && len(s.queues) < maxQueues:
		s.queues = append(s.queues, q.queue[:0])
	}
	q.queue = nil
	return l
}

// Of queues of lines.
const (
	lineRoom  = 2   // lines that a new queue has room for
	maxQueues = 256 // empty ones that are kept
)

// newQueue returns an empty queue.
func (s *Server) newQueue() []line {
	n := len(s.queues)
	if n == 0 {
		return make([]line, 0, lineRoom)
	}
	q := s.queues[n-1]
	s.queues = s.queues[:n-1]
	return q
}

// keptRoom is how many entries' room an empty queue keeps.
const keptRoom = 8

// dropFirst takes the first entry off a queue. One that is empty then begins again
// where it has room, for most hold one entry at a time, but keeps no more than
// a little.
func dropFirst[T any](q []T) []T {
	var none T
	q[0] = none
	switch {
	case len(q) > 1:
		return q[1:]
	case cap(q) > keptRoom:
		return nil
	}
	return q[:0]
}

// pump handles the next line of a seat. The task it returns gets the baton:
// it asked and has its answer, or it is to end.
func (s *Server) pump(seat *seat) (resume *task, dead bool) {
	s.touch(seat)
	if t := seat.current; t != nil {
		resume, dead = s.pumpHeld(seat, t)
	} else {
		s.runLine(seat, s.pop(seat))
	}
	s.makeRunnableIfFree(seat)
	return resume, dead
}

// makeRunnableIfFree is makeRunnable unless a command awaits something: its end
// makes the seat runnable again.
func (s *Server) makeRunnableIfFree(seat *seat) {
	if seat.current == nil || seat.current.state == asking {
		s.makeRunnable(seat)
	}
}

// pumpHeld handles the next line while t holds the queue.
func (s *Server) pumpHeld(seat *seat, t *task) (resume *task, dead bool) {
	if t.state != asking {
		return nil, false // it awaits: lines wait, too
	}
	switch f := seat.queue[0].frame.(type) {
	case *link.Close:
		return t, true // nobody will answer
	case *link.Update:
		t.last = s.pop(seat).n
		t.settle()
	case *link.Input:
		t.last = s.pop(seat).n
		text, isText := answerText(f)
		switch {
		case isText && (f.Question == t.question || f.Question == link.QuestionID{}):
			if f.Question == (link.QuestionID{}) { // typed ahead: the Portal may not know that it is the answer
				s.world.Emit(closeQuestion{seat})
			}
			t.answer = text
			return t, false
		case isText:
			seat.session.Msg(textQuestion)
			t.settle()
		default:
			// Not an answer and not a command: it belongs to the waiting
			// line from here on, for better or worse.
			m := s.world.Mark()
			s.runInput(seat, t.last, f)
			t.changed = t.changed || s.world.Changed(m)
			t.settle()
		}
	default:
		s.fail(fmt.Errorf("%w: %T in the middle of a log", ErrProtocol, f))
	}
	return nil, false
}

// answerText returns the text of a message that can be an answer.
func answerText(f *link.Input) (string, bool) {
	if message.CanonicalName(f.Message.Name) != "text" || len(f.Message.Args) == 0 {
		return "", false
	}
	text, ok := f.Message.Args[0].(string)
	return text, ok
}

// runLine handles a line that no command waits for.
func (s *Server) runLine(seat *seat, l line) {
	if s.passLine(seat, l) {
		return
	}
	switch f := l.frame.(type) {
	case *link.Open:
		s.offerLogin(seat)
		s.start(seat, l.n, lineName(f), func(t *task) error {
			return s.commands.RunSystem(s.world, seat.session, command.LoginStart, t)
		})
		s.passes(failpoint.Connected)
	case *link.Update:
		s.asLine(seat, l.n, lineName(f), func() {
			s.offerLogin(seat)
			s.watch(seat.session)
		})
		seat.done = l.n
	case *link.Close:
		s.asLine(seat, l.n, lineName(f), func() { s.closeSeat(seat, f.Reason) })
		seat.done = l.n
	case *link.Input:
		if f.Question != (link.QuestionID{}) {
			// The command that asked is gone. What was typed may be a
			// password: it is neither run nor logged.
			seat.session.Msg(textQuestion)
			seat.done = l.n
			return
		}
		s.start(seat, l.n, f.Message.Name, func(t *task) error { return s.dispatch(seat, t, f) })
	}
}

// closeSeat ends a session: the commands it has waiting, then the session.
func (s *Server) closeSeat(seat *seat, reason string) {
	if seat.gone {
		return
	}
	seat.gone = true
	s.touch(seat)
	s.doomed = append(s.doomed, seat.parked...)
	slices.SortFunc(s.doomed, byNumber)
	if err := s.protect("disconnect", func() error { s.world.CloseSession(seat.session, reason); return nil }); err != nil {
		s.log.Error("disconnect failed", "session", seat.session.Number(), "err", err)
	}
	s.unread -= min(s.unread, seat.unread)
	s.ended = append(s.ended, seat.session.ID())
	s.log.Info("session closed", "session", seat.session.Number(), "reason", reason)
	delete(s.watches, seat)
	delete(s.seats, seat.index)
	delete(s.bySession, seat.session)
	s.commands.Forget(seat.session)
	s.passes(failpoint.Disconnected)
}

// closing reports whether the session has ended or its end is what comes next.
func (q *seat) closing() bool {
	if q.gone {
		return true
	}
	if len(q.queue) == 0 {
		return false
	}
	_, ok := q.queue[0].frame.(*link.Close)
	return ok
}

func (s *Server) seatsInOrder() []*seat {
	out := make([]*seat, 0, len(s.seats))
	for _, seat := range s.seats {
		out = append(out, seat)
	}
	slices.SortFunc(out, func(a, b *seat) int { return int(a.index) - int(b.index) })
	return out
}
