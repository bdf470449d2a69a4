package server

import (
	"net"
	"net/netip"
	"time"
)

// maxThrottled bounds the addresses that a throttle remembers; beyond it the
// ones that expire first are forgotten.
const maxThrottled = 10000

// A throttle counts events per address within a window. It belongs to the
// loop. It starts empty with each Server.
type throttle struct {
	limit  int // events within the window before more are refused; negative: never
	window time.Duration
	seen   map[netip.Prefix]*tries
}

type tries struct {
	n     int
	until time.Time
}

func newThrottle(limit int, window time.Duration) *throttle {
	return &throttle{limit: limit, window: window, seen: make(map[netip.Prefix]*tries)}
}

// wait returns how long addr has to wait, or 0 if it may try now.
func (t *throttle) wait(addr string, now time.Time) time.Duration {
	if t.limit < 0 {
		return 0
	}
	e := t.seen[network(addr)]
	if e == nil || !e.until.After(now) || e.n < t.limit {
		return 0
	}
	return e.until.Sub(now)
}

// count notes an event of addr.
func (t *throttle) count(addr string, now time.Time) {
	if t.limit < 0 {
		return
	}
	key := network(addr)
	e := t.seen[key]
	if e == nil || !e.until.After(now) {
		t.expire(now)
		e = &tries{}
		t.seen[key] = e
	}
	e.n++
	e.until = now.Add(t.window)
}

// expire makes room for one more address.
func (t *throttle) expire(now time.Time) {
	if len(t.seen) < maxThrottled {
		return
	}
	var first netip.Prefix
	var at time.Time
	for k, e := range t.seen {
		if !e.until.After(now) {
			delete(t.seen, k)
		} else if at.IsZero() || e.until.Before(at) {
			first, at = k, e.until
		}
	}
	if len(t.seen) >= maxThrottled {
		delete(t.seen, first)
	}
}

// network returns what counts as one address: an IPv4 address or an IPv6 /64,
// since a single host has a whole one. What is no address is one of its own.
func network(addr string) netip.Prefix {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // bits fit the address
	return p
}
