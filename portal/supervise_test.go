package portal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/portal"
)

// A starter starts scripted Servers in this process. Script says what becomes
// of each, by its number from 1; the last holds for all that follow.
type starter struct {
	t      *testing.T
	b      *bench
	build  func(ctx context.Context) error
	script []string // "attach", "exit" (at once), "silent" (never attaches), "fail" (Start fails), "stay" (ignores Drain), "ready" (waits at Go)

	mu    sync.Mutex
	modes []string
	procs []*process
}

type process struct {
	s     *starter
	srv   *server
	mu    sync.Mutex
	exit  portal.Exit
	over  bool
	done  chan struct{}
	dumps int
	kills int
	unit  link.Unit // what it was running; the zero unit: nothing
	ended bool      // the unit had ended
}

func (s *starter) Build(ctx context.Context) error {
	if s.build != nil {
		return s.build(ctx)
	}
	return nil
}

func (s *starter) Start(ctx context.Context, mode link.Mode) (portal.Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alive := 0
	for _, p := range s.procs {
		select {
		case <-p.done:
		default:
			alive++
		}
	}
	if alive > 1 || alive == 1 && mode != link.ModeReload && mode != link.ModeReset {
		s.t.Errorf("a Server is started with mode %v while %d are running", mode, alive)
	}
	what := s.script[min(len(s.modes), len(s.script)-1)]
	s.modes = append(s.modes, mode.String())
	if what == "fail" {
		return nil, errors.New("no such file")
	}
	p := &process{s: s, done: make(chan struct{})}
	s.procs = append(s.procs, p)
	switch what {
	case "attach", "stay", "ready":
		var then *link.ServerHello
		if what != "ready" {
			then = hello(uint64(len(s.modes)), 0)
		}
		p.srv = readyServer(s.t, s.b.l, then)
		p.srv.stay.Store(what == "stay")
		go func() {
			<-p.srv.ended
			p.end(portal.Exit{})
		}()
	case "exit":
		p.end(portal.Exit{Code: 1, Text: "config: bad key"})
	}
	return p, nil
}

func (p *process) PID() int              { return 4711 }
func (p *process) Done() <-chan struct{} { return p.done }

func (p *process) Exit() portal.Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

func (p *process) LastUnit() (u link.Unit, ended, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unit, p.ended, p.unit != link.Unit{}
}

func (p *process) Dump() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dumps++
	return nil
}

func (p *process) Kill() error {
	p.mu.Lock()
	p.kills++
	p.mu.Unlock()
	p.end(portal.Exit{Signal: "killed", ByUs: true})
	return nil
}

// counts returns how often it was dumped and killed.
func (p *process) counts() (dumps, kills int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dumps, p.kills
}

func (p *process) end(e portal.Exit) {
	p.mu.Lock()
	first := !p.over
	if first {
		p.over, p.exit = true, e
	}
	p.mu.Unlock()
	if !first {
		return
	}
	if p.srv != nil {
		p.srv.conn.Close()
	}
	close(p.done)
}

func (s *starter) started() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.modes)
}

func (s *starter) proc(n int) *process {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procs[n-1]
}

func (s *starter) wantModes(want ...string) {
	s.t.Helper()
	if got := s.started(); !slices.Equal(got, want) {
		s.t.Errorf("Servers were started with modes %v, want %v", got, want)
	}
}

func startSupervised(t *testing.T, change func(*portal.Config), script ...string) (*bench, *starter) {
	t.Helper()
	st := &starter{t: t, script: script}
	st.b = newBench(t, func(c *portal.Config) {
		c.Starter = st
		if change != nil {
			change(c)
		}
	})
	st.b.run()
	return st.b, st
}

func wantState(t *testing.T, b *bench, state, cause string) {
	t.Helper()
	synctest.Wait()
	if s := b.p.Status().Server; s.State != state || !strings.Contains(s.Cause, cause) || cause == "" && s.Cause != "" {
		t.Errorf("Server is %s with cause %q, want %s and %q", s.State, s.Cause, state, cause)
	}
}

func TestServerIsStartedAndStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		st.wantModes("cold")
		wantState(t, b, portal.StateAttached, "")
		_, c := b.connect()
		srv := st.proc(1).srv
		srv.take()
		b.p.Shutdown("Come back at noon.")
		srv.want("drain shutdown Come back at noon.")
		if got := c.reasons(); len(got) != 1 || got[0] != "Come back at noon." {
			t.Errorf("the client was told %q", got)
		}
		wantState(t, b, portal.StateDown, "")
	})
}

func TestCrashedServerIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		sleep(time.Minute)
		st.proc(1).end(portal.Exit{Code: 2, Text: "panic: oops"})
		st.wantModes("cold", "crash") // at once
		wantState(t, b, portal.StateAttached, "exit code 2: panic: oops")
		for _, backoff := range []time.Duration{250, 500, 1000, 2000} { // it dies young
			n := len(st.started())
			st.proc(n).end(portal.Exit{Code: 2})
			sleep(backoff*time.Millisecond - time.Millisecond)
			if got := len(st.started()); got != n {
				t.Fatalf("after the back-off of %dms less one, %d Servers were started, want %d", backoff, got, n)
			}
			wantState(t, b, portal.StateDown, "exit code 2")
			sleep(time.Millisecond)
			if got := len(st.started()); got != n+1 {
				t.Fatalf("after the back-off of %dms, %d Servers were started, want %d", backoff, got, n+1)
			}
		}
		sleep(time.Minute)
		n := len(st.started())
		st.proc(n).end(portal.Exit{Code: 2})
		if got := len(st.started()); got != n+1 {
			t.Error("a Server that has lived long is not replaced at once")
		}
	})
}

// A kill from outside is no fault of the program's: it makes nobody wait, and
// nobody is told that the game cannot be started.
func TestKilledFromOutside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach", "silent", "silent", "attach")
		_, c := b.connect()
		c.take()
		sleep(time.Minute)
		for n := 1; n <= 3; n++ { // the first plays, the others load
			st.proc(n).end(portal.Exit{Signal: "killed"})
			synctest.Wait()
			if got := len(st.started()); got != n+1 {
				t.Fatalf("after %d kills %d Servers were started", n, got)
			}
		}
		wantState(t, b, portal.StateAttached, "killed")
		wantLines(t, c)
		// Nor is what the program did by itself forgiven.
		st.proc(4).end(portal.Exit{Code: 2})
		sleep(250 * time.Millisecond)
		st.proc(5).end(portal.Exit{Signal: "killed"})
		synctest.Wait()
		if got := len(st.started()); got != 6 {
			t.Fatalf("after a kill behind a crash %d Servers were started, want 6", got)
		}
		st.proc(6).end(portal.Exit{Code: 2})
		sleep(250 * time.Millisecond)
		if got := len(st.started()); got != 6 {
			t.Fatalf("the second crash waits no longer than the first: %d Servers were started, want 6", got)
		}
		sleep(250 * time.Millisecond)
		if got := len(st.started()); got != 7 {
			t.Fatalf("after 500ms %d Servers were started, want 7", got)
		}
	})
}

func TestHangingServerIsDumpedAndKilled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, func(c *portal.Config) { c.Hang = 5 * time.Second }, "attach")
		sleep(30 * time.Second)
		p := st.proc(1)
		if dumps, _ := p.counts(); dumps != 0 {
			t.Fatal("a Server that answers was dumped")
		}
		p.srv.mute.Store(true)
		sleep(7 * time.Second)
		if dumps, kills := p.counts(); dumps != 1 || kills != 0 {
			t.Errorf("dumps, kills = %d, %d; want 1, 0", dumps, kills)
		}
		sleep(2 * time.Second)
		if dumps, kills := p.counts(); dumps != 1 || kills != 1 {
			t.Errorf("dumps, kills = %d, %d; want 1, 1", dumps, kills)
		}
		st.wantModes("cold", "crash")
		wantState(t, b, portal.StateAttached, "no answer for")
	})
}

func TestServerThatDoesNotAttach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, func(c *portal.Config) { c.StartTimeout = 20 * time.Second }, "silent", "exit", "fail", "attach")
		_, c := b.connect()
		sleep(19 * time.Second)
		wantLines(t, c, "The game is starting. What you type is kept.")
		if dumps, kills := st.proc(1).counts(); dumps+kills != 0 {
			t.Error("the Server was killed before its time")
		}
		sleep(3500 * time.Millisecond)
		if dumps, kills := st.proc(1).counts(); dumps != 1 || kills != 1 {
			t.Errorf("dumps, kills = %d, %d; want 1, 1", dumps, kills)
		}
		wantState(t, b, portal.StateDown, "config: bad key")
		wantLines(t, c, "The game cannot be started just now. What you type is kept; the operator can see why.")
		_, late := b.connect()
		wantLines(t, late, "The game cannot be started just now. What you type is kept; the operator can see why.")
		sleep(500 * time.Millisecond)
		wantState(t, b, portal.StateDown, "no such file")
		sleep(time.Second)
		wantState(t, b, portal.StateAttached, "no such file")
		wantLines(t, c, "The game has started.")
		wantLines(t, late, "The game has started.")
		st.wantModes("cold", "cold", "cold", "cold")
	})
}

func TestRestart(t *testing.T) {
	t.Run("done", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "attach")
			sleep(time.Second)
			s, c := b.connect()
			say(t, s, "look")
			if err := b.p.Restart(t.Context(), link.ModeReset, "spring"); err != nil {
				t.Fatal(err)
			}
			st.wantModes("cold", "reset")
			st.proc(2).srv.want("hello porch tide 3", "seat 1 #1 p0 u0", "synced", "open 1:1", "input 1:2 look")
			wantLines(t, c) // it was too short to notice
			r := b.p.Status().LastReload
			if r == nil || r.Mode != "reset" || r.Reason != "spring" || r.Error != "" {
				t.Errorf("LastReload = %+v", r)
			}
			wantState(t, b, portal.StateAttached, "")
		})
	})
	t.Run("does not build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "attach")
			st.build = func(context.Context) error { return errors.New("main.go:3: undefined: x") }
			err := b.p.Restart(t.Context(), link.ModeReload, "")
			if err == nil || !strings.Contains(err.Error(), "main.go:3") {
				t.Errorf("Restart = %v", err)
			}
			st.wantModes("cold")
			st.proc(1).srv.want("hello porch tide 3", "synced")
			st.build = nil
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
				t.Errorf("Restart after a build that failed = %v", err)
			}
		})
	})
	t.Run("twice", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "attach")
			st.build = func(ctx context.Context) error { time.Sleep(time.Second); return nil }
			done := make(chan error, 1)
			go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "") }()
			synctest.Wait()
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); !errors.Is(err, portal.ErrReloading) {
				t.Errorf("second Restart = %v, want ErrReloading", err)
			}
			if err := <-done; err != nil {
				t.Errorf("first Restart = %v", err)
			}
			st.wantModes("cold", "reload")
		})
	})
	t.Run("the new one fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "attach", "exit", "attach")
			sleep(time.Minute)
			st.proc(1).srv.take()
			err := b.p.Restart(t.Context(), link.ModeReload, "")
			if err == nil || !strings.Contains(err.Error(), "config: bad key") {
				t.Errorf("Restart = %v", err)
			}
			if r := b.p.Status().LastReload; !strings.Contains(r.Error, "config: bad key") {
				t.Errorf("LastReload = %+v", r)
			}
			st.proc(1).srv.want() // it has noticed nothing
			st.wantModes("cold", "reload")
			wantState(t, b, portal.StateAttached, "")
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
				t.Errorf("Restart after one that failed = %v", err)
			}
		})
	})
	t.Run("the new one does not load", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, func(c *portal.Config) { c.StartTimeout = 20 * time.Second }, "attach", "silent", "attach")
			sleep(time.Minute)
			begun := time.Now()
			err := b.p.Restart(t.Context(), link.ModeReload, "")
			if err == nil || !strings.Contains(err.Error(), "not ready within 20s") || time.Since(begun) != 20*time.Second {
				t.Errorf("Restart = %v, after %v", err, time.Since(begun))
			}
			if _, kills := st.proc(2).counts(); kills != 1 {
				t.Errorf("the new Server was killed %d times, want once", kills)
			}
			wantState(t, b, portal.StateAttached, "")
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
				t.Errorf("Restart after one that failed = %v", err)
			}
		})
	})
	t.Run("the new one cannot be started", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "attach", "fail")
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); err == nil || !strings.Contains(err.Error(), "no such file") {
				t.Errorf("Restart = %v", err)
			}
			st.wantModes("cold", "reload")
			wantState(t, b, portal.StateAttached, "")
		})
	})
	t.Run("the old one plays until the new one is ready", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "attach", "silent")
			s, _ := b.connect()
			first := st.proc(1).srv
			first.take()
			done := make(chan error, 1)
			go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "") }()
			sleep(5 * time.Second)
			say(t, s, "look")
			first.want("input 1:2 look")
			// It is ready now.
			st.proc(2).srv = readyServer(t, b.l, hello(2, 0))
			first.want("drain reload ")
			if err := <-done; err != nil {
				t.Errorf("Restart = %v", err)
			}
			st.proc(2).srv.want("hello porch tide 3", "seat 1 #1 p0 u0", "synced", "open 1:1", "input 1:2 look")
		})
	})
	t.Run("the old one dies meanwhile", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "attach", "silent")
			sleep(time.Minute)
			done := make(chan error, 1)
			go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "") }()
			sleep(time.Second)
			st.proc(1).end(portal.Exit{Code: 2, Text: "panic: oops"})
			synctest.Wait()
			srv := readyServer(t, b.l, nil)
			srv.want("go crash") // the hooks of a crash, not of a reload
			srv.send(hello(2, 0))
			if err := <-done; err != nil {
				t.Errorf("Restart = %v", err)
			}
			st.wantModes("cold", "reload")
			wantState(t, b, portal.StateAttached, "panic: oops")
			srv.kill()
		})
	})
	t.Run("the new one dies when it is ready", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "stay", "ready", "attach")
			done := make(chan error, 1)
			go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "") }()
			sleep(time.Second) // the old one does not end
			st.proc(2).end(portal.Exit{Code: 2})
			st.proc(1).end(portal.Exit{})
			if err := <-done; err != nil {
				t.Errorf("Restart = %v", err)
			}
			st.wantModes("cold", "reload", "reload")
		})
	})
	t.Run("the new one dies at Go", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "attach", "ready", "attach")
			done := make(chan error, 1)
			go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "") }()
			synctest.Wait()
			st.proc(2).srv.want("go reload")
			st.proc(2).end(portal.Exit{Code: 3, Text: "no room"})
			if err := <-done; err == nil || !strings.Contains(err.Error(), "no room") {
				t.Errorf("Restart = %v", err)
			}
			sleep(time.Second)
			st.wantModes("cold", "reload", "reload")
			wantState(t, b, portal.StateAttached, "no room")
		})
	})
	t.Run("the old one does not end", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "stay", "attach")
			begun := time.Now()
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took != 15*time.Second {
				t.Errorf("Restart took %v, want the drain time-out of 15s", took)
			}
			if _, kills := st.proc(1).counts(); kills != 1 {
				t.Errorf("the old Server was killed %d times, want once", kills)
			}
			st.wantModes("cold", "reload")
		})
	})
	t.Run("while starting", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "silent", "attach")
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
				t.Error(err)
			}
			st.wantModes("cold", "reload")
			_ = b
		})
	})
	t.Run("while down", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, st := startSupervised(t, nil, "fail", "fail", "fail", "fail", "fail", "fail", "attach")
			sleep(8 * time.Second) // the next back-off takes 8 s
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
				t.Error(err)
			}
			if got := st.started(); got[len(got)-1] != "reload" {
				t.Errorf("modes %v, want reload last", got)
			}
		})
	})
	t.Run("the portal stops", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, _ := startSupervised(t, nil, "attach", "silent")
			done := make(chan error, 1)
			go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "") }()
			sleep(time.Second)
			b.p.Shutdown("")
			if err := <-done; !errors.Is(err, portal.ErrStopped) {
				t.Errorf("Restart = %v, want ErrStopped", err)
			}
			if err := b.p.Restart(t.Context(), link.ModeReload, ""); !errors.Is(err, portal.ErrStopped) {
				t.Errorf("Restart of a Portal that has stopped = %v, want ErrStopped", err)
			}
		})
	})
	t.Run("bad mode", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := startBench(t, nil)
			if err := b.p.Restart(t.Context(), link.ModeShutdown, ""); err == nil {
				t.Error("Restart with ModeShutdown = nil")
			}
		})
	})
}

// A reverter can go back to the build before.
type reverter struct {
	*starter
	builds, reverts int
}

func (r *reverter) Build(context.Context) error { r.builds++; return nil }

func (r *reverter) Revert() bool {
	r.reverts++
	return r.builds > 0
}

// TestTrial has new builds die young.
func TestTrial(t *testing.T) {
	start := func(t *testing.T, script ...string) (*bench, *reverter) {
		r := &reverter{starter: &starter{t: t, script: script}}
		r.b = newBench(t, func(c *portal.Config) { c.Starter = r; c.Trial = 10 * time.Second })
		r.b.run()
		sleep(time.Minute)
		return r.b, r
	}
	t.Run("after it was attached", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, r := start(t, "attach")
			var told []string
			if err := b.p.RestartTelling(t.Context(), link.ModeReload, "", func(text string) { told = append(told, text) }); err != nil {
				t.Fatal(err)
			}
			sleep(9 * time.Second)
			r.proc(2).end(portal.Exit{Code: 2, Text: "panic: oops"})
			synctest.Wait() // at once, without a back-off
			r.wantModes("cold", "reload", "crash")
			wantState(t, b, portal.StateAttached, "panic: oops")
			if r.reverts != 1 {
				t.Errorf("Revert was called %d times", r.reverts)
			}
			if st := b.p.Status().LastReload; !strings.Contains(st.Error, "the build before: exit code 2: panic: oops") {
				t.Errorf("LastReload.Error = %q", st.Error)
			}
			if last := told[len(told)-1]; !strings.Contains(last, "goes on with the build before") {
				t.Errorf("whoever asked was told %q", told)
			}
			// The one that runs now is not on trial.
			r.proc(3).end(portal.Exit{Code: 2})
			sleep(time.Second)
			if r.reverts != 1 {
				t.Errorf("the old build was taken back as well")
			}
		})
	})
	for _, tt := range []struct {
		name string
		wait time.Duration
		exit portal.Exit
	}{
		{"old enough", 11 * time.Second, portal.Exit{Code: 2}},
		{"killed by somebody", time.Second, portal.Exit{Signal: "killed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b, r := start(t, "attach")
				if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
					t.Fatal(err)
				}
				sleep(tt.wait)
				r.proc(2).end(tt.exit)
				sleep(time.Second)
				wantState(t, b, portal.StateAttached, tt.exit.String())
				if r.reverts != 0 {
					t.Errorf("Revert was called %d times", r.reverts)
				}
			})
		})
	}
	t.Run("before it was attached", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b, r := start(t, "attach", "ready", "attach")
			done := make(chan error, 1)
			go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "") }()
			synctest.Wait()
			r.proc(2).end(portal.Exit{Code: 3, Text: "no room"})
			if err := <-done; err == nil || !strings.Contains(err.Error(), "goes on with the build before: exit code 3: no room") {
				t.Errorf("Restart = %v", err)
			}
			synctest.Wait()
			r.wantModes("cold", "reload", "reload")
			if r.reverts != 1 {
				t.Errorf("Revert was called %d times", r.reverts)
			}
			wantState(t, b, portal.StateAttached, "no room")
		})
	})
}

// What a Server has written before it died is read to its end before the next
// one gets its seats.
func TestLastWordsAreRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		s, c := b.connect()
		sleep(time.Minute)
		say(t, s, "look")
		p := st.proc(1)
		var frames []link.Frame
		for i := range 200 {
			frames = append(frames, text(fmt.Sprint(i), 1))
		}
		p.srv.send(append(frames, end(0, 1, 2))...)
		p.srv.conn.Flush()
		p.end(portal.Exit{Signal: "killed"})
		if got := c.take(); len(got) != 200 {
			t.Errorf("the client got %d lines, want 200", len(got))
		}
		st.proc(2).srv.want("hello porch tide 3", "seat 1 #1 p2 u0", "synced")
	})
}

// A line that is sent to a dead Server does not cut off what it has written.
func TestLastWordsAreReadAfterAFailedWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		_, c := b.connect()
		other, _ := b.connect()
		sleep(time.Minute)
		c.take()
		p := st.proc(1)
		c.onWrite = func() { // on the Portal's link reader, which has read a part
			p.srv.conn.Flush()
			p.end(portal.Exit{Signal: "killed"})
			say(t, other, "is anybody there?")
			time.Sleep(time.Millisecond) // the write fails
		}
		line := strings.Repeat("x", 1000)
		var frames []link.Frame
		for range 100 {
			frames = append(frames, text(line, 1), end(0))
		}
		p.srv.send(frames...)
		sleep(time.Second)
		if got := c.take(); len(got) != 100 {
			t.Errorf("the client got %d lines, want 100: %.60q %.60q", len(got), got[0], got[len(got)-1])
		}
	})
}

func TestActions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		s, c := b.connect()
		say(t, s, "reload")
		srv := st.proc(1).srv
		srv.take()
		srv.send(&link.Action{Mode: link.ModeReload, Session: 1, Reason: "ada"}, end(1, 1, 2))
		srv.want() // held: not committed
		srv.send(&link.Committed{Commit: 1})
		srv.want("drain reload ada")
		wantLines(t, c, "The Server is being replaced.", "The new Server loads the world; the game goes on meanwhile.", "The Server was replaced. The game paused for 0s.")
		st.wantModes("cold", "reload")
		st.build = func(context.Context) error { return errors.New("|rundefined|n") }
		srv = st.proc(2).srv
		srv.want("hello porch tide 3", "seat 1 #1 p2 u0", "synced")
		srv.send(&link.Action{Mode: link.ModeReset, Session: 1}, end(0))
		wantLines(t, c, "The Server is being replaced.", "The Server was not replaced: portal: build: |rundefined|n")
		srv.send(&link.Action{Mode: link.ModeShutdown, Reason: "Good night."}, end(0))
		srv.want("drain shutdown Good night.")
		if got := c.reasons(); len(got) != 1 || got[0] != "Good night." {
			t.Errorf("the client was told %q", got)
		}
	})
}

func TestRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		type result struct {
			m   message.Message
			err error
		}
		done := make(chan result, 1)
		go func() {
			m, err := b.p.Request(t.Context(), message.New("status"))
			done <- result{m, err}
		}()
		sleep(time.Minute) // it waits for a Server
		if err := b.p.AddService(&service{name: "lamp"}); err != nil {
			t.Fatal(err)
		}
		b.connect()
		srv := b.attach(1, 0)
		if r := <-done; r.err != nil || len(r.m.Args) != 1 || r.m.Args[0] != "fine" {
			t.Errorf("Request = %v, %v", r.m, r.err)
		}
		var re *link.RequestError
		if _, err := b.p.Request(t.Context(), message.New("nonsense")); !errors.As(err, &re) {
			t.Errorf("Request of an unknown name = %v, want a RequestError", err)
		}
		for _, tc := range []struct {
			m    message.Message
			want string
		}{
			{message.New("status"), "sessions:1"},
			{message.New("services"), "services:[map[address: error: name:lamp owner:built-in state:running]]"},
			{message.New("service", "lamp", false), "service"},
			{message.New("services"), "state:stopped"},
			{message.New("service", "lamp", true), "service"},
			{message.New("services"), "state:running"},
			{message.New("service", "telnet:1", true), "no such service"},
			{message.New("service", "lamp"), "arguments are"},
			{message.New("service", "lamp", "on"), "true or false"},
			{message.New("weather"), `knows no request "weather"`},
		} {
			m, err := srv.conn.Request(t.Context(), tc.m)
			got := fmt.Sprint(m)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tc.want) {
				t.Errorf("request %v of the Server = %q, want %q in it", tc.m, got, tc.want)
			}
		}
		srv.kill()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.p.Request(ctx, message.New("status")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Request without a Server = %v, want the deadline", err)
		}
	})
}
