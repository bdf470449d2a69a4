// Package command turns a line that a player typed into a call of game code.
//
// A Command is a verb. Commands are grouped in cmdsets (CmdSet), which are
// carried by name: by a session, an account, a character, a room, a thing. For
// each line the Interpreter merges the sets around the session into one, finds
// the command that the line begins with, and runs it. A command reads as
// straight-line code; Ask, Sleep and Await wait without holding up anybody
// else.
package command
