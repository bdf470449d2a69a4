package chaos

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/launch"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// gameEnv has a program play the game of this package instead of its own; its value
// is how many objects the new world gets.
const gameEnv = "_MUDLARK_CHAOS_GAME"

const (
	firstCoins = 10                     // of each bot
	fuseTime   = 200 * time.Millisecond // from "fuse" to its end
	slowTime   = 5 * time.Millisecond   // what "slow" awaits
	napTime    = 20 * time.Millisecond  // what "nap" sleeps
)

// Playing returns the game that this process is to play instead of its program's
// own, and whether there is one: the process was started by a run of this package,
// or by such a process.
func Playing() (launch.Game, bool) {
	value, ok := os.LookupEnv(gameEnv)
	if !ok {
		return launch.Game{}, false
	}
	objects, _ := strconv.Atoi(value) // this package has written it
	return Game(objects), true
}

// Game returns the game that the bots play, with that many objects beside them in a
// new world. Its commands have a number that the bot gives them, and what they
// change is stored under that number.
func Game(objects int) launch.Game {
	sets := builtin.Sets()
	for _, set := range sets {
		if set.Name == command.CharacterSet {
			set.Commands = append(set.Commands, commands()...)
		}
	}
	return launch.Game{Game: server.Game{
		Name: "Chaos", Version: "1", CmdSets: sets, Screen: "CHAOS",
		Timers: map[string]world.TimerFunc{"fuse": burn},
		Build:  func(w *world.World) error { return build(w, objects) },
		AtServerStart: func(*world.World, server.Mode) error {
			// A file that may not grow is an error like any other, and no end.
			signal.Ignore(syscall.SIGXFSZ)
			return nil
		},
	}}
}

// build makes a world of rooms with a hundred things in each.
func build(w *world.World, objects int) error {
	w.SetStartRoom(w.NewRoom("The Middle"))
	var room *world.Room
	for n := range objects {
		if n%100 == 0 {
			room = w.NewRoom(fmt.Sprintf("Store %d", n/100+1))
		}
		o := w.NewObject(fmt.Sprintf("crate %d", n+1), room)
		if err := o.SetAttr("weight", int64(n%50)); err != nil {
			return err
		}
		if err := o.SetAttr("label", "this side up, and handle with care"); err != nil {
			return err
		}
	}
	return nil
}

// numbered returns a command whose first argument is a number.
func numbered(key string, run func(c *command.Call, n int64) error) *command.Command {
	return &command.Command{Key: key, Run: func(c *command.Call) error {
		args := c.Arglist()
		if len(args) == 0 {
			return command.Errorf("%s needs a number.", key)
		}
		n, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			return command.Errorf("%s needs a number, not that.", key)
		}
		return run(c, n)
	}}
}

// add appends a number to the tally of that name.
func add(e world.Entity, name string, n int64) error {
	v, _ := e.Attr(name)
	text, _ := v.(string)
	t, err := parseTally(text)
	if err != nil {
		return err
	}
	t.add(n)
	return e.SetAttr(name, t.String())
}

// done notes a line as applied and answers it. A bot that logged in anew has taken
// its character along: what its old session waited for is off.
func done(c *command.Call, n int64, more string) error {
	if c.Puppet == nil {
		return command.Errorf("You are nobody.")
	}
	if err := add(c.Puppet, "tally", n); err != nil {
		return err
	}
	c.Msgf("%s %d is done%s", c.Cmd.Key, n, more)
	return nil
}

func coins(e world.Entity) int64 {
	v, ok := e.Attr("coins")
	if n, isInt := v.(int64); ok && isInt {
		return n
	}
	return firstCoins
}

func commands() []*command.Command {
	return []*command.Command{
		numbered("act", func(c *command.Call, n int64) error { return done(c, n, "") }),
		numbered("read", func(c *command.Call, n int64) error {
			c.Msgf("read %d is done", n)
			return nil
		}),
		numbered("pay", func(c *command.Call, n int64) error {
			args := c.Arglist()
			to := c.World.CharacterByName(args[len(args)-1])
			if to == nil || c.Puppet == nil {
				return command.Errorf("There is nobody to be paid.")
			}
			if has := coins(c.Puppet); has > 0 && to != c.Puppet {
				if err := c.Puppet.SetAttr("coins", has-1); err != nil {
					return err
				}
				if err := to.SetAttr("coins", coins(to)+1); err != nil {
					return err
				}
			}
			return done(c, n, "")
		}),
		numbered("fuse", func(c *command.Call, n int64) error {
			args := c.Arglist()
			number, err := strconv.ParseInt(args[len(args)-1], 10, 64)
			if err != nil || c.Puppet == nil {
				return command.Errorf("Nothing can be set.")
			}
			if err := add(c.Puppet, "fuses", number); err != nil {
				return err
			}
			if _, err := c.World.After(fuseTime, c.Puppet, "fuse", map[string]any{"n": number}); err != nil {
				return err
			}
			return done(c, n, "")
		}),
		numbered("ask", func(c *command.Call, n int64) error {
			word := c.Ask(fmt.Sprintf("ask %d? ", n))
			return done(c, n, " with "+word)
		}),
		numbered("hush", func(c *command.Call, n int64) error {
			if word := c.AskHidden(fmt.Sprintf("hush %d? ", n)); word != secret(n) {
				return command.Errorf("hush %d got a wrong answer", n)
			}
			return done(c, n, "")
		}),
		numbered("slow", func(c *command.Call, n int64) error {
			c.Await(func(ctx context.Context) {
				t := time.NewTimer(slowTime)
				defer t.Stop()
				select {
				case <-t.C:
				case <-ctx.Done():
				}
			})
			return done(c, n, "")
		}),
		numbered("nap", func(c *command.Call, n int64) error {
			if err := done(c, n, ""); err != nil {
				return err
			}
			c.Sleep(napTime)
			c.Msgf("nap %d is over", n)
			return nil
		}),
		{Key: "tally", Run: func(c *command.Call) error {
			if c.Puppet == nil {
				return command.Errorf("You are nobody.")
			}
			text := func(name string) string {
				v, _ := c.Puppet.Attr(name)
				if s, ok := v.(string); ok {
					return s
				}
				return "-"
			}
			c.Msgf("tally %s coins %d fuses %s burnt %s", text("tally"), coins(c.Puppet), text("fuses"), text("burnt"))
			return nil
		}},
	}
}

// burn is the end of a fuse.
func burn(_ *world.World, e world.Entity, args map[string]any) error {
	n, _ := args["n"].(int64)
	if c, ok := e.(*world.Character); ok {
		c.Msg(fmt.Sprintf("fuse %d has burnt", n))
	}
	return add(e, "burnt", n)
}

// secret is the answer to "hush", which no log may have.
func secret(n int64) string { return fmt.Sprintf("%s%d", secretHead, n) }

const secretHead = "psst-"
