package launch

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/portal"
)

const (
	maxPEM        = 1 << 20             // bytes of a certificate's or key's file; a longer one is refused
	lookEvery     = time.Second         // between two looks whether the files have changed
	certLifetime  = 10                  // years of one that the game makes
	soonExpired   = 14 * 24 * time.Hour // doctor warns from then on
	hintPEM       = "both files are in PEM: the certificate with those that vouch for it below, and the key that belongs to it"
	hintOwnBroken = "move both files out of the way, and the next start makes new ones"
)

// A certificate is what the TLS services show their clients. It is read from
// its files again when these have changed.
type certificate struct {
	certFile, keyFile string
	own               bool     // the game makes it
	hosts             []string // that it is for, if the game makes it
	log               *slog.Logger

	current atomic.Pointer[tls.Certificate] // nil before the first open

	// looking is held by whoever reads the files. No handshake waits for it.
	looking sync.Mutex
	looked  time.Time
	seen    [2]fs.FileInfo // the files as they were last read, whatever came of that
}

// newCertificate returns the certificate that is configured for the game in dir.
// Nothing is read yet.
func newCertificate(dir folder, conf config.Telnet, log *slog.Logger) *certificate {
	if conf.TLSCert == "" {
		return &certificate{certFile: dir.ownCert(), keyFile: dir.ownKey(), own: true, hosts: ownHosts(conf.TLSListen), log: log}
	}
	inFolder := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return dir.path(path)
	}
	return &certificate{certFile: inFolder(conf.TLSCert), keyFile: inFolder(conf.TLSKey), log: log}
}

// ownHosts returns what a certificate of the game's own is for: this machine,
// by the names and addresses that are known of it.
func ownHosts(listen []string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	add := func(host string) {
		ip, err := netip.ParseAddr(host)
		if host == "" || err == nil && ip.IsUnspecified() || slices.Contains(hosts, host) {
			return
		}
		if err != nil && strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != "" {
			return // no name that a certificate can have
		}
		hosts = append(hosts, host)
	}
	if name, err := os.Hostname(); err == nil {
		add(name)
	}
	for _, entry := range listen {
		addr, _ := config.Port(entry)
		if host, _, err := net.SplitHostPort(addr); err == nil {
			add(host)
		}
	}
	return hosts
}

// config returns what a TLS service takes; all of them share the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// open reads the certificate; one of the game's own is made if there is none.
func (c *certificate) open() error {
	c.looking.Lock()
	defer c.looking.Unlock()
	if c.own {
		if err := c.ensure(time.Now()); err != nil {
			return err
		}
	}
	c.looked, c.seen = time.Now(), c.stat()
	pair, err := c.read()
	if err != nil {
		return err
	}
	c.use(pair, "tls certificate")
	return nil
}

// get returns the certificate for a handshake.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.looking.TryLock() {
		c.refresh()
		c.looking.Unlock()
	}
	return c.current.Load(), nil
}

// refresh reads the files if they have changed. c.looking is held.
func (c *certificate) refresh() {
	if time.Since(c.looked) < lookEvery {
		return
	}
	c.looked = time.Now()
	now := c.stat()
	if sameFile(now[0], c.seen[0]) && sameFile(now[1], c.seen[1]) {
		return
	}
	c.seen = now
	pair, err := c.read()
	if err != nil {
		c.log.Error("tls certificate has changed and cannot be used; the one before is", "err", err, "hint", hintOf(err))
		return
	}
	c.use(pair, "tls certificate has changed")
}

func (c *certificate) use(pair *tls.Certificate, what string) {
	c.current.Store(pair)
	c.log.Info(what, "file", c.certFile, "sha256", fingerprint(pair), "until", pair.Leaf.NotAfter)
	if time.Now().After(pair.Leaf.NotAfter) {
		c.log.Warn("tls certificate has expired", "file", c.certFile, "hint", "put a new one there; it is taken up by itself")
	}
}

// stat returns what is known of the files; nil of one that is not there.
func (c *certificate) stat() (out [2]fs.FileInfo) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if fi, err := os.Stat(path); err == nil {
			out[i] = fi
		}
	}
	return out
}

// sameFile reports whether a file has not changed from a to b.
func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// read reads the pair. Its Leaf is there.
func (c *certificate) read() (*tls.Certificate, error) {
	certPEM, err := readPEM(c.certFile)
	if err != nil {
		return nil, err
	}
	keyPEM, err := readPEM(c.keyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err == nil && pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	if err != nil {
		hint := hintPEM
		if c.own {
			hint = hintOwnBroken
		}
		return nil, withHint(fmt.Errorf("tls certificate %s and key %s: %w", c.certFile, c.keyFile, err), "%s", hint)
	}
	return &pair, nil
}

// readPEM reads a file of bounded size. It waits for nobody, as it would at a
// named pipe.
func readPEM(path string) ([]byte, error) {
	const hint = "name a file that the user of the game can read in telnet.tls_cert and telnet.tls_key"
	fi, err := os.Stat(path)
	if err != nil {
		return nil, withHint(fmt.Errorf("tls certificate: %w", err), hint)
	}
	if !fi.Mode().IsRegular() {
		return nil, withHint(fmt.Errorf("tls certificate: %s is not a regular file", path), hint)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withHint(fmt.Errorf("tls certificate: %w", err), hint)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, withHint(fmt.Errorf("tls certificate: %w", err), hint)
	}
	if len(data) > maxPEM {
		return nil, withHint(fmt.Errorf("tls certificate: %s is longer than %d bytes", path, maxPEM), hint)
	}
	return data, nil
}

// ensure makes the game's own certificate unless there is one that has not
// expired. What others have put there is left alone.
func (c *certificate) ensure(now time.Time) error {
	_, certErr := os.Lstat(c.certFile)
	_, keyErr := os.Lstat(c.keyFile)
	switch {
	case certErr == nil && errors.Is(keyErr, fs.ErrNotExist):
		return withHint(fmt.Errorf("tls certificate: there is %s without %s", c.certFile, c.keyFile), "%s", hintOwnBroken)
	case certErr == nil:
		pair, err := c.read()
		if err != nil || !selfSigned(pair.Leaf) || now.Before(pair.Leaf.NotAfter) {
			return nil // what is wrong is found when it is opened
		}
		c.log.Info("tls certificate has expired; a new one is made", "file", c.certFile)
	case !errors.Is(certErr, fs.ErrNotExist):
		return fmt.Errorf("tls certificate: %w", certErr)
	}
	certPEM, keyPEM, err := makeCertificate(c.hosts, now)
	if err != nil {
		return fmt.Errorf("tls certificate: %w", err)
	}
	// The key is first: alone it is what an interrupted start has left, and is
	// replaced by the next one.
	if err := writeFile(c.keyFile, keyPEM); err != nil {
		return fmt.Errorf("tls certificate: %w", err)
	}
	if err := writeFile(c.certFile, certPEM); err != nil {
		return fmt.Errorf("tls certificate: %w", err)
	}
	return nil
}

func selfSigned(leaf *x509.Certificate) bool { return bytes.Equal(leaf.RawIssuer, leaf.RawSubject) }

// makeCertificate makes a certificate that vouches for itself, and its key.
func makeCertificate(hosts []string, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // RFC 5280, 4.1.2.2: at most 20 octets
	if err != nil {
		return nil, nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: hosts[0]},
		NotBefore:             now.Add(-time.Hour), // a client's clock may be behind
		NotAfter:              now.AddDate(certLifetime, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip, err := netip.ParseAddr(h); err == nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip.AsSlice())
		} else {
			leaf.DNSNames = append(leaf.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pemText("CERTIFICATE", der), pemText("PRIVATE KEY", keyDER), nil
}

func pemText(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// fingerprint is the SHA-256 of a certificate in the form in which clients show
// it, for people to compare.
func fingerprint(pair *tls.Certificate) string {
	sum := sha256.Sum256(pair.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// A tlsService is a service of TLS that opens when its certificate can be used.
type tlsService struct {
	portal.Service
	cert *certificate
}

var (
	_ portal.Opener    = (*tlsService)(nil)
	_ portal.Addresser = (*tlsService)(nil)
)

// Open reads the certificate and opens the port.
func (s *tlsService) Open(ctx context.Context) error {
	if err := s.cert.open(); err != nil {
		if hint := hintOf(err); hint != "" {
			// Where the state of a service is shown there is no place for hints.
			return fmt.Errorf("%v; %s", err, hint)
		}
		return err
	}
	return s.Service.(portal.Opener).Open(ctx)
}

// Addr implements portal.Addresser.
func (s *tlsService) Addr() string { return s.Service.(portal.Addresser).Addr() }
