package binproc_test

import (
	"strings"
	"testing"

	"mudlark.dev/command/builtin"
	"mudlark.dev/examples/binproc"
	"mudlark.dev/launch"
	"mudlark.dev/mudtest"
	"mudlark.dev/portal"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// frame is a frame as it is on the wire.
func frame(kind byte, data string) string {
	return string([]byte{kind, byte(len(data) >> 8), byte(len(data))}) + data
}

func TestBinproc(t *testing.T) {
	game := launch.Game{
		Game: server.Game{
			CmdSets: builtin.Sets(), Screen: "|rHello.|n",
			Build: func(w *world.World) error { w.SetStartRoom(w.NewRoom("The Wire")); return nil },
		},
		Plugins: []portal.Plugin{binproc.Listen("127.0.0.1:9000")},
	}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		c := g.DialAddr("127.0.0.1:9000")
		c.Expect(frame('T', "Hello."))
		c.Write(frame('L', "create Ada"))
		c.Expect(frame('Q', "Choose a password: "))
		c.Write(frame('L', "tern-on-a-post")[:5])
		g.Reload()
		c.Write(frame('L', "tern-on-a-post")[5:])
		c.Expect(frame('Q', "Once more, please: "))
		c.Write(frame('L', "tern-on-a-post") + frame('S', "\x64\x1e") + frame('L', "option"))
		c.Expect("The Wire")
		c.Expect("(now 100)")
		c.Write(frame('M', `["get_value",["name"],{}]`))
		c.Expect(frame('M', `["get_value",[],{"name":"name","value":"Ada"}]`))
		for _, bad := range []string{frame('M', `["get_value"`), frame('Z', ""), frame('L', strings.Repeat("x", 5000))} {
			c.Write(bad)
			if m := c.ExpectRE(`(?s)^.*T..(.+)$`); m[1] == "" {
				t.Errorf("%q is answered with nothing", bad)
			}
		}
		c.Write(frame('L', "quit"))
		c.Expect("X\x00")
		c.ExpectClosed()

		cut := g.DialAddr("127.0.0.1:9000")
		cut.Write("L\xff\xffcut short")
		cut.Close()
		g.Wait()
		if n := len(g.Portal().Status().Sessions); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}
