package command_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mudlark.dev/command"
	"mudlark.dev/lock"
	"mudlark.dev/markup"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// A stage is a world with one room, a session that plays a character in it, and
// an interpreter whose commands write down that they ran.
type stage struct {
	t    testing.TB
	w    *world.World
	in   *command.Interpreter
	s    *world.Session
	room *world.Room
	me   *world.Character
	ran  []string
}

// verb is a command that writes down its key, the name it was called by, and
// its arguments.
func (st *stage) verb(key string, aliases ...string) *command.Command {
	return &command.Command{Key: key, Aliases: aliases, Run: func(c *command.Call) error {
		st.ran = append(st.ran, fmt.Sprintf("%s<%s>", key, c.Args))
		return nil
	}}
}

func newStage(t testing.TB, sets func(st *stage) []*command.CmdSet) *stage {
	t.Helper()
	st := &stage{t: t}
	funcs := lock.Default(lock.DefaultHierarchy())
	compiled, err := command.NewSets(funcs, sets(st)...)
	if err != nil {
		t.Fatal(err)
	}
	if st.in, err = command.New(command.Config{Sets: compiled, Locks: funcs}); err != nil {
		t.Fatal(err)
	}
	tags, err := markup.NewTags(map[string]string{"tide": "|b"})
	if err != nil {
		t.Fatal(err)
	}
	if st.w, err = world.New(world.Config{Tags: tags}); err != nil {
		t.Fatal(err)
	}
	st.room = st.w.NewRoom("Room")
	st.w.SetStartRoom(st.room)
	a, err := st.w.NewAccount("Ada", "")
	if err != nil {
		t.Fatal(err)
	}
	if st.me, err = st.w.NewCharacter("Ada", st.room); err != nil {
		t.Fatal(err)
	}
	a.AddCharacter(st.me)
	st.s = st.w.OpenSession(session.NewID(), 1, session.Info{}, "portal")
	if err := st.s.Login(a); err != nil {
		t.Fatal(err)
	}
	if err := st.s.SetPuppet(st.me); err != nil {
		t.Fatal(err)
	}
	return st
}

// run runs a line and returns what ran, or the error's text.
func (st *stage) run(line string) string {
	st.t.Helper()
	st.ran = nil
	err := st.in.Run(st.w, st.s, line, "", nil)
	var user *command.UserError
	switch {
	case errors.As(err, &user):
		return "! " + strings.SplitN(user.Text, "\n", 2)[0]
	case err != nil:
		st.t.Errorf("%q: %v", line, err)
	}
	return strings.Join(st.ran, " ")
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name string
		low  command.CmdSet // of the character, with look and get
		high command.CmdSet // of the room, with look and dig
		want map[string]string
	}{
		{"union, equal priority: the room is nearer", command.CmdSet{}, command.CmdSet{},
			map[string]string{"look": "high look<>", "get": "low get<>", "dig": "high dig<>"}},
		{"union, the character's is higher", command.CmdSet{Priority: 1}, command.CmdSet{},
			map[string]string{"look": "low look<>", "get": "low get<>", "dig": "high dig<>"}},
		{"duplicates at equal priority", command.CmdSet{}, command.CmdSet{Duplicates: true},
			map[string]string{"look": "! Which of these do you mean?", "look-1": "low look<>", "look-2": "high look<>", "get": "low get<>"}},
		{"duplicates at another priority", command.CmdSet{}, command.CmdSet{Duplicates: true, Priority: 1},
			map[string]string{"look": "high look<>"}},
		{"replace", command.CmdSet{}, command.CmdSet{Priority: 1, Merge: command.Replace},
			map[string]string{"look": "high look<>", "get": "! Command 'get' is not available.", "dig": "high dig<>", "": "low noinput<>"}},
		{"intersect", command.CmdSet{}, command.CmdSet{Priority: 1, Merge: command.Intersect},
			map[string]string{"look": "high look<>", "get": "! Command 'get' is not available.", "dig": "! Command 'dig' is not available.", "": "low noinput<>"}},
		{"remove", command.CmdSet{}, command.CmdSet{Priority: 1, Merge: command.Remove},
			map[string]string{"look": "! Command 'look' is not available.", "get": "low get<>", "dig": "! Command 'dig' is not available.", "": "low noinput<>"}},
		{"the lower one's type does not count", command.CmdSet{Merge: command.Replace}, command.CmdSet{Priority: 1},
			map[string]string{"look": "high look<>", "get": "low get<>", "dig": "high dig<>"}},
		{"nothing nearby", command.CmdSet{NoObjs: true}, command.CmdSet{},
			map[string]string{"look": "low look<>", "dig": "! Command 'dig' is not available.", "north": "! Command 'north' is not available."}},
		{"no exits", command.CmdSet{NoExits: true}, command.CmdSet{},
			map[string]string{"dig": "high dig<>", "north": "! Command 'north' is not available."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newStage(t, func(st *stage) []*command.CmdSet {
				low, high := tt.low, tt.high
				low.Name, high.Name = command.CharacterSet, "high"
				named := func(prefix, key string) *command.Command {
					return &command.Command{Key: key, Run: func(c *command.Call) error {
						st.ran = append(st.ran, fmt.Sprintf("%s %s<%s>", prefix, strings.Trim(key, "_"), c.Args))
						return nil
					}}
				}
				low.Commands = []*command.Command{named("low", "look"), named("low", "get"), named("low", command.NoInput)}
				high.Commands = []*command.Command{named("high", "look"), named("high", "dig")}
				return []*command.CmdSet{&low, &high}
			})
			st.w.NewExit("north", st.room, st.w.NewRoom("Other"))
			if err := st.room.AddCmdSet("high"); err != nil {
				t.Fatal(err)
			}
			for line, want := range tt.want {
				if got := st.run(line); !strings.HasPrefix(got, want) || want == "" && got != "" {
					t.Errorf("%q runs %q, want %q", line, got, want)
				}
			}
		})
	}
}

func TestMatch(t *testing.T) {
	st := newStage(t, func(st *stage) []*command.CmdSet {
		locked := st.verb("reload")
		locked.Locks = "cmd:perm(Developer)"
		switches := &command.Command{Key: "page", Switches: []string{"last", "list", "quiet"}, Run: func(c *command.Call) error {
			st.ran = append(st.ran, fmt.Sprintf("page%v<%s|%s|%v>", c.Switches, c.LHS, c.RHS, c.HasRHS))
			return nil
		}}
		return []*command.CmdSet{{Name: command.CharacterSet, Commands: []*command.Command{
			st.verb("look", "l", "ls"), st.verb("look at", "watch"), st.verb("say", `"`, "'"), st.verb(":", "pose"),
			st.verb("@dig"), st.verb("straße"), st.verb("7"), locked, switches,
		}}}
	})
	for _, tt := range []struct{ line, want string }{
		{"look", "look<>"}, {"LOOK", "look<>"}, {"  look  ", "look<>"}, {"l", "look<>"}, {"look Bell", "look<Bell>"},
		{"look at Bell", "look at<Bell>"}, {"looking", "! Command 'looking' is not available."}, {"look\tbell", "look<bell>"},
		{"lo", "! Command 'lo' is not available."}, {"watch tide", "look at<tide>"},
		{"'hi", "say<hi>"}, {`"hi there`, "say<hi there>"}, {"sayhi", "! Command 'sayhi' is not available."}, {":waves", ":<waves>"}, {": waves", ":<waves>"},
		{"@look x", "look<x>"}, {"+look", "look<>"}, {"dig", "@dig<>"}, {"@dig hole", "@dig<hole>"}, {"&dig", "@dig<>"},
		{"look-1 x", "look<x>"}, {"look-2", "! Command 'look-2' is not available."}, {"look-0", "! Command 'look-0' is not available."},
		{"STRASSE", "! Command 'STRASSE' is not available."}, {"Straße 3", "straße<3>"}, {"7", "7<>"},
		{"reload", "! Command 'reload' is not available."},
		{"", ""}, {"   ", ""}, {"@", "! Command '@' is not available."}, {"__noinput", "! Command '__noinput' is not available."},
		{"page ada = hi = ho", "page[]<ada|hi = ho|true>"}, {"page/quiet/list ada", "page[quiet list]<ada||false>"},
		{"page/q ada", "page[quiet]<ada||false>"}, {"page/l ada", "! page has the switches /last, /list, /quiet."},
		{"page/x", "! page has the switches /last, /list, /quiet."}, {"page /list", "page[]</list||false>"},
		{"look/near x", "look</near x>"}, {"look the-2 x", "look<the-2 x>"},
		{"lok", "! Command 'lok' is not available. Did you mean 'look'?"},
		{strings.Repeat("x", 4096), "! Command '" + strings.Repeat("x", 40) + "…' is not available."},
		{"|r\x1b[2J", "! Command '||r[2J' is not available."},
	} {
		got := st.run(tt.line)
		if got != tt.want && !(strings.HasPrefix(tt.want, "!") && strings.HasPrefix(got, tt.want)) {
			t.Errorf("%.40q runs %.80q, want %.80q", tt.line, got, tt.want)
		}
	}
	st.s.Account().AddPerm("Developer")
	if got := st.run("reload"); got != "reload<>" {
		t.Errorf("a Developer's reload runs %q", got)
	}
}

func TestExits(t *testing.T) {
	st := newStage(t, func(st *stage) []*command.CmdSet {
		return []*command.CmdSet{{Name: command.CharacterSet, Commands: []*command.Command{st.verb("look"), st.verb("north")}}}
	})
	other := st.w.NewRoom("Other")
	out := st.w.NewExit("North Gate", st.room, other, "n", "gate")
	st.w.NewExit("back", other, st.room)
	for _, line := range []string{"north gate", "N", "gate"} {
		if got := st.run(line); got != "look<>" || st.me.Location() != world.Entity(other) {
			t.Errorf("%q runs %q and leads to %v", line, got, st.me.Location().Name())
		}
		st.run("back")
	}
	// Tags in a name are not typed, those of the game neither.
	st.w.NewExit("|tideFerry|n Landing", st.room, other, "|tidef|n")
	for _, line := range []string{"ferry landing", "F"} {
		if got := st.run(line); got != "look<>" || st.me.Location() != world.Entity(other) {
			t.Errorf("%q runs %q and leads to %v", line, got, st.me.Location().Name())
		}
		st.run("back")
	}
	if got := st.run("north"); got != "north<>" {
		t.Errorf("a command beside an exit with a longer name runs %q", got)
	}
	if err := out.SetLocks("traverse:none()"); err != nil {
		t.Fatal(err)
	}
	if got := st.run("n"); got != "! You cannot go that way." {
		t.Errorf("a locked exit: %q", got)
	}
	st.w.NewExit("North Gate", st.room, other)
	if got := st.run("north gate"); !strings.HasPrefix(got, "! Which of these") {
		t.Errorf("two exits of one name: %q", got)
	}
	if got := st.run("north gate-2"); got != "look<>" {
		t.Errorf("the second of two exits: %q", got)
	}
}

// The merged set is made once, and anew only if something it is made of has
// changed.
func TestMergedIsCached(t *testing.T) {
	st := newStage(t, func(st *stage) []*command.CmdSet {
		return []*command.CmdSet{{Name: command.CharacterSet, Commands: []*command.Command{st.verb("look")}}, {Name: "tool", Commands: []*command.Command{st.verb("dig")}}}
	})
	spade := st.w.NewObject("spade", nil)
	if err := spade.AddCmdSet("tool"); err != nil {
		t.Fatal(err)
	}
	other := st.w.NewRoom("Other")
	for _, tt := range []struct {
		name    string
		do      func()
		changes bool
	}{
		{"nothing", func() {}, false},
		{"a plain thing arrives", func() { st.w.NewObject("stone", st.room) }, false},
		{"somebody arrives", func() { c, _ := st.w.NewCharacter("Bob", nil); c.MoveTo(st.room, world.MoveOptions{}) }, false},
		{"an exit is made", func() { st.w.NewExit("out", st.room, other) }, true},
		{"a thing with commands arrives", func() { spade.MoveTo(st.room, world.MoveOptions{}) }, true},
		{"it is picked up", func() { spade.MoveTo(st.me, world.MoveOptions{}) }, true},
		{"it refuses to be called", func() { spade.SetLocks("call:none()") }, true},
		{"the session gets a set", func() { st.s.AddCmdSet("tool") }, true},
		{"the place changes", func() { st.me.MoveTo(other, world.MoveOptions{}) }, true},
		{"out of character", func() { st.s.Unpuppet() }, true},
	} {
		before := st.in.Merged(st.s)
		tt.do()
		if changed := st.in.Merged(st.s) != before; changed != tt.changes {
			t.Errorf("%s: the merged set is new: %v, want %v", tt.name, changed, tt.changes)
		}
	}
}

// A neighbour's commands apply to nobody whom its lock does not let call them,
// superusers included.
func TestCallLockIsStrict(t *testing.T) {
	st := newStage(t, func(st *stage) []*command.CmdSet {
		return []*command.CmdSet{
			{Name: command.CharacterSet, Commands: []*command.Command{st.verb("look")}},
			{Name: "trap", Priority: 150, Merge: command.Replace, Commands: []*command.Command{st.verb("struggle")}},
		}
	})
	bob, err := st.w.NewCharacter("Bob", st.room)
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.MoveTo(st.room, world.MoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := bob.AddCmdSet("trap"); err != nil {
		t.Fatal(err)
	}
	st.s.Account().SetSuperuser(true)
	if got := st.run("look"); got != "look<>" {
		t.Errorf("a superuser beside somebody with a trap runs %q", got)
	}
}

func TestNewSetsReportsAll(t *testing.T) {
	run := func(*command.Call) error { return nil }
	_, err := command.NewSets(lock.Default(lock.DefaultHierarchy()),
		&command.CmdSet{Name: "a", Commands: []*command.Command{
			{Key: "one", Aliases: []string{"two"}, Run: run}, {Key: "two", Run: run}, {Key: "norun"}, {Key: " spaced", Run: run},
			{Key: "bad", Locks: "cmd:frob()", Run: run}, {Key: "other", Locks: "get:all()", Run: run}, {Key: "sw", Switches: []string{"A"}, Run: run}, nil,
		}},
		&command.CmdSet{Name: "a"}, &command.CmdSet{}, nil)
	if err == nil {
		t.Fatal("NewSets takes broken sets")
	}
	for _, want := range []string{`"one" and "two" share`, "no Run", "spaced", "frob", "does not define cmd", `switch "A"`, "name of its own"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s:\n%v", want, err)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	for _, things := range []int{0, 1000} {
		b.Run(fmt.Sprintf("things=%d", things), func(b *testing.B) {
			st := newStage(b, func(st *stage) []*command.CmdSet {
				return []*command.CmdSet{{Name: command.CharacterSet, Commands: []*command.Command{{Key: "look", Run: func(*command.Call) error { return nil }}}}}
			})
			for range things {
				st.w.NewObject("stone", st.room)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := st.in.Run(st.w, st.s, "look", "", nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
