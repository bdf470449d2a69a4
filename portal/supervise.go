package portal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/service"
)

// The Server as the supervisor sees it:
//
//	down      no process. After the back-off, or at once for a reload: starting
//	starting  a process that has no link. Its link comes: attached. It takes
//	          too long: dumped, killed. A reload: killed. It dies: down
//	attached  a process and its link. It does not answer: dumped, killed. Its
//	          link ends: starting. A reload or the Portal's end: draining. It
//	          dies: down
//	draining  told to stop, or killed. It takes too long: killed. It dies: down
//
// The way from one process to the next goes through down, also when it is
// short: a new one is started only when the old one is dead. Without a Starter
// the process is whoever attaches, and lasts as long as its link.
type supervisor struct {
	p      *Portal
	asks   chan *replacement
	admits chan chan admission
	links  chan linkChange
	ended  chan struct{} // closed when run has returned

	gen uint64 // of the process: counts them
}

const (
	pingEvery    = time.Second
	dumpTime     = 2 * time.Second // for a Server to write its stacks before it is killed
	killTime     = 5 * time.Second // for a killed process to be gone
	quickDeath   = 10 * time.Second
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 30 * time.Second
)

// A replacement is a call of Restart.
type replacement struct {
	mode   link.Mode
	reason string
	begun  time.Time
	done   chan error // has room for one
}

// An admission is the answer to a Server that wants to attach.
type admission struct {
	gen    uint64
	refuse *refusalError
}

type linkChange struct {
	a        *attachment
	attached bool
}

func newSupervisor(p *Portal) *supervisor {
	return &supervisor{
		p: p, asks: make(chan *replacement), admits: make(chan chan admission),
		links: make(chan linkChange), ended: make(chan struct{}),
	}
}

// Restart replaces the Server by a new one. With ModeReload every player stays
// where they are; ModeReset runs the cold-stop and cold-start hooks as well. If
// the Starter cannot build, nothing has changed and the error is the build's.
// Otherwise Restart returns when the new Server is attached, or with why it is
// not; it is then tried again until it is. It fails with ErrReloading while
// another call is under way, and with ErrStopped. If ctx is done first, the
// replacement goes on.
func (p *Portal) Restart(ctx context.Context, mode link.Mode, reason string) error {
	if mode != link.ModeReload && mode != link.ModeReset {
		return fmt.Errorf("portal: restart with mode %v: only reload and reset replace a Server", mode)
	}
	if !p.reloading.CompareAndSwap(false, true) {
		return ErrReloading
	}
	q := &replacement{mode: mode, reason: reason, begun: time.Now(), done: make(chan error, 1)}
	if p.cfg.Starter != nil {
		p.log.Info("building", "mode", mode.String(), "reason", reason)
		ctx, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(p.linkContext(), cancel)
		err := service.Guard(func() error { return p.cfg.Starter.Build(ctx) })
		stop()
		cancel()
		if err != nil {
			err = fmt.Errorf("portal: build: %w", err)
			p.replaced(q, err)
			return err
		}
	}
	select {
	case p.super.asks <- q:
	case <-ctx.Done():
		err := context.Cause(ctx)
		p.replaced(q, err)
		return err
	case <-p.stoppingCh:
		p.replaced(q, ErrStopped)
		return ErrStopped
	}
	select {
	case err := <-q.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// linkContext returns the context that ends a build as the Portal stops.
func (p *Portal) linkContext() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.serviceCtx == nil {
		return context.Background()
	}
	return p.serviceCtx
}

// replaced ends a replacement, for those who asked and for the Status.
func (p *Portal) replaced(q *replacement, err error) {
	st := &ReloadStatus{Mode: q.mode.String(), Reason: q.reason, When: time.Now(), Took: time.Since(q.begun)}
	if err != nil {
		st.Error = err.Error()
		p.log.Error("server not replaced", "mode", st.Mode, "reason", st.Reason, "err", err)
	} else {
		p.log.Info("server replaced", "mode", st.Mode, "reason", st.Reason, "took", st.Took)
	}
	p.mu.Lock()
	p.lastReload = st
	p.mu.Unlock()
	p.reloading.Store(false)
	q.done <- err
}

// admit asks whether a Server may attach now. A Server that was just started
// may be quicker than its Starter: it waits.
func (v *supervisor) admit(ctx context.Context) (gen uint64, r *refusalError) {
	answer := make(chan admission, 1)
	select {
	case v.admits <- answer:
		a := <-answer
		return a.gen, a.refuse
	case <-v.ended:
	case <-ctx.Done():
	}
	return 0, &refusalError{"the Portal is stopping", "start it again"}
}

// linkChanged tells the supervisor that a link has its seats, or has ended.
func (v *supervisor) linkChanged(a *attachment, attached bool) {
	select {
	case v.links <- linkChange{a, attached}:
	case <-v.ended:
	}
}

// setState notes the state for Status. An empty cause leaves the last one.
func (v *supervisor) setState(state string, pid int, cause string) {
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	st := &v.p.server
	if st.State != state || st.PID != pid {
		st.State, st.PID, st.Since = state, pid, time.Now()
	}
	if cause != "" {
		st.Cause = cause
	}
}

// run keeps a Server running until ctx is done, and ends it then.
func (v *supervisor) run(ctx context.Context) {
	defer close(v.ended)
	var (
		mode    = link.ModeCold
		asker   *replacement // who waits for the Server that is started next
		backoff time.Duration
	)
	for {
		v.setState(StateStarting, 0, "")
		began := time.Now()
		v.gen++
		proc, err := v.start(ctx, mode)
		w := watch{v: v, proc: proc, asker: asker}
		if err == nil {
			w.run(ctx)
		} else {
			w.cause = fmt.Sprintf("start: %v", err)
			v.p.log.Error("server cannot be started", "mode", mode.String(), service.ErrAttr(err))
		}
		v.noteLastWords(&w, ctx.Err() != nil)
		if ctx.Err() != nil {
			for _, q := range []*replacement{w.asker, w.next} {
				if q != nil {
					v.p.replaced(q, ErrStopped)
				}
			}
			v.setState(StateDown, 0, "")
			return
		}
		asker = nil
		if w.next == nil {
			v.setState(StateDown, 0, w.cause)
			if w.attached {
				mode = link.ModeCrash
			} else if v.p.cfg.Starter != nil {
				v.p.tellAway(textCannotStart)
			}
			if w.asker != nil {
				v.p.replaced(w.asker, fmt.Errorf("portal: the new Server does not start: %s", w.cause))
			}
			switch {
			case v.p.cfg.Starter == nil: // whoever comes next may
				backoff = 0
			case w.attached && w.outside: // no fault of the program's: as before
			case time.Since(began) < quickDeath || !w.attached:
				backoff = min(max(2*backoff, firstBackoff), lastBackoff)
			default:
				backoff = 0
			}
			v.p.log.Error("server died", "cause", w.cause, "attached", w.attached, "retry", backoff)
			w.next = v.pause(ctx, backoff)
		}
		if w.next != nil {
			mode, asker, backoff = w.next.mode, w.next, 0
		}
	}
}

// start starts a process.
func (v *supervisor) start(ctx context.Context, mode link.Mode) (proc Process, err error) {
	if v.p.cfg.Starter == nil {
		return &visitor{done: make(chan struct{})}, nil
	}
	err = service.Guard(func() error {
		proc, err = v.p.cfg.Starter.Start(ctx, mode)
		if err == nil && proc == nil {
			err = errors.New("the Starter returned no process")
		}
		return err
	})
	return proc, err
}

// pause is the state down: it waits until the next start is due. It returns a
// replacement that is asked for meanwhile.
func (v *supervisor) pause(ctx context.Context, d time.Duration) *replacement {
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return nil
		case q := <-v.asks:
			return q
		case c := <-v.links:
			v.late(c)
		case answer := <-v.admits:
			answer <- admission{refuse: &refusalError{"no Server is expected", "the Portal starts its Servers itself; stop this one"}}
		}
	}
}

// late deals with a link of a process that is gone. What that process has
// written is still read, to its end; only of a visitor one cannot know that it
// is gone.
func (v *supervisor) late(c linkChange) {
	if c.attached && v.p.cfg.Starter == nil {
		c.a.conn.Close()
	}
}

// A watch is the life of one process.
type watch struct {
	v     *supervisor
	proc  Process
	asker *replacement // waits for it to attach; nil once it knows

	attached bool         // it was, at some time
	next     *replacement // for which it was ended
	cause    string       // why it died
	outside  bool         // somebody else killed it

	a      *attachment
	ending bool // it was told to stop, or is being killed
	killed bool
	why    string           // it is being killed
	after  <-chan time.Time // when the next harder means are due
}

// run watches the process until it is dead. When ctx is done it is ended.
func (w *watch) run(ctx context.Context) {
	v := w.v
	v.setState(StateStarting, w.proc.PID(), "")
	start := w.startTimer()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	stop := ctx.Done()
	asks := v.asks
	seq := uint64(0)
	for {
		select {
		case <-w.proc.Done():
			exit := w.proc.Exit()
			w.cause, w.outside = exit.String(), exit.Signal == "killed" && !exit.ByUs
			if w.why != "" {
				w.cause = w.why + ": " + w.cause
			}
			return

		case answer := <-v.admits:
			if w.a != nil || w.ending {
				answer <- admission{refuse: refuseSecond}
			} else {
				answer <- admission{gen: v.gen}
			}

		case c := <-v.links:
			if c.a.gen != v.gen {
				v.late(c)
				break
			}
			w.linkChanged(c)
			start = nil
			if !c.attached && !w.ending {
				start = w.startTimer()
			}

		case <-start:
			start = nil
			w.why = fmt.Sprintf("not attached within %v", v.p.cfg.StartTimeout)
			w.dump()

		case <-tick.C:
			if w.a == nil || w.ending {
				break
			}
			seq++
			w.a.conn.Send(&link.Ping{Seq: seq})
			quiet := time.Since(w.a.since) - time.Duration(w.a.lastPong.Load())
			if hang := v.p.cfg.Hang; hang > 0 && quiet > hang && w.a.carrying.Load() == 0 {
				w.why = fmt.Sprintf("no answer for %v", quiet.Round(time.Second))
				w.dump()
			}

		case q := <-asks:
			asks = nil
			w.next = q // no asker is left: there is one replacement at a time
			start = nil
			w.end(q.mode, q.reason)

		case <-stop:
			stop, asks, start = nil, nil, nil
			w.end(link.ModeShutdown, v.p.stopReason())

		case <-w.after:
			if w.killed && ctx.Err() != nil {
				v.p.log.Error("server is still there after it was killed", "pid", w.proc.PID())
				return
			}
			w.kill()
		}
	}
}

// startTimer returns a channel that fires when the process must have attached.
func (w *watch) startTimer() <-chan time.Time {
	limit := w.v.p.cfg.StartTimeout
	if limit < 0 || w.v.p.cfg.Starter == nil {
		return nil
	}
	return time.After(limit)
}

func (w *watch) linkChanged(c linkChange) {
	v := w.v
	if vis, ok := w.proc.(*visitor); ok {
		vis.changed(c)
	}
	if !c.attached {
		w.a = nil
		if !w.ending {
			v.setState(StateStarting, w.proc.PID(), "")
		}
		return
	}
	w.a, w.attached = c.a, true
	if w.ending {
		w.kill() // it came while it was being ended
		return
	}
	v.setState(StateAttached, w.proc.PID(), "")
	if w.asker != nil {
		v.p.replaced(w.asker, nil)
		w.asker = nil
	}
}

// end has the process stop: in order if it is attached, at once otherwise.
func (w *watch) end(mode link.Mode, reason string) {
	w.v.setState(StateDraining, w.proc.PID(), "")
	if w.ending && w.after != nil {
		return // on its way already, within a limit
	}
	w.ending = true
	if w.a == nil {
		w.kill()
		return
	}
	w.a.drain(mode, reason)
	w.v.p.goneAway()
	w.after = time.After(w.v.p.cfg.DrainTimeout)
}

// dump has the process write its stacks, after which it is killed.
func (w *watch) dump() {
	w.v.p.log.Error("server hangs", "pid", w.proc.PID(), "cause", w.why)
	w.v.setState(StateDraining, w.proc.PID(), w.why)
	w.ending = true
	if err := w.proc.Dump(); err != nil {
		w.v.p.log.Warn("server cannot be dumped", "pid", w.proc.PID(), "err", err)
	}
	w.after = time.After(dumpTime)
}

func (w *watch) kill() {
	w.ending = true
	if w.killed || w.a != nil {
		w.v.p.log.Warn("server is killed", "pid", w.proc.PID(), "cause", w.why)
	}
	w.killed = true
	if err := w.proc.Kill(); err != nil {
		w.v.p.log.Warn("server cannot be killed", "pid", w.proc.PID(), "err", err)
	}
	w.after = time.After(killTime)
}

func (p *Portal) stopReason() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}
