package portal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// A memListener is a net.Listener in memory. Both ends of its connections
// buffer nothing.
type memListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newMemListener() *memListener {
	return &memListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *memListener) Addr() net.Addr { return memAddr("memory") }

func (l *memListener) dial(t *testing.T) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	select {
	case l.conns <- b:
	case <-l.done:
		t.Fatal("dial: the listener is closed")
	}
	t.Cleanup(func() { a.Close() })
	return a
}

type memAddr string

func (a memAddr) Network() string { return "memory" }
func (a memAddr) String() string  { return string(a) }

// A lineProtocol is what a plugin's author would write first: lines in, lines
// out.
type lineProtocol struct{}

func (lineProtocol) Key() string { return "line" }

func (lineProtocol) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	s, err := p.Connect(ctx, &lineClient{c}, session.Info{Protocol: "line", Addr: c.RemoteAddr().String()})
	if err != nil {
		return err
	}
	in := bufio.NewScanner(c)
	for in.Scan() {
		switch in.Text() {
		case "panic":
			panic("as told")
		case "quit":
			s.Disconnect("Bye.")
			return nil
		}
		if err := s.DataIn(ctx, message.Text(in.Text())); err != nil {
			return err
		}
	}
	return in.Err()
}

type lineClient struct{ c *portal.Conn }

func (c *lineClient) Write(p []byte) (int, error) { return c.c.Write(p) }

func (c *lineClient) AppendText(dst []byte, text string, _ session.Caps, _ message.Options) ([]byte, error) {
	return fmt.Appendf(dst, "%s\r\n", text), nil
}

func (c *lineClient) AppendDefault(dst []byte, _ message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	return dst, nil
}

func (c *lineClient) Close(reason string) error {
	fmt.Fprintf(c.c, "%s\r\n", reason)
	c.c.CloseAfterFlush(time.Second)
	return nil
}

func TestProtocolPlugin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newMemListener()
		b := startBench(t, func(c *portal.Config) {
			c.Plugins = []portal.Plugin{{Name: "myproc", Start: func(p *portal.Portal) error {
				return p.AddService(portal.ListenOn("line:1", l, lineProtocol{}))
			}}}
		})
		if st := b.p.Status(); len(st.Services) != 1 || st.Services[0] != (portal.ServiceStatus{Name: "line:1", Owner: "plugin myproc", Addr: "memory", State: "running"}) {
			t.Errorf("Status has services %+v", st.Services)
		}
		srv := b.attach(1, 0)
		srv.take()
		c := l.dial(t)
		r := bufio.NewReader(c)
		io.WriteString(c, "hello\n")
		srv.want("seat 1 #1 p0 u0", "open 1:1", "input 1:2 hello")
		srv.send(text("well met", 1), end(0))
		if got, err := r.ReadString('\n'); got != "well met\r\n" {
			t.Errorf("read %q, %v", got, err)
		}
		io.WriteString(c, "quit\n")
		if got, err := io.ReadAll(r); string(got) != "Bye.\r\n" || err != nil {
			t.Errorf("read %q, %v; want the farewell and the end", got, err)
		}
		srv.want("close 1:3 Bye.", "credit 1 9")

		// A protocol that panics ends its connection and session alone.
		d := l.dial(t)
		go io.Copy(io.Discard, d)
		io.WriteString(d, "panic\n")
		srv.want("seat 2 #2 p0 u0", "open 2:1", "close 2:2 connection lost")

		// The service is stopped; its connections go on.
		e := l.dial(t)
		synctest.Wait()
		if err := b.p.StopService("line:1"); err != nil {
			t.Fatal(err)
		}
		if st := b.p.Status().Services[0].State; st != portal.StateStopped {
			t.Errorf("state %q, want stopped", st)
		}
		io.WriteString(e, "still here\n")
		srv.want("seat 3 #3 p0 u0", "open 3:1", "input 3:2 still here")
		b.stop()
		if got, err := io.ReadAll(e); string(got) != "The game is shutting down.\r\n" {
			t.Errorf("read %q, %v as the Portal stops", got, err)
		}
	})
}

func TestTurnedAway(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits portal.Limits
		want   string
	}{
		{"address", portal.Limits{ConnectionsPerAddress: 1}, "too many connections from your address"},
		{"rate", portal.Limits{ConnectionsPerSecond: 1}, "Too many people are connecting"},
		{"sessions", portal.Limits{Sessions: 1}, "The game is full"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newMemListener()
				b := newBench(t, func(c *portal.Config) { c.Limits = tc.limits })
				if err := b.p.AddService(portal.ListenOn("line", l, lineProtocol{})); err != nil {
					t.Fatal(err)
				}
				b.run()
				go io.Copy(io.Discard, l.dial(t))
				synctest.Wait()
				if got, err := io.ReadAll(l.dial(t)); !strings.Contains(string(got), tc.want) || err != nil {
					t.Errorf("the second connection read %q, %v; want %q in it", got, err, tc.want)
				}
				if n := len(b.p.Status().Sessions); n != 1 {
					t.Errorf("%d sessions, want 1", n)
				}
			})
		})
	}
}

// A service does what its functions say.
type service struct {
	name string
	open func() error
	run  func(ctx context.Context) error
}

func (s *service) Name() string { return s.name }

func (s *service) Open(context.Context) error {
	if s.open != nil {
		return s.open()
	}
	return nil
}

func (s *service) Run(ctx context.Context) error {
	if s.run != nil {
		return s.run(ctx)
	}
	<-ctx.Done()
	return nil
}

func TestFailuresAtStart(t *testing.T) {
	taken := errors.New("address already in use")
	for _, tc := range []struct {
		name  string
		start func(p *portal.Portal) error
		want  string // in the Status, and in Run's error with Strict
		left  string // the services that are there
	}{
		{"error", func(p *portal.Portal) error {
			p.AddService(&service{name: "gone"})
			return errors.New("no licence")
		}, "no licence", "good=running"},
		{"panic", func(p *portal.Portal) error {
			p.AddService(&service{name: "gone"})
			panic("oops")
		}, "panic: oops", "good=running"},
		{"name", func(p *portal.Portal) error { return p.AddService(&service{name: "good"}) },
			`"good" of plugin bad, added before by built-in`, "good=running"},
		{"port", func(p *portal.Portal) error {
			return p.AddService(&service{name: "port", open: func() error { return taken }})
		}, "address already in use", "good=running port=failed"},
		{"open panics", func(p *portal.Portal) error {
			return p.AddService(&service{name: "port", open: func() error { panic("oops") }})
		}, "panic: oops", "good=running port=failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plugins := []portal.Plugin{
				{Name: "bad", Start: tc.start},
				{Name: "fine", Start: func(p *portal.Portal) error { return nil }},
			}
			bubble(t, func(t *testing.T) {
				var started portal.Status
				b := newBench(t, func(c *portal.Config) {
					c.Plugins = plugins
					c.OnStarted = func(st portal.Status) { started = st }
				})
				if err := b.p.AddService(&service{name: "good"}); err != nil {
					t.Fatal(err)
				}
				b.run()
				all, left := "", []string{}
				for _, pl := range started.Plugins {
					all += pl.Name + ": " + pl.Error + "\n"
				}
				for _, s := range started.Services {
					all += s.Error + "\n"
					left = append(left, s.Name+"="+s.State)
				}
				if !strings.Contains(all, tc.want) {
					t.Errorf("Status has %q, want %q in it", all, tc.want)
				}
				if got := strings.Join(left, " "); got != tc.left {
					t.Errorf("services %q, want %q", got, tc.left)
				}
			})
			bubble(t, func(t *testing.T) {
				b := newBench(t, func(c *portal.Config) {
					c.Plugins = plugins
					c.Strict = true
				})
				if err := b.p.AddService(&service{name: "good"}); err != nil {
					t.Fatal(err)
				}
				if err := b.p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("Run with Strict = %v, want %q in it", err, tc.want)
				}
			})
		})
	}
}

func TestServiceIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var opened, runs int
		s := &service{name: "moody",
			open: func() error {
				if opened++; opened == 2 {
					return errors.New("not today")
				}
				return nil
			},
			run: func(ctx context.Context) error {
				switch runs++; runs {
				case 1:
					return errors.New("tired")
				case 2:
					panic("enough")
				case 3:
					time.Sleep(time.Minute)
					return nil
				}
				<-ctx.Done()
				return nil
			}}
		b := startBench(t, nil)
		if err := b.p.AddService(s); err != nil { // the Portal is running
			t.Fatal(err)
		}
		want := func(state, err string) {
			t.Helper()
			synctest.Wait()
			if st := b.p.Status().Services[0]; st.State != state || st.Error != err {
				t.Errorf("service is %q with error %q, want %q and %q", st.State, st.Error, state, err)
			}
		}
		want(portal.StateFailed, "tired")
		sleep(time.Second)
		want(portal.StateFailed, "not today")
		sleep(2 * time.Second)
		want(portal.StateFailed, "panic: enough")
		sleep(4 * time.Second)
		want(portal.StateRunning, "panic: enough")
		sleep(time.Minute)
		want(portal.StateFailed, "it ended without being told to")
		sleep(time.Second) // a good minute forgets
		want(portal.StateRunning, "it ended without being told to")
		if err := b.p.StopService("moody"); err != nil {
			t.Error(err)
		}
		want(portal.StateStopped, "it ended without being told to")
		if err := b.p.StopService("moody"); err != nil {
			t.Errorf("StopService of a stopped one = %v", err)
		}
		if err := b.p.StartService("moody"); err != nil {
			t.Error(err)
		}
		want(portal.StateRunning, "it ended without being told to")
		if err := b.p.StartService("cheerful"); !errors.Is(err, portal.ErrNoService) {
			t.Errorf("StartService of an unknown one = %v, want ErrNoService", err)
		}
	})
}

func TestNewReportsAllProblems(t *testing.T) {
	start := func(*portal.Portal) error { return nil }
	_, err := portal.New(portal.Config{Plugins: []portal.Plugin{{Start: start}, {Name: "a", Start: start}, {Name: "a", Start: start}, {Name: "b"}}})
	for _, want := range []string{"Listener", "plugin 1 has no name", `two plugins "a"`, `"b" has no Start`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want %q in it", err, want)
		}
	}
}

func TestListenNames(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:4000":   "telnet:4000",
		":4000":            "telnet:4000",
		"192.0.2.7:4000":   "telnet:192.0.2.7:4000",
		"[2001:db8::]:400": "telnet:[2001:db8::]:400",
	} {
		if got := portal.Listen("telnet", addr, lineProtocol{}).Name(); got != want {
			t.Errorf("Listen at %s has name %q, want %q", addr, got, want)
		}
	}
}

// Connections that come together are accepted one after the other, and those that come
// alone at once.
func TestPaceOfAccepting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newMemListener()
		startBench(t, func(c *portal.Config) {
			c.Limits.ConnectionsPerAddress, c.Limits.ConnectionsPerSecond = -1, -1
			c.Plugins = append(c.Plugins, portal.Plugin{Name: "line", Start: func(p *portal.Portal) error {
				return p.AddService(portal.ListenOn("line", l, lineProtocol{}))
			}})
		})
		synctest.Wait()
		begun := time.Now()
		for range 16 {
			l.dial(t)
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("the first connections took %v", took)
		}
		for range 1001 {
			l.dial(t)
		}
		if took := time.Since(begun); took < 499*time.Millisecond || took > 510*time.Millisecond {
			t.Errorf("a thousand connections took %v, want half a second", took)
		}
		sleep(time.Second)
		begun = time.Now()
		l.dial(t)
		if took := time.Since(begun); took > 0 {
			t.Errorf("one by itself took %v", took)
		}
	})
}
