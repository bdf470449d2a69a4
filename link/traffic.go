package link

import "sync/atomic"

// Traffic counts the bytes of links. It is safe for concurrent use, and may count
// several links together.
type Traffic struct {
	Read    atomic.Uint64 // taken from the transport
	Written atomic.Uint64 // given to it
}

// Count returns t with its bytes counted in n.
func Count(t Transport, n *Traffic) Transport { return &counted{t, n} }

type counted struct {
	Transport
	n *Traffic
}

func (t *counted) Read(b []byte) (int, error) {
	n, err := t.Transport.Read(b)
	t.n.Read.Add(uint64(n))
	return n, err
}

func (t *counted) Write(b []byte) (int, error) {
	n, err := t.Transport.Write(b)
	t.n.Written.Add(uint64(n))
	return n, err
}

// Unwritten returns how many bytes were sent and are not written yet.
func (c *Conn) Unwritten() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent - c.written
}
