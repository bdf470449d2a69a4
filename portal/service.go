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
// time to lose.
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
	if !p.goConn(nc, key, func() {
		defer func() { release() }()
		defer nc.finish()
		if proxied {
			ok := p.readHeader(nc, key)
			<-p.headers
			if !ok {
				nc.Close()
				return
			}
			if release, ok = p.admit(nc.under, nc.RemoteAddr(), key, cfg != nil); !ok {
				nc.Close()
				return
			}
		}
		if cfg != nil && !p.startTLS(nc, key) {
			return
		}
		p.serveConn(nc, key, pr)
	}) {
		if proxied {
			<-p.headers
		}
		release()
		refuse(c, plainStopping, cfg != nil)
		nc.Close()
	}
}

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

func (p *Portal) serveConn(nc *Conn, key string, pr Protocol) {
	log := p.log.With("proto", key, "remote", nc.RemoteAddr().String())
	ctx := context.WithValue(p.connCtx, connKey{}, nc)
	err := service.Guard(func() error { return pr.ServeConn(ctx, nc, p) })
	cause := nc.Err()
	reason := "connection lost"
	if errors.Is(cause, ErrSlowClient) {
		reason = "client too slow"
	}
	for _, s := range nc.takeSessions() {
		s.Disconnect(reason)
	}
	if _, ok := errors.AsType[*service.PanicError](err); ok {
		log.Error("connection failed", service.ErrAttr(err))
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
// lost. What has no socket is given a moment. To a client of TLS it would mean
// nothing.
func refuse(c net.Conn, text string, secure bool) {
	if secure {
		// Nothing that it could read.
	} else if now := nonblock.New(c); now.Able() {
		now.WriteNow([]byte(text))
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
