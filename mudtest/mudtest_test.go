package mudtest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/config"
	"mudlark.dev/failpoint"
	"mudlark.dev/launch"
	"mudlark.dev/message"
	"mudlark.dev/mudtest"
	"mudlark.dev/portal"
	"mudlark.dev/server"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// quay is a game of one room, a bell that rings each minute, and a few
// commands.
func quay() launch.Game {
	set := &command.CmdSet{Name: "quay", Commands: []*command.Command{
		{Key: "count", Run: func(c *command.Call) error {
			v, _ := c.Puppet.Attr("count")
			n, _ := v.(int64)
			if err := c.Puppet.SetAttr("count", n+1); err != nil {
				return err
			}
			c.Msgf("|rThat makes %d.|n", n+1)
			return nil
		}},
		{Key: "nap", Run: func(c *command.Call) error {
			c.Sleep(5 * time.Second)
			c.Msg("You wake up.")
			return nil
		}},
		{Key: "trip", Run: func(*command.Call) error { panic("a bug in the game") }},
		{Key: "secret", Run: func(c *command.Call) error {
			c.Msgf("You said %s.", c.AskHidden("What? "))
			return nil
		}},
	}}
	return launch.Game{
		Game: server.Game{
			Name: "Quay", Screen: "WELCOME", CmdSets: append(builtin.Sets(), set),
			Build: func(w *world.World) error {
				r := w.NewRoom("The Quay")
				w.SetStartRoom(r)
				if _, err := w.Every(time.Minute, r, "bell", nil); err != nil {
					return err
				}
				return r.AddCmdSet("quay")
			},
			Timers: map[string]world.TimerFunc{"bell": func(w *world.World, e world.Entity, _ map[string]any) error {
				r, _ := world.As[*world.Room](e)
				r.MsgContents("The bell rings.")
				return nil
			}},
			InputFuncs: []server.InputFunc{{Name: "add", Args: []server.Kind{server.Int, server.Int}, Run: func(in *server.Input) error {
				a, _ := in.Arg(0).(int64)
				b, _ := in.Arg(1).(int64)
				in.Reply(message.New("sum", a+b))
				return nil
			}}},
		},
		Plugins:  []portal.Plugin{{Name: "shout", Start: startShout}},
		Settings: []config.Setting{{Name: "shout.listen", Default: "127.0.0.1:7000"}},
	}
}

// shout is a protocol of lines that are answered in capitals.
type shout struct{}

func startShout(p *portal.Portal) error {
	return p.AddService(portal.Listen("shout", p.Setting("shout.listen"), shout{}))
}

func (shout) Key() string { return "shout" }

func (shout) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	s, err := p.Connect(ctx, shoutClient{c}, session.Info{Protocol: "shout", Addr: c.RemoteAddr().String()})
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if err := s.DataIn(ctx, message.Text(strings.ToLower(lines.Text()))); err != nil {
			return err
		}
	}
	return lines.Err()
}

type shoutClient struct{ *portal.Conn }

func (shoutClient) AppendText(dst []byte, text string, _ session.Caps, _ message.Options) ([]byte, error) {
	return append(append(dst, strings.ToUpper(text)...), '\n'), nil
}
func (shoutClient) AppendDefault(dst []byte, _ message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	return dst, nil
}
func (c shoutClient) Close(string) error { c.CloseAfterFlush(time.Second); return nil }

func TestPlay(t *testing.T) {
	mudtest.Run(t, quay(), func(g *mudtest.Game) {
		ada, bob := g.Dial(), g.Dial()
		ada.Expect("WELCOME")
		if text := ada.Login("Ada"); !strings.Contains(text, "The Quay") {
			t.Errorf("Login returned %q", text)
		}
		bob.Login("Bob")
		ada.Expect("Bob has arrived")
		ada.Send("say well met")
		bob.Expect(`Ada says, "well met"`)
		ada.Send("count")
		ada.Expect("That makes 1.\n") // without colour
		if !strings.Contains(string(ada.Raw()), "\x1b[") {
			t.Error("Raw has no colour")
		}
		bob.Refute("That makes")

		// Time passes only where somebody waits for it.
		begun := time.Now()
		ada.Send("nap")
		ada.Refute("wake")
		ada.Expect("You wake up.")
		if took := time.Since(begun); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("a nap of 5 s took %v", took)
		}
		g.Advance(2 * time.Minute)
		if m := ada.ExpectRE(`The (\w+) rings\.\nThe bell rings`); m[1] != "bell" {
			t.Errorf("ExpectRE = %q", m)
		}

		ada.Send("secret")
		ada.Expect("What?")
		if !ada.Hidden() {
			t.Error("what is typed is not hidden")
		}
		ada.Send("plover")
		ada.Expect("You said plover.")
		if ada.Hidden() {
			t.Error("it is still hidden")
		}
		ada.Session(func(s *world.Session) {
			if s.Account().Name() != "Ada" || s.Info().Protocol != "telnet" {
				t.Errorf("session of %s over %s", s.Account().Name(), s.Info().Protocol)
			}
		})
		bob.Close()
		ada.Expect("Bob has left")
		again := g.Dial()
		again.Login("Bob") // the account is there
		ada.Send("quit")
		ada.ExpectClosed()
	})
}

// A Server is killed where the test says, and each number counts from the kill
// before.
func TestKillAt(t *testing.T) {
	mudtest.Run(t, quay(), func(g *mudtest.Game) {
		ada := g.Dial()
		ada.Login("Ada")
		killed := g.KillAt(failpoint.Committed, 2, 1)
		for n := 1; n <= 4; n++ {
			ada.Send("count")
			ada.Expect(fmt.Sprintf("makes %d.", n))
			if got, want := killed(), []int{0, 1, 2, 2}[n-1]; got != want {
				t.Errorf("after line %d the Server was killed %d times, want %d", n, got, want)
			}
		}
		ada.Refute("makes")
	})
}

func TestReloadAndKill(t *testing.T) {
	mudtest.Run(t, quay(), func(g *mudtest.Game) {
		ada := g.Dial()
		ada.Login("Ada")
		ada.Send("count")
		g.Reload()
		ada.Send("count")
		g.Kill()
		ada.Send("count")
		ada.Expect("makes 1.")
		ada.Expect("makes 2.")
		ada.Expect("makes 3.")
		g.Reset()
		next := quay()
		next.Build = nil
		next.CmdSets = append(next.CmdSets, &command.CmdSet{Name: "extra"})
		for _, set := range next.CmdSets {
			if set.Name == "quay" {
				set.Commands = append(set.Commands, &command.Command{Key: "new", Run: func(c *command.Call) error { c.Msg("Brand new."); return nil }})
			}
		}
		ada.Send("new")
		ada.Expect("not available")
		g.ReloadWith(next)
		ada.Send("new")
		ada.Expect("Brand new.")
		g.Advance(time.Minute)
		ada.Expect("The bell rings.")
		g.Do(func(w *world.World) {
			if v, _ := w.CharacterByName("Ada").Attr("count"); v != int64(3) {
				t.Errorf("count = %v", v)
			}
		})
	})
}

func TestMessages(t *testing.T) {
	mudtest.Run(t, quay(), func(g *mudtest.Game) {
		c := g.Connect(session.Info{Client: "test"})
		c.ExpectText("WELCOME")
		c.SendMessage(message.New("add", 2, 3))
		if m := c.ExpectMessage("sum"); m.Args[0] != int64(5) {
			t.Errorf("sum = %v", m)
		}
		c.Login("Ada")
		c.Send("count")
		c.ExpectText("That makes 1.")
		c.SendMessage(message.New("add", "two"))
		c.ExpectText("argument 1 is to be a whole number")
		g.Reload()
		c.SendMessage(message.New("add", 1, 1))
		c.ExpectMessage("sum")
		if rest := c.Messages(); len(rest) != 0 {
			t.Errorf("left over: %v", rest)
		}
		c.Send("quit")
		if c.Closed() == "" {
			t.Error("quit does not close the session")
		}
	})
}

func TestPluginProtocol(t *testing.T) {
	mudtest.Run(t, quay(), func(g *mudtest.Game) {
		c := g.DialAddr("127.0.0.1:7000")
		c.Expect("WELCOME")
		c.Send("CREATE Ada tern-on-a-post")
		c.Expect("THE QUAY")
		if st := g.Portal().Status().Services; len(st) != 2 || st[1].Owner != "plugin shout" {
			t.Errorf("services: %+v", st)
		}
	})
}

// TestFailures runs tests that fail, in a process of their own, and looks at
// what they say.
func TestFailures(t *testing.T) {
	tests := map[string]struct {
		test func(t *testing.T)
		want []string
	}{
		"expect": {func(t *testing.T) {
			mudtest.Run(t, quay(), func(g *mudtest.Game) {
				ada := g.Dial()
				ada.Login("Ada")
				ada.Send("look")
				ada.Expect("a pirate")
			})
		}, []string{"mudtest_test.go:", `client 1: "a pirate" did not come`, "transcript", "> look", "< The Quay"}},
		"refute": {func(t *testing.T) {
			mudtest.Run(t, quay(), func(g *mudtest.Game) {
				ada := g.Dial()
				ada.Refute("WELCOME")
			})
		}, []string{`"WELCOME" came`}},
		"panic": {func(t *testing.T) {
			mudtest.Run(t, quay(), func(g *mudtest.Game) {
				ada := g.Dial()
				ada.Login("Ada")
				ada.Send("trip")
			})
		}, []string{"in the log: ERROR", "a bug in the game", "mudtest_test.go"}},
		"message": {func(t *testing.T) {
			mudtest.Run(t, quay(), func(g *mudtest.Game) {
				g.Connect(session.Info{}).ExpectMessage("sum")
			})
		}, []string{"the message sum did not come", `["text",["WELCOME"],{}]`}},
		"login": {func(t *testing.T) {
			mudtest.Run(t, quay(), func(g *mudtest.Game) { g.Dial().Login("x") })
		}, []string{"x is not logged in", "> create x"}},
		"closed": {func(t *testing.T) {
			mudtest.Run(t, quay(), func(g *mudtest.Game) {
				c := g.Dial()
				c.Send("quit")
				c.Send("look")
			})
		}, []string{"the connection is closed"}},
		"game": {func(t *testing.T) {
			game := quay()
			game.MultisessionMode = 9
			mudtest.Run(t, game, func(*mudtest.Game) { t.Error("the test ran") })
		}, []string{"the Server does not play", "multisession mode 9"}},
	}
	if name := os.Getenv("MUDTEST_FAIL"); name != "" {
		tests[name].test(t)
		return
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFailures$")
			cmd.Env = append(os.Environ(), "MUDTEST_FAIL="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("it passes:\n%s", out)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("the output lacks %q:\n%s", want, out)
				}
			}
			for _, not := range []string{"deadlock", "DATA RACE", "the test ran"} {
				if strings.Contains(string(out), not) {
					t.Errorf("the output has %q:\n%s", not, out)
				}
			}
		})
	}
}

func TestAllowErrors(t *testing.T) {
	mudtest.Run(t, quay(), func(g *mudtest.Game) {
		g.AllowErrors()
		ada := g.Dial()
		ada.Login("Ada")
		ada.Send("trip")
		ada.ExpectRE(`(?i)something went wrong|reference`)
		if !strings.Contains(g.Log(), "a bug in the game") {
			t.Error("the log does not have it")
		}
	})
}

// Two games in one process, as any number of tests may run at once.
func TestTwoGames(t *testing.T) {
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			mudtest.Run(t, quay(), func(g *mudtest.Game) {
				ada := g.Dial()
				ada.Login("Ada")
				ada.Send("count")
				ada.Expect("makes 1.")
			})
		})
	}
}
