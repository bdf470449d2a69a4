//go:build unix

package floor

import (
	"net"
	"syscall"
)

// A socketWriter writes to a socket without waiting for it. The socket stays open
// while it is used.
type socketWriter struct {
	c  net.Conn
	fd int
}

func newSocketWriter(c net.Conn) (*socketWriter, error) {
	w := &socketWriter{c: c, fd: -1}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, syscall.ENOTSOCK
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	err = raw.Control(func(fd uintptr) { w.fd = int(fd) })
	return w, err
}

// write writes what the socket takes at once.
func (w *socketWriter) write(data []byte) (int, error) {
	for {
		n, err := syscall.Write(w.fd, data)
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

// close has the connection's reader end.
func (w *socketWriter) close() { syscall.Shutdown(w.fd, syscall.SHUT_RDWR) }
