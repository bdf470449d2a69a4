package link

import (
	"context"
	"io"
	"time"
)

// A Transport carries the bytes of a link between two processes, in order.
//
// When Write returns without error, the peer can read what was written even if
// this process dies at once: the Server starts a commit only after the write
// of the output that goes with it. A transport that hands bytes to something
// else first must wait for its receipt.
//
// Read and Write may be called at the same time, by one goroutine each. Close
// makes both return and may be called by any goroutine, more than once.
type Transport interface {
	io.ReadWriteCloser
	// SetWriteDeadline bounds each Write; the zero time removes the bound.
	SetWriteDeadline(t time.Time) error
}

// A Listener waits for Servers at a Portal.
type Listener interface {
	// Accept waits for the next Server. It fails once Close was called.
	Accept() (Transport, error)
	// Addr is where it listens, for an operator to read.
	Addr() string
	Close() error
}

// A Dialer connects a Server to its Portal.
type Dialer interface {
	Dial(ctx context.Context) (Transport, error)
}
