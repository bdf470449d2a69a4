// Package link carries frames between one Portal and one Server.
//
// A link is an ordered, flow-controlled stream of frames over a Transport.
// SPEC.md in this folder is its specification: the bytes of every frame, the
// handshake, and what each side does when the other is lost. This package
// holds the frames (Frame and the types that implement it), their codec, and
// Conn, which batches what is sent and reads what arrives. What the frames
// mean for a session or for the game is the business of packages portal and
// server.
package link
