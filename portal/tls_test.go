package portal_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/portal"
)

// newCertificate returns a certificate of its own for "tide.example", and who
// trusts it. It is valid on the clock of a bubble, too.
func newCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tide"}, DNSNames: []string{"tide.example"},
		NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// A tlsBench is a bench with the service "lines:4443" in memory.
type tlsBench struct {
	*bench
	l      *memListener
	cert   tls.Certificate
	client *tls.Config
}

// newTLSBench makes one whose connections pr serves; changes may be nil.
func newTLSBench(t *testing.T, pr portal.Protocol, change func(*portal.Config), changeTLS func(*tls.Config)) *tlsBench {
	t.Helper()
	cert, pool := newCertificate(t)
	l := newMemListener()
	b := newBench(t, func(c *portal.Config) {
		c.ListenFunc = func(string, string) (net.Listener, error) { return l, nil }
		if change != nil {
			change(c)
		}
	})
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}}
	if changeTLS != nil {
		changeTLS(cfg)
	}
	if err := b.p.AddService(portal.ListenTLS("line", "127.0.0.1:4443", pr, cfg)); err != nil {
		t.Fatal(err)
	}
	b.run()
	return &tlsBench{bench: b, l: l, cert: cert, client: &tls.Config{RootCAs: pool, ServerName: "tide.example"}}
}

// dial connects with TLS, as a player.
func (b *tlsBench) dial() *tls.Conn {
	b.t.Helper()
	c := tls.Client(b.l.dialFrom(b.t, "192.0.2.1:99"), b.client)
	if err := c.Handshake(); err != nil {
		b.t.Fatalf("handshake: %v", err)
	}
	return c
}

// A watched protocol is a lineProtocol that tells of its connections.
type watched struct {
	lineProtocol
	conns chan *portal.Conn
}

func (w watched) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	w.conns <- c
	return w.lineProtocol.ServeConn(ctx, c, p)
}

func TestTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr := watched{conns: make(chan *portal.Conn, 1)}
		b := newTLSBench(t, pr, nil, nil)
		if st := b.p.Status().Services[0]; st.Name != "lines:4443" || st.State != portal.StateRunning {
			t.Errorf("the service is %+v", st)
		}
		srv := b.attach(1, 0)
		srv.take()
		c := b.dial()
		if st := (<-pr.conns).TLS(); st == nil || !st.HandshakeComplete || st.Version != tls.VersionTLS13 {
			t.Errorf("TLS = %+v", st)
		}
		r := bufio.NewReader(c)
		io.WriteString(c, "hello\n")
		srv.want("seat 1 #1 p0 u0", "open 1:1", "input 1:2 hello")
		srv.send(text("well met", 1), end(0))
		if got, err := r.ReadString('\n'); got != "well met\r\n" {
			t.Errorf("read %q, %v", got, err)
		}
		// What is longer than a record.
		long := strings.Repeat("x", 100<<10)
		srv.send(text(long, 1), end(0))
		if got, err := r.ReadString('\n'); got != long+"\r\n" {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		io.WriteString(c, "quit\n")
		if got, err := io.ReadAll(r); string(got) != "Bye.\r\n" || err != nil {
			t.Errorf("read %q, %v; want the farewell and the end", got, err)
		}
		if c := portal.NewConn(b.l.dial(t), portal.Limits{}); c.TLS() != nil {
			t.Error("a plain Conn has TLS")
		}
	})
}

// The key is the protocol's in all but the service's name.
func TestListenTLSNames(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:4443":    "telnets:4443",
		":4443":             "telnets:4443",
		"192.0.2.7:4443":    "telnets:192.0.2.7:4443",
		"[2001:db8::]:4443": "telnets:[2001:db8::]:4443",
	} {
		if got := portal.ListenTLS("telnet", addr, lineProtocol{}, nil).Name(); got != want {
			t.Errorf("ListenTLS at %s has name %q, want %q", addr, got, want)
		}
	}
}

func TestTLSVersions(t *testing.T) {
	for _, tc := range []struct {
		server, client uint16
		ok             bool
	}{
		{0, tls.VersionTLS11, false},
		{tls.VersionTLS10, tls.VersionTLS11, false},
		{0, tls.VersionTLS12, true},
		{tls.VersionTLS13, tls.VersionTLS12, false},
		{tls.VersionTLS13, tls.VersionTLS13, true},
	} {
		bubble(t, func(t *testing.T) {
			b := newTLSBench(t, lineProtocol{}, nil, func(c *tls.Config) { c.MinVersion = tc.server })
			b.client.MinVersion, b.client.MaxVersion = tls.VersionTLS10, tc.client
			c := tls.Client(b.l.dial(t), b.client)
			if err := c.Handshake(); (err == nil) != tc.ok {
				t.Errorf("at least %x, the client speaks %x: handshake = %v", tc.server, tc.client, err)
			}
			go io.Copy(io.Discard, c)
			synctest.Wait()
			if got := strings.Contains(b.log.String(), `level=DEBUG msg="tls handshake failed"`); got == tc.ok {
				t.Errorf("at least %x, the client speaks %x: the log is\n%s", tc.server, tc.client, b.log)
			}
		})
	}
}

// clientHello returns what a client of TLS sends first.
func clientHello(t *testing.T, cfg *tls.Config) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go func() {
		tls.Client(a, cfg).Handshake()
		a.Close()
	}()
	buf := make([]byte, 4<<10)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

func TestTLSBadClients(t *testing.T) {
	const plain = "This port takes encrypted connections only. Please switch on TLS (or SSL) in your client.\r\n"
	hello := clientHello(t, &tls.Config{InsecureSkipVerify: true})
	wrong := slices.Clone(hello)
	copy(wrong[9:], bytes.Repeat([]byte{0xee}, 40)) // version and random of the ClientHello
	for _, tc := range []struct {
		name  string
		send  string
		after time.Duration
		want  string // exactly; "*" for whatever is no plain text
	}{
		{"silent", "", 10 * time.Second, plain},
		{"typing", "look at the lantern\r\n", 0, plain},
		{"short typing", "hi\r\n", 10 * time.Second, plain},
		{"telnet", "\xff\xfb\x1f\xff\xfb\x18", 0, plain},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, plain},
		{"SSH", "SSH-2.0-OpenSSH_9.9\r\n", 0, plain},
		{"a PROXY header of somebody", header, 0, plain},
		{"SSL 2", "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 0, "*"},
		{"a record's header", string(hello[:5]), 10 * time.Second, "*"},
		{"half a ClientHello", string(hello[:len(hello)/2]), 10 * time.Second, "*"},
		{"a ClientHello and no more", string(hello), 10 * time.Second, "*"},
		{"a ClientHello that is none", string(wrong), 0, "*"},
		{"a record that is too long", "\x16\x03\x01\xff\xff" + strings.Repeat("x", 100), 0, "*"},
		{"application data", "\x17\x03\x03\x00\x05hello", 0, plain},
		{"an alert", "\x15\x03\x03\x00\x02\x02\x28", 0, "*"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newTLSBench(t, lineProtocol{}, nil, nil)
				c := b.l.dialFrom(t, "192.0.2.1:99")
				begun := time.Now()
				go io.WriteString(c, tc.send)
				got, err := io.ReadAll(c)
				if took := time.Since(begun); took != tc.after || err != nil {
					t.Errorf("closed after %v with %v, want %v", took, err, tc.after)
				}
				if tc.want == "*" {
					if strings.Contains(string(got), "TLS") {
						t.Errorf("read %q", got)
					}
				} else if string(got) != tc.want {
					t.Errorf("read %q, want %q", got, tc.want)
				}
				synctest.Wait()
				log := b.log.String()
				if !strings.Contains(log, `level=DEBUG msg="tls handshake failed"`) || strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
					t.Errorf("the log is\n%s", log)
				}
				if got := b.addrs(); got != nil {
					t.Errorf("sessions of %q", got)
				}
			})
		})
	}
}

// A slowConn writes byte by byte.
type slowConn struct{ net.Conn }

func (c slowConn) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// A recorder keeps what is read.
type recorder struct {
	net.Conn
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b.Write(p[:n])
	return n, err
}

// records returns the types of the records that were read: RFC 5246, section 6.2.1.
func (r *recorder) records() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var types []byte
	for b := r.b.Bytes(); len(b) >= 5; {
		types = append(types, b[0])
		b = b[min(len(b), 5+int(b[3])<<8+int(b[4])):]
	}
	return types
}

// A client may send its part of the handshake in the smallest pieces; and at the
// end there is a close_notify, after the farewell.
func TestTLSEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr := watched{conns: make(chan *portal.Conn, 1)}
		b := newTLSBench(t, pr, nil, nil)
		b.client.MaxVersion = tls.VersionTLS12 // which has the types of records in the clear
		rec := &recorder{Conn: b.l.dialFrom(t, "192.0.2.1:99")}
		c := tls.Client(slowConn{rec}, b.client)
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		conn := <-pr.conns
		io.WriteString(c, "quit\n")
		if got, err := io.ReadAll(c); string(got) != "Bye.\r\n" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		const applicationData, alert = 23, 21
		if got := rec.records(); len(got) < 2 || !slices.Equal(got[len(got)-2:], []byte{applicationData, alert}) {
			t.Errorf("records of the types %v, want the farewell and an alert at the end", got)
		}
		if _, err := conn.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after the farewell = %v, want net.ErrClosed", err)
		}
		conn.CloseAfterFlush(time.Second) // again
	})
}

// Goodbye is said to all when the Portal stops, and those that are still about
// their handshake do not keep it.
func TestTLSShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newTLSBench(t, lineProtocol{}, nil, nil)
		c := b.dial()
		b.l.dialFrom(t, "192.0.2.2:1")
		synctest.Wait()
		begun := time.Now()
		b.stop()
		if got, err := io.ReadAll(c); string(got) != "The game is shutting down.\r\n" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		b.done <- <-b.done
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the Portal took %v to stop", took)
		}
	})
}

// The limits of connections come before the handshake, and there is nothing that
// a client of TLS could read.
func TestTLSLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newTLSBench(t, lineProtocol{}, func(c *portal.Config) { c.Limits.ConnectionsPerAddress = 1 }, nil)
		b.l.dialFrom(t, "192.0.2.1:1") // does not begin its handshake
		c := b.l.dialFrom(t, "192.0.2.1:2")
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if !strings.Contains(b.log.String(), `msg="connection turned away"`) {
			t.Errorf("the log is\n%s", b.log)
		}
	})
}

// Clients that are silent in the middle of their handshakes do not hold up
// others, up to a bound above which connections are closed.
func TestTLSHandshakesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		off := func(c *portal.Config) {
			c.Limits.ConnectionsPerAddress, c.Limits.ConnectionsPerSecond = -1, -1
			c.Logger = slog.New(slog.DiscardHandler) // a thousand lines would hide what is wrong
		}
		b := newTLSBench(t, lineProtocol{}, off, nil)
		hello := clientHello(t, b.client)
		for i := range 1023 {
			c := b.l.dialFrom(t, "192.0.2.2:1")
			if i < 100 {
				go c.Write(hello)
				go io.Copy(io.Discard, c)
			}
		}
		synctest.Wait()
		begun := time.Now()
		c := b.dial()
		if took := time.Since(begun); took > time.Millisecond { // its turn to be accepted
			t.Errorf("the handshake took %v beside silent ones", took)
		}
		synctest.Wait() // its place is free again
		b.l.dialFrom(t, "192.0.2.2:2")
		synctest.Wait()
		if got, err := io.ReadAll(b.l.dialFrom(t, "192.0.2.2:3")); len(got) > 0 || err != nil {
			t.Errorf("one too many read %q, %v", got, err)
		}
		sleep(10 * time.Second)
		d := b.dial()
		if got := b.addrs(); len(got) != 2 {
			t.Errorf("sessions of %q", got)
		}
		c.Close()
		d.Close()
	})
}

// Few handshakes compute at once: others wait, no longer than their time.
func TestTLSHandshakesCompute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const places = 8
		release := make(chan struct{})
		var mu sync.Mutex
		inside, most := 0, 0
		b := newTLSBench(t, lineProtocol{}, nil, func(c *tls.Config) {
			cert := c.Certificates[0]
			c.Certificates = nil
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				<-release
				mu.Lock()
				inside--
				mu.Unlock()
				return &cert, nil
			}
		})
		dial := func() {
			raw := b.l.dialFrom(t, "192.0.2.1:99")
			go func() {
				c := tls.Client(raw, b.client)
				c.Handshake()
				io.Copy(io.Discard, c)
			}()
		}
		for range places {
			dial()
		}
		sleep(5 * time.Second)
		for range places {
			dial()
		}
		sleep(4 * time.Second)
		mu.Lock()
		if inside != places {
			t.Errorf("%d handshakes compute, want %d", inside, places)
		}
		mu.Unlock()
		failed := func() int { return strings.Count(b.log.String(), `msg="tls handshake failed"`) }
		sleep(7 * time.Second)
		if n := failed(); n != places {
			t.Errorf("%d handshakes have failed, want the %d that waited for a place", n, places)
		}
		close(release)
		synctest.Wait()
		if n, got := failed(), b.addrs(); n != 2*places || got != nil {
			t.Errorf("%d handshakes have failed, of %d that took too long; sessions of %q", n, 2*places, got)
		}
		if most != places {
			t.Errorf("%d handshakes computed at once", most)
		}
		for range places + 1 { // the places are free again
			go io.Copy(io.Discard, b.dial())
		}
	})
}

func TestTLSCannotOpen(t *testing.T) {
	for name, cfg := range map[string]*tls.Config{"nil": nil, "without certificate": {}} {
		bubble(t, func(t *testing.T) {
			b := newBench(t, func(c *portal.Config) {
				c.ListenFunc = func(string, string) (net.Listener, error) { return newMemListener(), nil }
			})
			if err := b.p.AddService(portal.ListenTLS("line", ":1", lineProtocol{}, cfg)); err != nil {
				t.Fatal(err)
			}
			b.run()
			if st := b.p.Status().Services[0]; st.State != portal.StateFailed || st.Error != "portal: the TLS configuration has no certificate" {
				t.Errorf("%s: the service is %+v", name, st)
			}
		})
	}
	if err := portal.Listen("line", ":1", lineProtocol{}).(portal.Opener).Open(t.Context()); err == nil {
		t.Error("Open without a Portal = nil")
	}
}

// A callback that panics ends its connection alone.
func TestTLSPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calls := 0
		b := newTLSBench(t, lineProtocol{}, nil, func(c *tls.Config) {
			cert := c.Certificates[0]
			c.Certificates = nil
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if calls++; calls == 1 {
					panic("no ink")
				}
				return &cert, nil
			}
		})
		if err := tls.Client(b.l.dial(t), b.client).Handshake(); err == nil {
			t.Error("the handshake went well")
		}
		c := b.dial()
		go io.Copy(io.Discard, c)
		synctest.Wait()
		if log := b.log.String(); !strings.Contains(log, "level=ERROR msg=\"tls handshake failed\"") || !strings.Contains(log, "no ink") {
			t.Errorf("the log is\n%s", log)
		}
	})
}

// A proxy's header comes before the client's handshake.
func TestTLSBehindProxy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr := watched{conns: make(chan *portal.Conn, 1)}
		b := newTLSBench(t, pr, trust("10.0.0.0/8"), nil)
		c := b.l.dialFrom(t, "10.0.0.1:99")
		io.WriteString(c, header)
		secure := tls.Client(c, b.client)
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, secure)
		if conn := <-pr.conns; conn.RemoteAddr().String() != "203.0.113.9:56324" || conn.TLS() == nil {
			t.Errorf("RemoteAddr = %v, TLS = %v", conn.RemoteAddr(), conn.TLS())
		}
		// Without one the handshake is not begun.
		d := tls.Client(b.l.dialFrom(t, "10.0.0.1:99"), b.client)
		if err := d.Handshake(); err == nil {
			t.Error("a handshake without the proxy's header went well")
		}
	})
}

// A wrapped service is one that looks for something before it opens.
type wrapped struct {
	portal.Service
	opens int
}

func (w *wrapped) Open(ctx context.Context) error {
	if w.opens++; w.opens == 1 {
		return errors.New("not yet")
	}
	return w.Service.(portal.Opener).Open(ctx)
}

func TestServiceCanBeWrapped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newMemListener()
		w := &wrapped{portal.ListenOn("line", l, lineProtocol{}), 0}
		b := newBench(t, nil)
		if err := b.p.AddService(w); err != nil {
			t.Fatal(err)
		}
		b.run()
		if st := b.p.Status().Services[0]; st.State != portal.StateFailed || st.Error != "not yet" {
			t.Errorf("the service is %+v", st)
		}
		sleep(time.Second)
		go io.Copy(io.Discard, l.dial(t))
		if got := b.addrs(); len(got) != 1 {
			t.Errorf("sessions of %q", got)
		}
	})
}

// Output over TLS is bounded, by size and by time, as without.
func TestTLSSlowClient(t *testing.T) {
	const bound = 100 << 10
	serve := func(conns chan *portal.Conn) *protocol {
		return &protocol{serve: func(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
			conns <- c
			_, err := io.Copy(io.Discard, c)
			return err
		}}
	}
	t.Run("too much", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			conns := make(chan *portal.Conn, 1)
			b := newTLSBench(t, serve(conns), func(c *portal.Config) { c.Limits.OutputBytes = bound }, nil)
			b.dial()
			c := <-conns
			var err error
			for i := 0; i < 100 && err == nil; i++ {
				_, err = c.Write(make([]byte, 10<<10))
				if n := c.Queued(); n > bound {
					t.Fatalf("%d bytes are queued", n)
				}
			}
			if !errors.Is(err, portal.ErrSlowClient) || !errors.Is(c.Err(), portal.ErrSlowClient) {
				t.Errorf("Write = %v, Err = %v; want ErrSlowClient", err, c.Err())
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, portal.ErrSlowClient) {
				t.Errorf("the next Write = %v, want ErrSlowClient", err)
			}
		})
	})
	t.Run("stalled", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			conns := make(chan *portal.Conn, 1)
			b := newTLSBench(t, serve(conns), nil, nil)
			b.dial()
			c := <-conns
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
}

// A read that is ended by its deadline in the middle of a record loses nothing,
// and neither does a write meanwhile.
func TestTLSReadDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		got := make(chan string, 1)
		b := newTLSBench(t, &protocol{serve: func(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
			var all []byte
			buf := make([]byte, 100)
			for range 50 {
				c.SetReadDeadline(time.Now().Add(time.Second))
				n, err := c.Read(buf)
				all = append(all, buf[:n]...)
				if err != nil && !errors.Is(err, io.EOF) {
					fmt.Fprint(c, ".")
				}
			}
			got <- string(all)
			return nil
		}}, nil, nil)
		c := b.l.dialFrom(t, "192.0.2.1:99")
		drip := &drip{Conn: c}
		secure := tls.Client(drip, b.client)
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, secure)
		drip.slow = true
		io.WriteString(secure, "look\n")
		if s := <-got; s != "look\n" {
			t.Errorf("read %q", s)
		}
	})
}

// A drip writes a byte every 1.3 seconds while it is slow.
type drip struct {
	net.Conn
	slow bool
}

func (d *drip) Write(p []byte) (int, error) {
	if !d.slow {
		return d.Conn.Write(p)
	}
	for i := range p {
		time.Sleep(1300 * time.Millisecond)
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}
