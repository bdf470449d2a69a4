package server_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// told returns the messages other than texts since the last call.
func (c *client) told() []string {
	synctest.Wait()
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	var out []string
	for _, m := range c.msgs {
		b, err := m.MarshalJSON()
		if err != nil {
			c.p.t.Error(err)
		}
		out = append(out, string(b))
	}
	c.msgs = nil
	return out
}

func wantTold(t *testing.T, what string, c *client, want ...string) {
	t.Helper()
	if got := c.told(); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

func mood(s *world.Session) any {
	if p := s.Puppet(); p != nil {
		mood, _ := p.Attr("mood")
		return mood
	}
	return nil
}

func TestValues(t *testing.T) {
	bubbleWith(t, func(g *game) {
		g.cfg.Game.Values = []server.Value{
			{Name: "Mood", Help: "How the character feels.", Get: mood},
			{Name: "broken", Get: func(*world.Session) any { panic("broken value") }},
			{Name: "odd", Get: func(*world.Session) any { return make(chan int) }},
		}
		g.cfg.Game.InputFuncs = append(g.cfg.Game.InputFuncs, server.InputFunc{
			Name: "feel", Help: "Sets the mood.", Args: []server.Kind{server.Any},
			Run: func(in *server.Input) error { return in.Session.Puppet().SetAttr("mood", in.Arg(0)) },
		})
	}, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.told()
		ada.send(message.New("get_value", "mood"))
		wantTold(t, "nothing yet", ada, `["get_value",[],{"name":"mood","value":null}]`)
		ada.send(message.New("get_value", "broken"))
		wantTold(t, "a value that panics", ada, `["get_value",[],{"name":"broken","value":null}]`)
		ada.send(message.New("get_value", "odd"))
		wantTold(t, "a value that no message can hold", ada, `["get_value",[],{"name":"odd","value":null}]`)
		expect(t, "the log", g.log.String(), "broken value")

		ada.send(message.New("monitor").With("name", "MOOD"))
		time.Sleep(time.Second)
		wantTold(t, "monitored", ada, `["monitor",[],{"name":"mood","value":null}]`)
		ada.send(message.New("monitor", "mood"))
		ada.send(message.New("monitored"))
		time.Sleep(time.Second)
		wantTold(t, "twice is once", ada, `["monitored",[["mood"]],{}]`)

		// The value comes before the text of the same turn, and only if it has
		// changed.
		ada.read()
		ada.send(message.New("feel", "merry"))
		time.Sleep(time.Second)
		wantTold(t, "a change", ada, `["monitor",[],{"name":"mood","value":"merry"}]`)
		ada.send(message.New("feel", "merry"))
		time.Sleep(time.Second)
		wantTold(t, "no change", ada)

		// Many changes are told at most ten times a second, the last one surely.
		for i := range 50 {
			ada.send(message.New("feel", i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		got := ada.told()
		if len(got) < 4 || len(got) > 7 || got[len(got)-1] != `["monitor",[],{"name":"mood","value":49}]` {
			t.Errorf("50 changes in half a second: told %q", got)
		}

		// A reload goes on with it and tells nothing that is known; what the next
		// build sees otherwise it tells. After a crash all is told once more.
		ada.send(message.New("feel", 50))
		g.drain(link.ModeReload)
		g.start()
		time.Sleep(time.Second)
		wantTold(t, "after a reload", ada, `["monitor",[],{"name":"mood","value":50}]`)
		g.drain(link.ModeReload)
		g.cfg.Game.Values[0].Get = func(s *world.Session) any { return "anew" }
		g.start()
		time.Sleep(time.Second)
		wantTold(t, "after a reload to another build", ada, `["monitor",[],{"name":"mood","value":"anew"}]`)
		g.drain(link.ModeReload)
		g.cfg.Game.Values[0].Get = mood
		g.start()
		time.Sleep(time.Second)
		wantTold(t, "and back", ada, `["monitor",[],{"name":"mood","value":50}]`)
		g.kill()
		g.start()
		time.Sleep(time.Second)
		wantTold(t, "after a crash", ada, `["monitor",[],{"name":"mood","value":50}]`)
		ada.send(message.New("feel", nil))
		time.Sleep(time.Second)
		wantTold(t, "a change after it", ada, `["monitor",[],{"name":"mood","value":null}]`)
		ada.send(message.New("unmonitor", "mood"))
		ada.send(message.New("feel", 1))
		ada.send(message.New("monitored"))
		time.Sleep(time.Second)
		wantTold(t, "no more", ada, `["monitored",[[]],{}]`)
		ada.send(message.New("monitor", "no_such"))
		expect(t, "no such value", ada.read(), "no value")

		// Variables: the same values by the names of MSDP.
		ada.send(message.New("msdp_report", "MOOD", "CHARACTER_NAME", "NO_SUCH"))
		time.Sleep(time.Second)
		wantTold(t, "reported", ada, `["msdp",[],{"CHARACTER_NAME":"Ada","MOOD":1}]`)
		ada.send(message.New("feel", 2))
		time.Sleep(time.Second)
		wantTold(t, "one has changed", ada, `["msdp",[],{"MOOD":2}]`)
		ada.send(message.New("msdp_send", "ROOM"))
		got = ada.told()
		if len(got) != 1 || !strings.Contains(got[0], `"NAME":"Anchorage"`) || !strings.Contains(got[0], `"EXITS":{`) {
			t.Errorf("ROOM is %q", got)
		}
		ada.send(message.New("get_values"))
		if got := ada.told(); len(got) != 1 || !strings.Contains(got[0], `"mood":"How the character feels."`) {
			t.Errorf("get_values: %q", got)
		}
		ada.close("gone")
		time.Sleep(time.Second)
	})
}

// A client of GMCP is told what it has listed, from the login on.
func TestValuesByPackage(t *testing.T) {
	bubbleWith(t, func(g *game) {
		g.cfg.Game.Values = []server.Value{
			{Name: "vitals", Package: "char_vitals", Get: func(s *world.Session) any {
				if s.Puppet() == nil {
					return nil
				}
				hp, _ := s.Puppet().Attr("hp")
				return map[string]any{"hp": hp}
			}},
			{Name: "mood", Package: "char_mood_now", Get: func(s *world.Session) any { return "merry" }},
		}
		g.cfg.Game.InputFuncs = append(g.cfg.Game.InputFuncs, server.InputFunc{
			Name: "hurt", Args: []server.Kind{server.Any},
			Run: func(in *server.Input) error { return in.Session.Puppet().SetAttr("hp", in.Arg(0)) },
		})
	}, func(t *testing.T, g *game) {
		gui := g.p.connect()
		gui.info.GMCP, gui.info.Packages = true, "char 1,room 1"
		gui.update()
		time.Sleep(time.Second)
		gui.typ("create Ada tern-on-a-post")
		time.Sleep(time.Second)
		wantTold(t, "at the login", gui, `["char_name",[],{"fullname":"Ada","name":"Ada"}]`, `["char_mood_now",["merry"],{}]`,
			`["room_info",[],{"exits":{"north":2},"name":"Anchorage","num":1}]`, `["char_vitals",[],{"hp":null}]`)
		gui.send(message.New("hurt", 3))
		time.Sleep(time.Second)
		wantTold(t, "hurt", gui, `["char_vitals",[],{"hp":3}]`)
		gui.typ("north")
		time.Sleep(time.Second)
		wantTold(t, "elsewhere", gui, `["room_info",[],{"exits":{"south":1},"name":"Breakwater","num":2}]`)
		gui.info.Packages = "room 1"
		gui.update()
		gui.send(message.New("hurt", 2))
		time.Sleep(time.Second)
		wantTold(t, "no longer listed", gui)
		gui.info.GMCP = false
		gui.update()
		gui.typ("south")
		time.Sleep(time.Second)
		wantTold(t, "GMCP is off", gui)
	})
}

// What one session may have reported is bounded.
func TestValuesBounded(t *testing.T) {
	bubbleWith(t, func(g *game) {
		for i := range 100 {
			g.cfg.Game.Values = append(g.cfg.Game.Values, server.Value{Name: fmt.Sprintf("v%d", i), Get: func(*world.Session) any { return i }})
		}
	}, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.told()
		var names []any
		for i := range 100 {
			names = append(names, fmt.Sprintf("V%d", i))
		}
		ada.send(message.New("msdp_report", names[:64]...))
		time.Sleep(time.Second)
		if got := ada.told(); len(got) != 1 || strings.Count(got[0], `"V`) != 64 {
			t.Errorf("64 values: %.100q", got)
		}
		ada.read()
		ada.send(message.New("msdp_report", names...))
		expect(t, "too many", ada.read(), "At most 64 values")
	})
}

func TestBadValues(t *testing.T) {
	get := func(*world.Session) any { return nil }
	for name, values := range map[string][]server.Value{
		`value "a.b"`:              {{Name: "a.b", Get: get}},
		`value ""`:                 {{Get: get}},
		`value "x": Get is nil`:    {{Name: "x"}},
		`package "no name"`:        {{Name: "x", Get: get, Package: "no name"}},
		`value "X" is given twice`: {{Name: "x", Get: get}, {Name: "X", Get: get}},
	} {
		if err := (server.Game{Values: values}).Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Check = %v, want %q in it", err, name)
		}
	}
}

// Programs get names without tags.
func TestValuesHaveNoTags(t *testing.T) {
	bubbleWith(t, func(g *game) {
		g.cfg.Game.Tags = map[string]string{"tide": "|b"}
	}, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		if err := g.s.Do(t.Context(), func(w *world.World) {
			if err := w.StartRoom().SetName("The |rRed|n |tideQuay|n"); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		ada.told()
		ada.send(message.New("get_value", "location"))
		if got := fmt.Sprint(ada.told()); !strings.Contains(got, "The Red Quay") {
			t.Errorf("location is %s", got)
		}
	})
}
