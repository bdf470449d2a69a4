package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestPlay runs the scripts in testdata: a game, its players, and what they
// read. Commands of the scripts beside those of testscript:
//
//	game PROG [SET…]     starts a game in $WORK/game and waits until it plays
//	tool ARG…            runs a subcommand on it
//	dial NAME            connects a player
//	login NAME           connects one and creates an account
//	send NAME LINE…      types lines
//	[!] expect NAME RE   waits for a match behind the last one; with ! what was sent so far has none
//	closed NAME          waits for the end of the connection
//	hangup NAME          ends it from the player's side
func TestPlay(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Values["scene"] = &scene{t: env.T().(testing.TB), players: map[string]*player{}}
			// The scripts' home is empty: the go tool is to find what is there.
			out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY").Output()
			if err != nil {
				return err
			}
			values := strings.Split(string(out), "\n")
			for i, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"} {
				env.Setenv(name, values[i])
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"game": func(ts *testscript.TestScript, _ bool, args []string) {
				s := theScene(ts)
				s.game = startGame(s.t, args[0], ts.MkAbs("game"), args[1:]...)
			},
			"tool": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Logf("%s", theGame(ts).run(args...))
			},
			"dial": func(ts *testscript.TestScript, _ bool, args []string) {
				theScene(ts).players[args[0]] = theGame(ts).dial(args[0])
			},
			"login": func(ts *testscript.TestScript, _ bool, args []string) {
				theScene(ts).players[args[0]] = theGame(ts).login(args[0])
			},
			"send": func(ts *testscript.TestScript, _ bool, args []string) {
				thePlayer(ts, args[0]).send(args[1:]...)
			},
			"expect": func(ts *testscript.TestScript, neg bool, args []string) {
				p := thePlayer(ts, args[0])
				if !neg {
					p.expect(args[1])
				} else if strings.Contains(p.all(), args[1]) {
					ts.Fatalf("%s was sent %q:\n%q", args[0], args[1], p.all())
				}
			},
			"closed": func(ts *testscript.TestScript, _ bool, args []string) { thePlayer(ts, args[0]).closed() },
			"hangup": func(ts *testscript.TestScript, _ bool, args []string) { thePlayer(ts, args[0]).conn.Close() },
		},
	})
}

// A scene is what the commands of one script share.
type scene struct {
	t       testing.TB
	game    *game
	players map[string]*player
}

func theScene(ts *testscript.TestScript) *scene { return ts.Value("scene").(*scene) }

func theGame(ts *testscript.TestScript) *game {
	g := theScene(ts).game
	if g == nil {
		ts.Fatalf("there is no game: start one first")
	}
	return g
}

func thePlayer(ts *testscript.TestScript, name string) *player {
	p := theScene(ts).players[name]
	if p == nil {
		ts.Fatalf("there is no player %s: dial first", name)
	}
	return p
}
