// Package floor has the yardsticks that the game is measured by: what a server
// that does nothing but pass lines can do on the same machine in the same minute.
//
// Figures of a machine that others use as well say little by themselves. A ratio
// to a figure that was taken in turns with it says what the game costs, and stays.
//
//   - Echo is one process that writes back each line: the most that a Go server of
//     one goroutine for each connection can do.
//   - Relay is two of them, a front with the connections and a back that answers,
//     with one unix socket between them: the most that a game of two processes can
//     do.
//   - Hall gives each line to all its connections by a bare loop of non-blocking
//     writes: the most that a server can do for many listeners.
//   - A Swarm is clients on one goroutine with epoll, which load a game and the
//     yardsticks alike: in a closed loop, with one line to many, or with many who speak.
//   - A Load is the clients, the same for all of them: each types a line, waits for
//     the whole answer, and types the next, on a goroutine of its own.
//
// They are yardsticks and not servers: none of them has a limit of rate, and a client
// that does not read holds up all those of its Relay.
package floor
