package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/server"
	"mudlark.dev/service"
	"mudlark.dev/world"
)

// A plugin's service acts on the world with Do, has slow work done off the loop
// with World.Go, and ends with its Server; the next one has its own.
func TestServerPlugin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t)
		starts, ends := 0, 0
		var after error
		g.cfg.Settings = map[string]string{"clock.every": "1m"}
		g.cfg.Game.ServerPlugins = []server.Plugin{{Name: "clock", Start: func(s *server.Server) error {
			every, err := time.ParseDuration(s.Setting("clock.every"))
			if err != nil {
				return err
			}
			return s.AddService(service.Func("clock", func(ctx context.Context) error {
				starts++
				tick := time.NewTicker(every)
				defer tick.Stop()
				for {
					select {
					case <-ctx.Done():
						ends++
						after = s.Do(context.Background(), func(*world.World) { t.Error("Do ran after the end") })
						return nil
					case <-tick.C:
					}
					if err := s.Do(ctx, func(w *world.World) {
						w.Go(func(context.Context) any { return "worked out elsewhere" }, func(result any) {
							w.StartRoom().MsgContents("Bong: " + result.(string))
						})
					}); err != nil {
						return err
					}
				}
			}))
		}}}
		g.start()
		ada := g.login("Ada")
		ada.read()
		time.Sleep(90 * time.Second)
		expect(t, "the clock", ada.read(), "Bong: worked out elsewhere")
		g.drain(link.ModeReload)
		if starts != 1 || ends != 1 || !errors.Is(after, server.ErrStopped) {
			t.Errorf("%d starts, %d ends, Do = %v; want one each and ErrStopped", starts, ends, after)
		}
		g.start()
		ada.read()
		time.Sleep(70 * time.Second)
		expect(t, "the clock of the next Server", ada.read(), "Bong")
		g.end()
	})
}

// What fails is named where people look; the game goes on.
func TestServerPluginFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t)
		idle := func(name string) service.Service {
			return service.Func(name, func(ctx context.Context) error { <-ctx.Done(); return nil })
		}
		g.cfg.Game.ServerPlugins = []server.Plugin{
			{Name: "first", Start: func(s *server.Server) error { return s.AddService(idle("lamp")) }},
			{Name: "second", Start: func(s *server.Server) error { return s.AddService(idle("lamp")) }},
			{Name: "third", Start: func(*server.Server) error { panic("too early") }},
			{Name: "off", Start: func(*server.Server) error { return nil }},
			{Name: "last", Start: func(s *server.Server) error {
				return s.AddService(service.Func("tired", func(context.Context) error { panic("no more") }))
			}},
		}
		g.start()
		ada := g.login("Ada")
		ada.read()
		ada.typ("services")
		synctest.Wait()
		expect(t, "services", ada.read(),
			"server|,lamp|,|,running",
			`plugin second|,|,failed: service: name is taken: "lamp" of plugin second, added before by plugin first`,
			"plugin third|,|,failed: panic: too early",
			"tired|,|,failed: panic: no more")
		ada.typ("services/stop lamp", "services")
		expect(t, "stopped", ada.read(), "lamp|,|,stopped")
		ada.typ("services/start lamp")
		expect(t, "started", ada.read(), "lamp|,|,running")
		g.end()
	})
	for _, tt := range []struct {
		plugins []server.Plugin
		want    string
	}{
		{[]server.Plugin{{Start: func(*server.Server) error { return nil }}}, "plugin 1 has no name"},
		{[]server.Plugin{{Name: "a"}}, `plugin "a" has no Start function`},
		{[]server.Plugin{{Name: "a", Start: func(*server.Server) error { return nil }}, {Name: "a", Start: func(*server.Server) error { return nil }}}, `there are two plugins "a"`},
	} {
		if _, err := server.New(server.Config{Game: server.Game{ServerPlugins: tt.plugins}}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New = %v, want %q", err, tt.want)
		}
	}
}
