package server

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/failpoint"
	"mudlark.dev/link"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// Bounds of the loop.
const (
	turnEvents  = 256                  // events after which a turn ends though there is more to do
	turnTime    = 5 * time.Millisecond // time after which it does
	turnBytes   = 64 << 10             // bytes of output after which it does: what a line says counts before the next one runs
	maxTasks    = 20000                // commands that wait, in all
	maxSleeping = 16                   // commands of one session that sleep; at the bound the next one that wants to sleep fails
	seatHold    = 64 << 10             // unread bytes of output above which a session's next lines wait
	seatDrop    = 1 << 20              // unread bytes above which it is disconnected
	linkHold    = 32 << 20             // unread bytes of all sessions above which the loop takes no events
	maxWork     = 1024                 // background works under way or waiting above which the loop takes no events
	maxQueue    = 4096                 // lines of one session that are not processed; more than any Portal keeps
)

// A turn is what the loop does between two ends of its queue.
type turn struct {
	worked bool // there is something to end
	events int
	start  time.Time
	spent  time.Duration // of it, when the loop looked last
	tasks  []*task       // commands that ran in it and now wait
	seats  []*seat       // seats whose lines may have been processed in it
	after  []func()      // called once its commit is in the store
}

// gated is something that leaves the loop when a commit is in the store.
type gated struct {
	commit uint64
	do     func()
}

// loop is the goroutine that holds the baton. It ends when it hands the baton
// to a parked command, or for good.
func (s *Server) loop() {
	handed := false
	defer func() {
		// runtime.Goexit came by: a parked command was ended, or game code
		// ended its goroutine. The baton is still here, so somebody goes on.
		if !handed && !s.done {
			go s.loop()
		}
	}()
	for {
		t, dead := s.step()
		if s.done {
			close(s.ending)
			return
		}
		if t != nil {
			handed = true
			t.wake <- dead
			return
		}
	}
}

// step takes one event and handles it, ends a turn, or waits for something to
// happen. If it returns a task, that one gets the baton next: dead means that
// it is to end instead of going on.
func (s *Server) step() (resume *task, dead bool) {
	s.takeInbox()
	if t := s.takeDoomed(); t != nil {
		return t, true
	}
	switch {
	case s.fatal != nil:
		s.done = len(s.tasks) == 0
		return s.anyTask(), true
	case s.drain != nil:
		return s.stepDrain()
	case s.full():
		s.turn.ticked()
		s.endTurn()
		s.wait()
		return nil, false
	case s.turn.events > 0 && s.turn.ticked() > turnTime, s.turn.events >= turnEvents, s.world.Emitted() > turnBytes:
		s.endTurn()
		return nil, false
	}
	if s.turn.events == 0 {
		s.turn.start = s.meter.begin()
	}
	if fn := s.takePosted(); fn != nil {
		s.turn.events++
		fn()
		return nil, false
	}
	if t := s.takeWoken(); t != nil {
		s.turn.events++
		return t, false
	}
	// What is due and what was typed take turns, so that neither a timer that
	// sets itself anew nor a player who never stops holds up the other.
	if !s.timed {
		if t, ok := s.takeDue(); ok {
			s.timed = true
			return t, false
		}
	}
	s.timed = false
	if seat := s.takeRunnable(); seat != nil {
		s.turn.events++
		return s.pump(seat)
	}
	if t, ok := s.takeDue(); ok {
		return t, false
	}
	if s.turn.worked {
		s.endRound()
		return nil, false
	}
	s.turn.events = 0
	s.wait()
	return nil, false
}

// takeDue runs a timer that is due, or returns a command that has slept enough.
func (s *Server) takeDue() (*task, bool) {
	if t := s.takeSleeper(); t != nil {
		s.turn.events++
		return t, true
	}
	if due, ok := s.world.NextTimer(); ok && !due.After(s.world.Now()) {
		s.turn.events++
		s.fireTimer()
		return nil, true
	}
	if due := s.reportDue(); !due.IsZero() && !due.After(s.world.Now()) {
		s.turn.events++
		s.turn.worked = true // the turn's end reports
		return nil, true
	}
	return nil, false
}

// full reports whether the loop is to take no events because what left it is
// not taken up: output, batches or background work.
func (s *Server) full() bool {
	return s.unread > linkHold || s.commits.full() || s.work.count() > maxWork
}

// wait blocks until something may have happened or a timer is due.
func (s *Server) wait() {
	s.meter.flush(s)
	var due <-chan time.Time
	if at, ok := s.nextDue(); ok && !s.full() {
		t := time.NewTimer(max(at.Sub(s.world.Now()), 0))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-s.wake:
	case <-due:
	case <-s.stop: // seen by takeInbox
	}
}

// nextDue returns when the next timer or sleeping command is due.
func (s *Server) nextDue() (time.Time, bool) {
	at, ok := s.world.NextTimer()
	if len(s.sleepers) > 0 && (!ok || s.sleepers[0].until.Before(at)) {
		at, ok = s.sleepers[0].until, true
	}
	if due := s.reportDue(); !due.IsZero() && (!ok || due.Before(at)) {
		at, ok = due, true
	}
	return at, ok
}

// keptFrames is how many frames' room is kept for the next ones to be read.
const keptFrames = 1024

// takeInbox sorts what the link's reader has left: control frames are handled
// at once, lines go to their seats.
func (s *Server) takeInbox() {
	s.mu.Lock()
	frames, lost := s.inbox, s.lost
	s.inbox = s.spare
	s.mu.Unlock()
	s.spare = nil // what a frame leads to may come here again
	for _, f := range frames {
		if err := s.take(f); err != nil {
			s.fail(err)
			return
		}
	}
	if cap(frames) <= keptFrames {
		clear(frames)
		s.spare = frames[:0]
	}
	s.runGated()
	select {
	case <-s.stop:
		if s.drain == nil {
			s.drain = &link.Drain{Mode: link.ModeReload, Reason: "stopped"}
		}
	default:
	}
	if lost != nil {
		s.fail(fmt.Errorf("%w: %w", ErrPortalLost, lost))
	}
	if err := s.commits.err(); err != nil {
		s.fail(err)
	}
}

// fail makes Run end with err. What is not committed yet is given up: nobody
// was told of it.
func (s *Server) fail(err error) {
	if s.fatal == nil {
		s.fatal = err
		s.log.Error("server ends", "err", err)
	}
}

func (s *Server) take(f link.Frame) error {
	switch f := f.(type) {
	case *link.Seat:
		s.addSeat(f, 0)
		return nil
	case *link.Open:
		return s.takeLine(f.Index, line{n: f.N, frame: f})
	case *link.Input:
		return s.takeLine(f.Index, line{n: f.N, frame: f})
	case *link.Update:
		return s.takeLine(f.Index, line{n: f.N, frame: f})
	case *link.Close:
		return s.takeLine(f.Index, line{n: f.N, frame: f})
	case *link.Credit:
		s.credit(f)
		return nil
	case *link.Ping:
		s.commands.Tidy(s.world.Now())
		return s.conn.Send(&link.Pong{Seq: f.Seq})
	case *link.Drain:
		if s.drain == nil {
			s.log.Info("server drains", "mode", f.Mode, "reason", f.Reason)
			s.drain = f
		}
		return nil
	case *link.Request:
		s.answer(f)
		return nil
	}
	return fmt.Errorf("%w: unexpected %T", ErrProtocol, f)
}

func (s *Server) credit(f *link.Credit) {
	if f.Index == 0 {
		s.unread -= min(s.unread, f.Bytes)
		return
	}
	if seat := s.seats[f.Index]; seat != nil {
		seat.unread -= min(seat.unread, f.Bytes)
		s.makeRunnable(seat)
	}
}

func (s *Server) takePosted() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.posted) == 0 {
		return nil
	}
	fn := s.posted[0]
	s.posted[0] = nil
	s.posted = s.posted[1:]
	return fn
}

// fireTimer runs one stored timer as a unit of its own.
func (s *Server) fireTimer() {
	s.turn.worked = true
	u := s.dueTimer()
	if s.passTimer(u) {
		return
	}
	if s.aside.enter(u) {
		defer s.aside.leave()
	}
	name, run := s.world.FireNext()
	if err := s.protect("timer "+name, run); err != nil {
		s.log.Warn("timer ended with an error", "timer", name, "err", err)
	}
	s.passes(failpoint.Fired)
}

// runGated starts what waited for commits that are in the store by now.
func (s *Server) runGated() {
	last := s.commits.last()
	for len(s.gated) > 0 && s.gated[0].commit <= last {
		do := s.gated[0].do
		s.gated[0].do = nil
		s.gated = s.gated[1:]
		do()
	}
}

// gate has do run once all that was assigned so far is in the store. It runs
// on the loop and must not touch the world.
func (s *Server) gate(do func()) {
	s.gated = append(s.gated, gated{commit: s.assigned, do: do})
}

// endTurn gives the turn's changes the next commit number, sends what leaves
// the loop, and hands the batch to the committer.
func (s *Server) endTurn() {
	t := &s.turn
	if !t.worked {
		t.events = 0
		return
	}
	for _, task := range t.tasks {
		task.settle()
	}
	changes := s.world.TakeChanges()
	s.reportUnstored(changes.Unstored)
	s.stale = s.stale || !changes.Empty()
	effects := s.world.TakeEffects()
	// What is reported comes before the texts of the turn, so that what they
	// set off at the client finds it up to date.
	s.report()
	if reports := s.world.TakeEffects(); len(reports) > 0 {
		effects = append(reports, effects...)
	}
	lines := s.processed()

	var batch *store.Batch
	if !changes.Empty() {
		s.assigned++
		batch = newBatch(s.assigned, changes, lines, s.ended)
		s.sift(batch)
		s.ended = nil
		s.passes(failpoint.Encoded)
	}
	s.send(effects, lines)
	s.aside.endTurn()
	s.passes(failpoint.Output)
	if batch != nil {
		s.commits.add(batch, s.conn.Sent())
	}
	s.meter.endTurn(s, t, batch)
	after := t.after
	*t = turn{tasks: t.tasks[:0], seats: t.seats[:0]}
	for _, do := range after {
		s.gate(do)
	}
	s.runGated()
}

// endRound is endTurn when there is nothing else to do: what is said goes out at once.
func (s *Server) endRound() {
	s.conn.Hold()
	defer s.conn.Release()
	s.endTurn()
}

// stepDrain ends the game in order: parked commands first, then the sessions'
// farewell if the game is over, then the last turn.
func (s *Server) stepDrain() (*task, bool) {
	if t := s.anyTask(); t != nil {
		return t, true
	}
	if s.drain.Mode == link.ModeShutdown {
		for _, seat := range s.seatsInOrder() {
			s.closeSeat(seat, "the game is shut down")
		}
	}
	s.stopGame(s.drain.Mode)
	s.turn.worked = true
	s.endTurn()
	s.done = true
	return nil, false
}

// anyTask returns a parked command, the oldest first, or nil.
func (s *Server) anyTask() *task {
	for t := range s.tasks {
		s.doomed = append(s.doomed, t) // all at once: the next ones are found there
	}
	slices.SortFunc(s.doomed, byNumber)
	return s.takeDoomed()
}

// protect runs fn as a unit that no player's line stands for. If it panics or
// returns an error that is not a *command.UserError, what it changed and said
// is undone, and the error is a *failure, which is in the log. If it was put
// aside it is not run, and the error is ErrAside.
func (s *Server) protect(what string, fn func() error) error {
	return s.asHook(what, func() error { return s.guard(what, fn) })
}

// guard is protect for what runs.
func (s *Server) guard(what string, fn func() error) (err error) {
	m := s.world.Mark()
	start := time.Now()
	ended := false
	defer func() {
		if !ended { // a panic, or Goexit in game code
			s.world.Undo(m)
			if r := recover(); r != nil {
				err = s.failed(what, r)
			}
		}
		if took := s.meter.unit(what, start); s.cfg.Slow > 0 && took > s.cfg.Slow {
			s.log.Warn("slow on the loop", "what", what, "took", took)
		}
	}()
	err = fn()
	ended = true
	var user *command.UserError
	if err != nil && !errors.As(err, &user) {
		s.world.Undo(m)
		return s.failed(what, err)
	}
	return err
}

// sleepers is a heap of the commands that sleep, by when they are due.
type sleepers []*task

func (h sleepers) Len() int { return len(h) }
func (h sleepers) Less(i, j int) bool {
	if h[i].until.Equal(h[j].until) {
		return h[i].number < h[j].number
	}
	return h[i].until.Before(h[j].until)
}
func (h sleepers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapAt, h[j].heapAt = i, j
}
func (h *sleepers) Push(x any) {
	t := x.(*task)
	t.heapAt = len(*h)
	*h = append(*h, t)
}
func (h *sleepers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}

// takeWoken returns a command whose wait is over.
func (s *Server) takeWoken() *task {
	for len(s.woken) > 0 {
		t := s.woken[0]
		s.woken[0] = nil
		s.woken = s.woken[1:]
		if _, ok := s.tasks[t]; ok { // it may have been ended meanwhile
			return t
		}
	}
	return nil
}

// takeDoomed returns a command whose session has ended.
func (s *Server) takeDoomed() *task {
	for len(s.doomed) > 0 {
		t := s.doomed[0]
		s.doomed = s.doomed[1:]
		if _, ok := s.tasks[t]; ok {
			return t
		}
	}
	return nil
}

func byNumber(a, b *task) int { return cmp.Compare(a.number, b.number) }

func (s *Server) takeSleeper() *task {
	if len(s.sleepers) == 0 || s.sleepers[0].until.After(s.world.Now()) {
		return nil
	}
	return heap.Pop(&s.sleepers).(*task)
}

// rowKind is the store's name for a kind of record: the numbers are the same.
func rowKind(k world.RecordKind) store.Kind { return store.Kind(k) }

// newBatch puts a turn's changes into the store's form.
func newBatch(commit uint64, c world.Changes, lines []processed, ended [][16]byte) *store.Batch {
	b := &store.Batch{
		Commit: commit, HighID: c.HighID, Ended: ended,
		Puts: make([]store.Row, 0, len(c.Puts)), Lines: make([]store.Line, 0, len(lines)),
	}
	for _, r := range c.Puts {
		b.Puts = append(b.Puts, store.Row{Key: store.Key{Kind: rowKind(r.Kind), ID: r.ID}, Commit: commit, Data: r.Data})
	}
	for _, k := range c.Deletes {
		b.Deletes = append(b.Deletes, store.Key{Kind: rowKind(k.Kind), ID: k.ID})
	}
	for _, l := range lines {
		if l.seat.gone {
			continue // forgotten with the session, see Ended
		}
		b.Lines = append(b.Lines, store.Line{Session: l.seat.session.ID(), N: l.n})
	}
	return b
}
