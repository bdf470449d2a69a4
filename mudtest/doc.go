// Package mudtest plays a game in a test as its players would: a Portal with
// telnet and the game's plugins, and a Server with the game, all in one process,
// on a clock that stands while anybody works and jumps when everybody waits.
// Nothing of it is a stand-in but the network, the disk and the clock.
//
//	func TestPoke(t *testing.T) {
//		mudtest.Run(t, Game(), func(g *mudtest.Game) {
//			ada, bob := g.Dial(), g.Dial()
//			ada.Login("Ada")
//			bob.Login("Bob")
//			ada.Send("poke bob")
//			ada.Expect("You poke Bob.")
//			bob.Expect("Ada pokes you.")
//			g.Kill() // as kill -9 does; a new Server takes over
//			ada.Send("look")
//			ada.Expect("Bob")
//		})
//	}
//
// A test takes milliseconds whatever it waits for, and gives the same result
// each time. When it fails it prints what the client has sent and read. An
// error in the log of Portal or Server, such as a panic in a command, fails it,
// too, unless it was announced by Game.AllowErrors.
//
// The test runs in a bubble of package testing/synctest, whose rules hold for
// what the game starts: goroutines that outlive the game, and real sockets, do
// not belong there. Ports that plugins open with portal.Listen are in memory, and
// Game.DialAddr reaches them.
package mudtest
