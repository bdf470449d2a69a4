// Package gauges is a game with a gauge: the health of a character, which MUD
// clients draw as a bar without being told how.
package gauges

import (
	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/launch"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// A Hero is what players play.
type Hero struct {
	world.Character
	Health    world.Attr[int] `default:"100"`
	HealthMax world.Attr[int] `default:"100"`
}

// health is what clients of MSDP know as HEALTH.
var health = server.Value{
	Name: "health", Help: "The health of the character.",
	Get: func(s *world.Session) any {
		if h, ok := world.As[*Hero](s.Puppet()); ok {
			return int64(h.Health.Get())
		}
		return nil
	},
}

// vitals is what clients of GMCP know as Char.Vitals.
var vitals = server.Value{
	Name: "vitals", Help: "The health of the character: hp and maxhp.", Package: "char_vitals",
	Get: func(s *world.Session) any {
		if h, ok := world.As[*Hero](s.Puppet()); ok {
			return map[string]any{"hp": h.Health.Get(), "maxhp": h.HealthMax.Get()}
		}
		return nil
	},
}

// thorn is a way to lose health.
var thorn = command.Command{
	Key: "thorn", Help: "Grasp a thorn.\n\nUsage:\n  thorn",
	Run: func(c *command.Call) error {
		h, ok := world.As[*Hero](c.Puppet)
		if !ok || h.Health.Get() == 0 {
			return command.Errorf("You had better not.")
		}
		c.Msg("Ouch!")
		return h.Health.Set(h.Health.Get() - 10)
	},
}

// horn sounds a horn at everybody's client, by a message of the game's own.
var horn = command.Command{
	Key: "horn", Help: "Sound the horn.\n\nUsage:\n  horn",
	Run: func(c *command.Call) error {
		room := c.Puppet.Room()
		room.SendContents(message.New("client_media_play").
			With("name", "horn.mp3").With("type", "sound").With("caption", "A horn sounds."), message.Options{})
		room.MsgContents("A horn sounds.")
		return nil
	},
}

// Game is a hedge with thorns.
func Game() launch.Game {
	return launch.Game{Game: server.Game{
		Name: "Hedge",
		CmdSets: append(builtin.Sets(), &command.CmdSet{
			Name: "hedge", Commands: []*command.Command{&thorn, &horn},
		}),
		Typeclasses: []world.Typeclass{world.Class[Hero]("character")},
		Values:      []server.Value{health, vitals},
		Build: func(w *world.World) error {
			hedge := w.NewRoom("By the Hedge")
			w.SetStartRoom(hedge)
			return hedge.AddCmdSet("hedge")
		},
	}}
}
