//go:build !linux

package portal

import (
	"net"
	"time"
)

// tuneSocket has the system find out by keepalive that a client is gone.
func tuneSocket(c net.Conn, _ time.Duration) {
	if tc, ok := c.(*net.TCPConn); ok {
		tc.SetKeepAliveConfig(keepAlive)
	}
}
