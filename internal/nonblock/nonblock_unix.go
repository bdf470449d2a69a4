//go:build unix

package nonblock

import (
	"net"
	"syscall"
)

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

// once is one system call: sockets of package net are non-blocking, so it
// returns at once. It never asks to be called again when there is room.
func (a *attempt) once(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), a.p)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			err = nil
		}
		a.n = max(n, 0)
		if err != nil { // not a nil Errno in an interface
			a.err = err
		}
		return true
	}
}
