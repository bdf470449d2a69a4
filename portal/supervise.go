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
// short. Without a Starter the process is whoever attaches, and lasts as long as
// its link.
//
// A reload has two processes for a while: while the old one is attached and plays,
// its heir loads the world, and has neither link nor seats. When it is ready the old
// one is told to stop, and when that is dead the heir is told to go on: then it is
// the process, and starting. An heir that ends before it is ready, or is not ready
// in time, has changed nothing.
type supervisor struct {
	p      *Portal
	asks   chan *replacement
	admits chan *admission
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
	tell   func(text string) // shows whoever asked how it goes on
	done   chan error        // has room for one

	paused time.Time // when the old Server was told to stop
}

// An admission is what a Server asks for that wants to attach.
type admission struct {
	ready  bool         // it has loaded the world, and wants to go on
	answer chan verdict // has room for one
}

// A verdict is the answer.
type verdict struct {
	gen    uint64
	mode   link.Mode // of a ready Server: why it starts
	refuse *refusalError
}

// An heir is a Server that loads while another plays.
type heir struct {
	proc    Process
	q       *replacement
	late    <-chan time.Time
	why     string       // it is being killed
	waiting chan verdict // its link waits here; nil until it is ready
}

type linkChange struct {
	a        *attachment
	attached bool
}

func newSupervisor(p *Portal) *supervisor {
	return &supervisor{
		p: p, asks: make(chan *replacement), admits: make(chan *admission),
		links: make(chan linkChange), ended: make(chan struct{}),
	}
}

// Restart replaces the Server by a new one. With ModeReload every player stays
// where they are; ModeReset runs the cold-stop and cold-start hooks as well. The
// old Server plays until the new one has loaded the world. If the Starter cannot
// build, or the new Server cannot load, nothing has changed and the error says
// why. Otherwise Restart returns when the new Server is attached, or with why it is
// not; the game then goes back to the build before, if the Starter is a Reverter,
// or is tried again until it is attached. It fails with ErrReloading while another
// call is under way, and with ErrStopped. If ctx is done first, the replacement goes
// on.
func (p *Portal) Restart(ctx context.Context, mode link.Mode, reason string) error {
	return p.RestartTelling(ctx, mode, reason, func(string) {})
}

// RestartTelling is Restart for who wants to know how it goes on: tell is called
// with one line for people each time, also after the return, should the new Server
// not live longer than Config.Trial. It must not wait.
func (p *Portal) RestartTelling(ctx context.Context, mode link.Mode, reason string, tell func(text string)) error {
	if mode != link.ModeReload && mode != link.ModeReset {
		return fmt.Errorf("portal: restart with mode %v: only reload and reset replace a Server", mode)
	}
	if !p.reloading.CompareAndSwap(false, true) {
		return ErrReloading
	}
	q := &replacement{mode: mode, reason: reason, begun: time.Now(), tell: tell, done: make(chan error, 1)}
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
	if !q.paused.IsZero() {
		st.Pause = time.Since(q.paused)
	}
	if err != nil {
		st.Error = err.Error()
		p.log.Error("server not replaced", "mode", st.Mode, "reason", st.Reason, "err", err)
	} else {
		p.log.Info("server replaced", "mode", st.Mode, "reason", st.Reason, "took", st.Took, "pause", st.Pause)
	}
	p.mu.Lock()
	p.lastReload = st
	p.mu.Unlock()
	p.meter.replaced(st)
	p.reloading.Store(false)
	q.done <- err
}

// admit asks whether a Server may attach now, or one that is ready may go on: that
// may take as long as a world is loaded. A Server that was just started may be
// quicker than its Starter: it waits.
func (v *supervisor) admit(ctx context.Context, ready bool) verdict {
	a := &admission{ready: ready, answer: make(chan verdict, 1)}
	select {
	case v.admits <- a:
		select {
		case d := <-a.answer:
			return d
		case <-v.ended:
		case <-ctx.Done():
		}
	case <-v.ended:
	case <-ctx.Done():
	}
	return verdict{refuse: &refusalError{"the Portal is stopping", "start it again"}}
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
		next    *heir        // that Server, if it has been started already
		backoff time.Duration
	)
	for {
		if asker != nil {
			v.p.forgetAside() // the new build may have mended it
		}
		v.setState(StateStarting, 0, "")
		began := time.Now()
		v.gen++
		w := watch{v: v, mode: mode, asker: asker, tried: asker}
		var err error
		if next != nil {
			w.proc = next.proc
		} else {
			w.proc, err = v.start(ctx, mode)
		}
		if err == nil {
			if next != nil && next.waiting != nil {
				if asker != nil && !asker.paused.IsZero() {
					v.p.log.Info("old server has ended", "took", time.Since(asker.paused))
				}
				next.waiting <- verdict{gen: v.gen, mode: mode}
			}
			w.run(ctx)
			v.blame(&w)
		} else {
			w.cause = fmt.Sprintf("start: %v", err)
			v.p.log.Error("server cannot be started", "mode", mode.String(), service.ErrAttr(err))
		}
		v.noteLastWords(&w, ctx.Err() != nil)
		if ctx.Err() != nil {
			v.endHeir(w.heir)
			waiting := []*replacement{w.asker, w.next}
			if w.heir != nil && w.heir.q != w.next {
				waiting = append(waiting, w.heir.q)
			}
			for _, q := range waiting {
				if q != nil {
					v.p.replaced(q, ErrStopped)
				}
			}
			v.setState(StateDown, 0, "")
			return
		}
		asker, next = nil, w.heir
		if w.next == nil {
			v.setState(StateDown, 0, w.cause)
			if w.attached {
				mode = link.ModeCrash
			} else if v.p.cfg.Starter != nil && next == nil && !w.outside {
				v.p.tellAway(textCannotStart)
			}
			back := v.revert(&w)
			if w.asker != nil {
				goesOn := ""
				if back {
					goesOn = ", so the game goes on with the build before"
				}
				v.p.replaced(w.asker, fmt.Errorf("portal: the new Server does not start%s: %s", goesOn, w.cause))
			}
			wait := time.Duration(0)
			switch {
			case v.p.cfg.Starter == nil: // whoever comes next may
				backoff = 0
			case back, next != nil:
				backoff = 0
			case time.Since(began) >= quickDeath && (w.attached || w.outside):
				backoff = 0
			case w.outside:
				// No fault of the program's: it neither waits for it, nor is forgiven
				// what it did before.
			default:
				backoff = min(max(2*backoff, firstBackoff), lastBackoff)
				wait = backoff
			}
			v.p.meter.died(&w)
			v.p.log.Error("server died", "cause", w.cause, "attached", w.attached, "retry", wait)
			if next != nil {
				asker = next.q // which loads already, and takes over as it is
			} else if w.next = v.pause(ctx, wait); w.next != nil {
				mode, asker, backoff = w.next.mode, w.next, 0
			}
			continue
		}
		mode, asker, backoff = w.next.mode, w.next, 0
	}
}

// revert goes back to the build before if that of w, which was to take its place,
// has proved no good. It reports whether there is such a build.
func (v *supervisor) revert(w *watch) bool {
	q := w.tried
	r, ok := v.p.cfg.Starter.(Reverter)
	if q == nil || !ok || w.outside || v.p.cfg.Trial <= 0 || w.attached && time.Since(w.since) > v.p.cfg.Trial {
		return false
	}
	if !r.Revert() {
		return false
	}
	v.p.meter.reverted.Inc()
	v.p.log.Error("build taken back", "cause", w.cause)
	if w.asker == nil { // it was attached, and whoever asked has been told so
		v.p.mu.Lock()
		if st := v.p.lastReload; st != nil {
			st := *st
			st.Error = "portal: the new Server died, so the game goes on with the build before: " + w.cause
			v.p.lastReload = &st
		}
		v.p.mu.Unlock()
		q.tell(textReverted + w.cause)
	}
	return true
}

// endHeir kills a Server that is not needed, and waits for its death.
func (v *supervisor) endHeir(h *heir) {
	if h == nil {
		return
	}
	if err := h.proc.Kill(); err != nil {
		v.p.log.Warn("server cannot be killed", "pid", h.proc.PID(), "err", err)
	}
	t := time.NewTimer(killTime)
	defer t.Stop()
	select {
	case <-h.proc.Done():
	case <-t.C:
		v.p.log.Error("server is still there after it was killed", "pid", h.proc.PID())
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
	if c := v.p.meter.starts[mode.String()]; err == nil && c != nil {
		c.Inc()
	}
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
		case a := <-v.admits:
			a.answer <- verdict{refuse: &refusalError{"no Server is expected", "the Portal starts its Servers itself; stop this one"}}
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
	mode  link.Mode
	asker *replacement // waits for it to attach; nil once it knows
	tried *replacement // for which it was started; nil if for none

	attached bool         // it was, at some time
	since    time.Time    // when
	next     *replacement // for which it was ended
	heir     *heir        // loads meanwhile
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
	seq := uint64(0)
	for {
		asks := v.asks
		if w.next != nil || w.heir != nil || stop == nil {
			asks = nil // there is one replacement at a time
		}
		var heirDone <-chan struct{}
		var heirLate <-chan time.Time
		if w.heir != nil {
			heirDone, heirLate = w.heir.proc.Done(), w.heir.late
		}
		select {
		case <-w.proc.Done():
			exit := w.proc.Exit()
			w.cause, w.outside = exit.String(), exit.Signal == "killed" && !exit.ByUs
			if w.why != "" {
				w.cause = w.why + ": " + w.cause
			}
			w.lastLinks()
			return

		case a := <-v.admits:
			stalled := v.p.stalledCause()
			switch {
			case a.ready && w.heir != nil && w.heir.waiting == nil && w.heir.why == "" && stalled != "" && !w.ending:
				// It could not take the store over either, and would have no game
				// to go back to; and it would be blamed for that.
				a.answer <- verdict{refuse: &refusalError{"the store does not commit", "reload again when it does"}}
				w.refuseHeir(fmt.Sprintf("the game cannot save at the moment, reload it again when it can: %s", stalled))
			case a.ready && w.heir != nil && w.heir.waiting == nil && w.heir.why == "":
				w.heir.waiting, w.heir.late = a.answer, nil
				v.p.log.Info("new server has loaded", "pid", w.heir.proc.PID(), "took", time.Since(w.heir.q.begun))
				if !w.ending {
					w.next, start = w.heir.q, nil
					w.end(w.next.mode, w.next.reason)
				}
			case w.a != nil || w.ending:
				a.answer <- verdict{refuse: refuseSecond}
			default:
				a.answer <- verdict{gen: v.gen, mode: w.mode}
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
			quiet := w.a.quiet()
			if hang := v.p.cfg.Hang; hang > 0 && quiet > hang && w.a.carrying.Load() == 0 {
				w.why = fmt.Sprintf("no answer for %v", quiet.Round(time.Second))
				w.dump()
			}

		case q := <-asks:
			if w.a != nil && !w.ending && v.p.cfg.Starter != nil {
				w.startHeir(ctx, q)
				break
			}
			// There is nothing to be lost by starting anew.
			w.next, start = q, nil
			w.end(q.mode, q.reason)

		case <-heirDone:
			w.heirDied()

		case <-heirLate:
			w.refuseHeir(fmt.Sprintf("not ready within %v", v.p.cfg.StartTimeout))

		case <-stop:
			stop, start = nil, nil
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

// lastLinks takes what links have to say of the process, which is dead: it may have
// been attached for a moment.
func (w *watch) lastLinks() {
	for {
		select {
		case c := <-w.v.links:
			switch {
			case c.a.gen != w.v.gen:
				w.v.late(c)
			case c.attached && !w.attached:
				w.attached, w.since = true, time.Now()
				if w.asker != nil {
					w.v.p.replaced(w.asker, nil)
					w.asker = nil
				}
			}
		default:
			return
		}
	}
}

// startHeir starts the Server that is to take the place of this one, which plays
// on meanwhile.
func (w *watch) startHeir(ctx context.Context, q *replacement) {
	proc, err := w.v.start(ctx, q.mode)
	if err != nil {
		w.v.p.replaced(q, fmt.Errorf("portal: the new Server cannot be started: %w", err))
		return
	}
	q.tell(textLoading)
	w.heir = &heir{proc: proc, q: q, late: w.startTimer()}
	w.v.p.log.Info("new server loads", "pid", proc.PID())
}

// refuseHeir kills the heir, which is not to take over. heirDied follows when it
// is dead.
func (w *watch) refuseHeir(why string) {
	w.heir.late, w.heir.why = nil, why
	if err := w.heir.proc.Kill(); err != nil {
		w.v.p.log.Warn("server cannot be killed", "pid", w.heir.proc.PID(), "err", err)
	}
}

// heirDied is called when the heir has ended while this Server still plays, or is
// about to stop for its sake.
func (w *watch) heirDied() {
	h := w.heir
	w.heir = nil
	cause := h.proc.Exit().String()
	if h.why != "" {
		cause = h.why + ": " + cause
	}
	if h.waiting != nil {
		h.waiting <- verdict{refuse: &refusalError{"it is dead", "reload again"}}
	}
	if w.next == h.q {
		// This one has been told to stop. Another of the new build is started
		// when it has ended, and if that is no good the one before.
		w.v.p.log.Error("new server died before it could go on", "cause", cause)
		return
	}
	w.v.p.replaced(h.q, fmt.Errorf("portal: the new Server does not start, so the old one plays on: %s", cause))
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
	w.a = c.a
	if !w.attached {
		w.attached, w.since = true, time.Now()
	}
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
	if w.next != nil {
		w.next.paused = time.Now()
	}
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
