package telnetd

import "time"

// An allowance bounds what a client may have us do.
type allowance struct {
	most   int           // how many there can be
	every  time.Duration // how long one takes to come back
	enough int           // refusals after which the client is to go
}

var (
	negotiation = allowance{most: 200, every: 50 * time.Millisecond, enough: 5000}
	nonsense    = allowance{most: 20, every: 3 * time.Second} // data that makes no sense
)

// A budget is what a client has used of an allowance: it starts full, each use takes
// one, and they come back with time.
type budget struct {
	used    int32 // as of at
	refused int32
	at      time.Duration
}

// take reports whether there was one left, and takes it.
func (b *budget) take(a *allowance, now time.Duration) bool {
	if b.used > 0 {
		if back := (now - b.at) / a.every; back > 0 {
			b.used = max(b.used-int32(min(back, time.Duration(a.most))), 0)
			b.at += back * a.every
		}
	}
	if b.used == 0 {
		b.at = now
	}
	if int(b.used) >= a.most {
		if b.refused < 1<<31-1 {
			b.refused++
		}
		return false
	}
	b.used++
	return true
}

// over reports whether the client has gone on for too long.
func (b *budget) over(a *allowance) bool { return int(b.refused) > a.enough }
