// Package world is a game's state in memory: its rooms, exits, things,
// characters and accounts, and the game's half of every session.
//
// # Typeclasses
//
// A game has kinds of things of its own: a typeclass is a Go struct that embeds
// Object, Room, Exit, Character or Account, made known by Class. Its fields of the types Attr,
// List, Map and Ref are stored; its methods named At… are hooks, which the world
// calls. As tells what an entity is, Create makes one.
//
// # State
//
// A World belongs to one goroutine, the Server's loop. Nothing in it locks,
// waits or does I/O, and a handle such as *Room is valid on the loop only.
//
// Every change passes a setter, which does three things: it changes the
// state, notes how to take the change back, and marks what must be stored.
// So a command that fails can be undone (Mark, Undo), and the end of a turn
// knows what is to be written (TakeChanges). What is said to players, and
// all else that is to leave the loop, is collected in order (TakeEffects)
// and can be undone in the same way.
//
// Order is kept everywhere: contents in the order of arrival, entities by ID,
// sessions by number, so that the same events make the same world.
package world
