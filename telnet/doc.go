// Package telnet is the Telnet protocol (RFC 854) as games use it: what a
// client sends becomes events, and what is to be sent becomes bytes.
//
// A Codec has no socket, goroutine, clock or lock. Bytes go into Decode in
// pieces of any size; lines, commands, changes of options and subnegotiations
// come out, the same ones wherever the pieces were cut. Options are negotiated
// by the Q method of RFC 1143, which cannot loop. Which options there are, and
// which of them are agreed to, is the caller's choice; what some of them mean
// is in ParseNAWS and TermTypes.
//
// The state of a Codec can be marshalled at any moment and taken up by another
// process, in the middle of a command or a line too: nothing needs to be
// negotiated anew, which many clients do not do a second time.
//
// # Lines
//
// A line ends with CR LF, CR NUL, LF, or CR before anything else. A line is
// UTF-8: each maximal part that is not becomes U+FFFD. Control characters are
// dropped, with these exceptions: tab stays, and backspace, DEL and the command
// EC take the last character away, for clients that send what is typed as it
// is typed.
package telnet
