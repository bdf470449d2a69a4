package portal_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"mudlark.dev/link/pipe"
	"mudlark.dev/portal"
)

// runOverTCP runs a Portal with that service and returns its address.
func runOverTCP(t testing.TB, l portal.Limits, s portal.Service) string {
	t.Helper()
	started := make(chan portal.Status, 1)
	p, err := portal.New(portal.Config{
		Listener: pipe.Listen(), Hang: -1, Logger: slog.New(slog.DiscardHandler), Limits: l,
		OnStarted: func(st portal.Status) { started <- st },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AddService(s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	st := (<-started).Services[0]
	if st.State != portal.StateRunning {
		t.Fatalf("the service is %+v", st)
	}
	return st.Addr
}

// More than a socket takes is kept and arrives as it was written, up to the
// farewell; a client that does not read is ended at the bound.
func TestTLSOverTCP(t *testing.T) {
	cert, pool := newCertificate(t)
	conns := make(chan *portal.Conn, 1)
	pr := &protocol{serve: func(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
		conns <- c
		_, err := io.Copy(io.Discard, c)
		return err
	}}
	const bound = 7 << 20
	addr := runOverTCP(t, portal.Limits{OutputBytes: bound}, portal.ListenTLS("line", "127.0.0.1:0", pr, &tls.Config{Certificates: []tls.Certificate{cert}}))
	dial := func() (*portal.Conn, *tls.Conn) {
		t.Helper()
		raw, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { raw.Close() })
		client := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "tide.example"})
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		return <-conns, client
	}
	c, client := dial()
	var want []byte
	for i := range 6 {
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
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the client read %d bytes and %v, want %d as they were written", len(got), err, len(want))
	}

	c, _ = dial()
	var err error
	written := 0
	for err == nil && written < 10*bound {
		var n int
		n, err = c.Write(make([]byte, 1<<20))
		written += n
		if n := c.Queued(); n > bound {
			t.Fatalf("%d bytes are queued", n)
		}
	}
	if !errors.Is(err, portal.ErrSlowClient) {
		t.Errorf("Write = %v after %d bytes, want ErrSlowClient", err, written)
	}
}

// BenchmarkIdleConnection reports the memory of a connection that nothing is
// said on: in heap-B and stack-B, of the Portal's side alone.
func BenchmarkIdleConnection(b *testing.B) {
	cert, pool := newCertificate(b)
	pr := &protocol{serve: func(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
		_, err := c.Read(make([]byte, 4<<10))
		return err
	}}
	off := portal.Limits{ConnectionsPerSecond: -1, ConnectionsPerAddress: -1}
	for _, bb := range []struct {
		name   string
		s      portal.Service
		secure bool
	}{
		{"plain", portal.Listen("line", "127.0.0.1:0", pr), false},
		{"TLS", portal.ListenTLS("line", "127.0.0.1:0", pr, &tls.Config{Certificates: []tls.Certificate{cert}}), true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			addr := runOverTCP(b, off, bb.s)
			var before, after runtime.MemStats
			measure := func(m *runtime.MemStats) {
				for range 4 { // stacks shrink by and by
					runtime.GC()
				}
				runtime.ReadMemStats(m)
			}
			const conns = 500
			for b.Loop() {
				measure(&before)
				var open []net.Conn
				for range conns {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						b.Fatal(err)
					}
					if bb.secure {
						// The client's part is garbage afterwards.
						if err := tls.Client(c, &tls.Config{RootCAs: pool, ServerName: "tide.example"}).Handshake(); err != nil {
							b.Fatal(err)
						}
					}
					open = append(open, c)
				}
				measure(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/conns, "heap-B/conn")
				b.ReportMetric(float64(after.StackInuse-before.StackInuse)/conns, "stack-B/conn")
				for _, c := range open {
					c.Close()
				}
			}
		})
	}
}
