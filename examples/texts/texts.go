// Package texts is a game about text: a table, a text that is another one for each
// who reads it, a tag and an inline function of the game's own.
package texts

import (
	"errors"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/inline"
	"mudlark.dev/launch"
	"mudlark.dev/markup"
	"mudlark.dev/server"
	"mudlark.dev/ui"
	"mudlark.dev/world"
)

// fares shows a table, which is laid out for each client.
var fares = command.Command{
	Key: "fares", Help: "See what the boats cost.\n\nUsage:\n  fares",
	Run: func(c *command.Call) error {
		t := ui.Table{Head: []string{"Boat", "Fare", "Takes you to"}, Align: "lrl"}
		t.Add("|tidepunt|n", 3, "the far bank, and back before the tide turns")
		t.Add("|tideskiff|n", 12, ui.Command("say To the island!", "the island"))
		c.Msg(t.String())
		return nil
	},
}

// toast is read in other words by who gives it, by whom it is for and by all
// others.
var toast = command.Command{
	Key: "toast", Help: "Drink to somebody.\n\nUsage:\n  toast <name> = <words>",
	Run: func(c *command.Call) error {
		whom, err := c.Search(c.LHS)
		if err != nil {
			return err
		}
		words := markup.EscapeLine(c.RHS)
		if words == "" {
			return command.Errorf("Usage: toast <name> = <words>")
		}
		c.Puppet.Room().Act(c.Puppet, `$You() $conj(raise) $pron(your) cup to $you(whom): "{words}"`,
			world.With{"whom": whom, "words": words})
		return nil
	},
}

// guest is the inline function $guest(), the name of who reads it; $guest(sir) is
// "sir" for who plays nobody.
func guest(c *inline.Call) (any, error) {
	out, ok := c.Env.(server.Outgoing)
	if !ok {
		return nil, errors.New("it is for texts that leave the game")
	}
	if p := out.Session.Puppet(); p != nil {
		return p.Name(), nil
	}
	return c.Text(0, "stranger"), nil
}

// Game is a ferry house.
func Game() launch.Game {
	return launch.Game{Game: server.Game{
		Name: "Ferry",
		CmdSets: append(builtin.Sets(), &command.CmdSet{
			Name: "ferry", Commands: []*command.Command{&fares, &toast},
		}),
		Tags:       map[string]string{"tide": "|#2288aa"},
		Inline:     map[string]inline.Func{"guest": guest},
		InlineText: true,
		Build: func(w *world.World) error {
			house := w.NewRoom("The Ferry House")
			w.SetStartRoom(house)
			return errors.Join(house.AddCmdSet("ferry"), house.SetDesc(desc))
		},
	}}
}

// desc has a link, the game's own tag and function, and a block.
const desc = `Boats lie on the |tidewater|n. A slate has the |lcfares|ltfares|le.
|{box}Notice|,Welcome, $guest(). Mind the step.|}`
