package portal

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"mudlark.dev/link"
)

// A Witness is a Process that can tell what it was running when it died. Without
// one nothing is put aside.
type Witness interface {
	// LastUnit returns what the loop of the Server ran last, as link.LastUnit
	// does of its page. It is called when Done is closed.
	LastUnit() (u link.Unit, ended, ok bool)
}

const (
	fatalDeaths = 2    // of the program's own making, during the same unit, after which it is put aside
	maxSuspects = 1000 // units whose deaths are counted, or that are put aside; for one more, one is forgotten: see asides.room
)

// A suspect is a unit during which Servers have died.
type suspect struct {
	unit   link.Unit
	what   string // for people
	deaths int
	cause  string // of the last
	when   time.Time
	put    bool // it is put aside
	past   bool // a line that was put aside and is processed: it is kept for the Status alone
}

// asides has the units during which Servers have died: see link/SPEC.md, section
// 8. The Portal's lock guards it.
type asides map[link.Unit]*suspect

// died counts a death.
func (a asides) died(u link.Unit, what, cause string, now time.Time) *suspect {
	s := a[u]
	if s == nil {
		a.room()
		s = &suspect{unit: u, what: what}
		a[u] = s
	}
	s.deaths++
	s.cause, s.when = cause, now
	s.put = s.put || s.deaths >= fatalDeaths
	return s
}

// room makes room for one more: what is forgotten is a line that is past, else
// the unit whose death is the longest ago, of those that are not put aside if
// there is one. A unit that was put aside and is forgotten is run again, and may
// be put aside again.
func (a asides) room() {
	if len(a) < maxSuspects {
		return
	}
	delete(a, slices.MinFunc(a.list(), func(x, y *suspect) int {
		return cmp.Or(cmp.Compare(x.rank(), y.rank()), x.when.Compare(y.when))
	}).unit)
}

// rank orders suspects by how soon they may be forgotten.
func (s *suspect) rank() int {
	switch {
	case s.past:
		return 0
	case !s.put:
		return 1
	}
	return 2
}

// list returns all by the time of their last death.
func (a asides) list() []*suspect {
	out := make([]*suspect, 0, len(a))
	for _, s := range a {
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y *suspect) int { return cmp.Or(x.when.Compare(y.when), cmp.Compare(x.what, y.what)) })
	return out
}

// blame counts the death of a Server for what it was running, if the death was of
// the program's own making.
func (v *supervisor) blame(w *watch) {
	witness, ok := w.proc.(Witness)
	if !ok || !w.ownFault() {
		return
	}
	u, ended, ok := witness.LastUnit()
	if !ok {
		return
	}
	p := v.p
	p.mu.Lock()
	p.sortAsideLocked()
	if u.Kind == link.UnitLine && p.pastLocked(u) { // it had ended, and was not what killed the Server
		p.mu.Unlock()
		return
	}
	if p.aside == nil {
		p.aside = make(asides)
	}
	s := *p.aside.died(u.Cut(), p.unitNameLocked(u), w.cause, time.Now())
	p.mu.Unlock()
	switch {
	case s.deaths > fatalDeaths: // a Server that does not heed it
		p.log.Error("server died of what was put aside", "unit", s.what, "deaths", s.deaths, "cause", s.cause)
	case s.put:
		p.meter.putAside.Inc()
		p.log.Error("put aside: the server has died of it twice", "unit", s.what, "cause", s.cause,
			"hint", "the stacks are in the server's log: mend the game's code and reload, which forgets this; until then it is not run")
	case ended:
		p.log.Warn("server died after it ran this, and is to run it once more unless that was acknowledged", "unit", s.what)
	default:
		p.log.Warn("server died while it ran this, and is to run it once more", "unit", s.what)
	}
}

// ownFault reports whether the program itself made its process die, and not
// somebody else, or a time limit for its end.
func (w *watch) ownFault() bool {
	select {
	case <-w.proc.Done():
	default:
		return false // it is still there
	}
	switch exit := w.proc.Exit(); {
	case exit.ByUs:
		return w.why != "" // it did not answer, or did not attach
	case exit.Signal != "":
		return slices.Contains(faults, exit.Signal)
	default:
		return exit.Code > 0
	}
}

// faults are the signals that a fault of a program raises, by the names that
// systems have for them: SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGTRAP and
// SIGSYS.
var faults = []string{
	"segmentation fault", "aborted", "abort trap", "bus error", "illegal instruction", "floating point exception",
	"trace/breakpoint trap", "trace/BPT trap", "bad system call",
}

// unitNameLocked names a unit with the number of its session, by which people
// know it.
func (p *Portal) unitNameLocked(u link.Unit) string {
	if s := p.sessions[u.Session]; s != nil && u.Kind == link.UnitLine {
		return fmt.Sprintf("line %d of session %d (%s)", u.N, s.number, u.Name)
	}
	return u.String()
}

// sortAsideLocked drops the lines that are processed: they will not be run
// again. Those that were put aside are kept for the Status.
func (p *Portal) sortAsideLocked() {
	for u, s := range p.aside {
		switch {
		case u.Kind != link.UnitLine || !p.pastLocked(u):
		case s.put:
			s.past = true
		default:
			delete(p.aside, u)
		}
	}
}

// pastLocked reports whether the log of a line's session is past it.
func (p *Portal) pastLocked(u link.Unit) bool {
	s := p.sessions[u.Session]
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.processed >= u.N
}

// sendAsideLocked tells a Server that attaches what it is not to run.
func (p *Portal) sendAsideLocked(a *attachment) {
	p.sortAsideLocked()
	for _, s := range p.aside.list() {
		if s.put && !s.past {
			a.conn.Send(&link.Aside{Unit: s.unit}) // an error is the link's end, which its reader sees
		}
	}
}

// forgetAside forgets all: the Server is replaced, and what was broken may be
// mended.
func (p *Portal) forgetAside() {
	p.mu.Lock()
	n := 0
	for _, s := range p.aside {
		if s.put {
			n++
		}
	}
	p.aside = nil
	p.mu.Unlock()
	if n > 0 {
		p.log.Info("what was put aside is run again", "units", n)
	}
}

// AsideStatus is something that is not run because Servers have died of it.
type AsideStatus struct {
	Kind   string    `json:"kind"`   // "line", "timer" or "hook"
	Unit   string    `json:"unit"`   // its name, for people
	Deaths int       `json:"deaths"` // of Servers that ran it
	Cause  string    `json:"cause"`  // of the last
	When   time.Time `json:"when"`   // the last was
	Past   bool      `json:"past"`   // a line whose player was told; it will not come again
}

// asideStatusLocked lists what is put aside, by the time of the last death.
func (p *Portal) asideStatusLocked() []AsideStatus {
	p.sortAsideLocked()
	var out []AsideStatus
	for _, s := range p.aside.list() {
		if s.put {
			out = append(out, AsideStatus{Kind: kindName(s.unit.Kind), Unit: s.what, Deaths: s.deaths, Cause: s.cause, When: s.when, Past: s.past})
		}
	}
	return out
}

func kindName(k link.UnitKind) string {
	switch k {
	case link.UnitLine:
		return "line"
	case link.UnitTimer:
		return "timer"
	default:
		return "hook"
	}
}
