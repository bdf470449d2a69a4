// Package server runs a game: it takes lines from a Portal, runs inputfuncs
// and commands on one loop, commits what they changed and sends what players
// are told.
//
// A Game is what an author supplies: typeclasses, cmdsets, inputfuncs, timers,
// the first world, and plugins with services that run beside the game (Plugin).
//
// # The loop
//
// The game's state belongs to whoever holds the baton. One goroutine does at
// any time; it takes events and handles each to its end. A command that waits
// (Ask, Sleep, Await) starts a new goroutine that goes on as the loop, and
// parks; when its time comes the loop's goroutine hands the baton over and
// ends, and the command's goroutine is the loop again once the command has
// returned. A command that never waits costs no goroutine.
//
// # Turns and commits
//
// A turn ends when there is nothing more to do or a budget is used up. Its
// changes become one batch under the next commit number, its output becomes
// frames that carry the last number given out. The committer, a goroutine of
// its own, waits until the link has written those frames, commits what is
// waiting as one transaction and tells the Portal, which then releases them.
// link/SPEC.md has the rules and what they are good for.
package server
