package command_test

import (
	"testing"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/lock"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// Sessions around which there is the same share what is merged, and what nobody
// uses for a while is merged anew.
func TestMergedIsShared(t *testing.T) {
	funcs := lock.Default(lock.DefaultHierarchy())
	look := func() *command.Command {
		return &command.Command{Key: "look", Run: func(*command.Call) error { return nil }}
	}
	sets, err := command.NewSets(funcs,
		&command.CmdSet{Name: command.CharacterSet, Commands: []*command.Command{look()}},
		&command.CmdSet{Name: "session"},
		&command.CmdSet{Name: "diver", Commands: []*command.Command{look()}},
	)
	if err != nil {
		t.Fatal(err)
	}
	in, err := command.New(command.Config{Sets: sets, Locks: funcs})
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.New(world.Config{})
	if err != nil {
		t.Fatal(err)
	}
	jetty, pond := w.NewRoom("Jetty"), w.NewRoom("Pond")
	w.NewExit("east", jetty, pond)
	player := func(name string, at *world.Room) (*world.Session, *world.Character) {
		a, err := w.NewAccount(name, "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := w.NewCharacter(name, at)
		if err != nil {
			t.Fatal(err)
		}
		s := w.OpenSession(session.NewID(), 1, session.Info{}, "portal")
		a.AddCharacter(c)
		if err := s.Login(a); err != nil {
			t.Fatal(err)
		}
		if err := s.SetPuppet(c); err != nil {
			t.Fatal(err)
		}
		return s, c
	}
	ada, adaChar := player("Ada", jetty)
	bell, _ := player("Bell", jetty)
	cid, _ := player("Cid", pond)
	first := in.Merged(ada)
	if in.Merged(bell) != first {
		t.Error("two in one room have two merged sets")
	}
	if in.Merged(cid) == first {
		t.Error("another room has the same merged set")
	}
	if err := adaChar.AddCmdSet("diver"); err != nil {
		t.Fatal(err)
	}
	if in.Merged(ada) == first {
		t.Error("a set more changes nothing")
	}
	adaChar.DelCmdSet("diver")
	first = in.Merged(ada)
	if in.Merged(bell) != first {
		t.Error("a set that was taken away again makes a difference")
	}

	now := w.Now()
	for range 3 {
		now = now.Add(time.Hour)
		in.Tidy(now)
		if in.Merged(ada) != first {
			t.Error("what is used is merged anew")
		}
	}
	in.Forget(bell)
	if in.Merged(ada) != first {
		t.Error("one that leaves takes what another has")
	}
	for range 2 {
		now = now.Add(time.Hour)
		in.Tidy(now)
	}
	if in.Merged(ada) == first {
		t.Error("what was not used for an hour is kept")
	}
	in.Forget(ada)
	in.Forget(ada)
}
