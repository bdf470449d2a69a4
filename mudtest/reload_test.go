package mudtest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"mudlark.dev/mudtest"
)

// TestHundredReloads replaces the Server a hundred times while three players type
// all the time. Each line is answered once, in its order, and what a Server had is
// gone with it.
func TestHundredReloads(t *testing.T) {
	const reloads = 100
	mudtest.Run(t, quay(), func(g *mudtest.Game) {
		var players []*mudtest.Client
		for _, name := range []string{"Ada", "Bob", "Cid"} {
			c := g.Dial()
			c.Login(name)
			players = append(players, c)
		}
		g.Reload()
		before := runtime.NumGoroutine()
		for range reloads {
			for _, c := range players {
				c.Send("count")
			}
			g.Reload()
			for _, c := range players {
				c.Write("count\r\ncount\r\n") // not waited for
			}
			g.Reload()
			g.Advance(100 * time.Millisecond) // nobody types more than a limit allows
		}
		for i, c := range players {
			text := c.Text()
			from := 0
			for n := 1; n <= 3*reloads; n++ {
				answer := fmt.Sprintf("That makes %d.", n)
				at := strings.Index(text[from:], answer)
				if at < 0 {
					t.Fatalf("player %d: %q is missing, or out of its order, in %q", i, answer, text[max(0, from-200):min(len(text), from+400)])
				}
				from += at + len(answer)
			}
			if n := strings.Count(text, "That makes"); n != 3*reloads {
				t.Errorf("player %d: %d answers to %d lines", i, n, 3*reloads)
			}
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines after %d reloads, %d before", after, 2*reloads, before)
		}
	})
}
