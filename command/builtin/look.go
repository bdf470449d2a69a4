package builtin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mudlark.dev/command"
	"mudlark.dev/world"
)

// Scenery is the attribute that keeps a thing or exit out of what a room lists:
// its description speaks of it already.
const Scenery = command.Scenery

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
				c.Msg(Appearance(c.Session, c.Puppet, target))
				return nil
			}
			at := c.Puppet.Location()
			if at == nil {
				return command.Errorf("You are nowhere.")
			}
			c.Msg(Appearance(c.Session, c.Puppet, at))
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

// Appearance is what looker, played at s, sees of target: its name and
// description, and of a place its exits, who is there and what lies about.
func Appearance(s *world.Session, looker *world.Character, target world.Entity) string {
	var b strings.Builder
	b.WriteString("|c" + target.Name() + "|n")
	if isBuilder(s) {
		b.WriteString(" (" + target.ID().String() + ")")
	}
	desc, _ := target.Attr("desc")
	if text, _ := desc.(string); text != "" {
		b.WriteString("\n" + text)
	} else if _, isRoom := target.(*world.Room); !isRoom {
		b.WriteString("\nYou see nothing special.")
	}
	holder, ok := target.(interface{ Contents() []world.Entity })
	if !ok {
		return b.String()
	}
	var exits, people []string
	var things []world.Entity
	for _, e := range holder.Contents() {
		if e.ID() == looker.ID() || !e.Access(s, "view", true) {
			continue
		}
		if hidden, _ := e.Attr(Scenery); hidden == true {
			continue
		}
		switch e := e.(type) {
		case *world.Exit:
			exits = append(exits, "|w"+e.Name()+"|n")
		case *world.Character:
			people = append(people, e.Name())
		default:
			things = append(things, e)
		}
	}
	_, isRoom := target.(*world.Room)
	if isRoom && len(exits) > 0 {
		b.WriteString("\nExits: " + strings.Join(exits, ", "))
	}
	if len(people) > 0 {
		b.WriteString("\nHere: " + strings.Join(people, ", "))
	}
	if len(things) > 0 && (isRoom || isBuilder(s) || target.ID() == looker.ID()) {
		b.WriteString("\nYou see: " + list(things))
	}
	return b.String()
}

// list names things in their order, those of one name together.
func list(things []world.Entity) string {
	var names []string
	count := map[string]int{}
	for _, e := range things {
		if count[e.Name()] == 0 {
			names = append(names, e.Name())
		}
		count[e.Name()]++
	}
	for i, n := range names {
		if count[n] > 1 {
			names[i] = fmt.Sprintf("%s (%d)", n, count[n])
		}
	}
	return strings.Join(names, ", ")
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
			c.Msg("You carry: " + list(things))
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
			if err := o.MoveTo(c.Puppet, world.MoveOptions{Quiet: true}); err != nil {
				return err
			}
			c.Msgf("You pick up %s.", o.Name())
			tell(at, fmt.Sprintf("%s picks up %s.", c.Puppet.Name(), o.Name()), c.Puppet)
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
			target, err := world.Pick(c.Puppet.Contents(), c.Args)
			if err != nil {
				if s, ok := err.(*world.SearchError); ok && len(s.Found) == 0 {
					return command.Errorf("You do not carry that.")
				}
				return err
			}
			o := thing(target)
			if o == nil || !target.Access(c.Session, "drop", true) {
				return command.Errorf("You cannot drop %s.", target.Name())
			}
			if err := o.MoveTo(at, world.MoveOptions{Quiet: true}); err != nil {
				return err
			}
			c.Msgf("You drop %s.", o.Name())
			tell(at, fmt.Sprintf("%s drops %s.", c.Puppet.Name(), o.Name()), c.Puppet)
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

// thing returns what can be carried of an entity, or nil.
func thing(e world.Entity) *world.Object {
	switch e := e.(type) {
	case *world.Object:
		return e
	case *world.Character:
		return &e.Object
	}
	return nil
}

// tell has all who are in a place read a text.
func tell(at world.Entity, text string, exclude ...world.Entity) {
	if p, ok := at.(interface {
		MsgContents(string, ...world.Entity)
	}); ok {
		p.MsgContents(text, exclude...)
	}
}
