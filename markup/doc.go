// Package markup turns text with colour and format tags into what a client can
// show.
//
// A tag begins with a bar:
//
//	|n                      everything back to normal
//	|r |g |y |b |m |c |w |x bright red, green, yellow, blue, magenta, cyan, white, dark grey
//	|R |G |Y |B |M |C |W |X the same at normal brightness; W is light grey, X is black
//	|!R to |!X              the colour alone: brightness stays as it is
//	|[R to |[X              background
//	|[r to |[x              bright background
//	|500 |[500              colour, background of xterm's cube: red, green and blue from 0 to 5
//	|=a to |=z, |[=a        26 greys from black to white
//	|#ff8800 |#f80 |[#f80   colour, background of 24 or 12 bits
//	|h |H                   bright on, off
//	|u |U  |i |I  |s |S     underline, italic, strike-through: on, off
//	|* |^                   inverse, blinking; on until |n
//	|/ |- |_ |>             line break, tab, space, four spaces
//	||                      a bar
//
// A client that has fewer colours gets the nearest: to the eye, not by number. A
// colour of the last three lines ends the brightness of those before it; |h after it
// makes bold.
//
// A bar that begins none of these is an ordinary character and stays, with what
// follows it.
//
// # Model
//
// Text is read once, from left to right. A tag writes nothing: it changes the
// style that is wanted. Only when a character is to be shown is the wanted style
// compared with the one that the client has, and the difference written, as one
// SGR sequence. So tags that follow one another, repeat what is already so, or
// come at the end cost nothing, whoever nested the text how often. A replacement
// of tag by escape sequence would be simpler, but text in a game is put together
// from many parts that each begin with a colour and end with a reset; half of
// what it sends would be for nothing.
//
// The difference is written with the codes that switch something on, and with
// code 0 followed by all that remains when anything is to be switched off. The
// codes that switch off one thing (22, 24, 39 and so on) are shorter at times,
// but clients that know only the colours ignore them.
//
// Each call stands alone: it begins in the normal style and ends in it.
//
// # Safety
//
// A client acts on escape sequences, so none may come from text. Control
// characters are dropped, line feed and tab excepted: those below U+0020 and
// also DEL and U+0080 to U+009F, of which one begins an escape sequence as well.
// Bytes that are not UTF-8 become U+FFFD. Text that a player wrote goes through
// [Escape] before it becomes part of a text with markup.
package markup
