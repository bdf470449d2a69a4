// Package nonblock reads and writes sockets without waiting for them.
package nonblock

import (
	"sync"
	"syscall"
)

// Write writes as much of p as the socket takes at this moment, which may be
// nothing, and returns how much that was. It keeps nothing of p. With a nil raw, as
// Raw returns it, it takes nothing. Nobody else writes to the connection meanwhile,
// and it has no write deadline in the past.
func Write(raw syscall.RawConn, p []byte) (int, error) {
	if raw == nil || len(p) == 0 {
		return 0, nil
	}
	a := attempts.Get().(*attempt)
	a.p = p
	err := raw.Write(a.try)
	if err == nil {
		err = a.err
	}
	n := a.n
	a.p, a.n, a.err = nil, 0, nil
	attempts.Put(a)
	return n, err
}

// An attempt is a write under way. Its function is made once, so that a write costs
// no memory.
type attempt struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

var attempts = sync.Pool{New: func() any {
	a := &attempt{}
	a.try = a.once
	return a
}}
