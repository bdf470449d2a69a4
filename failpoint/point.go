package failpoint

// The points, in the order in which a line passes them. What begins with "portal."
// is passed in the Portal's process, what begins with "server." in the Server's.
// All but those of the committer (Written, Committed, Acknowledged) are passed by
// the Server's loop, or by the Portal's goroutines with locks held: what is called
// there must not call back.
const (
	// Sent: the Portal has given a line of a session's log to the link.
	Sent = "portal.sent"
	// Received: the Server's loop has put a line into its session's queue; it has
	// not run.
	Received = "server.received"
	// Executed: the command of a line has ended, in whatever way; its turn has not.
	Executed = "server.executed"
	// Fired: a stored timer has been run; its turn has not ended.
	Fired = "server.fired"
	// Encoded: a turn's changes are a batch with a commit number, and nothing of
	// the turn has left the loop.
	Encoded = "server.encoded"
	// Output: the frames of a turn are given to the link; its batch, if it has one,
	// is not given to the committer.
	Output = "server.output"
	// Written: the link has written the frames of the turns that are about to be
	// committed; the store knows nothing of them.
	Written = "server.written"
	// Committed: they are in the store, and the Portal was not told.
	Committed = "server.committed"
	// Acknowledged: Committed was given to the link.
	Acknowledged = "server.acknowledged"
	// Released: the Portal has carried out a turn and taken its lines off their
	// logs; what the turn asks of the Portal, such as a reload, is under way.
	Released = "portal.released"

	// Connected: the Server has handled the Open of a session, up to the end or the
	// first wait of what greets it.
	Connected = "server.connected"
	// LoggedIn: a turn that ends says that a session has an account.
	LoggedIn = "server.loggedin"
	// Puppeted: the same of what it plays.
	Puppeted = "server.puppeted"
	// Disconnected: the Server has handled the end of a session; its turn has not
	// ended.
	Disconnected = "server.disconnected"

	// Attached: a Server has loaded the world, has its seats, and has run the hooks
	// of a start; nothing of that is committed.
	Attached = "server.attached"
	// Drained: a Server that was told to stop has committed all it did, and has not
	// said so.
	Drained = "server.drained"
)

// Points returns all points, in the order above.
func Points() []string {
	return []string{
		Sent, Received, Executed, Fired, Encoded, Output, Written, Committed, Acknowledged, Released,
		Connected, LoggedIn, Puppeted, Disconnected, Attached, Drained,
	}
}
