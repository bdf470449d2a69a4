package builtin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mudlark.dev/command"
	"mudlark.dev/world"
)

func lookCommand() *command.Command {
	return &command.Command{
		Key: "look", Aliases: []string{"l", "ls"},
		Help: "Look around, or at something.\n\nUsage:\n  look\n  look <thing>",
		Run: func(c *command.Call) error {
			query := strings.TrimSpace(c.Args)
			if rest, ok := strings.CutPrefix(query, "at "); ok {
				query = rest
			}
			if query != "" {
				target, err := c.Search(query)
				if err != nil {
					return err
				}
				c.Msg(world.Look(c.Puppet, target))
				return nil
			}
			at := c.Puppet.Location()
			if at == nil {
				return command.Errorf("You are nowhere.")
			}
			c.Msg(world.Look(c.Puppet, at))
			return nil
		},
	}
}

// lookOutside is what look does for who is logged in and plays nothing.
func lookOutside() *command.Command {
	return &command.Command{
		Key: "look", Aliases: []string{"l", "ls"}, Help: "See which characters you have.",
		Run: func(c *command.Call) error {
			all := c.Account.Characters()
			if len(all) == 0 {
				return command.Errorf("You are out of character, and you have none to play.")
			}
			var names []string
			for _, ch := range all {
				names = append(names, ch.Name())
			}
			c.Msgf("You are out of character. You have: %s.", strings.Join(names, ", "))
			return nil
		},
	}
}

func inventoryCommand() *command.Command {
	return &command.Command{
		Key: "inventory", Aliases: []string{"inv", "i"}, Help: "See what you carry.",
		Run: func(c *command.Call) error {
			things := c.Puppet.Contents()
			if len(things) == 0 {
				c.Msg("You carry nothing.")
				return nil
			}
			c.Msg("You carry: " + world.ListNames(things))
			return nil
		},
	}
}

func getCommand() *command.Command {
	return &command.Command{
		Key: "get", Aliases: []string{"grab", "take"},
		Help: "Pick something up.\n\nUsage:\n  get <thing>",
		Run: func(c *command.Call) error {
			if c.Args == "" {
				return command.Errorf("Get what?")
			}
			at := c.Puppet.Location()
			if at == nil {
				return command.Errorf("You are nowhere.")
			}
			target, err := world.Pick(beside(c.Session, at), c.Args)
			if err != nil {
				// Not among what lies here: "me", "here", "#12", what is carried.
				var search *world.SearchError
				if errors.As(err, &search) && len(search.Found) > 0 {
					return err
				}
				if target, err = c.Search(c.Args); err != nil {
					return err
				}
			}
			o := thing(target)
			switch {
			case target.ID() == c.Puppet.ID():
				return command.Errorf("You cannot pick yourself up.")
			case o == nil || !target.Access(c.Session, "get", false):
				if v, _ := target.Attr("err_get"); v != nil {
					if text, _ := v.(string); text != "" {
						return command.Errorf("%s", text)
					}
				}
				return command.Errorf("You cannot take %s.", target.Name())
			case o.Location() != nil && o.Location().ID() == c.Puppet.ID():
				return command.Errorf("You have %s already.", o.Name())
			}
			if err := world.AskHook(target, func(h world.AtPreGetHook) error { return h.AtPreGet(c.Puppet.Self()) }); err != nil {
				return err
			}
			if err := o.MoveTo(c.Puppet, world.MoveOptions{Type: "get", Quiet: true}); err != nil {
				return err
			}
			c.Msgf("You pick up %s.", o.Name())
			tell(at, fmt.Sprintf("%s picks up %s.", c.Puppet.Name(), o.Name()), c.Puppet)
			world.CallHook(target, func(h world.AtGetHook) { h.AtGet(c.Puppet.Self()) })
			return nil
		},
	}
}

func dropCommand() *command.Command {
	return &command.Command{
		Key:  "drop",
		Help: "Put down something that you carry.\n\nUsage:\n  drop <thing>",
		Run: func(c *command.Call) error {
			if c.Args == "" {
				return command.Errorf("Drop what?")
			}
			at := c.Puppet.Location()
			if at == nil {
				return command.Errorf("You are nowhere.")
			}
			target, err := carried(c, c.Args)
			if err != nil {
				return err
			}
			o := thing(target)
			if o == nil || !target.Access(c.Session, "drop", true) {
				return command.Errorf("You cannot drop %s.", target.Name())
			}
			if err := world.AskHook(target, func(h world.AtPreDropHook) error { return h.AtPreDrop(c.Puppet.Self()) }); err != nil {
				return err
			}
			if err := o.MoveTo(at, world.MoveOptions{Type: "drop", Quiet: true}); err != nil {
				return err
			}
			c.Msgf("You drop %s.", o.Name())
			tell(at, fmt.Sprintf("%s drops %s.", c.Puppet.Name(), o.Name()), c.Puppet)
			world.CallHook(target, func(h world.AtDropHook) { h.AtDrop(c.Puppet.Self()) })
			return nil
		},
	}
}

// beside returns what is in a place and may be seen.
func beside(s *world.Session, at world.Entity) []world.Entity {
	holder, ok := at.(interface{ Contents() []world.Entity })
	if !ok {
		return nil
	}
	return slices.DeleteFunc(holder.Contents(), func(e world.Entity) bool { return !e.Access(s, "view", true) })
}

func giveCommand() *command.Command {
	return &command.Command{
		Key:  "give",
		Help: "Give something that you carry to somebody here.\n\nUsage:\n  give <thing> = <name>\n  give <thing> to <name>",
		Run: func(c *command.Call) error {
			what, whom := c.LHS, c.RHS
			if !c.HasRHS {
				if i := strings.LastIndex(c.Args, " to "); i > 0 {
					what, whom = strings.TrimSpace(c.Args[:i]), strings.TrimSpace(c.Args[i+4:])
				}
			}
			if what == "" || whom == "" {
				return command.Errorf("Usage: give <thing> = <name>")
			}
			given, err := carried(c, what)
			if err != nil {
				return err
			}
			target, err := c.Search(whom)
			if err != nil {
				return err
			}
			to, ok := world.As[*world.Character](target)
			switch {
			case target.ID() == c.Puppet.ID():
				return command.Errorf("You keep %s to yourself.", given.Name())
			case !ok:
				return command.Errorf("You cannot give anything to %s.", target.Name())
			}
			o := thing(given)
			if o == nil || !given.Access(c.Session, "drop", true) {
				return command.Errorf("You cannot give %s away.", given.Name())
			}
			if err := world.AskHook(given, func(h world.AtPreGiveHook) error { return h.AtPreGive(c.Puppet.Self(), to.Self()) }); err != nil {
				return err
			}
			if err := o.MoveTo(to, world.MoveOptions{Type: "give", Quiet: true}); err != nil {
				return err
			}
			c.Msgf("You give %s to %s.", o.Name(), to.Name())
			to.Msgf("%s gives you %s.", c.Puppet.Name(), o.Name())
			if at := c.Puppet.Location(); at != nil {
				tell(at, fmt.Sprintf("%s gives %s to %s.", c.Puppet.Name(), o.Name(), to.Name()), c.Puppet, to)
			}
			world.CallHook(given, func(h world.AtGiveHook) { h.AtGive(c.Puppet.Self(), to.Self()) })
			return nil
		},
	}
}

// carried finds one of the things that the puppet carries.
func carried(c *command.Call, query string) (world.Entity, error) {
	target, err := world.Pick(c.Puppet.Contents(), query)
	var search *world.SearchError
	if errors.As(err, &search) && len(search.Found) == 0 {
		return nil, command.Errorf("You do not carry that.")
	}
	return target, err
}

// thing returns what can be carried of an entity, or nil.
func thing(e world.Entity) *world.Object {
	if world.Is[*world.Room](e) || world.Is[*world.Exit](e) {
		return nil
	}
	o, _ := world.As[*world.Object](e)
	return o
}

// tell has all who are in a place read a text.
func tell(at world.Entity, text string, exclude ...world.Entity) {
	if p, ok := at.(interface {
		MsgContents(string, ...world.Entity)
	}); ok {
		p.MsgContents(text, exclude...)
	}
}
