package link

import "sync/atomic"

// Traffic counts the bytes of links. It is safe for concurrent use, and may count
// several links together.
type Traffic struct {
	Read    atomic.Uint64 // of frames that were received
	Written atomic.Uint64 // given to the transport
}

// Unwritten returns how many bytes were sent and are not written yet.
func (c *Conn) Unwritten() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent - c.written
}
