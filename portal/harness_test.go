package portal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// A bench is a Portal that runs in a bubble, where Servers attach by a pipe.
type bench struct {
	t    *testing.T
	p    *portal.Portal
	l    *pipe.Listener
	log  *logBuffer
	stop context.CancelFunc
	done chan error
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newBench runs a Portal until the test ends. Change may be nil.
func newBench(t *testing.T, change func(*portal.Config)) *bench {
	t.Helper()
	b := &bench{t: t, l: pipe.Listen(), log: &logBuffer{}, done: make(chan error, 1)}
	cfg := portal.Config{
		Name: "porch", Game: "tide", Epoch: 3, Listener: b.l, Hang: -1,
		Limits: portal.Limits{MessagesPerSecond: -1},
		Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	p, err := portal.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.p = p
	return b
}

func (b *bench) run() *bench {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.done <- b.p.Run(ctx) }()
	b.t.Cleanup(func() {
		stop()
		if err := <-b.done; err != nil {
			b.t.Errorf("Run = %v", err)
		}
		if b.t.Failed() {
			b.t.Log(b.log)
		}
	})
	synctest.Wait()
	return b
}

func startBench(t *testing.T, change func(*portal.Config)) *bench {
	t.Helper()
	return newBench(t, change).run()
}

// A client is a portal.Client that records what is written to it.
type client struct {
	mu      sync.Mutex
	b       strings.Builder
	closed  []string
	queued  int    // what Queued says
	drain   func() // as given by OnDrained
	texts   *atomic.Int64
	onWrite func() // called once, before the next Write
	fail    string // AppendText: "error" or "panic"
	hidden  int    // hidden questions minus answers
	logins  []string
}

func (c *client) Write(p []byte) (int, error) {
	if f := c.onWrite; f != nil {
		c.onWrite = nil
		f()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *client) AppendText(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	if c.texts != nil {
		c.texts.Add(1)
	}
	switch c.fail {
	case "error":
		return dst, errors.New("no ink")
	case "panic":
		panic("no paper")
	}
	return fmt.Appendf(dst, "%s\n", text), nil
}

func (c *client) AppendPrompt(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	return fmt.Appendf(dst, "prompt %s\n", text), nil
}

func (c *client) AppendDefault(dst []byte, m message.Message, caps session.Caps, o message.Options) ([]byte, error) {
	return fmt.Appendf(dst, "%s%v\n", m.Name, m.Args), nil
}

func (c *client) OutputFuncs() map[string]portal.OutputFunc {
	return map[string]portal.OutputFunc{
		"Bell": func(dst []byte, m message.Message, caps session.Caps, o message.Options) ([]byte, error) {
			return append(dst, "ding\n"...), nil
		},
		"boom": func([]byte, message.Message, session.Caps, message.Options) ([]byte, error) { panic("boom") },
	}
}

func (c *client) AppendQuestion(dst []byte, prompt string, hidden bool, caps session.Caps) ([]byte, error) {
	if hidden {
		c.hidden++
	}
	return fmt.Appendf(dst, "ask %s hidden=%v\n", prompt, hidden), nil
}

func (c *client) AppendAnswered(dst []byte) []byte {
	c.hidden--
	return append(dst, "answered\n"...)
}

func (c *client) AtLogin(account, puppet string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logins = append(c.logins, account+"/"+puppet)
}

func (c *client) Close(reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, reason)
	return nil
}

func (c *client) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

func (c *client) OnDrained(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drain = f
}

func (c *client) setQueued(n int) {
	c.mu.Lock()
	c.queued = n
	drain := c.drain
	c.mu.Unlock()
	if n == 0 {
		drain()
	}
}

// take returns what was written since the last call, a line an element.
func (c *client) take() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := strings.TrimSuffix(c.b.String(), "\n")
	c.b.Reset()
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func (c *client) reasons() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.closed)
}

func (b *bench) connect() (*portal.Session, *client) {
	b.t.Helper()
	c := &client{}
	s, err := b.p.Connect(b.t.Context(), c, session.Info{Protocol: "test", Addr: "192.0.2.1:99"})
	if err != nil {
		b.t.Fatal(err)
	}
	return s, c
}

func say(t *testing.T, s *portal.Session, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := s.TryDataIn(message.Text(text)); err != nil {
			t.Fatalf("TryDataIn(%q) = %v", text, err)
		}
	}
}

// A server is a scripted Server: it attaches, collects what the Portal sends,
// and sends what the test says.
type server struct {
	t    *testing.T
	conn *link.Conn
	mute atomic.Bool // answers no Ping
	stay atomic.Bool // does not end at Drain

	then *link.ServerHello // what it says after Go

	mu     sync.Mutex
	frames []string
	ended  chan struct{}
}

func hello(epoch, commit uint64) *link.ServerHello {
	return &link.ServerHello{Version: link.Version, Server: "server", Epoch: epoch, Commit: commit}
}

func dialServer(t *testing.T, l *pipe.Listener, h *link.ServerHello) *server {
	t.Helper()
	tr, err := l.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, conn: link.New(tr, link.Config{}), ended: make(chan struct{})}
	s.send(h)
	go s.read()
	return s
}

// readyServer is a Server that has loaded, and takes over when it is told to.
func readyServer(t *testing.T, l *pipe.Listener, then *link.ServerHello) *server {
	t.Helper()
	tr, err := l.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, conn: link.New(tr, link.Config{}), then: then, ended: make(chan struct{})}
	s.send(hello(0, 0))
	go s.read()
	return s
}

// attach attaches a Server for the rest of the test, unless it is killed.
func (b *bench) attach(epoch, commit uint64) *server {
	b.t.Helper()
	s := dialServer(b.t, b.l, hello(epoch, commit))
	b.t.Cleanup(s.kill)
	synctest.Wait()
	return s
}

func (s *server) read() {
	defer close(s.ended)
	for {
		f, err := s.conn.Recv()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *link.Ping:
			if !s.mute.Load() {
				s.conn.Send(&link.Pong{Seq: f.Seq})
			}
			continue
		case *link.Go:
			if s.then != nil {
				s.then.Mode = f.Mode
				s.conn.Send(s.then)
				continue
			}
		case *link.Request:
			if f.Message.Name == "status" {
				s.conn.Send(&link.Reply{ID: f.ID, Message: message.New("status", "fine")})
			} else {
				s.conn.Send(&link.Reply{ID: f.ID, Err: "unknown", Message: f.Message})
			}
			continue
		}
		s.mu.Lock()
		s.frames = append(s.frames, show(f))
		s.mu.Unlock()
		if _, ok := f.(*link.Drain); ok && !s.stay.Load() {
			s.conn.Send(&link.Drained{})
			s.conn.Flush()
			s.conn.Close()
		}
	}
}

// kill cuts the link as the end of its process does.
func (s *server) kill() {
	s.conn.Flush()
	s.conn.Close()
	<-s.ended
	synctest.Wait()
}

func (s *server) send(frames ...link.Frame) {
	s.t.Helper()
	if err := s.conn.Send(frames...); err != nil {
		s.t.Fatalf("send: %v", err)
	}
}

// take returns what arrived since the last call.
func (s *server) take() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.frames
	s.frames = nil
	return f
}

func (s *server) want(want ...string) {
	s.t.Helper()
	if got := s.take(); !slices.Equal(got, want) {
		s.t.Errorf("the Server got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func wantLines(t *testing.T, c *client, want ...string) {
	t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		t.Errorf("the client got %q, want %q", got, want)
	}
}

func show(f link.Frame) string {
	q := func(id link.QuestionID) string {
		if id == (link.QuestionID{}) {
			return ""
		}
		return fmt.Sprintf(" q%d.%d", id.Line, id.K)
	}
	switch f := f.(type) {
	case *link.PortalHello:
		return fmt.Sprintf("hello %s %s %d", f.Portal, f.Game, f.Epoch)
	case *link.Seat:
		return fmt.Sprintf("seat %d #%d p%d u%d%s", f.Index, f.Number, f.Processed, f.Unread, q(f.Question))
	case *link.Synced:
		return "synced"
	case *link.Open:
		return fmt.Sprintf("open %d:%d", f.Index, f.N)
	case *link.Input:
		text, _ := f.Message.ArgText(0)
		return fmt.Sprintf("input %d:%d%s %s", f.Index, f.N, q(f.Question), text)
	case *link.Update:
		return fmt.Sprintf("update %d:%d width %d", f.Index, f.N, f.Info.Width)
	case *link.Close:
		return fmt.Sprintf("close %d:%d %s", f.Index, f.N, f.Reason)
	case *link.Credit:
		return fmt.Sprintf("credit %d %d", f.Index, f.Bytes)
	case *link.Aside:
		return fmt.Sprintf("aside %v", f.Unit)
	case *link.Drain:
		return fmt.Sprintf("drain %v %s", f.Mode, f.Reason)
	case *link.Go:
		return fmt.Sprintf("go %v", f.Mode)
	case *link.Refuse:
		return fmt.Sprintf("refuse %s", f.Reason)
	}
	return fmt.Sprintf("%T", f)
}

// end is an End whose lines are pairs of a session and a line.
func end(commit uint64, lines ...uint64) *link.End {
	e := &link.End{Commit: commit}
	for i := 0; i < len(lines); i += 2 {
		e.Lines = append(e.Lines, link.Line{Session: link.Index(lines[i]), N: lines[i+1]})
	}
	return e
}

func text(s string, to ...link.Index) *link.Output {
	return &link.Output{Sessions: to, Message: message.Text(s)}
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
