package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// Buoy is a thing that writes down which hooks were called, and calls look in
// them.
type Buoy struct {
	world.Object
}

// Keeper is an account that tells of the end of its sessions.
type Keeper struct {
	world.Account
}

// seen is what the hooks of a Buoy and a Keeper call; tests do not run in
// parallel.
var seen = func(string) {}

func (b *Buoy) AtInit()                                   { seen("AtInit") }
func (b *Buoy) AtServerReload()                           { seen("AtServerReload") }
func (k *Keeper) AtDisconnect(s *world.Session, _ string) { seen("AtDisconnect") }

// withPage gives a game memory for what it runs, a Buoy, and hooks that call
// look.
func withPage(g *game, look func(where string)) {
	heap = make([]byte, link.PageSize)
	g.cfg.Page = heap
	g.t.Cleanup(func() { seen = func(string) {} })
	seen = look
	build := g.cfg.Game.Build
	g.cfg.Game.Typeclasses = []world.Typeclass{world.Class[Buoy]("buoy"), world.Class[Keeper]("account")}
	g.cfg.Game.Build = func(w *world.World) error {
		if err := build(w); err != nil {
			return err
		}
		look("build")
		_, err := world.Create[*Buoy](w, world.Spec{Name: "buoy", In: w.StartRoom()})
		return err
	}
	g.cfg.Game.AtServerStart = func(*world.World, server.Mode) error { look("AtServerStart"); return nil }
	g.cfg.Game.AtServerStop = func(*world.World, server.Mode) error { look("AtServerStop"); return nil }
	g.cfg.Game.ServerPlugins = []server.Plugin{{Name: "lamp", Start: func(*server.Server) error { look("plugin"); return nil }}}
}

// last looks into the page while the loop does nothing.
func (g *game) last() (u link.Unit, ended, ok bool) {
	synctest.Wait()
	u, ended, ok = link.LastUnit(g.cfg.Page)
	// The loop is told, so that it writes later also as the race detector sees it:
	// that a clock has gone on tells it nothing.
	g.p.send(&link.Ping{})
	synctest.Wait()
	return u, ended, ok
}

// heap keeps the page on the heap.
var heap []byte

// The page has what runs from its start to its end, and nothing while a command
// waits.
func TestPageTellsWhatRuns(t *testing.T) {
	got := map[string]string{}
	var page []byte
	look := func(where string) {
		u, ok := link.UnitIn(page)
		if !ok {
			got[where] = "nothing"
			return
		}
		got[where] = u.String()
	}
	wait := &command.Command{Key: "wait", Run: func(c *command.Call) error {
		look("line")
		c.Ask("Who? ")
		look("answered")
		c.Sleep(time.Second)
		look("slept")
		c.World.Go(func(context.Context) any { return nil }, func(any) { look("then") })
		return nil
	}}
	bubbleWith(t, func(g *game) {
		withPage(g, look)
		page = g.cfg.Page
		g.cfg.Game.Timers["ring"] = func(*world.World, world.Entity, map[string]any) error { look("timer"); return nil }
		g.cfg.Game.InputFuncs = append(g.cfg.Game.InputFuncs, server.InputFunc{Name: "heave", Run: func(*server.Input) error { look("message"); return nil }})
	}, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		between := func(what string) {
			t.Helper()
			if u, ended, ok := g.last(); ok && !ended {
				t.Errorf("%s the page has %v", what, u)
			}
		}
		between("before the line")
		ada.typ("wait")
		line := ada.n
		between("while it asks")
		ada.send(message.New("heave"))
		heave := ada.n
		between("while it still asks")
		ada.typ("Bob")
		between("while it sleeps")
		if u, _, ok := g.last(); ok {
			t.Errorf("while it sleeps the page has %v as what was last", u)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		var timer world.TimerID
		g.s.Do(t.Context(), func(w *world.World) {
			look("do")
			timer, _ = w.After(time.Second, w.StartRoom(), "ring", nil)
		})
		time.Sleep(time.Second)
		between("after the timer")
		ada.typ("look")
		between("after a line")
		if u, ended, ok := g.last(); !ok || !ended || u.N != ada.n || u.Session != ada.id {
			t.Errorf("the last that ran is %v, %v, %v; want line %d, ended", u, ended, ok, ada.n)
		}
		ada.close("gone")
		between("after the end of a session")
		g.drain(link.ModeReload)
		if u, _, ok := link.LastUnit(page); ok {
			t.Errorf("after the end of the Server the page has %v", u)
		}
		g.cfg.Mode = server.ModeReload
		g.start()
		lineOf := func(n uint64, name string) string { return fmt.Sprintf("line %d of session %s (%s)", n, ada.id, name) }
		for where, want := range map[string]string{
			"line": lineOf(line, "text"), "answered": lineOf(line, "text"), "slept": lineOf(line, "text"),
			"message": lineOf(heave, "heave"), "AtDisconnect": lineOf(ada.n, "disconnect"),
			"timer": fmt.Sprintf("timer %d (ring)", timer),
			"build": "build", "AtServerStart": "AtServerStart", "AtServerStop": "AtServerStop", "plugin": "start of plugin lamp",
			"AtInit": "AtInit of #6 (buoy)", "AtServerReload": "AtServerReload of #6 (buoy)",
			"do":   "do mudlark.dev/server_test.TestPageTellsWhatRuns.",
			"then": "background work mudlark.dev/server_test.TestPageTellsWhatRuns.",
		} {
			if g := got[where]; g != want && !(strings.HasSuffix(want, ".") && strings.HasPrefix(g, want)) {
				t.Errorf("in %s the page has %s, want %s", where, g, want)
			}
		}
	}, wait)
}

// The page names the line whose turn is under way also behind hooks of its end.
func TestPageKeepsTheLineOfTheTurn(t *testing.T) {
	var looks atomic.Int64
	bubbleWith(t, func(g *game) {
		withPage(g, func(string) {})
		g.cfg.Game.Values = []server.Value{{Name: "depth", Get: func(*world.Session) any {
			return looks.Add(1)
		}}}
	}, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.send(message.New("monitor").With("name", "depth"))
		ada.read()
		time.Sleep(time.Minute) // values are not looked at more often than now and then
		synctest.Wait()
		before := looks.Load()
		ada.typ("count")
		ada.read()
		if looks.Load() == before {
			t.Fatal("the value was not looked at after the line")
		}
		if u, ended, ok := g.last(); !ok || !ended || u.N != ada.n {
			t.Errorf("the last that ran is %v, %v, %v; want line %d, ended", u, ended, ok, ada.n)
		}
	}, count())
}

// restart has the next Server play, which is told what was put aside.
func (g *game) restart(units ...link.Unit) {
	g.t.Helper()
	g.p.asides = units
	g.cfg.Mode = server.ModeCrash
	g.start()
}

func lineUnit(c *client, n uint64) link.Unit {
	return link.Unit{Kind: link.UnitLine, Session: c.id, N: n, Name: "text"}
}

const asideText = "That line ended the game twice, so it was put aside and is not run again. The operator was told."

// A line that was put aside is not run, its player is told once, and all others
// run once.
func TestAsideLine(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada, bob := g.login("Ada"), g.login("Bob")
		ada.read()
		g.kill()
		ada.typ("count please", "count")
		bob.typ("count", "count")
		g.restart(lineUnit(ada, ada.n-1))
		if got, want := ada.read(), asideText+"\ncount 1"; got != want {
			t.Errorf("Ada reads %q, want %q", got, want)
		}
		if got, want := bob.read(), "count 1\ncount 2"; got != want {
			t.Errorf("Bob reads %q, want %q", got, want)
		}
		if ada.done != ada.n {
			t.Errorf("line %d is processed, want %d", ada.done, ada.n)
		}
		if log := g.log.String(); strings.Count(log, "it was put aside") != 1 || strings.Contains(log, "please") {
			t.Errorf("the log is to say once that it was put aside, and nothing of what was typed:\n%s", log)
		}
		g.kill()
		g.restart()
		ada.typ("count")
		if got := ada.read(); got != "count 2" {
			t.Errorf("in the end Ada reads %q", got)
		}
	}, count())
}

// The answer to a question of a line that was put aside is not run.
func TestAsideLineThatAsked(t *testing.T) {
	secret := &command.Command{Key: "secret", Run: func(c *command.Call) error {
		c.Msgf("you said %s", c.AskHidden("What? "))
		return nil
	}}
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.typ("secret")
		ada.read()
		line := ada.n
		if !ada.hidden {
			t.Fatal("no question is open")
		}
		g.kill()
		g.restart(lineUnit(ada, line))
		if got := ada.read(); got != asideText {
			t.Errorf("Ada reads %q", got)
		}
		if ada.hidden || ada.question != (link.QuestionID{}) {
			t.Error("the question is still open")
		}
		ada.typ("secret")
		ada.read()
		line = ada.n
		ada.typ("hunter2")
		// It died of the answer, which has its stamp and comes again.
		ada.read()
		g.kill()
		ada.p.mu.Lock()
		ada.done, ada.log = line-1, []link.Frame{
			&link.Input{Index: ada.index, N: line, Message: message.Text("secret")},
			&link.Input{Index: ada.index, N: line + 1, Question: link.QuestionID{Line: line, K: 1}, Message: message.Text("hunter2")},
		}
		ada.p.mu.Unlock()
		g.restart(lineUnit(ada, line))
		if got, want := ada.read(), asideText+"\nThat question was interrupted. Please start again."; got != want {
			t.Errorf("Ada reads %q, want %q", got, want)
		}
		if strings.Contains(g.log.String(), "hunter2") {
			t.Error("the answer is in the log")
		}
	}, secret)
}

// Other lines than texts: a connection, messages of a client, the end of one.
func TestAsideOtherLines(t *testing.T) {
	ask := &command.Command{Key: "ask", Run: func(c *command.Call) error {
		c.Msgf("you said %s", c.Ask("What? "))
		return nil
	}}
	var calls []string
	bubbleWith(t, func(g *game) { withPage(g, func(what string) { calls = append(calls, what) }) }, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		g.kill()

		bob := g.p.connect()
		bob.typ("create Bob tern-on-a-post")
		ada.send(message.New("breaks").With("cmdid", "7"))
		ada.typ("ask")
		ada.send(message.New("breaks"))
		breaks := func(n uint64) link.Unit {
			return link.Unit{Kind: link.UnitLine, Session: ada.id, N: n, Name: "breaks"}
		}
		g.restart(link.Unit{Kind: link.UnitLine, Session: bob.id, N: 1, Name: "connect"}, breaks(ada.n), breaks(ada.n-2))
		out := bob.read()
		expect(t, "Bob", out, "What greets you here ended the game twice", "Welcome, |wBob|n")
		refute(t, "Bob", out, "WELCOME")
		want := "Something that your client sent ended the game twice, so it was put aside. The operator was told."
		got := strings.Replace(ada.read(), "\nBob has arrived in the game.", "", 1)
		if got != want+"\n?What? \n"+want {
			t.Errorf("Ada reads %q", got)
		}
		if len(ada.msgs) != 1 || ada.msgs[0].Kwargs["cmdid"] != "7" {
			t.Errorf("the client's name for its line is not in %v", ada.msgs)
		}
		ada.typ("nothing") // the question is still open
		expect(t, "Ada's answer", ada.read(), "you said nothing")

		g.kill()
		calls = nil
		ada.close("gone")
		g.restart(link.Unit{Kind: link.UnitLine, Session: ada.id, N: ada.n, Name: "disconnect"})
		bob.typ("who", "sessions")
		out = bob.read()
		expect(t, "who", out, "1 player")
		if slices.Contains(calls, "AtDisconnect") {
			t.Error("the hooks of a Close that was put aside were called")
		}
		if g.p.seats[ada.index] != nil {
			t.Error("the session was not closed")
		}
		// A session that the Portal has no more.
		g.kill()
		delete(g.p.seats, bob.index)
		g.restart(link.Unit{Kind: link.UnitHook, Name: "disconnect hooks of stored session " + bob.id.String()})
		if slices.Contains(calls, "AtDisconnect") {
			t.Error("the hooks of a stored session were called")
		}
		g.s.Do(t.Context(), func(w *world.World) {
			if stored := w.StoredSessions("portal"); len(stored) > 0 || len(w.Sessions()) > 0 {
				t.Errorf("sessions %v, stored %v; want none", w.Sessions(), stored)
			}
		})
	}, ask)
}

// A timer that fires once stays in the store; one that repeats goes on with the
// next Server.
func TestAsideTimers(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		var once, beat world.TimerID
		g.s.Do(t.Context(), func(w *world.World) {
			once, _ = w.After(time.Minute, w.StartRoom(), "ring", nil)
			beat, _ = w.Every(10*time.Minute, w.StartRoom(), "ring", nil)
		})
		rings := func() (n int64) {
			g.s.Do(t.Context(), func(w *world.World) {
				v, _ := w.StartRoom().Attr("rings")
				n, _ = v.(int64)
			})
			return n
		}
		g.kill()
		g.restart(
			link.Unit{Kind: link.UnitTimer, N: uint64(once), Name: "ring"},
			link.Unit{Kind: link.UnitTimer, N: uint64(beat), Name: "ring"},
		)
		ada := g.login("Ada")
		time.Sleep(time.Hour)
		refute(t, "Ada", ada.read(), "Ding.")
		if n := strings.Count(g.log.String(), "it was put aside"); n != 2 || rings() != 0 {
			t.Errorf("%d rings, said %d times; want none, and one for each timer", rings(), n)
		}
		g.kill()
		g.restart()
		time.Sleep(time.Second)
		if n := rings(); n != 1 {
			t.Errorf("%d rings in the next Server, want the one that was kept", n)
		}
		time.Sleep(10 * time.Minute)
		if n := rings(); n != 2 {
			t.Errorf("%d rings ten minutes later, want 2", n)
		}
	})
}

// Hooks that were put aside are left out, and nothing else is.
func TestAsideHooks(t *testing.T) {
	var calls []string
	bubbleWith(t, func(g *game) { withPage(g, func(what string) { calls = append(calls, what) }) }, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		g.kill()
		calls = nil
		hook := func(name string) link.Unit { return link.Unit{Kind: link.UnitHook, Name: name} }
		g.restart(hook("AtInit of #6 (buoy)"))
		if want := []string{"plugin", "AtServerStart"}; !slices.Equal(calls, want) {
			t.Errorf("called %v, want %v", calls, want)
		}
		g.kill()
		calls = nil
		g.restart(hook("AtServerStart"), hook("start of plugin lamp"), hook("AtServerReload of #6 (buoy)"), hook("AtServerStop"))
		if want := []string{"AtInit"}; !slices.Equal(calls, want) {
			t.Errorf("called %v, want %v", calls, want)
		}
		ada.typ("look")
		expect(t, "the game goes on", ada.read(), "Anchorage")
		g.drain(link.ModeReload)
		if want := []string{"AtInit"}; !slices.Equal(calls, want) {
			t.Errorf("called %v, want %v", calls, want)
		}
		if n := strings.Count(g.log.String(), "it was put aside"); n != 5 {
			t.Errorf("said %d times, want 5", n)
		}
		g.restart()
	})
}

// Do says that a function was put aside, by whose name it is known; the same for
// what background work does in the end.
func TestAsideDo(t *testing.T) {
	var units []link.Unit
	var page []byte
	ran := func(*world.World) { noteUnit(&units, page) }
	work := func(w *world.World) {
		w.Go(func(context.Context) any { return nil }, func(any) { noteUnit(&units, page) })
	}
	bubbleWith(t, func(g *game) {
		withPage(g, func(string) {})
		page = g.cfg.Page
	}, func(t *testing.T, g *game) {
		do := func() (first, second error) {
			first, second = g.s.Do(t.Context(), ran), g.s.Do(t.Context(), work)
			synctest.Wait()
			return first, second
		}
		if a, b := do(); a != nil || b != nil || len(units) != 2 || units[0] == units[1] {
			t.Fatalf("Do = %v, %v; it ran as %v", a, b, units)
		}
		g.kill()
		g.restart(units...)
		if a, b := do(); !errors.Is(a, server.ErrAside) || b != nil {
			t.Errorf("Do = %v, %v; want ErrAside for the first", a, b)
		}
		if len(units) != 2 {
			t.Errorf("%v was run though it was put aside", units[2:])
		}
		if err := g.s.Do(t.Context(), func(*world.World) { noteUnit(&units, page) }); err != nil || len(units) != 3 {
			t.Errorf("another Do = %v", err)
		}
	})
}

// noteUnit appends what the page has.
func noteUnit(units *[]link.Unit, page []byte) {
	u, _ := link.UnitIn(page)
	*units = append(*units, u)
}

// A first world that cannot be built is no game: the Server says why.
func TestAsideBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t)
		built := false
		g.cfg.Game.Build = func(*world.World) error { built = true; return nil }
		g.p.asides = []link.Unit{{Kind: link.UnitHook, Name: "build"}}
		g.start()
		if err := <-g.ended; !errors.Is(err, server.ErrAside) || built {
			t.Errorf("Run = %v, built: %v; want ErrAside, not built", err, built)
		}
		g.p.conn.Close()
		g.p.l.Close()
	})
}

// A start that takes long is no hang as long as it goes on: pings are answered
// between its hooks.
func TestLongStartAnswersPings(t *testing.T) {
	slow := false
	bubbleWith(t, func(g *game) {
		withPage(g, func(what string) {
			if slow && what == "AtInit" {
				time.Sleep(3 * time.Second)
			}
		})
	}, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		g.s.Do(t.Context(), func(w *world.World) {
			for range 9 {
				if _, err := world.Create[*Buoy](w, world.Spec{Name: "buoy", In: w.StartRoom()}); err != nil {
					t.Error(err)
				}
			}
		})
		g.kill()
		slow = true
		begun, before := time.Now(), g.p.pongs
		ada.typ("look")
		g.restart()
		for time.Since(begun) < 25*time.Second {
			g.p.send(&link.Ping{})
			time.Sleep(4 * time.Second)
			synctest.Wait()
			g.p.mu.Lock()
			pongs := g.p.pongs
			g.p.mu.Unlock()
			if pongs == before {
				t.Fatalf("no pong came, %v after the start", time.Since(begun))
			}
			before = pongs
		}
		time.Sleep(10 * time.Second)
		expect(t, "after the start", ada.read(), "Anchorage")
	})
}
