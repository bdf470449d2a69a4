//go:build unix

package nonblock

import (
	"io"
	"net"
	"os"
	"syscall"
)

// CanRead says that TryRead can be used.
const CanRead = true

// Raw returns the socket of c, or nil if it has none that can be written without
// waiting.
func Raw(c net.Conn) syscall.RawConn {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// TryRead reads what the socket fd has at this moment, or reports that it has
// nothing and is to be tried again. The end of the stream is io.EOF. It is for a
// function that syscall.RawConn.Read calls, and p is not empty.
func TryRead(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = read(fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != nil:
			return 0, false, os.NewSyscallError("read", err)
		case n == 0:
			return 0, false, io.EOF
		default:
			return n, false, nil
		}
	}
}

// TryWrite writes as much of p as the socket fd takes at this moment, which may be
// nothing.
func TryWrite(fd uintptr, p []byte) (int, error) {
	for {
		n, err := write(fd, p)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			err = nil
		}
		return max(n, 0), err
	}
}

// once is one system call. It never asks to be called again when there is room.
func (a *attempt) once(fd uintptr) bool {
	a.n, a.err = TryWrite(fd, a.p)
	return true
}
