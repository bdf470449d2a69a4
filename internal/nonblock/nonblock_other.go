//go:build !unix

package nonblock

import (
	"net"
	"syscall"
)

// Raw returns nil: here nothing can be written without waiting.
func Raw(net.Conn) syscall.RawConn { return nil }

func (a *attempt) once(uintptr) bool { return true }
