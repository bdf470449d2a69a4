package server_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// bubble runs a test on a fake clock with a game.
func bubble(t *testing.T, test func(t *testing.T, g *game), extra ...*command.Command) {
	t.Helper()
	bubbleWith(t, func(*game) {}, test, extra...)
}

// bubbleWith is bubble for a game that is changed before it starts.
func bubbleWith(t *testing.T, change func(*game), test func(t *testing.T, g *game), extra ...*command.Command) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, extra...)
		change(g)
		g.start()
		test(t, g)
		g.end()
	})
}

// count is a command that changes stored state each time it is run.
func count() *command.Command {
	return &command.Command{Key: "count", Run: func(c *command.Call) error {
		v, _ := c.Puppet.Attr("count")
		n, _ := v.(int64)
		if err := c.Puppet.SetAttr("count", n+1); err != nil {
			return err
		}
		c.Msgf("count %d", n+1)
		return nil
	}}
}

func TestLifeOfAPlayer(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.p.connect()
		expect(t, "first screen", ada.read(), "WELCOME")
		ada.typ("look", "nonsense")
		expect(t, "before login", ada.read(), "WELCOME", "'nonsense' is not available")
		ada.typ("create Ada")
		expect(t, "create", ada.read(), "?Choose a password:")
		if !ada.hidden {
			t.Error("the password is not hidden")
		}
		ada.typ("tern-on-a-post")
		expect(t, "create", ada.read(), "?Once more")
		ada.typ("tern-on-a-post")
		out := ada.read()
		expect(t, "created", out, "a Developer", "Welcome, |wAda|n", "Anchorage", "Exits: |lcnorth|lt|wnorth|n|le", "rope")
		if ada.login == nil || ada.login.Account != "Ada" || ada.login.Puppet != "Ada" {
			t.Errorf("the Portal was told of login %+v", ada.login)
		}
		bob := g.login("Bob")
		expect(t, "Ada sees Bob", ada.read(), "Bob has arrived")
		bob.typ("say |rHello|n")
		expect(t, "say", bob.read(), `You say, "||rHello||n"`)
		expect(t, "heard", ada.read(), `Bob says, "||rHello||n"`)
		bob.typ(":waves.", "whisper ada = psst", "get rope", "i", "n", "drop rope", "look")
		expect(t, "Bob", bob.read(), "Bob waves.", "You whisper to Ada", "You pick up rope", "You carry: rope", "Breakwater", "You drop rope", "You see: rope")
		expect(t, "Ada", ada.read(), "Bob waves.", "Bob whispers to you", "Bob picks up rope", "Bob leaves: north")
		ada.typ("who", "sessions", "help", "help say", "option width = 60", "services")
		expect(t, "Ada", ada.read(), "2 players are", "10.0.0.1:1|,without a name|,this one", "reload", "Say something", "width is now 60", "telnet:4000")
		if ada.prefs.Width != 60 {
			t.Errorf("the Portal was told of width %d, want 60", ada.prefs.Width)
		}
		bob.typ("services", "reload")
		expect(t, "Bob is no developer", bob.read(), "'services' is not available", "'reload' is not available")
		bob.typ("quit")
		bob.read()
		if !strings.Contains(bob.gone, "Goodbye") {
			t.Errorf("quit closed with %q", bob.gone)
		}
		bob2 := g.p.connect()
		bob2.typ("connect bob wrong-password", "connect bob tern-on-a-post")
		expect(t, "log in again", bob2.read(), "do not fit together", "Welcome, |wBob|n", "Breakwater")
		if strings.Contains(g.log.String(), "tern-on") {
			t.Error("a password is in the log")
		}
	})
}

// A command that waits holds nobody but its own session.
func TestWaitingHoldsNobody(t *testing.T) {
	ask := &command.Command{Key: "ask", Run: func(c *command.Call) error {
		c.Msgf("you said %s", c.Ask("What? "))
		return nil
	}}
	nap := &command.Command{Key: "nap", Run: func(c *command.Call) error {
		c.Sleep(time.Minute)
		c.Msg("slept " + c.Args)
		return nil
	}}
	bubble(t, func(t *testing.T, g *game) {
		ada, bob := g.login("Ada"), g.login("Bob")
		ada.typ("ask")
		expect(t, "asked", ada.read(), "?What?")
		bob.typ("say hi")
		expect(t, "Bob goes on", bob.read(), "You say")
		ada.typ("forty-two", "say done")
		expect(t, "answered", ada.read(), "you said forty-two", `You say, "done"`)
		ada.typ("nap one", "nap two", "say awake")
		out := ada.read()
		expect(t, "sleep holds nothing", out, "awake")
		refute(t, "too early", out, "slept")
		time.Sleep(time.Minute)
		expect(t, "slept", ada.read(), "slept one\nslept two")
		// Typed ahead, unstamped: the next line is the answer.
		ada.send(message.Text("ask"))
		ada.send(message.Text("ahead"))
		expect(t, "typed ahead", ada.read(), "you said ahead")
	}, ask, nap)
}

// Lines are acknowledged when link/SPEC.md, section 3, says they are processed.
func TestWhenProcessed(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(*command.Call) error
		want bool // processed at the first turn's end
	}{
		{"returns", func(c *command.Call) error { return nil }, true},
		{"fails", func(c *command.Call) error { panic("x") }, true},
		{"asks", func(c *command.Call) error { c.Ask("?"); return nil }, false},
		{"awaits", func(c *command.Call) error { c.Await(func(ctx context.Context) { <-ctx.Done() }); return nil }, false},
		{"changes, then asks", func(c *command.Call) error { c.Puppet.SetAttr("x", 1); c.Ask("?"); return nil }, true},
		{"sleeps", func(c *command.Call) error { c.Sleep(time.Hour); return nil }, true},
		{"asks after a sleep", func(c *command.Call) error { c.Sleep(0); c.Ask("?"); return nil }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *game) {
				ada := g.login("Ada")
				ada.typ("do")
				ada.read()
				if got := ada.done == ada.n; got != tt.want {
					t.Errorf("processed: %v (line %d of %d), want %v", got, ada.done, ada.n, tt.want)
				}
			}, &command.Command{Key: "do", Run: tt.run})
		})
	}
}

// What a failed line did and said is undone back to its last wait, and its
// player is told where the stack is.
func TestFailureIsUndone(t *testing.T) {
	fail := func(key string, how func(c *command.Call) error) *command.Command {
		return &command.Command{Key: key, Run: func(c *command.Call) error {
			c.Puppet.SetAttr("early", true)
			c.Msg("early")
			if c.Args == "wait" {
				c.Sleep(0)
			}
			c.Puppet.SetAttr("late", true)
			c.World.NewObject("ghost", c.Puppet.Location())
			c.Puppet.Location().(*world.Room).MsgContents("BOO")
			return how(c)
		}}
	}
	cmds := []*command.Command{
		fail("panics", func(*command.Call) error { panic("kaboom") }),
		fail("errs", func(*command.Call) error { return errors.New("kaboom") }),
		fail("exits", func(*command.Call) error { runtime.Goexit(); return nil }),
	}
	for _, key := range []string{"panics", "errs", "exits"} {
		for _, arg := range []string{"", " wait"} {
			t.Run(key+arg, func(t *testing.T) {
				bubble(t, func(t *testing.T, g *game) {
					ada, bob := g.login("Ada"), g.login("Bob")
					ada.read()
					ada.typ(key+arg, "look", "say still here")
					out := ada.read()
					refute(t, "Ada", out, "BOO", "ghost")
					refute(t, "Bob", bob.read(), "BOO")
					expect(t, "Ada goes on", out, "still here")
					if key != "exits" {
						expect(t, "Ada", out, "Something went wrong")
						ref := out[strings.Index(out, "E-"):][:8]
						if !strings.Contains(g.log.String(), ref) || !strings.Contains(g.log.String(), "kaboom") {
							t.Errorf("the log has no %s with the cause", ref)
						}
					}
					var early, late any
					g.s.Do(t.Context(), func(w *world.World) {
						early, _ = w.CharacterByName("Ada").Attr("early")
						late, _ = w.CharacterByName("Ada").Attr("late")
					})
					if wantEarly := arg != ""; (early == true) != wantEarly || late != nil {
						t.Errorf("after the failure early is %v and late is %v", early, late)
					}
					if said := strings.Contains(out, "early"); said != (arg != "") {
						t.Errorf("what was said before the wait: %v", said)
					}
				}, cmds...)
			})
		}
	}
}

// The table of link/SPEC.md, section 4, on the Server's side: at each point at
// which a Server can die, a line takes effect once and is answered once.
func TestCrashPoints(t *testing.T) {
	for _, tt := range []struct {
		name string
		gate bool // the commit is held when the Server dies
	}{
		{"before the commit", true},
		{"after the commit", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *game) {
				ada := g.login("Ada")
				ada.typ("count")
				expect(t, "count", ada.read(), "count 1")
				if tt.gate {
					g.store.SetGate(func(ctx context.Context, _ []*store.Batch) error {
						<-ctx.Done()
						return errors.New("killed")
					})
				}
				ada.typ("count", "say told")
				out := ada.read()
				if tt.gate && out != "" {
					t.Errorf("shown before the commit: %q", out)
				}
				g.kill()
				g.start()
				out += "\n" + ada.read()
				if n := strings.Count(out, "count 2"); n != 1 {
					t.Errorf("answered %d times: %q", n, out)
				}
				if n := strings.Count(out, `You say, "told"`); n != 1 {
					t.Errorf("the read-only line was answered %d times: %q", n, out)
				}
				ada.typ("count")
				expect(t, "the next", ada.read(), "count 3")
			}, count())
		})
	}
}

// A turn that changed nothing may have seen what is not committed yet: it is
// held as well.
func TestReadOnlyTurnWaits(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada, bob := g.login("Ada"), g.login("Bob")
		ada.read()
		bob.read()
		open := make(chan struct{})
		g.store.SetGate(func(context.Context, []*store.Batch) error { <-open; return nil })
		ada.typ("get rope")
		synctest.Wait()
		bob.typ("look")
		if out := bob.read(); out != "" {
			t.Errorf("Bob was shown %q, which depends on a commit that may fail", out)
		}
		close(open)
		out := bob.read()
		expect(t, "Bob", out, "Anchorage")
		refute(t, "Bob", out, "You see: rope")
	})
}

// A reload: lines that wait are run again, what was changed is not.
func TestReload(t *testing.T) {
	ask := &command.Command{Key: "name", Run: func(c *command.Call) error {
		c.Msgf("called %s and %s", c.Ask("First? "), c.Ask("Second? "))
		return nil
	}}
	pay := &command.Command{Key: "pay", Run: func(c *command.Call) error {
		c.Puppet.SetAttr("paid", true)
		c.Ask("Sure? ")
		c.Msg("NEVER")
		return nil
	}}
	nap := &command.Command{Key: "nap", Run: func(c *command.Call) error {
		defer c.Msg("deferred")
		c.Sleep(time.Hour)
		c.Msg("NEVER")
		return nil
	}}
	for _, how := range []string{"drain", "kill"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *game) {
				ada, bob, eve := g.login("Ada"), g.login("Bob"), g.login("Eve")
				ada.typ("name")
				ada.read()
				ada.typ("Finch")
				expect(t, "asked", ada.read(), "?Second?")
				bob.typ("pay")
				expect(t, "asked", bob.read(), "?Sure?")
				eve.typ("nap")
				eve.read()
				if how == "drain" {
					g.drain(link.ModeReload)
				} else {
					g.kill()
				}
				ada.typ("Wren")     // the answer to the second question
				bob.typ("yes-pw")   // the answer to a question that is gone
				eve.typ("say here") // while no Server is there
				late := g.p.connect()
				g.start()
				out := ada.read()
				expect(t, "run again", out, "called Finch and Wren")
				out = bob.read()
				expect(t, "interrupted", out, "interrupted")
				refute(t, "interrupted", out, "NEVER", "yes-pw")
				if bob.question != (link.QuestionID{}) {
					t.Error("the dead question is still open at the Portal")
				}
				out = eve.read()
				expect(t, "asleep", out, `You say, "here"`)
				refute(t, "asleep", out, "NEVER")
				if how == "drain" {
					expect(t, "told", out, "interrupted", "deferred")
				}
				expect(t, "newcomer", late.read(), "WELCOME")
				if strings.Contains(g.log.String(), "yes-pw") {
					t.Error("the answer to a dead question is in the log")
				}
				var paid any
				g.s.Do(t.Context(), func(w *world.World) { paid, _ = w.CharacterByName("Bob").Attr("paid") })
				if paid != true {
					t.Error("what was changed before the question is gone")
				}
			}, ask, pay, nap)
		})
	}
}

// A login that hashes while the Server dies is done by the next one.
func TestLoginSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t)
		g.start()
		g.login("Ada")
		ada := g.p.connect()
		ada.read()
		ada.typ("connect Ada", "tern-on-a-post", "look")
		g.kill() // somewhere in between
		g.start()
		out := ada.read()
		expect(t, "logged in", out, "Welcome, |wAda|n")
		if strings.Count(out, "Anchorage") != 2 {
			t.Errorf("after the login: %q", out)
		}
		g.end()
	})
}

// Sequence 4: all of a life while no Server is there.
func TestClosedWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		g.login("Ada").close("gone")
		synctest.Wait()
		g.drain(link.ModeReload)
		ada := g.p.connect()
		ada.typ("connect Ada tern-on-a-post", "get rope", "n", "drop rope")
		ada.close("lost")
		bob := g.p.connect()
		g.start()
		synctest.Wait()
		if g.p.seats[ada.index] != nil {
			t.Error("the Close is not processed")
		}
		bob.typ("create Bob tern-on-a-post", "n")
		expect(t, "what Ada did", bob.read(), "Breakwater", "You see: rope")
	})
}

// A Portal that was started anew has none of the stored sessions.
func TestPortalStartedAnew(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		bob := g.login("Bob")
		ada.typ("n")
		ada.read()
		bob.read()
		g.kill()
		clear(g.p.seats)
		g.p.held, g.p.conn = nil, nil
		g.start()
		eve := g.login("Eve")
		eve.typ("n", "look", "who")
		out := eve.read()
		refute(t, "nobody is left over", out, "Here:", "Ada", "Bob")
		expect(t, "who", out, "1 player")
		back := g.p.connect()
		back.typ("connect Ada tern-on-a-post")
		expect(t, "Ada comes back where she was", back.read(), "Breakwater")
	})
}

func TestTimers(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		var room world.ID
		if err := g.s.Do(t.Context(), func(w *world.World) {
			r := w.StartRoom()
			room = r.ID()
			if _, err := w.Every(time.Minute, r, "ring", nil); err != nil {
				t.Error(err)
			}
			if _, err := w.After(90*time.Second, r, "break", nil); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		ada.read()
		time.Sleep(time.Minute)
		expect(t, "first beat", ada.read(), "Ding.")
		time.Sleep(30 * time.Second)
		refute(t, "a timer that fails says nothing", ada.read(), "Crack.")
		g.drain(link.ModeReload)
		time.Sleep(10 * time.Second)
		g.start()
		time.Sleep(20 * time.Second)
		expect(t, "the beat keeps its phase", ada.read(), "Ding.")
		time.Sleep(time.Minute)
		expect(t, "and goes on", ada.read(), "Ding.")
		g.s.Do(t.Context(), func(w *world.World) {
			r := w.Get(room).(*world.Room)
			if v, _ := r.Attr("rings"); v != int64(3) {
				t.Errorf("rang %v times, want 3", v)
			}
			if _, ok := r.Attr("broken"); ok {
				t.Error("what the failed timer did is not undone")
			}
		})
		if n := strings.Count(g.log.String(), "the timer breaks"); n != 1 {
			t.Errorf("the one-shot ran %d times, want once", n)
		}
	})
}

// A timer that is due again at once and a command that sleeps for no time do
// not hold up those who type.
func TestTimersAndLinesTakeTurns(t *testing.T) {
	busy := true
	spin := &command.Command{Key: "spin", Run: func(c *command.Call) error {
		for busy {
			c.Sleep(0)
		}
		return nil
	}}
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, spin)
		n := 0
		g.cfg.Game.Timers["again"] = func(w *world.World, e world.Entity, _ map[string]any) error {
			if n++; !busy {
				return nil
			}
			_, err := w.After(0, e, "again", nil)
			return err
		}
		g.start()
		ada, bob := g.login("Ada"), g.login("Bob")
		ada.read()
		bob.read()
		ada.typ("spin")
		bob.typ("say enough")
		g.s.Do(t.Context(), func(w *world.World) {
			if _, err := w.After(0, w.StartRoom(), "again", nil); err != nil {
				t.Error(err)
			}
		})
		for {
			g.p.mu.Lock()
			heard := strings.Contains(strings.Join(bob.out, ""), "enough")
			g.p.mu.Unlock()
			if heard {
				break
			}
			runtime.Gosched() // the loop is never idle, so the bubble's clock stands
		}
		g.s.Do(t.Context(), func(*world.World) { busy = false })
		synctest.Wait()
		if n == 0 {
			t.Error("the timer never ran")
		}
		g.end()
	})
}

func TestDoWaitsForCommit(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		open := make(chan struct{})
		g.store.SetGate(func(context.Context, []*store.Batch) error { <-open; return nil })
		done := make(chan error, 1)
		go func() { done <- g.s.Do(t.Context(), func(w *world.World) { w.NewRoom("new") }) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("Do = %v before its change is in the store", err)
		default:
		}
		close(open)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := g.s.Do(t.Context(), func(w *world.World) { panic("do") }); err == nil {
			t.Error("Do of a panic returned nil")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.s.Do(ctx, func(*world.World) {}); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Do = %v", err)
		}
		g.drain(link.ModeReload)
		if err := g.s.Do(t.Context(), func(*world.World) {}); !errors.Is(err, server.ErrStopped) {
			t.Errorf("Do after the end = %v, want ErrStopped", err)
		}
		g.start()
	})
}

func TestWorldGo(t *testing.T) {
	fetch := &command.Command{Key: "fetch", Run: func(c *command.Call) error {
		s := c.Session
		c.World.Go(func(context.Context) any { return 42 }, func(v any) { s.Msgf("fetched %v", v) })
		c.World.Go(func(context.Context) any { panic("work") }, func(any) { s.Msg("NEVER") })
		return nil
	}}
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.read()
		open := make(chan struct{})
		g.store.SetGate(func(context.Context, []*store.Batch) error { <-open; return nil })
		ada.typ("get rope", "fetch")
		if out := ada.read(); out != "" {
			t.Errorf("work was started before its commit: %q", out)
		}
		close(open)
		out := ada.read()
		expect(t, "fetch", out, "fetched 42")
		refute(t, "fetch", out, "NEVER")
	}, fetch)
}

// The store fails for a while: nothing is shown, nothing is lost.
func TestStoreInTrouble(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.read()
		var broken atomic.Bool
		broken.Store(true)
		g.store.SetGate(func(context.Context, []*store.Batch) error {
			if broken.Load() {
				return store.ErrFull
			}
			return nil
		})
		ada.typ("count")
		time.Sleep(time.Minute)
		g.p.send(&link.Ping{Seq: 1})
		if out := ada.read(); out != "" {
			t.Errorf("shown though it is not stored: %q", out)
		}
		if g.p.pongs == 0 {
			t.Error("the loop does not answer pings while the store fails")
		}
		broken.Store(false)
		time.Sleep(time.Minute)
		expect(t, "afterwards", ada.read(), "count 1")
	}, count())
}

// A client that does not read: its own lines wait, and it is sent away when
// others fill its credit.
func TestCredit(t *testing.T) {
	flood := &command.Command{Key: "flood", Run: func(c *command.Call) error {
		c.Puppet.Location().(*world.Room).MsgContents(strings.Repeat("x", 40_000))
		return nil
	}}
	bubble(t, func(t *testing.T, g *game) {
		ada, bob := g.login("Ada"), g.login("Bob")
		bob.taken = false
		bob.typ("flood", "flood", "say after")
		ada.read()
		out := bob.read()
		refute(t, "Bob's lines wait while he does not read", out, "after")
		g.p.send(&link.Credit{Index: bob.index, Bytes: 80_000})
		expect(t, "and go on when he does", bob.read(), "after")
		for range 40 {
			ada.typ("flood")
		}
		ada.read()
		bob.read()
		if !strings.Contains(bob.gone, "does not take") {
			t.Errorf("Bob, who does not read, is closed with %q", bob.gone)
		}
		if ada.gone != "" {
			t.Errorf("Ada is closed as well: %q", ada.gone)
		}
	}, flood)
}

func TestWaitLimits(t *testing.T) {
	nap := &command.Command{Key: "nap", Run: func(c *command.Call) error { c.Sleep(time.Hour); return nil }}
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		for range 16 {
			ada.typ("nap")
		}
		refute(t, "sixteen", ada.read(), "too many")
		ada.typ("nap", "say free")
		expect(t, "seventeen", ada.read(), "too many things under way", "free")
	}, nap)
}

// The end of a session ends what it had waiting.
func TestCloseEndsWaits(t *testing.T) {
	ended := map[string]int{}
	wait := &command.Command{Key: "wait", Run: func(c *command.Call) error {
		defer func() { ended[c.Args]++ }()
		if c.Args == "sleep" {
			c.Sleep(time.Hour)
		} else {
			c.Ask("? ")
		}
		ended["returned"]++
		return nil
	}}
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.typ("wait sleep", "wait ask")
		ada.read()
		ada.close("lost")
		synctest.Wait()
		if ended["sleep"] != 1 || ended["ask"] != 1 || ended["returned"] != 0 {
			t.Errorf("ended: %v", ended)
		}
		if g.p.seats[ada.index] != nil {
			t.Error("the Close is not processed")
		}
	}, wait)
}

// Failed logins are counted per address, and still are after a reload.
func TestThrottle(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		g.login("Ada")
		eve := g.p.connect()
		for range 5 {
			eve.typ("connect Ada wrong-password")
			expect(t, "wrong", eve.read(), "do not fit")
		}
		eve.typ("connect Ada tern-on-a-post")
		expect(t, "too many", eve.read(), "Too many failed logins", "5 minutes")
		g.drain(link.ModeReload)
		g.start()
		eve.typ("connect Ada tern-on-a-post")
		expect(t, "after the reload", eve.read(), "Too many failed logins")
		bob := g.p.connect()
		bob.typ("connect Ada tern-on-a-post")
		expect(t, "from elsewhere", bob.read(), "Welcome")
		time.Sleep(5 * time.Minute)
		eve.typ("connect Ada tern-on-a-post")
		expect(t, "later", eve.read(), "Welcome")
		for i, name := range []string{"Cid", "Dot", "Fay", "Gus", "Hal", "Ida"} {
			one := g.p.connect()
			one.info.Addr = "10.9.9.9:1"
			one.update()
			one.typ("create " + name + " tern-on-a-post")
			if out := one.read(); (i < 5) != strings.Contains(out, "is made") {
				t.Errorf("account %d from one address: %q", i+1, out)
			}
		}
	})
}

func TestActions(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.typ("reload new hats", "reset", "shutdown storm")
		expect(t, "shutdown is announced", ada.read(), "shut down. storm")
		var modes []string
		for _, a := range g.p.actions {
			modes = append(modes, fmt.Sprint(a.Mode, a.Session == ada.index))
		}
		if got := strings.Join(modes, " "); got != "reload true reset true shutdown true" {
			t.Errorf("actions: %s", got)
		}
		if g.p.actions[0].Reason != "new hats" {
			t.Errorf("reason %q", g.p.actions[0].Reason)
		}
	})
}

// With mode shutdown everybody leaves in order.
func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		g.login("Ada")
		g.drain(link.ModeShutdown)
		clear(g.p.seats)
		g.start()
		bob := g.login("Bob")
		bob.typ("who", "look")
		out := bob.read()
		expect(t, "who", out, "1 player")
		refute(t, "look", out, "Ada")
	})
}

func TestRefusedByPortal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t)
		cfg := g.cfg
		cfg.Store = g.disk.Open()
		s, err := server.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(t.Context()) }()
		tr, err := g.p.l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn := link.New(tr, link.Config{})
		defer conn.Close()
		conn.Send(&link.Refuse{Reason: "another version", Hint: "build both from one release"})
		if err := <-done; !errors.Is(err, server.ErrRefused) || !strings.Contains(err.Error(), "one release") {
			t.Errorf("Run = %v, want ErrRefused with the hint", err)
		}
	})
}

func TestNewReportsAll(t *testing.T) {
	_, err := server.New(server.Config{Game: server.Game{
		InputFuncs: []server.InputFunc{{Name: "two words"}, {Name: "nil"}},
		CmdSets:    []*command.CmdSet{{Name: "a", Commands: []*command.Command{{Key: "x", Locks: "cmd:frob()", Run: func(*command.Call) error { return nil }}}}},
	}})
	if err == nil {
		t.Fatal("New accepts a broken game")
	}
	for _, want := range []string{"Dialer", "Store", "two words", `"nil"`, "frob"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, which does not name %s", err, want)
		}
	}
}
