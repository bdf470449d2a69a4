package command_test

import (
	"context"
	"fmt"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/lock"
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
