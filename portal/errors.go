package portal

import (
	"errors"

	"mudlark.dev/service"
)

// Errors of sessions and connections.
var (
	// ErrClosed is returned for a session that has ended. Stop reading from its
	// client.
	ErrClosed = errors.New("portal: session has ended")

	// ErrFull is returned by TryDataIn while the session holds as many messages
	// as it may. Wait for OnSpace and offer the message again.
	ErrFull = errors.New("portal: session holds as much input as it may")

	// ErrRate is returned by TryDataIn for a client that sends faster than it
	// may. Offer the message again after the time that comes with it.
	ErrRate = errors.New("portal: client sends faster than it may")

	// ErrTooLong is returned for a text that is longer than Limits.LineBytes.
	// Tell the player the limit; the session goes on.
	ErrTooLong = errors.New("portal: text is longer than the limit")

	// ErrSlowClient is the cause of a Conn that was closed because its client
	// took too little of what was sent. There is nothing to do about it.
	ErrSlowClient = errors.New("portal: client does not take what is sent to it")

	// ErrTooManySessions is returned by Connect at the bound of Limits.Sessions.
	// The client was closed with a reason.
	ErrTooManySessions = errors.New("portal: as many sessions as there may be")

	// ErrTooManyConnections is returned by Admit for an address that has as many
	// connections as it may, or while connections come too fast. Turn it away.
	ErrTooManyConnections = errors.New("portal: too many connections")
)

// Errors of the Portal.
var (
	// ErrReloading is returned by Restart while another one is under way. Wait
	// for that one.
	ErrReloading = errors.New("portal: the Server is being replaced already")

	// ErrStopped is returned once the Portal has been told to stop.
	ErrStopped = service.ErrStopped

	// ErrNameTaken is returned by AddService for a name that another service
	// has. Choose another name or address.
	ErrNameTaken = service.ErrNameTaken

	// ErrNoService is returned for a service name that nobody added. See Status
	// for the names.
	ErrNoService = service.ErrUnknown
)
