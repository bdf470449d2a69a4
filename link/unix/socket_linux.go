package unix

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mudlark.dev/internal/nonblock"
	"mudlark.dev/link"
)

// A socket is a link's socket taken from package net, which would have the process
// woken each time that the peer has read something: a unix socket tells of that as of
// room to write (unix_write_space in Linux), though room was never missed.
type socket struct {
	fd    int
	wakes *os.File // an epoll instance that tells of what comes, and for which package net waits
	raw   syscall.RawConn

	// What Read works on.
	p    []byte
	n    int
	err  error
	read func(uintptr) bool

	mu       sync.RWMutex // held for reading by what uses fd, for writing by who closes it
	closed   bool
	shut     sync.Once
	deadline time.Time // of Write; of who writes
}

// newTransport takes c over.
func newTransport(c *net.UnixConn) link.Transport {
	s, err := take(c)
	if err != nil { // of no descriptors, for example: as package net has it, it works as well
		return &netSocket{c, nonblock.Raw(c)}
	}
	c.Close()
	return s
}

func take(c *net.UnixConn) (*socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{}
	s.read = s.tryRead
	rawErr := raw.Control(func(fd uintptr) { s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if rawErr != nil || err != nil {
		return nil, errors.Join(rawErr, err)
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		unix.Close(s.fd)
		return nil, err
	}
	const edges = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET&(1<<32-1)
	if err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: edges}); err == nil {
		err = unix.SetNonblock(ep, true) // so that os.NewFile has it waited for
	}
	if err != nil {
		unix.Close(ep)
		unix.Close(s.fd)
		return nil, err
	}
	s.wakes = os.NewFile(uintptr(ep), "epoll")
	if s.raw, err = s.wakes.SyscallConn(); err != nil {
		s.wakes.Close()
		unix.Close(s.fd)
		return nil, err
	}
	return s, nil
}

// Read implements link.Transport.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.p = p
	err := s.raw.Read(s.read)
	s.p = nil
	if err != nil {
		return 0, net.ErrClosed
	}
	return s.n, s.err
}

// tryRead reads what has come, and reports false if that is nothing. Whatever comes
// later is another edge.
func (s *socket) tryRead(uintptr) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		s.n, s.err = 0, net.ErrClosed
		return true
	}
	var again bool
	s.n, again, s.err = nonblock.TryRead(uintptr(s.fd), s.p)
	return !again
}

// WriteNow implements link.NowWriter.
func (s *socket) WriteNow(p []byte) (int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	n, err := nonblock.TryWrite(uintptr(s.fd), p)
	return n, os.NewSyscallError("write", err)
}

// SetWriteDeadline implements link.Transport. It is called by who calls Write.
func (s *socket) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

// Write implements link.Transport. While the peer takes nothing it keeps a thread.
func (s *socket) Write(p []byte) (n int, err error) {
	for {
		k, err := s.WriteNow(p[n:])
		n += k
		if err != nil || n == len(p) {
			return n, err
		}
		if err := s.waitRoom(); err != nil {
			return n, err
		}
	}
}

// waitRoom waits until the socket takes something, is closed, or the deadline is over.
func (s *socket) waitRoom() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for !s.closed {
		limit := -1
		if !s.deadline.IsZero() {
			left := time.Until(s.deadline)
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			limit = int(min(left, time.Hour)/time.Millisecond) + 1
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, limit)
		switch {
		case err != nil && err != unix.EINTR:
			return os.NewSyscallError("poll", err)
		case n > 0:
			return nil
		}
	}
	return net.ErrClosed
}

// Close implements link.Transport.
func (s *socket) Close() error {
	s.shut.Do(func() {
		s.wakes.Close()                     // ends a Read
		unix.Shutdown(s.fd, unix.SHUT_RDWR) // ends a Write that waits
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true
		unix.Close(s.fd)
	})
	return nil
}
