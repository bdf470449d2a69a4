package portal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"mudlark.dev/internal/nonblock"
	"mudlark.dev/service"
)

// A Service is a part of the Portal that runs by itself, such as a port; see
// package service, whose types these are.
type (
	Service   = service.Service
	Opener    = service.Opener
	Addresser = service.Addresser
)

// A Protocol turns connections of one kind into sessions. ServeConn owns every
// goroutine that it starts. It calls p.Connect when the client is ready, gives
// the game what the client says, and returns when c is closed from either side.
// What it has not ended itself then is ended: its session, and c. Its error is
// logged, at a level for curiosity: clients leave in many ways. A panic of
// ServeConn ends this connection; that of a goroutine which it has started ends
// the Portal, as any goroutine's does. Ctx is done when the Portal has no more
// time to lose; what reads c then fails with os.ErrDeadlineExceeded.
//
// A protocol whose connections are idle for most of the time may give up their
// goroutines meanwhile: see RestError.
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

// AddService adds a service. Before Run it waits for Run; afterwards it is
// started at once. It fails with ErrNameTaken, whose text names both owners,
// and with ErrStopped. A failure to open is no error of AddService: see Status.
func (p *Portal) AddService(s Service) error {
	return p.services.Add(s)
}

// StopService stops a service and waits for its end. Connections that it has
// accepted go on. It does nothing if the service does not run, and fails with
// ErrNoService.
func (p *Portal) StopService(name string) error { return p.services.StopService(name) }

// StartService starts a service that was stopped. It does nothing if it runs.
// It fails with ErrNoService, ErrStopped, or with why the service cannot open;
// in that case it is tried again like any that fails.
func (p *Portal) StartService(name string) error { return p.services.StartService(name) }

// Setting returns the value of a setting that the game declares itself, or "".
func (p *Portal) Setting(name string) string { return p.cfg.Settings[name] }

// startPlugins runs the plugins' Start functions in order.
func (p *Portal) startPlugins() error {
	var errs []error
	for _, pl := range p.cfg.Plugins {
		if err := p.services.Plugin(pl.Name, func() error { return pl.Start(p) }); err != nil {
			errs = append(errs, fmt.Errorf("portal: %w", err))
		}
	}
	return errors.Join(errs...)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// A listenService is a port whose connections a Protocol serves.
type listenService struct {
	name   string
	addr   string
	pr     Protocol
	listen func(*Portal) (net.Listener, error)
	secure bool
	tls    *tls.Config // if secure

	mu  sync.Mutex
	p   *Portal // that has opened it
	l   net.Listener
	key string // of pr
}

var (
	_ Opener    = (*listenService)(nil)
	_ Addresser = (*listenService)(nil)
)

// Listen returns a service that has pr serve the TCP connections at addr. Its
// name is key and the port, as in "telnet:4000", with the host in between if
// that is neither empty nor the loopback address.
//
// A connection from one of Config.TrustedProxies begins with a header of the
// PROXY protocol; pr sees what comes after it, and the client's own address.
func Listen(key, addr string, pr Protocol) Service { return newListen(key, addr, pr) }

func newListen(key, addr string, pr Protocol) *listenService {
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
// started again. A peer without an IP address, as on a unix socket, is none of
// Config.TrustedProxies.
func ListenOn(name string, l net.Listener, pr Protocol) Service {
	return &listenService{name: name, addr: l.Addr().String(), pr: pr, listen: func(*Portal) (net.Listener, error) {
		return l, nil
	}}
}

// portalKey is the key of the *Portal in the context of its services.
type portalKey struct{}

// errNoPortal is why a service of Listen cannot be opened by hand.
var errNoPortal = errors.New("portal: the service was not added to a Portal")

func portalOf(ctx context.Context) (*Portal, error) {
	p, ok := ctx.Value(portalKey{}).(*Portal)
	if !ok {
		return nil, errNoPortal
	}
	return p, nil
}

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
func (s *listenService) Open(ctx context.Context) error {
	// Of a protocol that is nil this panics, here, where that is a failure of
	// the service and not yet one of a connection.
	key := s.pr.Key()
	if s.secure && !hasCertificate(s.tls) {
		return errNoCertificate
	}
	p, err := portalOf(ctx)
	if err != nil {
		return err
	}
	l, err := s.listen(p)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.p, s.l, s.key = p, l, key
	return nil
}

// Run accepts connections until ctx is done. The connections are the Portal's:
// they go on without the service.
func (s *listenService) Run(ctx context.Context) error {
	s.mu.Lock()
	p, l, key := s.p, s.l, s.key
	s.mu.Unlock()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	pause := 5 * time.Millisecond
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			p.serve(c, key, s.pr, s.tls)
			p.pace(ctx)
		case ctx.Err() != nil:
			return nil
		case !isTemporary(err):
			return err
		default:
			// As when the process has too many files open: some will close.
			p.log.Warn("connection cannot be accepted", "service", s.name, "err", err, "pause", pause)
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

// Connections that come together, as when a game is back, are accepted at a rate that
// leaves the processors to those who play: each takes 0.3 ms of one, from its beginning
// to its end. Others wait in the backlog of the port, a thousand for half a
// second.
const (
	openRate  = 2000 // a second
	openBurst = 16
)

// pace waits, until ctx ends, for when the next connection is to be accepted.
func (p *Portal) pace(ctx context.Context) {
	d := p.opening.Reserve().Delay()
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// serve has pr, whose key that is, serve c on a goroutine of its own, if the
// limits admit it: by TLS, if cfg is not nil.
func (p *Portal) serve(c net.Conn, key string, pr Protocol, cfg *tls.Config) {
	// Of a proxy's connection it is known only after its header who is to be
	// admitted.
	proxied := p.trusts(c.RemoteAddr())
	release := func() {}
	if proxied {
		select {
		case p.headers <- struct{}{}:
		default:
			p.meter.refused[refusedProxyQueue].Inc()
			p.log.Debug("connection turned away: too many wait for their PROXY header", "proto", key, "proxy", c.RemoteAddr().String())
			c.Close()
			return
		}
	} else {
		var ok bool
		if release, ok = p.admit(c, c.RemoteAddr(), key, cfg != nil); !ok {
			return
		}
	}
	nc := NewConn(c, p.cfg.Limits)
	if cfg != nil {
		nc.addTLS(cfg)
	}
	v := &serving{p: p, c: nc, key: key, pr: pr, release: release, proxied: proxied, secure: cfg != nil}
	if !p.goConn(v) {
		if proxied {
			<-p.headers
		}
		release()
		refuse(c, plainStopping, cfg != nil)
		nc.Close()
	}
}

// A serving is the life of a connection: the goroutines that serve it, one after
// the other.
type serving struct {
	p       *Portal
	c       *Conn
	key     string
	pr      Protocol
	release func() // what Admit gave
	proxied bool
	secure  bool

	rest   *RestError // what goes on; nil at first
	rested bool       // it goes on, on another goroutine
}

// run is one of the goroutines. It calls little itself: all of it lies below
// what waits for a client that is idle.
func (v *serving) run() {
	v.rested = false
	defer v.over()
	err := service.Guard(v.serve)
	if r, ok := err.(*RestError); ok && r.Resume != nil { // as it is: one that is wrapped is an error like others
		v.rest, v.rested = r, true
		return
	}
	v.c.Own()
	v.end(err)
}

// over is the end of a goroutine, whether run returns or not.
func (v *serving) over() {
	if v.rested {
		v.c.turn = nil
		if !v.c.park(v) {
			go v.run()
		}
		return
	}
	v.c.Own() // it is not there yet if runtime.Goexit was called
	v.c.finish()
	if v.release != nil {
		v.release()
	}
	v.p.mu.Lock()
	delete(v.p.conns, v.c)
	v.p.mu.Unlock()
	v.p.serving.Done()
}

// errUnserved is of a connection that has come to no protocol; why is logged.
var errUnserved = errors.New("portal: connection not served")

func (v *serving) serve() error {
	ctx := connContext{v.p.connCtx, v.c}
	if v.rest != nil {
		return v.rest.Resume(ctx)
	}
	return v.first(ctx)
}

// first is what precedes the protocol, and its ServeConn.
func (v *serving) first(ctx context.Context) error {
	p, c := v.p, v.c
	if v.proxied {
		ok := p.readHeader(c, v.key)
		<-p.headers
		if !ok {
			p.meter.refused[refusedProxy].Inc()
			c.Close()
			return errUnserved
		}
		if v.release, ok = p.admit(c.under, c.RemoteAddr(), v.key, v.secure); !ok {
			c.Close()
			return errUnserved
		}
	}
	if v.secure && !p.startTLS(c, v.key) {
		return errUnserved
	}
	return v.pr.ServeConn(ctx, c, p)
}

// A RestError is what ServeConn returns when it has nothing to do until its
// client says something, and gives up its goroutine until then: where the system
// allows it, one goroutine waits for all such connections, and elsewhere a new one,
// whose stack is small. The stack of a goroutine grows with what it has called and
// hardly shrinks.
//
// The connection goes on with a call of Resume, for which all holds that is said of
// ServeConn, its result included: when something has come or the client has gone,
// when the Conn is closed, when its read deadline is set, when ctx is done, and
// sometimes for nothing. What the protocol, or TLS, has read already and not handled
// is no reason to be called: rest after a read that has failed with
// os.ErrDeadlineExceeded.
type RestError struct {
	Resume func(ctx context.Context) error

	// Shared has Resume called on a goroutine that serves many connections, one after
	// the other: it is for protocols that have next to nothing to do for what comes.
	// Resume then reads by TryReceive, calls Conn.Own before anything that may wait, and
	// rests again as soon as it can.
	Shared bool
}

// Error implements error.
func (*RestError) Error() string { return "portal: connection rests" }

// admit asks whether the client at addr may connect by c. If it may not it is
// told so, and c is closed. Release, which is not nil, is called when the
// connection has ended.
func (p *Portal) admit(c net.Conn, addr net.Addr, key string, secure bool) (release func(), ok bool) {
	release, err := p.Admit(addr.String())
	if err != nil {
		p.log.Info("connection turned away", "proto", key, "remote", addr.String(), "err", err)
		refuse(c, refusal(err), secure)
		return func() {}, false
	}
	return release, true
}

// end ends the sessions of a connection whose protocol has returned.
func (v *serving) end(err error) {
	if err == errUnserved {
		return
	}
	cause := v.c.Err()
	reason := "connection lost"
	if errors.Is(cause, ErrSlowClient) {
		reason = "client too slow"
	}
	for _, s := range v.c.takeSessions() {
		s.Disconnect(reason)
	}
	log := v.p.log.With("proto", v.key, "remote", v.c.RemoteAddr().String())
	if _, ok := errors.AsType[*service.PanicError](err); ok {
		log.Error("connection failed", service.ErrAttr(err))
	} else if errors.Is(cause, ErrSlowClient) {
		v.p.meter.slowClients.Inc()
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
// lost. What has no socket is given a moment. To a client of TLS it would mean
// nothing.
func refuse(c net.Conn, text string, secure bool) {
	if secure {
		// Nothing that it could read.
	} else if raw := nonblock.Raw(c); raw != nil {
		nonblock.Write(raw, []byte(text))
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
