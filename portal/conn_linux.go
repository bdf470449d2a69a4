package portal

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// tuneSocket has the system find out that a client is gone: by keepalive when
// nothing is sent, and by a limit for what is sent and not acknowledged.
func tuneSocket(c net.Conn, stall time.Duration) {
	tc, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	tc.SetKeepAliveConfig(keepAlive)
	if stall <= 0 {
		return
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return
	}
	// RFC 5482; Linux has it as a socket option in milliseconds. A system that
	// refuses it still has the keepalive.
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(stall.Milliseconds()))
	})
}
