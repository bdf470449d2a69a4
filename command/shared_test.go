package command_test

import (
	"strings"
	"testing"

	"mudlark.dev/command"
	"mudlark.dev/lock"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// A higher command that shares an alias with a lower one takes that name and
// leaves the lower one the others; one that has its key replaces it.
func TestSharedNames(t *testing.T) {
	funcs := lock.Default(lock.DefaultHierarchy())
	var ran []string
	cmd := func(key string, aliases ...string) *command.Command {
		return &command.Command{Key: key, Aliases: aliases, Run: func(c *command.Call) error {
			ran = append(ran, key+"/"+c.Name)
			return nil
		}}
	}
	sets, err := command.NewSets(funcs,
		&command.CmdSet{Name: "unloggedin", Commands: []*command.Command{cmd("look", "l", "ls"), cmd("inventory", "i")}},
		&command.CmdSet{Name: "over", Priority: 5, Commands: []*command.Command{cmd("lane", "l"), cmd("I", "inventory")}},
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
	s := w.OpenSession(session.NewID(), 1, session.Info{}, "portal")
	if err := s.AddCmdSet("over"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"l", "look", "ls", "lane", "i", "inventory"} {
		if err := in.Run(w, s, line, "", nil); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	want := "lane/l look/look look/ls lane/lane I/i I/inventory"
	if got := strings.Join(ran, " "); got != want {
		t.Errorf("ran %s, want %s", got, want)
	}
}
