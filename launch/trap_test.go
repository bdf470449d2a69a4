package launch_test

import (
	"os"
	"runtime/debug"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/world"
)

// What ends the Server of the test game, or hangs it. Some do so only while there
// is a file armed-<name> in the game's folder.

func armed(name string) bool {
	_, err := os.Stat("armed-" + name)
	return err == nil
}

// spin does not end within a lifetime.
func spin() {
	for n := 0; n >= 0; n++ {
	}
}

// Trap is a thing that hangs the game as it comes into memory.
type Trap struct{ world.Object }

func (*Trap) AtInit() {
	if armed("trap") {
		spin()
	}
}

// burn is the timer that the command fuse sets.
func burn(w *world.World, e world.Entity, _ map[string]any) error {
	if armed("fuse") {
		os.Exit(3)
	}
	room, _ := world.As[*world.Room](e)
	room.MsgContents("The fuse burns out.")
	return nil
}

func trapSet() *command.CmdSet {
	trap := func(key string, run func()) *command.Command {
		return &command.Command{Key: key, Run: func(*command.Call) error { run(); return nil }}
	}
	return &command.CmdSet{Name: "traps", Commands: []*command.Command{
		{Key: "count", Run: func(c *command.Call) error {
			v, _ := c.Puppet.Attr("count")
			n, _ := v.(int64)
			if err := c.Puppet.SetAttr("count", n+1); err != nil {
				return err
			}
			c.Msgf("count %d", n+1)
			return nil
		}},
		trap("exit", func() { os.Exit(3) }),
		// A panic in a goroutine of the game's own, while its command waits for it.
		trap("crash", func() {
			go func() { panic("a hole in the boat") }()
			select {}
		}),
		trap("overflow", func() {
			debug.SetMaxStack(8 << 20) // sooner than a gigabyte
			panic(overflow(0))
		}),
		trap("maps", func() {
			m := map[int]int{}
			write := func() {
				for i := 0; ; i++ {
					m[i%8] = i
				}
			}
			go write()
			write()
		}),
		trap("hang", spin),
		// Longer than server.slow_turn, and shorter than server.slow.
		{Key: "dawdle", Run: func(c *command.Call) error {
			time.Sleep(40 * time.Millisecond)
			c.Msg("dawdled")
			return nil
		}},
		{Key: "riddle", Run: func(c *command.Call) error {
			if c.Ask("What has a bed but never sleeps? ") == "a river" {
				os.Exit(3)
			}
			return nil
		}},
		{Key: "plant", Run: func(c *command.Call) error {
			_, err := world.Create[*Trap](c.World, world.Spec{Name: "trap", In: c.World.StartRoom()})
			return err
		}},
		{Key: "fuse", Run: func(c *command.Call) error {
			_, err := c.World.After(time.Second, c.World.StartRoom(), "fuse", nil)
			return err
		}},
	}}
}

// overflow needs more stack than there is.
func overflow(n int) int {
	if n < 0 {
		return 0
	}
	return overflow(n+1) + 1
}
