package link

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"unsafe"

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

// Cut returns u with a name that fits a page: longer ones are cut, and what is
// not UTF-8 is taken out. A unit that was read from a page is equal to the one
// that was put there, once that is cut.
func (u Unit) Cut() Unit {
	u.Name = cutName(u.Name)
	return u
}

func cutName(name string) string {
	if len(name) > maxUnitName {
		name = name[:maxUnitName]
	}
	return strings.ToValidUTF8(name, "") // the same string if there is nothing to take out
}

// PageSize is the least size in bytes of a page for PutUnit.
const PageSize = 256

// maxUnitName is how many bytes of a unit's name a page holds.
const maxUnitName = 200

// A page is memory in which a Server notes the unit that it runs, for somebody
// who looks at it when the Server is dead. Its first four bytes, in the order of
// the machine, say whether the rest counts: 0 if it does not, else the unit's
// kind, and whether the unit has ended. They are the last that is written of a
// unit, so what was written by half counts for nothing.
//
//	0   4 bytes   kind, and pageEnded
//	4   1 byte    length of the name
//	8   8 bytes   n, little-endian
//	16  16 bytes  session
//	32  200 bytes name
const (
	pageLength  = 4
	pageN       = 8
	pageSession = 16
	pageName    = 32

	pageEnded = 1 << 8 // beside the kind
)

// PutUnit writes into page that u runs. The page belongs to one writer, begins
// at a multiple of four bytes, as a mapping does and what make takes from the
// heap, and has PageSize bytes or more: one that does not is left alone, so nil
// is no page.
// The name is cut as by Cut. It allocates nothing unless the name is not UTF-8.
func PutUnit(page []byte, u Unit) {
	state := pageState(page)
	if state == nil {
		return
	}
	atomic.StoreUint32(state, 0)
	name := cutName(u.Name)
	page[pageLength] = byte(len(name))
	binary.LittleEndian.PutUint64(page[pageN:], u.N)
	copy(page[pageSession:], u.Session[:])
	copy(page[pageName:PageSize], name)
	atomic.StoreUint32(state, uint32(u.Kind))
}

// EndUnit writes into page that the unit in it has ended, but not what became of
// it: it stays there until another is put, or ClearUnit.
func EndUnit(page []byte) {
	if state := pageState(page); state != nil {
		if kind := atomic.LoadUint32(state); kind != 0 {
			atomic.StoreUint32(state, kind|pageEnded)
		}
	}
}

// ClearUnit writes into page that nothing runs.
func ClearUnit(page []byte) {
	if state := pageState(page); state != nil {
		atomic.StoreUint32(state, 0)
	}
}

// UnitIn returns the unit in page that runs; false if none does, or if what is
// there is nothing that PutUnit has written whole.
func UnitIn(page []byte) (Unit, bool) {
	u, ended, ok := LastUnit(page)
	if !ok || ended {
		return Unit{}, false
	}
	return u, true
}

// LastUnit is UnitIn for one that has ended, too, for which ended is true.
func LastUnit(page []byte) (u Unit, ended, ok bool) {
	p := pageState(page)
	if p == nil {
		return Unit{}, false, false
	}
	state := atomic.LoadUint32(p)
	kind, n := state&^pageEnded, int(page[pageLength])
	if kind < uint32(UnitLine) || kind > uint32(UnitHook) || n > maxUnitName {
		return Unit{}, false, false
	}
	u = Unit{Kind: UnitKind(kind), N: binary.LittleEndian.Uint64(page[pageN:]), Name: string(page[pageName : pageName+n])}
	copy(u.Session[:], page[pageSession:])
	return u.Cut(), state&pageEnded != 0, true
}

// pageState returns the place of a page's first four bytes, or nil if it is
// none.
func pageState(page []byte) *uint32 {
	if len(page) < PageSize {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(page))
	if uintptr(p)%4 != 0 {
		return nil
	}
	return (*uint32)(p)
}
