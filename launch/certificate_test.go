package launch

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/config"
)

// A notebook is a log that is written by several goroutines.
type notebook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

func (n *notebook) count(text string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Count(n.b.String(), text)
}

// gameWithCertificate returns a game's folder and its certificate.
func gameWithCertificate(t *testing.T, conf config.Telnet) (folder, *certificate, *notebook) {
	t.Helper()
	dir := folder(t.TempDir())
	if err := dir.create(); err != nil {
		t.Fatal(err)
	}
	log := &notebook{}
	return dir, newCertificate(dir, conf, slog.New(slog.NewTextHandler(log, nil))), log
}

// putPair puts a pair into the files of c that is made at that time, and returns
// its fingerprint.
func putPair(t *testing.T, c *certificate, at time.Time) string {
	t.Helper()
	certPEM, keyPEM, err := makeCertificate([]string{"tide.example"}, at)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c.certFile, certPEM)
	put(t, c.keyFile, keyPEM)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return fingerprint(&pair)
}

// put replaces a file, as what renews certificates does.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".tmp", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func TestOwnCertificate(t *testing.T) {
	conf := config.Telnet{TLSListen: []string{"play.tide.example:4443 -mccp2", "0.0.0.0:1", "[2001:db8::7]:4443", ":2", "mëer.example:3", "localhost:4"}}
	dir, c, log := gameWithCertificate(t, conf)
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cert.pem", "key.pem"} {
		if fi, err := os.Stat(dir.path("data", name)); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%s: %v, %v, want a file with mode 0600", name, fi, err)
		}
	}
	pair, err := c.get(nil)
	if err != nil || pair == nil {
		t.Fatalf("get = %v, %v", pair, err)
	}
	leaf := pair.Leaf
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "play.tide.example", "2001:db8::7"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Errorf("the certificate is not for %s: %v", host, err)
		}
	}
	if name, err := os.Hostname(); err == nil && leaf.VerifyHostname(name) != nil {
		t.Errorf("the certificate is not for %s", name)
	}
	for _, host := range []string{"0.0.0.0", "tide.example"} {
		if leaf.VerifyHostname(host) == nil {
			t.Errorf("the certificate is for %s", host)
		}
	}
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is a %T", leaf.PublicKey)
	}
	now := time.Now()
	if leaf.NotBefore.After(now) || leaf.NotAfter.Before(now.AddDate(10, 0, -1)) || leaf.NotAfter.After(now.AddDate(10, 0, 1)) {
		t.Errorf("it is valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	print := fingerprint(pair)
	if log.count("sha256="+print) != 1 || len(print) != 32*3-1 {
		t.Errorf("the fingerprint %s is not in the log:\n%s", print, log.b.String())
	}

	// It stays the same at the next start.
	again := newCertificate(dir, conf, c.log)
	if err := again.open(); err != nil {
		t.Fatal(err)
	}
	if pair, _ := again.get(nil); fingerprint(pair) != print {
		t.Errorf("the fingerprint is %s after a start, was %s", fingerprint(pair), print)
	}
}

func TestOwnCertificateIsMade(t *testing.T) {
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name    string
		prepare func(t *testing.T, c *certificate)
		made    bool
		err     string // with the hint, if it has that
	}{
		{"valid", func(t *testing.T, c *certificate) {}, false, ""},
		{"expired", func(t *testing.T, c *certificate) { putPair(t, c, time.Now().AddDate(-11, 0, 0)) }, true, ""},
		{"key alone", func(t *testing.T, c *certificate) { remove(t, c.certFile) }, true, ""},
		{"certificate alone", func(t *testing.T, c *certificate) { remove(t, c.keyFile) }, false, "without"},
		{"no certificate", func(t *testing.T, c *certificate) { put(t, c.certFile, []byte("later")) }, false, "failed to find any PEM data"},
		{"no key", func(t *testing.T, c *certificate) { put(t, c.keyFile, []byte("later")) }, false, "failed to find any PEM data"},
		{"another key", func(t *testing.T, c *certificate) {
			_, key, err := makeCertificate([]string{"x"}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			put(t, c.keyFile, key)
		}, false, "private key does not match"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, c, _ := gameWithCertificate(t, config.Telnet{})
			putPair(t, c, time.Now())
			tc.prepare(t, c)
			before, _ := os.ReadFile(c.keyFile)
			err := c.open()
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err) ||
				!strings.Contains(err.Error(), c.certFile) || hintOf(err) != hintOwnBroken) {
				t.Errorf("open = %v (%s), want an error with %q", err, hintOf(err), tc.err)
			}
			after, _ := os.ReadFile(c.keyFile)
			if made := !bytes.Equal(before, after); made != tc.made {
				t.Errorf("made anew: %t, want %t", made, tc.made)
			}
			if pair, _ := c.get(nil); (pair != nil) != (tc.err == "") {
				t.Errorf("get = %v", pair)
			}
		})
	}
}

// A certificate that somebody vouches for is not replaced, expired or not.
func TestForeignCertificateIsKept(t *testing.T) {
	_, c, log := gameWithCertificate(t, config.Telnet{})
	old := time.Now().AddDate(-11, 0, 0)
	caPEM, caKeyPEM, err := makeCertificate([]string{"authority"}, old)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := tls.X509KeyPair(caPEM, caKeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	want := putPair(t, c, old)
	pair, err := c.read()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, pair.Leaf, ca.Leaf, pair.Leaf.PublicKey, ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c.certFile, pemText("CERTIFICATE", der))
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	pair, _ = c.get(nil)
	if !bytes.Equal(pair.Certificate[0], der) || fingerprint(pair) == want {
		t.Error("the certificate was replaced")
	}
	if log.count(`level=WARN msg="tls certificate has expired"`) != 1 {
		t.Errorf("the log is\n%s", log.b.String())
	}
}

// A pair that has changed is taken up within a second; one that cannot be used
// is not, and is logged once. A connection that is open goes on.
func TestCertificateReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, log := gameWithCertificate(t, config.Telnet{TLSCert: "data/mine.pem", TLSKey: "data/mine.key"})
		now := time.Now()
		first := putPair(t, c, now)
		if err := c.open(); err != nil {
			t.Fatal(err)
		}
		// dial returns a connection with what it was shown.
		dial := func() (client *tls.Conn, print string) {
			t.Helper()
			a, b := net.Pipe()
			go func() {
				server := tls.Server(b, c.config())
				io.Copy(server, server) // an echo
				server.Close()
			}()
			client = tls.Client(a, &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(st tls.ConnectionState) error {
				print = fingerprint(&tls.Certificate{Certificate: [][]byte{st.PeerCertificates[0].Raw}})
				return nil
			}})
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { a.Close() })
			return client, print
		}
		shown := func() string {
			t.Helper()
			client, print := dial()
			client.Close()
			return print
		}
		open, print := dial()
		if print != first {
			t.Errorf("shown is %s, want the first", print)
		}
		second := putPair(t, c, now)
		if got := shown(); got != first {
			t.Errorf("within a second of the last look, shown is %s", got)
		}
		time.Sleep(time.Second)
		if got := shown(); got != second {
			t.Errorf("after a change, shown is %s, want the second", got)
		}
		go io.WriteString(open, "hello")
		if _, err := io.ReadFull(open, make([]byte, 5)); err != nil {
			t.Errorf("the connection that was open: %v", err)
		}

		const complaint = "level=ERROR msg=\"tls certificate has changed and cannot be used; the one before is\""
		errors := 0
		unusable := func(name string) {
			t.Helper()
			errors++
			for range 3 {
				time.Sleep(2 * time.Second)
				if got := shown(); got != second {
					t.Errorf("%s: shown is %s, want the second", name, got)
				}
			}
			if n := log.count(complaint); n != errors {
				t.Errorf("%s: %d errors in the log, want %d:\n%s", name, n, errors, log.b.String())
			}
		}
		put(t, c.certFile, []byte("-----BEGIN CERTIFICATE-----\nTm90aGluZw==\n-----END CERTIFICATE-----\n"))
		unusable("a file with nonsense")
		put(t, c.certFile, nil)
		unusable("an empty file")
		if err := os.Remove(c.keyFile); err != nil {
			t.Fatal(err)
		}
		unusable("a key that is gone")
		third := putPair(t, c, now)
		time.Sleep(time.Second)
		if got := shown(); got != third {
			t.Errorf("after it was mended, shown is %s, want the third", got)
		}
		if n := log.count("hint="); n != errors {
			t.Errorf("%d hints in the log, want %d", n, errors)
		}
		open.Close()
	})
}

func TestCertificateFiles(t *testing.T) {
	dir, c, _ := gameWithCertificate(t, config.Telnet{TLSCert: "tls/c.pem", TLSKey: "/etc/k.pem"})
	if c.own || c.certFile != dir.path("tls", "c.pem") || c.keyFile != "/etc/k.pem" {
		t.Errorf("the files are %s and %s", c.certFile, c.keyFile)
	}
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, maxPEM+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, want string }{
		{c.certFile, "no such file"},
		{string(dir), "is not a regular file"},
		{"/dev/zero", "is not a regular file"},
		{big, "is longer than 1048576 bytes"},
	} {
		if _, err := readPEM(tc.path); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.path) || hintOf(err) == "" {
			t.Errorf("readPEM(%s) = %v, want %q", tc.path, err, tc.want)
		}
	}
}

func TestOwnHosts(t *testing.T) {
	hosts := ownHosts([]string{"10.0.0.1:1", "10.0.0.1:2 -mxp", "[::]:1", "game:1", "a b:1", "*.x:1"})
	for host, want := range map[string]bool{"localhost": true, "::1": true, "10.0.0.1": true, "game": true, "::": false, "": false, "*.x": false} {
		if slices.Contains(hosts, host) != want {
			t.Errorf("ownHosts has %q: %t; it is %q", host, !want, hosts)
		}
	}
	if slices.Index(hosts, "10.0.0.1") != len(hosts)-2 {
		t.Errorf("ownHosts = %q", hosts)
	}
}

func TestDoctorCertificate(t *testing.T) {
	own := config.Telnet{TLSListen: []string{":1"}}
	mine := config.Telnet{TLSListen: []string{":1"}, TLSCert: "data/c.pem", TLSKey: "data/k.pem"}
	now := time.Now()
	expiring := func(left time.Duration) time.Time { return now.AddDate(-certLifetime, 0, 0).Add(left) }
	for _, tt := range []struct {
		name   string
		conf   config.Telnet
		made   time.Time // zero: none is there
		change func(t *testing.T, c *certificate)
		want   string
	}{
		{"own, none yet", own, time.Time{}, nil, `ok certificate: the game makes one of its own at the next start`},
		{"own", own, now, nil, `ok certificate: \S+/data/cert\.pem is valid until 20\S+ \S+; its SHA-256 is [0-9A-F:]{95}`},
		{"own, expired", own, expiring(-time.Hour), nil, `problem certificate: \S+ has expired at .* -> restart the game, which makes a new one.*`},
		{"own, expiring", own, expiring(13 * 24 * time.Hour), nil, `warning certificate: \S+ expires at .* -> restart the game when it has expired.*`},
		{"mine, none", mine, time.Time{}, nil, `problem certificate: .*data/c\.pem: no such file or directory -> name a file .*`},
		{"mine", mine, now, nil, `ok certificate: \S+/data/c\.pem is valid until .*`},
		{"mine, long enough", mine, expiring(15 * 24 * time.Hour), nil, `ok certificate: .*`},
		{"mine, expiring", mine, expiring(13 * 24 * time.Hour), nil, `warning certificate: \S+ expires at .* -> put a new one there; .*`},
		{"mine, expired", mine, expiring(-time.Hour), nil, `problem certificate: \S+ has expired at .* -> put a new one there; .*`},
		{"mine, not yet", mine, now.Add(48 * time.Hour), nil, `problem certificate: \S+ is not valid before .* -> set the clock.*`},
		{"another key", mine, now, func(t *testing.T, c *certificate) {
			_, key, err := makeCertificate([]string{"x"}, now)
			if err != nil {
				t.Fatal(err)
			}
			put(t, c.keyFile, key)
		}, `problem certificate: .*private key does not match.* -> both files are in PEM: .*`},
		{"an open key", mine, now, func(t *testing.T, c *certificate) {
			if err := os.Chmod(c.keyFile, 0o644); err != nil {
				t.Fatal(err)
			}
		}, `ok certificate: .*\nproblem certificate: \S+/k\.pem can be read by others \(mode 0644\) -> chmod 600 \S+`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, c, _ := gameWithCertificate(t, tt.conf)
			if !tt.made.IsZero() {
				putPair(t, c, tt.made)
			}
			if tt.change != nil {
				tt.change(t, c)
			}
			x := &examination{dir: dir, conf: &config.Config{Telnet: tt.conf}}
			x.certificate()
			wantFinding(t, tt.name, x, tt.want)
		})
	}
	x := &examination{dir: folder(t.TempDir()), conf: &config.Config{}}
	x.certificate()
	if len(x.findings) != 0 {
		t.Errorf("without TLS was found: %s", found(x))
	}
}
