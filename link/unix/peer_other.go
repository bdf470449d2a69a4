//go:build unix && !linux

package unix

import "net"

// checkPeer relies on the socket file's permissions where the kernel is not
// asked.
func checkPeer(*net.UnixConn) error { return nil }
