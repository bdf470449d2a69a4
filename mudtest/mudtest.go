package mudtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/failpoint"
	"mudlark.dev/launch"
	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
	"mudlark.dev/portal"
	"mudlark.dev/portal/telnetd"
	"mudlark.dev/server"
	"mudlark.dev/store/memory"
	"mudlark.dev/world"
)

// telnetAddr is where the game's telnet is, in the network of the test.
const telnetAddr = "127.0.0.1:4000"

// patience is how long, on the clock of the test, something may take to come.
const patience = 30 * time.Second

// A Game is a game at play. Its methods are called by the goroutine of the test.
type Game struct {
	t     *testing.T
	p     *portal.Portal
	net   *network
	disk  *memory.Disk
	links *pipe.Listener
	log   *logbook
	own   map[string]string // the settings that the game declares
	begun time.Time
	ended chan error

	mu      sync.Mutex
	game    launch.Game // what the next Server plays
	servers []*process  // in the order of their starts, from the one that plays
	clients []*Client
	fail    string // the point at which the Server is to be killed; "" for none
	after   []int  // how many passages of it are to come, up to each kill
	hits    *int   // how often it was killed there
}

// Run plays game for the duration of test, which must not use t.Parallel. The
// world is new, and is forgotten at the end.
func Run(t *testing.T, game launch.Game, test func(g *Game)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		g := &Game{
			t: t, game: game, net: newNetwork(), disk: memory.NewDisk(), links: pipe.Listen(), log: newLogbook(t),
			begun: time.Now(), ended: make(chan error, 1),
		}
		t.Cleanup(g.report)
		g.start()
		test(g)
	})
}

// start runs the Portal, and waits until its Server plays.
func (g *Game) start() {
	g.t.Helper()
	conf, err := config.Load(config.Sources{Game: g.game.Settings})
	if err != nil {
		g.t.Fatalf("settings: %v", err)
	}
	g.own = conf.Own
	g.p, err = portal.New(portal.Config{
		Name: "portal", Game: g.game.Name, Epoch: 1, Logger: g.log.logger("portal"),
		Plugins: g.game.Plugins, Settings: conf.Own, OutputFuncs: g.game.OutputFuncs,
		Limits: portal.Limits{
			ConnectionsPerSecond: -1, ConnectionsPerAddress: -1, // a test is not a flood
			MessagesPerSecond: max(conf.Limits.MessagesPerSecond, -1), LineBytes: conf.Limits.LineBytes,
		},
		Listener: g.links, Starter: g, ListenFunc: g.net.listen, Failpoint: func(point string) { g.passes(nil, point) },
	})
	if err != nil {
		g.t.Fatalf("portal: %v", err)
	}
	tn, err := telnetd.New(telnetd.Config{Logger: g.log.logger("portal"), MSSP: g.game.MSSP})
	if err != nil {
		g.t.Fatalf("telnet: %v", err)
	}
	if err := g.p.AddService(portal.Listen("telnet", telnetAddr, tn)); err != nil {
		g.t.Fatalf("telnet: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { g.ended <- g.p.Run(ctx) }()
	g.t.Cleanup(func() {
		for _, c := range g.clients {
			c.end()
		}
		stop()
		if err := <-g.ended; err != nil {
			g.t.Errorf("the game ended with an error: %v", err)
		}
		g.links.Close()
	})
	g.await()
}

// await waits until a Server plays.
func (g *Game) await() {
	g.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		st := g.p.Status().Server
		switch {
		case st.State == portal.StateAttached:
			return
		case time.Now().After(end):
			g.t.Fatalf("the Server does not play: it is %s; %s", st.State, st.Cause)
		}
	}
}

// Portal returns the Portal, for its Status and for what a protocol's test needs.
func (g *Game) Portal() *portal.Portal { return g.p }

// Do runs fn on the Server's loop and waits until what it changed is in the
// store. A test looks into the world with it, and prepares it. fn must not call
// t.Fatal or any other that ends its goroutine.
func (g *Game) Do(fn func(w *world.World)) {
	g.t.Helper()
	if err := g.process().server.Do(context.Background(), fn); err != nil {
		g.t.Fatalf("Do: %v", err)
	}
}

// Advance lets d pass on the clock of the test: timers fire, commands sleep on.
func (g *Game) Advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Wait lets everybody work until all is quiet. No time passes.
func (g *Game) Wait() { synctest.Wait() }

// Reload replaces the Server as "reload" does, and waits until the new one plays.
func (g *Game) Reload() {
	g.t.Helper()
	g.restart(server.ModeReload)
}

// Reset is Reload with the hooks of a stop and a start.
func (g *Game) Reset() {
	g.t.Helper()
	g.restart(server.ModeReset)
}

// ReloadWith is Reload into another build of the game. Plugins of the Portal and
// settings stay as they are.
func (g *Game) ReloadWith(next launch.Game) {
	g.t.Helper()
	g.mu.Lock()
	g.game = next
	g.mu.Unlock()
	g.restart(server.ModeReload)
}

func (g *Game) restart(mode server.Mode) {
	g.t.Helper()
	if err := g.p.Restart(context.Background(), mode, "test"); err != nil {
		g.t.Fatalf("reload: %v", err)
	}
	synctest.Wait()
}

// Kill ends the Server as kill -9 does: what it has not committed is lost, and
// the Portal starts another, which plays when Kill returns.
func (g *Game) Kill() {
	g.t.Helper()
	p := g.process()
	g.log.pardon(func() {
		p.die(portal.Exit{Signal: "killed"})
		<-p.done
		synctest.Wait()
		g.await()
	})
}

// KillAt has the Server killed at a point of package failpoint, such as
// failpoint.Committed, when it is passed for the n-th time from now; 1 is the next
// time. With more numbers the Servers after it are killed there too, each number
// counted from the kill before. The Portal starts another, as after Kill, when the
// test lets time pass. Killed returns how often it has happened by now. Errors in
// the log do not fail the test from here on. A later KillAt takes the place of this
// one.
func (g *Game) KillAt(point string, n ...int) (killed func() int) {
	g.t.Helper()
	if !slices.Contains(failpoint.Points(), point) || len(n) == 0 || slices.Min(n) < 1 {
		g.t.Fatalf("KillAt(%q, %v): there are the points %s, and passages from 1", point, n, strings.Join(failpoint.Points(), ", "))
	}
	g.AllowErrors()
	hits := new(int)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail, g.after, g.hits = point, slices.Clone(n), hits
	return func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return *hits
	}
}

// passes is the failpoint of both sides; p is nil at the Portal's, which concern the
// Server that plays.
func (g *Game) passes(p *process, point string) {
	g.mu.Lock()
	due := false
	if g.fail == point && len(g.after) > 0 {
		if g.after[0]--; g.after[0] == 0 {
			g.after, due = g.after[1:], true
			*g.hits++
		}
	}
	g.mu.Unlock()
	switch {
	case !due:
	case p == nil:
		g.process().die(portal.Exit{Signal: "killed"})
	default:
		p.die(portal.Exit{Signal: "killed"})
	}
}

// AllowErrors says that errors in the log do not fail the test, neither those
// that are there nor those to come: it provokes them.
func (g *Game) AllowErrors() { g.log.allow() }

// Log returns what Portal and Server have logged so far.
func (g *Game) Log() string { return g.log.String() }

// process returns the Server that plays: the first, if there is one that loads
// meanwhile. If all have ended it is the last.
func (g *Game) process() *process {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.servers) > 1 {
		select {
		case <-g.servers[0].done:
			g.servers = g.servers[1:]
			continue
		default:
		}
		break
	}
	return g.servers[0]
}

// report fails the test for what went wrong in the game.
func (g *Game) report() {
	for _, e := range g.log.errors() {
		g.t.Errorf("in the log: %s", e)
	}
	if g.t.Failed() {
		if warnings := g.log.warnings(); warnings != "" {
			g.t.Logf("warnings and errors in the log:\n%s", warnings)
		}
	}
}

// Build and Start make the Game a portal.Starter, for its Portal.
func (g *Game) Build(context.Context) error { return nil }

// Start runs a Server on a goroutine. It is called by the Portal.
func (g *Game) Start(_ context.Context, mode link.Mode) (portal.Process, error) {
	g.mu.Lock()
	game := g.game
	g.mu.Unlock()
	p := &process{links: g.links, store: g.disk.Open(), done: make(chan struct{})}
	s, err := server.New(server.Config{
		Game: game.Game, Dialer: p, Store: p.store, Mode: mode, Logger: g.log.logger("server"), Settings: g.own,
		AccountCreations: -1,   // all come from one test
		Slow:             -1,   // the clock of a test says nothing of it
		PlainLogin:       true, // a connection in memory has no listeners
		Failpoint:        func(point string) { g.passes(p, point) },
	})
	if err != nil {
		return nil, err
	}
	p.server = s
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	g.mu.Lock()
	g.servers = append(g.servers, p)
	g.mu.Unlock()
	go func() {
		defer close(p.done)
		defer cancel()
		if err := s.Run(ctx); err != nil {
			p.die(portal.Exit{Code: 1, Text: err.Error()})
		}
	}()
	return p, nil
}

var _ portal.Starter = (*Game)(nil)

// A process is a Server that runs on a goroutine.
type process struct {
	links  *pipe.Listener
	store  *memory.Store
	server *server.Server
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	link link.Transport
	dead bool
	exit portal.Exit
}

var _ portal.Process = (*process)(nil)

// Dial implements link.Dialer; what it returns is cut when the process dies.
func (p *process) Dial(ctx context.Context) (link.Transport, error) {
	t, err := p.links.Dial(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		t.Close()
		return nil, errors.New("killed")
	}
	p.link = t
	return t, nil
}

// die ends the Server as if its process had: it commits nothing more, and its
// link is cut.
func (p *process) die(how portal.Exit) {
	p.mu.Lock()
	t, first := p.link, !p.dead
	if p.dead = true; first {
		p.exit = how
	}
	p.mu.Unlock()
	p.store.Close()
	if t != nil {
		t.Close()
	}
	p.cancel()
}

func (p *process) PID() int              { return 0 }
func (p *process) Done() <-chan struct{} { return p.done }
func (p *process) Dump() error           { return nil }

func (p *process) Exit() portal.Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

func (p *process) Kill() error {
	p.die(portal.Exit{Signal: "killed", ByUs: true})
	return nil
}

// A network has the ports that were opened, in memory.
type network struct {
	mu    sync.Mutex
	ports map[string]*listener
	hosts int
}

func newNetwork() *network { return &network{ports: make(map[string]*listener)} }

// listen is net.Listen in this network. Port 0 is any that is free.
func (n *network) listen(_, addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for free := 50000; port == "0"; free++ {
		if try := net.JoinHostPort(host, fmt.Sprint(free)); n.ports[try] == nil {
			addr, port = try, ""
		}
	}
	if n.ports[addr] != nil {
		return nil, fmt.Errorf("listen tcp %s: bind: address already in use", addr)
	}
	l := &listener{net: n, addr: address(addr), conns: make(chan net.Conn), done: make(chan struct{})}
	n.ports[addr] = l
	return l, nil
}

// dial connects to a port, from an address of its own.
func (n *network) dial(addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.ports[addr]
	if l == nil {
		if _, port, err := net.SplitHostPort(addr); err == nil { // a listener on all addresses
			l = n.ports[net.JoinHostPort("", port)]
		}
	}
	n.hosts++
	from := address(fmt.Sprintf("192.0.2.%d:%d", 1+n.hosts%250, 40000+n.hosts))
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: connection refused: nobody listens there", addr)
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- conn{theirs, l.addr, from}:
		return conn{ours, from, l.addr}, nil
	case <-l.done:
		return nil, fmt.Errorf("dial %s: connection refused: nobody listens there any more", addr)
	}
}

type listener struct {
	net   *network
	addr  address
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.ports[string(l.addr)] == l {
			delete(l.net.ports, string(l.addr))
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

type conn struct {
	net.Conn
	local, remote address
}

func (c conn) LocalAddr() net.Addr  { return c.local }
func (c conn) RemoteAddr() net.Addr { return c.remote }

// stamp is a time on the clock of the test, for a transcript.
func (g *Game) stamp() string {
	return fmt.Sprintf("%9.3fs", time.Since(g.begun).Seconds())
}

// quote shows a text in a failure, in short.
func quote(s string) string {
	if len(s) > 2000 {
		s = s[:1000] + " … " + s[len(s)-1000:]
	}
	return "\t" + strings.ReplaceAll(strings.TrimRight(s, "\r\n"), "\n", "\n\t")
}
