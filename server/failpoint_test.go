package server_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/failpoint"
	"mudlark.dev/launch"
	"mudlark.dev/mudtest"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// secret is what players type at hidden questions. No log may have it.
const secret = "hush-a-whisper"

// note appends a word to what is stored of a thing.
func note(e world.Entity, word string) error {
	v, _ := e.Attr("notes")
	old, _ := v.(string)
	return e.SetAttr("notes", strings.TrimSpace(old+" "+word))
}

// noting is a game whose commands note in the store that they were run, by the
// number that the player gives them. Its accounts have that hash of a password.
func noting(hash world.Password) launch.Game {
	numbered := func(key string, run func(c *command.Call) error) *command.Command {
		return &command.Command{Key: key, Run: func(c *command.Call) error {
			if c.Puppet == nil {
				return command.Errorf("You are nobody.")
			}
			return run(c)
		}}
	}
	commands := []*command.Command{
		numbered("act", func(c *command.Call) error {
			c.Msgf("act %s is done", c.Args)
			return note(c.Puppet, "act"+c.Args)
		}),
		numbered("read", func(c *command.Call) error {
			c.Msgf("read %s is done", c.Args)
			return nil
		}),
		numbered("ask", func(c *command.Call) error {
			word := c.Ask("Which word? ")
			c.Msgf("ask %s is done with %s", c.Args, word)
			return note(c.Puppet, "ask"+c.Args)
		}),
		numbered("pray", func(c *command.Call) error {
			if c.AskHidden("In silence: ") != secret || c.AskHidden("And again: ") != secret {
				return command.Errorf("pray %s is wrong", c.Args)
			}
			c.Msgf("pray %s is done", c.Args)
			return note(c.Puppet, "pray"+c.Args)
		}),
		numbered("confess", func(c *command.Call) error {
			if err := note(c.Puppet, "confess"+c.Args); err != nil {
				return err
			}
			c.Msgf("confess %s is begun", c.Args)
			if c.AskHidden("In silence: ") != secret {
				return command.Errorf("confess %s is wrong", c.Args)
			}
			c.Msgf("confess %s is done", c.Args)
			return note(c.Puppet, "absolved"+c.Args)
		}),
		numbered("slow", func(c *command.Call) error {
			c.Await(func(ctx context.Context) {
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
			})
			c.Msgf("slow %s is done", c.Args)
			return note(c.Puppet, "slow"+c.Args)
		}),
		numbered("nap", func(c *command.Call) error {
			c.Msgf("nap %s is begun", c.Args)
			if err := note(c.Puppet, "nap"+c.Args); err != nil {
				return err
			}
			c.Sleep(time.Second)
			c.Msgf("nap %s is done", c.Args)
			return note(c.Puppet, "woke"+c.Args)
		}),
		numbered("fuse", func(c *command.Call) error {
			c.Msgf("fuse %s is set", c.Args)
			if err := note(c.Puppet, "set"+c.Args); err != nil {
				return err
			}
			_, err := c.World.After(2*time.Second, c.Puppet, "fuse", map[string]any{"n": c.Args})
			return err
		}),
	}
	sets := builtin.Sets()
	for _, set := range sets {
		switch set.Name {
		case command.CharacterSet:
			set.Commands = append(set.Commands, commands...)
		case "unloggedin":
			set.Commands = append(set.Commands, &command.Command{Key: "enter", Run: func(c *command.Call) error {
				a := c.World.AccountByName(c.Args)
				if err := c.Session.Login(a); err != nil {
					return err
				}
				c.Msgf("Welcome, %s.", a.Name())
				return c.Session.SetPuppet(a.Characters()[0])
			}})
		}
	}
	return launch.Game{Game: server.Game{
		Name: "Noting", CmdSets: sets, Screen: "WELCOME",
		Timers: map[string]world.TimerFunc{"fuse": func(_ *world.World, e world.Entity, args map[string]any) error {
			e.(*world.Character).Msg(fmt.Sprintf("fuse %v is burnt", args["n"]))
			return note(e, fmt.Sprintf("burnt%v", args["n"]))
		}},
		Build: func(w *world.World) error {
			quay := w.NewRoom("The Quay")
			w.SetStartRoom(quay)
			for _, name := range []string{"Ada", "Bob", "Cyd"} {
				a, err := w.NewAccount(name, hash)
				if err != nil {
					return err
				}
				c, err := w.NewCharacter(name, quay)
				if err != nil {
					return err
				}
				if err := a.AddCharacter(c); err != nil {
					return err
				}
				if err := a.AddPerm("Developer"); err != nil {
					return err
				}
			}
			return nil
		},
		AtServerStop: func(w *world.World, why server.Mode) error {
			return note(w.StartRoom(), why.String())
		},
	}}
}

// A stage is one run of a scene: Ada and Bob are there, a Server is killed at some
// point, and all is looked at when everything is quiet.
type stage struct {
	t        *testing.T
	g        *mudtest.Game
	ada, bob *mudtest.Client
	killed   func() int
	said     map[*mudtest.Client]string // what each has read
	notes    map[string]string          // what is stored of each character, and of the room
	playing  map[string]int             // the sessions of each character
}

// expect waits for a text, which is how the stage plays on.
func (s *stage) expect(c *mudtest.Client, want string) {
	s.t.Helper()
	s.said[c] += c.Expect(want)
}

// once checks that a client has read each line once.
func (s *stage) once(c *mudtest.Client, lines ...string) {
	s.t.Helper()
	for _, l := range lines {
		s.times(c, l, 1, 1)
	}
}

func (s *stage) times(c *mudtest.Client, line string, least, most int) {
	s.t.Helper()
	if n := s.count(c, line); n < least || n > most {
		s.t.Errorf("%q came %d times, want %d to %d; there is\n%s", line, n, least, most, s.said[c])
	}
}

func (s *stage) count(c *mudtest.Client, line string) int {
	return len(regexp.MustCompile(`(?m)^(?:\S.*[:?] )?`+regexp.QuoteMeta(line)+`$`).FindAllString(s.said[c], -1))
}

func (s *stage) stored(who, want string) {
	s.t.Helper()
	if got := s.notes[who]; got != want {
		s.t.Errorf("stored of %s is %q, want %q", who, got, want)
	}
}

// A scene is something that players do.
type scene struct {
	name string
	play func(s *stage)
	// look checks what has come of it. Each player has typed "act 99" at the end.
	look func(s *stage)
}

var scenes = []scene{
	{"a change", func(s *stage) {
		s.ada.Send("act 1")
		s.ada.Send("act 2")
	}, func(s *stage) {
		s.once(s.ada, "act 1 is done", "act 2 is done", "act 99 is done")
		s.stored("Ada", "act1 act2 act99")
	}},
	{"nothing changed", func(s *stage) {
		s.ada.Send("read 1")
		s.ada.Send("read 2")
	}, func(s *stage) {
		s.once(s.ada, "read 1 is done", "read 2 is done")
		s.stored("Ada", "act99")
	}},
	{"a question", func(s *stage) {
		s.ada.Send("ask 1")
		s.expect(s.ada, "Which word? ")
		s.ada.Send("tern")
		s.ada.Send("act 2")
	}, func(s *stage) {
		s.once(s.ada, "ask 1 is done with tern", "act 2 is done")
		s.stored("Ada", "ask1 act2 act99")
	}},
	{"a question, typed ahead", func(s *stage) {
		s.ada.Write("ask 1\r\ntern\r\n")
		s.expect(s.ada, "ask 1 is done with tern")
		s.ada.Send("act 2")
	}, func(s *stage) {
		s.once(s.ada, "act 2 is done")
		s.stored("Ada", "ask1 act2 act99")
	}},
	{"hidden questions", func(s *stage) {
		s.ada.Send("pray 1")
		s.expect(s.ada, "In silence: ")
		s.ada.Send(secret)
		s.expect(s.ada, "And again: ")
		s.ada.Send(secret)
	}, func(s *stage) {
		s.once(s.ada, "pray 1 is done")
		s.stored("Ada", "pray1 act99")
	}},
	{"a question behind a change, typed ahead", func(s *stage) {
		s.ada.Write("confess 1\r\n" + secret + "\r\n") // answers, or is the answer to a question that is gone
	}, func(s *stage) {
		s.once(s.ada, "confess 1 is begun")
		done, gone := s.count(s.ada, "confess 1 is done"), strings.Count(s.said[s.ada], "interrupted")
		if done > 1 || done == 0 && gone == 0 {
			s.t.Errorf("confess 1 was done %d times, and told %d times that it was interrupted:\n%s", done, gone, s.said[s.ada])
		}
		want := "confess1 act99"
		if done == 1 {
			want = "confess1 absolved1 act99"
		}
		s.stored("Ada", want)
	}},
	{"a question behind a change", func(s *stage) {
		s.ada.Send("confess 1")
		s.expect(s.ada, "confess 1 is begun")
		s.g.Wait()
		if s.said[s.ada] += s.ada.Text(); !strings.Contains(s.said[s.ada], "interrupted") { // else she knows better
			s.ada.Send(secret)
		}
	}, func(s *stage) {
		s.once(s.ada, "confess 1 is begun")
		done := s.count(s.ada, "confess 1 is done")
		if gone := strings.Count(s.said[s.ada], "interrupted"); done > 1 || done == 0 && gone == 0 {
			s.t.Errorf("confess 1 was done %d times, and told %d times that it was interrupted:\n%s", done, gone, s.said[s.ada])
		}
		want := "confess1 act99"
		if done == 1 {
			want = "confess1 absolved1 act99"
		}
		s.stored("Ada", want)
	}},
	{"a sleep", func(s *stage) {
		s.ada.Send("nap 1")
		s.ada.Send("act 2")
	}, func(s *stage) {
		s.once(s.ada, "nap 1 is begun", "act 2 is done")
		s.times(s.ada, "nap 1 is done", 0, 1) // what comes after a sleep is volatile
		want := "nap1 act2 act99"
		if s.count(s.ada, "nap 1 is done") == 1 {
			want = "nap1 act2 woke1 act99"
		}
		s.stored("Ada", want)
	}},
	{"background work", func(s *stage) {
		s.ada.Send("slow 1")
		s.ada.Send("act 2")
		s.g.Advance(25 * time.Millisecond)
		s.bob.Send("act 1")
	}, func(s *stage) {
		s.once(s.ada, "slow 1 is done", "act 2 is done")
		s.stored("Ada", "slow1 act2 act99")
		s.once(s.bob, "act 1 is done")
		s.stored("Bob", "act1 act99")
	}},
	{"a login", func(s *stage) {
		cyd := s.g.Dial()
		cyd.Send("connect Cyd")
		s.expect(cyd, "Password: ")
		cyd.Send(secret)
		s.expect(cyd, "Welcome, Cyd.")
		cyd.Send("act 1")
		s.expect(cyd, "act 1 is done")
		s.g.Advance(time.Minute)
		if s.said[cyd] += cyd.Text(); strings.Count(s.said[cyd], "Welcome, Cyd.") != 1 || strings.Count(s.said[cyd], "WELCOME") != 1 || cyd.Hidden() {
			s.t.Errorf("Cyd read (hidden: %v)\n%s", cyd.Hidden(), s.said[cyd])
		}
	}, func(s *stage) {
		s.once(s.bob, "Cyd has arrived in the game.")
		s.stored("Cyd", "act1")
	}},
	{"a login typed ahead", func(s *stage) {
		cyd := s.g.Dial()
		cyd.Write("connect Cyd\r\n" + secret + "\r\nact 1\r\n")
		s.expect(cyd, "act 1 is done")
		cyd.Send("act 2") // nothing asks any more
		s.expect(cyd, "act 2 is done")
		s.g.Advance(time.Minute)
		if s.said[cyd] += cyd.Text(); strings.Count(s.said[cyd], "Welcome, Cyd.") != 1 || strings.Count(s.said[cyd], "act 1 is done") != 1 {
			s.t.Errorf("Cyd read\n%s", s.said[cyd])
		}
	}, func(s *stage) {
		s.once(s.bob, "Cyd has arrived in the game.")
		s.stored("Cyd", "act1 act2")
	}},
	{"connect", func(s *stage) {
		cyd := s.g.Dial()
		s.expect(cyd, "WELCOME")
		cyd.Send("enter Cyd")
		cyd.Send("act 1")
		s.expect(cyd, "act 1 is done")
		s.g.Advance(time.Minute)
		if s.said[cyd] += cyd.Text(); strings.Count(s.said[cyd], "WELCOME") != 1 || strings.Count(s.said[cyd], "Welcome, Cyd.") != 1 || strings.Count(s.said[cyd], "act 1 is done") != 1 {
			s.t.Errorf("Cyd read\n%s", s.said[cyd])
		}
	}, func(s *stage) {
		s.once(s.bob, "Cyd has arrived in the game.")
		s.stored("Cyd", "act1")
		if n := s.playing["Cyd"]; n != 1 {
			s.t.Errorf("Cyd is played by %d sessions", n)
		}
	}},
	{"disconnect", func(s *stage) {
		s.ada.Send("act 1")
		s.ada.Close()
	}, func(s *stage) {
		s.once(s.bob, "Ada has left the game.")
		s.stored("Ada", "act1")
		if n := s.playing["Ada"]; n != 0 {
			s.t.Errorf("Ada is played by %d sessions", n)
		}
	}},
	{"disconnect in a question", func(s *stage) {
		s.ada.Send("act 1")
		s.ada.Send("ask 2")
		s.ada.Close()
	}, func(s *stage) {
		s.once(s.bob, "Ada has left the game.")
		s.stored("Ada", "act1")
	}},
	{"a burst", func(s *stage) {
		s.ada.Write(numberedLines("\r\n"))
		s.bob.Write(numberedLines("\r\n"))
	}, func(s *stage) {
		for n := 1; n <= 20; n++ {
			s.once(s.ada, fmt.Sprintf("act %d is done", n))
			s.once(s.bob, fmt.Sprintf("act %d is done", n))
		}
		want := strings.ReplaceAll(strings.TrimSpace(numberedLines(" ")), "act ", "act") + " act99"
		s.stored("Ada", want)
		s.stored("Bob", want)
	}},
	{"a timer", func(s *stage) {
		s.ada.Send("fuse 1")
		s.g.Advance(time.Second)
		s.ada.Send("fuse 2")
	}, func(s *stage) {
		s.once(s.ada, "fuse 1 is set", "fuse 2 is set", "fuse 1 is burnt", "fuse 2 is burnt")
		s.stored("Ada", "set1 set2 burnt1 burnt2 act99")
	}},
	{"a reload amid a question", func(s *stage) {
		s.ada.Send("ask 1")
		s.expect(s.ada, "Which word? ")
		s.bob.Send("reload")
		s.ada.Send("tern")
		s.ada.Send("act 2")
	}, func(s *stage) {
		s.once(s.ada, "ask 1 is done with tern", "act 2 is done")
		s.once(s.bob, "The Server is being replaced.")
		s.stored("Ada", "ask1 act2 act99")
		s.stored("Bob", "act99")
	}},
	{"a reload amid a login", func(s *stage) {
		cyd := s.g.Dial()
		cyd.Send("connect Cyd")
		s.expect(cyd, "Password: ")
		s.bob.Send("reload")
		cyd.Send(secret)
		s.expect(cyd, "Welcome, Cyd.")
		s.g.Advance(time.Minute)
		if s.said[cyd] += cyd.Text(); strings.Count(s.said[cyd], "Welcome, Cyd.") != 1 || strings.Count(s.said[cyd], "WELCOME") != 1 || cyd.Hidden() {
			s.t.Errorf("Cyd read (hidden: %v)\n%s", cyd.Hidden(), s.said[cyd])
		}
	}, func(s *stage) {
		s.once(s.bob, "Cyd has arrived in the game.", "The Server is being replaced.")
		if n := s.playing["Cyd"]; n != 1 {
			s.t.Errorf("Cyd is played by %d sessions", n)
		}
	}},
	{"a reload typed in the game", func(s *stage) {
		s.ada.Send("reload")
		s.ada.Send("act 1")
		s.bob.Send("act 1")
	}, func(s *stage) {
		s.once(s.ada, "The Server is being replaced.", "act 1 is done")
		s.once(s.bob, "act 1 is done")
		s.stored("Ada", "act1 act99")
		s.stored("Bob", "act1 act99")
		if n := strings.Count(s.said[s.ada], "The Server was "); n != 1 {
			s.t.Errorf("Ada was told %d times what came of the reload:\n%s", n, s.said[s.ada])
		}
		// None if the old Server was killed before it had drained.
		if got := s.notes["the room"]; got != "" && got != "reload" {
			s.t.Errorf("stored of the reloads is %q, want one at most", got)
		}
	}},
}

func numberedLines(end string) string {
	var b strings.Builder
	for n := 1; n <= 20; n++ {
		fmt.Fprintf(&b, "act %d%s", n, end)
	}
	return b.String()
}

// Wherever the Server is killed, every line takes effect once and is answered once,
// nobody is disconnected, and what is typed in silence is nowhere.
func TestKillAtEveryPoint(t *testing.T) {
	hash := cheapHash()
	reached := map[string]int{}
	for _, sc := range scenes {
		for _, point := range failpoint.Points() {
			for _, passages := range [][]int{{1}, {2}, {3}, {1, 1}} {
				t.Run(fmt.Sprintf("%s/%s:%v", sc.name, point, passages), func(t *testing.T) {
					if n := sc.run(t, noting(hash), point, passages); n > 0 {
						reached[point]++
					}
				})
			}
		}
	}
	for _, point := range failpoint.Points() {
		if reached[point] < 2 && !t.Failed() {
			t.Errorf("point %s was reached %d times in all scenes, want 2 or more", point, reached[point])
		}
	}
	t.Logf("reached: %v", reached)
}

// cheapHash returns the secret as a stored password that costs nearly nothing to
// check, unlike those that the Server makes.
func cheapHash() world.Password {
	salt := []byte("0123456789abcdef")
	key := argon2.IDKey([]byte(secret), salt, 1, 64, 1, 32)
	return world.Password(fmt.Sprintf("$argon2id$v=%d$m=64,t=1,p=1$%s$%s", argon2.Version,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)))
}

// run plays the scene with Servers killed, and returns how many were.
func (sc *scene) run(t *testing.T, game launch.Game, point string, passages []int) (killed int) {
	mudtest.Run(t, game, func(g *mudtest.Game) {
		s := &stage{t: t, g: g, said: map[*mudtest.Client]string{}, notes: map[string]string{}, playing: map[string]int{}}
		s.ada, s.bob = g.Dial(), g.Dial()
		s.bob.Send("enter Bob")
		s.ada.Send("enter Ada")
		s.ada.Expect("Welcome, Ada.")
		s.bob.Expect("Ada has arrived in the game.")
		g.Wait()
		s.killed = g.KillAt(point, passages...)
		sc.play(s)
		g.Advance(time.Minute)
		killed = s.killed()
		g.KillAt(failpoint.Sent, 1<<30) // no more of that
		for _, c := range []*mudtest.Client{s.ada, s.bob} {
			if c != s.ada || !strings.HasPrefix(sc.name, "disconnect") {
				c.Send("act 99")
			}
		}
		g.Advance(time.Minute)
		for _, c := range []*mudtest.Client{s.ada, s.bob} {
			s.said[c] += c.Text()
		}
		g.Do(func(w *world.World) {
			for _, name := range []string{"Ada", "Bob", "Cyd"} {
				ch := w.CharacterByName(name)
				v, _ := ch.Attr("notes")
				s.notes[name], _ = v.(string)
				s.playing[name] = len(ch.Sessions())
			}
			v, _ := w.StartRoom().Attr("notes")
			s.notes["the room"], _ = v.(string)
		})
		sc.look(s)
		if log := g.Log(); strings.Contains(log, secret) {
			i := strings.Index(log, secret)
			t.Errorf("what was typed in silence is in the log: %q", log[max(0, i-200):i+len(secret)])
		}
		if text := s.said[s.ada] + s.said[s.bob]; strings.Contains(text, "not available") || strings.Contains(text, secret) {
			t.Errorf("an answer was taken for a command:\n%s", text)
		}
	})
	return killed
}

// A line that changes something passes the Server's points in this order.
func TestPointsInOrder(t *testing.T) {
	var mu sync.Mutex
	var passed []string
	bubbleWith(t, func(g *game) {
		g.cfg.Failpoint = func(point string) {
			mu.Lock()
			defer mu.Unlock()
			passed = append(passed, point)
		}
	}, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		mu.Lock()
		passed = nil
		mu.Unlock()
		ada.typ("count")
		ada.read()
		want := []string{
			failpoint.Received, failpoint.Executed, failpoint.Encoded, failpoint.Output,
			failpoint.Written, failpoint.Committed, failpoint.Acknowledged,
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(passed, want) {
			t.Errorf("a line passed %v, want %v", passed, want)
		}
	}, count())
}
