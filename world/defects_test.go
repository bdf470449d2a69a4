package world_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mudlark.dev/session"
	"mudlark.dev/world"
)

// nested returns a list with n lists in one another.
func nested(n int) any {
	v := any([]any{})
	for range n - 1 {
		v = []any{v}
	}
	return v
}

// storable fails the test if the turn cannot be ended.
func storable(t *testing.T, w *world.World) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("TakeChanges panics: %.160v", r)
		}
	}()
	for _, u := range w.TakeChanges().Unstored {
		t.Errorf("%.160v", u.Err)
	}
}

// What a setter took can be stored.
func TestWhatASetterTookCanBeStored(t *testing.T) {
	for name, do := range map[string]func(w *world.World) error{
		"deep session data": func(w *world.World) error {
			return w.OpenSession(sid(1), 1, session.Info{}, "p").SetData("k", nested(16))
		},
		"many small session data": func(w *world.World) error {
			return w.OpenSession(sid(1), 1, session.Info{}, "p").SetData("k", make([]any, 4090))
		},
		"deep timer args": func(w *world.World) error {
			_, err := w.After(0, w.StartRoom(), "tick", map[string]any{"k": nested(16)})
			return err
		},
		"large timer args": func(w *world.World) error {
			_, err := w.After(0, w.StartRoom(), "tick", map[string]any{"k": strings.Repeat("x", 1<<20-20)})
			return err
		},
		"permissions": func(w *world.World) error {
			a, err := w.NewAccount("Ada", "")
			for i := range 4200 {
				if err == nil {
					a.AddPerm(fmt.Sprint("p", i))
				}
			}
			return err
		},
		"characters": func(w *world.World) error {
			a, err := w.NewAccount("Ada", "")
			for i := range 4200 {
				c, err := w.NewCharacter(fmt.Sprint("Char", i), nil)
				if err != nil {
					return err
				}
				a.AddCharacter(c)
			}
			return err
		},
		"aliases of an exit": func(w *world.World) error {
			w.NewExit("out", w.StartRoom(), w.StartRoom(), strings.Split(strings.Repeat("a ", 4200), " ")...)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := seeded(t, 0)
			if err := do(w); err == nil {
				storable(t, w)
			}
		})
	}
}

// A thing never comes to be inside itself.
func TestNoCycles(t *testing.T) {
	ringed := func(c world.Entity) bool {
		seen := map[world.ID]bool{}
		for c != nil {
			if seen[c.ID()] {
				return true
			}
			seen[c.ID()] = true
			o, is := c.(interface{ Location() world.Entity })
			if !is {
				return false
			}
			c = o.Location()
		}
		return false
	}
	t.Run("sent home", func(t *testing.T) {
		w := seeded(t, 0)
		room := w.NewRoom("Doomed")
		chest := w.NewObject("chest", room)
		pouch := w.NewObject("pouch", chest) // its home is the chest
		ok(t, pouch.MoveTo(room, world.MoveOptions{}))
		ok(t, chest.MoveTo(pouch, world.MoveOptions{}))
		ok(t, w.Delete(room))
		if ringed(pouch) {
			t.Errorf("pouch is in chest is in pouch: Room and MoveTo never return")
		}
	})
	t.Run("coming back", func(t *testing.T) {
		w := seeded(t, 0)
		a := must[*world.Account](t)(w.NewAccount("Ada", ""))
		boat := w.NewObject("boat", w.StartRoom())
		c := must[*world.Character](t)(w.NewCharacter("Bell", boat))
		a.AddCharacter(c)
		ok(t, boat.MoveTo(c, world.MoveOptions{})) // while c is away
		s := w.OpenSession(sid(1), 1, session.Info{}, "p")
		ok(t, s.Login(a))
		if s.SetPuppet(c) == nil && ringed(c) {
			t.Errorf("%s is in the boat that it carries", c.Name())
		}
	})
	t.Run("loaded", func(t *testing.T) {
		w := seeded(t, 0)
		x := w.NewObject("x", w.StartRoom())
		y := w.NewObject("y", x)
		st := rows{}
		st.apply(t, w.TakeChanges())
		key := world.RecordKey{Kind: world.RecordEntity, ID: x.ID().String()[1:]}
		// x's record says that it is in y.
		st[key] = []byte(strings.Replace(string(st[key]), "\xa2in\x01", "\xa2in"+string(rune(y.ID())), 1))
		w2, report := st.load(t, world.Config{}, 4, nil)
		if ringed(w2.Get(x.ID())) {
			t.Errorf("a ring is loaded, problems: %v", report.Problems)
		}
	})
}

// A refusal leaves everything as it was.
func TestRefusedPuppetChangesNothing(t *testing.T) {
	for mode := range 4 {
		w := seeded(t, mode)
		a := must[*world.Account](t)(w.NewAccount("Ada", ""))
		x, y := must[*world.Character](t)(w.NewCharacter("Xena", w.StartRoom())), must[*world.Character](t)(w.NewCharacter("Yves", w.StartRoom()))
		a.AddCharacter(x)
		a.AddCharacter(y)
		one, two := w.OpenSession(sid(1), 1, session.Info{}, "p"), w.OpenSession(sid(2), 2, session.Info{}, "p")
		ok(t, one.Login(a))
		ok(t, one.SetPuppet(x))
		ok(t, two.Login(a))
		if two.SetPuppet(x) != nil {
			continue
		}
		before := dump(w)
		if err := one.SetPuppet(y); err != nil && dump(w) != before {
			t.Errorf("mode %d: %v, and yet: %s", mode, err, firstDiff(dump(w), before))
		}
	}
}

// The lock of a character holds for its owner, as for others.
func TestPuppetLockHoldsForOwner(t *testing.T) {
	w := seeded(t, 0)
	a := must[*world.Account](t)(w.NewAccount("Ada", ""))
	c := must[*world.Character](t)(w.NewCharacter("Bell", w.StartRoom()))
	a.AddCharacter(c)
	ok(t, c.SetLocks("puppet:none()")) // the staff has frozen it
	s := w.OpenSession(sid(1), 1, session.Info{}, "p")
	ok(t, s.Login(a))
	if s.SetPuppet(c) == nil {
		t.Errorf("played against its own lock puppet:none()")
	}
}

// A character of a deleted account has no account, and none of its rights.
func TestDeletedAccountLeavesNoRights(t *testing.T) {
	w := seeded(t, 0)
	a := must[*world.Account](t)(w.NewAccount("Ada", ""))
	a.SetSuperuser(true)
	c := must[*world.Character](t)(w.NewCharacter("Bell", w.StartRoom()))
	a.AddCharacter(c)
	st := rows{}
	st.apply(t, w.TakeChanges())
	ok(t, w.Delete(a))
	st.apply(t, w.TakeChanges())
	if c.Account() != nil || c.Superuser() {
		t.Errorf("Account = %v, Superuser = %v after the account was deleted", c.Account(), c.Superuser())
	}
	if _, report := st.load(t, world.Config{}, 5, nil); len(report.Problems) > 0 {
		t.Errorf("every load from now on reports: %v", report.Problems)
	}
}

// What an ambiguous search offers can be typed.
func TestOfferedChoicesWork(t *testing.T) {
	w := seeded(t, 0)
	room := w.StartRoom()
	me := must[*world.Character](t)(w.NewCharacter("Bell", room))
	ok(t, me.MoveTo(room, world.MoveOptions{Quiet: true}))
	w.NewObject("short sword", room)
	long := w.NewObject("long sword", room)
	ok(t, w.NewObject("dagger", room).SetAliases("sword of kings"))
	_, err := me.SearchOne(me, "sword")
	var se *world.SearchError
	if !errors.As(err, &se) || len(se.Found) != 3 {
		t.Fatalf("SearchOne(sword) = %v", err)
	}
	lines := strings.Split(se.Error(), "\n")[1:]
	for i, l := range lines {
		l, _, _ = strings.Cut(l, " (") // what follows is its name
		got, err := me.SearchOne(me, strings.TrimSpace(l))
		if err != nil || got.ID() != se.Found[i].ID() {
			t.Errorf("offered %q for %s, which finds %v, %v", strings.TrimSpace(l), se.Found[i].Name(), idOf(got), err)
		}
	}
	_ = long
}

// A store that a newer build has written is refused: to go on would lose what
// refers to the entities that cannot be read.
func TestNewerRecordsAreRefused(t *testing.T) {
	w := seeded(t, 0)
	room := w.NewRoom("Vault")
	w.NewObject("gold", room)
	st := rows{}
	st.apply(t, w.TakeChanges())
	w2 := newWorld(t, world.Config{})
	for k, d := range st {
		if k.Kind == world.RecordEntity && k.ID == room.ID().String()[1:] {
			d = append([]byte{2}, d[1:]...)
		}
		ok(t, w2.LoadRecord(k.Kind, k.ID, d))
	}
	if _, err := w2.FinishLoad(); !errors.Is(err, world.ErrNewer) {
		t.Errorf("FinishLoad = %v, want ErrNewer", err)
	}
}

// What is read back is what was set.
func TestTextIsTheSameAfterALoad(t *testing.T) {
	w := seeded(t, 0)
	r := w.StartRoom()
	ok(t, r.SetAttr("a", "caf\xe9"))
	ok(t, r.SetAttr("l", []any{"caf\xe9", map[string]any{"k": "\xff"}}))
	ok(t, r.SetAliases("x\xfe"))
	st := rows{}
	st.apply(t, w.TakeChanges())
	w2, _ := st.load(t, world.Config{}, 2, nil)
	if a, b := dump(w2), dump(w); a != b {
		t.Error(firstDiff(a, b))
	}
}

// A timer's ID is not given to another one after a reload.
func TestTimerIDsAreNotReused(t *testing.T) {
	clk := newClock()
	cfg := world.Config{Timers: testTimers, Now: clk.now}
	w := newWorld(t, cfg)
	r := w.NewRoom("R")
	first := must[world.TimerID](t)(w.After(0, r, "tick", nil))
	ok(t, r.SetAttr("bomb", int64(first)))
	st := rows{}
	c := w.TakeChanges()
	st.apply(t, c)
	_, run := w.FireNext()
	ok(t, run())
	st.apply(t, w.TakeChanges())
	w2, _ := st.load(t, cfg, c.HighID, nil)
	if again := must[world.TimerID](t)(w2.After(time.Hour, w2.Get(1), "tick", nil)); again == first {
		t.Errorf("timer %d fired, and after a reload another one is timer %d", first, again)
	}
}

// A timer without a handler goes with its entity, as others do.
func TestKeptTimersGoWithTheirEntity(t *testing.T) {
	w := newWorld(t, world.Config{Timers: testTimers})
	w.SetStartRoom(w.NewRoom("Start"))
	o := w.NewObject("o", w.StartRoom())
	must[world.TimerID](t)(w.After(time.Hour, o, "tick", nil))
	st := rows{}
	st.apply(t, w.TakeChanges())
	w2, _ := st.load(t, world.Config{}, 2, nil) // a build without "tick"
	ok(t, w2.Delete(w2.Get(o.ID())))
	st.apply(t, w2.TakeChanges())
	if i := slices.IndexFunc(st.keys(), func(k world.RecordKey) bool { return k.Kind == world.RecordTimer }); i >= 0 {
		t.Errorf("the timer's row stays for ever")
	}
}

// Changed is about what is stored: an unlogged session has no row.
func TestChangedIsAboutTheStore(t *testing.T) {
	w := seeded(t, 0)
	w.TakeChanges()
	s := w.OpenSession(sid(1), 1, session.Info{}, "p")
	w.TakeChanges()
	m := w.Mark()
	s.SetPrefs(session.Prefs{Width: 70})
	if changed := w.Changed(m); changed && w.TakeChanges().Empty() {
		t.Errorf("Changed = true and nothing is to be stored")
	}
}

// nil arguments of a public setter give an error or clear, not a nil dereference.
func TestNilArguments(t *testing.T) {
	for name, do := range map[string]func(w *world.World){
		"SetHome":        func(w *world.World) { w.NewObject("o", nil).SetHome(nil) },
		"MoveTo":         func(w *world.World) { w.NewObject("o", nil).MoveTo(nil, world.MoveOptions{}) },
		"SetStartRoom":   func(w *world.World) { w.SetStartRoom(nil) },
		"SetDestination": func(w *world.World) { w.NewExit("x", w.StartRoom(), w.StartRoom()).SetDestination(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("panics: %v", r)
				}
			}()
			do(seeded(t, 0))
		})
	}
}

// A thing is made in a place that can hold it.
func TestMadeInAPlaceThatHolds(t *testing.T) {
	w := seeded(t, 0)
	gone := w.NewRoom("Gone")
	ok(t, w.Delete(gone))
	if o := w.NewObject("o", gone); o.Location() != nil {
		t.Errorf("made in a deleted room, and its place is %s", o.Location().ID())
	}
	a := must[*world.Account](t)(w.NewAccount("Ada", ""))
	if o := w.NewObject("o", a); o.Location() != nil {
		t.Errorf("made in an account: a load will have it nowhere")
	}
}
