package link

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"mudlark.dev/message"
)

// Defaults of Config.
const (
	DefaultWriteTimeout = 10 * time.Second
	DefaultMaxBuffered  = 64 << 20
)

// idleAfter is how long after a write a link counts as idle. It is less than a line
// takes from one process to the other and back, so that a single player's link is
// idle between two lines.
const idleAfter = 50 * time.Microsecond

// Errors of a link.
var (
	// ErrClosed is returned after Close, or once the peer has gone. Attach anew.
	ErrClosed = errors.New("link: closed")
	// ErrStalled ends a link whose peer does not take its frames: for longer
	// than the write time-out, or while more was sent than may be buffered.
	ErrStalled = errors.New("link: peer does not take its frames")
)

// Config has the settings of a Conn. Its zero value is a working default.
type Config struct {
	WriteTimeout time.Duration // a write that takes longer ends the link; 0 means DefaultWriteTimeout, negative never
	MaxBuffered  int           // bytes sent and not yet written; more end the link; 0 means DefaultMaxBuffered
	Traffic      *Traffic      // counts the bytes; may be nil
}

// A Conn sends and receives frames over a Transport.
//
// Send never blocks. It appends to a buffer. If the link is idle it writes that
// itself, as much as the transport takes without waiting; otherwise a writer
// goroutine of the Conn swaps the buffer against an empty one and writes, after
// those that are about to run have had their turn: under load what they send goes
// out in one write, as does what is sent while a write is under way. Recv is called by one
// goroutine; all else by any.
type Conn struct {
	t   Transport
	now NowWriter // t, if it is one
	cfg Config
	in  *bufio.Reader

	mu      sync.Mutex
	work    sync.Cond // the writer waits here for bytes to write
	done    sync.Cond // Written waits here
	buf     []byte    // sent, not yet taken to be written
	spare   []byte    // the other buffer
	writing bool      // somebody writes
	held    int       // calls of Hold without their Release
	rest    []byte    // what a Send could not write of what it has taken, for the writer; writing is set
	all     []byte    // all of that
	last    time.Time // when the last write began
	sent    uint64    // bytes ever appended to buf
	written uint64    // bytes ever written
	err     error     // why the link ended; nil while it lasts
	replies map[uint64]chan *Reply
	lastReq uint64

	body   []byte // Recv's frame buffer
	ended  chan struct{}
	writer chan struct{} // closed when the writer goroutine has returned
}

// New returns a Conn over t, which it owns from then on, and starts its
// writer. Close ends both.
func New(t Transport, cfg Config) *Conn {
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = DefaultWriteTimeout
	}
	if cfg.MaxBuffered <= 0 {
		cfg.MaxBuffered = DefaultMaxBuffered
	}
	if cfg.Traffic == nil {
		cfg.Traffic = new(Traffic)
	}
	c := &Conn{
		t: t, cfg: cfg, in: bufio.NewReaderSize(t, 64<<10),
		replies: make(map[uint64]chan *Reply),
		ended:   make(chan struct{}), writer: make(chan struct{}),
	}
	c.now, _ = t.(NowWriter)
	c.work.L, c.done.L = &c.mu, &c.mu
	go c.write()
	return c
}

// Send queues frames; they go out in order and without another's between them.
// It returns ErrClosed after the link's end, ErrStalled if the peer does not
// take its frames (the link is ended then), or the error of a frame that
// cannot be encoded, in which case none of the frames is sent.
func (c *Conn) Send(frames ...Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	start := len(c.buf)
	buf := c.buf
	for _, f := range frames {
		var err error
		if buf, err = AppendFrame(buf, f); err != nil {
			c.buf = buf[:start]
			return err
		}
	}
	c.buf = buf
	c.sent += uint64(len(buf) - start)
	switch {
	case len(buf) > c.cfg.MaxBuffered:
		c.failLocked(fmt.Errorf("%w: more than %d bytes are waiting", ErrStalled, c.cfg.MaxBuffered))
		return c.err
	case c.writing || c.held > 0: // whoever writes sees to it, or Release
	case c.now != nil && start == 0 && len(buf) > 0 && c.idleLocked():
		return c.writeNowLocked()
	default:
		c.work.Signal()
	}
	return nil
}

// Hold has what is sent from now on wait for Release: the caller is about to send
// several frames, with nothing to wait for between them.
func (c *Conn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held++
}

// Release ends a Hold, and writes what has waited as far as the transport takes it at
// once.
func (c *Conn) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.held--; {
	case c.held > 0 || c.err != nil || c.writing || len(c.buf) == 0:
	case c.now != nil:
		c.last = time.Now()
		c.writeNowLocked() // its error is the link's end
	default:
		c.work.Signal()
	}
}

// idleLocked reports whether nothing was written for a while, and notes the time.
func (c *Conn) idleLocked() bool {
	now := time.Now()
	idle := now.Sub(c.last) >= idleAfter
	if idle {
		c.last = now
	}
	return idle
}

// takeLocked takes what is to be written, for a caller that sets writing.
func (c *Conn) takeLocked() []byte {
	out := c.buf
	c.buf, c.spare = c.spare[:0], nil
	return out
}

// writtenLocked is the end of writing n bytes: all of out, or with a rest the first
// of them. An error ends the link.
func (c *Conn) writtenLocked(out []byte, n int, err error) {
	if err != nil {
		if isTimeout(err) {
			err = fmt.Errorf("%w within %v: %w", ErrStalled, c.cfg.WriteTimeout, err)
		} else {
			err = fmt.Errorf("%w: %w", ErrClosed, err)
		}
		c.failLocked(err)
		return
	}
	if n > 0 {
		c.written += uint64(n)
		c.cfg.Traffic.Written.Add(uint64(n))
		c.done.Broadcast()
	}
	if c.rest == nil && cap(out) <= 1<<20 {
		c.spare = out
	}
}

// writeNowLocked writes the buffer as far as the transport takes it at once. The
// lock is not held meanwhile. What is left, and what others have sent since, is for
// the writer.
func (c *Conn) writeNowLocked() error {
	out := c.takeLocked()
	c.writing = true
	c.mu.Unlock()
	n, err := c.now.WriteNow(out)
	c.mu.Lock()
	if err == nil && n < len(out) {
		c.rest, c.all = out[n:], out
	}
	c.writtenLocked(out, n, err)
	if c.rest == nil {
		c.writing = false
	}
	if c.rest != nil || len(c.buf) > 0 {
		c.work.Signal()
	}
	if err != nil {
		return c.err
	}
	return nil
}

// Sent returns a mark for Written: all that was sent so far.
func (c *Conn) Sent() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// Written waits until all up to mark is written, so that the peer will read it
// whatever happens to this process. It returns the link's error if it ends
// first; it is bounded by the write time-out.
func (c *Conn) Written(mark uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.written < mark && c.err == nil {
		c.done.Wait()
	}
	if c.written >= mark {
		return nil
	}
	return c.err
}

// Recv returns the next frame, which the caller owns. Replies are given to
// their Request instead. The error that ends it is io.EOF if the peer ended
// the link in order between two frames.
func (c *Conn) Recv() (Frame, error) {
	for {
		f, err := c.recv()
		if err != nil {
			c.mu.Lock()
			c.failLocked(fmt.Errorf("%w: %w", ErrClosed, err))
			c.mu.Unlock()
			return nil, err
		}
		r, ok := f.(*Reply)
		if !ok {
			return f, nil
		}
		c.mu.Lock()
		ch := c.replies[r.ID]
		delete(c.replies, r.ID)
		c.mu.Unlock()
		if ch != nil {
			ch <- r // has room for one
		}
	}
}

// Buffered reports whether the next frame has arrived as a whole, so that Recv will
// not wait for it. It is called by the goroutine that calls Recv.
func (c *Conn) Buffered() bool {
	if c.in.Buffered() < 4 {
		return false
	}
	head, _ := c.in.Peek(4)
	return uint64(c.in.Buffered()) >= 4+uint64(binary.BigEndian.Uint32(head))
}

func (c *Conn) recv() (Frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return nil, fmt.Errorf("%w: %d bytes announced, the limit is %d", ErrFrameTooLarge, n, MaxFrame)
	}
	// The buffer grows with what arrives, not with what is announced.
	body := c.body[:0]
	for uint32(len(body)) < n {
		step := min(int(n)-len(body), 64<<10)
		body = append(body, make([]byte, step)...)
		if _, err := io.ReadFull(c.in, body[len(body)-step:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	c.cfg.Traffic.Read.Add(4 + uint64(n))
	if cap(body) <= 256<<10 {
		c.body = body // keep it, unless one huge frame made it so
	}
	return DecodeFrame(body)
}

// Request sends m to the other side and waits for its answer, whose error is
// returned as *RequestError. It fails with the link's error when the link
// ends, and with ctx's when that is done first. Somebody must be in Recv.
func (c *Conn) Request(ctx context.Context, m message.Message) (message.Message, error) {
	ch := make(chan *Reply, 1)
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return message.Message{}, c.err
	}
	c.lastReq++
	id := c.lastReq
	c.replies[id] = ch
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.replies, id)
		c.mu.Unlock()
	}()
	if err := c.Send(&Request{ID: id, Message: m}); err != nil {
		return message.Message{}, err
	}
	select {
	case r := <-ch:
		if r.Err != "" {
			return r.Message, &RequestError{Name: m.Name, Text: r.Err}
		}
		return r.Message, nil
	case <-c.ended:
		return message.Message{}, c.Err()
	case <-ctx.Done():
		return message.Message{}, context.Cause(ctx)
	}
}

// A RequestError is what the other side answered to a request it refused.
type RequestError struct {
	Name string // the request's name
	Text string // the other side's words
}

func (e *RequestError) Error() string { return fmt.Sprintf("link: request %q: %s", e.Name, e.Text) }

// Ended is closed when the link has ended, for whatever reason.
func (c *Conn) Ended() <-chan struct{} { return c.ended }

// Err returns why the link ended, or nil while it lasts.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Flush waits until all that was sent so far is written or the link has ended.
func (c *Conn) Flush() error { return c.Written(c.Sent()) }

// Close ends the link without waiting for what is still to be written (see
// Flush), and returns when the Conn's writer has ended. It is safe to call
// more than once.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.failLocked(ErrClosed)
	c.mu.Unlock()
	<-c.writer
	return nil
}

func (c *Conn) failLocked(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	close(c.ended)
	c.work.Broadcast()
	c.done.Broadcast()
	// Close does not block on the lock's other users: a transport's Close
	// only marks it and wakes its readers and writers.
	c.t.Close()
}

func (c *Conn) write() {
	defer close(c.writer)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for c.err == nil && c.rest == nil && (c.writing || c.held > 0 || len(c.buf) == 0) {
			c.work.Wait()
		}
		if c.err != nil {
			return
		}
		out, all := c.rest, c.all
		c.rest, c.all = nil, nil
		c.writing = true
		if out == nil {
			c.mu.Unlock()
			runtime.Gosched() // let those send who are about to
			c.mu.Lock()
			c.last = time.Now()
			out = c.takeLocked()
			all = out
		}
		c.mu.Unlock()
		err := c.writeAll(out)
		c.mu.Lock()
		c.writing = false
		c.writtenLocked(all, len(out), err)
	}
}

// writeAll waits for the transport only for what that does not take at once: a
// deadline costs as much as a small write.
func (c *Conn) writeAll(out []byte) error {
	if c.now != nil {
		n, err := c.now.WriteNow(out)
		if err != nil || n == len(out) {
			return err
		}
		out = out[n:]
	}
	if c.cfg.WriteTimeout > 0 {
		c.t.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
		if c.now != nil {
			defer c.t.SetWriteDeadline(time.Time{})
		}
	}
	_, err := c.t.Write(out)
	return err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
