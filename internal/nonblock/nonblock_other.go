//go:build !unix

package nonblock

import (
	"net"
	"syscall"
)

// CanRead says that TryRead cannot be used.
const CanRead = false

// Raw returns nil: here nothing can be written without waiting.
func Raw(net.Conn) syscall.RawConn { return nil }

// TryRead reads nothing.
func TryRead(uintptr, []byte) (n int, again bool, err error) { return 0, true, nil }

// TryWrite writes nothing.
func TryWrite(uintptr, []byte) (int, error) { return 0, nil }

func (a *attempt) once(uintptr) bool { return true }
