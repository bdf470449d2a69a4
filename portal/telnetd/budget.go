package telnetd

import "time"

// A budget bounds what a client may have us do: it starts full, each use takes
// one, and they come back with time.
type budget struct {
	most    int           // how many there can be
	every   time.Duration // how long one takes to come back
	enough  int           // refusals after which the client is to go
	used    int           // as of at
	at      time.Time
	refused int
}

// take reports whether there was one left, and takes it.
func (b *budget) take() bool {
	if b.used > 0 {
		if back := int(time.Since(b.at) / b.every); back > 0 {
			b.used = max(b.used-back, 0)
			b.at = b.at.Add(time.Duration(back) * b.every)
		}
	}
	if b.used == 0 {
		b.at = time.Now()
	}
	if b.used >= b.most {
		b.refused++
		return false
	}
	b.used++
	return true
}

// over reports whether the client has gone on for too long.
func (b *budget) over() bool { return b.refused > b.enough }
