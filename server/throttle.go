package server

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"mudlark.dev/world"
)

// maxThrottled bounds the addresses that a throttle remembers; beyond it the
// ones that expire first are forgotten.
const maxThrottled = 500

// A throttle counts events per address within a window. Its counts are a
// setting of the world, so they outlive the Server. It belongs to the loop.
type throttle struct {
	name   string // of the setting
	limit  int    // events within the window before more are refused; negative: never
	window time.Duration
}

// counts are the events of one address and until when they count.
type counts struct {
	n     int64
	until time.Time
}

// load reads what still counts.
func (t *throttle) load(w *world.World) map[string]counts {
	stored, _ := w.Setting(t.name).(map[string]any)
	out := make(map[string]counts, len(stored))
	for addr, v := range stored {
		pair, _ := v.([]any)
		if len(pair) != 2 {
			continue
		}
		n, _ := pair[0].(int64)
		until, _ := pair[1].(int64)
		if c := (counts{n, time.Unix(until, 0)}); c.until.After(w.Now()) {
			out[addr] = c
		}
	}
	return out
}

// wait returns how long addr has to wait, or 0 if it may try now.
func (t *throttle) wait(w *world.World, addr string) time.Duration {
	if t.limit < 0 {
		return 0
	}
	c := t.load(w)[network(addr)]
	if c.n < int64(t.limit) {
		return 0
	}
	return c.until.Sub(w.Now())
}

// count notes an event of addr.
func (t *throttle) count(w *world.World, addr string) error {
	if t.limit < 0 {
		return nil
	}
	all := t.load(w)
	key := network(addr)
	if _, known := all[key]; !known && len(all) >= maxThrottled {
		delete(all, first(all))
	}
	all[key] = counts{all[key].n + 1, w.Now().Add(t.window)}
	stored := make(map[string]any, len(all))
	for addr, c := range all {
		stored[addr] = []any{c.n, c.until.Unix()}
	}
	return w.SetSetting(t.name, stored)
}

// first returns the address whose events expire first.
func first(all map[string]counts) string {
	var addrs []string
	for a := range all {
		addrs = append(addrs, a)
	}
	slices.Sort(addrs)
	return slices.MinFunc(addrs, func(a, b string) int { return all[a].until.Compare(all[b].until) })
}

// network returns what counts as one address: an IPv4 address or an IPv6 /64,
// since a single host has a whole one. What is no address is one of its own.
func network(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "?"
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // bits fit the address
	return p.String()
}
