package portal

import (
	"slices"
	"time"

	"mudlark.dev/service"
)

// Status is what the Portal and its parts are doing, for operators.
type Status struct {
	Name       string          `json:"name"`
	Game       string          `json:"game"`
	Started    time.Time       `json:"started"` // when Run was called
	Services   []ServiceStatus `json:"services"`
	Plugins    []PluginStatus  `json:"plugins"`
	Sessions   []SessionStatus `json:"sessions"`
	Server     ServerStatus    `json:"server"`
	LastReload *ReloadStatus   `json:"last_reload,omitempty"`
	Ignored    uint64          `json:"ignored"` // frames for sessions that are gone
}

// States of a service and of the Server.
const (
	StateWaiting  = service.StateWaiting
	StateRunning  = service.StateRunning
	StateFailed   = service.StateFailed
	StateStopped  = service.StateStopped
	StateStarting = "starting" // Server: started, not attached yet
	StateAttached = "attached" // Server
	StateDraining = "draining" // Server: told to stop
	StateDown     = "down"     // Server: not running
)

// ServiceStatus is the state of a service, PluginStatus how a plugin started.
type (
	ServiceStatus = service.Status
	PluginStatus  = service.PluginStatus
)

// SessionStatus is one session.
type SessionStatus struct {
	Number      uint64 `json:"number"`
	Protocol    string `json:"protocol"`
	Addr        string `json:"addr"`
	Client      string `json:"client,omitempty"`
	Account     string `json:"account,omitempty"`
	Puppet      string `json:"puppet,omitempty"`
	IdleSeconds int64  `json:"idle_s"`
	Ended       bool   `json:"ended,omitempty"` // the client has left; the game does not know yet
}

// ServerStatus is the state of the Server.
type ServerStatus struct {
	State string    `json:"state"`
	PID   int       `json:"pid,omitempty"`   // 0 if the Portal did not start it
	Since time.Time `json:"since"`           // of the state
	Cause string    `json:"cause,omitempty"` // why the last Server died or could not start

	// Aside is what is not run because Servers have died of it, until the Server
	// is replaced: see link/SPEC.md, section 8. It has at most 1,000 elements.
	Aside []AsideStatus `json:"aside,omitempty"`

	// Stalled is why the Server's store does not commit, and what to do about it.
	// The game waits meanwhile. It is empty if all is well.
	Stalled string `json:"stalled,omitempty"`
}

// ReloadStatus is a reload or reset that has come to its end.
type ReloadStatus struct {
	Mode   string        `json:"mode"`
	Reason string        `json:"reason"`
	When   time.Time     `json:"when"`            // when it ended
	Took   time.Duration `json:"took"`            // until the new Server was attached, in nanoseconds
	Pause  time.Duration `json:"pause,omitempty"` // of that, from when the old Server was told to stop
	Error  string        `json:"error,omitempty"` // why it failed, or was taken back
}

// Status returns the state of all.
func (p *Portal) Status() Status {
	p.mu.Lock()
	st := Status{
		Name: p.cfg.Name, Game: p.cfg.Game, Started: p.begun, Server: p.server, LastReload: p.lastReload,
		Sessions: []SessionStatus{},
		Ignored:  p.ignored.Load(),
	}
	st.Server.Aside = p.asideStatusLocked()
	p.mu.Unlock()
	st.Plugins, st.Services = p.services.Plugins(), p.services.Status()
	now := p.now()
	for _, s := range p.list() {
		st.Sessions = append(st.Sessions, s.status(now))
	}
	return st
}

// list returns the sessions in the order of their numbers.
func (p *Portal) list() []*Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listLocked()
}

func (p *Portal) listLocked() []*Session {
	list := make([]*Session, 0, len(p.sessions))
	for _, s := range p.sessions {
		list = append(list, s)
	}
	slices.SortFunc(list, compareSessions)
	return list
}
