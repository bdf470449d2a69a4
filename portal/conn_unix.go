//go:build unix

package portal

import (
	"net"
	"syscall"
)

// rawConn returns the socket of c, or nil if it has none that can be written
// without waiting.
func rawConn(c net.Conn) syscall.RawConn {
	switch c := c.(type) {
	case *net.TCPConn:
		raw, _ := c.SyscallConn()
		return raw
	case *net.UnixConn:
		raw, _ := c.SyscallConn()
		return raw
	}
	return nil
}

// writeNow writes what the socket takes at this moment. Sockets of package net
// are non-blocking, so the system call returns at once.
func writeNow(raw syscall.RawConn, p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	rawErr := raw.Write(func(fd uintptr) bool {
		for {
			n, err = syscall.Write(int(fd), p)
			if err != syscall.EINTR {
				return true // never wait for the socket to become writable
			}
		}
	})
	switch {
	case rawErr != nil:
		return 0, rawErr
	case err == syscall.EAGAIN:
		return 0, nil
	}
	return max(n, 0), err
}
