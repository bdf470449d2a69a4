// Package mudflat is the demo: a small world at the edge of a tidal river. It
// is also an example of a game that uses nothing but the public packages.
package mudflat

import (
	"time"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/launch"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// tideTurns is how long the tide takes from high to low, and back.
const tideTurns = 6 * time.Minute

// Game returns the demo. The first account that is created in it becomes a
// Developer.
func Game() launch.Game {
	return launch.Game{
		Game: server.Game{
			Name:      "Mudflat",
			Version:   "1",
			CmdSets:   append(builtin.Sets(), shore()),
			Timers:    map[string]world.TimerFunc{"tide": turnTide},
			Build:     Build,
			Screen:    screen,
			FirstPerm: "Developer",
		},
	}
}

const screen = `
|b        ~~~ ~~  ~ ~~~~   ~~ ~~~~~ ~~   ~ ~~|n
|y  M U D F L A T|n
|b     ~~ ~~~~~  ~~ ~~~  ~ ~~~ ~~~~   ~~~ ~~|n

The tide is never quite where you left it.

To begin, type:   |wcreate YourName YourPassword|n
Been here before: |wconnect YourName|n
Lost already:     |whelp|n
`

// shore is the cmdset that the rooms at the water offer: a command of the
// game's own, found only where it makes sense.
func shore() *command.CmdSet {
	return &command.CmdSet{
		Name: "shore",
		Commands: []*command.Command{{
			Key: "forage", Category: "General",
			Help: "Turn over stones and weed to see what the tide has left.\n\nUsage:\n  forage",
			Run: func(c *command.Call) error {
				if c.Puppet == nil {
					return command.Errorf("You are nowhere near the water.")
				}
				c.Msg("You crouch down and begin to turn things over.")
				if at := c.Puppet.Room(); at != nil {
					at.MsgContents(c.Puppet.Name()+" crouches down and turns over stones.", c.Puppet)
				}
				c.Sleep(2 * time.Second)
				c.Msg(finds[c.World.Rand().IntN(len(finds))])
				return nil
			},
		}},
	}
}

var finds = []string{
	"A shore crab, no bigger than a button, holds up both claws until you put the stone back.",
	"Nothing but lugworm casts, neat as piped icing.",
	"A clay pipe stem. Somebody sat here once with nothing to do. You leave it where it is.",
	"Cockles. You could make a meal of them, if somebody lit a fire.",
	"A scrap of blue glass, worn so smooth that it is hardly there. The next wave takes it back.",
}
