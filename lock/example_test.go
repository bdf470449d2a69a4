package lock_test

import (
	"errors"
	"fmt"
	"slices"

	"mudlark.dev/lock"
)

// A member is a Subject: it says what it is and holds. Of the methods of Nobody
// it has those that it does not declare.
type member struct {
	lock.Nobody
	id    uint64
	perms []string
	clans []string
}

func (m *member) LockID() uint64  { return m.id }
func (m *member) Perms() []string { return m.perms }

// A builder writes who may open a chest and who may move it.
func ExampleLock() {
	l, err := lock.Parse("open:id(12) or perm(Builder); get:none()", lock.Default(lock.DefaultHierarchy()))
	if err != nil {
		fmt.Println(err)
		return
	}
	owner := &member{id: 12, perms: []string{"Player"}}
	admin := &member{id: 4, perms: []string{"Admin"}} // above Builder
	for _, s := range []lock.Subject{owner, admin, nil} {
		passes, _ := l.Check("open", s, nil)
		fmt.Println(passes)
	}
	fmt.Println(l)
	// Output:
	// true
	// true
	// false
	// open:id(12) or perm(Builder);get:none()
}

// A lock that says nothing of an access type leaves it to the caller.
func ExampleLock_Check() {
	l, err := lock.Parse("get:none()", lock.Default(lock.DefaultHierarchy()))
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &member{id: 12}
	fmt.Println(l.Check("get", s, nil))
	fmt.Println(l.Check("view", s, nil))
	// Output:
	// false true
	// false false
}

// A game's own function checks its arguments once, when the lock is parsed.
func ExampleFunc() {
	funcs := lock.Default(lock.DefaultHierarchy())
	funcs["clan"] = func(args lock.Args) (lock.Test, error) {
		if err := args.Want(1, 1); err != nil {
			return nil, err
		}
		name := args.Pos[0]
		return func(s lock.Subject, _ lock.Object) bool {
			m, ok := s.(*member) // a session without an account is none
			return ok && slices.Contains(m.clans, name)
		}, nil
	}
	l, err := lock.Parse("enter:clan(heron)", funcs)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.Check("enter", &member{clans: []string{"heron"}}, nil))
	fmt.Println(l.Check("enter", lock.Nobody{}, nil))
	_, err = lock.Parse("enter:clan()", funcs)
	fmt.Println(err)
	// Output:
	// true true
	// false true
	// lock: at character 7, "clan()": clan: expected 1 argument, got 0
}

// What is wrong with a lock is said to whoever wrote it.
func ExampleParseError() {
	_, err := lock.Parse("edit:prm(Admin)", lock.Default(lock.DefaultHierarchy()))
	var wrong *lock.ParseError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Pos, wrong.Near)
		fmt.Println(wrong.Reason)
	}
	// Output:
	// 5 prm(Admin)
	// no function "prm", did you mean "perm"?
}

// What a builder adds goes over what the thing had.
func ExampleLock_With() {
	funcs := lock.Default(lock.DefaultHierarchy())
	base, err := lock.Parse("get:all(); edit:perm(Builder)", funcs)
	if err != nil {
		fmt.Println(err)
		return
	}
	own, err := lock.Parse("get:id(12)", funcs)
	if err != nil {
		fmt.Println(err)
		return
	}
	both, err := base.With(own)
	fmt.Println(both, err)
	expr, defined := both.Expr("get")
	fmt.Println(expr, defined)
	fmt.Println(both.Without("edit"))
	// Output:
	// get:id(12);edit:perm(Builder) <nil>
	// id(12) true
	// get:id(12)
}

func ExampleHierarchy_Passes() {
	h := lock.DefaultHierarchy()
	fmt.Println(h.Passes([]string{"admin"}, "Builders")) // a higher level
	fmt.Println(h.Passes([]string{"Player"}, "Builder"))
	fmt.Println(h.Passes([]string{"Admin"}, "gardener")) // no level: by that label alone
	// Output:
	// true
	// false
	// false
}
