package portal

import (
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
)

// stalled takes up what the Server says of its store: that it does not commit, and
// why, or with an empty Text that it does again. Turns are held meanwhile, as they
// are always, so players are told why nothing is answered.
func (p *Portal) stalled(a *attachment, f *link.Stalled) {
	cause := cut(f.Text, maxCause)
	p.mu.Lock()
	was := p.server.Stalled
	p.server.Stalled = cause
	p.mu.Unlock()
	a.stalled(cause != "")
	switch {
	case cause != "" && was == "":
		p.log.Error("the game cannot save, and waits", "cause", cause)
	case cause != "" && cause != was:
		p.log.Warn("the game still cannot save", "cause", cause)
	case cause == "" && was != "":
		p.log.Info("the game saves again")
	}
	p.telling.Lock()
	defer p.telling.Unlock()
	p.tellStalled()
}

// stalledCause is why the store of the Server does not commit, "" if it does.
func (p *Portal) stalledCause() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server.Stalled
}

// tellStalled tells every player once that the game waits for its store, or that
// it goes on. While the game is away they know already that it waits; isBack calls
// this when that is over. p.telling is held.
func (p *Portal) tellStalled() {
	p.mu.Lock()
	stalled := p.server.Stalled != ""
	if p.away || p.stopping {
		p.mu.Unlock()
		return
	}
	list := p.listLocked()
	p.mu.Unlock()
	for _, s := range list {
		s.tellStalled(stalled)
	}
}

func (s *Session) tellStalled(stalled bool) {
	s.mu.Lock()
	told := s.waits == stalled || s.ended
	s.waits = stalled
	s.mu.Unlock()
	switch {
	case told:
	case stalled:
		s.tell(textStalled, message.Options{})
	default:
		s.tell(textGoesOn, message.Options{})
	}
}

// tellNewcomerStalled tells a new session what all others were told. p.telling is
// held.
func (p *Portal) tellNewcomerStalled(s *Session) {
	p.mu.Lock()
	stalled := p.server.Stalled != "" && !p.away
	p.mu.Unlock()
	if stalled {
		s.tellStalled(true)
	}
}

// forgetStalled forgets the trouble of a Server whose link has ended. Players who
// were told of it are told when the next one is there: see isBack. p.mu is held.
func (p *Portal) forgetStalled() { p.server.Stalled = "" }

// stalled notes whether the Server's store commits.
func (a *attachment) stalled(now bool) {
	if now {
		a.flows.Store(stuck)
	} else {
		a.flows.Store(int64(time.Since(a.since)))
	}
}

// stuck stands in attachment.flows for a store that does not commit.
const stuck = -1

// takesLines returns since when the Server takes lines, and false if it does not
// at the moment, because its store is in trouble.
func (a *attachment) takesLines() (since time.Time, ok bool) {
	if n := a.flows.Load(); n != stuck {
		return a.since.Add(time.Duration(n)), true
	}
	return time.Time{}, false
}

// noteLastWords logs why a Server that was told to stop did not end in order, such
// as what is lost because its store did not commit.
func (v *supervisor) noteLastWords(w *watch, stopping bool) {
	if w.proc == nil || !stopping && w.next == nil {
		return // it is told as the death that it is
	}
	select {
	case <-w.proc.Done():
	default:
		return // it does not end
	}
	if exit := w.proc.Exit(); exit.Code > 0 && exit.Signal == "" {
		v.p.log.Error("server did not end in order", "cause", exit.String())
	}
}
