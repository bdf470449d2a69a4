package myproc

import (
	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/launch"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// Game is a game that can be played over telnet and over myproc, by the same
// account at once. It has a message of its own in either direction: "claim",
// which only programs send, and "score", the answer.
func Game() launch.Game {
	return launch.Game{
		Game: server.Game{
			Name: "Scoreboard", Version: "1", Screen: "Type |wcreate Name|n or |wconnect Name|n.",
			CmdSets:          builtin.Sets(),
			InputFuncs:       []server.InputFunc{claim},
			MultisessionMode: 1,
			Build: func(w *world.World) error {
				w.SetStartRoom(w.NewRoom("The Arena"))
				return nil
			},
		},
		Plugins:  []portal.Plugin{Plugin},
		Settings: Settings(),
	}
}

// claim is the inputfunc for ("claim", [points]): it adds them to the account's
// and answers with the sum.
var claim = server.InputFunc{
	Name: "claim", Help: "Adds points to your score, and answers with it.",
	Args: []server.Kind{server.Int}, NeedsLogin: true,
	Run: func(in *server.Input) error {
		points, ok := in.Arg(0).(int64)
		if !ok || points < 1 || points > 100 {
			return command.Errorf("Claim 1 to 100 points.")
		}
		account := in.Session.Account()
		v, _ := account.Attr("score")
		score, _ := v.(int64)
		if err := account.SetAttr("score", score+points); err != nil {
			return err
		}
		in.Reply(message.New("score", score+points))
		return nil
	},
}
