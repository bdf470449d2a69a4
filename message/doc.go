// Package message is the one thing that travels between a client and the game:
// a [Message], which has a name, arguments and keyword arguments.
//
// # Values
//
// An argument is nil, a bool, an int64, a float64, a string, a []any or a
// map[string]any, and the lists and maps hold nothing else. Falsy values are
// values: 0, false and "" arrive as they were sent. Nothing is guessed: there
// is one written form, and a value that has no place in it is an error that
// names where it stands, not something left out.
//
// [New] and [Message.With] convert the other common Go types (int, []string and
// so on). A value that they cannot convert is kept, and [Message.Check] and the
// encoders report it.
//
// # Forms
//
// The JSON form is ["name", [args], {kwargs}]. A JSON number without fraction
// or exponent is an int64, any other a float64; a float64 is always written
// with one of the two. The binary form, which travels on the link, is the same
// array of three in MessagePack. Both write the keys of a map in order, so equal
// messages have equal encodings.
//
// Text is UTF-8. What is not is replaced by U+FFFD in strings on the way
// in and on the way out. A key with such bytes cannot be sent, since two keys
// could become one.
//
// # Limits
//
// [MaxName], [MaxDepth], [MaxValues] and [MaxBytes] hold for every message that
// is encoded or decoded. The decoders enforce them as they read and allocate
// nothing on the word of a length that the input does not back up.
package message
