package server_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/session"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// ways are the ways from one Server to the next.
var ways = map[string]func(*game){
	"reload": func(g *game) { g.drain(link.ModeReload) },
	"reset":  func(g *game) { g.drain(link.ModeReset) },
	"crash":  func(g *game) { g.kill() },
}

// overEachWay runs a test for each of the ways. Its clock begins in the middle of a
// second, as clocks do.
func overEachWay(t *testing.T, test func(t *testing.T, g *game, end func()), extra ...*command.Command) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *game) {
				time.Sleep(123456789)
				test(t, g, func() { way(g) })
			}, extra...)
		})
	}
}

// timer sets one at the start room, where Ada hears it.
func (g *game) timer(d time.Duration, repeat bool) {
	g.t.Helper()
	if err := g.s.Do(g.t.Context(), func(w *world.World) {
		set := w.After
		if repeat {
			set = w.Every
		}
		if _, err := set(d, w.StartRoom(), "ring", nil); err != nil {
			g.t.Error(err)
		}
	}); err != nil {
		g.t.Fatal(err)
	}
}

// wantRings compares how often the timer's effect is in the store.
func (g *game) wantRings(want int64) {
	g.t.Helper()
	if err := g.s.Do(g.t.Context(), func(w *world.World) {
		v, _ := w.StartRoom().Attr("rings")
		if n, _ := v.(int64); n != want {
			g.t.Errorf("it rang %v times, want %d", v, want)
		}
	}); err != nil {
		g.t.Fatal(err)
	}
}

func dings(c *client) int { return strings.Count(c.read(), "Ding.") }

// A one-shot keeps the time that is left, over any number of Servers, and is run
// once.
func TestOneShotKeepsItsTime(t *testing.T) {
	overEachWay(t, func(t *testing.T, g *game, end func()) {
		ada := g.login("Ada")
		begun := time.Now()
		g.timer(90*time.Second, false)
		ada.read()
		for range 3 {
			time.Sleep(20 * time.Second)
			end()
			time.Sleep(5 * time.Second)
			g.start()
		}
		time.Sleep(90*time.Second - time.Since(begun) - time.Millisecond)
		if n := dings(ada); n != 0 {
			t.Errorf("it rang %d times a millisecond before it was due", n)
		}
		time.Sleep(2 * time.Millisecond)
		if n := dings(ada); n != 1 {
			t.Errorf("it rang %d times when it was due, want once", n)
		}
		for range 2 {
			end()
			g.start()
			time.Sleep(time.Hour)
			if n := dings(ada); n != 0 {
				t.Errorf("it rang %d times more", n)
			}
		}
		g.wantRings(1)
	})
}

// One that falls due while no Server is there is run by the next one, once.
func TestOneShotIsDueMeanwhile(t *testing.T) {
	overEachWay(t, func(t *testing.T, g *game, end func()) {
		ada := g.login("Ada")
		g.timer(30*time.Second, false)
		ada.read()
		end()
		time.Sleep(time.Hour)
		g.start()
		if n := dings(ada); n != 1 {
			t.Errorf("it rang %d times, want once", n)
		}
		end()
		g.start()
		time.Sleep(time.Hour)
		if n := dings(ada); n != 0 {
			t.Errorf("it rang %d times more", n)
		}
		g.wantRings(1)
	})
}

// A Server that dies between the effect of a one-shot and its commit, or right
// after the commit and before the Portal knows: it rings once, and is heard once.
func TestOneShotAtCrashPoints(t *testing.T) {
	for _, tt := range []struct {
		name string
		gate func(g *game) // of the commit of the effect
	}{
		{"before the commit", func(g *game) {
			g.store.SetGate(func(ctx context.Context, _ []*store.Batch) error {
				<-ctx.Done()
				return errors.New("killed")
			})
		}},
		{"right after the commit", func(g *game) {
			g.store.SetGate(func(context.Context, []*store.Batch) error {
				time.Sleep(time.Millisecond) // the turn is read
				g.p.conn.Close()             // no Committed comes through
				return nil
			})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *game) {
				ada := g.login("Ada")
				g.timer(30*time.Second, false)
				ada.read()
				time.Sleep(29 * time.Second)
				synctest.Wait()
				tt.gate(g)
				time.Sleep(2 * time.Second)
				if n := dings(ada); n != 0 {
					t.Errorf("it was heard %d times before the Portal knew of the commit", n)
				}
				g.kill()
				time.Sleep(10 * time.Second)
				g.start()
				if n := dings(ada); n != 1 {
					t.Errorf("it was heard %d times, want once", n)
				}
				g.wantRings(1)
				g.kill()
				g.start()
				time.Sleep(time.Hour)
				if n := dings(ada); n != 0 {
					t.Errorf("it was heard %d times more", n)
				}
				g.wantRings(1)
			})
		})
	}
}

// Repeating timers keep their phase. What they miss is left out, and what they
// have done is not done again, not even if the Server ends at that very moment.
func TestBeatsKeepTheirPhase(t *testing.T) {
	overEachWay(t, func(t *testing.T, g *game, end func()) {
		ada := g.login("Ada")
		g.timer(time.Minute, true)
		begun := time.Now()
		ada.read()
		at := func(d time.Duration, want int) {
			t.Helper()
			time.Sleep(d - time.Since(begun))
			if n := dings(ada); n != want {
				t.Errorf("at %v it has rung %d times since, want %d", d, n, want)
			}
		}
		at(60*time.Second, 1)
		end() // at the moment of the first beat
		g.start()
		at(61*time.Second, 0)
		end()
		at(70*time.Second, 0)
		g.start()
		at(119*time.Second, 0)
		at(120*time.Second, 1)
		end() // at the moment of the second
		g.start()
		at(130*time.Second, 0)
		end()
		at(310*time.Second, 0) // three beats are missed
		g.start()
		at(359*time.Second, 0)
		at(360*time.Second, 1)
		at(600*time.Second, 4)
		g.wantRings(7)
	})
}

// A session keeps who is logged in, what is played and where, its cmdsets, Data and
// preferences.
func TestSessionsSurvive(t *testing.T) {
	var id session.ID
	equip := &command.Command{Key: "equip", Run: func(c *command.Call) error {
		id = c.Session.ID()
		if err := c.Session.AddCmdSet("extra"); err != nil {
			return err
		}
		if err := c.Session.SetData("page", map[string]any{"n": 7, "of": []any{"a", nil}}); err != nil {
			return err
		}
		p := c.Session.Prefs()
		p.ScreenReader = true
		c.Session.SetPrefs(p)
		return c.Puppet.AddCmdSet("extra")
	}}
	overEachWay(t, func(t *testing.T, g *game, end func()) {
		ada, bob := g.login("Ada"), g.p.connect()
		ada.typ("north", "equip")
		expect(t, "north", ada.read(), "Breakwater")
		bob.read()
		var since time.Time
		g.s.Do(t.Context(), func(w *world.World) { since = w.Session(id).Since() })
		for round := range 3 {
			end()
			time.Sleep(time.Minute)
			g.start()
			if out := ada.read(); out != "" {
				t.Errorf("round %d: Ada notices: %q", round, out)
			}
			if ada.login == nil || ada.login.Account != "Ada" || ada.login.Puppet != "Ada" || !ada.prefs.ScreenReader {
				t.Errorf("round %d: the Portal knows %+v and %+v", round, ada.login, ada.prefs)
			}
			if err := g.s.Do(t.Context(), func(w *world.World) {
				s := w.Session(id)
				switch {
				case s == nil || s.Account() == nil || s.Puppet() == nil:
					t.Errorf("round %d: nobody is logged in, or nothing is played", round)
					return
				case s.Account().Name() != "Ada" || s.Puppet().Name() != "Ada" || s.Puppet().Location().Name() != "Breakwater":
					t.Errorf("round %d: %s plays %s in %s", round, s.Account().Name(), s.Puppet().Name(), s.Puppet().Location().Name())
				case !slices.Equal(s.CmdSets(), []string{"session", "extra"}) || !slices.Contains(s.Puppet().CmdSets(), "extra"):
					t.Errorf("round %d: cmdsets %q and %q", round, s.CmdSets(), s.Puppet().CmdSets())
				case !s.Prefs().ScreenReader:
					t.Errorf("round %d: preferences %+v", round, s.Prefs())
				case s.Since().Unix() != since.Unix():
					t.Errorf("round %d: connected since %v, want %v", round, s.Since(), since)
				}
				page, _ := s.Data("page").(map[string]any)
				if list, _ := page["of"].([]any); page["n"] != int64(7) || len(list) != 2 || list[0] != "a" || list[1] != nil {
					t.Errorf("round %d: data %v", round, s.Data("page"))
				}
				if n := len(s.Account().Sessions()); n != 1 {
					t.Errorf("round %d: the account has %d sessions", round, n)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		ada.typ("count") // of the set that was added
		expect(t, "count", ada.read(), "count 1")
		bob.typ("create Bob tern-on-a-post")
		expect(t, "who was at the login", bob.read(), "Anchorage")
	}, equip, count())
}
