package portal

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unique"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/service"
	"mudlark.dev/session"
)

// A Session is a player's seat at the game, occupied by a Client. What the
// client says is a numbered log, which is kept until the game has handled it:
// losing the Server loses nothing of it.
//
// Its methods may be called by any goroutine. DataIn and TryDataIn keep the
// order of their calls, so one goroutine should make them.
type Session struct {
	p      *Portal
	id     session.ID
	number uint64
	kind   *kind
	client Client
	queue  Queuer        // the client, if it is one
	began  time.Duration // after Portal.made, as all of these

	updates sync.Mutex // one Update at a time; before all other locks
	out     sync.Mutex // the order of what is written to the client; before mu

	mu      sync.Mutex
	info    session.Info
	prefs   *session.Prefs              // nil: none
	caps    unique.Handle[session.Caps] // follows from info and prefs
	account string
	puppet  string

	log      lineLog
	bucket   bucket        // of messages
	waiters  *waiters      // nil: none; see waitsLocked
	lastRead time.Duration // when the last message was taken; 0 if none was

	question link.QuestionID // the open one
	shown    link.QuestionID // the one whose prompt is the last that was written; under out

	job int // its place in the renderer's jobs, if it has one; the renderer's

	link   *attachment // where the session has a seat; nil without
	index  link.Index  // its index there
	live   bool        // lines go to the link as they come
	ended  bool
	hidden bool   // the open question is hidden
	waits  bool   // the player was told that the game waits for its store
	unread uint64 // bytes of output that the client has not taken
	owed   uint64 // bytes taken and not yet given back to the Server
	notice string // what the player was told of the game being away, if anything
}

// waiters are those who wait for something of a session. Most have none.
type waiters struct {
	gone    chan struct{} // closed when the session has ended; nil if nobody waits for that
	space   chan struct{} // closed when there may be room; nil if nobody waits
	onSpace func()
	settled chan struct{} // closed when the log is empty; nil if nobody waits for that
	wanted  int           // what the message that was refused for want of room counts
	held    time.Duration // since when the full ring holds input back; 0 if it does not
	flood   *time.Timer   // looks at held when it is due
}

// waitsLocked returns the session's waiters, to be added to.
func (s *Session) waitsLocked() *waiters {
	if s.waiters == nil {
		s.waiters = new(waiters)
	}
	return s.waiters
}

// ID returns the session's ID.
func (s *Session) ID() session.ID { return s.id }

// Number returns the short number by which people know the session. It rises
// from 1 as long as the Portal runs.
func (s *Session) Number() uint64 { return s.number }

// Info returns what the client is and can do.
func (s *Session) Info() session.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

// Caps returns what follows for encoding from the client and the player's
// preferences.
func (s *Session) Caps() session.Caps {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.caps.Value()
}

// Hidden reports whether a hidden question is open: what is typed must neither
// be shown nor logged.
func (s *Session) Hidden() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hidden
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waitsLocked()
	if w.gone == nil {
		w.gone = make(chan struct{})
		if s.ended {
			close(w.gone)
		}
	}
	return w.gone
}

// Settled returns a channel that is closed once the game has handled all that
// the client has said so far, and its answers are on their way. It stays open
// while a command waits for something, and when the session ends before.
func (s *Session) Settled() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log.lines) == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	w := s.waitsLocked()
	if w.settled == nil {
		w.settled = make(chan struct{})
	}
	return w.settled
}

// DataIn gives a message of the client to the game. It blocks while the
// session's ring is full or the client has sent faster than it may, until ctx
// is done: the protocol then reads no more text. It fails with ErrTooLong, with
// the error of a message that does not pass Check, and with ErrClosed.
func (s *Session) DataIn(ctx context.Context, m message.Message) error {
	for {
		wait, space, err := s.try(m, true)
		switch {
		case err == nil:
			return nil
		case wait > 0:
			t := time.NewTimer(wait)
			select {
			case <-t.C:
				continue
			case <-ctx.Done():
			case <-s.Done():
			}
			t.Stop()
		case space != nil:
			select {
			case <-space:
				continue
			case <-ctx.Done():
			case <-s.Done():
			}
		default:
			return err
		}
		select {
		case <-s.Done():
			return ErrClosed
		default:
			return context.Cause(ctx)
		}
	}
}

// TryDataIn is DataIn for protocols that go on reading while text waits. It
// never blocks: instead it fails with ErrFull (see OnSpace), or with ErrRate
// and how long to wait.
func (s *Session) TryDataIn(m message.Message) (wait time.Duration, err error) {
	wait, _, err = s.try(m, false)
	return wait, err
}

// OnSpace has f called once, from any goroutine and without a lock held, when
// there may be room for a message again. If there is room already, f is called
// at once. It replaces an f that was not called yet. When the session ends, f
// is called.
func (s *Session) OnSpace(f func()) {
	l := s.p.cfg.Limits
	s.mu.Lock()
	w := s.waitsLocked()
	now := s.ended || s.log.room(w.wanted, l.RingLines, l.RingBytes)
	if now {
		w.onSpace = nil
	} else {
		w.onSpace = f
	}
	s.mu.Unlock()
	if now {
		f()
	}
}

// try takes m, or says what to wait for.
func (s *Session) try(m message.Message, waits bool) (wait time.Duration, space <-chan struct{}, err error) {
	if err := m.Check(); err != nil {
		s.p.meter.invalid.Inc()
		return 0, nil, err
	}
	isText := message.CanonicalName(m.Name) == "text"
	l := s.p.cfg.Limits
	if isText && l.LineBytes >= 0 {
		if n := textBytes(m); n > l.LineBytes {
			s.p.meter.tooLong.Inc()
			return 0, nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLong, n, l.LineBytes)
		}
	}
	if isText {
		// The answer to a hidden question ends the hiding on the wire before
		// another question can be written.
		s.out.Lock()
		defer s.out.Unlock()
	}
	s.mu.Lock()
	size := textBytes(m) + lineOverhead
	switch {
	case s.ended:
		s.mu.Unlock()
		return 0, nil, ErrClosed
	case !s.log.room(size, l.RingLines, l.RingBytes):
		w := s.waitsLocked()
		w.wanted = size
		s.holdLocked()
		if waits {
			if w.space == nil {
				w.space = make(chan struct{})
			}
			space = w.space
		}
		s.mu.Unlock()
		s.p.meter.full.Inc()
		return 0, space, ErrFull
	}
	now := s.p.now()
	if wait := s.bucket.take(now, l.MessagesPerSecond); wait > 0 {
		s.mu.Unlock()
		s.p.meter.rate.Inc()
		return max(wait, time.Millisecond), nil, ErrRate
	}
	in := line{kind: lineInput, size: size, message: m}
	answered := false
	if isText {
		in.question = s.question
		answered = s.hidden
		s.question, s.hidden = link.QuestionID{}, false
	}
	s.lastRead = now
	s.appendLocked(in)
	s.mu.Unlock()
	s.kind.meter.took(size - lineOverhead)
	if answered {
		s.writeAnswered()
	}
	return 0, nil, nil
}

// appendLocked adds a line to the log and sends it if there is a link that
// takes it.
func (s *Session) appendLocked(l line) {
	added := s.log.append(l)
	if s.live {
		s.link.sendLine(added, s.index)
	}
}

// holdLocked notes that input is held back by the full ring, and since when.
func (s *Session) holdLocked() {
	w := s.waitsLocked()
	if after := s.p.cfg.Limits.FloodAfter; w.held == 0 && after > 0 {
		w.held = s.p.now()
		if w.flood == nil {
			w.flood = time.AfterFunc(after, s.checkFlood)
		} else {
			w.flood.Reset(after)
		}
	}
}

// checkFlood disconnects a session whose ring has been full for too long while
// a Server was there to empty it.
func (s *Session) checkFlood() {
	after := s.p.cfg.Limits.FloodAfter
	s.mu.Lock()
	w := s.waiters // there are some: they have the timer that calls
	if s.ended || w.held == 0 {
		s.mu.Unlock()
		return
	}
	if s.link == nil {
		w.flood.Reset(after)
		s.mu.Unlock()
		return
	}
	since := s.p.made.Add(w.held)
	taken, ok := s.link.takesLines()
	if !ok {
		w.flood.Reset(after)
		s.mu.Unlock()
		return
	}
	if taken.After(since) {
		since = taken
	}
	if left := after - time.Since(since); left > 0 {
		w.flood.Reset(left)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.p.meter.floods.Inc()
	s.p.log.Warn("session disconnected: its input has been held back for too long", "session", s.number, "after", after)
	s.Disconnect(textFlood)
}

// Update has f change what is known of the client; f must not call the
// session's methods. The game is told if anything changed, of the last state
// only if it is behind.
func (s *Session) Update(f func(*session.Info)) {
	s.updates.Lock()
	defer s.updates.Unlock()
	info := s.Info()
	f(&info)
	trimInfo(&info)
	s.mu.Lock()
	defer s.mu.Unlock()
	if info == s.info || s.ended {
		return
	}
	s.info = info
	s.caps = s.capsLocked()
	if u := s.log.update(); u == nil {
		s.appendLocked(line{kind: lineUpdate, info: &info})
	} else if s.live {
		s.log.pending = true // it is on its way: another follows when it is processed
	} else {
		u.info = &info
	}
}

// capsLocked returns what follows from info and prefs.
func (s *Session) capsLocked() unique.Handle[session.Caps] {
	var prefs session.Prefs
	if s.prefs != nil {
		prefs = *s.prefs
	}
	return unique.Make(session.CapsOf(s.info, prefs))
}

// trimInfo cuts what clients say of themselves to a size that can be kept.
func trimInfo(i *session.Info) {
	for _, f := range []*string{&i.Client, &i.Terminal, &i.Encoding, &i.Version} {
		*f = cut(*f, 64)
	}
	i.Addr = cut(i.Addr, 128)
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// Disconnect ends the session, from either side; the second call and those
// after it do nothing. The client is told the reason and closed, the game
// learns of it as the last line of the session's log.
func (s *Session) Disconnect(reason string) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	s.log.pending = false
	s.question, s.hidden = link.QuestionID{}, false
	if s.waiters != nil && s.waiters.flood != nil {
		s.waiters.flood.Stop()
	}
	s.appendLocked(line{kind: lineClose, reason: cut(reason, 1<<10)})
	s.returnLocked(true)
	wake := s.wakeLocked()
	if s.waiters != nil && s.waiters.gone != nil {
		close(s.waiters.gone)
	}
	s.mu.Unlock()
	wake()
	s.out.Lock()
	err := service.Guard(func() error { return s.client.Close(reason) })
	s.out.Unlock()
	if err != nil {
		s.logger().Debug("client cannot be closed", service.ErrAttr(err))
	}
	s.logger().Info("session ended", "reason", reason)
}

// wakeLocked takes those who wait for room; the result wakes them.
func (s *Session) wakeLocked() func() {
	w := s.waiters
	if w == nil || w.space == nil && w.onSpace == nil {
		return func() {}
	}
	space, f := w.space, w.onSpace
	w.space, w.onSpace = nil, nil
	return func() {
		if space != nil {
			close(space)
		}
		if f == nil {
			return
		}
		// Whoever wakes is the reader of the link, or a timer: a panic there
		// would end the Portal.
		if err := service.Guard(func() error { f(); return nil }); err != nil {
			s.logger().Error("protocol failed as there was space", service.ErrAttr(err))
		}
	}
}

// processed takes the lines up to n out of the log: the Server has handled
// them. It reports whether the session is over.
func (s *Session) processed(n uint64) (over bool) {
	l := s.p.cfg.Limits
	s.mu.Lock()
	input, update, over := s.log.process(n)
	if update && s.log.pending {
		s.log.pending = false
		s.appendLocked(line{kind: lineUpdate, info: new(s.info)})
	}
	w := s.waiters
	if w != nil && len(s.log.lines) == 0 && w.settled != nil {
		close(w.settled)
		w.settled = nil
	}
	wake := func() {}
	if input {
		if w != nil && w.held != 0 && s.log.half(l.RingLines, l.RingBytes) {
			w.held = 0
			w.flood.Stop()
		}
		wake = s.wakeLocked()
	}
	s.mu.Unlock()
	wake()
	return over
}

// seatLocked gives the session its seat on a new link and returns the frame
// that says so.
func (s *Session) seatLocked(a *attachment, i link.Index) *link.Seat {
	s.link, s.index, s.live, s.owed = a, i, false, 0
	if s.log.pending { // nothing is on its way any more
		s.log.pending = false
		s.log.update().info = new(s.info)
	}
	return &link.Seat{
		Index: i, ID: s.id, Number: s.number, Info: s.info,
		Processed: s.log.processed, Question: s.question, Unread: s.unread,
	}
}

// goLive sends the lines that the link has not seen; from then on lines are
// sent as they come.
func (s *Session) goLive(a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != a || s.live {
		return
	}
	for i := range s.log.lines {
		a.sendLine(&s.log.lines[i], s.index)
	}
	s.live = true
}

// unseat takes the seat on a back.
func (s *Session) unseat(a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == a {
		s.link, s.live, s.owed = nil, false, 0
	}
}

// sent counts n bytes of output as the client's, before they are written. It returns
// what they are to be encoded for, and whether the session has ended.
func (s *Session) sent(n int) (caps session.Caps, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread += uint64(n)
	return s.caps.Value(), s.ended
}

// taken gives what was written back to the Server's budget, once nothing of it
// waits any more.
func (s *Session) taken() {
	if s.queue != nil && s.waiting() > 0 {
		return
	}
	s.mu.Lock()
	s.returnLocked(false)
	s.mu.Unlock()
}

// waiting asks the queue how much of the output waits: nothing, if that fails.
func (s *Session) waiting() int {
	n, err := queued(s.queue)
	if err != nil {
		s.logger().Error("client cannot say what waits for it", service.ErrAttr(err))
	}
	return n
}

func queued(q Queuer) (n int, err error) {
	defer service.Recover(&err)
	return q.Queued(), nil
}

// returnLocked gives back all that is unread. The session's own credit goes out
// in lots, unless all is to go.
func (s *Session) returnLocked(all bool) {
	n := s.unread
	s.owed += n
	s.unread = 0
	if s.link == nil {
		s.owed = 0 // the next Seat says what is unread
		return
	}
	var mine uint64
	if s.owed >= creditLot || all {
		mine, s.owed = s.owed, 0
	}
	s.link.credit(s.index, mine, n)
}

// status returns the session's entry in the Portal's Status.
func (s *Session) status(now time.Duration) SessionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := now - max(s.began, s.lastRead)
	return SessionStatus{
		Number: s.number, Protocol: s.info.Protocol, Addr: s.info.Addr, Client: s.info.Client,
		Account: s.account, Puppet: s.puppet, IdleSeconds: int64(idle / time.Second), Ended: s.ended,
	}
}

func (s *Session) logger() *slog.Logger {
	return s.p.log.With("session", s.number, "proto", s.kind.protocol)
}

// compareSessions orders by number.
func compareSessions(a, b *Session) int { return cmp.Compare(a.number, b.number) }
