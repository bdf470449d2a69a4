// Package builtin has the commands that every game starts with, as cmdsets that
// a game takes, extends or leaves: Sets returns them.
package builtin
