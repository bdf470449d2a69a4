//go:build !unix

package nonblock

import (
	"net"
	"syscall"
)

func rawConn(net.Conn) syscall.RawConn { return nil }

func (a *attempt) once(uintptr) bool { return true }
