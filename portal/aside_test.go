package portal_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/portal"
)

func hook(name string) link.Unit { return link.Unit{Kind: link.UnitHook, Name: name} }

func timer(n uint64, name string) link.Unit { return link.Unit{Kind: link.UnitTimer, N: n, Name: name} }

func lineOf(s *portal.Session, n uint64) link.Unit {
	return link.Unit{Kind: link.UnitLine, Session: s.ID(), N: n, Name: "text"}
}

// running notes what p runs, or has run.
func (p *process) running(u link.Unit, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unit, p.ended = u, ended
}

// die ends the Server that runs while it runs u, and waits for the next one.
func (s *starter) die(u link.Unit, e portal.Exit) {
	s.t.Helper()
	sleep(time.Minute) // it has lived long: there is no back-off
	n := len(s.started())
	p := s.proc(n)
	p.running(u, false)
	p.end(e)
	if got := len(s.started()); got != n+1 {
		s.t.Fatalf("%d Servers were started, want %d", got, n+1)
	}
}

// asides returns what the newest Server was told not to run.
func (s *starter) asides() (list []string) {
	for _, f := range s.proc(len(s.started())).srv.take() {
		if u, ok := strings.CutPrefix(f, "aside "); ok {
			list = append(list, u)
		}
	}
	return list
}

func wantAside(t *testing.T, st *starter, want ...string) {
	t.Helper()
	if got := st.asides(); !slices.Equal(got, want) {
		t.Errorf("the Server is told of %q, want %q", got, want)
	}
}

// Only deaths of the program's own making count, and two of them.
func TestWhatCountsAsDeath(t *testing.T) {
	for _, tt := range []struct {
		name   string
		exit   portal.Exit
		counts bool
	}{
		{"os.Exit", portal.Exit{Code: 3}, true},
		{"an error", portal.Exit{Code: 1, Text: "out of lamp oil"}, true},
		{"a panic", portal.Exit{Code: 2, Text: "panic: oops"}, true},
		{"a fault", portal.Exit{Code: -1, Signal: "segmentation fault"}, true},
		{"abort", portal.Exit{Code: -1, Signal: "aborted"}, true},
		{"an end in order", portal.Exit{}, false},
		{"kill -9", portal.Exit{Code: -1, Signal: "killed"}, false},
		{"kill", portal.Exit{Code: -1, Signal: "terminated"}, false},
		{"hangup", portal.Exit{Code: -1, Signal: "hangup"}, false},
		{"nobody knows", portal.Exit{Code: -1, Text: "wait: no child"}, false},
		{"killed by the Portal", portal.Exit{Code: -1, Signal: "killed", ByUs: true}, false},
		{"a signal of the Portal's", portal.Exit{Code: 2, ByUs: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b, st := startSupervised(t, nil, "attach")
				st.die(hook("AtServerStart"), tt.exit)
				wantAside(t, st)
				if tt.counts && !strings.Contains(b.log.String(), "server died while it ran this") {
					t.Error("the first death is not in the log")
				}
				st.die(hook("AtServerStart"), tt.exit)
				if !tt.counts {
					wantAside(t, st)
					if list := b.p.Status().Server.Aside; len(list) > 0 {
						t.Errorf("put aside are %+v", list)
					}
					return
				}
				wantAside(t, st, "AtServerStart")
				list := b.p.Status().Server.Aside
				if len(list) != 1 || list[0].Kind != "hook" || list[0].Unit != "AtServerStart" || list[0].Deaths != 2 || list[0].Past ||
					list[0].Cause != tt.exit.String() || !list[0].When.Equal(time.Now()) {
					t.Errorf("put aside are %+v", list)
				}
				if log := b.log.String(); !strings.Contains(log, "level=ERROR msg=\"put aside: the server has died of it twice\" unit=AtServerStart") {
					t.Errorf("the log does not say that it was put aside:\n%s", log)
				}
			})
		})
	}
}

// Frames come in their order: Aside before Seat.
func TestAsideComesBeforeSeats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		b.connect()
		for range 2 {
			st.die(timer(9, "tide"), portal.Exit{Code: 2})
		}
		st.proc(3).srv.want("hello porch tide 3", "aside timer 9 (tide)", "seat 1 #1 p0 u0", "synced", "open 1:1")
	})
}

// A Server that hangs, attached or not, has died of what it runs.
func TestHangsCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, st := startSupervised(t, func(c *portal.Config) { c.Hang = 5 * time.Second }, "attach")
		for n := 1; n <= 2; n++ {
			sleep(30 * time.Second)
			p := st.proc(n)
			p.running(timer(9, "tide"), false)
			p.srv.mute.Store(true)
			sleep(10 * time.Second)
		}
		wantAside(t, st, "timer 9 (tide)")
	})
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, func(c *portal.Config) { c.StartTimeout = 20 * time.Second }, "silent", "silent", "attach")
		for n := 1; n <= 2; n++ {
			st.proc(n).running(hook("AtInit of #12 (torch)"), false)
			sleep(24 * time.Second)
		}
		wantAside(t, st, "AtInit of #12 (torch)")
		if list := b.p.Status().Server.Aside; len(list) != 1 || !strings.Contains(list[0].Cause, "not attached within 20s") {
			t.Errorf("put aside are %+v", list)
		}
	})
}

// Kills from outside put nothing aside, however many.
func TestKillsFromOutsideCountForNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		s, _ := b.connect()
		say(t, s, "look")
		for range 100 {
			st.die(lineOf(s, 2), portal.Exit{Code: -1, Signal: "killed"})
		}
		wantAside(t, st)
		st.die(lineOf(s, 2), portal.Exit{Code: 2})
		wantAside(t, st)
		for range 100 {
			st.die(lineOf(s, 2), portal.Exit{Code: -1, Signal: "killed"})
		}
		wantAside(t, st)
		st.die(lineOf(s, 2), portal.Exit{Code: 2})
		wantAside(t, st, lineOf(s, 2).String())
	})
}

// A line is forgotten once its session's log is past it; if it was put aside, the
// Status has it still.
func TestLinesThatArePast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		s, _ := b.connect()
		other, _ := b.connect()
		say(t, s, "boom")
		for n := range 2 {
			if got := len(b.p.Status().Server.Aside); got != 0 {
				t.Fatalf("after %d deaths %d units are put aside", n, got)
			}
			st.die(lineOf(s, 2), portal.Exit{Code: 3})
		}
		wantAside(t, st, lineOf(s, 2).String())
		list := b.p.Status().Server.Aside
		if len(list) != 1 || list[0].Kind != "line" || list[0].Unit != "line 2 of session 1 (text)" || list[0].Past {
			t.Errorf("put aside are %+v", list)
		}
		n := len(st.started())
		st.proc(n).srv.send(end(0, 1, 2))
		sleep(time.Second)
		if list := b.p.Status().Server.Aside; len(list) != 1 || !list[0].Past {
			t.Errorf("once the line is processed, put aside are %+v", list)
		}
		st.die(hook("x"), portal.Exit{Code: 3})
		wantAside(t, st)

		// One death of a line that is processed then.
		say(t, other, "boom", "boom")
		st.die(lineOf(other, 2), portal.Exit{Code: 3})
		st.proc(len(st.started())).srv.send(end(0, 2, 2))
		sleep(time.Second)
		st.die(lineOf(other, 2), portal.Exit{Code: 3}) // which cannot be, but for the count
		wantAside(t, st)

		// One that had ended and is not processed counts as well: what it left
		// behind kills the Server again and again.
		for range 2 {
			sleep(time.Minute)
			p := st.proc(len(st.started()))
			p.running(lineOf(other, 3), true)
			p.end(portal.Exit{Code: 2})
		}
		wantAside(t, st, lineOf(other, 3).String())

		// The session is gone.
		other.Disconnect("")
		st.proc(len(st.started())).srv.send(end(0, 2, 4))
		sleep(time.Second)
		list = b.p.Status().Server.Aside
		if len(list) != 2 || !list[0].Past || !list[1].Past || list[1].Unit != "line 3 of session 2 (text)" {
			t.Errorf("put aside are %+v", list)
		}
	})
}

// What has ended and is no line was not running: the next such thing is another.
func TestNothingRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		for range 3 {
			st.die(link.Unit{}, portal.Exit{Code: 2})
		}
		wantAside(t, st)
		if list := b.p.Status().Server.Aside; list != nil {
			t.Errorf("put aside are %+v", list)
		}
	})
}

// A replacement forgets what was put aside and what was counted.
func TestReloadForgets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		for _, u := range []link.Unit{hook("a"), hook("b"), hook("a")} {
			st.die(u, portal.Exit{Code: 2})
		}
		wantAside(t, st, "a")
		if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
			t.Fatal(err)
		}
		wantAside(t, st)
		if list := b.p.Status().Server.Aside; list != nil {
			t.Errorf("put aside are %+v", list)
		}
		st.die(hook("b"), portal.Exit{Code: 2})
		wantAside(t, st)
		st.die(hook("b"), portal.Exit{Code: 2})
		wantAside(t, st, "b")
		if err := b.p.Restart(t.Context(), link.ModeReset, ""); err != nil {
			t.Fatal(err)
		}
		wantAside(t, st)
	})
	// A build that fails mends nothing.
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		for range 2 {
			st.die(hook("a"), portal.Exit{Code: 2})
		}
		st.build = func(context.Context) error { return errors.New("undefined: x") }
		if err := b.p.Restart(t.Context(), link.ModeReload, ""); err == nil {
			t.Fatal("the build does not fail")
		}
		st.die(hook("b"), portal.Exit{Code: 2})
		wantAside(t, st, "a")
	})
}

// The time limit of an end is no death of what runs then.
func TestDrainTimeCountsForNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "stay", "attach")
		st.proc(1).running(hook("AtServerStop"), false)
		if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.log.String(), "AtServerStop") {
			t.Errorf("the log has it that the hook killed the Server:\n%s", b.log)
		}
	})
}
