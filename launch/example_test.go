package launch_test

import (
	"mudlark.dev/command/builtin"
	"mudlark.dev/launch"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// This is the main of a game that has nothing of its own but a room.
func ExampleMain() {
	launch.Main(launch.Game{Game: server.Game{
		Name: "Nothing much", Screen: "To begin, type: create YourName",
		CmdSets: builtin.Sets(),
		Build: func(w *world.World) error {
			w.SetStartRoom(w.NewRoom("A Room"))
			return nil
		},
	}})
}
