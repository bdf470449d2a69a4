package floor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"time"
)

// swarmRead is what is read from a socket at once.
const swarmRead = 256 << 10

// A poller is an epoll instance.
type poller struct {
	fd     int
	events [256]syscall.EpollEvent
}

// NewSwarm makes a Swarm of connections that are ready to type: nothing that the
// server has sent is left to be read. It takes over their sockets, also when it
// fails: the connections are of no use any more.
func NewSwarm(conns []net.Conn) (*Swarm, error) {
	s := &Swarm{buf: make([]byte, swarmRead)}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("floor: epoll: %w", err)
	}
	s.poller = &poller{fd: fd}
	for i, conn := range conns {
		// A copy of the socket, so that Go's own poller is done with it.
		fd, err := dupSocket(conn)
		if err == nil {
			s.all = append(s.all, &client{fd: fd})
			err = syscall.EpollCtl(s.poller.fd, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)})
		}
		if err == nil {
			err = conn.Close()
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("floor: take over connection %d: %w", i+1, err)
		}
	}
	return s, nil
}

func dupSocket(conn net.Conn) (int, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, errors.New("it has no socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	fd := -1
	var dupErr error
	err = raw.Control(func(old uintptr) {
		r, _, errno := syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			dupErr = errno
		}
		fd = int(r)
	})
	return fd, errors.Join(err, dupErr)
}

// Close closes the connections.
func (s *Swarm) Close() {
	for _, c := range s.all {
		syscall.Close(c.fd)
	}
	s.all = nil
	if s.poller != nil {
		syscall.Close(s.poller.fd)
		s.poller = nil
	}
}

// poll gives what comes to read, until done. It calls due, if that is not nil, at the
// times that it returns or before.
func (s *Swarm) poll(ctx context.Context, limit time.Time, done func() bool, due func(time.Time) (time.Time, error), read func(i int, data []byte, now time.Time) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for now := time.Now(); !done(); now = time.Now() {
		wait := 100 // milliseconds
		if due != nil {
			next, err := due(now)
			if err != nil {
				return fmt.Errorf("floor: type: %w", err)
			}
			wait = int(min(max(0, (next.Sub(now)+time.Millisecond-1)/time.Millisecond), 100))
		}
		n, err := syscall.EpollWait(s.poller.fd, s.poller.events[:], wait)
		if err != nil && err != syscall.EINTR {
			return fmt.Errorf("floor: epoll: %w", err)
		}
		if n <= 0 {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if time.Now().After(limit) {
				return fmt.Errorf("floor: %w: not all answers came within %v", errPatience, patience)
			}
			continue
		}
		for _, e := range s.poller.events[:n] {
			i := int(e.Fd)
			n, err := syscall.Read(s.all[i].fd, s.buf)
			switch {
			case err == syscall.EAGAIN || err == syscall.EINTR:
				continue
			case err == nil && n == 0:
				err = io.ErrUnexpectedEOF
			case err == nil:
				err = read(i, s.buf[:n], time.Now())
			}
			if err != nil {
				return fmt.Errorf("floor: client %d: %w", i+1, err)
			}
		}
	}
	return nil
}

// writeSocket writes what the socket takes at once.
func writeSocket(fd int, data []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, data)
		switch err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, err
		}
	}
}
