// Package lock decides who may do what, by lock strings that builders write:
//
//	edit:perm(Admin) or id(12); get:not attr(cursed) and (perm(Player) or attr(strength, 50, compare=ge))
//
// A lock string has definitions with semicolons between them, and each gives an
// access type and an expression. An expression is made of functions, not, and,
// or and parentheses; not binds before and, and before or. Access types, function
// names and the three words may be written in any case. The arguments of a
// function are plain text, split at commas, without quotes and without the
// characters ( ) ; and control characters. White space around them does not
// count; key=value is a keyword argument. An access type may be defined once.
//
// [Parse] turns the string into a [Lock], with all that can be wrong in it
// reported there: unknown functions, their number of arguments, numbers that
// are none. [Lock.Check] then only runs what was compiled; it does not allocate
// if the functions do not.
//
// Which functions there are is for the caller: [Default] returns those that need
// to know nothing of a game, and a game adds its own to the map.
//
// Nobody passes because nothing is known of them: a session without an account
// is a [Subject] without ID, permissions and attributes, as is a nil Subject.
// Such a subject passes all(), and what not makes of that which it lacks.
package lock
