package lock

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of a lock.
const (
	MaxBytes = 1024 // of a lock string, as written and as Lock.String returns it
	MaxDepth = 16   // of parentheses and nots in one another
	MaxFuncs = 64   // function calls in a lock string
)

// An Object is what is accessed. Functions of a game find out more by a type
// assertion.
type Object interface {
	// LockID identifies the object; 0 is for one that has no ID.
	LockID() uint64

	// LockAttr returns the attribute of that name and whether there is one.
	LockAttr(name string) (any, bool)
}

// A Subject is what wants access. Its methods are called on the goroutine that
// calls Check.
type Subject interface {
	Object

	// Perms returns the permissions that the subject holds. The slice is only
	// read, and not kept.
	Perms() []string

	// Superuser reports whether the subject passes every lock.
	Superuser() bool
}

// Nobody is a Subject that holds nothing: what a session without an account is.
type Nobody struct{}

// LockID returns 0, which no lock matches.
func (Nobody) LockID() uint64 { return 0 }

// LockAttr returns no attribute.
func (Nobody) LockAttr(string) (any, bool) { return nil, false }

// Perms returns no permissions.
func (Nobody) Perms() []string { return nil }

// Superuser returns false.
func (Nobody) Superuser() bool { return false }

var _ Subject = Nobody{}

// A Lock is a compiled lock string. The zero Lock defines no access type. Locks
// do not change, and may be copied and used by several goroutines if their
// functions may.
type Lock struct {
	rules []rule // in the order in which they were written
}

type rule struct {
	access string // lower case
	expr   *node
	test   Test
}

// Check reports whether the subject passes, and whether the lock defines this
// type of access at all. If it does not, passes is false and the caller decides.
// A superuser passes in either case. A nil subject is Nobody; a nil object is
// given to the functions as it is.
func (l Lock) Check(access string, subject Subject, object Object) (passes, defined bool) {
	passes, defined = l.CheckStrictly(access, subject, object)
	return passes || subject != nil && subject.Superuser(), defined
}

// CheckStrictly is Check for superusers too: they pass only if the lock lets them.
func (l Lock) CheckStrictly(access string, subject Subject, object Object) (passes, defined bool) {
	if subject == nil {
		subject = Nobody{}
	}
	for i := range l.rules {
		r := &l.rules[i]
		if r.access == access || len(r.access) == len(access) && strings.EqualFold(r.access, access) {
			return r.test(subject, object), true
		}
	}
	return false, false
}

// With returns a lock with the definitions of l and other; where both define an
// access type, that of other holds. It fails if the result is beyond MaxBytes or
// MaxFuncs.
func (l Lock) With(other Lock) (Lock, error) {
	rules := slices.Clone(l.rules)
	for _, r := range other.rules {
		if i := slices.IndexFunc(rules, func(old rule) bool { return old.access == r.access }); i >= 0 {
			rules[i] = r
		} else {
			rules = append(rules, r)
		}
	}
	sum := Lock{rules}
	if n := len(sum.String()); n > MaxBytes {
		return Lock{}, fmt.Errorf("lock: %d bytes in all, the limit is %d", n, MaxBytes)
	}
	calls := 0
	for _, r := range rules {
		calls += r.expr.calls()
	}
	if calls > MaxFuncs {
		return Lock{}, fmt.Errorf("lock: %d functions in all, the limit is %d", calls, MaxFuncs)
	}
	return sum, nil
}

// Without returns a lock without the definition of that access type.
func (l Lock) Without(access string) Lock {
	var rules []rule
	for _, r := range l.rules {
		if !strings.EqualFold(r.access, access) {
			rules = append(rules, r)
		}
	}
	return Lock{rules}
}

// Expr returns the expression of that access type, as String writes it, and
// whether there is one. To extend it, parse "type:(" + expr + ") or …".
func (l Lock) Expr(access string) (expr string, defined bool) {
	for _, r := range l.rules {
		if strings.EqualFold(r.access, access) {
			return r.expr.String(), true
		}
	}
	return "", false
}

// String returns the normal form of the lock string: names and words in lower
// case, one space where there may be some, and no parentheses but the necessary.
// With the same functions it parses to the same lock.
func (l Lock) String() string {
	var b strings.Builder
	for i, r := range l.rules {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(r.access)
		b.WriteByte(':')
		r.expr.write(&b)
	}
	return b.String()
}
