// Package portal is the half of a game that holds its clients' connections. It
// knows the network and nothing of the game: a Server attaches over a link and
// may be lost, replaced or restarted while every client stays connected.
//
// A [Service] runs at the Portal; one that listens turns each connection into a
// [Conn], by TLS if it was made with [ListenTLS], and hands it to a [Protocol], which makes a [Session] of it with
// [Portal.Connect]. What the client says goes to the game by [Session.DataIn];
// what the game says is encoded by the [Client] that the protocol supplies and
// written by the Portal. A [Plugin] adds services of its own.
//
// # Goroutines
//
// One per connection, which reads; a second one only while its socket is full.
// One per service. One that reads the link and carries out the turns of the
// Server: it never waits for a client or for the link's other direction, and
// shares wide fan-out with a few more that it waits for. One that starts
// and watches the Server.
//
// # Locks
//
// In this order, each only for a moment:
//
//	Portal.handshake         one link settles at a time
//	Portal.telling           one notice to all players at a time
//	Session.updates          one Update at a time
//	Portal.mu                the sessions, the services, the link in use
//	Session.out              the order of what is written to one client
//	Session.mu               the session's log and facts
//	the one of crypto/tls    the order of what one client is written by TLS
//	attachment.mu, Conn.mu   leaves
//
// Under Session.out the encoders of a protocol run and Client.Write is called;
// both must not block. Other foreign code, Addr excepted, runs without Portal.mu and
// Session.mu.
package portal
