package weather_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mudlark.dev/command/builtin"
	"mudlark.dev/config"
	"mudlark.dev/examples/weather"
	"mudlark.dev/launch"
	"mudlark.dev/mudtest"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// game has a moor to stand on, and the weather of a file.
func game(file string) launch.Game {
	settings := weather.Settings()
	settings[0].Default = file
	return launch.Game{
		Game: server.Game{
			CmdSets: builtin.Sets(), FirstPerm: "Developer", ServerPlugins: []server.Plugin{weather.Plugin},
			Build: func(w *world.World) error {
				moor := w.NewRoom("The Moor")
				w.SetStartRoom(moor)
				return w.AddTag(moor, "outdoors", "")
			},
		},
		Settings: append([]config.Setting{{Name: "game.name", Default: "Moor"}}, settings...),
	}
}

func TestWeather(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weather")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mudtest.Run(t, game(file), func(g *mudtest.Game) {
		ada := g.Dial()
		ada.Login("Ada")
		g.Advance(2 * time.Minute) // there is no file yet
		write("Fog comes in, |rthick|n as wool.\n")
		g.Advance(time.Minute)
		ada.Expect("Fog comes in, |rthick|n as wool.")
		g.Advance(5 * time.Minute)
		ada.Refute("Fog")
		g.Reload()
		write("The fog lifts.")
		g.Advance(time.Minute)
		ada.Expect("The fog lifts.")
		ada.Send("services/stop weather")
		ada.Expect("weather")
		write("Hail.")
		g.Advance(5 * time.Minute)
		ada.Refute("Hail")
		ada.Send("services/start weather")
		g.Advance(time.Minute)
		ada.Expect("Hail.")
	})
}

func TestWeatherIsOff(t *testing.T) {
	mudtest.Run(t, game(""), func(g *mudtest.Game) {
		ada := g.Dial()
		ada.Login("Ada")
		ada.Send("services")
		ada.Refute("weather")
	})
}
