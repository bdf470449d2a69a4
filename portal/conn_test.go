package portal_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/portal"
)

// tcpPair returns both ends of a TCP connection; the first as a Conn.
func tcpPair(t *testing.T, l portal.Limits) (*portal.Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	nc := portal.NewConn(c, l)
	t.Cleanup(func() { nc.Close(); peer.Close() })
	return nc, peer
}

func TestConnDoesNotBlock(t *testing.T) {
	c, peer := tcpPair(t, portal.Limits{OutputBytes: 64 << 20})
	drained := make(chan struct{}, 1)
	c.OnDrained(func() { drained <- struct{}{} })
	// More than any socket buffer holds, while nobody reads.
	var want []byte
	for i := range 16 {
		part := bytes.Repeat([]byte{byte(i)}, 1<<20)
		want = append(want, part...)
		if n, err := c.Write(part); n != len(part) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if c.Queued() == 0 {
		t.Error("nothing is queued though nobody reads")
	}
	c.CloseAfterFlush(time.Minute)
	if _, err := c.Write([]byte("more")); err == nil {
		t.Error("Write after CloseAfterFlush = nil")
	}
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the peer read %d bytes and %v, want %d as they were written", len(got), err, len(want))
	}
	<-drained
	if n := c.Queued(); n != 0 {
		t.Errorf("Queued = %d after all was read", n)
	}
}

func TestConnKeepsAFarewellThatCrossesInput(t *testing.T) {
	c, peer := tcpPair(t, portal.Limits{})
	// Unread input would make a plain Close send a reset.
	if _, err := peer.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "Goodbye.")
	c.CloseAfterFlush(time.Minute)
	if got, err := io.ReadAll(peer); string(got) != "Goodbye." || err != nil {
		t.Errorf("the peer read %q, %v", got, err)
	}
}

func TestConnEndsSlowClients(t *testing.T) {
	t.Run("too much", func(t *testing.T) {
		c, _ := tcpPair(t, portal.Limits{OutputBytes: 1 << 20})
		var err error
		for range 1000 {
			if _, err = c.Write(make([]byte, 100<<10)); err != nil {
				break
			}
		}
		if !errors.Is(err, portal.ErrSlowClient) || !errors.Is(c.Err(), portal.ErrSlowClient) {
			t.Errorf("Write = %v, Err = %v; want ErrSlowClient", err, c.Err())
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
	})
	t.Run("stalled", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			a, peer := net.Pipe()
			defer peer.Close()
			c := portal.NewConn(a, portal.Limits{})
			c.Write([]byte("hello"))
			sleep(59 * time.Second)
			if c.Err() != nil {
				t.Fatalf("closed before its time: %v", c.Err())
			}
			sleep(2 * time.Second)
			if !errors.Is(c.Err(), portal.ErrSlowClient) {
				t.Errorf("Err = %v, want ErrSlowClient", c.Err())
			}
		})
	})
	t.Run("slow but moving", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			a, peer := net.Pipe()
			defer peer.Close()
			c := portal.NewConn(a, portal.Limits{})
			want := strings.Repeat("x", 20)
			c.Write([]byte(want))
			got := make([]byte, 0, 20)
			for range want {
				sleep(45 * time.Second)
				b := make([]byte, 1)
				if _, err := peer.Read(b); err != nil {
					t.Fatalf("after %d bytes: %v, %v", len(got), err, c.Err())
				}
				got = append(got, b...)
			}
			synctest.Wait()
			if string(got) != want || c.Err() != nil || c.Queued() != 0 {
				t.Errorf("read %q, Err = %v, Queued = %d", got, c.Err(), c.Queued())
			}
			c.Close()
		})
	})
	t.Run("closed while it flushes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			a, peer := net.Pipe()
			defer peer.Close()
			c := portal.NewConn(a, portal.Limits{WriteStall: -1})
			c.Write([]byte("hello"))
			c.CloseAfterFlush(3 * time.Second)
			sleep(2 * time.Second)
			if c.Err() != nil {
				t.Errorf("Err = %v before the time-out", c.Err())
			}
			sleep(2 * time.Second)
			if !errors.Is(c.Err(), net.ErrClosed) {
				t.Errorf("Err = %v, want net.ErrClosed", c.Err())
			}
		})
	})
}

// A client that takes nothing is closed, its session ends, and the others do
// not notice.
func TestSlowClientIsDisconnected(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newMemListener()
		b := newBench(t, func(c *portal.Config) { c.Limits.OutputBytes = 10 << 10 })
		if err := b.p.AddService(portal.ListenOn("line", l, lineProtocol{})); err != nil {
			t.Fatal(err)
		}
		b.run()
		l.dial(t) // never reads
		synctest.Wait()
		_, good := b.connect()
		srv := b.attach(1, 0)
		srv.take()
		for range 11 {
			srv.send(text(strings.Repeat("x", 1<<10-1), 1, 2), end(0))
		}
		if got := good.take(); len(got) != 11 {
			t.Errorf("the other client got %d lines, want 11", len(got))
		}
		if got := srv.take(); !slices.Contains(got, "close 1:2 client too slow") {
			t.Errorf("the Server got %q, want the close of session 1", got)
		}
	})
}

// A client that is no Queuer is behind as far as the Conn of its context is.
func TestUnreadFollowsTheConn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newMemListener()
		b := newBench(t, nil)
		if err := b.p.AddService(portal.ListenOn("line", l, lineProtocol{})); err != nil {
			t.Fatal(err)
		}
		b.run()
		c := l.dial(t)
		srv := b.attach(1, 0)
		srv.take()
		for range 5 {
			srv.send(text(strings.Repeat("x", 1<<10-1), 1), end(0))
		}
		srv.want() // nobody reads
		if _, err := io.ReadFull(c, make([]byte, 5*(1<<10+1))); err != nil {
			t.Fatal(err)
		}
		srv.want("credit 1 5120")
	})
}
