package portal

import (
	"context"
	"net"
	"os"
	"time"

	"mudlark.dev/internal/nonblock"
)

// A connection that rests is waited for by a poller, with many others. If its socket
// can be taken from package net it is, as one that stays there wakes the process twice:
// c.fd is that socket then, and c.under is not to be used until attachLocked has given
// it back, for whatever waits for the socket.
//
// A Portal has two pollers. One serves at once. The other is for those who type now
// and then, as people do, and looks after their sockets a few hundred times a second at
// most: that is nothing to them, and costs a game of thousands a fraction of what it
// costs to be woken for each line by itself.

const (
	// lively is how long nothing may have come for a connection to be served at once:
	// by it a client that plays by itself, or sends a file, is told from a person.
	lively = 500 * time.Millisecond
	// gather is how long the poller of the others waits for more when it has served
	// some. What comes after a longer time in which nothing came is served at once.
	gather = 3 * time.Millisecond
)

// polled is what a Conn that rests has.
type polled struct {
	by       *poller  // that waits for it, or did last
	n        uint64   // what by knows it by; 0: it does not know it
	v        *serving // what goes on when there is something to do; nil: it goes on already
	fd       int      // the socket that was taken from package net; 0: it was not
	heard    uint32   // when something came last, in milliseconds since the Portal was made
	calm     bool     // that was long after what came before
	ready    bool     // something may have come, of the socket that was taken
	hup      bool     // its end has come, behind what came
	enlisted bool     // by knows the socket of package net
	never    bool     // it cannot be waited for; of the goroutine that serves it
}

// park has v go on when something comes from the client, when the Conn is closed or
// its reads are interrupted, and when a read deadline is set. It reports false if v is
// to go on at once: the Conn cannot be waited for like this, is at its end, or
// something has come already.
func (c *Conn) park(v *serving) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil || c.cut:
		return false
	case c.polled.fd > 0:
		if c.polled.ready {
			return false
		}
		if by := v.p.poller(c.polled.calm); by != c.polled.by && !by.move(c) {
			return false
		}
	case c.raw == nil:
		return false
	default:
		by := v.p.poller(false)
		if by == nil || !by.add(c) {
			c.polled.never = true
			return false
		}
	}
	c.polled.v = v
	return true
}

// unparkLocked ends the wait of park.
func (c *Conn) unparkLocked() {
	if v := c.polled.v; v != nil {
		c.polled.v = nil
		if c.polled.fd == 0 {
			c.polled.by.forget(c)
		}
		go v.run()
	}
}

// Rests reports whether c may rest after each piece of input, at next to no cost, and
// TryReceive can be used: it is a socket without TLS, on a system that can wait for
// many.
//
// It is for the goroutine that serves c.
func (c *Conn) Rests() bool {
	return canPoll && c.socket && c.tls == nil && !c.polled.never
}

// TryReceive is Receive without waiting, for what a RestError goes on with. It reports
// false if nothing has come and the connection goes on. It is to be used only if Rests
// is true.
func (c *Conn) TryReceive(f func([]byte)) (came bool, err error) {
	c.mu.Lock()
	switch {
	case c.cut:
		err = os.ErrDeadlineExceeded
	case c.err != nil:
		err = c.err
	case c.polled.fd == 0 && c.raw != nil:
		c.mu.Unlock()
		return c.tryUnder(f)
	}
	if err != nil || !c.polled.ready {
		c.mu.Unlock()
		return err != nil, err
	}
	in := receivedPool.Get().(*received)
	var again bool
	in.n, again, in.err = nonblock.TryRead(uintptr(c.polled.fd), in.buf[:])
	// What comes later is told by the poller, and a full buffer or an end that was told
	// of already by nobody.
	c.polled.ready = !again && (in.err != nil || in.n == len(in.buf) || c.polled.hup)
	c.mu.Unlock()
	if again {
		receivedPool.Put(in)
		return false, nil
	}
	return true, in.give(f)
}

// tryUnder is TryReceive of a socket that is package net's.
func (c *Conn) tryUnder(f func([]byte)) (came bool, err error) {
	err = c.raw.Read(func(fd uintptr) bool {
		came = c.tryRead(fd)
		return true
	})
	if err != nil || !came {
		return err != nil, err
	}
	in := c.in
	c.in = nil
	return true, in.give(f)
}

// Own gives the caller a goroutine of its own. A function that a RestError goes on
// with, and that is Shared, calls it before it waits for anything. It may be called
// more than once.
func (c *Conn) Own() {
	if t := c.turn; t != nil {
		c.turn = nil
		t.pass()
	}
}

// A shift is a goroutine's time as the one that serves a poller's connections.
type shift struct {
	k    *poller
	over bool // another goroutine serves them
}

// pass has another goroutine serve the other connections.
func (t *shift) pass() {
	t.over = true
	t.k.release()
	go t.k.run()
}

// serve has v go on, as part of the shift if it may. It reports false if the shift is
// over.
func (t *shift) serve(v *serving) bool {
	if !v.rest.Shared {
		go v.run()
		return true
	}
	v.c.turn = t
	v.run()
	return !t.over
}

// A connContext is the context of a connection: connKey is in it.
type connContext struct {
	context.Context
	c *Conn
}

func (x connContext) Value(key any) any {
	if key == (connKey{}) {
		return x.c
	}
	return x.Context.Value(key)
}

// A lostConn is in the place of a socket that is closed.
type lostConn struct{}

func (lostConn) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (lostConn) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (lostConn) Close() error                     { return nil }
func (lostConn) LocalAddr() net.Addr              { return nil }
func (lostConn) RemoteAddr() net.Addr             { return nil }
func (lostConn) SetDeadline(time.Time) error      { return net.ErrClosed }
func (lostConn) SetReadDeadline(time.Time) error  { return net.ErrClosed }
func (lostConn) SetWriteDeadline(time.Time) error { return net.ErrClosed }
