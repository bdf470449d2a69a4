package server_test

import (
	"errors"
	"strings"
	"testing"

	"mudlark.dev/command"
	"mudlark.dev/inline"
	"mudlark.dev/markup"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// sign is a command that shows its text to everybody in the place.
func sign(key, text string) *command.Command {
	return &command.Command{Key: key, Run: func(c *command.Call) error {
		c.Puppet.Room().MsgContents(text)
		return nil
	}}
}

// withTexts gives a game tags and functions of its own.
func withTexts(inlineText bool) func(*game) {
	return func(g *game) {
		g.cfg.Game.Tags = map[string]string{"tide": "|#2288aa", "slack": "|tide"}
		g.cfg.Game.InlineText = inlineText
		g.cfg.Game.Inline = map[string]inline.Func{
			"name": func(c *inline.Call) (any, error) {
				out, ok := c.Env.(server.Outgoing)
				if !ok {
					return nil, errors.New("nobody reads it")
				}
				if p := out.Session.Puppet(); p != nil {
					return p.Name(), nil
				}
				return "stranger", nil
			},
			"water": func(*inline.Call) (any, error) { return "|tidewater|n $name()", nil },
			"loud":  func(c *inline.Call) (any, error) { return strings.ToUpper(c.Text(0, "")), nil },
			"boom":  func(*inline.Call) (any, error) { panic("the mast breaks") },
		}
	}
}

// Tags of a game's own are expanded in whatever text leaves the Server, and in the
// names that the world looks for; what players type has none.
func TestGameTags(t *testing.T) {
	bubbleWith(t, withTexts(false), func(t *testing.T, g *game) {
		ada, bob := g.login("Ada"), g.login("Bob")
		ada.read()
		bob.read()
		for _, tc := range []struct{ name, line, ada, bob string }{
			{"a text", "sign", "|#2288aawater|n", "|#2288aawater|n"},
			{"not again", "slack", "|tidewater|n", "|tidewater|n"},
			{"typed", "say |tidewater|n", `Bob says, "||tidewater||n"`, `You say, "||tidewater||n"`},
			{"raw", "raw", "", "|tidewater|n"},
			{"functions are for Act alone", "plain", "Hello, $name()!", "Hello, $name()!"},
			{"Act", "act", "Bob says HO! |#2288aaEel|n", "You say HO! |#2288aaEel|n"},
			{"a name", "get eel", "Bob picks up |#2288aaeel|n.", "You pick up |#2288aaeel|n."},
			{"an exit", "ferry", "Bob leaves: |#2288aaferry|n.", "Breakwater"},
		} {
			bob.typ(tc.line)
			expect(t, tc.name+", Bob", bob.read(), tc.bob)
			expect(t, tc.name+", Ada", ada.read(), tc.ada)
		}
		bob.typ("ask")
		expect(t, "a prompt", bob.read(), "?|#2288aaHow deep?")
	},
		sign("sign", "|tidewater|n"), sign("slack", "|slackwater|n"), sign("plain", "Hello, $name()!"),
		&command.Command{Key: "raw", Run: func(c *command.Call) error {
			c.Session.Send(message.Text("|tidewater|n"), message.Options{Raw: true})
			return nil
		}},
		&command.Command{Key: "act", Run: func(c *command.Call) error {
			eel := c.World.NewObject("|tideeel|n", c.Puppet.Room())
			c.World.NewExit("|tideferry|n", c.Puppet.Room(), c.Puppet.Room().Exits()[0].Destination())
			c.Puppet.Room().Act(c.Puppet, "$You() $conj(say) $loud(ho)! $Obj(thing)", world.With{"thing": eel})
			return nil
		}},
		&command.Command{Key: "ask", Run: func(c *command.Call) error {
			c.Ask("|tideHow deep?")
			return nil
		}},
	)
}

// With InlineText each reader gets a text of its own, and nothing of what players
// type is a call.
func TestInlineText(t *testing.T) {
	bubbleWith(t, withTexts(true), func(t *testing.T, g *game) {
		ada, bob := g.login("Ada"), g.login("Bob")
		ada.read()
		bob.read()
		for _, tc := range []struct{ name, line, ada, bob string }{
			{"each reads their own", "sign", "Hello, Ada! |$nobody() |$5", "Hello, Bob! |$nobody() |$5"},
			{"a result is not expanded again, but for tags", "water", "|#2288aawater|n $name()", "|#2288aawater|n $name()"},
			{"typed", "say $name() $boom()", `Bob says, "|$name() |$boom()"`, `You say, "|$name() |$boom()"`},
			{"typed with backslashes", `say it costs 5$ \(cheap\) a\\b \$name()`, `Bob says, "it costs 5|$ \(cheap\) a\\b \|$name()"`, `You say, "it costs 5|$ \(cheap\) a\\b \|$name()"`},
			{"posed", ":has $name().", "Bob has |$name().", "Bob has |$name()."},
			{"what Act expanded is not expanded again", "act", "Bob says |$name() |$name().", "You say |$name() |$name()."},
		} {
			bob.typ(tc.line)
			expect(t, tc.name+", Bob", bob.read(), tc.bob)
			expect(t, tc.name+", Ada", ada.read(), tc.ada)
		}
		ada.typ("say $name()", "say |r$name()")
		expect(t, "who may use colours", bob.read(), `Ada says, "|$name()"`, `Ada says, "|r|$name()|n"`)
		bob.typ("ask")
		expect(t, "a prompt", bob.read(), "?How deep, Bob?")
		bob.typ("$name()")
		expect(t, "an answer", bob.read(), "You answer: |$name()")

		// A function that panics is reported; the text stands as it is.
		ada.read()
		bob.typ("boom")
		for name, c := range map[string]*client{"Ada": ada, "Bob": bob} {
			expect(t, "a panic, "+name, c.read(), "a |$boom() b |$name() c")
		}
		expect(t, "the log", g.log.String(), "game code panicked", "the mast breaks", `what="inline function"`)
		bob.typ("sign")
		expect(t, "after it", bob.read(), "Hello, Bob!")
	},
		sign("sign", "Hello, $name()! $nobody() $$5"), sign("water", "$water()"), sign("boom", "a $boom() b $name() c"),
		&command.Command{Key: "act", Run: func(c *command.Call) error {
			c.Puppet.Room().Act(c.Puppet, "$You() $conj(say) $name() {said}.", world.With{"said": "|$name()"})
			return nil
		}},
		&command.Command{Key: "ask", Run: func(c *command.Call) error {
			c.Msg("You answer: " + markup.EscapeLine(c.Ask("How deep, $name()?")))
			return nil
		}},
	)
}

// What is wrong with tags and functions is told before the game runs.
func TestTextsAreChecked(t *testing.T) {
	g := server.Game{
		Tags:   map[string]string{"a b": "|r", "$": "|g"},
		Inline: map[string]inline.Func{"9": func(*inline.Call) (any, error) { return nil, nil }},
	}
	err := g.Check()
	if err == nil || !strings.Contains(err.Error(), `server: Game.Tags: markup: no names of tags: "$", "a b"`) {
		t.Errorf("Check = %v, want the names of tags in it", err)
	}
	g.Tags = nil
	if err := g.Check(); err == nil || !strings.Contains(err.Error(), `server: Game.Inline: inline: "9" is no name`) {
		t.Errorf("Check = %v, want the name of the function in it", err)
	}
}
