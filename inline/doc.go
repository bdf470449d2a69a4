// Package inline expands functions that stand in text: "$name(argument, key =
// value)".
//
// The syntax:
//
//   - A call begins with "$", a name of letters, digits and "_" that begins with a
//     letter, and "(". It ends with the ")" that belongs to it. Anything else that
//     begins with "$" is text.
//   - Commas divide the arguments; spaces around each do not count. An argument
//     "key = value" has a name. Parentheses in an argument come in pairs.
//   - Double quotes protect what is between them: commas, parentheses, spaces.
//   - In a call a backslash makes a "$", "(", ")", ",", "=", "\"" or backslash behind
//     it a character; outside of calls a "$" alone, and stands for itself before
//     anything else. "$$" is a "$" too. markup.Escape writes "|$", which is text as
//     well: no call comes from what players typed, and their backslashes stay.
//   - Arguments may have calls in them, up to MaxDepth deep. If an argument is one
//     call and nothing else, its function gets the value of that call as it is, such
//     as a number or an entity; else it gets text.
//   - A call that is not closed, of an unknown function, or whose function fails,
//     stands as it was written; or its error is returned, if Options.Strict is set.
//
// Text is read once, in time that grows with its length, whatever is in it.
package inline
