package mudtest_test

import (
	"fmt"
	"strings"
	"testing"

	"mudlark.dev/mudtest"
)

// A list of games asks, by the option and by a line, and is no player.
func TestMSSP(t *testing.T) {
	game := quay()
	game.MSSP = map[string][]string{"genre": {"Fantasy"}, "Codebase": {"Quay 2"}, "REFERRAL": {"a.example 4000", "b.example 4000"}}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		begun := g.Portal().Status().Started.Unix()
		ada := g.Dial()
		ada.Login("Ada")
		crawler := g.DialAddr("127.0.0.1:4000")
		crawler.Write("\xff\xfd\x46")
		const v, w = "\x01", "\x02"
		got := crawler.Expect("\xff\xf0")
		for _, want := range []string{
			"\xff\xfa\x46" + v + "NAME" + w + "Quay", v + "PLAYERS" + w + "1", v + "UPTIME" + w + fmt.Sprint(begun), v + "PORT" + w + "4000",
			v + "CODEBASE" + w + "Quay 2", v + "GENRE" + w + "Fantasy", v + "REFERRAL" + w + "a.example 4000" + w + "b.example 4000",
			v + "GMCP" + w + "1", v + "CHARSET" + w + "US-ASCII" + w + "ISO-8859-1" + w + "UTF-8", v + "UTF-8" + w + "1",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("it is not told %q: %q", want, got)
			}
		}
		for range 10 { // it may not ask for ever
			crawler.Write("\xff\xfe\x46\xff\xfd\x46")
		}
		if n := strings.Count(string(crawler.Raw()), "\xff\xfa\x46"); n != 3 {
			t.Errorf("it was told %d times, want 3", n)
		}
		crawler.Close()
		old := g.Dial()
		old.Send("MSSP-REQUEST")
		old.Expect("MSSP-REPLY-START\nNAME\tQuay\nPLAYERS\t1\n")
		old.Expect("MSSP-REPLY-END\n")
		old.Send("MSSP-REQUEST") // the game's, from the second line on
		old.Expect("is not available")
	})
}
