package telnetd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/command/builtin"
	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/portal/telnetd"
	"mudlark.dev/server"
	"mudlark.dev/session"
	"mudlark.dev/store/memory"
	"mudlark.dev/world"
)

// A game is a Portal with telnet and its Servers, all in one bubble.
type game struct {
	t     *testing.T
	p     *portal.Portal
	l     *listener
	disk  *memory.Disk
	link  *pipe.Listener
	log   *bytes.Buffer
	cfg   telnetd.Config
	plain bool // passwords are taken in messages
}

// bubble runs a test with a game that has started.
func bubble(t *testing.T, limits portal.Limits, test func(t *testing.T, g *game)) {
	t.Helper()
	bubbleWith(t, limits, telnetd.Config{KeepAlive: -1}, test)
}

func bubbleWith(t *testing.T, limits portal.Limits, cfg telnetd.Config, test func(t *testing.T, g *game)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &game{t: t, l: newListener(), disk: memory.NewDisk(), link: pipe.Listen(), log: &bytes.Buffer{}, cfg: cfg}
		logger := slog.New(slog.NewTextHandler(&locked{w: g.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		p, err := portal.New(portal.Config{Name: "portal", Game: "Test", Epoch: 1, Listener: g.link, Starter: g, Logger: logger, Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		g.p = p
		g.cfg.Logger = logger
		tn, err := telnetd.New(g.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.AddService(portal.ListenOn("telnet", g.l, tn)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		synctest.Wait()
		test(t, g)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Build and Start make the game a portal.Starter whose Servers are goroutines.
func (g *game) Build(context.Context) error { return nil }

func (g *game) Start(_ context.Context, mode link.Mode) (portal.Process, error) {
	s, err := server.New(server.Config{
		Dialer: g.link, Store: g.disk.Open(), Mode: mode, PlainLogin: g.plain, Logger: slog.New(slog.DiscardHandler),
		Game: server.Game{
			Screen:     "SCREEN",
			CmdSets:    builtin.Sets(),
			Build:      func(w *world.World) error { return nil },
			InputFuncs: []server.InputFunc{{Name: "relay", Help: "Sends the message that it is given.", MoreArgs: true, MoreKwargs: true, Run: relay}},
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{done: make(chan struct{}), kill: cancel}
	go func() {
		defer close(p.done)
		p.err = s.Run(ctx)
	}()
	return p, nil
}

// relay sends the client the message that it names: its arguments are the rest.
func relay(in *server.Input) error {
	name, _ := in.Arg(0).(string)
	in.Session.Send(message.Message{Name: name, Args: in.Message.Args[1:], Kwargs: in.Message.Kwargs}, message.Options{})
	return nil
}

type process struct {
	done chan struct{}
	kill context.CancelFunc
	err  error
}

func (p *process) PID() int              { return 1 }
func (p *process) Done() <-chan struct{} { return p.done }
func (p *process) Exit() portal.Exit     { return portal.Exit{Text: fmt.Sprint(p.err)} }
func (p *process) Dump() error           { return nil }
func (p *process) Kill() error           { p.kill(); return nil }

// A listener gives out one end of in-memory connections.
type listener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *listener) Addr() net.Addr { return addr("127.0.0.1:4000") }

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

type conn struct{ net.Conn }

func (conn) RemoteAddr() net.Addr { return addr("192.0.2.7:5555") }

// A client reads all that it is sent, in the pieces in which it was written.
type client struct {
	t    *testing.T
	conn net.Conn
	mu   sync.Mutex
	got  []string
	eof  bool
}

func (g *game) dial() *client {
	ours, theirs := net.Pipe()
	c := &client{t: g.t, conn: ours}
	g.l.conns <- conn{theirs}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := ours.Read(buf)
			c.mu.Lock()
			if n > 0 {
				c.got = append(c.got, string(buf[:n]))
			}
			c.eof = c.eof || err != nil
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	g.t.Cleanup(func() { ours.Close() })
	synctest.Wait()
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(s)); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		c.t.Errorf("write: %v", err)
	}
}

// read returns what was sent since the last read, once all is quiet.
func (c *client) read() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := strings.Join(c.got, "")
	c.got = nil
	return s
}

func (g *game) expect(c *client, want ...string) string {
	g.t.Helper()
	got := c.read()
	for _, w := range want {
		if !strings.Contains(got, w) {
			g.t.Errorf("got %q, want it to have %q", got, w)
		}
	}
	return got
}

const (
	// DO TERMINAL-TYPE, NAWS, NEW-ENVIRON, WILL CHARSET, MCCP2, MSSP, GMCP, MSDP,
	// MXP, END-OF-RECORD.
	opening = "\xff\xfd\x18\xff\xfd\x1f\xff\xfd\x27\xff\xfb\x2a\xff\xfb\x56\xff\xfb\x46\xff\xfb\xc9\xff\xfb\x45\xff\xfb\x5b\xff\xfb\x19"
	noMore  = "\xff\xfc\x27\xff\xfe\x2a" // WONT NEW-ENVIRON, DONT CHARSET
	askTTY  = "\xff\xfa\x18\x01\xff\xf0" // TERMINAL-TYPE SEND
)

func TestSilentClient(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		if got := c.read(); got != opening {
			t.Errorf("opened with %q, want %q", got, opening)
		}
		time.Sleep(249 * time.Millisecond)
		if got := c.read(); got != "" {
			t.Errorf("before its time: %q", got)
		}
		time.Sleep(time.Millisecond)
		if got := c.read(); got != "SCREEN\r\n" {
			t.Errorf("after a quarter of a second: %q, want the first screen", got)
		}

		// One that negotiates has more time.
		c = g.dial()
		c.read()
		time.Sleep(200 * time.Millisecond)
		c.send("\xff\xfb\x18")
		if got := c.read(); got != askTTY {
			t.Errorf("WILL TERMINAL-TYPE is answered with %q, want %q", got, askTTY)
		}
		time.Sleep(299 * time.Millisecond)
		if got := c.read(); got != "" {
			t.Errorf("before its time: %q", got)
		}
		time.Sleep(time.Millisecond)
		if got := c.read(); got != "SCREEN\r\n" {
			t.Errorf("after half a second: %q, want the first screen", got)
		}
	})
}

// A client that answers all gets its screen at once, and what it typed before
// comes after.
func TestClientThatAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string
		want    session.Info
	}{
		{"Mudlet", []string{"MUDLET", "ANSI-TRUECOLOR", "MTTS 2349", "MTTS 2349"},
			session.Info{Client: "MUDLET", Terminal: "ANSI-TRUECOLOR", Colors: session.ColorsTrue}},
		{"a screen reader", []string{"MUDLET", "ANSI-TRUECOLOR", "MTTS 2413"},
			session.Info{Client: "MUDLET", Terminal: "ANSI-TRUECOLOR", Colors: session.ColorsTrue, ScreenReader: true}},
		{"plain telnet", []string{"xterm-256color", "xterm-256color"},
			session.Info{Client: "xterm-256color", Terminal: "xterm-256color", Colors: session.Colors256}},
		{"dumb", []string{"dumb", "dumb"}, session.Info{Client: "dumb", Terminal: "dumb", Colors: session.NoColors}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
				c := g.dial()
				c.read()
				c.send(noMore + "early\r\n\xff\xfb\x1f\xff\xfa\x1f\x00\x84\x00\x29\xff\xf0\xff\xfb\x18")
				if got := c.read(); got != askTTY {
					t.Fatalf("WILL TERMINAL-TYPE is answered with %q", got)
				}
				for i, a := range tt.answers {
					c.send("\xff\xfa\x18\x00" + a + "\xff\xf0")
					got := c.read()
					if strings.Contains(got, "SCREEN") || strings.Contains(got, "Welcome to") {
						if !strings.Contains(got, "'early'") {
							t.Errorf("what was typed before is lost: %q", got)
						}
						break
					}
					if got != askTTY || i == len(tt.answers)-1 {
						t.Fatalf("answer %d, %q: %q", i, a, got)
					}
				}
				st := g.p.Status().Sessions
				if len(st) != 1 {
					t.Fatalf("%d sessions", len(st))
				}
				c.send("create Ada tern-on-a-post\r\noption\r\nsessions\r\n")
				name, depth := tt.want.Client, tt.want.Colors.String()
				g.expect(c, "(now 132)", "Your client: "+name+", encoding UTF-8, colours: "+depth)
			})
		})
	}
}

// One that refuses all does not wait either.
func TestClientThatRefuses(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		c.send("\xff\xfc\x18\xff\xfc\x1f" + noMore)
		g.expect(c, "SCREEN")
	})
}

func TestPasswordBytes(t *testing.T) {
	for _, answer := range []string{"", "\xff\xfd\x01", "\xff\xfe\x01"} {
		bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
			c := g.dial()
			time.Sleep(time.Second)
			c.read()
			c.send("create Ada\r\n")
			if got, want := c.read(), "Choose a password: \xff\xfb\x01\xff\xf9"; got != want {
				t.Errorf("asked with %q, want %q", got, want)
			}
			c.send(answer)
			if got := c.read(); got != "" {
				t.Errorf("%q is answered with %q", answer, got)
			}
			c.send("tern-on-a-post\r\n")
			if got, want := c.read(), "\xff\xfc\x01\r\nOnce more, please: \xff\xfb\x01\xff\xf9"; got != want {
				t.Errorf("asked again with %q, want %q", got, want)
			}
			c.send("tern-on-a-post\r\n")
			got := g.expect(c, "Welcome")
			if !strings.HasPrefix(got, "\xff\xfc\x01\r\n") || strings.Count(got, "\xff") != 1 {
				t.Errorf("after the answer: %q", got)
			}
			if strings.Contains(g.log.String(), "tern-on") {
				t.Error("the password is in the log")
			}
		})
	}
}

func TestGoAhead(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		time.Sleep(time.Second)
		c.read()
		c.send("create Ada\r\n")
		g.expect(c, "\xff\xf9")
		c.send("\xff\xfd\x03") // DO SUPPRESS-GO-AHEAD
		if got := c.read(); got != "\xff\xfb\x03" {
			t.Errorf("DO SGA is answered with %q", got)
		}
		c.send("tern-on-a-post\r\n")
		if got := g.expect(c, "Once more, please: \xff\xfb\x01"); strings.Contains(got, "\xff\xf9") {
			t.Errorf("a go-ahead though it is suppressed: %q", got)
		}
	})
}

func TestLines(t *testing.T) {
	bubble(t, portal.Limits{LineBytes: 64}, func(t *testing.T, g *game) {
		c := g.dial()
		time.Sleep(time.Second)
		c.read()
		c.send("xa\r")
		c.send("\nxb\r\x00xc\nxd")
		got := g.expect(c, "'xa'", "'xb'", "'xc'")
		if n := strings.Count(got, "is not available"); n != 3 {
			t.Errorf("%d lines were taken, want 3: %q", n, got)
		}
		c.send("\b\x7fxe\r\n")
		g.expect(c, "'xe'")
		c.send(strings.Repeat("y", 65))
		g.expect(c, "limit is 64 bytes")
		c.send(strings.Repeat("y", 1000))
		if got := c.read(); got != "" {
			t.Errorf("the rest of a line that was refused: %q", got)
		}
		c.send("\r\nxf\r\n")
		g.expect(c, "'xf'")
		c.send("\xff\xf6")
		if got := c.read(); got != "[Yes]\r\n" {
			t.Errorf("AYT is answered with %q", got)
		}
		c.send("\xe2\x82")
		c.send("\xac\xc3(\r\n")
		g.expect(c, "€\uFFFD(")
	})
}

// While the ring is full telnet commands are still seen, and a pasted text
// arrives whole and in order.
func TestPaste(t *testing.T) {
	bubble(t, portal.Limits{RingLines: 8, MessagesPerSecond: 100}, func(t *testing.T, g *game) {
		c := g.dial()
		time.Sleep(time.Second)
		c.read()
		var paste strings.Builder
		const lines = 2000
		for n := range lines {
			fmt.Fprintf(&paste, "x%d\r\n", n)
		}
		go c.send(paste.String())
		time.Sleep(time.Second)
		c.send("\xff\xf6") // is seen at once, or when what is before it is
		time.Sleep(time.Minute)
		got := c.read()
		if !strings.Contains(got, "[Yes]") {
			t.Error("AYT was not answered")
		}
		at := 0
		for n := range lines {
			i := strings.Index(got[at:], fmt.Sprintf("'x%d'", n))
			if i < 0 {
				t.Fatalf("line %d is lost or out of order", n)
			}
			at += i
		}
	})
}

func TestWindowSize(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		time.Sleep(time.Second)
		c.read()
		c.send("create Ada tern-on-a-post\r\n\xff\xfb\x1f")
		g.expect(c, "Welcome")
		var flood strings.Builder
		for n := range 1000 {
			fmt.Fprintf(&flood, "\xff\xfa\x1f\x00%c\x00\x18\xff\xf0", 40+n%100)
		}
		c.send(flood.String())
		c.send("\xff\xfa\x1f\x00\x63\x00\x18\xff\xf0")
		time.Sleep(200 * time.Millisecond)
		c.send("option\r\n")
		g.expect(c, "(now 99)")
	})
}

// Prompts end with EOR once the client has agreed to it, whatever it says of
// go-aheads, and with GA again when it wants no EOR any more.
func TestEndOfRecord(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		c.send("\xff\xfd\x19")
		time.Sleep(time.Second)
		c.read()
		c.send("create Ada\r\n")
		if got := g.expect(c, "Choose a password: \xff\xfb\x01\xff\xef"); strings.Contains(got, "\xff\xf9") {
			t.Errorf("a go-ahead beside EOR: %q", got)
		}
		c.send("\xff\xfd\x03") // DO SUPPRESS-GO-AHEAD
		g.expect(c, "\xff\xfb\x03")
		c.send("tern-on-a-post\r\n")
		g.expect(c, "Once more, please: \xff\xfb\x01\xff\xef")
		c.send("\xff\xfe\x19\xff\xfe\x03") // DONT END-OF-RECORD, DONT SUPPRESS-GO-AHEAD
		g.expect(c, "\xff\xfc\x19")
		c.send("something-else\r\ncreate Bob\r\n")
		g.expect(c, "not the same", "Choose a password: \xff\xfb\x01\xff\xf9")
	})
}

// What is no telnet client is sent away before anything is asked of the game.
func TestForeignProtocols(t *testing.T) {
	for _, tt := range []struct{ name, first, log string }{
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS on the plain telnet port"},
		{"SSH", "SSH-2.0-OpenSSH_9.2p1\r\n", "protocol=SSH"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
				c := g.dial()
				c.read()
				c.send(tt.first)
				if got := c.read(); got != "" {
					t.Errorf("it is sent %q", got)
				}
				time.Sleep(5 * time.Second)
				c.mu.Lock()
				eof := c.eof
				c.mu.Unlock()
				if !eof || len(g.p.Status().Sessions) != 0 {
					t.Errorf("closed %v, %d sessions", eof, len(g.p.Status().Sessions))
				}
				if !strings.Contains(g.log.String(), tt.log) {
					t.Errorf("the log lacks %q", tt.log)
				}
			})
		})
	}
}

func TestHTTP(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		c.read()
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		g.expect(c, "HTTP/1.1 400", "not a web server")
		time.Sleep(5 * time.Second)
		if len(g.p.Status().Sessions) != 0 {
			t.Error("a web browser has a session")
		}
	})
}

// A Server is replaced: not one telnet byte goes to the client.
func TestReloadSendsNoTelnet(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		c.send("\xff\xfb\x18\xff\xfb\x1f\xff\xfd\x03")
		time.Sleep(time.Second)
		c.read()
		c.send("create Ada\r\n")
		g.expect(c, "Choose")
		if err := g.p.Restart(t.Context(), link.ModeReload, "test"); err != nil {
			t.Fatal(err)
		}
		if got := c.read(); strings.Count(got, "\xff") > 0 {
			t.Errorf("a reload sends %q", got)
		}
		c.send("tern-on-a-post\r\n")
		g.expect(c, "Once more")
	})
}

func TestEndOfConnection(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		time.Sleep(time.Second)
		c.read()
		c.send("create Ada tern-on-a-post\r\n")
		g.expect(c, "Welcome")
		c.conn.Close()
		time.Sleep(5 * time.Second)
		if s := g.p.Status().Sessions; len(s) != 0 {
			t.Errorf("sessions after the client has left: %+v", s)
		}
		// And from the other side: the reason is the last that is shown.
		d := g.dial()
		time.Sleep(time.Second)
		d.read()
		d.send("quit\r\n")
		g.expect(d, "Goodbye.\r\n")
		time.Sleep(5 * time.Second)
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.eof {
			t.Error("the connection stays open after quit")
		}
	})
}

func TestRefusedSession(t *testing.T) {
	bubble(t, portal.Limits{Sessions: 1}, func(t *testing.T, g *game) {
		a := g.dial()
		time.Sleep(time.Second)
		g.expect(a, "SCREEN")
		b := g.dial()
		time.Sleep(5 * time.Second)
		g.expect(b, "The game is full")
		if n := strings.Count(g.log.String(), "cannot be opened"); n > 1 {
			t.Errorf("the refusal is logged %d times", n)
		}
	})
}

// Nothing that a client sends before it has a session is kept without bound.
func TestFloodBeforeSession(t *testing.T) {
	bubble(t, portal.Limits{RingLines: 4}, func(t *testing.T, g *game) {
		c := g.dial()
		go c.send(strings.Repeat("\n", 1<<20))
		time.Sleep(10 * time.Millisecond)
		g.expect(c, "SCREEN") // early, as enough is waiting
	})
}
