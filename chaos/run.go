package chaos

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mudlark.dev/failpoint"
)

// A Config says what a run does. The zero value of a field is its default.
type Config struct {
	Seed     uint64        // the plan and what the bots type follow from it
	Bots     int           // how many play; 0 means 50
	Faults   int           // how many are injected; 0 means 50
	Duration time.Duration // after this long there are no more faults; without faults the bots type this long; 0 means 10s for that, and no bound with faults
	Objects  int           // that the world has beside the bots
	Mix      string        // the kinds of faults, such as "kill=3,reload=1"; "" means the usual ones, "none" none
	Think    time.Duration // between two lines of a bot, on average; 0 means 100ms
	Gap      time.Duration // between two faults, beside the moment that the plan has; 0 is none, so that faults meet
	Ahead    int           // lines of a bot that may be without an answer; 0 means 4
	Hang     time.Duration // server.hang; 0 means 2s, and 60s with more than 10,000 objects
	Keep     bool          // the game's folder is kept in any case
	Exe      string        // a program whose main calls Playing; "" means this one
	Progress io.Writer     // what goes on, for people; nil discards
}

const (
	maxViolations = 100 // that are listed
	maxNotices    = 50  // different texts that are counted
	leak          = 16  // descriptors that a process may have more at the end
	pointTime     = 4 * time.Second
)

func (c *Config) defaults() error {
	var errs []error
	def := func(name string, v *int, usual, least, most int) {
		if *v == 0 {
			*v = usual
		}
		if *v < least || *v > most {
			errs = append(errs, fmt.Errorf("--%s: %d is not %d to %d", name, *v, least, most))
		}
	}
	def("bots", &c.Bots, 50, 1, 10000)
	def("kills", &c.Faults, 50, 0, 1000000)
	def("objects", &c.Objects, 0, 0, 10000000)
	def("ahead", &c.Ahead, 4, 1, 100)
	defTime := func(name string, v *time.Duration, usual, least time.Duration) {
		if *v == 0 {
			*v = usual
		}
		if *v < least {
			errs = append(errs, fmt.Errorf("--%s: %v is less than %v", name, *v, least))
		}
	}
	defTime("think", &c.Think, 100*time.Millisecond, time.Millisecond)
	hang := 2 * time.Second
	if c.Objects > 10000 {
		hang = time.Minute
	}
	defTime("hang", &c.Hang, hang, time.Second)
	if c.Gap < 0 {
		errs = append(errs, fmt.Errorf("--gap: %v is negative", c.Gap))
	}
	if c.Duration < 0 {
		errs = append(errs, fmt.Errorf("--duration: %v is negative", c.Duration))
	}
	if c.Exe == "" {
		var err error
		if c.Exe, err = os.Executable(); err != nil {
			errs = append(errs, fmt.Errorf("find this program's file: %w", err))
		}
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return errors.Join(errs...)
}

// A run is one use of Run.
type run struct {
	cfg  Config
	mix  []choice
	host *host
	list []*bot
	bots sync.WaitGroup // their goroutines
	over atomic.Bool    // the game is being stopped

	mu       sync.Mutex
	began    time.Time // when the bots began to type
	report   Report
	windows  []window
	restarts map[string][]time.Duration
}

// A window is the time of one fault. It is open while end is zero.
type window struct {
	kind       string
	begin, end time.Time
}

// Run plays a game, breaks it, and reports. The error is why it could not: a report
// of violations is none. It ends early when ctx does.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	mix, err := parseMix(cfg.Mix)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mudlark-chaos-")
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, mix: mix, restarts: map[string][]time.Duration{}}
	r.report = Report{
		Seed: cfg.Seed, Bots: cfg.Bots, Objects: cfg.Objects, Mix: cfg.Mix, Began: time.Now(),
		Faults: map[string]int{}, Points: map[string]int{}, Skipped: map[string]int{}, Notices: map[string]int{},
		Pauses: map[string]Pause{}, Restarts: map[string]Pause{}, Violations: []Violation{},
	}
	r.began = r.report.Began
	err = r.all(ctx, dir)
	rep := &r.report
	rep.TookS = seconds(time.Since(rep.Began))
	if err == nil && len(rep.Violations) == 0 && !cfg.Keep {
		if rmErr := os.RemoveAll(dir); rmErr != nil {
			return nil, rmErr
		}
		return rep, nil
	}
	rep.Folder = dir
	if err != nil {
		return nil, fmt.Errorf("%w (the game's folder is kept: %s)", err, dir)
	}
	return rep, nil
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// all is Run with the game's folder there.
func (r *run) all(ctx context.Context, dir string) (err error) {
	r.say("The game's folder is %s.", dir)
	if r.host, err = startHost(ctx, r.cfg.Exe, dir, r.cfg); err != nil {
		return err
	}
	botCtx, endBots := context.WithCancel(ctx)
	defer func() {
		r.over.Store(true)
		endBots()
		r.host.kill()
		for _, b := range r.list {
			b.mu.Lock()
			if b.conn != nil {
				b.conn.Close()
			}
			b.mu.Unlock()
		}
		r.bots.Wait()
	}()
	if err := r.enterAll(botCtx); err != nil {
		return err
	}
	if err := r.measure(ctx, true); err != nil {
		return err
	}
	r.say("%d bots are in. Seed %d, %d faults.", len(r.list), r.cfg.Seed, r.cfg.Faults)
	r.mu.Lock()
	r.began = time.Now()
	r.mu.Unlock()
	typists := sync.WaitGroup{}
	for _, b := range r.list {
		b.start()
		typists.Go(func() { b.play(botCtx) })
	}
	faultErr := r.injectAll(ctx)
	for _, b := range r.list {
		b.stop()
	}
	typists.Wait()
	r.report.TypingS = seconds(time.Since(r.began))
	if faultErr != nil {
		return faultErr
	}
	r.finish(botCtx)
	if err := r.measure(ctx, false); err != nil {
		return err
	}
	r.over.Store(true)
	if err := r.host.end(ctx); err != nil {
		r.wrong("", 0, "the game's end: %v", err)
	}
	r.readLogs()
	r.sum()
	return ctx.Err()
}

// enterAll has the bots make their accounts, a few at a time.
func (r *run) enterAll(ctx context.Context) error {
	for n := range r.cfg.Bots {
		r.list = append(r.list, newBot(r, n+1))
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, 8)
	errs := make([]error, len(r.list))
	for i, b := range r.list {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			errs[i] = b.enter(ctx, "create", true)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.cfg.Progress, format+"\n", args...)
}

func (r *run) ending() bool { return r.over.Load() }

// wrong notes a violated invariant.
func (r *run) wrong(bot string, line int64, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrongLocked(bot, line, format, args...)
}

func (r *run) wrongLocked(bot string, line int64, format string, args ...any) {
	if len(r.report.Violations) >= maxViolations {
		r.report.More++
		return
	}
	v := Violation{Bot: bot, Line: line, AtS: seconds(time.Since(r.began)), Text: fmt.Sprintf(format, args...)}
	r.report.Violations = append(r.report.Violations, v)
	r.say("VIOLATED: %s", v)
}

// notice counts a text that is no answer.
func (r *run) notice(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.report.Notices[text]; ok || len(r.report.Notices) < maxNotices {
		r.report.Notices[text]++
	}
}

// waited notes how long a line of b waited for its answer. b.mu is held.
func (r *run) waited(b *bot, sent, now time.Time, quick bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := now.Sub(sent)
	first := -1 // the fault that held it up; those after it find it waiting
	for i := len(r.windows) - 1; i >= 0; i-- {
		w := &r.windows[i]
		if w.begin.After(now) {
			continue
		}
		if !w.end.IsZero() && w.end.Before(sent) {
			break // the ones before ended before
		}
		first = i
	}
	switch {
	case first >= 0:
		b.waits[first] = max(b.waits[first], wait)
	case quick:
		b.quick.add(wait)
	}
}

// finish waits until everything is answered, and compares.
func (r *run) finish(ctx context.Context) {
	var wg sync.WaitGroup
	places := make(chan struct{}, 32)
	total := int64(0)
	for _, b := range r.list {
		wg.Go(func() {
			if !b.await(ctx, func() bool { return b.playing && len(b.pending) == 0 && len(b.unburnt) == 0 }) {
				b.mu.Lock()
				for _, p := range b.pending {
					b.wrong(p.n, "%s is not answered within %v", p.kind, patience)
				}
				for n := range b.unburnt {
					b.wrong(0, "fuse %d was not told to have burnt within %v", n, patience)
				}
				b.mu.Unlock()
			}
		})
	}
	wg.Wait() // nobody pays any more
	for _, b := range r.list {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			// What was set before a cut burns without being told.
			var st stored
			var err error
			for end := time.Now().Add(patience); ; {
				var text string
				if text, err = b.ask(ctx); err == nil {
					st, err = parseStored(text)
				}
				if err != nil || st.burnt.count() >= st.fuses.count() || time.Now().After(end) || !sleep(ctx, 20*time.Millisecond) {
					break
				}
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if err != nil {
				b.wrong(0, "%v", err)
				return
			}
			b.compare(st)
			if got, want := st.burnt.String(), b.set.String(); got != want {
				b.wrong(0, "the fuses %s have burnt, want %s", got, want)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			total += st.coins
			r.report.Sent += b.sent
			r.report.Answered += b.answered
			r.report.Lost += b.lost
			r.report.Unheard += b.unheard
			if n := b.answered + b.unheard + b.lost; n != b.sent {
				b.r.wrongLocked(b.name, 0, "it has typed %d lines, and knows of %d what became of them", b.sent, n)
			}
			r.report.Applied += st.tally.count()
			r.report.Fuses += st.burnt.count()
		})
	}
	wg.Wait()
	// What a session typed that was cut may have been done meanwhile: a coin on its
	// way was counted twice, or not at all.
	want := int64(firstCoins * r.cfg.Bots)
	for end := time.Now().Add(patience); total != want && time.Now().Before(end) && sleep(ctx, 100*time.Millisecond); {
		total = r.countCoins(ctx)
	}
	if total != want {
		r.wrong("", 0, "there are %d coins, want %d", total, want)
	}
}

// countCoins asks all bots for their coins.
func (r *run) countCoins(ctx context.Context) (total int64) {
	for _, b := range r.list {
		text, err := b.ask(ctx)
		if err != nil {
			return -1
		}
		st, err := parseStored(text)
		if err != nil {
			return -1
		}
		total += st.coins
	}
	return total
}

// measure looks at the processes, before the first fault and at the end.
func (r *run) measure(ctx context.Context, before bool) error {
	if _, err := r.host.server(ctx, 0, patience); err != nil {
		return err
	}
	st, err := r.host.status(ctx)
	if err != nil {
		return err
	}
	rep := &r.report
	set := func(c *Change, v int64) {
		if before {
			c.Before = v
		} else {
			c.After = v
		}
	}
	set(&rep.PortalFDs, int64(descriptors(st.Portal.PID)))
	set(&rep.ServerFDs, int64(descriptors(st.Server.PID)))
	set(&rep.PortalRSS, st.Portal.RSS)
	set(&rep.ServerRSS, st.Server.RSS)
	if n := len(st.Sessions); n != r.cfg.Bots {
		r.wrong("", 0, "there are %d sessions, want %d", n, r.cfg.Bots)
	}
	if !before {
		for name, c := range map[string]Change{"Portal": rep.PortalFDs, "Server": rep.ServerFDs} {
			if c.Before >= 0 && c.After > c.Before+leak {
				r.wrong("", 0, "the %s had %d descriptors before and has %d", name, c.Before, c.After)
			}
		}
	}
	return nil
}

// readLogs looks for what no log may have.
func (r *run) readLogs() {
	files, _ := filepath.Glob(filepath.Join(r.host.dir, "log", "*"))
	for _, name := range append(files, r.host.console) {
		f, err := os.Open(name)
		if err != nil {
			r.wrong("", 0, "%v", err)
			continue
		}
		in := bufio.NewScanner(f)
		in.Buffer(nil, 4<<20)
		for in.Scan() {
			for _, bad := range []string{secretHead, password} {
				if bytes.Contains(in.Bytes(), []byte(bad)) {
					r.wrong("", 0, "%s has what was typed in silence: %s", filepath.Base(name), in.Text())
				}
			}
			for _, bad := range []string{"game code failed", "game code panicked", "broke the protocol"} {
				if bytes.Contains(in.Bytes(), []byte(bad)) {
					r.wrong("", 0, "%s: %s", filepath.Base(name), in.Text())
				}
			}
		}
		f.Close()
	}
}

// sum fills in the figures.
func (r *run) sum() {
	pauses := map[string][]time.Duration{}
	var quick histogram
	for _, b := range r.list {
		b.mu.Lock()
		defer b.mu.Unlock()
		quick.merge(&b.quick)
		for i, wait := range b.waits {
			kind := r.windows[i].kind
			pauses[kind] = append(pauses[kind], wait)
		}
	}
	r.report.Undisturbed = Pause{Count: quick.n, Median: millis(quick.quantile(0.5)), P99: millis(quick.quantile(0.99)), Max: millis(quick.max)}
	for kind, list := range pauses {
		r.report.Pauses[kind] = pauseOf(list)
	}
	for kind, list := range r.restarts {
		r.report.Restarts[kind] = pauseOf(list)
	}
}

// injectAll injects the faults of the plan. An error is one of the game, which does not
// come back, or the end of ctx.
func (r *run) injectAll(ctx context.Context) error {
	limit, cancel := ctx, context.CancelFunc(func() {})
	d := r.cfg.Duration
	if d == 0 && len(r.mix) == 0 {
		d = 10 * time.Second
	}
	if d > 0 {
		limit, cancel = context.WithTimeout(ctx, d)
	}
	defer cancel()
	list := plan(r.cfg, r.mix)
	r.report.Planned = len(list)
	if len(r.mix) == 0 {
		<-limit.Done()
		return ctx.Err()
	}
	pid, err := r.host.server(ctx, 0, patience)
	if err != nil {
		return err
	}
	for i, f := range list {
		if !sleep(limit, r.cfg.Gap+f.wait) {
			break
		}
		if f.kind == kindFull && !canLimit {
			r.report.Skipped[f.kind]++
			continue
		}
		at := r.open(f.kind)
		if pid, err = r.inject(ctx, f, pid); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.wrong("", 0, "fault %d, %s: %v", i+1, f.kind, err)
			if pid, err = r.host.server(ctx, 0, patience); err != nil {
				return err
			}
		}
		r.close(at, f)
		if (i+1)%50 == 0 {
			r.say("%d of %d faults.", i+1, len(list))
		}
	}
	// What the last fault has left behind goes on for a moment.
	sleep(ctx, 300*time.Millisecond)
	return ctx.Err()
}

func (r *run) open(kind string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows = append(r.windows, window{kind: kind, begin: time.Now()})
	return len(r.windows) - 1
}

func (r *run) close(i int, f fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.windows[i]
	w.end = time.Now()
	r.report.Faults[f.kind]++
	if f.kind != kindCut && f.kind != kindPause && f.kind != kindFull {
		r.restarts[f.kind] = append(r.restarts[f.kind], w.end.Sub(w.begin))
	}
}

// inject breaks something, and returns the Server's process when one plays again.
func (r *run) inject(ctx context.Context, f fault, pid int) (int, error) {
	h := r.host
	switch f.kind {
	case kindKill:
		if err := kill(pid); err != nil {
			return pid, err
		}
		return h.server(ctx, pid, patience)
	case kindPoint:
		return r.injectPoint(ctx, f, pid)
	case kindPause:
		if err := h.stop(pid); err != nil {
			return pid, err
		}
		sleep(ctx, f.hold)
		if err := h.goOn(pid); err != nil {
			return pid, err
		}
		return h.server(ctx, 0, patience)
	case kindStop:
		if err := h.stop(pid); err != nil {
			return pid, err
		}
		return h.server(ctx, pid, r.cfg.Hang+patience)
	case kindReload:
		if err := r.reload(ctx); err != nil {
			return pid, err
		}
		return h.server(ctx, pid, patience)
	case kindReloadKill:
		return r.injectReloadKill(ctx, f, pid)
	case kindCut:
		r.cut(ctx, f)
		return pid, nil
	case kindFull:
		if err := limitFiles(pid, true); err != nil {
			return pid, err
		}
		sleep(ctx, f.hold)
		if err := limitFiles(pid, false); err != nil {
			return pid, err
		}
		return h.server(ctx, 0, patience)
	case kindSlow:
		if err := h.arm(failpoint.Written + ":*=sleep(10ms)"); err != nil {
			return pid, err
		}
		if err := r.reload(ctx); err != nil {
			return pid, err
		}
		sleep(ctx, f.hold)
		if err := r.reload(ctx); err != nil {
			return pid, err
		}
		return h.server(ctx, pid, patience)
	}
	return pid, fmt.Errorf("there is no fault %q", f.kind)
}

// injectPoint has the next Server kill itself, and waits for the one after it.
func (r *run) injectPoint(ctx context.Context, f fault, pid int) (int, error) {
	h := r.host
	if err := h.arm(fmt.Sprintf("%s:%d=kill", f.point, f.passage)); err != nil {
		return pid, err
	}
	defer h.disarm()
	reloaded := make(chan struct{})
	if f.reload {
		go func() {
			defer close(reloaded)
			r.reload(ctx) // it may fail: the new Server dies
		}()
	} else {
		close(reloaded)
		if err := kill(pid); err != nil {
			return pid, err
		}
	}
	// The Server with the point is the one that is there when the file is gone.
	if !h.until(ctx, patience, func() bool { return !h.armed() }) {
		return pid, fmt.Errorf("no Server was started within %v", patience)
	}
	doomed := 0
	dead := func() bool {
		st, err := h.status(ctx)
		if err != nil {
			return false
		}
		if doomed == 0 && st.Server.PID != pid {
			doomed = st.Server.PID
		}
		return doomed != 0 && st.Server.State == "attached" && st.Server.PID != doomed
	}
	switch f.point {
	case failpoint.Connected, failpoint.Disconnected:
		h.until(ctx, patience, func() bool { return dead() || doomed != 0 })
		r.cut(ctx, f)
	case failpoint.Drained:
		<-reloaded
		if doomed, _ = h.server(ctx, pid, patience); doomed != 0 {
			r.reload(ctx)
		}
	}
	reached := h.until(ctx, pointTime, dead)
	<-reloaded
	r.mu.Lock()
	if reached {
		r.report.Points[f.point]++
	} else {
		r.report.Missed++
	}
	r.mu.Unlock()
	if !reached && doomed != 0 {
		kill(doomed) // it may be gone
		return h.server(ctx, doomed, patience)
	}
	return h.server(ctx, 0, patience)
}

// injectReloadKill kills the Server in the course of a reload: the old one, the new
// one, or one that has come through.
func (r *run) injectReloadKill(ctx context.Context, f fault, pid int) (int, error) {
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		r.reload(ctx) // it may fail, as it is disturbed
	}()
	sleep(ctx, f.hold)
	now := pid
	if st, err := r.host.status(ctx); err == nil && st.Server.PID != 0 {
		now = st.Server.PID
	}
	kill(now) // it may be gone
	<-reloaded
	return r.host.server(ctx, now, patience)
}

// reload reloads the game. While its store is stuck, as for a moment after the fault
// "full", a reload is refused and changes nothing: it is asked for again.
func (r *run) reload(ctx context.Context) error {
	for end := time.Now().Add(patience); ; {
		_, err := r.host.command(ctx, "reload")
		if err == nil || !strings.Contains(err.Error(), "cannot save") || time.Now().After(end) || !sleep(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

func (r *run) cut(ctx context.Context, f fault) {
	for _, n := range f.bots {
		r.list[n].sever(ctx, f.hard)
	}
}

func kill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	return nil
}
