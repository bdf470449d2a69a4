package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"mudlark.dev/link"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// Clock is a thing that writes down what it is told of the Server.
type Clock struct {
	world.Object
	Log world.List[string]
}

func (c *Clock) note(what string) {
	if err := c.Log.Append(what); err != nil {
		panic(err)
	}
}

func (c *Clock) AtObjectCreation() error { c.note("made"); return nil }
func (c *Clock) AtInit() {
	c.note("init")
	if c.Name() == "broken clock" {
		panic("its spring jumps out")
	}
}
func (c *Clock) AtServerReload()   { c.note("reload") }
func (c *Clock) AtServerShutdown() { c.note("shutdown") }

// The hooks of the start and the end of a Server, in their order, what they do
// being stored; one that fails harms no other.
func TestServerHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t)
		build := g.cfg.Game.Build
		g.cfg.Game.Typeclasses = []world.Typeclass{world.Class[Clock]("clock")}
		g.cfg.Game.Build = func(w *world.World) error {
			if err := build(w); err != nil {
				return err
			}
			_, err := world.Create[*Clock](w, world.Spec{Name: "clock", In: w.StartRoom()})
			return err
		}
		var calls []string
		g.cfg.Game.AtServerStart = func(w *world.World, why server.Mode) error {
			calls = append(calls, fmt.Sprint("start ", why))
			if why == server.ModeReset {
				panic("a bad start")
			}
			return nil
		}
		g.cfg.Game.AtServerStop = func(w *world.World, why server.Mode) error {
			calls = append(calls, fmt.Sprint("stop ", why))
			return nil
		}
		clock := func() (log []string) {
			g.s.Do(t.Context(), func(w *world.World) {
				for _, e := range w.StartRoom().Contents() {
					if c, ok := world.As[*Clock](e); ok {
						log = append(log, strings.Join(c.Log.Slice(), " "))
					}
				}
			})
			return log
		}
		g.start()
		ada := g.login("Ada")
		ada.read()
		if got := fmt.Sprint(clock()); got != "[made init]" {
			t.Errorf("at the first start the clock reads %s", got)
		}
		g.drain(link.ModeReload)
		g.cfg.Mode = server.ModeReload
		g.start()
		if got := fmt.Sprint(clock()); got != "[made init reload init]" {
			t.Errorf("after a reload the clock reads %s", got)
		}
		g.kill()
		g.cfg.Mode = server.ModeCrash
		g.start()
		if got := fmt.Sprint(clock()); got != "[made init reload init init]" {
			t.Errorf("after a crash the clock reads %s", got)
		}
		// A clock that breaks as it comes into memory.
		g.s.Do(t.Context(), func(w *world.World) {
			o := w.NewObject("broken clock", w.StartRoom())
			defer func() { recover() }()
			w.SetTypeclass(o, "clock")
		})
		g.drain(link.ModeReset)
		g.cfg.Mode = server.ModeReset
		g.start()
		ada.typ("look")
		expect(t, "the game goes on", ada.read(), "Anchorage")
		if got := clock()[0]; got != "made init reload init init shutdown init" {
			t.Errorf("after a reset the clock reads %s", got)
		}
		if log := g.log.String(); !strings.Contains(log, "its spring jumps out") || !strings.Contains(log, "a bad start") {
			t.Error("what failed is not in the log")
		}
		g.drain(link.ModeShutdown)
		want := "start cold, stop reload, start reload, start crash, stop reset, start reset, stop shutdown"
		if got := strings.Join(calls, ", "); got != want {
			t.Errorf("calls: %s\nwant:  %s", got, want)
		}
		g.p.conn.Close()
		g.p.l.Close()
	})
}
