package portal_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mudlark.dev/link/pipe"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// A sharedProtocol writes back what it reads, and rests after each piece. Some words
// have it do something else.
type sharedProtocol struct {
	conns   chan *portal.Conn
	ended   chan error
	blocked chan struct{} // an element for each that waits for release
	release chan struct{}
	large   string
	never   atomic.Bool // a connection could not rest
}

func (*sharedProtocol) Key() string { return "shared" }

func (r *sharedProtocol) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	if _, err := p.Connect(ctx, &lineClient{c}, session.Info{Protocol: "shared"}); err != nil {
		return err
	}
	r.conns <- c
	return r.rest(c)
}

func (r *sharedProtocol) rest(c *portal.Conn) error {
	if !c.Rests() {
		r.never.Store(true)
	}
	return &portal.RestError{Shared: true, Resume: func(ctx context.Context) error { return r.resume(ctx, c) }}
}

func (r *sharedProtocol) resume(ctx context.Context, c *portal.Conn) error {
	if !c.Rests() {
		r.never.Store(true)
	}
	var in string
	_, err := c.TryReceive(func(b []byte) { in = string(b) })
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
		r.ended <- err
		return nil
	}
	switch strings.TrimSpace(in) {
	case "block":
		c.Own()
		r.blocked <- struct{}{}
		<-r.release
	case "panic":
		r.ended <- nil
		panic("as told")
	case "goexit":
		r.ended <- nil
		runtime.Goexit()
	case "large":
		in = r.large
	case "receive": // waits where others would be served
		err := c.Receive(func(b []byte) { in = string(b) })
		if err != nil {
			r.ended <- err
			return nil
		}
	case "bye":
		c.Write([]byte("Goodbye.\n"))
		r.ended <- nil
		return nil
	}
	c.Write([]byte(in))
	return r.rest(c)
}

// start runs a Portal with a service of r until the test is over.
func (r *sharedProtocol) start(t *testing.T) (p *portal.Portal, addr string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("connections that rest keep a goroutine on this system")
	}
	*r = sharedProtocol{
		conns: make(chan *portal.Conn, 100), ended: make(chan error, 100),
		blocked: make(chan struct{}), release: make(chan struct{}),
		large: strings.Repeat("The tide comes in over the flats.\n", 1<<18) + "end\n", // 8.5 MiB: no socket takes it at once
	}
	started := make(chan portal.Status, 1)
	p, err := portal.New(portal.Config{
		Listener: pipe.Listen(), Hang: -1, Logger: slog.New(slog.DiscardHandler), Limits: portal.Limits{OutputBytes: -1},
		OnStarted: func(st portal.Status) { started <- st },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AddService(portal.Listen("shared", "127.0.0.1:0", r)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		if r.never.Load() {
			t.Error("a connection could not rest")
		}
	})
	return p, (<-started).Services[0].Addr
}

// A sharedClient is at the other end.
type sharedClient struct {
	*net.TCPConn
	t  *testing.T
	in *bufio.Reader
	nc *portal.Conn // at the Portal
}

func (r *sharedProtocol) dial(t *testing.T, addr string) *sharedClient {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return &sharedClient{c.(*net.TCPConn), t, bufio.NewReader(c), <-r.conns}
}

func (c *sharedClient) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// hear waits for a line; the notices of the Portal are passed over.
func (c *sharedClient) hear(want string) {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", want, err)
		}
		if strings.TrimSpace(line) == want {
			return
		}
	}
}

// What waits has a goroutine of its own, so that the others are served: in a Resume
// that has called Own, in Receive, and where one has ended.
func TestPollerServesOthers(t *testing.T) {
	t.Parallel()
	r := new(sharedProtocol)
	_, addr := r.start(t)
	a, b := r.dial(t, addr), r.dial(t, addr)
	served := func(why string) {
		t.Helper()
		for _, text := range []string{"one", "two"} {
			b.say(text + why)
			b.hear(text + why)
		}
	}
	served("")
	a.say("block")
	<-r.blocked
	served(" while another waits")
	r.release <- struct{}{}
	a.hear("block")
	a.say("receive")
	served(" while another receives")
	a.say("three")
	a.hear("three")
	for _, end := range []string{"panic", "goexit", "bye"} {
		c := r.dial(t, addr)
		c.say(end)
		<-r.ended
		served(" after " + end)
		if _, err := io.Copy(io.Discard, c.in); err != nil {
			t.Errorf("after %s: %v", end, err)
		}
	}
	a.say("four")
	a.hear("four")
}

// Nothing is overlooked, whatever comes together: more than one read takes, an end
// behind what comes, and what comes while the connection changes hands.
func TestPollerOverlooksNothing(t *testing.T) {
	t.Parallel()
	r := new(sharedProtocol)
	_, addr := r.start(t)

	c := r.dial(t, addr)
	long := strings.Repeat("a very long line ", 2000)
	go io.WriteString(c, long+"\n")
	c.hear(strings.TrimSpace(long))

	// By pieces, quick and slow: it goes from one poller to the other and back.
	for i := range 60 {
		text := strings.Repeat("x", i+1)
		c.say(text)
		c.hear(text)
		if i%20 == 10 {
			time.Sleep(550 * time.Millisecond)
		}
	}

	for range 50 {
		c := r.dial(t, addr)
		c.say("last words")
		c.CloseWrite()
		c.hear("last words")
		if err := <-r.ended; !errors.Is(err, io.EOF) {
			t.Fatalf("at the client's end Resume was told %v", err)
		}
	}
	c.nc.SetReadDeadline(time.Unix(1, 0)) // back to package net, and to rest again
	c.nc.SetReadDeadline(time.Time{})
	c.say("and on")
	c.hear("and on")
	c.SetLinger(0)
	c.Close() // a reset
	if err := <-r.ended; err == nil {
		t.Error("after a reset Resume was told of no error")
	}
}

// A client that does not take what it is sent gets all of it when it does, and is
// heard before and after.
func TestPollerSlowClient(t *testing.T) {
	t.Parallel()
	r := new(sharedProtocol)
	_, addr := r.start(t)
	c := r.dial(t, addr)
	c.say("hello")
	c.hear("hello")
	c.say("large")
	for c.nc.Queued() == 0 {
		time.Sleep(time.Millisecond)
	}
	c.say("block") // it is read while it does not read
	<-r.blocked
	r.release <- struct{}{}
	n := 0
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "end\n" {
			break
		}
		n++
	}
	if want := strings.Count(r.large, "\n") - 1; n < want {
		t.Errorf("%d lines came, want %d", n, want)
	}
	c.hear("block")
	c.say("again")
	c.hear("again")
}

// What ends a connection from our side ends its rest.
func TestPollerEnds(t *testing.T) {
	t.Parallel()
	r := new(sharedProtocol)
	p, addr := r.start(t)

	c := r.dial(t, addr)
	c.say("one")
	c.hear("one")
	c.nc.Close()
	if err := <-r.ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close Resume was told %v", err)
	}
	if _, err := io.Copy(io.Discard, c.in); err != nil {
		t.Errorf("after Close: %v", err)
	}
	if _, err := c.nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close = %v", err)
	}

	c = r.dial(t, addr)
	c.say("one")
	c.hear("one")
	c.nc.Write([]byte("farewell\n"))
	c.nc.CloseAfterFlush(time.Minute)
	c.hear("farewell")
	if _, err := io.Copy(io.Discard, c.in); err != nil {
		t.Errorf("after CloseAfterFlush: %v", err)
	}
	c.Close()
	if err := <-r.ended; !errors.Is(err, io.EOF) {
		t.Errorf("after CloseAfterFlush Resume was told %v", err)
	}

	for range 10 {
		c = r.dial(t, addr)
		c.say("one")
		c.hear("one")
		go io.Copy(io.Discard, c.in)
	}
	p.Shutdown("See you.")
	for range 10 {
		<-r.ended
	}
}
