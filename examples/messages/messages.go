// Package messages is an example of messages of a game's own in both directions:
// a client's program asks for a roll of dice, and everybody in the room learns
// of it, as a message where a program reads it and as a line where a person does.
package messages

import (
	"fmt"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/launch"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/server"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// Game is a table to roll dice at.
func Game() launch.Game {
	return launch.Game{
		Game: server.Game{
			Name: "Dice", CmdSets: builtin.Sets(),
			InputFuncs: []server.InputFunc{roll},
			Build: func(w *world.World) error {
				w.SetStartRoom(w.NewRoom("The Table"))
				return nil
			},
		},
		OutputFuncs: map[string]map[string]portal.OutputFunc{"telnet": {"roll_result": appendRoll}},
	}
}

// roll is the inputfunc for ("roll", [], {sides, times}).
var roll = server.InputFunc{
	Name:       "roll",
	Help:       "Rolls dice: sides, 6 without it, and times, 1 without it.",
	Kwargs:     map[string]server.Kind{"sides": server.Int, "times": server.Int},
	NeedsLogin: true,
	Run: func(in *server.Input) error {
		puppet := in.Session.Puppet()
		if puppet == nil || puppet.Room() == nil {
			return command.Errorf("You are not at the table.")
		}
		sides, times := number(in, "sides", 6), number(in, "times", 1)
		if sides < 2 || sides > 1000 || times < 1 || times > 20 {
			return command.Errorf("Roll 1 to 20 dice of 2 to 1000 sides.")
		}
		var sum int64
		for range times {
			sum += 1 + in.World.Rand().Int64N(sides)
		}
		m := message.New("roll_result", sum).With("who", puppet.Name()).With("sides", sides).With("times", times)
		puppet.Room().SendContents(m, message.Options{})
		return nil
	},
}

// number returns a keyword argument. The Server has checked that it is a whole
// number, if it is there.
func number(in *server.Input, name string, otherwise int64) int64 {
	if n, ok := in.Kwarg(name).(int64); ok {
		return n
	}
	return otherwise
}

// appendRoll is the outputfunc of "roll_result" for telnet: a line of text.
func appendRoll(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	sum, ok := m.ArgInt(0)
	if !ok {
		return dst, fmt.Errorf("messages: %s has no sum", m.Name)
	}
	who, _ := m.KwargText("who")
	return fmt.Appendf(dst, "** %s rolls %d.\r\n", who, sum), nil
}
