package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/session"
	"mudlark.dev/store/memory"
	"mudlark.dev/world"
)

// A portal is the other end of the Server's link, played by a test: it keeps
// the logs and holds turns as link/SPEC.md says.
type portal struct {
	mu    sync.Mutex // what the test and the reader of the link both touch
	t     *testing.T
	l     *pipe.Listener
	conn  *link.Conn
	hello *link.ServerHello
	seats map[link.Index]*client
	turn  []link.Frame
	held  []heldTurn
	last  uint64 // the last commit known to be in the store
	next  link.Index

	asides   []link.Unit // what each Server is told
	settling bool        // what is released is of the Server before
	drained  bool
	pongs    int
	stalls   []string // what Stalled frames said
	actions  []*link.Action
}

type heldTurn struct {
	end    *link.End
	frames []link.Frame
}

// A client is a session as the Portal has it.
type client struct {
	p        *portal
	index    link.Index
	id       session.ID
	n        uint64       // the last line of the log
	log      []link.Frame // lines that are not processed
	done     uint64
	question link.QuestionID
	hidden   bool
	out      []string // texts it was shown, prompts as "?prompt"
	msgs     []message.Message
	login    *link.Login
	prefs    session.Prefs
	gone     string
	info     session.Info
	taken    bool // credits are given back at once
}

func newPortal(t *testing.T) *portal {
	return &portal{t: t, l: pipe.Listen(), seats: map[link.Index]*client{}}
}

// lastWords is a transport whose other end may close it at any moment: what was
// written before is read to its end, though credits cannot be given back any more.
type lastWords struct{ link.Transport }

func (t lastWords) Write(b []byte) (int, error) {
	t.Transport.Write(b)
	return len(b), nil
}

// attach takes a Server up: handshake, release of what it has committed, Seats
// and logs.
func (p *portal) attach() {
	p.t.Helper()
	tr, err := p.l.Accept()
	if err != nil {
		p.t.Fatalf("Accept: %v", err)
	}
	p.conn = link.New(lastWords{tr}, link.Config{})
	p.drained, p.turn = false, nil
	f, err := p.conn.Recv()
	if err != nil {
		p.t.Fatalf("no ServerHello: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	ready := f.(*link.ServerHello)
	if ready.Epoch != 0 {
		p.t.Errorf("the Server has taken the store before it was told to: %+v", ready)
	}
	p.send(&link.Go{Mode: ready.Mode})
	if f, err = p.conn.Recv(); err != nil {
		p.t.Fatalf("no ServerHello with an epoch: %v", err)
	}
	p.hello = f.(*link.ServerHello)
	p.last = p.hello.Commit
	p.settling = true
	p.release()
	p.settling, p.held = false, nil
	p.send(&link.PortalHello{Version: link.Version, Portal: "portal", Epoch: 1})
	for _, u := range p.asides {
		p.send(&link.Aside{Unit: u})
	}
	for i := link.Index(1); i <= p.next; i++ {
		if c := p.seats[i]; c != nil {
			p.send(&link.Seat{Index: i, ID: c.id, Number: uint64(i), Info: c.info, Processed: c.done, Question: c.question})
		}
	}
	p.send(&link.Synced{})
	for i := link.Index(1); i <= p.next; i++ {
		if c := p.seats[i]; c != nil {
			p.send(c.log...)
		}
	}
	conn := p.conn
	go func() {
		for {
			f, err := conn.Recv()
			if err != nil {
				return
			}
			p.take(f)
		}
	}()
}

func (p *portal) send(f ...link.Frame) {
	if err := p.conn.Send(f...); err != nil && !errors.Is(err, link.ErrClosed) {
		p.t.Errorf("Send: %v", err)
	}
}

func (p *portal) take(f link.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch f := f.(type) {
	case *link.End:
		p.held = append(p.held, heldTurn{f, p.turn})
		p.turn = nil
		p.release()
	case *link.Committed:
		p.last = f.Commit
		p.release()
	case *link.Pong:
		p.pongs++
	case *link.Drained:
		p.drained = true
	case *link.Stalled:
		p.stalls = append(p.stalls, f.Text)
	case *link.Reply:
	case *link.Request:
		p.send(&link.Reply{ID: f.ID, Message: message.New("services").With("services", []any{
			map[string]any{"name": "telnet:4000", "address": "127.0.0.1:4000", "state": "running"},
		})})
	default:
		p.turn = append(p.turn, f)
	}
}

func (p *portal) release() {
	for len(p.held) > 0 && p.held[0].end.Commit <= p.last {
		h := p.held[0]
		p.held = p.held[1:]
		for _, f := range h.frames {
			p.apply(f)
		}
		for _, l := range h.end.Lines {
			c := p.seats[l.Session]
			if c == nil {
				continue
			}
			if l.N <= c.done {
				p.t.Errorf("session %d: line %d is processed twice", l.Session, l.N)
			}
			for c.done < l.N && len(c.log) > 0 {
				c.done++
				if _, ok := c.log[0].(*link.Close); ok {
					delete(p.seats, l.Session)
				}
				c.log = c.log[1:]
			}
		}
	}
}

func (p *portal) apply(f link.Frame) {
	switch f := f.(type) {
	case *link.Output:
		for _, i := range f.Sessions {
			c := p.seats[i]
			if c == nil {
				continue
			}
			text, ok := f.Message.ArgText(0)
			switch {
			case f.Message.Name == "text" && ok:
				c.out = append(c.out, text)
				if len(f.Message.Kwargs) > 0 {
					c.msgs = append(c.msgs, f.Message)
				}
			case f.Message.Name == "prompt":
				c.out = append(c.out, "?"+text)
			default:
				c.msgs = append(c.msgs, f.Message)
			}
			if c.taken && !p.settling { // a Seat says what is unread
				p.send(&link.Credit{Index: i, Bytes: uint64(len(text) + 1)}, &link.Credit{Bytes: uint64(len(text) + 1)})
			}
		}
	case *link.Question:
		c := p.seats[f.Session]
		if c == nil {
			return
		}
		if f.ID == (link.QuestionID{}) {
			c.question, c.hidden = f.ID, false
			return
		}
		c.out = append(c.out, "?"+f.Prompt)
		for _, l := range c.log {
			if in, ok := l.(*link.Input); ok && in.Question == f.ID {
				return // answered before it was asked again
			}
		}
		c.question, c.hidden = f.ID, f.Hidden
	case *link.Login:
		if c := p.seats[f.Session]; c != nil {
			c.login = f
		}
	case *link.Prefs:
		if c := p.seats[f.Session]; c != nil {
			c.prefs = f.Prefs
		}
	case *link.Disconnect:
		if c := p.seats[f.Session]; c != nil {
			c.gone = f.Reason
			c.closeLocked(f.Reason)
		}
	case *link.Action:
		p.actions = append(p.actions, f)
	default:
		p.t.Errorf("unexpected %T in a turn", f)
	}
}

// connect opens a session.
func (p *portal) connect() *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	c := &client{p: p, index: p.next, id: session.NewID(), taken: true, info: session.Info{Protocol: "test", Addr: fmt.Sprintf("10.0.0.%d:1", p.next)}}
	p.seats[c.index] = c
	if p.conn != nil {
		p.send(&link.Seat{Index: c.index, ID: c.id, Number: uint64(c.index), Info: c.info})
	}
	c.append(func(n uint64) link.Frame { return &link.Open{Index: c.index, N: n} })
	return c
}

func (c *client) append(f func(n uint64) link.Frame) {
	c.n++
	l := f(c.n)
	c.log = append(c.log, l)
	if c.p.conn != nil {
		c.p.send(l)
	}
}

// send gives a message to the game, stamped as the Portal stamps it.
func (c *client) send(m message.Message) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	q := c.question
	if m.Name == "text" {
		c.question, c.hidden = link.QuestionID{}, false
	} else {
		q = link.QuestionID{}
	}
	c.append(func(n uint64) link.Frame { return &link.Input{Index: c.index, N: n, Question: q, Message: m} })
}

func (c *client) typ(lines ...string) {
	for _, l := range lines {
		c.send(message.Text(l))
	}
}

// update passes on what has changed of the client.
func (c *client) update() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.append(func(n uint64) link.Frame { return &link.Update{Index: c.index, N: n, Info: c.info} })
}

func (c *client) close(reason string) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.closeLocked(reason)
}

func (c *client) closeLocked(reason string) {
	c.append(func(n uint64) link.Frame { return &link.Close{Index: c.index, N: n, Reason: reason} })
}

// read waits until the game has nothing to do and returns what the client was
// shown since the last read, one line each.
func (c *client) read() string {
	synctest.Wait()
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	s := strings.Join(c.out, "\n")
	c.out = nil
	return s
}

// A game runs Servers on one store, one after the other.
type game struct {
	t     *testing.T
	p     *portal
	disk  *memory.Disk
	store *memory.Store // the running Server's
	cfg   server.Config
	stop  context.CancelFunc
	ended chan error
	s     *server.Server // for Do
	log   *strings.Builder
}

// extra are commands that the tests add to the character's.
func newGame(t *testing.T, extra ...*command.Command) *game {
	g := &game{t: t, p: newPortal(t), disk: memory.NewDisk(), log: &strings.Builder{}}
	sets := append(builtin.Sets(), &command.CmdSet{Name: "extra", Commands: extra})
	g.cfg = server.Config{
		Dialer: g.p.l,
		Logger: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Game: server.Game{
			Name: "Test", CmdSets: sets, InputFuncs: ownInputs(), Screen: "WELCOME", FirstPerm: "Developer",
			Build: func(w *world.World) error {
				a, b := w.NewRoom("Anchorage"), w.NewRoom("Breakwater")
				w.NewExit("north", a, b, "n")
				w.NewExit("south", b, a, "s")
				w.NewObject("rope", a)
				if err := a.AddCmdSet("extra"); err != nil {
					return err
				}
				if err := b.AddCmdSet("extra"); err != nil {
					return err
				}
				w.SetStartRoom(a)
				return nil
			},
			Timers: map[string]world.TimerFunc{
				"ring": func(w *world.World, e world.Entity, args map[string]any) error {
					v, _ := e.Attr("rings")
					n, _ := v.(int64)
					e.(*world.Room).MsgContents("Ding.")
					return e.SetAttr("rings", n+1)
				},
				"break": func(w *world.World, e world.Entity, args map[string]any) error {
					e.(*world.Room).MsgContents("Crack.")
					e.SetAttr("broken", true)
					panic("the timer breaks")
				},
			},
		},
	}
	return g
}

// start runs a new Server until it is attached.
func (g *game) start() {
	g.t.Helper()
	g.store = g.disk.Open()
	cfg := g.cfg
	cfg.Store = g.store
	s, err := server.New(cfg)
	if err != nil {
		g.t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.s, g.stop, g.ended = s, cancel, make(chan error, 1)
	ended := g.ended
	go func() {
		err := s.Run(ctx)
		if err != nil && !errors.Is(err, server.ErrPortalLost) {
			g.t.Logf("Run = %v", err)
		}
		ended <- err
	}()
	g.p.attach()
	synctest.Wait()
}

// drain stops the Server in order.
func (g *game) drain(mode link.Mode) {
	g.t.Helper()
	g.p.send(&link.Drain{Mode: mode})
	if err := <-g.ended; err != nil {
		g.t.Errorf("Run = %v after Drain, want nil", err)
	}
	synctest.Wait()
	if !g.p.drained {
		g.t.Error("the Server ended without Drained")
	}
	g.stop()
}

// kill ends the Server as SIGKILL would: its link breaks, and what it has not
// committed is not there for the next one.
func (g *game) kill() {
	g.t.Helper()
	g.store.Close() // no commit from here on
	g.p.conn.Close()
	<-g.ended
	g.stop()
	synctest.Wait()
}

// end stops whatever runs, at the end of a bubble.
func (g *game) end() {
	g.stop()
	g.p.conn.Close()
	<-g.ended
	g.p.l.Close()
}

// login makes a client that is logged in as a new account of that name.
func (g *game) login(name string) *client {
	g.t.Helper()
	c := g.p.connect()
	c.typ("create " + name + " tern-on-a-post")
	out := c.read()
	if !strings.Contains(out, "Anchorage") {
		g.t.Fatalf("create %s: %q", name, out)
	}
	return c
}

func expect(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s: got %s, want it to have %q", what, short(got), w)
		}
	}
}

func refute(t *testing.T, what, got string, not ...string) {
	t.Helper()
	for _, w := range not {
		if strings.Contains(got, w) {
			t.Errorf("%s: got %s, which has %q", what, short(got), w)
		}
	}
}

func short(s string) string {
	if len(s) > 1000 {
		return fmt.Sprintf("%q … %q (%d bytes)", s[:300], s[len(s)-300:], len(s))
	}
	return fmt.Sprintf("%q", s)
}
