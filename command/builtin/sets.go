package builtin

import "mudlark.dev/command"

// Sets returns new cmdsets: "unloggedin" for who has not logged in, "session"
// and "account" for who has, "character" for who plays a character.
func Sets() []*command.CmdSet {
	return []*command.CmdSet{
		{Name: "unloggedin", Priority: 0, Commands: []*command.Command{
			connectCommand(), createCommand(), screenCommand(), helpBeforeLogin(), quitCommand(), loginStart(),
		}},
		{Name: "session", Priority: -20, Commands: []*command.Command{
			sessionsCommand(), helpCommand(), quitCommand(), optionCommand(), clientCommand(),
		}},
		{Name: command.AccountSet, Priority: -10, Commands: []*command.Command{
			whoCommand(), lookOutside(),
			servicesCommand(), reloadCommand(), resetCommand(), shutdownCommand(),
		}},
		{Name: command.CharacterSet, Commands: []*command.Command{
			lookCommand(), sayCommand(), poseCommand(), whisperCommand(), getCommand(), dropCommand(), giveCommand(), inventoryCommand(),
		}},
	}
}
