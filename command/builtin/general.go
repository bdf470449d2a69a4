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
	"mudlark.dev/ui"
	"mudlark.dev/world"
)

func whoCommand() *command.Command {
	return &command.Command{
		Key: "who", Aliases: []string{"doing"}, Help: "See who is in the game.",
		Run: func(c *command.Call) error {
			staff := isStaff(c.Session)
			t := ui.Table{Head: []string{"Name", "On for", "Idle"}}
			if staff {
				t.Head = append(t.Head, "Account", "From", "Where")
			}
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
				row := []string{name, span(c.World.Now().Sub(s.Since())), span(c.World.Now().Sub(s.LastInput()))}
				if staff {
					where := "nowhere"
					if p := s.Puppet(); p != nil && p.Location() != nil {
						where = p.Location().Name()
					}
					row = append(row, a.Name(), markup.Escape(s.Info().Addr), where)
				}
				t.Rows = append(t.Rows, row)
			}
			n, word := len(playing), "players are"
			if n == 1 {
				word = "player is"
			}
			c.Msgf("%d %s in the game.\n%s", n, word, t)
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
			t := ui.Table{Head: []string{"Session", "Protocol", "From", "Client", ""}, Align: "r"}
			for _, s := range c.Account.Sessions() {
				i := s.Info()
				mark := ""
				if s == c.Session {
					mark = "this one"
				}
				client := i.Client
				if client == "" {
					client = "without a name"
				}
				t.Add(s.Number(), i.Protocol, markup.Escape(i.Addr), markup.Escape(client), mark)
			}
			c.Msg("Your sessions:\n" + t.String())
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
			var keys ui.Columns
			for _, key := range byCategory[cat] {
				keys = append(keys, ui.Command("help "+key, key))
			}
			fmt.Fprintf(&b, "\n|c%s|n%s", cat, keys)
		}
		if c.Puppet != nil {
			b.WriteString("To go somewhere, type the name of an exit.")
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
		Help: "See or set how the game talks to your client.\n\nUsage:\n  option\n  option nocolor = on|off\n  option screenreader = on|off\n  option width = <number>|auto\n  option wrap = on|off|auto\n  option links = auto|none|mslp|mxp|osc8\n  option encoding = <name>|auto\n\nThe command |wclient|n tells what the game understood of your client.",
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
		wrap := "auto"
		if prefs.Wrap != "" {
			wrap = prefs.Wrap
		}
		links := "auto"
		if prefs.Links != "" {
			links = prefs.Links
		}
		client := info.Client
		if client == "" {
			client = "unknown"
		}
		row := func(name, value string) []string { return []string{name, value} }
		t := ui.Table{Rows: [][]string{
			row("nocolor", onOff(prefs.NoColor)),
			row("screenreader", onOff(caps.ScreenReader)),
			row("width", fmt.Sprintf("%s (now %d)", width, caps.Width)),
			row("wrap", fmt.Sprintf("%s (now %s)", wrap, onOff(caps.Wrap))),
			row("links", fmt.Sprintf("%s (now %s)", links, caps.Links)),
			row("encoding", encoding),
		}}
		c.Msgf("%s\nYour client: %s, encoding %s, colours: %s.", t,
			markup.Escape(client), markup.Escape(encodingName(caps.Encoding)), info.Colors)
		return nil
	}
	on := value == "on" || value == "true" || value == "yes"
	if name != "width" && name != "encoding" && name != "links" && (name != "wrap" || value != "auto") && !on && value != "off" && value != "false" && value != "no" {
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
		case err != nil || n < session.MinWidth || n > session.MaxWidth:
			return command.Errorf("A width is a number from %d to %d, or auto.", session.MinWidth, session.MaxWidth)
		}
		prefs.Width = n
	case "wrap":
		if prefs.Wrap = onOff(on); value == "auto" {
			prefs.Wrap = ""
		}
	case "links":
		if prefs.Links = ""; value != "auto" {
			if _, ok := session.ParseLinks(value); !ok {
				return command.Errorf("Links are auto, none, mslp, mxp or osc8.")
			}
			prefs.Links = value
		}
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
