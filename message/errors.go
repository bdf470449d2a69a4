package message

import (
	"errors"
	"strconv"
	"strings"
)

// What can be wrong with a message. Errors of this package are a *PathError
// around one of these; test for them with errors.Is.
var (
	// ErrTooDeep is for lists and maps nested deeper than MaxDepth, which
	// includes one that holds itself. Send a flatter structure.
	ErrTooDeep = errors.New("message: nested too deep")

	// ErrTooLarge is for more than MaxValues values or MaxBytes bytes. Send
	// several messages.
	ErrTooLarge = errors.New("message: too large")

	// ErrBadType is for a value that is none of the types a message holds, or a
	// number outside of their range. Convert it before it is sent.
	ErrBadType = errors.New("message: value cannot be sent")

	// ErrBadName is for a message name that is empty, longer than MaxName, or
	// has other characters than the allowed ones, and for a key that is not
	// UTF-8.
	ErrBadName = errors.New("message: bad name")

	// ErrSyntax is for input that is not a message in the form that was asked
	// for. Nothing can be made of it; tell the sender, or disconnect it.
	ErrSyntax = errors.New("message: syntax error")
)

// A PathError says what is wrong with a message, and where.
type PathError struct {
	Name   string // name of the message, cut to MaxName bytes; "" if not known
	Path   string // of the value, as in kwargs.exits[3].to; "" for the message as a whole
	Reason string // as in "a chan int cannot be sent"
	Err    error  // one of the errors of this package
}

// Error returns text of this form:
//
//	message "room_info": kwargs.exits[3].to: a chan int cannot be sent
func (e *PathError) Error() string {
	var b strings.Builder
	b.WriteString("message")
	if e.Name != "" {
		b.WriteByte(' ')
		b.WriteString(strconv.Quote(e.Name))
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap returns Err.
func (e *PathError) Unwrap() error { return e.Err }

// The path of an error is put together on the way out of the recursion that met
// it, so that a walk without errors pays nothing for it.

// inIndex puts element i of a list in front of the path.
func (e *PathError) inIndex(i int) *PathError {
	e.Path = "[" + strconv.Itoa(i) + "]" + e.Path
	return e
}

// inKey puts a key of a map in front of the path.
func (e *PathError) inKey(key string) *PathError {
	if plainKey(key) {
		e.Path = "." + key + e.Path
	} else {
		e.Path = "[" + strconv.Quote(cut(key)) + "]" + e.Path
	}
	return e
}

// inPart puts "args" or "kwargs" in front of the path.
func (e *PathError) inPart(part string) *PathError {
	e.Path = part + e.Path
	return e
}

// plainKey reports whether a key is shown in a path without quotes.
func plainKey(key string) bool {
	if key == "" || len(key) > MaxName {
		return false
	}
	for i := range len(key) {
		c := key[i]
		if c != '_' && !('a' <= c|0x20 && c|0x20 <= 'z') && !('0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

// cut shortens text from outside, so that errors stay readable in a log.
func cut(s string) string {
	if len(s) <= MaxName {
		return s
	}
	return strings.ToValidUTF8(s[:MaxName-3], "") + "..."
}
