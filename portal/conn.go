package portal

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"mudlark.dev/internal/nonblock"
)

const (
	// lingerTime is how long a connection that was told goodbye may stay open
	// for its client to read that. Closing at once would send a reset if the
	// client has typed in between, and that may overtake the farewell.
	lingerTime = 2 * time.Second
	// writeChunk is the most that one Write of a Conn's writer takes, so that
	// progress is seen while a slow client takes a long queue.
	writeChunk = 64 << 10
	// keepQueue is the largest queue buffer that is kept while it is empty.
	keepQueue = 4 << 10
)

// A Conn is a net.Conn whose Write does not block: it gives the socket what it
// takes at once and keeps the rest in a bounded queue. A goroutine writes the
// queue, and exists only while there is one. A client that lets more pile up
// than Limits.OutputBytes, or takes nothing for Limits.WriteStall, is closed
// with ErrSlowClient as the cause.
//
// SSH and WebSocket stack on it as on any net.Conn; TLS is inside, where a
// service was made with ListenTLS: what is read and written is the plain text,
// what is queued the cipher text. Read deadlines pass through; write deadlines
// belong to the Conn.
type Conn struct {
	under  net.Conn
	socket bool            // it has one; if it has none, all goes through the queue
	raw    syscall.RawConn // of under; nil: there is none
	tls    *tls.Conn       // nil if there is none; it writes by way of a wire
	remote net.Addr        // the client's
	local  net.Addr        // ours
	bound  int             // of the queue; negative: none
	stall  time.Duration   // negative: none

	mu      sync.Mutex
	queue   []byte // written and not yet taken by the writer
	flight  int    // bytes that the writer is writing
	writing bool   // the writer runs
	ending  bool   // CloseAfterFlush was called: nothing more is taken
	half    bool   // our direction is closed, the client's is not
	cut     bool   // reads are over: the Portal stops
	err     error  // the cause, once closed
	drained func()
	timer   *time.Timer   // ends a CloseAfterFlush
	closed  chan struct{} // closed by Close, where somebody waits for that
	writer  sync.WaitGroup

	sessions []*Session // made on this connection

	polled polled // while it rests
	turn   *shift // what it is served in; nil: by a goroutine of its own

	// Of Receive, which one goroutine calls at a time.
	readNow func(fd uintptr) bool // nil: not made yet
	in      *received             // what was read; nil without
}

// connKey is the key of a *Conn in the context of its ServeConn.
type connKey struct{}

func (c *Conn) addSession(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = append(c.sessions, s)
}

func (c *Conn) takeSessions() []*Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.sessions
	c.sessions = nil
	return list
}

// NewConn returns a Conn over c, which it owns from then on, with the bounds of
// l. Listen does this for its connections.
func NewConn(c net.Conn, l Limits) *Conn {
	l = l.withDefaults()
	nc := &Conn{
		under: c, raw: nonblock.Raw(c), bound: l.OutputBytes, stall: l.WriteStall,
		remote: c.RemoteAddr(), local: c.LocalAddr(),
	}
	nc.socket = nc.raw != nil
	tuneSocket(c, nc.stall)
	return nc
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the client's address. Behind a proxy of
// Config.TrustedProxies it is the one that the proxy gives.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Read implements net.Conn. A read that ends by its deadline loses nothing.
func (c *Conn) Read(p []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Read(p)
	}
	c.attach()
	return c.under.Read(p)
}

// attach has package net wait for the socket, on a goroutine that is the caller's own.
func (c *Conn) attach() {
	c.Own()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attachLocked()
}

// Write implements net.Conn without blocking. It fails once the Conn is closed,
// with its cause, and after CloseAfterFlush.
func (c *Conn) Write(p []byte) (int, error) {
	if c.tls == nil {
		return c.write(p)
	}
	n, err := c.tls.Write(p)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case c.err != nil:
			err = c.err
		case c.ending: // close_notify was sent
			err = net.ErrClosed
		}
	}
	return n, err
}

// write writes what goes to the socket.
func (c *Conn) write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if c.ending {
		return 0, net.ErrClosed
	}
	rest := p
	if !c.writing {
		n, err := c.tryWriteLocked(p)
		if err != nil {
			c.closeLocked(err)
			return n, err
		}
		rest = p[n:]
	}
	if len(rest) == 0 {
		return len(p), nil
	}
	if n := len(c.queue) + c.flight + len(rest); c.bound >= 0 && n > c.bound {
		c.closeLocked(fmt.Errorf("%w: %d bytes are waiting, the limit is %d", ErrSlowClient, n, c.bound))
		return 0, c.err
	}
	c.queue = append(c.queue, rest...)
	if !c.writing {
		c.writing = true
		if c.attachLocked(); c.err != nil {
			return 0, c.err
		}
		c.writer.Go(c.writeQueue)
	}
	return len(p), nil
}

// tryWriteLocked gives the socket what it takes at once.
func (c *Conn) tryWriteLocked(p []byte) (int, error) {
	if fd := c.polled.fd; fd > 0 {
		return nonblock.TryWrite(uintptr(fd), p)
	}
	return nonblock.Write(c.raw, p)
}

// writeQueue writes the queue until it is empty or the Conn is closed.
func (c *Conn) writeQueue() {
	var spare []byte
	for {
		c.mu.Lock()
		c.flight = 0
		if c.err != nil {
			c.writing = false
			c.mu.Unlock()
			return
		}
		if len(c.queue) == 0 {
			c.writing = false
			if cap(c.queue) > keepQueue {
				c.queue = nil
			}
			drained := c.drained
			if c.ending {
				c.closeWriteLocked()
			}
			c.mu.Unlock()
			if drained != nil {
				drained()
			}
			return
		}
		out := c.queue
		c.queue, c.flight = spare[:0], len(out)
		c.mu.Unlock()
		if err := c.writeAll(out); err != nil {
			c.mu.Lock()
			c.closeLocked(err)
			c.mu.Unlock()
			continue
		}
		spare = out
	}
}

func (c *Conn) writeAll(out []byte) error {
	for len(out) > 0 {
		if c.stall > 0 {
			c.under.SetWriteDeadline(time.Now().Add(c.stall))
		}
		n, err := c.under.Write(out[:min(len(out), writeChunk)])
		out = out[n:]
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case n == 0:
			return fmt.Errorf("%w: no byte within %v", ErrSlowClient, c.stall)
		}
		c.mu.Lock()
		c.flight = len(out)
		c.mu.Unlock()
	}
	if c.stall > 0 {
		c.under.SetWriteDeadline(time.Time{})
	}
	return nil
}

// received is what was read at once.
type received struct {
	n   int
	err error
	buf [2 << 10]byte
}

var receivedPool = sync.Pool{New: func() any { return new(received) }}

// Receive waits until something has come and calls f with it, once; what it gives
// f is good until f returns. It is Read for connections that are idle for most of
// the time: no memory is held while nothing comes, unless the Conn has TLS or no
// socket. It returns the error of the read, which may come beside data; f is not
// called without any. One goroutine calls it at a time, and not Read meanwhile.
func (c *Conn) Receive(f func([]byte)) error {
	if c.tls == nil {
		if came, err := c.TryReceive(f); came {
			return err
		}
		c.attach()
	}
	if c.raw == nil || c.tls != nil || !nonblock.CanRead {
		in := receivedPool.Get().(*received)
		in.n, in.err = c.Read(in.buf[:])
		return in.give(f)
	}
	if c.readNow == nil {
		c.readNow = c.tryRead
	}
	if err := c.raw.Read(c.readNow); err != nil {
		return err
	}
	in := c.in
	c.in = nil
	return in.give(f)
}

// give calls f with what was read and returns the error of the read.
func (in *received) give(f func([]byte)) error {
	err := in.err
	if in.n > 0 {
		f(in.buf[:in.n])
	}
	receivedPool.Put(in)
	return err
}

// tryRead reads what has come, and reports false if that is nothing.
func (c *Conn) tryRead(fd uintptr) bool {
	in := receivedPool.Get().(*received)
	var again bool
	in.n, again, in.err = nonblock.TryRead(fd, in.buf[:])
	if again {
		receivedPool.Put(in)
		return false
	}
	c.in = in
	return true
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return nil
	}
	c.unparkLocked()
	if c.polled.fd > 0 && t.IsZero() {
		return nil
	}
	c.attachLocked()
	return c.under.SetReadDeadline(t)
}

// SetDeadline sets the read deadline: Write never waits.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// interrupt ends the read that waits, and those that come.
func (c *Conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	c.unparkLocked()
	c.attachLocked()
	c.under.SetReadDeadline(time.Unix(1, 0))
}

// SetWriteDeadline does nothing: Write never waits, and the queue has a time
// limit of its own.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Queued implements Queuer. Of a Conn with TLS these are bytes of the cipher
// text.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) + c.flight
}

// OnDrained implements Queuer.
func (c *Conn) OnDrained(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drained = f
}

// CloseAfterFlush closes the Conn once its queue is written, or after timeout.
// It returns at once, and nothing more can be written. Where the transport can,
// our direction is closed first and the client has a moment to do the same, so
// that a farewell is not lost. TLS is ended before, by close_notify.
func (c *Conn) CloseAfterFlush(timeout time.Duration) {
	if c.tls != nil {
		// It fails before the handshake, when there is nothing to end yet.
		// Repeated, it does nothing.
		c.tls.CloseWrite()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || c.ending {
		return
	}
	c.ending = true
	c.timer = time.AfterFunc(timeout, func() { c.Close() })
	if !c.writing {
		c.closeWriteLocked()
	}
}

func (c *Conn) closeWriteLocked() {
	if c.attachLocked(); c.err != nil {
		return
	}
	cw, ok := c.under.(interface{ CloseWrite() error })
	if !ok || c.half || cw.CloseWrite() != nil {
		c.closeLocked(net.ErrClosed)
		return
	}
	c.half = true
	c.timer.Reset(lingerTime)
}

// Close closes the Conn at once; what is queued is lost, and TLS ends without
// close_notify. It is safe to call more than once.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked(net.ErrClosed)
	return nil
}

// Err returns why the Conn was closed: net.ErrClosed after Close,
// ErrSlowClient, or the error of a write. It is nil while it is open.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Conn) closeLocked(cause error) {
	if c.err != nil {
		return
	}
	c.err = cause
	c.queue = nil
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.closed != nil {
		close(c.closed)
	}
	c.unparkLocked()
	if c.polled.fd > 0 {
		c.dropLocked()
		return
	}
	c.under.Close() // a socket's Close wakes its readers and writers and waits for neither
}

// finish ends a Conn whose protocol has returned: what it wrote last gets out,
// what the client still sends is read and thrown away, and the writer is waited
// for. It takes no longer than a few seconds.
func (c *Conn) finish() {
	c.CloseAfterFlush(2 * lingerTime)
	c.attach()
	c.under.SetReadDeadline(time.Now().Add(2 * lingerTime))
	io.Copy(io.Discard, c.under)
	c.mu.Lock()
	wait := c.writing && c.err == nil
	if wait {
		c.closed = make(chan struct{})
	}
	c.mu.Unlock()
	if wait {
		<-c.closed
	}
	c.Close()
	c.writer.Wait()
}
