package portal

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what clients may do. In each field 0 means its default and a
// negative value means no limit. Limits of rate slow a client down; nothing it
// sends is dropped.
type Limits struct {
	ConnectionsPerSecond  int           // new connections per second, and as many at once; more are turned away with a line; default 100
	ConnectionsPerAddress int           // open connections of one address (IPv6: of one /64); more are turned away with a line; default 50
	MessagesPerSecond     int           // messages that are taken from one session per second, and as many at once; more wait; default 80
	LineBytes             int           // bytes of one text; longer ones are refused; default 8 KiB
	Sessions              int           // sessions, those included that have ended and of which the game does not know yet; default 20000
	RingLines             int           // messages held per session until the game has handled them; more wait; default 256
	RingBytes             int           // bytes of these; more wait; default 64 KiB
	OutputBytes           int           // bytes queued for one client; more end its connection; default 1 MiB
	FloodAfter            time.Duration // a session that is held back by its full ring for this long while a Server is attached is disconnected; default 60s
	WriteStall            time.Duration // a client that takes no byte for this long is disconnected; default 60s
}

func (l Limits) withDefaults() Limits {
	def(&l.ConnectionsPerSecond, 100)
	def(&l.ConnectionsPerAddress, 50)
	def(&l.MessagesPerSecond, 80)
	def(&l.LineBytes, 8<<10)
	def(&l.Sessions, 20000)
	def(&l.RingLines, 256)
	def(&l.RingBytes, 64<<10)
	def(&l.OutputBytes, 1<<20)
	def(&l.FloodAfter, 60*time.Second)
	def(&l.WriteStall, 60*time.Second)
	return l
}

func def[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}

// limiter returns a bucket of n a second, or nil for no limit.
func limiter(n int) *rate.Limiter {
	if n < 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(n), n)
}

// A bucket holds what may be taken at once and fills with time. It is when it will be
// full, or was: the rest follows from that.
type bucket time.Duration

// take takes one from a bucket of n that fills with n a second, or says how long it
// takes until it can. A negative n is no limit.
func (b *bucket) take(now time.Duration, n int) (wait time.Duration) {
	if n < 0 {
		return 0
	}
	each := time.Second / time.Duration(n)
	full := max(time.Duration(*b), now) + each
	if wait = full - now - time.Second; wait > 0 {
		return wait
	}
	*b = bucket(full)
	return 0
}

// Admit counts a connection from addr, which is host:port or an address alone,
// against the limits of connections. Services that accept connections other
// than by Listen call it before they spend anything on one. The caller calls
// release when the connection has ended. The error is ErrTooManyConnections,
// ErrTooManySessions or ErrStopped with words for the log.
func (p *Portal) Admit(addr string) (release func(), err error) {
	key := addressKey(addr)
	defer func() {
		if err != nil {
			p.meter.refuse(err)
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.cfg.Limits
	switch {
	case p.stopping:
		return nil, ErrStopped
	case l.Sessions >= 0 && len(p.sessions) >= l.Sessions:
		return nil, fmt.Errorf("%w: %d", ErrTooManySessions, l.Sessions)
	case l.ConnectionsPerAddress >= 0 && p.addresses[key] >= l.ConnectionsPerAddress:
		return nil, fmt.Errorf("%w from %s: %d are open", ErrTooManyConnections, key, p.addresses[key])
	case p.connects != nil && !p.connects.Allow():
		return nil, fmt.Errorf("%w: more than %d a second", errTooFast, l.ConnectionsPerSecond)
	}
	p.addresses[key]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.addresses[key]--; p.addresses[key] <= 0 {
			delete(p.addresses, key)
		}
	}, nil
}

// errTooFast is ErrTooManyConnections by rate.
var errTooFast = fmt.Errorf("%w at this moment", ErrTooManyConnections)

// addressKey returns what connections are counted by: the address without its
// port, and of an IPv6 address the first 64 bits, as those are one customer's.
func addressKey(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
