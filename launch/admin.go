package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/http/pprof"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"mudlark.dev/internal/metrics"
	"mudlark.dev/link/unix"
	"mudlark.dev/portal"
	"mudlark.dev/server"
)

// The admin listener is an HTTP server of the Portal on the loopback interface. It
// tells how the game is, and changes nothing. The Server has another one of its own
// on a socket in run/, which the Portal asks.

const (
	adminKey = "admin" // begins the name of the service

	adminConns    = 64               // connections at once; more wait to be accepted
	adminRead     = 5 * time.Second  // for a request to arrive
	adminWrite    = 10 * time.Second // for an answer to be taken, profiles aside
	adminIdle     = 2 * time.Minute  // for the next request of a connection
	adminStop     = 2 * time.Second  // for answers to be taken as the Portal stops; a Server waits for none
	profileTime   = 5 * time.Minute  // the longest that a profile may take
	scrapeTime    = 2 * time.Second  // for the Server to tell its metrics
	maxServerPage = 16 << 20         // bytes of what the Server tells
)

// ownFamilies are what the listener itself tells.
var ownFamilies = metrics.Family{Name: "mudlark_server_up", Type: metrics.TypeGauge, Help: "1 if the Server's process has told its metrics for this page, otherwise 0."}

// An admin is the listener of the Portal: a portal.Service.
type admin struct {
	name    string
	addr    string
	handler http.Handler
	log     *slog.Logger

	mu sync.Mutex
	l  net.Listener
}

var (
	_ portal.Opener    = (*admin)(nil)
	_ portal.Addresser = (*admin)(nil)
)

func newAdmin(addr string, h http.Handler, log *slog.Logger) *admin {
	name := adminKey + ":" + addr
	if host, port, err := net.SplitHostPort(addr); err == nil && (host == "127.0.0.1" || host == "localhost") {
		name = adminKey + ":" + port
	}
	return &admin{name: name, addr: addr, handler: h, log: log}
}

// Name implements portal.Service.
func (a *admin) Name() string { return a.name }

// Addr implements portal.Addresser.
func (a *admin) Addr() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.l != nil {
		return a.l.Addr().String()
	}
	return a.addr
}

// Open implements portal.Opener. What localhost means is the system's to say, so
// the address is looked at once more.
func (a *admin) Open(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.addr)
	if err != nil {
		return err
	}
	if at, err := netip.ParseAddrPort(l.Addr().String()); err != nil || !at.Addr().Unmap().IsLoopback() {
		l.Close()
		return withHint(fmt.Errorf("admin: %s is %s, which others can reach", a.addr, l.Addr()), "set admin.addr to 127.0.0.1:4005")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.l = l
	return nil
}

// Run implements portal.Service.
func (a *admin) Run(ctx context.Context) error {
	a.mu.Lock()
	l := a.l
	a.mu.Unlock()
	return serveHTTP(ctx, l, a.handler, adminStop, a.log)
}

// serveHTTP serves h at l until ctx ends, and gives those who are being answered so
// much time then.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: adminRead,
		IdleTimeout:       adminIdle,
		MaxHeaderBytes:    16 << 10,
		// No ReadTimeout and no WriteTimeout: they would cut off a profile, which takes
		// as long as it is asked to. See guarded and within.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			srv.Close() // as for a profile that is under way
		}
	})
	err := srv.Serve(&limited{Listener: l, slots: make(chan struct{}, adminConns)})
	if !stop() {
		<-stopped
		return nil
	}
	srv.Close()
	return err
}

// limited accepts so many connections at once.
type limited struct {
	net.Listener
	slots chan struct{}
	once  sync.Once
	done  chan struct{}
	mu    sync.Mutex
}

// ended is closed when the listener is.
func (l *limited) ended() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
	}
	return l.done
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.ended():
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.ended()) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// unixListener is a socket of package unix as a net.Listener. It turns away peers
// of other users.
type unixListener struct{ *unix.Listener }

func (l unixListener) Accept() (net.Conn, error) { return l.AcceptConn() }
func (l unixListener) Addr() net.Addr {
	return &net.UnixAddr{Name: l.Listener.Addr(), Net: "unix"}
}

// guarded lets requests through that only read and that a browser was not led into
// making: their Host is a loopback address or localhost, whatever a name of somebody
// else's resolves to, and no other site's page makes them.
func guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A refusal has a limit as well; within sets another one.
		bound(w, adminWrite)
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		switch {
		case !loopbackHost(r.Host):
			http.Error(w, "This address is for this machine alone: ask for it as 127.0.0.1 or localhost.", http.StatusForbidden)
		case r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate":
			http.Error(w, "Pages of other sites may not ask this.", http.StatusForbidden)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			noBody(w)
			http.Error(w, "There is nothing to change here.", http.StatusMethodNotAllowed)
		case r.ContentLength != 0:
			noBody(w)
			http.Error(w, "A request has no body here.", http.StatusBadRequest)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// noBody has what a client still sends of its request read for a moment only, and its
// connection closed.
func noBody(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(adminRead)) // as in within
}

// loopbackHost reports whether the Host of a request is localhost or a loopback
// address, with or without a port.
func loopbackHost(host string) bool {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		name = h
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		if name, ok = strings.CutSuffix(inner, "]"); !ok {
			return false
		}
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// within bounds how long an answer of h may take to be taken.
func within(limit time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		bound(w, limit)
		h(w, r)
	}
}

func bound(w http.ResponseWriter, limit time.Duration) {
	// It fails for a writer that has no deadline, such as a test's.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
}

// addProfiles adds the profiles of this process.
func addProfiles(mux *http.ServeMux) {
	profile := func(h http.HandlerFunc) http.HandlerFunc {
		return within(profileTime+adminWrite, func(w http.ResponseWriter, r *http.Request) {
			if n, err := strconv.ParseFloat(r.FormValue("seconds"), 64); err == nil && !(n <= profileTime.Seconds()) {
				http.Error(w, fmt.Sprintf("A profile takes at most %v.", profileTime), http.StatusBadRequest)
				return
			}
			h(w, r)
		})
	}
	mux.HandleFunc("/debug/pprof/", profile(pprof.Index))
	mux.HandleFunc("/debug/pprof/cmdline", profile(pprof.Cmdline))
	mux.HandleFunc("/debug/pprof/profile", profile(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", profile(pprof.Symbol))
	mux.HandleFunc("/debug/pprof/trace", profile(pprof.Trace))
}

const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// serverHandler is what a Server tells of itself on its socket.
func serverHandler(s *server.Server) http.Handler {
	mux := http.NewServeMux()
	addProfiles(mux)
	mux.HandleFunc("/metrics", within(adminWrite, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", metricsType)
		w.Write(metrics.AppendProcess(s.AppendMetrics(nil), "server"))
	}))
	mux.HandleFunc("/turns", within(adminWrite, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		printJSON(w, turnsOf(s))
	}))
	return mux
}

// serveServer serves the Server's socket until ctx ends. That it cannot is no reason
// for the game not to be played.
func (a *app) serveServer(ctx context.Context, path string, s *server.Server, log *slog.Logger) {
	l, err := unix.Listen(path)
	if err != nil {
		log.Warn("the Server's metrics cannot be asked for", "err", err)
		return
	}
	if err := serveHTTP(ctx, unixListener{l}, serverHandler(s), 0, log); err != nil {
		log.Warn("the Server's metrics cannot be asked for any more", "err", err)
	}
}

// A serverAsker asks the process of the Server by its socket.
type serverAsker struct {
	dir    folder
	portal *portal.Portal
	client *http.Client
}

// errNoServer is why there is nobody to ask.
var errNoServer = errors.New("no Server runs")

func newServerAsker(dir folder, p *portal.Portal) *serverAsker {
	a := &serverAsker{dir: dir, portal: p}
	a.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			pid, _ := ctx.Value(pidKey{}).(int)
			return unix.Dialer(dir.serverSocket(pid)).DialConn(ctx)
		},
		// Another process may have the same address next time.
		DisableKeepAlives: true,
	}}
	return a
}

// pidKey is the key of the process in the context of a request.
type pidKey struct{}

// get returns what the Server answers that runs, during a reload the one that plays.
func (a *serverAsker) get(ctx context.Context, path string) ([]byte, error) {
	_, pid := a.portal.ServerState()
	if pid == 0 {
		return nil, errNoServer
	}
	return a.getFrom(ctx, pid, path)
}

// getFrom is get for the Server with that process ID.
func (a *serverAsker) getFrom(ctx context.Context, pid int, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, pidKey{}, pid), scrapeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxServerPage+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the Server answers %s", resp.Status)
	case len(body) > maxServerPage:
		return nil, fmt.Errorf("the Server answers with more than %d bytes", maxServerPage)
	}
	return body, nil
}

// page returns the metrics of both processes.
func (a *serverAsker) page(ctx context.Context) []byte {
	set := metrics.New(ownFamilies)
	up := set.Gauge(ownFamilies.Name)
	theirs, err := a.get(ctx, "/metrics")
	if err == nil {
		up.Set(1)
	}
	ours := metrics.AppendProcess(a.portal.AppendMetrics(nil), "portal")
	return metrics.Merge(nil, ours, set.Append(nil), theirs)
}

// pass passes requests on to the Server, which has so much time for its answer.
func (a *serverAsker) pass(limit time.Duration) http.HandlerFunc {
	return within(limit+adminWrite, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		a.proxy(w, r.WithContext(ctx))
	})
}

func (a *serverAsker) proxy(w http.ResponseWriter, r *http.Request) {
	_, pid := a.portal.ServerState()
	if pid == 0 {
		http.Error(w, "The Server does not answer: "+errNoServer.Error(), http.StatusBadGateway)
		return
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: "localhost"})
		},
		Transport: a.client.Transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "The Server does not answer: "+err.Error(), http.StatusBadGateway)
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), pidKey{}, pid)))
}

const adminIndex = `%s

/metrics               of Portal and Server, for Prometheus
/healthz               200 if the Portal takes players
/readyz                200 if the game can be played
/server/turns          the slow turns of the last minute, as JSON
/debug/pprof/          profiles of the Portal
/server/debug/pprof/   profiles of the Server
`

// adminHandler is what the admin listener offers; self is the name of its service.
func (g *running) adminHandler(p *portal.Portal, self string) http.Handler {
	asker := newServerAsker(g.dir, p)
	mux := http.NewServeMux()
	addProfiles(mux)
	plain := func(h func(w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
		return within(adminWrite, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			h(w, r)
		})
	}
	answer := func(state func() error) http.HandlerFunc {
		return plain(func(w http.ResponseWriter, _ *http.Request) {
			if err := state(); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintln(w, err)
				return
			}
			fmt.Fprintln(w, "ok")
		})
	}
	mux.HandleFunc("/{$}", plain(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, adminIndex, title(g.game.Name, g.game.Version))
	}))
	mux.HandleFunc("/metrics", within(adminWrite, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", metricsType)
		w.Write(asker.page(r.Context()))
	}))
	mux.HandleFunc("/healthz", answer(func() error { return p.Healthy(self) }))
	mux.HandleFunc("/readyz", answer(p.Ready))
	mux.Handle("/server/debug/pprof/", http.StripPrefix("/server", asker.pass(profileTime+adminWrite)))
	mux.Handle("/server/turns", http.StripPrefix("/server", asker.pass(scrapeTime)))
	return guarded(mux)
}

// addAdmin adds the listener at addr to the Portal.
func (g *running) addAdmin(p *portal.Portal, addr string) error {
	a := newAdmin(addr, nil, g.log)
	a.handler = g.adminHandler(p, a.name)
	if err := p.AddService(a); err != nil {
		return withHint(fmt.Errorf("admin.addr: %w", err), "name each port once")
	}
	return nil
}

// askTurns returns what the Server tells of its slow turns.
func (g *running) askTurns(ctx context.Context) (*turns, error) {
	body, err := newServerAsker(g.dir, g.portal).get(ctx, "/turns")
	var t turns
	if err == nil {
		err = json.Unmarshal(body, &t)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("slow turns: %w", err), "see whether the game runs with the command status")
	}
	return &t, nil
}
