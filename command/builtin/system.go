package builtin

import (
	"context"

	"mudlark.dev/command"
	"mudlark.dev/markup"
	"mudlark.dev/ui"
	"mudlark.dev/world"
)

const developers = "cmd:perm(Developer)"

func servicesCommand() *command.Command {
	return &command.Command{
		Key: "services", Aliases: []string{"service"}, Locks: developers, Category: "System",
		Switches: []string{"list", "start", "stop"},
		Help:     "See what Portal and Server run beside the game, stop and start it.\n\nUsage:\n  services\n  services/stop <name>\n  services/start <name>",
		Run:      services,
	}
}

func services(c *command.Call) error {
	start, stop := c.Switch("start"), c.Switch("stop")
	if start && stop {
		return command.Errorf("Start or stop, not both.")
	}
	if (start || stop) && c.Args == "" {
		return command.Errorf("Which one? Type |wservices|n to see them.")
	}
	var all []command.Service
	var err error
	c.Await(func(ctx context.Context) {
		if start || stop {
			if err = c.Host.SetService(ctx, c.Args, start); err != nil {
				return
			}
		}
		all, err = c.Host.Services(ctx)
	})
	if err != nil {
		return err
	}
	t := ui.Table{Head: []string{"Side", "Name", "Address", "State"}}
	for _, s := range all {
		state := markup.Escape(s.State)
		if s.Cause != "" {
			state += ": " + markup.Escape(s.Cause)
		}
		t.Add(s.Side, markup.Escape(s.Name), markup.Escape(s.Address), state)
	}
	c.Msg("Services:\n" + t.String())
	return nil
}

func reloadCommand() *command.Command {
	return &command.Command{
		Key: "reload", Aliases: []string{"restart"}, Locks: developers, Category: "System",
		Help: "Replace the running game by a new one. Nobody is disconnected.\n\nUsage:\n  reload [<reason>]",
		Run: func(c *command.Call) error {
			c.Msg("The game is being reloaded …")
			c.World.Restart(world.ActionReload, c.Session, c.Args)
			return nil
		},
	}
}

func resetCommand() *command.Command {
	return &command.Command{
		Key: "reset", Locks: developers, Category: "System",
		Help: "As reload, but as if the game had been stopped and started: nobody is disconnected.\n\nUsage:\n  reset [<reason>]",
		Run: func(c *command.Call) error {
			c.Msg("The game is being reset …")
			c.World.Restart(world.ActionReset, c.Session, c.Args)
			return nil
		},
	}
}

func shutdownCommand() *command.Command {
	return &command.Command{
		Key: "shutdown", Locks: developers, Category: "System",
		Help: "Stop the game. Everybody is disconnected.\n\nUsage:\n  shutdown [<reason>]",
		Run: func(c *command.Call) error {
			text := "The game is being shut down."
			if c.Args != "" {
				text += " " + userText(c, c.Args)
			}
			for _, s := range c.World.Sessions() {
				s.Msg(text)
			}
			c.World.Restart(world.ActionShutdown, c.Session, c.Args)
			return nil
		},
	}
}
