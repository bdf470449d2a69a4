package portal_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link/pipe"
	"mudlark.dev/portal"
)

// A fromConn is a connection whose other end has an address.
type fromConn struct {
	net.Conn
	from net.Addr
}

func (c fromConn) RemoteAddr() net.Addr { return c.from }

// dialFrom is dial as the peer with that address.
func (l *memListener) dialFrom(t *testing.T, addr string) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	select {
	case l.conns <- fromConn{b, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))}:
	case <-l.done:
		t.Fatal("dial: the listener is closed")
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// trust has a Portal trust the proxies.
func trust(prefixes ...string) func(*portal.Config) {
	return func(c *portal.Config) {
		for _, p := range prefixes {
			c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix(p))
		}
	}
}

// proxyBench is a bench with the service "line" in memory.
func proxyBench(t *testing.T, change func(*portal.Config)) (*bench, *memListener) {
	t.Helper()
	l := newMemListener()
	b := newBench(t, change)
	if err := b.p.AddService(portal.ListenOn("line", l, lineProtocol{})); err != nil {
		t.Fatal(err)
	}
	return b.run(), l
}

// addrs are those of the sessions that have not ended.
func (b *bench) addrs() []string {
	synctest.Wait()
	var out []string
	for _, s := range b.p.Status().Sessions {
		if !s.Ended {
			out = append(out, s.Addr)
		}
	}
	slices.Sort(out)
	return out
}

const header = "PROXY TCP4 203.0.113.9 10.0.0.1 56324 4000\r\n"

func TestProxy(t *testing.T) {
	const v2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x0a\x00\x00\x01\xdc\x04\x0f\xa0"
	const local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for _, tc := range []struct {
		name, peer, send string
		addr             string
		lines            []string // that reach the game
	}{
		{"version 1", "10.1.2.3:999", header + "look\n", "203.0.113.9:56324", []string{"look"}},
		{"version 2", "10.1.2.3:999", v2 + "look\n", "203.0.113.9:56324", []string{"look"}},
		{"a second header", "10.1.2.3:999", v2 + header + "look\n", "203.0.113.9:56324", []string{strings.TrimSuffix(header, "\r\n"), "look"}},
		{"IPv6", "[2001:db8:1::5]:999", header + "look\n", "203.0.113.9:56324", []string{"look"}},
		{"a mapped peer", "[::ffff:10.1.2.3]:999", header + "look\n", "203.0.113.9:56324", []string{"look"}},
		{"a mapped prefix", "192.168.0.7:999", header + "look\n", "203.0.113.9:56324", []string{"look"}},
		{"local", "10.1.2.3:999", local + "look\n", "10.1.2.3:999", []string{"look"}},
		{"unknown", "10.1.2.3:999", "PROXY UNKNOWN\r\nlook\n", "10.1.2.3:999", []string{"look"}},
		{"not trusted", "11.1.2.3:999", header + "look\n", "11.1.2.3:999", []string{strings.TrimSuffix(header, "\r\n"), "look"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b, l := proxyBench(t, trust("10.0.0.0/8", "2001:db8:1::/48", "::ffff:192.168.0.0/112"))
				srv := b.attach(1, 0)
				srv.take()
				c := l.dialFrom(t, tc.peer)
				go io.WriteString(c, tc.send)
				synctest.Wait()
				if got := b.addrs(); !slices.Equal(got, []string{tc.addr}) {
					t.Errorf("sessions of %q, want %s", got, tc.addr)
				}
				want := []string{"seat 1 #1 p0 u0", "open 1:1"}
				for i, s := range tc.lines {
					want = append(want, fmt.Sprintf("input 1:%d %s", i+2, s))
				}
				srv.want(want...)
			})
		})
	}
}

// A peer without an IP address is trusted by no prefix.
func TestProxyWithoutAddress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, l := proxyBench(t, trust("0.0.0.0/0", "::/0"))
		go io.Copy(io.Discard, l.dial(t))
		if got := b.addrs(); !slices.Equal(got, []string{"pipe"}) {
			t.Errorf("sessions of %q", got)
		}
	})
}

func TestProxyWithoutHeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, l := proxyBench(t, trust("10.0.0.0/8"))
		// closed reports after how long the connection ends, and that nothing
		// is said.
		closed := func(c net.Conn) time.Duration {
			t.Helper()
			begun := time.Now()
			if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			return time.Since(begun)
		}
		if took := closed(l.dialFrom(t, "10.0.0.1:1")); took != 5*time.Second {
			t.Errorf("a silent one was closed after %v", took)
		}
		l.dialFrom(t, "10.0.0.1:2").Close() // looks whether the port is open
		synctest.Wait()
		if log := b.log.String(); strings.Contains(log, "level=INFO msg=\"connection of a trusted proxy") ||
			strings.Count(log, "without a PROXY header") != 2 {
			t.Errorf("the log of silent ones:\n%s", log)
		}

		half := l.dialFrom(t, "10.0.0.1:3")
		go io.WriteString(half, header[:20])
		if took := closed(half); took != 5*time.Second {
			t.Errorf("one with half a header was closed after %v", took)
		}
		for range 2 {
			wrong := l.dialFrom(t, "10.0.0.1:4")
			go io.WriteString(wrong, "look at the lantern\n")
			if took := closed(wrong); took != 0 {
				t.Errorf("one with something else was closed after %v", took)
			}
		}
		infos := func() int {
			synctest.Wait()
			return strings.Count(b.log.String(), "level=INFO msg=\"connection of a trusted proxy without a PROXY header\"")
		}
		if n := infos(); n != 1 || !strings.Contains(b.log.String(), "hint=") {
			t.Errorf("%d faults were logged within a moment, want 1:\n%s", n, b.log)
		}
		sleep(10 * time.Second)
		wrong := l.dialFrom(t, "10.0.0.1:5")
		go io.WriteString(wrong, "GET / HTTP/1.0\r\n\r\n")
		closed(wrong)
		if n := infos(); n != 2 {
			t.Errorf("%d faults were logged, want 2", n)
		}
		if got := b.addrs(); got != nil {
			t.Errorf("sessions of %q", got)
		}
	})
}

// The client counts against the limits, and not the proxy.
func TestProxyLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, l := proxyBench(t, func(c *portal.Config) {
			trust("10.0.0.0/8")(c)
			c.Limits.ConnectionsPerAddress = 2
		})
		var open []net.Conn
		dial := func(client string) string {
			c := l.dialFrom(t, "10.0.0.1:999")
			open = append(open, c)
			go fmt.Fprintf(c, "PROXY TCP4 %s 10.0.0.1 1 2\r\n", client)
			c.SetReadDeadline(time.Now().Add(time.Second))
			line, _ := bufio.NewReader(c).ReadString('\n')
			return line
		}
		const welcome = "The game is starting. What you type is kept.\r\n"
		for i, want := range []string{welcome, welcome, "There are too many connections from your address. Please close one and try again.\r\n"} {
			if got := dial("203.0.113.9"); got != want {
				t.Errorf("connection %d read %q, want %q", i, got, want)
			}
		}
		if got := dial("203.0.113.10"); got != welcome {
			t.Errorf("another client read %q", got)
		}
		open[0].Close()
		synctest.Wait()
		if got := dial("203.0.113.9"); got != welcome {
			t.Errorf("after an end, a connection read %q", got)
		}
		if got, want := b.addrs(), []string{"203.0.113.10:1", "203.0.113.9:1", "203.0.113.9:1"}; !slices.Equal(got, want) {
			t.Errorf("sessions of %q, want %q", got, want)
		}
	})
}

// Connections that wait for their header are bounded, and others do not notice.
func TestProxyBound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, l := proxyBench(t, func(c *portal.Config) {
			trust("10.0.0.0/8")(c)
			c.Logger = slog.New(slog.DiscardHandler)
		})
		for range 1024 {
			l.dialFrom(t, "10.0.0.1:1")
		}
		if got, err := io.ReadAll(l.dialFrom(t, "10.0.0.1:2")); len(got) > 0 || err != nil {
			t.Errorf("one too many read %q, %v", got, err)
		}
		go io.Copy(io.Discard, l.dialFrom(t, "192.0.2.1:1"))
		if got := b.addrs(); !slices.Equal(got, []string{"192.0.2.1:1"}) {
			t.Errorf("sessions of %q", got)
		}
		sleep(5 * time.Second)
		c := l.dialFrom(t, "10.0.0.1:3")
		go io.Copy(io.Discard, c)
		io.WriteString(c, header)
		if got := b.addrs(); !slices.Equal(got, []string{"192.0.2.1:1", "203.0.113.9:56324"}) {
			t.Errorf("sessions of %q after the others have gone", got)
		}
		// The Portal does not wait for those that say nothing.
		l.dialFrom(t, "10.0.0.1:4")
		synctest.Wait()
		begun := time.Now()
		b.stop()
		b.done <- <-b.done
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the Portal took %v to stop", took)
		}
	})
}

func TestProxyPrefixes(t *testing.T) {
	_, err := portal.New(portal.Config{Listener: pipe.Listen(), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), {}}})
	if err == nil || !strings.Contains(err.Error(), "TrustedProxies[1] is no valid prefix") {
		t.Errorf("New = %v", err)
	}
}
