// Package nonblock writes to sockets without waiting for them.
package nonblock

import (
	"net"
	"sync"
	"syscall"
)

// A Writer writes to a socket what that takes at the moment. The zero value has no
// socket, and takes nothing. It is used by one goroutine at a time, by none while
// another writes to the same connection, and with no write deadline in the past.
type Writer struct {
	raw syscall.RawConn // nil: there is no socket that can be written without waiting
}

// New returns a Writer to c. Of what is no socket of package net it takes nothing.
func New(c net.Conn) Writer { return Writer{rawConn(c)} }

// Able reports whether there is a socket that can be written without waiting.
func (w Writer) Able() bool { return w.raw != nil }

// WriteNow writes as much of p as the socket takes at this moment, which may be
// nothing, and returns how much that was. It keeps nothing of p.
func (w Writer) WriteNow(p []byte) (int, error) {
	if w.raw == nil || len(p) == 0 {
		return 0, nil
	}
	a := attempts.Get().(*attempt)
	a.p = p
	err := w.raw.Write(a.try)
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
