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

// A NowWriter is a Transport that can write without waiting. WriteNow writes as
// much of p as there is room for at this moment, which may be nothing, and returns
// how much; what it has written counts as what Write has. It is not called while
// Write is, nor with a deadline in the past.
type NowWriter interface {
	WriteNow(p []byte) (n int, err error)
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
