package server

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
)

// ErrAside is returned by Do for a function that was not run: Servers have died
// twice while they ran it, so it was put aside. Mend it and reload.
var ErrAside = errors.New("it has ended the game twice and was put aside until a reload")

// What players read in place of what was put aside.
const (
	textAside       = "That line ended the game twice, so it was put aside and is not run again. The operator was told."
	textAsideClient = "Something that your client sent ended the game twice, so it was put aside. The operator was told."
	textAsideOpen   = "What greets you here ended the game twice, so it was put aside. The operator was told. You can log in all the same."
)

// aside is what runs on the loop, for a page that outlives the process, and what
// is not to be run because Servers have died of it: link/SPEC.md, section 8. It
// belongs to the loop.
type aside struct {
	page   []byte    // nil: none
	inside bool      // a unit runs: what it calls is a part of it
	unit   link.Unit // the one that was entered last
	ended  link.Unit // the line that has ended last in this turn; zero: none has
	looked time.Time // when stillHere looked for pings last
	put    map[link.Unit]*put
}

// put is a unit that was put aside.
type put struct{ logged bool }

// takeAside notes what the Portal has put aside, before anything is run.
func (a *aside) takeAside(u link.Unit) {
	if a.put == nil {
		a.put = make(map[link.Unit]*put)
	}
	a.put[u.Cut()] = new(put)
}

// enter notes that u runs, unless it is a part of what runs already. It reports
// whether it was noted: leave follows then.
func (a *aside) enter(u link.Unit) bool {
	if a.inside {
		return false
	}
	a.inside, a.unit = true, u
	link.PutUnit(a.page, u)
	return true
}

// leave notes that the unit that was entered has ended or waits.
func (a *aside) leave() {
	a.inside = false
	if a.ended.Kind == 0 {
		link.ClearUnit(a.page)
		return
	}
	link.PutUnit(a.page, a.ended)
	link.EndUnit(a.page)
}

// leaveLine notes that a line has ended. It stays in the page: until it is
// processed it would be run again, so what it has left behind to kill the Server,
// such as a goroutine, must be found.
func (a *aside) leaveLine() {
	a.inside, a.ended = false, a.unit
	link.EndUnit(a.page)
}

// endTurn notes that the lines of the turn are on their way to be processed. The
// last one stays in the page until there is another unit.
func (a *aside) endTurn() { a.ended = link.Unit{} }

// isAside reports whether u is not to be run, and logs that once.
func (s *Server) isAside(u link.Unit) bool {
	if len(s.aside.put) == 0 {
		return false
	}
	p := s.aside.put[u.Cut()]
	if p == nil {
		return false
	}
	if !p.logged {
		p.logged = true
		s.log.Error("not run: it was put aside, as the game has died of it twice", "unit", u.String(),
			"hint", "find out why in the log before this, mend it, and reload")
	}
	return true
}

// hookUnit is a unit that is known by its name alone. The next Server must come
// to the same name.
func hookUnit(what string) link.Unit { return link.Unit{Kind: link.UnitHook, Name: what} }

// asHook runs fn, which no line stands for, as a unit, unless it is a part of one
// that runs. It fails with ErrAside without running one that was put aside.
func (s *Server) asHook(what string, fn func() error) error {
	u := hookUnit(what)
	if !s.aside.inside && s.isAside(u) {
		return fmt.Errorf("server: %s: %w", what, ErrAside)
	}
	if s.aside.enter(u) {
		defer s.aside.leave()
	}
	return fn()
}

// stillHere answers the Portal's pings between hooks of the start: all of them
// together may take longer than the Portal waits for an answer, and none of them
// hangs for that.
func (s *Server) stillHere() {
	const every = 100 * time.Millisecond
	if now := time.Now(); now.Sub(s.aside.looked) > every {
		s.aside.looked = now
	} else {
		return
	}
	var pings []*link.Ping
	s.mu.Lock()
	s.inbox = slices.DeleteFunc(s.inbox, func(f link.Frame) bool {
		p, ok := f.(*link.Ping)
		if ok {
			pings = append(pings, p)
		}
		return ok
	})
	s.mu.Unlock()
	for _, p := range pings {
		if err := s.conn.Send(&link.Pong{Seq: p.Seq}); err != nil {
			s.log.Debug("pong not sent", "err", err) // the loop will see that the link is lost
		}
	}
}

// lineUnit is the unit of a line of seat's log.
func lineUnit(seat *seat, n uint64, name string) link.Unit {
	return link.Unit{Kind: link.UnitLine, Session: seat.session.ID(), N: n, Name: name}
}

// asLine runs fn as line n of seat, for lines that are no task.
func (s *Server) asLine(seat *seat, n uint64, name string, fn func()) {
	if s.aside.enter(lineUnit(seat, n, name)) {
		defer s.aside.leaveLine()
	}
	fn()
}

// lineName names a line for people.
func lineName(f link.Frame) string {
	switch f := f.(type) {
	case *link.Open:
		return "connect"
	case *link.Update:
		return "update"
	case *link.Close:
		return "disconnect"
	case *link.Input:
		return f.Message.Name
	}
	return ""
}

// passLine does what must be done of a line that was put aside, and reports
// whether it was.
func (s *Server) passLine(seat *seat, l line) bool {
	if !s.isAside(lineUnit(seat, l.n, lineName(l.frame))) {
		return false
	}
	switch f := l.frame.(type) {
	case *link.Open:
		seat.session.Msg(textAsideOpen)
	case *link.Update: // took effect as it came
	case *link.Close:
		s.world.WithoutHooks(func() { s.closeSeat(seat, f.Reason) })
	case *link.Input:
		// The Portal may have a question open that it has asked, and hide what is
		// typed: nobody waits for the answer.
		s.world.Emit(closeQuestion{seat})
		tellAside(seat, f)
	}
	seat.done = l.n
	return true
}

// tellAside tells a player that an input was put aside, and nothing of what is in
// it but the client's name for it.
func tellAside(seat *seat, f *link.Input) {
	m := message.Text(textAsideClient)
	if message.CanonicalName(f.Message.Name) == "text" {
		m = message.Text(textAside)
	}
	if id, _ := f.Message.Kwargs["cmdid"].(string); id != "" {
		m = m.With("cmdid", id)
	}
	seat.session.Send(m, message.Options{})
}

// passTimer passes over the timer that is due if it was put aside, and reports
// whether it was.
func (s *Server) passTimer(u link.Unit) bool {
	if !s.isAside(u) {
		return false
	}
	s.world.PassNext()
	return true
}

// dueTimer is the unit of the timer that is due.
func (s *Server) dueTimer() link.Unit {
	id, name := s.world.DueTimer()
	return link.Unit{Kind: link.UnitTimer, N: uint64(id), Name: name}
}

// funcName returns the name of a function, such as example.com/game.Tide.func1:
// it is the same in the next Server of the same build.
func funcName(fn any) string {
	if f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()); f != nil {
		return f.Name()
	}
	return "a function"
}
