package portal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mudlark.dev/failpoint"
	"mudlark.dev/link"
)

const (
	handshakeTime = 10 * time.Second // for a peer to say who it is, and for the link before to end
	maxHello      = 4 << 10          // bytes of a ServerHello
	creditLot     = 4 << 10          // bytes that a session gives back at once; the Server's limit is far above
	linkCreditLot = 64 << 10         // as above, for the link's budget
	replayAhead   = 8 << 20          // bytes of old lines that are sent and not written yet
)

// An attachment is a link to a Server and the seats on it.
type attachment struct {
	p     *Portal
	conn  *link.Conn
	gen   uint64    // which of the supervisor's processes it is
	since time.Time // when it got its seats
	ended chan struct{}

	// In nanoseconds after since: the clock of the wall may jump.
	lastPong atomic.Int64
	flows    atomic.Int64 // since when its store commits, or stuck
	carrying atomic.Int64 // when the reader began to carry out turns; 0 while it does not

	mu       sync.Mutex
	seats    map[link.Index]*Session
	last     link.Index // the last that was given out
	draining bool       // Drain was sent: no more lines
	owed     uint64     // to the link's budget
	input    link.Input // the frame at hand, so that a line costs no memory for it
}

// lastWords is the transport of a Server that may die at any moment. What it has
// written is to be read to its end, so a write that fails because it is gone
// must not end the link: the reader will. A write that takes too long does.
type lastWords struct{ link.Transport }

func (t *lastWords) Write(b []byte) (int, error) {
	n, err := t.Transport.Write(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return len(b), nil
	}
	return n, err
}

// seat gives a session that connects its seat, unless the Server is to stop.
// The session's and the Portal's locks are held.
func (a *attachment) seat(s *Session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.draining {
		return false
	}
	a.seatLocked(s)
	return true
}

func (a *attachment) seatLocked(s *Session) {
	a.last++
	a.seats[a.last] = s
	a.conn.Send(s.seatLocked(a, a.last)) // an error is the link's end, which its reader sees
}

func (a *attachment) unseat(i link.Index) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.seats, i)
}

// at returns the session with that index, or nil.
func (a *attachment) at(i link.Index) *Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seats[i]
}

// all appends the sessions of a list of indexes to dst, nil for those that are
// gone.
func (a *attachment) all(dst []*Session, list []link.Index) []*Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, i := range list {
		dst = append(dst, a.seats[i])
	}
	return dst
}

// sendLine sends a line of a log, unless the Server is to stop: the next one
// gets it then.
func (a *attachment) sendLine(l *line, i link.Index) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.draining {
		return
	}
	if l.kind == lineInput {
		a.input = link.Input{Index: i, N: l.n, Question: l.question, Message: l.message}
		a.conn.Send(&a.input)
		a.input = link.Input{}
	} else {
		a.conn.Send(l.frame(i))
	}
	a.p.passes(failpoint.Sent)
}

// drain tells the Server to stop. No line follows it.
func (a *attachment) drain(mode link.Mode, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.draining {
		a.draining = true
		a.conn.Send(&link.Drain{Mode: mode, Reason: reason})
	}
}

// credit gives back n bytes to the link's budget, when a lot is together, and
// mine to a session's.
func (a *attachment) credit(i link.Index, mine, n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if mine > 0 {
		a.conn.Send(&link.Credit{Index: i, Bytes: mine})
	}
	if a.owed += n; a.owed >= linkCreditLot {
		a.conn.Send(&link.Credit{Bytes: a.owed})
		a.owed = 0
	}
}

// WriteNow implements link.NowWriter.
func (t *lastWords) WriteNow(b []byte) (int, error) {
	now, ok := t.Transport.(link.NowWriter)
	if !ok {
		return 0, nil
	}
	n, err := now.WriteNow(b)
	if err != nil {
		return len(b), nil
	}
	return n, err
}

// acceptLinks waits for Servers until the Listener is closed.
func (p *Portal) acceptLinks() {
	// A peer that does not end its handshake takes one of few places.
	places := make(chan struct{}, 8)
	for {
		t, err := p.cfg.Listener.Accept()
		if err != nil {
			if p.linkCtx.Err() != nil {
				return
			}
			// As when the process has too many files open: a Server must be
			// able to attach when that is over.
			p.log.Error("server cannot attach", "addr", p.cfg.Listener.Addr(), "err", err)
			pause := time.NewTimer(time.Second)
			select {
			case <-pause.C:
				continue
			case <-p.linkCtx.Done():
				pause.Stop()
				return
			}
		}
		select {
		case places <- struct{}{}:
		case <-p.linkCtx.Done():
			t.Close()
			return
		}
		p.linking.Go(func() {
			defer t.Close()
			defer context.AfterFunc(p.linkCtx, func() { t.Close() })()
			err := p.serveLink(t, sync.OnceFunc(func() { <-places }))
			if err != nil && p.linkCtx.Err() == nil {
				p.log.Warn("link ended", "err", err)
			}
		})
	}
}

// serveLink is the life of a link. It calls shaken when the handshake is over.
func (p *Portal) serveLink(t link.Transport, shaken func()) error {
	defer shaken()
	hello, err := helloWithin(t, handshakeTime)
	if err == nil && hello.Epoch == 0 {
		hello, err = p.letGo(t, hello)
	}
	if r, ok := errors.AsType[*refusalError](err); ok {
		return p.refuseLink(t, r)
	}
	if err != nil {
		return fmt.Errorf("portal: handshake: %w", err)
	}
	a, r := p.attach(t, hello)
	if r != nil {
		return p.refuseLink(t, r)
	}
	shaken()
	p.log.Info("server attached", "server", hello.Server, "mode", hello.Mode.String(), "commit", hello.Commit)
	p.super.linkChanged(a, true)

	var replay sync.WaitGroup
	replay.Go(func() {
		p.isBack()
		p.replay(a)
	})
	rd := &reader{p: p, a: a, committed: hello.Commit, render: renderer{cache: renderCache{limit: p.cfg.RenderCache}}}
	err = rd.run()
	a.conn.Close()
	replay.Wait()
	p.detach(a, rd)
	p.super.linkChanged(a, false)
	if errors.Is(err, io.EOF) {
		p.log.Info("server detached", "server", hello.Server)
		return nil
	}
	return fmt.Errorf("portal: link to server %q: %w", hello.Server, err)
}

// helloWithin is readHello within a time, if that is above 0.
func helloWithin(t link.Transport, limit time.Duration) (*link.ServerHello, error) {
	if limit <= 0 {
		return readHello(t)
	}
	timer := time.AfterFunc(limit, func() { t.Close() })
	hello, err := readHello(t)
	if !timer.Stop() && err != nil {
		err = fmt.Errorf("no ServerHello within %v: %w", limit, err)
	}
	return hello, err
}

// letGo has a Server that is ready wait until it may take over the store, and
// returns what it says when it has. Its first word is checked before, so that a
// Server that is in the wrong place changes nothing there.
func (p *Portal) letGo(t link.Transport, ready *link.ServerHello) (*link.ServerHello, error) {
	p.handshake.Lock()
	peer := p.peer
	p.handshake.Unlock()
	if peer != "" && ready.Server != peer {
		return nil, refuseName(ready.Server, peer)
	}
	d := p.super.admit(p.linkCtx, true)
	if d.refuse != nil {
		return nil, d.refuse
	}
	frame, err := link.AppendFrame(nil, &link.Go{Mode: d.mode})
	if err != nil {
		return nil, err
	}
	if _, err := t.Write(frame); err != nil {
		return nil, err
	}
	hello, err := helloWithin(t, p.cfg.StartTimeout)
	if err == nil && hello.Epoch == 0 {
		err = fmt.Errorf("%w: a second ServerHello without an epoch", link.ErrBadFrame)
	}
	return hello, err
}

func refuseName(name, peer string) *refusalError {
	return &refusalError{fmt.Sprintf("this Portal is used by a Server named %q, not %q", peer, name), "give each game a Portal of its own"}
}

// A refusalError turns a Server away.
type refusalError struct{ reason, hint string }

func (e *refusalError) Error() string { return e.reason }

var refuseSecond = &refusalError{"another Server is attached", "wait until it has ended, or kill it"}

func (p *Portal) refuseLink(t link.Transport, r *refusalError) error {
	conn := link.New(t, link.Config{})
	conn.Send(&link.Refuse{Reason: r.reason, Hint: r.hint})
	conn.Flush()
	conn.Close()
	return fmt.Errorf("portal: server refused: %w", r)
}

// readHello reads the first frame of a link, byte by byte enough that nothing
// after it is taken. Its first fields are the same in every version, so that a
// peer of another one is told so instead of being called broken.
func readHello(t link.Transport) (*link.ServerHello, error) {
	var head [4]byte
	if _, err := io.ReadFull(t, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxHello {
		return nil, fmt.Errorf("%w: a ServerHello of %d bytes", link.ErrFrameTooLarge, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(t, body); err != nil {
		return nil, err
	}
	if len(body) > 1 && body[0] == 1 {
		if v, k := binary.Uvarint(body[1:]); k > 0 && v != link.Version {
			return nil, &refusalError{
				reason: fmt.Sprintf("the Portal speaks version %d of the link, the Server version %d", link.Version, v),
				hint:   "build both from one release, then restart the Portal",
			}
		}
	}
	f, err := link.DecodeFrame(body)
	if err != nil {
		return nil, err
	}
	hello, ok := f.(*link.ServerHello)
	if !ok {
		return nil, fmt.Errorf("%w: the first frame is a %T", link.ErrBadFrame, f)
	}
	return hello, nil
}

// attach settles what is left of the Server before and gives every session its
// seat on the new link.
func (p *Portal) attach(t link.Transport, hello *link.ServerHello) (*attachment, *refusalError) {
	d := p.super.admit(p.linkCtx, false)
	if d.refuse != nil {
		return nil, d.refuse
	}
	gen := d.gen
	if !p.waitEnded(gen) {
		return nil, refuseSecond
	}
	p.handshake.Lock()
	defer p.handshake.Unlock()
	switch {
	case p.peer != "" && hello.Server != p.peer:
		return nil, refuseName(hello.Server, p.peer)
	case hello.Epoch < p.epoch:
		return nil, &refusalError{
			fmt.Sprintf("the Server has epoch %d, a newer one with epoch %d was attached", hello.Epoch, p.epoch),
			"kill the older Server; it must not write to the store",
		}
	}
	p.peer, p.epoch = hello.Server, hello.Epoch
	p.settle(hello.Commit)

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link != nil { // two came at once
		return nil, refuseSecond
	}
	a := &attachment{
		p: p, conn: link.New(&lastWords{t}, link.Config{Traffic: &p.meter.traffic}), gen: gen, since: time.Now(),
		ended: make(chan struct{}), seats: make(map[link.Index]*Session),
	}
	a.conn.Send(&link.PortalHello{Version: link.Version, Portal: p.cfg.Name, Epoch: p.cfg.Epoch, Game: p.cfg.Game})
	p.sendAsideLocked(a)
	for _, s := range p.listLocked() {
		s.mu.Lock()
		a.mu.Lock()
		a.seatLocked(s)
		a.mu.Unlock()
		s.mu.Unlock()
	}
	a.conn.Send(&link.Synced{})
	p.link = a
	p.linked.Store(a)
	close(p.attached)
	return a, nil
}

// waitEnded waits until all that a dead Server has written is read. Whatever
// holds its link open after that is cut off. It reports false if the link in use
// is that of process gen itself, or the Portal stops.
func (p *Portal) waitEnded(gen uint64) bool {
	p.mu.Lock()
	old := p.link
	p.mu.Unlock()
	switch {
	case old == nil:
		return true
	case old.gen == gen:
		return false
	}
	t := time.NewTimer(handshakeTime / 2)
	defer t.Stop()
	for {
		select {
		case <-old.ended:
			return true
		case <-t.C:
			old.conn.Close()
		case <-p.linkCtx.Done():
			return false
		}
	}
}

// replay sends the lines of all logs, each session's in order.
func (p *Portal) replay(a *attachment) {
	written := a.conn.Sent()
	for _, s := range p.list() {
		s.goLive(a)
		if a.conn.Sent()-written > replayAhead {
			if a.conn.Flush() != nil {
				return
			}
			written = a.conn.Sent()
		}
	}
}

// detach takes the link out of use and keeps what it left for the next.
func (p *Portal) detach(a *attachment, rd *reader) {
	p.handshake.Lock()
	p.held = rd.held
	p.handshake.Unlock()
	p.mu.Lock()
	p.link = nil
	p.linked.Store(nil)
	p.forgetStalled()
	p.attached = make(chan struct{})
	list := p.listLocked()
	p.mu.Unlock()
	for _, s := range list {
		s.unseat(a)
	}
	p.goneAway() // before another may attach, which ends it
	close(a.ended)
}
