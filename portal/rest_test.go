package portal_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"mudlark.dev/link/pipe"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// A restProtocol answers what it reads with as much, and rests after each answer.
// It tells of each goroutine that has begun, and of ends.
type restProtocol struct {
	begun chan string
	ended chan error
	conns chan *portal.Conn
}

func (restProtocol) Key() string { return "rest" }

func (r restProtocol) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	if _, err := p.Connect(ctx, &lineClient{c}, session.Info{Protocol: "rest"}); err != nil {
		return err
	}
	r.conns <- c
	return r.serve(ctx, c, "ServeConn")
}

func (r restProtocol) serve(ctx context.Context, c *portal.Conn, who string) error {
	r.begun <- who
	var in []byte
	err := c.Receive(func(b []byte) { in = bytes.Clone(b) })
	switch {
	case string(in) == "panic\n":
		r.ended <- nil
		panic("as told")
	case err == nil:
		c.Write(in)
	case !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil:
		r.ended <- err
		return nil
	default:
		c.SetReadDeadline(time.Time{})
	}
	return &portal.RestError{Resume: func(ctx context.Context) error { return r.serve(ctx, c, "Resume") }}
}

// Connections rest, over real sockets and over pipes, and are wakened by whatever
// there is to do.
func TestRest(t *testing.T) {
	for _, sockets := range []bool{true, false} {
		t.Run(map[bool]string{true: "sockets", false: "pipes"}[sockets], func(t *testing.T) {
			t.Parallel()
			r := restProtocol{make(chan string, 10), make(chan error, 10), make(chan *portal.Conn, 10)}
			started := make(chan portal.Status, 1)
			p, err := portal.New(portal.Config{
				Listener: pipe.Listen(), Hang: -1, Logger: slog.New(slog.DiscardHandler),
				OnStarted: func(st portal.Status) { started <- st },
			})
			if err != nil {
				t.Fatal(err)
			}
			mem := newMemListener()
			service := portal.ListenOn("rest", mem, r)
			if sockets {
				service = portal.Listen("rest", "127.0.0.1:0", r)
			}
			if err := p.AddService(service); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			addr := (<-started).Services[0].Addr
			dial := func() (net.Conn, *bufio.Reader, *portal.Conn) {
				var c net.Conn
				if sockets {
					if c, err = net.Dial("tcp", addr); err != nil {
						t.Fatal(err)
					}
				} else {
					c = mem.dial(t)
				}
				t.Cleanup(func() { c.Close() })
				nc := <-r.conns
				in := bufio.NewReader(c)
				if who := <-r.begun; who != "ServeConn" {
					t.Errorf("%s has begun, want ServeConn", who)
				}
				return c, in, nc
			}
			resumed := func(why string) {
				t.Helper()
				if who := <-r.begun; who != "Resume" {
					t.Errorf("%s: %s has begun, want Resume", why, who)
				}
			}
			ended := func(why string) {
				t.Helper()
				if sockets { // on a pipe Resume waits already
					resumed(why)
				}
				<-r.ended
			}
			say := func(c net.Conn, in *bufio.Reader, text string) {
				t.Helper()
				if _, err := io.WriteString(c, text+"\n"); err != nil {
					t.Fatal(err)
				}
				for { // it is told as well that the game starts
					line, err := in.ReadString('\n')
					if err != nil {
						t.Fatalf("%s: %v", text, err)
					}
					if strings.TrimSpace(line) == text {
						return
					}
				}
			}

			// Only what comes wakes it, each time.
			c, in, nc := dial()
			say(c, in, "one")
			if !sockets {
				resumed("the rest of a pipe")
			}
			for _, text := range []string{"two", "three"} {
				say(c, in, text)
				resumed(text)
			}
			nc.SetReadDeadline(time.Unix(1, 0))
			resumed("a read deadline")
			say(c, in, "four")
			resumed("four")
			c.Close()
			ended("the client's end")

			c, in, nc = dial()
			say(c, in, "one")
			if !sockets {
				resumed("the rest of a pipe")
			}
			nc.Close()
			ended("our Close")

			c, in, _ = dial()
			say(c, in, "one")
			if !sockets {
				resumed("the rest of a pipe")
			}
			io.WriteString(c, "panic\n")
			ended("a panic")

			c, in, _ = dial()
			say(c, in, "one")
			if !sockets {
				resumed("the rest of a pipe")
			}
			go io.Copy(io.Discard, in)
			p.Shutdown("See you.")
			if sockets {
				c.(*net.TCPConn).CloseWrite()
			} else {
				c.Close()
			}
			ended("the Portal's end")
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
}
