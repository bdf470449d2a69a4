package builtin

import (
	"strings"

	"mudlark.dev/command"
	"mudlark.dev/markup"
	"mudlark.dev/world"
)

// userText is where text that a player typed for others to read enters: on one
// line, and with nothing in it that a client would take for an order. Who builds
// may use colours.
func userText(c *command.Call, text string) string {
	if c.World.Passes(c.Session, "Builder") {
		return strings.Join(strings.Fields(markup.KeepColors(text)), " ") // of tags white space comes as well
	}
	return markup.EscapeLine(text)
}

func sayCommand() *command.Command {
	return &command.Command{
		Key: "say", Aliases: []string{`"`, "'"},
		Help: "Say something to everybody here.\n\nUsage:\n  say <text>\n  \"<text>",
		Run:  say,
	}
}

func say(c *command.Call) error {
	text := userText(c, c.Args)
	if text == "" {
		return command.Errorf("Say what?")
	}
	speech := &world.Speech{Speaker: c.Puppet, Kind: "say", Text: text, Reply: c.Msg}
	return speech.Speak()
}

func poseCommand() *command.Command {
	return &command.Command{
		Key: "pose", Aliases: []string{":", "emote"},
		Help: "Act: everybody here reads your name and what you write.\n\nUsage:\n  pose <text>\n  :<text>\n\n" +
			":waves. is read as: Ada waves.   :'s hat blows off. as: Ada's hat blows off.",
		Run: func(c *command.Call) error {
			text := userText(c, c.Args)
			if text == "" {
				return command.Errorf("Do what?")
			}
			if !strings.HasPrefix(text, "'s") && !strings.HasPrefix(text, ",") {
				text = " " + text
			}
			tell(c.Puppet.Location(), c.Puppet.Name()+text)
			return nil
		},
	}
}

func whisperCommand() *command.Command {
	return &command.Command{
		Key:  "whisper",
		Help: "Say something that only some people here can hear.\n\nUsage:\n  whisper <name>[, <name>…] = <text>",
		Run: func(c *command.Call) error {
			text := userText(c, c.RHS)
			names := c.LHSList()
			if text == "" || len(names) == 0 {
				return command.Errorf("Usage: whisper <name> = <text>")
			}
			if len(names) > 20 {
				return command.Errorf("You can whisper to 20 people at most.")
			}
			var to []world.Entity
			seen := map[world.ID]bool{}
			for _, n := range names {
				target, err := c.Search(n)
				if err != nil {
					return err
				}
				ch, ok := world.As[*world.Character](target)
				switch {
				case !ok:
					return command.Errorf("You cannot whisper to %s.", target.Name())
				case ch.ID() == c.Puppet.ID():
					return command.Errorf("You mutter to yourself.")
				}
				if !seen[ch.ID()] {
					seen[ch.ID()] = true
					to = append(to, ch)
				}
			}
			speech := &world.Speech{Speaker: c.Puppet, Kind: "whisper", Text: text, To: to, Reply: c.Msg}
			return speech.Speak()
		},
	}
}
