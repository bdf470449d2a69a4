package portal

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"mudlark.dev/failpoint"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/service"
	"mudlark.dev/session"
)

// maxHeld bounds what the turns that are not committed hold, in bytes of text
// and frames. A Server stops long before, at the link's budget; one that does
// not is broken, and its link is ended.
const maxHeld = 256 << 20

// A turn is what a Server did between two ends of its queue. It is carried out
// as a whole, or never.
type turn struct {
	a      *attachment // whose indexes its frames carry
	frames []link.Frame
	end    *link.End
	size   int
	mixed  bool // there are others than Output
}

// A reader takes the frames of a Server and carries out its turns. It waits
// for nothing but the next frame.
type reader struct {
	p         *Portal
	a         *attachment
	committed uint64
	cur       turn   // the frames since the last End
	held      []turn // in order, not committed
	heldSize  int
	due       bool   // some of them may be carried out by now
	open      []turn // carried out but for what ends them: their output waits for a flush
	render    renderer
	to        []*Session
	scratch   []byte
}

// run reads until the link ends; the error is io.EOF if that was in order.
func (rd *reader) run() error {
	rd.cur.a = rd.a
	for {
		// What has come already is carried out together, so that a client is
		// written to once.
		if rd.due && !rd.a.conn.Buffered() {
			rd.due = false
			rd.carry()
		}
		f, err := rd.a.conn.Recv()
		if err != nil {
			return err
		}
		if err := rd.handle(f); err != nil {
			return err
		}
	}
}

func (rd *reader) handle(f link.Frame) error {
	switch f := f.(type) {
	case *link.Output, *link.Question, *link.Login, *link.Prefs, *link.Disconnect, *link.Action:
		rd.cur.frames = append(rd.cur.frames, f)
		if _, ok := f.(*link.Output); !ok {
			rd.cur.mixed = true
		}
		n := frameSize(f)
		rd.cur.size += n
		rd.heldSize += n
		if rd.heldSize > maxHeld {
			return fmt.Errorf("the Server has sent %d bytes that are not committed", rd.heldSize)
		}
	case *link.End:
		rd.cur.end = f
		rd.held = append(rd.held, rd.cur)
		rd.cur = turn{a: rd.a}
		rd.due = true
	case *link.Committed:
		rd.committed = max(rd.committed, f.Commit)
		rd.due = true
	case *link.Pong:
		rd.a.lastPong.Store(int64(time.Since(rd.a.since)))
		rd.render.cache.tidy(time.Now())
	case *link.Stalled:
		rd.busy(func() { rd.p.stalled(rd.a, f) })
	case *link.Drained:
		rd.p.log.Debug("server drained", "commit", f.Commit)
	case *link.Request:
		rd.p.answer(rd.a, f)
	case *link.Refuse:
		return fmt.Errorf("refused by the Server: %s (%s)", f.Reason, f.Hint)
	default:
		return fmt.Errorf("%w: a %T is not for a Portal", link.ErrBadFrame, f)
	}
	return nil
}

// frameSize is what a frame counts while it is held.
func frameSize(f link.Frame) int {
	const overhead = 64
	switch f := f.(type) {
	case *link.Output:
		return overhead + 4*len(f.Sessions) + textBytes(f.Message)
	case *link.Question:
		return overhead + len(f.Prompt)
	}
	return overhead
}

// carry is release while a Server is attached.
func (rd *reader) carry() {
	rd.busy(rd.release)
	rd.p.meter.holds(rd.heldSize, len(rd.held))
}

// busy calls f, which writes to clients. Meanwhile nobody reads what the Server
// answers: that an encoder is slow must not count as the Server's silence.
func (rd *reader) busy(f func()) {
	begun := time.Since(rd.a.since)
	rd.a.carrying.Store(max(int64(begun), 1))
	f()
	if now := time.Since(rd.a.since); now-begun > pingEvery {
		rd.p.log.Warn("output was held up: an encoder, or what it writes to, is slow", "took", now-begun)
		rd.a.lastPong.Store(int64(now))
	}
	rd.a.carrying.Store(0)
}

// release carries out the turns whose commit is in the store. Those that only say
// something are carried out together: each client is written to once.
func (rd *reader) release() {
	k := 0
	for k < len(rd.held) && rd.held[k].end.Commit <= rd.committed {
		rd.carryOut(rd.held[k])
		rd.heldSize -= rd.held[k].size
		k++
	}
	rd.finish()
	if k > 0 {
		rest := copy(rd.held, rd.held[k:])
		clear(rd.held[rest:])
		rd.held = rd.held[:rest]
	}
}

// settle carries out what is left of the Server before up to commit, and drops
// the rest: its lines are sent again. p.handshake is held and no link is in use.
func (p *Portal) settle(commit uint64) {
	if len(p.held) == 0 {
		return
	}
	rd := &reader{p: p, committed: commit, held: p.held}
	p.held = nil
	rd.release()
	p.meter.holds(0, 0)
	if n := len(rd.held); n > 0 {
		p.log.Info("turns dropped that were not committed", "turns", n, "commit", commit)
	}
}

// carryOut does what a turn says. What it writes to clients waits for a flush, and
// what ends it for finish; but a turn that does more than write finds all before it
// finished.
func (rd *reader) carryOut(t turn) {
	if t.mixed {
		rd.finish()
	}
	for _, f := range t.frames {
		if f, ok := f.(*link.Output); ok {
			rd.output(&t, f)
			continue
		}
		rd.render.flush() // what was said before comes before
		switch f := f.(type) {
		case *link.Question:
			if s := rd.session(t.a, f.Session); s != nil {
				s.ask(f, t.processes(f.Session))
			}
		case *link.Login:
			if s := rd.session(t.a, f.Session); s != nil {
				s.login(f.Account, f.Puppet)
			}
		case *link.Prefs:
			if s := rd.session(t.a, f.Session); s != nil {
				s.prefer(f.Prefs)
			}
		case *link.Disconnect:
			if s := rd.session(t.a, f.Session); s != nil {
				s.Disconnect(f.Reason)
			}
		}
	}
	rd.open = append(rd.open, t)
	if t.mixed {
		rd.finish()
	}
}

func (rd *reader) output(t *turn, f *link.Output) {
	rd.to = t.a.all(rd.to[:0], f.Sessions)
	size := rd.outputSize(f.Message)
	for _, s := range rd.to {
		if s == nil {
			rd.ignore(t.a, size)
		}
	}
	rd.render.deliver(rd.to, f.Message, f.Options, size)
	clear(rd.to)
}

// finish writes what waits, and ends the turns that are carried out: it marks their
// lines as processed. Actions come last: they must not be asked for again by a line
// that is sent again.
func (rd *reader) finish() {
	rd.render.flush()
	for i := range rd.open {
		t := &rd.open[i]
		for _, l := range t.end.Lines {
			if s := t.a.at(l.Session); s != nil && s.processed(l.N) {
				rd.p.remove(s)
				t.a.unseat(l.Session)
			}
		}
		for _, f := range t.frames {
			if f, ok := f.(*link.Action); ok {
				rd.p.act(f, t.a.at(f.Session))
			}
		}
		rd.p.passes(failpoint.Released)
	}
	clear(rd.open)
	rd.open = rd.open[:0]
}

// processes returns the last line of a session that the turn has processed, or 0.
func (t *turn) processes(i link.Index) uint64 {
	for _, l := range t.end.Lines {
		if l.Session == i {
			return l.N
		}
	}
	return 0
}

// session returns the session of a frame, or nil if it is gone.
func (rd *reader) session(a *attachment, i link.Index) *Session {
	s := a.at(i)
	if s == nil {
		rd.ignore(a, 0)
	}
	return s
}

// outputSize returns what a message counts as output, for each receiver: a
// plain text its bytes and one, any other its binary form. The Server counts
// the same. Questions count nothing.
func (rd *reader) outputSize(m message.Message) int {
	if m.Name == "text" && len(m.Args) == 1 && len(m.Kwargs) == 0 {
		if s, ok := m.Args[0].(string); ok {
			return len(s) + 1
		}
	}
	b, err := m.AppendBinary(rd.scratch[:0])
	if err != nil { // cannot be: the message was decoded from that form
		return 0
	}
	if cap(b) <= keepEncoding {
		rd.scratch = b
	}
	return len(b)
}

// ignore counts a frame for a session that is gone; its bytes are of no use.
func (rd *reader) ignore(a *attachment, size int) {
	rd.p.ignored.Add(1)
	a.credit(0, 0, uint64(size))
}

// login notes who plays.
func (s *Session) login(account, puppet string) {
	s.mu.Lock()
	changed := s.account != account || s.puppet != puppet
	s.account, s.puppet = account, puppet
	s.mu.Unlock()
	o, ok := s.client.(LoginObserver)
	if !ok || !changed {
		return
	}
	if err := service.Guard(func() error { o.AtLogin(account, puppet); return nil }); err != nil {
		s.logger().Error("client failed at login", service.ErrAttr(err))
	}
}

// prefer notes what the player prefers.
func (s *Session) prefer(prefs session.Prefs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prefs = nil
	if prefs != (session.Prefs{}) {
		s.prefs = &prefs
	}
	s.caps = s.capsLocked()
}

// act does what the Server asks of the Portal. S is told how it goes; it may be
// nil.
func (p *Portal) act(f *link.Action, s *Session) {
	switch f.Mode {
	case link.ModeShutdown:
		p.Shutdown(f.Reason)
		return
	case link.ModeReload, link.ModeReset:
	default:
		p.log.Warn("action that the Portal does not know", "mode", f.Mode.String())
		return
	}
	p.goLinking(func() {
		tell := func(text string) {
			if s != nil {
				// Raw: an error of the build may hold anything.
				s.tell(text, message.Options{Raw: true})
			}
		}
		tell(textReplacing)
		if err := p.RestartTelling(p.linkCtx, f.Mode, f.Reason, tell); err != nil {
			tell(textNotReplaced + withHint(err))
			return
		}
		tell(fmt.Sprintf(textReplaced, p.lastPause()))
		if n, ok := p.cfg.Starter.(Noter); ok && n.Note() != "" {
			tell(n.Note())
		}
	})
}

// lastPause is how long the game stood still for the last replacement.
func (p *Portal) lastPause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lastReload == nil {
		return 0
	}
	return p.lastReload.Pause.Round(time.Millisecond)
}

// goLinking runs f on a goroutine that Run waits for.
func (p *Portal) goLinking(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopping {
		p.linking.Go(f)
	}
}

// withHint returns the text of err, and what it says can be done about it.
func withHint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return strings.TrimRight(err.Error(), "\n") + "\n" + h.Hint()
	}
	return err.Error()
}
