package telnetd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/portal/telnetd"
	"mudlark.dev/session"
)

// BenchmarkConnections opens 5,000 connections and reports what the heap and the
// stacks of the process grow by for each of them, in bytes, the client's end
// included: of TLS that is as much as the Portal's.
func BenchmarkConnections(b *testing.B) {
	cert := testCertificate(b)
	for _, bb := range []struct{ name, say string }{
		{"plain", ""},
		{"tls", ""},
		{"tls+mccp2", "\xff\xfd\x56"},
		{"answers", "\xff\xfb\x18" + sb(24, "\x00MUDLET") + sb(24, "\x00ANSI-TRUECOLOR") + sb(24, "\x00MTTS 2349") +
			"\xff\xfb\x1f\xff\xfa\x1f\x00\x84\x00\x29\xff\xf0\xff\xfd\xc9" + gmcp(`Core.Supports.Set [ "Char 1", "Char.Skills 1", "Room 1" ]`)},
		{"mccp2", "\xff\xfd\x56"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			const n = 5000
			for range b.N {
				links := pipe.Listen()
				p, err := portal.New(portal.Config{Listener: links, Logger: slog.New(slog.DiscardHandler), Limits: portal.Limits{
					ConnectionsPerAddress: -1, ConnectionsPerSecond: -1,
				}})
				if err != nil {
					b.Fatal(err)
				}
				tn, err := telnetd.New(telnetd.Config{Wait: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				dial := func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }
				service := portal.Listen("telnet", "127.0.0.1:0", tn)
				if strings.HasPrefix(bb.name, "tls") {
					service = portal.ListenTLS("telnet", "127.0.0.1:0", tn, &tls.Config{Certificates: []tls.Certificate{cert}})
					dial = func(addr string) (net.Conn, error) {
						return tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
					}
				}
				if err := p.AddService(service); err != nil {
					b.Fatal(err)
				}
				ctx, stop := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() { done <- p.Run(ctx) }()
				for len(p.Status().Services) == 0 || p.Status().Services[0].State != portal.StateRunning {
					time.Sleep(time.Millisecond)
				}
				addr := p.Status().Services[0].Addr
				before := inUse()
				conns := make([]net.Conn, 0, n)
				buf := make([]byte, 4096)
				for range n {
					c, err := dial(addr)
					if err != nil {
						b.Fatal(err)
					}
					conns = append(conns, c)
					c.Read(buf) // the offers
					io.WriteString(c, bb.say)
				}
				for len(p.Status().Sessions) < n {
					time.Sleep(10 * time.Millisecond)
				}
				for _, c := range conns {
					io.WriteString(c, "look\r\n")
				}
				time.Sleep(time.Second) // all is read, and told that the game is away
				b.ReportMetric(float64(inUse()-before)/n, "B/conn")
				for _, c := range conns {
					c.Close()
				}
				stop()
				<-done
			}
		})
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// testCertificate returns a certificate for nothing but this test.
func testCertificate(b *testing.B) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		b.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// BenchmarkEncode measures what a text costs for each kind of client.
func BenchmarkEncode(b *testing.B) {
	line := "|cAda|n says, \"The tide comes in over the flats – and a lark goes up, naïve as ever.\""
	room := strings.Repeat("Tarred planks run out over the water and stop, as if the carpenter had been called away. ", 6)
	for _, bb := range []struct {
		name string
		text string
		caps session.Caps
	}{
		{"line", line, session.Caps{Colors: session.Colors16}},
		{"line/plain", line, session.Caps{}},
		{"line/latin1", line, session.Caps{Colors: session.Colors16, Encoding: "ISO-8859-1"}},
		{"room", room, session.Caps{Colors: session.Colors16}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var dst []byte
			b.SetBytes(int64(len(bb.text)))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = telnetd.AppendText(dst[:0], bb.text, bb.caps, message.Options{})
			}
		})
	}
	b.Run("gmcp", func(b *testing.B) {
		m := message.New("char_vitals").With("hp", 100).With("maxhp", 120)
		caps := session.Caps{GMCP: true, Packages: "char 1"}
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst, _ = telnetd.AppendDefault(dst[:0], m, caps, message.Options{})
		}
	})
}
