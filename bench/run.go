package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A mix is what players type.
type mix struct {
	name  string
	kinds []kind // by turns; get stands for get and drop
	crowd bool   // all are in one room
	alone bool   // each has a room of its own
	storm bool   // others log in, again and again
}

// mixes are all that there are, in the order in which they are run.
func mixes() []mix {
	return []mix{
		{name: "idle"},
		{name: "look", kinds: []kind{look}},
		{name: "walk", kinds: []kind{walk}},
		{name: "say", kinds: []kind{say}, alone: true},
		{name: "crowd", kinds: []kind{say}, crowd: true},
		{name: "get", kinds: []kind{get}},
		{name: "half", kinds: []kind{look, get}},
		{name: "play", kinds: []kind{look, say, get}},
		{name: "login", kinds: []kind{look}, storm: true},
	}
}

const (
	atOnce    = 16 // connections that log in at the same time, but for a storm
	loginTime = 6  // times the timeout is what a login may take, as passwords are slow on purpose
)

// A run is one use of Run.
type run struct {
	cfg     Config
	addr    string
	dialect *dialect
	own     *host // nil if the game was there
	rooms   int   // of the game of this package
	dir     string
	players []*player
	storm   []*player
	idle    []*player
	idleRSS []float64 // what each idle player added to the processes of the game, in bytes
	asked   atomic.Pointer[active]
	fail    context.CancelCauseFunc
	stormed bool // the accounts of the storm are made
}

// An active is what counts at the moment.
type active struct {
	answers []query
	crowd   bool      // what others say is counted
	from    time.Time // lines that were due from here on count
	to      time.Time // and before this

	mu    sync.Mutex
	hists map[kind]*hdrhistogram.Histogram
	all   *hdrhistogram.Histogram
	timed int64 // answers that came within that time
}

type query struct {
	kind   kind
	re     *regexp.Regexp
	prefix []byte // what each match begins with, the line as well
}

func newQuery(k kind, re *regexp.Regexp) query { return query{k, re, literalPrefix(re)} }

// newHistogram counts microseconds, from one to a quarter of an hour, to three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(15*time.Minute/time.Microsecond), 3)
}

// count takes an answer.
func (a *active) count(p pending, now time.Time) {
	if a.from.IsZero() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !now.Before(a.from) && now.Before(a.to) {
		a.timed++
	}
	if p.due.Before(a.from) || !p.due.Before(a.to) {
		return
	}
	us := max(1, now.Sub(p.due).Microseconds())
	h := a.hists[p.kind]
	if h == nil {
		h = newHistogram()
		a.hists[p.kind] = h
	}
	for _, h := range []*hdrhistogram.Histogram{h, a.all} {
		h.RecordValue(min(us, h.HighestTrackableValue()))
	}
}

// classes sums up the lines that change nothing, and those that change what is stored.
// a.mu is held.
func (a *active) classes() (reading, changing *Latency) {
	sums := map[bool]*hdrhistogram.Histogram{}
	for k, h := range a.hists {
		if k == login {
			continue
		}
		if sums[k.changes()] == nil {
			sums[k.changes()] = newHistogram()
		}
		sums[k.changes()].Merge(h)
	}
	if len(sums) < 2 {
		return nil, nil
	}
	l, c := latencyOf(sums[false]), latencyOf(sums[true])
	return &l, &c
}

// Run starts a game if it has to, has players type, and reports. The error is why
// that was not possible: lost answers are none. It ends early when ctx does, with
// the cause of that as its error. A game that it has started has ended when it
// returns.
func Run(ctx context.Context, cfg Config) (rep *Report, err error) {
	plans, err := cfg.check()
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, dialect: cfg.dialect, addr: cfg.Addr}
	began := time.Now()
	if r.addr == "" {
		r.rooms = max(2, cfg.Clients) + (cfg.Idle+cfg.Room-1)/cfg.Room
		if r.dir, err = os.MkdirTemp("", "mudlark-bench-"); err != nil {
			return nil, err
		}
		defer func() {
			if err == nil || ctx.Err() != nil {
				if rmErr := os.RemoveAll(r.dir); err == nil {
					err = rmErr
				}
				return
			}
			hint := "the game's folder is kept, with its logs: " + r.dir
			var h interface{ Hint() string }
			if errors.As(err, &h) {
				hint = h.Hint() + "; " + hint
			}
			err = withHint(err, "%s", hint)
		}()
		r.say("The game starts in %s.", r.dir)
		if r.own, err = startHost(ctx, cfg.Exe, r.dir, r.rooms, cfg.Set); err != nil {
			return nil, err
		}
		r.addr = r.own.addr
		defer func() {
			if endErr := r.own.end(ctx); err == nil && endErr != nil {
				err = fmt.Errorf("stop the game: %w", endErr)
			}
		}()
	}
	runCtx, fail := context.WithCancelCause(ctx)
	r.fail = fail
	defer fail(nil)
	defer func() {
		for _, list := range [][]*player{r.players, r.storm, r.idle} {
			for _, p := range list {
				p.close()
			}
		}
	}()
	rep = &Report{
		Began: began, Addr: cfg.Addr, CPUs: runtime.NumCPU(), Go: runtime.Version(), Seed: cfg.Seed,
		Clients: cfg.Clients, Idle: cfg.Idle, Room: cfg.Room, DurationS: cfg.Duration.Seconds(), WarmupS: cfg.Warmup.Seconds(),
	}
	if err := r.enterAll(runCtx); err != nil {
		return nil, err
	}
	for _, pl := range plans {
		res, err := r.play(runCtx, pl)
		if err != nil {
			return nil, err
		}
		rep.Results = append(rep.Results, res)
	}
	return rep, r.checkIdle(runCtx, rep)
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.cfg.progress(), format+"\n", args...) }

// whyGone is a hint for a connection that the game has ended.
func (r *run) whyGone() string {
	if r.own == nil {
		return "see whether the game still runs, and what its log says; its limits (limits.* of a Mudlark game) may be too small for that many players"
	}
	select {
	case <-r.own.ended:
		return fmt.Sprintf("the game's process has ended (%v): %s", r.own.cmd.ProcessState, r.own.said())
	case <-time.After(500 * time.Millisecond): // the process may end a little behind its connections
		return "the game's process says: " + r.own.said()
	}
}

// each calls f for the numbers below n, at most limit at a time, and returns the
// first error. No call begins after one.
func (r *run) each(ctx context.Context, n, limit int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(1, min(limit, n)))
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// source is the address that player i connects from; nil is any.
func (r *run) source(i int) *net.TCPAddr {
	if r.cfg.Sources == 0 {
		return nil
	}
	if r.cfg.Sources > 0 {
		i %= r.cfg.Sources
	}
	return &net.TCPAddr{IP: sourceIP(i)}
}

// sourceIP is one of 62,500 × 250 addresses of 127.0.0.0/8.
func sourceIP(i int) net.IP {
	return net.IPv4(127, byte(1+i/62500%250), byte(1+i/250%250), byte(1+i%250))
}

func (r *run) enterAll(ctx context.Context) error {
	for i := range r.cfg.Clients {
		r.players = append(r.players, newPlayer(r, r.cfg.Name, i, r.source(i)))
	}
	for i := range r.cfg.Idle {
		r.idle = append(r.idle, newPlayer(r, r.cfg.Name, r.cfg.Clients+r.cfg.Storm+i, r.source(r.cfg.Clients+r.cfg.Storm+i)))
	}
	if err := r.comeAll(ctx, r.players, func(i int) int { return i / r.cfg.Room }); err != nil {
		return err
	}
	if len(r.idle) == 0 {
		return nil
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	before, err := r.processes(ctx)
	if err != nil {
		return err
	}
	for _, p := range before {
		_, p.RSSBefore, _ = usage(p.PID) // it was there a moment ago
	}
	// Their rooms are behind those where others play.
	first := max(2, r.cfg.Clients)
	if err := r.comeAll(ctx, r.idle, func(i int) int { return first + i/r.cfg.Room }); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	for _, p := range before[:len(before)-1] { // this process is the last one
		if _, rss, err := usage(p.PID); err == nil {
			r.idleRSS = append(r.idleRSS, float64(rss-p.RSSBefore)/float64(len(r.idle)))
		}
	}
	return nil
}

// settle waits until the game has given back what the logins have left, if it is to.
func (r *run) settle(ctx context.Context) error {
	if r.cfg.settle <= 0 {
		return nil
	}
	r.say("The game is left alone for %v.", r.cfg.settle)
	return until(ctx, time.Now().Add(r.cfg.settle))
}

// comeAll has players connect and log in, each to a room.
func (r *run) comeAll(ctx context.Context, list []*player, room func(i int) int) error {
	begin := time.Now()
	err := r.each(ctx, len(list), atOnce, func(ctx context.Context, i int) error {
		if err := r.ramp(ctx, begin, i); err != nil {
			return err
		}
		if err := list[i].dial(ctx); err != nil {
			return err
		}
		return r.comeIn(ctx, list[i], nil, room(i))
	})
	if err == nil {
		r.say("%d players are in, after %.1f s.", len(list), time.Since(begin).Seconds())
	}
	return err
}

// checkIdle has each idle player say something, to see that it is still there.
func (r *run) checkIdle(ctx context.Context, rep *Report) error {
	if len(r.idle) == 0 {
		return nil
	}
	r.asked.Store(&active{answers: []query{newQuery(say, r.dialect.answers[say])}})
	if err := r.each(ctx, len(r.idle), 10*atOnce, func(ctx context.Context, i int) error { return r.idle[i].fence(ctx) }); err != nil {
		return err
	}
	for _, p := range r.idle {
		p.mu.Lock()
		rep.IdleCounts.add(p.match.counts)
		p.mu.Unlock()
	}
	for _, bytes := range r.idleRSS {
		rep.IdleBytes += bytes
	}
	return nil
}

// ramp waits until connection i may be made.
func (r *run) ramp(ctx context.Context, begin time.Time, i int) error {
	if r.cfg.Ramp <= 0 {
		return nil
	}
	return until(ctx, begin.Add(time.Duration(float64(i)/r.cfg.Ramp*float64(time.Second))))
}

// until waits for a time, or returns why ctx has ended.
func until(ctx context.Context, at time.Time) error {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// makeStorm makes the accounts of those who log in, and has them leave.
func (r *run) makeStorm(ctx context.Context) error {
	if r.stormed {
		return nil
	}
	r.stormed = true
	for i := range r.cfg.Storm {
		n := r.cfg.Clients + i
		r.storm = append(r.storm, newPlayer(r, r.cfg.Name, n, r.source(n)))
	}
	come := func(ctx context.Context, i int) error {
		p := r.storm[i]
		if err := p.dial(ctx); err != nil {
			return err
		}
		defer p.close()
		return r.comeIn(ctx, p, r.storm[0], p.i/r.cfg.Room%r.rooms)
	}
	// The password of the first one is hashed, and is that of all.
	if err := come(ctx, 0); err != nil {
		return err
	}
	return r.each(ctx, len(r.storm)-1, atOnce, func(ctx context.Context, i int) error { return come(ctx, i+1) })
}

// comeIn has a player log in, and leave the room where all begin, so that those who
// come later are not told of to hundreds.
func (r *run) comeIn(ctx context.Context, p, like *player, room int) error {
	if err := p.enter(ctx, like); err != nil || r.own == nil {
		return err
	}
	return r.take(ctx, p, room)
}

// take takes a player to a room of the game of this package, with its coin.
func (r *run) take(ctx context.Context, p *player, room int) error {
	p.pos = room
	place := number(room) + " " + number(p.i%r.rooms)
	_, err := p.expect(ctx, "seat "+place, p.r.cfg.Timeout*loginTime, regexp.MustCompile("^seated "+place+"$"))
	return err
}

// seat takes a player to where it plays in a mix.
func (r *run) seat(ctx context.Context, p *player, m mix) error {
	if r.own != nil {
		p.holding = false
		room := p.i / r.cfg.Room
		switch {
		case m.crowd:
			room = 0
		case m.alone:
			room = p.i
		}
		if err := r.take(ctx, p, room); err != nil {
			return err
		}
	}
	if err := p.fence(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	lost := p.match.counts.Lost
	told := ""
	if lost > 0 {
		told = p.last.at(0)
	}
	p.match.reset()
	p.hearing.reset()
	p.lines, p.said = 0, 0
	p.mu.Unlock()
	if lost > 0 {
		return withHint(fmt.Errorf("%s says something, and nothing that it reads is the answer; it read last: %s", p.name, told),
			"--line say=TEXT and --answer say=PATTERN say what is typed and how the answer looks")
	}
	return nil
}

// play runs one mix.
func (r *run) play(ctx context.Context, pl plan) (*Result, error) {
	m := pl.mix
	if m.storm {
		if err := r.makeStorm(ctx); err != nil {
			return nil, err
		}
	}
	a := &active{crowd: slices.Contains(m.kinds, say) && !m.alone, hists: map[kind]*hdrhistogram.Histogram{}, all: newHistogram()}
	kinds := []kind{say}
	for _, k := range m.kinds {
		if k == get {
			kinds = append(kinds, drop)
		}
		if k != say {
			kinds = append(kinds, k)
		}
	}
	for _, k := range kinds {
		a.answers = append(a.answers, newQuery(k, r.dialect.answers[k]))
	}
	r.asked.Store(a)
	if err := r.each(ctx, len(r.players), atOnce, func(ctx context.Context, i int) error { return r.seat(ctx, r.players[i], m) }); err != nil {
		return nil, err
	}
	procs, err := r.processes(ctx)
	if err != nil {
		return nil, err
	}

	b := &active{answers: a.answers, crowd: a.crowd, hists: a.hists, all: a.all}
	start := time.Now()
	b.from = start.Add(r.cfg.Warmup)
	b.to = b.from.Add(r.cfg.Duration)
	r.asked.Store(b)
	var background sync.WaitGroup
	background.Go(func() { sample(ctx, procs, b.from, b.to) })
	var heardRate float64
	background.Go(func() { heardRate = r.heardRate(ctx, b) })
	var stormCounts Counts
	var stormMu sync.Mutex
	if m.storm {
		for _, p := range r.storm {
			background.Go(func() {
				c, err := p.logins(ctx, b)
				if err != nil {
					r.fail(err)
				}
				stormMu.Lock()
				stormCounts.add(c)
				stormMu.Unlock()
			})
		}
	}
	err = r.each(ctx, len(r.players), len(r.players), func(ctx context.Context, i int) error {
		p := r.players[i]
		switch {
		case len(m.kinds) == 0:
			return until(ctx, b.to)
		case pl.rate > 0:
			s := &schedule{rng: p.rng, gap: float64(len(r.players)) / pl.rate, at: start}
			return p.open(ctx, m, s, b.to)
		}
		return p.closed(ctx, m, b.to)
	})
	background.Wait()
	// What anybody has said before these has come to everybody after them.
	for range 2 {
		if err == nil {
			err = r.each(ctx, len(r.players), len(r.players), func(ctx context.Context, i int) error {
				if err := r.players[i].settle(ctx, 0); err != nil {
					return err
				}
				return r.players[i].fence(ctx)
			})
		}
	}
	if err != nil {
		return nil, err
	}
	if r.own != nil {
		now, err := r.processes(ctx)
		if err != nil {
			return nil, err
		}
		if now[1].PID != procs[1].PID {
			return nil, fmt.Errorf("the game's Server has died during %s, and was replaced; server.log says why", m.name)
		}
	}
	res := &Result{
		Mix: m.name, Clients: len(r.players), RateDue: pl.rate, Loop: "closed", Counts: stormCounts,
		Latencies: map[string]Latency{}, Processes: procs,
	}
	if pl.rate > 0 {
		res.Loop = "open"
	}
	var heard, due int64
	for i, p := range r.players {
		p.mu.Lock()
		res.Counts.add(p.match.counts)
		heard += p.hearing.heard
		res.Disordered += p.hearing.bad
		p.mu.Unlock()
		due += p.said * int64(r.listeners(m, i))
	}
	if b.crowd && r.own != nil {
		res.Heard = heard
		res.Unheard = due - heard
		res.HeardPerSecond = heardRate
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	res.PerSecond = round(float64(b.timed) / r.cfg.Duration.Seconds())
	for k, h := range b.hists {
		res.Latencies[string(k)] = latencyOf(h)
	}
	res.All = latencyOf(b.all)
	res.Percentiles = curveOf(b.all)
	res.Reading, res.Changing = b.classes()
	for _, p := range procs[:len(procs)-1] { // this process is the last one
		if p.CPUSeconds >= 0 {
			res.GameCPU = round(res.GameCPU + p.CPUPercent/100)
		}
	}
	r.say("%s: %d lines, %d answers.", res.label(), res.Sent, res.Answered)
	return res, nil
}

// heardRate returns how many lines of others all players hear in a second of the time
// that counts.
func (r *run) heardRate(ctx context.Context, a *active) float64 {
	sum := func() (n int64) {
		for _, p := range r.players {
			p.mu.Lock()
			n += p.hearing.heard
			p.mu.Unlock()
		}
		return n
	}
	if until(ctx, a.from) != nil {
		return 0
	}
	began, before := time.Now(), sum()
	if until(ctx, a.to) != nil {
		return 0
	}
	return round(float64(sum()-before) / time.Since(began).Seconds())
}

// listeners is how many others hear what player i says.
func (r *run) listeners(m mix, i int) int {
	switch {
	case m.alone:
		return 0
	case m.crowd:
		return len(r.players) - 1
	}
	first := i / r.cfg.Room * r.cfg.Room
	return min(r.cfg.Room, len(r.players)-first) - 1
}

// logins has a player of a storm log in, again and again, from when lines count until
// the end.
func (p *player) logins(ctx context.Context, a *active) (c Counts, err error) {
	line := fill(p.r.dialect.connect, p.name, password, "")
	if err := until(ctx, a.from); err != nil {
		return c, err
	}
	for time.Now().Before(a.to) {
		due := time.Now()
		if err := p.dial(ctx); err != nil {
			return c, err
		}
		c.Sent++
		n, err := p.expect(ctx, line, p.r.cfg.Timeout*loginTime, p.r.dialect.welcome, p.r.dialect.refused)
		if err == nil && n == 1 {
			err = withHint(fmt.Errorf("the login of %s is refused; it read last: %s", p.name, p.told()), "the game's limits must allow that many logins")
		}
		if err == nil {
			c.Answered++
			a.count(pending{kind: login, due: due}, time.Now())
		}
		p.close()
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// processes returns the processes that are watched: the Portal and the Server of a
// game of this package, or those that were named; and this one.
func (r *run) processes(ctx context.Context) ([]*Process, error) {
	var list []*Process
	if r.own != nil {
		portal, server, err := r.own.processes(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, &Process{Name: "portal", PID: portal}, &Process{Name: "server", PID: server})
	}
	for _, pid := range r.cfg.PIDs {
		list = append(list, &Process{Name: "pid " + strconv.Itoa(pid), PID: pid})
	}
	return append(list, &Process{Name: "bench", PID: os.Getpid()}), nil
}

func (c *Config) progress() io.Writer {
	if c.Progress == nil {
		return io.Discard
	}
	return c.Progress
}
