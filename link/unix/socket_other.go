//go:build unix && !linux

package unix

import (
	"net"

	"mudlark.dev/internal/nonblock"
	"mudlark.dev/link"
)

func newTransport(c *net.UnixConn) link.Transport { return &netSocket{c, nonblock.Raw(c)} }
