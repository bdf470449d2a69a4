package mudtest_test

import (
	"fmt"
	"testing"

	"mudlark.dev/mudtest"
	"mudlark.dev/world"
)

// A connection screen that is not the same for everybody.
func TestScreenFunc(t *testing.T) {
	game := quay()
	game.ScreenFunc = func(s *world.Session) string {
		return fmt.Sprintf("Hello, %s. There are %d accounts.", s.Info().Protocol, s.World().Accounts())
	}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		ada := g.Dial()
		ada.Expect("Hello, telnet. There are 0 accounts.")
		ada.Login("Ada")
		g.DialAddr("127.0.0.1:7000").Expect("HELLO, SHOUT. THERE ARE 1 ACCOUNTS.")
	})
}
