package builtin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mudlark.dev/charset"
	"mudlark.dev/command"
	"mudlark.dev/markup"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

func whoCommand() *command.Command {
	return &command.Command{
		Key: "who", Aliases: []string{"doing"}, Help: "See who is in the game.",
		Run: func(c *command.Call) error {
			staff := isStaff(c.Session)
			var b strings.Builder
			playing := map[world.ID]bool{}
			for _, s := range c.World.Sessions() {
				a := s.Account()
				if a == nil {
					continue
				}
				playing[a.ID()] = true
				name := a.Name()
				if p := s.Puppet(); p != nil {
					name = p.Name()
				}
				fmt.Fprintf(&b, "\n  %-20s on for %-8s idle %s", name, span(c.World.Now().Sub(s.Since())), span(c.World.Now().Sub(s.LastInput())))
				if staff {
					where := "nowhere"
					if p := s.Puppet(); p != nil && p.Location() != nil {
						where = p.Location().Name()
					}
					fmt.Fprintf(&b, "  %s, %s, in %s", a.Name(), markup.Escape(s.Info().Addr), where)
				}
			}
			n, word := len(playing), "players are"
			if n == 1 {
				word = "player is"
			}
			c.Msgf("%d %s in the game:%s", n, word, b.String())
			return nil
		},
	}
}

func sessionsCommand() *command.Command {
	return &command.Command{
		Key: "sessions", Help: "See from where you are logged in.",
		Run: func(c *command.Call) error {
			if c.Account == nil {
				return command.Errorf("You are not logged in.")
			}
			var b strings.Builder
			for _, s := range c.Account.Sessions() {
				i := s.Info()
				mark := " "
				if s == c.Session {
					mark = "*"
				}
				client := i.Client
				if client == "" {
					client = "a client without a name"
				}
				fmt.Fprintf(&b, "\n %s%4d  %s from %s, %s", mark, s.Number(), i.Protocol, markup.Escape(i.Addr), markup.Escape(client))
			}
			c.Msg("Your sessions (this one has a star):" + b.String())
			return nil
		},
	}
}

func helpCommand() *command.Command {
	return &command.Command{
		Key: "help", Aliases: []string{"h", "?"},
		Help: "See what you can do.\n\nUsage:\n  help\n  help <command>",
		Run:  help,
	}
}

func help(c *command.Call) error {
	topics := c.HelpTopics()
	query := strings.ToLower(strings.TrimLeft(c.Args, command.DefaultPrefixes))
	if query == "" {
		byCategory := map[string][]string{}
		var categories []string
		for _, t := range topics {
			cat := t.Category
			if cat == "" {
				cat = "General"
			}
			if byCategory[cat] == nil {
				categories = append(categories, cat)
			}
			if !slices.Contains(byCategory[cat], t.Key) {
				byCategory[cat] = append(byCategory[cat], t.Key)
			}
		}
		slices.Sort(categories)
		var b strings.Builder
		b.WriteString("These are the commands you have. |whelp <command>|n tells more of one.")
		for _, cat := range categories {
			slices.Sort(byCategory[cat])
			fmt.Fprintf(&b, "\n|c%s|n: %s", cat, strings.Join(byCategory[cat], ", "))
		}
		if c.Puppet != nil {
			b.WriteString("\nTo go somewhere, type the name of an exit.")
		}
		c.Msg(b.String())
		return nil
	}
	for _, t := range topics {
		if strings.ToLower(t.Key) == query || slices.ContainsFunc(t.Aliases, func(a string) bool { return strings.ToLower(a) == query }) {
			text := t.Help
			if text == "" {
				text = "Nobody has written anything about it."
			}
			title := "|c" + t.Key + "|n"
			if len(t.Aliases) > 0 {
				title += " (" + strings.Join(t.Aliases, ", ") + ")"
			}
			c.Msg(title + "\n" + text)
			return nil
		}
	}
	var near []string
	for _, t := range topics {
		if strings.HasPrefix(strings.ToLower(t.Key), query) || strings.Contains(strings.ToLower(t.Help), query) {
			near = append(near, t.Key)
		}
	}
	if len(near) > 0 {
		return command.Errorf("There is no help on that. These may be of use: %s.", strings.Join(near[:min(5, len(near))], ", "))
	}
	return command.Errorf("There is no help on that. Type |whelp|n for all there is.")
}

func optionCommand() *command.Command {
	return &command.Command{
		Key: "option", Aliases: []string{"options"},
		Help: "See or set how the game talks to your client.\n\nUsage:\n  option\n  option nocolor = on|off\n  option screenreader = on|off\n  option width = <number>|auto\n  option encoding = <name>|auto\n\nThe command |wclient|n tells what the game understood of your client.",
		Run:  option,
	}
}

func option(c *command.Call) error {
	prefs, info := c.Session.Prefs(), c.Session.Info()
	name, value := strings.ToLower(c.LHS), strings.ToLower(c.RHS)
	if !c.HasRHS {
		name, value, _ = strings.Cut(name, " ")
		value = strings.TrimSpace(value)
	}
	if name == "" {
		caps := session.CapsOf(info, prefs)
		width := "auto"
		if prefs.Width > 0 {
			width = strconv.Itoa(prefs.Width)
		}
		encoding := "auto"
		if prefs.Encoding != "" {
			encoding = prefs.Encoding
		}
		client := info.Client
		if client == "" {
			client = "unknown"
		}
		c.Msgf("nocolor       %s\nscreenreader  %s\nwidth         %s (now %d)\nencoding      %s\n"+
			"Your client: %s, encoding %s, colours: %s.",
			onOff(prefs.NoColor), onOff(caps.ScreenReader), width, caps.Width, encoding,
			markup.Escape(client), markup.Escape(encodingName(caps.Encoding)), info.Colors)
		return nil
	}
	on := value == "on" || value == "true" || value == "yes"
	if name != "width" && name != "encoding" && !on && value != "off" && value != "false" && value != "no" {
		return command.Errorf("Usage: option <name> = on|off")
	}
	switch name {
	case "nocolor", "nocolour":
		prefs.NoColor = on
	case "screenreader":
		prefs.ScreenReader = on
	case "width":
		n, err := strconv.Atoi(value)
		switch {
		case value == "auto":
			n = 0
		case err != nil || n < 20 || n > 1000:
			return command.Errorf("A width is a number from 20 to 1000, or auto.")
		}
		prefs.Width = n
	case "encoding":
		if prefs.Encoding = ""; value != "auto" {
			cs, err := charset.Lookup(value)
			if err != nil {
				return command.Errorf("There is no such encoding. UTF-8, ISO-8859-1, WINDOWS-1252 and IBM437 are some.")
			}
			prefs.Encoding = cs.Name()
		}
	default:
		return command.Errorf("There is no such option. Type |woption|n to see them.")
	}
	c.Session.SetPrefs(prefs)
	c.Msgf("%s is now %s.", name, markup.Escape(value))
	return nil
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// span tells a time roughly, in at most two units.
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func isStaff(s *world.Session) bool { return s.World().Passes(s, "Admin") }
