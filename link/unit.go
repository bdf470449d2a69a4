package link

import (
	"fmt"

	"mudlark.dev/session"
)

// A UnitKind says what kind of thing a Server runs at a time.
type UnitKind uint8

// The kinds of units. Their numbers are part of the protocol.
const (
	UnitLine  UnitKind = 1 // a line of a session's log
	UnitTimer UnitKind = 2 // a stored timer
	UnitHook  UnitKind = 3 // a hook that no line stands for, such as AtInit of an entity
)

// A Unit is what a Server's loop runs on its own: a line, a timer or a hook. It is
// the same when the next Server runs it again.
type Unit struct {
	Kind    UnitKind
	Session session.ID // of a line; else zero
	N       uint64     // the number of the line, or of the timer; else 0
	Name    string     // for people, and what tells hooks apart: the message's or timer's name, or the hook's; at most 200 bytes, never what a player typed
}

// String names the unit for an operator.
func (u Unit) String() string {
	switch u.Kind {
	case UnitLine:
		return fmt.Sprintf("line %d of session %s (%s)", u.N, u.Session, u.Name)
	case UnitTimer:
		return fmt.Sprintf("timer %d (%s)", u.N, u.Name)
	case UnitHook:
		return u.Name
	}
	return fmt.Sprintf("unit of kind %d (%s)", u.Kind, u.Name)
}
