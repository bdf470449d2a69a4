package bench

import (
	"fmt"
	"os"
	"strconv"

	"mudlark.dev/command"
	"mudlark.dev/launch"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// gameEnv has a program play the game of this package instead of its own; its value
// is how many rooms the new world gets, and as many coins.
const gameEnv = "_MUDLARK_BENCH_GAME"

// tag is the category of the tags by which rooms and coins are found.
const tag = "bench"

// Playing returns the game that this process is to play instead of its program's
// own, and whether there is one: the process was started by a run of this package,
// or by such a process.
func Playing() (launch.Game, bool) {
	value, ok := os.LookupEnv(gameEnv)
	if !ok {
		return launch.Game{}, false
	}
	rooms, _ := strconv.Atoi(value) // this package has written it
	return Game(rooms), true
}

// Game returns the game that is measured: the commands that every game starts with,
// a ring of that many rooms, at least two, and a coin for each. "seat <room> <coin>"
// takes a character and a coin into a room; "enter" logs in without a password.
func Game(rooms int) launch.Game {
	rooms = max(rooms, 2)
	return launch.Game{Game: server.Game{
		Name: "Bench", Version: "1", CmdSets: cmdSets(), Screen: "BENCH",
		Build: func(w *world.World) error { return build(w, rooms) },
	}}
}

// number is how rooms and coins are told apart: of one length, so that none is the
// beginning of another.
func number(n int) string { return fmt.Sprintf("%05d", n) }

func roomName(n int) string { return "Room " + number(n) }
func coinName(n int) string { return "coin" + number(n) }

const roomDesc = "Bare boards, a stove that nobody has lit, and a window towards the water. Whoever waits here has counted the planks: there are " +
	"forty-one, and the one by the door creaks. A shelf holds a ledger, a dry inkwell and a jar of buttons."

func build(w *world.World, n int) error {
	rooms := make([]*world.Room, n)
	for i := range rooms {
		rooms[i] = w.NewRoom(roomName(i))
		if err := rooms[i].SetDesc(roomDesc); err != nil {
			return err
		}
		if err := w.AddTag(rooms[i], "room"+number(i), tag); err != nil {
			return err
		}
		coin := w.NewObject(coinName(i), rooms[i])
		if err := w.AddTag(coin, coinName(i), tag); err != nil {
			return err
		}
	}
	for i, r := range rooms {
		w.NewExit("east", r, rooms[(i+1)%n], "e")
		w.NewExit("west", r, rooms[(i+n-1)%n], "w")
	}
	// Those in a room are told who arrives in the game, so nobody plays where all
	// arrive.
	w.SetStartRoom(w.NewRoom("The porch"))
	return nil
}

func seat(c *command.Call) error {
	args := c.Arglist()
	if len(args) != 2 || c.Puppet == nil {
		return command.Errorf("Usage: seat <room> <coin>")
	}
	rooms, coins := c.World.Tagged("room"+args[0], tag), c.World.Tagged("coin"+args[1], tag)
	if len(rooms) == 0 || len(coins) == 0 {
		return command.Errorf("There is no such seat.")
	}
	quiet := world.MoveOptions{Type: "teleport", Quiet: true, Force: true}
	type mover interface {
		Location() world.Entity
		MoveTo(world.Entity, world.MoveOptions) error
	}
	for _, m := range []any{c.Puppet, coins[0]} {
		if m, ok := m.(mover); ok && m.Location() != rooms[0] {
			if err := m.MoveTo(rooms[0], quiet); err != nil {
				return err
			}
		}
	}
	c.Msgf("seated %s %s", args[0], args[1])
	return nil
}
