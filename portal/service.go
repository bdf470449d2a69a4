package portal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Service runs at the Portal from its start to its end. Run returns nil once
// ctx is done; anything else, a panic included, is a failure, after which the
// service is started again: after a second, then after twice as long each time,
// up to a minute. Names are unique at a Portal; "telnet:4000" is the form for
// those that listen.
type Service interface {
	Name() string
	Run(ctx context.Context) error
}

// An Opener is a Service that binds what it needs, such as a port, before Run:
// whether it could is then known when the Portal has started. Open is called
// before each Run and does not wait for anything.
type Opener interface {
	Open(ctx context.Context) error
}

// An Addresser is a Service with an address for people to read. The method is
// called with the Portal's locks held; it must return at once.
type Addresser interface {
	Addr() string
}

// A Protocol turns connections of one kind into sessions. ServeConn owns every
// goroutine that it starts. It calls p.Connect when the client is ready, gives
// the game what the client says, and returns when c is closed from either side.
// What it has not ended itself then is ended: its session, and c. Its error is logged, at a level for curiosity: clients
// leave in many ways. Ctx is done when the Portal has no more time to lose.
type Protocol interface {
	Key() string // lower case and stable: it is stored with the session
	ServeConn(ctx context.Context, c *Conn, p *Portal) error
}

// A Plugin adds services, and whatever else it needs, to a Portal as it starts.
// Start runs after the game's own services were added and before any opens its
// port. It must not block. A Plugin may switch itself off by doing nothing.
type Plugin struct {
	Name  string
	Start func(p *Portal) error
}

const (
	firstRetry = time.Second
	lastRetry  = time.Minute // also how long a service runs until its failures are forgotten
)

// A serviceEntry is a service as the Portal runs it. Its fields below state are
// guarded by Portal.mu.
type serviceEntry struct {
	s     Service
	name  string
	owner string
	state string
	err   error
	stop  context.CancelFunc // nil while it does not run
	done  chan struct{}      // closed when it has stopped
}

const builtin = "built-in"

// AddService adds a service. Before Run it waits for Run; afterwards it is
// started at once. It fails with ErrNameTaken, whose text names both owners,
// and with ErrStopped. A failure to open is no error of AddService: see Status.
func (p *Portal) AddService(s Service) error {
	name := s.Name()
	p.mu.Lock()
	owner := cmpOr(p.owner, builtin)
	if p.stopping {
		p.mu.Unlock()
		return ErrStopped
	}
	if other := p.serviceLocked(name); other != nil {
		p.mu.Unlock()
		return fmt.Errorf("%w: %q of %s, added before by %s", ErrNameTaken, name, owner, other.owner)
	}
	e := &serviceEntry{s: s, name: name, owner: owner, state: StateWaiting}
	if b, ok := s.(interface{ bind(*Portal) }); ok {
		b.bind(p)
	}
	p.services = append(p.services, e)
	started := p.started
	p.mu.Unlock()
	if started {
		p.startEntry(e)
	}
	return nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (p *Portal) serviceLocked(name string) *serviceEntry {
	for _, e := range p.services {
		if e.name == name {
			return e
		}
	}
	return nil
}

// removeServices takes out what owner has added, before anything runs.
func (p *Portal) removeServices(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.services[:0]
	for _, e := range p.services {
		if e.owner != owner {
			kept = append(kept, e)
		}
	}
	clear(p.services[len(kept):])
	p.services = kept
}

// StopService stops a service and waits for its end. Connections that it has
// accepted go on. It does nothing if the service does not run, and fails with
// ErrNoService.
func (p *Portal) StopService(name string) error {
	p.mu.Lock()
	e := p.serviceLocked(name)
	if e == nil {
		p.mu.Unlock()
		return fmt.Errorf("%w: %q", ErrNoService, name)
	}
	stop, done := e.stop, e.done
	p.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	<-done
	return nil
}

// StartService starts a service that was stopped. It does nothing if it runs.
// It fails with ErrNoService, ErrStopped, or with why the service cannot open;
// in that case it is tried again like any that fails.
func (p *Portal) StartService(name string) error {
	p.mu.Lock()
	e := p.serviceLocked(name)
	p.mu.Unlock()
	if e == nil {
		return fmt.Errorf("%w: %q", ErrNoService, name)
	}
	return p.startEntry(e)
}

// startEntry opens a service and has it run. It returns the error of the first
// attempt.
func (p *Portal) startEntry(e *serviceEntry) error {
	p.mu.Lock()
	if p.stopping || !p.started {
		p.mu.Unlock()
		return ErrStopped
	}
	if e.stop != nil {
		p.mu.Unlock()
		return nil
	}
	ctx, stop := context.WithCancel(p.serviceCtx)
	e.stop, e.done = stop, make(chan struct{})
	p.mu.Unlock()

	err := p.openEntry(ctx, e)
	p.running.Go(func() {
		p.runEntry(ctx, e, err)
		stop()
		p.mu.Lock()
		e.state, e.stop = StateStopped, nil
		close(e.done)
		p.mu.Unlock()
		p.log.Info("service stopped", "service", e.name)
	})
	return err
}

// openEntry makes a service ready and notes how that went.
func (p *Portal) openEntry(ctx context.Context, e *serviceEntry) error {
	err := guard(func() error {
		if o, ok := e.s.(Opener); ok {
			return o.Open(ctx)
		}
		return nil
	})
	p.mu.Lock()
	if err == nil {
		e.state = StateRunning
	} else {
		e.state, e.err = StateFailed, err
	}
	st := e.statusLocked()
	p.mu.Unlock()
	if err != nil {
		p.log.Error("service failed", "service", e.name, "owner", e.owner, errAttrs(err))
	} else {
		p.log.Info("service started", "service", e.name, "addr", st.Addr)
	}
	return err
}

// runEntry runs a service until ctx is done. Err is how it opened.
func (p *Portal) runEntry(ctx context.Context, e *serviceEntry, err error) {
	retry := firstRetry
	for {
		if err == nil {
			began := time.Now()
			err = guard(func() error { return e.s.Run(ctx) })
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				err = errors.New("it ended without being told to")
			}
			if time.Since(began) >= lastRetry {
				retry = firstRetry
			}
			p.mu.Lock()
			e.state, e.err = StateFailed, err
			p.mu.Unlock()
			p.log.Error("service failed", "service", e.name, "owner", e.owner, "retry", retry, errAttrs(err))
		}
		t := time.NewTimer(retry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		retry = min(2*retry, lastRetry)
		err = p.openEntry(ctx, e)
	}
}

func (e *serviceEntry) statusLocked() ServiceStatus {
	st := ServiceStatus{Name: e.name, Owner: e.owner, State: e.state}
	if e.err != nil {
		st.Error = e.err.Error()
	}
	if a, ok := e.s.(Addresser); ok {
		st.Addr = a.Addr()
	}
	return st
}

// startPlugins runs the plugins' Start functions in order. What a failing one
// has added is removed; the result names each with its cause.
func (p *Portal) startPlugins() error {
	var errs []error
	for _, pl := range p.cfg.Plugins {
		p.mu.Lock()
		p.owner = "plugin " + pl.Name
		p.mu.Unlock()
		err := guard(func() error { return pl.Start(p) })
		p.mu.Lock()
		owner := p.owner
		p.owner = ""
		st := PluginStatus{Name: pl.Name}
		if err != nil {
			st.Error = err.Error()
		}
		p.plugins = append(p.plugins, st)
		p.mu.Unlock()
		if err == nil {
			continue
		}
		p.removeServices(owner)
		p.log.Error("plugin failed", "plugin", pl.Name, errAttrs(err))
		errs = append(errs, fmt.Errorf("portal: plugin %q: %w", pl.Name, err))
	}
	return errors.Join(errs...)
}

// startServices starts all services that were added.
func (p *Portal) startServices() error {
	p.mu.Lock()
	p.started = true
	entries := append([]*serviceEntry(nil), p.services...)
	p.mu.Unlock()
	var errs []error
	for _, e := range entries {
		if err := p.startEntry(e); err != nil {
			errs = append(errs, fmt.Errorf("portal: service %q of %s: %w", e.name, e.owner, err))
		}
	}
	return errors.Join(errs...)
}

// A listenService is a port whose connections a Protocol serves.
type listenService struct {
	name   string
	addr   string
	pr     Protocol
	listen func(*Portal) (net.Listener, error)
	p      *Portal

	mu sync.Mutex
	l  net.Listener
}

var (
	_ Opener    = (*listenService)(nil)
	_ Addresser = (*listenService)(nil)
)

// Listen returns a service that has pr serve the TCP connections at addr. Its
// name is key and the port, as in "telnet:4000", with the host in between if
// that is neither empty nor the loopback address.
func Listen(key, addr string, pr Protocol) Service {
	name := key + ":" + addr
	if host, port, err := net.SplitHostPort(addr); err == nil {
		switch host {
		case "", "127.0.0.1", "localhost":
			name = key + ":" + port
		}
	}
	return &listenService{name: name, addr: addr, pr: pr, listen: func(p *Portal) (net.Listener, error) {
		return p.cfg.ListenFunc("tcp", addr)
	}}
}

// ListenOn returns a service of that name that has pr serve the connections of
// l, which it owns: it is closed when the service stops, which then cannot be
// started again.
func ListenOn(name string, l net.Listener, pr Protocol) Service {
	return &listenService{name: name, addr: l.Addr().String(), pr: pr, listen: func(*Portal) (net.Listener, error) {
		return l, nil
	}}
}

func (s *listenService) bind(p *Portal) { s.p = p }

// Name implements Service.
func (s *listenService) Name() string { return s.name }

// Addr returns the address that is listened at, or that is meant to be.
func (s *listenService) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.l != nil {
		return s.l.Addr().String()
	}
	return s.addr
}

// Open opens the port.
func (s *listenService) Open(context.Context) error {
	l, err := s.listen(s.p)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.l = l
	return nil
}

// Run accepts connections until ctx is done. The connections are the Portal's:
// they go on without the service.
func (s *listenService) Run(ctx context.Context) error {
	s.mu.Lock()
	l := s.l
	s.mu.Unlock()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	pause := 5 * time.Millisecond
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			s.p.serve(c, s.pr)
		case ctx.Err() != nil:
			return nil
		case !isTemporary(err):
			return err
		default:
			// As when the process has too many files open: some will close.
			s.p.log.Warn("connection cannot be accepted", "service", s.name, "err", err, "pause", pause)
			t := time.NewTimer(pause)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
			pause = min(2*pause, time.Second)
		}
	}
}

// serve has pr serve c on a goroutine of its own, if the limits admit it.
func (p *Portal) serve(c net.Conn, pr Protocol) {
	addr := c.RemoteAddr().String()
	release, err := p.Admit(addr)
	if err != nil {
		p.log.Info("connection turned away", "proto", pr.Key(), "remote", addr, "err", err)
		refuse(c, refusal(err))
		return
	}
	nc := NewConn(c, p.cfg.Limits)
	if !p.goConn(nc, func() {
		defer release()
		defer nc.finish()
		p.serveConn(nc, pr)
	}) {
		release()
		refuse(c, plainStopping)
	}
}

func (p *Portal) serveConn(nc *Conn, pr Protocol) {
	log := p.log.With("proto", pr.Key(), "remote", nc.RemoteAddr().String())
	ctx := context.WithValue(p.connCtx, connKey{}, nc)
	err := guard(func() error { return pr.ServeConn(ctx, nc, p) })
	cause := nc.Err()
	reason := "connection lost"
	if errors.Is(cause, ErrSlowClient) {
		reason = "client too slow"
	}
	for _, s := range nc.takeSessions() {
		s.Disconnect(reason)
	}
	if _, ok := errors.AsType[*panicError](err); ok {
		log.Error("connection failed", errAttrs(err))
	} else if errors.Is(cause, ErrSlowClient) {
		log.Warn("connection closed", "err", cause)
	} else if err != nil {
		log.Debug("connection ended", "err", err)
	}
}

func refusal(err error) string {
	switch {
	case errors.Is(err, ErrStopped):
		return plainStopping
	case errors.Is(err, ErrTooManySessions):
		return plainFull
	case errors.Is(err, errTooFast):
		return plainTooFast
	}
	return plainTooMany
}

// refuse writes a line to a connection that there will be no session for, and
// closes it. A new socket takes a line at once; where it does not the line is
// lost. What has no socket is given a moment.
func refuse(c net.Conn, text string) {
	if raw := rawConn(c); raw != nil {
		writeNow(raw, []byte(text))
	} else {
		c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		io.WriteString(c, text)
	}
	c.Close()
}

func isTemporary(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}
