// Package pipe is the link's transport inside one process: Portal and Server
// of a test, or of a game that runs as one process. It blocks on conditions
// only, so it works on the clock of a testing/synctest bubble.
package pipe

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"mudlark.dev/link"
)

// Buffer is how many bytes one direction holds before Write waits for the
// reader.
const Buffer = 64 << 10

// A Listener gives transports to those who dial it.
type Listener struct {
	mu     sync.Mutex
	cond   sync.Cond
	queue  []*end
	closed bool
}

var (
	_ link.Listener  = (*Listener)(nil)
	_ link.Dialer    = (*Listener)(nil)
	_ link.Transport = (*end)(nil)
	_ link.NowWriter = (*end)(nil)
)

// Listen returns a listener, which is its own Dialer.
func Listen() *Listener {
	l := &Listener{}
	l.cond.L = &l.mu
	return l
}

// Accept implements link.Listener. After Close it returns net.ErrClosed.
func (l *Listener) Accept() (link.Transport, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.cond.Wait()
	}
	if l.closed {
		return nil, net.ErrClosed
	}
	e := l.queue[0]
	l.queue = l.queue[1:]
	return e, nil
}

// Dial implements link.Dialer. It does not wait for Accept; after Close it
// returns net.ErrClosed.
func (l *Listener) Dial(ctx context.Context) (link.Transport, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, net.ErrClosed
	}
	a, b := New()
	l.queue = append(l.queue, b.(*end))
	l.cond.Signal()
	return a, nil
}

// Addr implements link.Listener.
func (l *Listener) Addr() string { return "in-process" }

// Close makes Accept and Dial fail and closes what was dialled and not yet
// accepted.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, e := range l.queue {
		e.Close()
	}
	l.queue = nil
	l.cond.Broadcast()
	return nil
}

// New returns the two ends of a transport.
func New() (a, b link.Transport) {
	x, y := newHalf(), newHalf()
	return &end{r: x, w: y}, &end{r: y, w: x}
}

// An end reads from one half and writes to the other.
type end struct{ r, w *half }

// Read returns what the peer wrote, then io.EOF once the peer has closed, or
// io.ErrClosedPipe after Close on this end.
func (e *end) Read(p []byte) (int, error) { return e.r.read(p) }

// Write waits for room; see link.Transport.
func (e *end) Write(p []byte) (int, error) { return e.w.write(p) }

// WriteNow implements link.NowWriter.
func (e *end) WriteNow(p []byte) (int, error) { return e.w.writeNow(p) }

// Close lets the peer read what was written, then io.EOF.
func (e *end) Close() error {
	e.w.closeWrite()
	e.r.closeRead()
	return nil
}

// SetWriteDeadline implements link.Transport.
func (e *end) SetWriteDeadline(t time.Time) error {
	e.w.setDeadline(t)
	return nil
}

// A half is one direction: a bounded buffer between a writer and a reader.
type half struct {
	mu       sync.Mutex
	cond     sync.Cond
	buf      []byte
	noMore   bool // the writing end has closed
	noReader bool // the reading end has closed
	deadline time.Time
	timer    *time.Timer
}

func newHalf() *half {
	h := &half{}
	h.cond.L = &h.mu
	return h
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) == 0 && !h.noMore && !h.noReader {
		h.cond.Wait()
	}
	switch {
	case h.noReader:
		return 0, io.ErrClosedPipe
	case len(h.buf) == 0:
		return 0, io.EOF
	}
	n := copy(p, h.buf)
	h.buf = append(h.buf[:0], h.buf[n:]...)
	h.cond.Broadcast()
	return n, nil
}

func (h *half) write(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.noMore || h.noReader:
			return n, io.ErrClosedPipe
		case len(p) == 0:
			return n, nil
		case len(h.buf) < Buffer:
			k := min(len(p), Buffer-len(h.buf))
			h.buf = append(h.buf, p[:k]...)
			p, n = p[k:], n+k
			h.cond.Broadcast()
		case !h.deadline.IsZero() && !time.Now().Before(h.deadline):
			return n, os.ErrDeadlineExceeded
		default:
			h.cond.Wait()
		}
	}
}

func (h *half) writeNow(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.noMore || h.noReader {
		return 0, io.ErrClosedPipe
	}
	n := min(len(p), Buffer-len(h.buf))
	if n > 0 {
		h.buf = append(h.buf, p[:n]...)
		h.cond.Broadcast()
	}
	return n, nil
}

func (h *half) setDeadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deadline = t
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	if !t.IsZero() {
		h.timer = time.AfterFunc(time.Until(t), h.cond.Broadcast)
	}
}

func (h *half) closeWrite() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noMore = true
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	h.cond.Broadcast()
}

func (h *half) closeRead() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noReader = true
	h.cond.Broadcast()
}
