// Mudlark is the tool of the framework: it runs the demo, and it starts,
// watches and stops games. "mudlark help" lists what it can do.
package main

import (
	"mudlark.dev/bench"
	"mudlark.dev/chaos"
	"mudlark.dev/examples/mudflat"
	"mudlark.dev/launch"
)

func main() {
	if game, ok := chaos.Playing(); ok {
		launch.Main(game)
	}
	if game, ok := bench.Playing(); ok {
		launch.Main(game)
	}
	game := mudflat.Game()
	game.Commands = append(game.Commands, bench.Command(), chaos.Command())
	launch.Main(game)
}
