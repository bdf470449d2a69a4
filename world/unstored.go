package world

import (
	"fmt"
	"runtime/debug"
)

// An Unstored is a record that could not be made, which is a bug: the setters
// check what they take. The store keeps the one it has, and the world goes on with
// what it has in memory; all else of the turn is stored. It is reported once, and
// again after it could be stored.
type Unstored struct {
	RecordKey
	Name  string // of the entity or the account, for people; may be empty
	Err   error
	Stack string // of where it failed
}

// storer is a part of the world that has records.
type storer interface {
	store(*Changes)
	// record returns the key by which it is known, and its name for people.
	record() (RecordKey, string)
}

var _, _, _ storer = (*core)(nil), (*Session)(nil), (*timer)(nil)

func (c *core) record() (RecordKey, string) {
	return RecordKey{RecordEntity, recordID(c.id)}, c.name
}

func (s *Session) record() (RecordKey, string) {
	name := ""
	if s.account != nil {
		name = s.account.name
	}
	return RecordKey{RecordSession, string(s.id[:])}, name
}

func (t *timer) record() (RecordKey, string) {
	return RecordKey{RecordTimer, recordID(ID(t.id))}, t.name
}

// take stores one part. If that panics the others are not harmed.
func (w *World) take(out *Changes, part storer) {
	puts, deletes := len(out.Puts), len(out.Deletes)
	defer func() {
		r := recover()
		if r == nil && len(w.unstored) == 0 {
			return
		}
		key, name := part.record()
		if r == nil {
			delete(w.unstored, key)
			return
		}
		clear(out.Puts[puts:])
		out.Puts, out.Deletes = out.Puts[:puts], out.Deletes[:deletes]
		if w.unstored[key] {
			return
		}
		if w.unstored == nil {
			w.unstored = make(map[RecordKey]bool)
		}
		w.unstored[key] = true
		out.Unstored = append(out.Unstored, Unstored{key, name, fmt.Errorf("world: %s cannot be stored: %v", key, r), string(debug.Stack())})
	}()
	part.store(out)
}

// String names the record for an operator.
func (k RecordKey) String() string {
	switch k.Kind {
	case RecordSetting:
		return fmt.Sprintf("setting %q", k.ID)
	case RecordEntity:
		return "#" + k.ID
	case RecordAttribute:
		return "attribute #" + k.ID
	case RecordSession:
		return fmt.Sprintf("session %x", k.ID)
	case RecordTimer:
		return "timer " + k.ID
	}
	return fmt.Sprintf("record %d/%q", k.Kind, k.ID)
}
