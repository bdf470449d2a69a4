package command_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/lock"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// A command is a value, and reads from top to bottom though it waits.
func ExampleCommand() {
	fish := &command.Command{
		Key: "fish", Aliases: []string{"angle"}, Locks: "cmd:all()", Category: "General",
		Help: "Try your luck at the water.\n\nUsage:\n  fish",
		Run: func(c *command.Call) error {
			if c.Puppet == nil || c.Puppet.Room() == nil {
				return command.Errorf("There is no water here.")
			}
			if !c.Yes("It is cold. Do you want to begin?", true) {
				return nil
			}
			c.Msg("You cast your line.")
			c.Sleep(10 * time.Second) // everybody goes on playing
			if c.World.Rand().IntN(3) > 0 {
				return command.Errorf("Nothing bites.")
			}
			c.Puppet.Room().MsgContents(c.Puppet.Name() + " pulls out a fish!")
			return nil
		},
	}
	set := &command.CmdSet{Name: "water", Commands: []*command.Command{fish}}
	if _, err := command.NewSets(lock.Default(lock.DefaultHierarchy()), set); err != nil { // as the Server does with those of a game
		fmt.Println(err)
	}
	fmt.Println(set.Name, len(set.Commands))
	// Output: water 1
}

// A command that waits for slow work has it done off the loop.
func ExampleCall_Await() {
	_ = &command.Command{Key: "news", Run: func(c *command.Call) error {
		var text string
		c.Await(func(ctx context.Context) { text = fetchNews(ctx) })
		c.Msg(text)
		return nil
	}}
}

// fetchNews stands for something that takes its time.
func fetchNews(ctx context.Context) string {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	return "There is no news."
}

// The Server has an Interpreter and gives it the lines of all sessions. Package
// mudtest plays whole games; this is what happens to a line.
func ExampleInterpreter() {
	poke := &command.Command{
		Key: "poke", Aliases: []string{"prod"}, Switches: []string{"hard"},
		Run: func(c *command.Call) error {
			fmt.Printf("%s %q, hard: %t, with: %q\n", c.Name, c.LHS, c.Switch("hard"), c.RHS)
			return nil
		},
	}
	funcs := lock.Default(lock.DefaultHierarchy())
	// A session that is not logged in carries the set "unloggedin".
	sets, err := command.NewSets(funcs, &command.CmdSet{Name: "unloggedin", Commands: []*command.Command{poke}})
	if err != nil {
		fmt.Println(err)
		return
	}
	in, err := command.New(command.Config{Sets: sets, Locks: funcs})
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := world.New(world.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := w.OpenSession(session.NewID(), 1, session.Info{}, "portal")
	for _, line := range []string{"poke the lark", "PROD/hard lark = a stick", "poke/soft lark"} {
		if err := in.Run(w, s, line, "", nil); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// poke "the lark", hard: false, with: ""
	// prod "lark", hard: true, with: "a stick"
	// poke has the switches /hard.
}

// All that is wrong with a game's sets is reported at once, as the game starts.
func ExampleNewSets() {
	run := func(*command.Call) error { return nil }
	_, err := command.NewSets(lock.Default(lock.DefaultHierarchy()), &command.CmdSet{Name: "water", Commands: []*command.Command{
		{Key: "fish", Run: run},
		{Key: "angle", Aliases: []string{"Fish"}, Run: run},
		{Key: "swim", Locks: "cmd:prm(Player)", Run: run},
	}})
	fmt.Println(err)
	// Output:
	// command: cmdset "water": "fish" and "angle" share a name
	// command: cmdset "water": "swim": lock: at character 5, "prm(Player)": no function "prm", did you mean "perm"?
}

// A player reads a UserError; any other error is for the log.
func ExampleErrorf() {
	err := fmt.Errorf("get: %w", command.Errorf("The %s is too heavy.", "anvil"))
	var user *command.UserError
	if errors.As(err, &user) {
		fmt.Println(user.Text)
	}
	// Output: The anvil is too heavy.
}

func ExampleCheckPassword() {
	for _, password := range []string{"short", "adalovelace", "12345678", "tern-on-a-post"} {
		fmt.Println(command.CheckPassword("AdaLovelace", password))
	}
	// Output:
	// A password needs at least 8 characters.
	// The password must not be the name.
	// The password must not be digits alone.
	// <nil>
}
