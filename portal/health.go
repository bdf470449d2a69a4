package portal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// quietTime is how long the Server's loop may be silent before the game counts as
// not ready. It is asked each second.
const quietTime = 3 * time.Second

// quiet returns how long ago the Server's loop answered last, or was attached.
func (a *attachment) quiet() time.Duration {
	return time.Since(a.since) - time.Duration(a.lastPong.Load())
}

// Healthy returns nil if the Portal can take clients: it does not stop, and of the
// services that have an address at least one runs, those whose names are given aside.
// Otherwise the error says in plain words why.
func (p *Portal) Healthy(beside ...string) error {
	p.mu.Lock()
	stopping := p.stopping || !p.ran
	p.mu.Unlock()
	if stopping {
		return errors.New("the Portal does not run, or stops")
	}
	var why []string
	for _, st := range p.services.Status() {
		switch {
		case st.Addr == "", slices.Contains(beside, st.Name): // nobody connects to it
		case st.State == StateRunning:
			return nil
		default:
			why = append(why, strings.TrimSuffix(fmt.Sprintf("%s is %s: %s", st.Name, st.State, st.Error), ": "))
		}
	}
	if len(why) == 0 {
		return nil // a game that is played in no such way
	}
	return errors.New("no service runs that players could connect to: " + strings.Join(why, ", "))
}

// Ready returns nil if the game can be played: a Server is attached, its loop has
// answered within 3 seconds, and its store commits. Otherwise the error says in
// plain words why not.
func (p *Portal) Ready() error {
	p.mu.Lock()
	a, state, cause, stalled := p.link, p.server.State, p.server.Cause, p.server.Stalled
	p.mu.Unlock()
	switch {
	case a == nil || state != StateAttached:
		why := "no Server is attached: it is " + state
		if cause != "" {
			why += ", and the one before ended: " + cause
		}
		return errors.New(why)
	case stalled != "":
		return errors.New("the store does not commit: " + stalled)
	case a.quiet() > quietTime && a.carrying.Load() == 0:
		return fmt.Errorf("the Server's loop has not answered for %v", a.quiet().Round(time.Second))
	case a.quiet() > quietTime:
		return fmt.Errorf("the Portal has been writing output for %v: an encoder is slow", a.quiet().Round(time.Second))
	}
	return nil
}

// ServerState returns the state of the Server and the ID of its process, 0 if there
// is none that the Portal has started. It is what Status has, without the rest.
func (p *Portal) ServerState() (state string, pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server.State, p.server.PID
}
