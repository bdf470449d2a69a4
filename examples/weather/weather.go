// Package weather is an example of a plugin of the Server: whatever stands in a
// file, a forecast that some other program writes, is the weather of the game.
package weather

import (
	"context"
	"os"
	"strings"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/markup"
	"mudlark.dev/server"
	"mudlark.dev/service"
	"mudlark.dev/world"
)

// Plugin is what a game names among its ServerPlugins. It is off as long as the
// setting weather.file is empty.
var Plugin = server.Plugin{Name: "weather", Start: func(s *server.Server) error {
	file := s.Setting("weather.file")
	if file == "" {
		return nil
	}
	return s.AddService(service.Func("weather", func(ctx context.Context) error { return watch(ctx, s, file) }))
}}

// Settings are what a game that has the plugin adds to its own.
func Settings() []config.Setting {
	return []config.Setting{{Name: "weather.file", Doc: "The file whose text is the weather; empty means that there is none."}}
}

// watch looks at the file each minute, until ctx is done.
func watch(ctx context.Context, s *server.Server, file string) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// Do is the way into the world, Go the way out of it: the file is read
		// by somebody who may wait, and its text comes back to the loop.
		err := s.Do(ctx, func(w *world.World) {
			w.Go(func(context.Context) any {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				return string(text)
			}, func(result any) {
				if text, ok := result.(string); ok { // without the file the weather stays as it is
					change(w, strings.TrimSpace(text))
				}
			})
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// change tells everybody who is outdoors, if the weather is another than before.
// The file is not ours, so its text is shown as it is, tags and all.
func change(w *world.World, text string) {
	if text == "" || w.Setting("weather") == text {
		return
	}
	if err := w.SetSetting("weather", text); err != nil {
		return // too long to be a weather
	}
	for _, e := range w.Tagged("outdoors", "") {
		if room, ok := world.As[*world.Room](e); ok {
			room.MsgContents(markup.Escape(text))
		}
	}
}
