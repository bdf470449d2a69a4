package bench

import (
	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/world"
)

// enterCommand is "enter <name> [<other>]", for who has not logged in: it makes or
// finds the account and the character of that name, and logs in without a password.
// A new account gets the password of the other one, so that many have one that was
// hashed once. There is no such command in any other game.
func enterCommand() *command.Command {
	return &command.Command{Key: "enter", Run: func(c *command.Call) error {
		args := c.Arglist()
		if len(args) < 1 || len(args) > 2 {
			return command.Errorf("Usage: enter <name> [<other>]")
		}
		a := c.World.AccountByName(args[0])
		if a == nil {
			var hash world.Password
			if len(args) == 2 {
				other := c.World.AccountByName(args[1])
				if other == nil {
					return command.Errorf("There is nobody called %s.", args[1])
				}
				hash = other.Password()
			}
			var err error
			if a, err = newPlayerAccount(c, args[0], hash); err != nil {
				return err
			}
		}
		if err := c.Session.Login(a); err != nil {
			return err
		}
		c.Msg("Welcome, " + a.Name() + ".")
		all := a.Characters()
		if len(all) == 0 {
			return command.Errorf("You have no character to play.")
		}
		return c.Session.SetPuppet(all[0])
	}}
}

// newPlayerAccount makes an account and its character in the first room, as the
// command "create" does.
func newPlayerAccount(c *command.Call, name string, hash world.Password) (*world.Account, error) {
	a, err := c.World.NewAccount(name, hash)
	if err != nil {
		return nil, command.NameError(err)
	}
	ch, err := c.World.NewCharacter(name, c.World.StartRoom())
	if err != nil {
		return nil, command.NameError(err)
	}
	if err := a.AddCharacter(ch); err != nil {
		return nil, err
	}
	return a, a.AddPerm("Player")
}

// cmdSets are those that every game starts with, and the commands of this package.
func cmdSets() []*command.CmdSet {
	sets := builtin.Sets()
	for _, set := range sets {
		switch set.Name {
		case "unloggedin":
			set.Commands = append(set.Commands, enterCommand())
		case command.CharacterSet:
			set.Commands = append(set.Commands, &command.Command{Key: "seat", Run: seat})
		}
	}
	return sets
}
