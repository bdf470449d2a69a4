// Package ui has what game authors show players beside sentences: tables, boxes,
// columns, bars, pictures.
//
// Each is a value whose String method returns text with markup. It goes wherever
// text goes: into a message, a description, the cell of another table. What it
// looks like is decided by the Portal for each kind of client: by the width and
// the colours it has, and whether somebody looks at it or hears it. A table is sent
// once and read by a thousand players, each in their own window.
//
// All texts given to this package are marked up: what a player typed goes through
// markup.Escape first. A text that has part of a block in it, such as "|}", shows
// it and does no harm to the rest.
package ui
