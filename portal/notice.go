package portal

import (
	"time"

	"mudlark.dev/message"
)

// goneAway notes that no Server takes lines. Players are told if that lasts.
func (p *Portal) goneAway() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away || p.stopping {
		return
	}
	p.away, p.notice = true, ""
	text := textAway
	if !p.everBack {
		text = textStarting
	}
	p.awayTimer = time.AfterFunc(awayAfter, func() { p.tellAway(text) })
}

// tellAway tells every player that the game is away, once for each text and
// absence. Newcomers are told when they come.
func (p *Portal) tellAway(text string) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.mu.Lock()
	if !p.away || p.stopping || p.notice == textCannotStart {
		p.mu.Unlock()
		return
	}
	p.notice = text
	list := p.listLocked()
	p.mu.Unlock()
	for _, s := range list {
		s.tellAway(text)
	}
}

// tellNewcomer tells a new session what all others were told.
func (p *Portal) tellNewcomer(s *Session) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.mu.Lock()
	text := p.notice
	p.mu.Unlock()
	if text != "" {
		s.tellAway(text)
	}
	p.tellNewcomerStalled(s)
}

// isBack notes that a Server takes lines. Those who were told that none does
// are told.
func (p *Portal) isBack() {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.mu.Lock()
	text := textBack
	if !p.everBack {
		text = textReady
	}
	p.everBack, p.away, p.notice = true, false, ""
	if p.awayTimer != nil {
		p.awayTimer.Stop()
	}
	list := p.listLocked()
	p.mu.Unlock()
	for _, s := range list {
		s.mu.Lock()
		told := (s.notice != "" || s.waits) && !s.ended
		s.notice, s.waits = "", false
		s.mu.Unlock()
		if told {
			s.tell(text, message.Options{})
		}
	}
	p.tellStalled() // of the Server that is back
}

func (s *Session) tellAway(text string) {
	s.mu.Lock()
	told := s.notice == text || s.ended
	s.notice = text
	s.mu.Unlock()
	if !told {
		s.tell(text, message.Options{})
	}
}
