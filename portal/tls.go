package portal

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"mudlark.dev/service"
)

const (
	// tlsTime is how long a client has for the TLS handshake.
	tlsTime = 10 * time.Second
	// maxStartingTLS bounds the connections that have not finished theirs, of
	// which each holds up to some 80 KiB of what its client has sent; more are
	// closed at once.
	maxStartingTLS = 1024
	// maxComputingTLS bounds the handshakes that compute at one moment, so that
	// many who come at once leave time for those who play. Others wait for
	// their turn, within their time.
	maxComputingTLS = 8
)

// ListenTLS returns a service that has pr serve the TLS connections at addr, of
// TLS 1.2 or later. Its name is that of Listen with an "s" behind key, as in
// "telnets:4443". The protocol reads and writes its Conn as any other; Conn.TLS
// says what it is.
//
// The handshake comes before ServeConn, and after the limits of connections. A
// client has 10 seconds for it; one that does not speak TLS is told so in a
// plain line. Who is turned away for a limit is closed without a word, since a
// client of TLS could not read it. There are at most 1024 handshakes under way
// in a Portal, above which connections are closed. Afterwards a connection costs
// some 6 KiB more than a plain one, which are those of crypto/tls.
//
// Cfg is copied, and may be shared. Its callbacks are called by handshakes, of
// which 8 are worked on at a time: they must not wait for long. A service whose
// cfg is nil, or has no certificate nor a callback for one, cannot be opened.
func ListenTLS(key, addr string, pr Protocol, cfg *tls.Config) Service {
	s := newListen(key+"s", addr, pr)
	s.secure = true
	if cfg != nil {
		s.tls = cfg.Clone()
		s.tls.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
		// One write of a protocol is one record and one packet, if it fits.
		s.tls.DynamicRecordSizingDisabled = true
	}
	return s
}

// errNoCertificate is why a service cannot be opened.
var errNoCertificate = errors.New("portal: the TLS configuration has no certificate")

func hasCertificate(cfg *tls.Config) bool {
	return cfg != nil && (len(cfg.Certificates) > 0 || cfg.GetCertificate != nil || cfg.GetConfigForClient != nil)
}

// TLS returns the state of a connection that a service made with ListenTLS has
// accepted, and nil for any other.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	st := c.tls.ConnectionState()
	return &st
}

// A wire is the connection below the TLS of a Conn: reads go to the socket,
// writes to the queue.
type wire struct {
	*Conn
	shake *tlsHandshake // nil once it is over
}

var _ net.Conn = (*wire)(nil)

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if w.shake == nil {
		return w.under.Read(p)
	}
	w.shake.leave()
	n, err := w.under.Read(p)
	w.shake.heard += n
	if err == nil {
		err = w.shake.enter()
	}
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) { return w.write(p) }

// A tlsHandshake computes when there is a place for it. While it waits for its
// client it has none, so that silent clients hold up nobody.
type tlsHandshake struct {
	places chan struct{} // an element for each that has one
	until  time.Time     // when it has taken too long
	inside bool          // it has a place
	heard  int           // bytes from the client
}

func (h *tlsHandshake) enter() error {
	select {
	case h.places <- struct{}{}:
		h.inside = true
		return nil
	default:
	}
	late := time.NewTimer(time.Until(h.until))
	defer late.Stop()
	select {
	case h.places <- struct{}{}:
		h.inside = true
		return nil
	case <-late.C:
		return os.ErrDeadlineExceeded
	}
}

func (h *tlsHandshake) leave() {
	if h.inside {
		h.inside = false
		<-h.places
	}
}

// addTLS puts TLS into a Conn that nobody has used yet.
func (c *Conn) addTLS(cfg *tls.Config) { c.tls = tls.Server(&wire{Conn: c}, cfg) }

// recordHeader is the length of a TLS record's header: RFC 8446, section 5.1.
const recordHeader = 5

// startTLS does the TLS handshake and reports whether it went well. Of a
// client that does not speak TLS it takes leave.
func (p *Portal) startTLS(c *Conn, key string) bool {
	log := p.log.With("proto", key, "remote", c.RemoteAddr().String())
	select {
	case p.startingTLS <- struct{}{}:
		defer func() { <-p.startingTLS }()
	default:
		p.meter.refused[refusedTLSQueue].Inc()
		log.Debug("connection turned away: too many tls handshakes are under way")
		c.Close()
		return false
	}
	w := c.tls.NetConn().(*wire)
	h := &tlsHandshake{places: p.computingTLS, until: time.Now().Add(tlsTime)}
	w.shake = h
	c.SetReadDeadline(h.until)
	err := service.Guard(c.tls.Handshake)
	h.leave()
	w.shake = nil
	c.SetReadDeadline(time.Time{})
	if err == nil {
		return true
	}
	p.meter.refused[refusedTLS].Inc()
	if _, ok := errors.AsType[*service.PanicError](err); ok {
		log.Error("tls handshake failed", service.ErrAttr(err))
		return false
	}
	log.Debug("tls handshake failed", "err", err)
	// What begins like a handshake is not answered in plain text; and what is
	// shorter than a record's header is somebody's typing, or waits for us to
	// speak first.
	wrong, ok := errors.AsType[tls.RecordHeaderError](err)
	if ok && wrong.Conn != nil || errors.Is(err, os.ErrDeadlineExceeded) && h.heard < recordHeader {
		c.write([]byte(plainWantsTLS))
	}
	return false
}
