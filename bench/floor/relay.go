package floor

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// Bounds of a Relay.
const (
	headBytes   = 8        // of a frame: the length of its text and the number of its connection, 32 bits each, in network order
	relayBuffer = 64 << 10 // of each reader of the socket; the back writes when as much waits
	mostWaiting = 1 << 20  // bytes that wait for the socket; readers of connections wait at the bound
)

// ErrFrame is returned for a frame that no Relay sends: the other end of the socket
// is something else.
var ErrFrame = errors.New("floor: a frame is longer than any line")

// A Relay writes back each line as Echo does, but by way of a back behind a unix
// socket. Its zero value is ready, and has no state.
type Relay struct{}

// Serve is Front and Back in one process, with a socket in a temporary folder
// between them. It returns as Front does.
func (Relay) Serve(ctx context.Context, l net.Listener) (err error) {
	defer l.Close()
	dir, err := os.MkdirTemp("", "floor") // short, as the name of a socket has to be
	if err != nil {
		return fmt.Errorf("floor: relay: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "link")
	backs, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("floor: relay: %w", err)
	}
	defer backs.Close()
	back, err := net.Dial("unix", path)
	if err != nil {
		return fmt.Errorf("floor: relay: %w", err)
	}
	front, err := backs.Accept()
	if err != nil {
		back.Close()
		return fmt.Errorf("floor: relay: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Relay{}.Back(ctx, back) }()
	err = Relay{}.Front(ctx, l, front)
	if berr := <-ended; err == nil {
		err = berr
	}
	return err
}

// Front passes the lines of the connections of l to the back at the other end of
// link, and what comes from there to the connections. What comes while the link is
// written is written at once afterwards. It owns l and link, and closes both.
//
// It returns nil when ctx is done, with all its goroutines ended, and otherwise what
// l or the link ended with.
func (Relay) Front(ctx context.Context, l net.Listener, link net.Conn) error {
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := &front{conns: make(map[uint32]net.Conn)}
	f.work.L, f.room.L = &f.mu, &f.mu
	stop := context.AfterFunc(ctx, func() { f.fail(net.ErrClosed); link.Close() })
	defer stop()
	defer link.Close()
	var both sync.WaitGroup
	end := func(err error) {
		// The caller's ctx has ended before any that was made of it, and before a back
		// with the same ctx closes the link.
		if err != nil && caller.Err() == nil && ctx.Err() == nil {
			cancel(fmt.Errorf("floor: front: link: %w", err))
		}
	}
	both.Go(func() { end(f.write(link)) })
	both.Go(func() { end(f.read(link)) })
	err := serve(ctx, l, func() { f.fail(net.ErrClosed) }, f.conn)
	cause := context.Cause(ctx) // what the link ended with, or the caller's own
	cancel(nil)
	both.Wait()
	if err == nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		err = cause
	}
	return err
}

// A front is what the goroutines of Front share.
type front struct {
	mu   sync.Mutex
	work sync.Cond // there is something to write
	room sync.Cond // there is room for more
	buf  []byte    // waits for the writer
	err  error     // set once the front ends

	conns map[uint32]net.Conn
	last  uint32
}

func (f *front) conn(c net.Conn) error {
	f.mu.Lock()
	f.last++
	n := f.last
	f.conns[n] = c
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.conns, n)
		f.mu.Unlock()
	}()
	in := bufio.NewReaderSize(c, lineBytes)
	for {
		line, err := readLine(in)
		if err != nil {
			return err
		}
		if err := f.send(n, line); err != nil {
			return err
		}
	}
}

// send queues a line, and waits while too much does.
func (f *front) send(n uint32, line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.buf) > mostWaiting && f.err == nil {
		f.room.Wait()
	}
	if f.err != nil {
		return f.err
	}
	f.buf = appendFrame(f.buf, n, line)
	f.work.Signal()
	return nil
}

func (f *front) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.work.Broadcast()
	f.room.Broadcast()
}

// write writes all that waits, again and again, until the link or the front ends.
func (f *front) write(link net.Conn) error {
	var out []byte
	for {
		f.mu.Lock()
		for len(f.buf) == 0 && f.err == nil {
			f.work.Wait()
		}
		if f.err != nil {
			f.mu.Unlock()
			return nil
		}
		out, f.buf = f.buf, out[:0]
		f.room.Broadcast()
		f.mu.Unlock()
		if _, err := link.Write(out); err != nil {
			return err
		}
	}
}

// read gives what comes from the back to the connections. One that does not read
// holds up the others.
func (f *front) read(link net.Conn) error {
	in := bufio.NewReaderSize(link, relayBuffer)
	for {
		n, line, err := readFrame(in)
		if err != nil {
			return err
		}
		f.mu.Lock()
		c := f.conns[n]
		f.mu.Unlock()
		if c != nil {
			c.Write(line) // its reader sees that it has ended
		}
		in.Discard(len(line))
	}
}

// Back answers the lines of a front until link or ctx ends, and closes link. It
// writes when all that has come is answered. It returns nil if the front closed the
// link or ctx is done.
func (Relay) Back(ctx context.Context, link net.Conn) error {
	defer link.Close()
	stop := context.AfterFunc(ctx, func() { link.Close() })
	defer stop()
	in := bufio.NewReaderSize(link, relayBuffer)
	var out []byte
	for {
		n, line, err := readFrame(in)
		switch {
		case err == nil:
		case ctx.Err() != nil, errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("floor: back: link: %w", err)
		}
		out = appendFrame(out, n, line)
		in.Discard(len(line))
		if in.Buffered() > 0 && len(out) < relayBuffer {
			continue
		}
		if _, err := link.Write(out); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("floor: back: link: %w", err)
		}
		out = out[:0]
	}
}

func appendFrame(dst []byte, n uint32, line []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(line)))
	dst = binary.BigEndian.AppendUint32(dst, n)
	return append(dst, line...)
}

// readFrame returns the next frame. Its line is in the reader's buffer, which the
// caller discards it from when it is done with it.
func readFrame(in *bufio.Reader) (n uint32, line []byte, err error) {
	head, err := in.Peek(headBytes)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head)
	n = binary.BigEndian.Uint32(head[4:])
	if size > lineBytes {
		return 0, nil, fmt.Errorf("%w: %d bytes announced, the limit is %d", ErrFrame, size, lineBytes)
	}
	in.Discard(headBytes)
	line, err = in.Peek(int(size))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, line, err
}
