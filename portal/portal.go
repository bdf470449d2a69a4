package portal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"golang.org/x/time/rate"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/service"
	"mudlark.dev/session"
)

// Config has the settings of a Portal. Listener is required; the zero value of
// everything else is a working default.
type Config struct {
	Name  string // the Portal's name for its Servers, which store it with sessions; "" means "portal"
	Game  string // the game's name
	Epoch uint64 // rises with each start of this Portal

	Limits  Limits
	Strict  bool          // a plugin or service that fails as the Portal starts ends it
	Hang    time.Duration // a Server that does not answer for this long is dumped, killed and replaced; 0 means 10s, negative never
	Logger  *slog.Logger  // nil means slog.Default()
	Plugins []Plugin      // started in this order

	Settings map[string]string // the settings that the game declares itself; see Portal.Setting

	// OutputFuncs are a game's own encoders, by the key of the protocol whose
	// clients they encode for. One that a protocol has itself for a message of
	// the same name is replaced; "text" and "prompt" cannot be.
	OutputFuncs map[string]map[string]OutputFunc

	// TrustedProxies are those whose connections begin with a header of the
	// PROXY protocol, version 1 or 2, which says who the client is. Limits and
	// protocols then see that address. One that sends no header within 5 seconds
	// is closed; at most 1024 may be waiting for theirs, above which connections
	// are closed. To everybody else a header is nothing but what the client says.
	TrustedProxies []netip.Prefix

	// RenderCache is how many bytes are kept, for each Server, of how texts are
	// encoded; 0 means 4 MiB, negative none.
	RenderCache int

	// ListenFunc opens the port of a service made with Listen or ListenTLS; nil means
	// net.Listen. A test puts its own network in its place.
	ListenFunc func(network, addr string) (net.Listener, error)

	Listener link.Listener // where Servers attach; the Portal closes it
	Starter  Starter       // starts Servers; nil: they come by themselves

	StartTimeout time.Duration // a Server that has not loaded, or not attached, after this long is killed and replaced; 0 means 60s, negative never
	Trial        time.Duration // a new build whose Server dies by its own fault within this time gives way to the one before; 0 means 30s, negative never
	DrainTimeout time.Duration // a Server that was told to stop and has not ended after this long is killed; 0 means 15s

	// Failpoint, if not nil, is called at each passage of the points of package
	// failpoint, by the goroutine that passes and with locks held, so that a test
	// can end the Server there. It must not call the Portal.
	Failpoint func(point string)

	// OnStarted, if not nil, is called once when all plugins and services have
	// tried to start, and before the Server is started.
	OnStarted func(Status)
}

const (
	awayAfter   = 500 * time.Millisecond // players notice nothing of an absence that is shorter
	flushTime   = 5 * time.Second        // for farewells to get out as the Portal stops
	maxRequests = 16                     // requests of the Server that are being worked on; more are refused
)

// A Portal holds the connections of a game's clients. Make one with New, add
// services, and Run it.
type Portal struct {
	cfg          Config
	log          *slog.Logger
	made         time.Time // what durations of many objects count from
	super        *supervisor
	meter        *meter
	connects     *rate.Limiter // nil: no limit
	opening      *rate.Limiter
	ignored      atomic.Uint64
	reloading    atomic.Bool
	requests     chan struct{} // a slot for each that is being worked on
	headers      chan struct{} // an element for each connection that waits for its PROXY header
	startingTLS  chan struct{} // an element for each that does its TLS handshake
	computingTLS chan struct{} // an element for each of these that has a place to compute
	faults       *rate.Limiter // of PROXY headers: what is logged
	shutdown     chan struct{} // closed by the first Shutdown
	stoppingCh   chan struct{} // closed when Run begins to stop

	services *service.Group
	polling  sync.Once
	pollers  [2]*poller                 // of connections that rest: one that serves at once, one that gathers; nil: there were none, or it cannot be
	linked   atomic.Pointer[attachment] // link, for who has no lock

	serviceCtx, connCtx, linkCtx          context.Context // done, in this order, as the Portal stops
	stopServices, stopConns, stopLinkSide context.CancelFunc

	serving sync.WaitGroup // connections
	linking sync.WaitGroup // the link's side

	// handshake is held by the link that settles with the Portal; it guards
	// what is handed from one link's reader to the next one's.
	handshake sync.Mutex
	held      []turn // of the link before
	epoch     uint64 // the highest that was seen
	peer      string // the Server's name, once one was attached

	telling sync.Mutex // one notice at a time: they reach each player in order

	mu         sync.Mutex
	ran        bool
	begun      time.Time // when Run was called
	stopping   bool
	reason     string // of Shutdown
	kinds      map[kindKey]*kind
	sessions   map[session.ID]*Session
	lastNumber uint64
	addresses  map[string]int   // open connections
	conns      map[*Conn]string // by their protocol's key
	link       *attachment      // the Server's, once it has its seats
	attached   chan struct{}    // closed when link is set; a new one when it is lost
	everBack   bool             // a Server has been attached
	away       bool             // no Server takes lines
	notice     string           // what players are told of it; "" before they are
	awayTimer  *time.Timer
	server     ServerStatus
	aside      asides // what Servers have died of; nil: nothing
	lastReload *ReloadStatus
}

// New checks cfg and returns a Portal that does nothing yet.
func New(cfg Config) (*Portal, error) {
	var errs []error
	if cfg.Listener == nil {
		errs = append(errs, errors.New("portal: Config.Listener is nil: Servers have nowhere to attach"))
	}
	names := make(map[string]bool)
	for i, pl := range cfg.Plugins {
		switch {
		case pl.Name == "":
			errs = append(errs, fmt.Errorf("portal: plugin %d has no name", i+1))
		case pl.Start == nil:
			errs = append(errs, fmt.Errorf("portal: plugin %q has no Start function", pl.Name))
		case names[pl.Name]:
			errs = append(errs, fmt.Errorf("portal: there are two plugins %q", pl.Name))
		}
		names[pl.Name] = true
	}
	proxies, proxyErrs := unmapped(cfg.TrustedProxies)
	errs = append(errs, proxyErrs...)
	own, outErrs := outputFuncs(cfg.OutputFuncs)
	errs = append(errs, outErrs...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cfg.Name = cmpOr(cfg.Name, "portal")
	cfg.Limits = cfg.Limits.withDefaults()
	cfg.Plugins = slices.Clone(cfg.Plugins)
	cfg.OutputFuncs = own
	cfg.TrustedProxies = proxies
	if cfg.ListenFunc == nil {
		cfg.ListenFunc = net.Listen
	}
	def(&cfg.Hang, 10*time.Second)
	def(&cfg.StartTimeout, time.Minute)
	def(&cfg.Trial, 30*time.Second)
	if cfg.RenderCache == 0 {
		cfg.RenderCache = 4 << 20
	}
	if cfg.DrainTimeout <= 0 {
		cfg.DrainTimeout = 15 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	p := &Portal{
		cfg: cfg, log: cfg.Logger, made: time.Now(), meter: newMeter(),
		services:     service.NewGroup(cfg.Logger),
		connects:     limiter(cfg.Limits.ConnectionsPerSecond),
		opening:      rate.NewLimiter(openRate, openBurst),
		requests:     make(chan struct{}, maxRequests),
		headers:      make(chan struct{}, maxHeaders),
		startingTLS:  make(chan struct{}, maxStartingTLS),
		computingTLS: make(chan struct{}, maxComputingTLS),
		faults:       rate.NewLimiter(rate.Every(faultEvery), 1),
		shutdown:     make(chan struct{}),
		stoppingCh:   make(chan struct{}),
		kinds:        make(map[kindKey]*kind),
		sessions:     make(map[session.ID]*Session),
		addresses:    make(map[string]int),
		conns:        make(map[*Conn]string),
		attached:     make(chan struct{}),
		server:       ServerStatus{State: StateDown, Since: time.Now()},
	}
	p.super = newSupervisor(p)
	return p, nil
}

// now returns how long ago the Portal was made, at least 1 ns. It counts on through
// jumps of the wall's clock.
func (p *Portal) now() time.Duration { return max(time.Since(p.made), 1) }

// passes tells a test that a point is passed.
func (p *Portal) passes(point string) {
	if f := p.cfg.Failpoint; f != nil {
		f(point)
	}
}

// Limits returns the limits, defaults filled in.
func (p *Portal) Limits() Limits { return p.cfg.Limits }

// Run starts the plugins, the services and the Server, and runs until ctx is
// done or Shutdown was called. Then it stops accepting, has the Server stop,
// says goodbye to the clients, and returns when all has ended: nil after a
// clean stop. What a plugin has started and does not end within a few seconds of
// being told to is left, and named in the log. With Strict Run returns the error
// of a plugin or service that cannot be started. It is called once.
func (p *Portal) Run(ctx context.Context) error {
	p.mu.Lock()
	if p.ran {
		p.mu.Unlock()
		return errors.New("portal: Run was called before")
	}
	p.ran, p.begun = true, time.Now()
	// Each part has its own end, so that they can be stopped in order. Values
	// of ctx are kept, its end is not: Run acts on that.
	base := context.WithoutCancel(ctx)
	p.serviceCtx, p.stopServices = context.WithCancel(context.WithValue(base, portalKey{}, p))
	p.connCtx, p.stopConns = context.WithCancel(base)
	context.AfterFunc(p.connCtx, p.interruptConns)
	p.linkCtx, p.stopLinkSide = context.WithCancel(base)
	p.mu.Unlock()

	superCtx, stopSuper := context.WithCancel(base)
	defer stopSuper()
	var superDone sync.WaitGroup

	err := p.startPlugins()
	if err == nil || !p.cfg.Strict {
		err = errors.Join(err, p.services.Start(p.serviceCtx))
	}
	if err != nil && p.cfg.Strict {
		p.Shutdown("")
	} else {
		err = nil // each was logged and is in Status
		if p.cfg.OnStarted != nil {
			p.cfg.OnStarted(p.Status())
		}
		p.goneAway()
		p.linking.Go(p.acceptLinks)
		superDone.Go(func() { p.super.run(superCtx) })
	}

	select {
	case <-ctx.Done():
	case <-p.shutdown:
	}
	p.mu.Lock()
	p.stopping = true
	p.reason = cmpOr(p.reason, textShutdown)
	reason := p.reason
	if p.awayTimer != nil {
		p.awayTimer.Stop()
	}
	p.mu.Unlock()
	close(p.stoppingCh)
	p.log.Info("portal stopping", "reason", reason)

	p.stopServices()
	if !within(flushTime, p.services.Stop) {
		p.log.Error("services do not end, and are left", "services", p.running())
	}
	stopSuper()
	superDone.Wait()
	p.waitLink(flushTime)
	for _, s := range p.list() {
		s.Disconnect(reason)
	}
	p.waitConns(flushTime)
	p.stopLinkSide()
	p.cfg.Listener.Close()
	p.linking.Wait()
	p.polling.Do(func() {}) // one that comes now, of a connection that was left, does without
	for _, k := range p.pollers {
		if k != nil {
			k.close()
		}
	}
	p.log.Info("portal stopped")
	return err
}

// waitLink waits until all is read that the Server has written, such as what it
// tells its players as it ends.
func (p *Portal) waitLink(limit time.Duration) {
	p.mu.Lock()
	a := p.link
	p.mu.Unlock()
	if a == nil {
		return
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-a.ended:
	case <-t.C:
	}
}

// waitConns waits for the connections to end, and closes them after a while.
func (p *Portal) waitConns(limit time.Duration) {
	t := time.AfterFunc(limit, func() {
		p.stopConns()
		p.mu.Lock()
		defer p.mu.Unlock()
		for c := range p.conns {
			c.Close()
		}
	})
	defer t.Stop()
	// Those without a session were not told by Disconnect.
	p.mu.Lock()
	for c := range p.conns {
		c.CloseAfterFlush(limit)
	}
	p.mu.Unlock()
	if !within(2*limit, p.serving.Wait) {
		p.mu.Lock()
		n, keys := len(p.conns), slices.Compact(slices.Sorted(maps.Values(p.conns)))
		p.mu.Unlock()
		p.log.Error("connections do not end, and are left", "connections", n, "proto", keys)
	}
	p.stopConns()
}

// poller returns what waits for connections that rest: for those who type now and then
// if calm is set. It is nil if there can be none. It is asked for only if it is needed:
// it is no goroutine for a test's bubble.
func (p *Portal) poller(calm bool) *poller {
	p.polling.Do(func() {
		prompt, err := newPoller(p, 0)
		if err == nil {
			if p.pollers[1], err = newPoller(p, gather); err != nil {
				prompt.close()
			} else {
				p.pollers[0] = prompt
			}
		}
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			p.log.Warn("connections that are idle keep a goroutine each", "err", err)
		}
	})
	if calm {
		return p.pollers[1]
	}
	return p.pollers[0]
}

// millis returns the time since the Portal was made. It begins again after 49 days.
func (p *Portal) millis() uint32 { return uint32(time.Since(p.made) / time.Millisecond) }

// interruptConns ends what reads a connection.
func (p *Portal) interruptConns() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.interrupt()
	}
}

// within reports whether f returns within limit. If it does not, it is left to
// itself.
func within(limit time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// running returns the names of the services that have been started and have not
// ended.
func (p *Portal) running() []string {
	var names []string
	for _, st := range p.services.Status() {
		if st.State == StateRunning || st.State == StateFailed {
			names = append(names, st.Name)
		}
	}
	return names
}

// Shutdown makes Run return. Reason is told to the players; if it is empty they
// are told that the game is shutting down. It returns at once; only the first
// call counts.
func (p *Portal) Shutdown(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.shutdown:
	default:
		p.reason = reason
		close(p.shutdown)
	}
}

// goConn serves a connection, on a goroutine that Run waits for, unless the Portal
// stops.
func (p *Portal) goConn(v *serving) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return false
	}
	p.conns[v.c] = v.key
	p.serving.Add(1)
	go v.run()
	return true
}

// Connect makes a session for a client. A Protocol gives the ctx that its
// ServeConn was given: the session then ends when ServeConn returns, if not
// before. At the bound of Limits.Sessions it
// closes the client with a reason and fails with ErrTooManySessions. It fails
// with ErrStopped while the Portal stops.
//
// The game may write to the client before Connect returns.
func (p *Portal) Connect(ctx context.Context, c Client, info session.Info) (*Session, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	trimInfo(&info)
	s := &Session{
		p: p, id: session.NewID(), kind: p.kindOf(c, info.Protocol), client: c,
		began: p.now(), info: info, caps: unique.Make(session.CapsOf(info, session.Prefs{})),
	}
	conn, _ := ctx.Value(connKey{}).(*Conn)
	if q, ok := c.(Queuer); ok {
		s.queue = q
	} else if conn != nil {
		s.queue = conn
	}
	if s.queue != nil {
		s.queue.OnDrained(s.taken)
	}
	p.mu.Lock()
	if max := p.cfg.Limits.Sessions; p.stopping || max >= 0 && len(p.sessions) >= max {
		err, text := fmt.Errorf("%w: %d", ErrTooManySessions, max), textSessionsFull
		if p.stopping {
			err, text = ErrStopped, textShutdown
		}
		p.mu.Unlock()
		p.meter.refuse(err)
		c.Close(text)
		return nil, err
	}
	p.lastNumber++
	s.number = p.lastNumber
	p.sessions[s.id] = s
	s.mu.Lock()
	a := p.route(s)
	if a != nil && a.seat(s) {
		s.live = true
	}
	s.appendLocked(line{kind: lineOpen})
	s.mu.Unlock()
	away := p.notice != "" || p.server.Stalled != ""
	p.mu.Unlock()
	if conn != nil {
		conn.addSession(s)
	}
	s.kind.meter.opened.Inc()
	s.logger().Info("session opened", "remote", info.Addr)
	if away {
		p.tellNewcomer(s)
	}
	return s, nil
}

// route returns the link to the Server that a session belongs to, or nil while
// none takes lines. There is one Server for all sessions so far; what is sent
// to a Server goes by this. p.mu is held.
func (p *Portal) route(*Session) *attachment { return p.link }

// remove takes out a session that is over on both sides.
func (p *Portal) remove(s *Session) {
	p.mu.Lock()
	delete(p.sessions, s.id)
	p.mu.Unlock()
	s.mu.Lock()
	a, i := s.link, s.index
	s.link, s.live = nil, false
	s.mu.Unlock()
	if a != nil {
		a.unseat(i)
	}
}

// Request asks the Server for something and waits for its answer; a refusal is
// a *link.RequestError. It waits for a Server to attach. It fails with the
// link's error if that ends before the answer, with ErrStopped, and with ctx's.
func (p *Portal) Request(ctx context.Context, m message.Message) (message.Message, error) {
	for {
		p.mu.Lock()
		a, attached := p.link, p.attached
		p.mu.Unlock()
		if a != nil {
			return a.conn.Request(ctx, m)
		}
		select {
		case <-attached:
		case <-ctx.Done():
			return message.Message{}, context.Cause(ctx)
		case <-p.stoppingCh:
			return message.Message{}, ErrStopped
		}
	}
}
