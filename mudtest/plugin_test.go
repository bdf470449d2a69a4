package mudtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/mudtest"
	"mudlark.dev/portal"
	"mudlark.dev/server"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// listenAt is a plugin that has shout listen at addr.
func listenAt(name, addr string) portal.Plugin {
	return portal.Plugin{Name: name, Start: func(p *portal.Portal) error {
		return p.AddService(portal.Listen(name, addr, shout{}))
	}}
}

func states(g *mudtest.Game) string {
	var out []string
	for _, s := range g.Portal().Status().Services {
		out = append(out, s.Name+" "+s.State)
	}
	return strings.Join(out, ", ")
}

// A port that is taken stops nobody else, and is opened once it is free.
func TestTakenPort(t *testing.T) {
	game := quay()
	game.Plugins = []portal.Plugin{listenAt("first", "127.0.0.1:7000"), listenAt("second", "127.0.0.1:7000"), listenAt("third", "127.0.0.1:7001")}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		g.AllowErrors()
		if got := states(g); got != "telnet:4000 running, first:7000 running, second:7000 failed, third:7001 running" {
			t.Errorf("services: %s", got)
		}
		g.DialAddr("127.0.0.1:7001").Expect("WELCOME")
		if err := g.Portal().StopService("first:7000"); err != nil {
			t.Error(err)
		}
		g.Advance(2 * time.Minute)
		if got := states(g); got != "telnet:4000 running, first:7000 stopped, second:7000 running, third:7001 running" {
			t.Errorf("services: %s", got)
		}
		g.DialAddr("127.0.0.1:7000").Expect("WELCOME")
	})
}

func TestPluginsThatFail(t *testing.T) {
	game := quay()
	game.Plugins = []portal.Plugin{
		listenAt("good", "127.0.0.1:7000"),
		{Name: "clash", Start: func(p *portal.Portal) error {
			return errors.Join(p.AddService(portal.Listen("other", "127.0.0.1:7005", shout{})), p.AddService(portal.Listen("good", "127.0.0.1:7000", shout{})))
		}},
		{Name: "panics", Start: func(*portal.Portal) error { panic("out of tea") }},
		{Name: "off", Start: func(*portal.Portal) error { return nil }},
	}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		g.AllowErrors()
		if got := states(g); got != "telnet:4000 running, good:7000 running" {
			t.Errorf("services: %s; what a failing plugin added is to go", got)
		}
		var failed []string
		for _, p := range g.Portal().Status().Plugins {
			failed = append(failed, p.Name+": "+p.Error)
		}
		want := `good: 
clash: service: name is taken: "good:7000" of plugin clash, added before by plugin good
panics: panic: out of tea
off: `
		if got := strings.Join(failed, "\n"); got != want {
			t.Errorf("plugins:\n%s\nwant:\n%s", got, want)
		}
		g.Dial().Login("Ada")
	})
}

// An outputfunc of the game's takes the place of the protocol's own, and one that
// fails costs only its message.
func TestOutputFuncsOfAGame(t *testing.T) {
	game := quay()
	game.OutputFuncs = map[string]map[string]portal.OutputFunc{"shout": {"Sum": func(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
		n, _ := m.ArgInt(0)
		switch n {
		case 13:
			panic("unlucky")
		case 14:
			return dst, errors.New("unluckier")
		}
		return fmt.Appendf(dst, "THE SUM IS %d\n", n), nil
	}}}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		g.AllowErrors()
		c := g.DialAddr("127.0.0.1:7000")
		sum := func(n int) {
			c.Session(func(s *world.Session) { s.Send(message.New("sum", n), message.Options{}) })
		}
		sum(5)
		c.Expect("THE SUM IS 5\n")
		sum(13)
		sum(14)
		sum(6)
		c.Expect("THE SUM IS 6\n")
		for _, want := range []string{"unlucky", "unluckier"} {
			if !strings.Contains(g.Log(), want) {
				t.Errorf("the log lacks %q", want)
			}
		}
	})
	ok := func(dst []byte, _ message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
		return dst, nil
	}
	l := pipe.Listen()
	defer l.Close()
	for name, f := range map[string]portal.OutputFunc{"text": ok, "no name": ok, "nothing": nil} {
		_, err := portal.New(portal.Config{Listener: l, OutputFuncs: map[string]map[string]portal.OutputFunc{"telnet": {name: f}}})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("outputfunc %q of telnet", name)) {
			t.Errorf("%q: New = %v", name, err)
		}
	}
}

// A slow outputfunc delays what stands behind it, in order, and loses nothing;
// what players type is taken meanwhile.
func TestSlowOutputFunc(t *testing.T) {
	game := quay()
	game.OutputFuncs = map[string]map[string]portal.OutputFunc{"telnet": {"sum": func(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
		time.Sleep(20 * time.Second) // longer than a Server may be silent
		return fmt.Appendf(dst, "slow\r\n"), nil
	}}}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		ada, bob := g.Dial(), g.Dial()
		ada.Login("Ada")
		bob.Login("Bob")
		ada.Text()
		begun := time.Now()
		ada.Session(func(s *world.Session) { s.Send(message.New("sum", 1), message.Options{}) })
		ada.Send("count")
		bob.Send("count")
		ada.Expect("slow")
		ada.Expect("makes 1.")
		bob.Expect("makes 1.")
		if took := time.Since(begun); took < 20*time.Second || took > 22*time.Second {
			t.Errorf("it took %v", took)
		}
		if !strings.Contains(g.Log(), "output was held up") {
			t.Error("the log does not say so")
		}
		if st := g.Portal().Status().Server; st.Cause != "" {
			t.Errorf("the Server was taken for hung: %s", st.Cause)
		}
	})
}

// leaver reads one line, leaves, and tries to go on.
type leaver struct{ after chan error }

func (leaver) Key() string { return "leaver" }

func (l leaver) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	s, err := p.Connect(ctx, shoutClient{c}, session.Info{Protocol: "leaver", Addr: c.RemoteAddr().String()})
	if err != nil {
		return err
	}
	buf := make([]byte, 100)
	if _, err := c.Read(buf); err != nil {
		return err
	}
	s.Disconnect("done")
	s.Disconnect("done twice")
	l.after <- s.DataIn(ctx, message.Text("look"))
	return nil
}

func TestDataInAfterClose(t *testing.T) {
	game := quay()
	l := leaver{make(chan error, 1)}
	game.Plugins = []portal.Plugin{{Name: "leaver", Start: func(p *portal.Portal) error {
		return p.AddService(portal.Listen("leaver", "127.0.0.1:7000", l))
	}}}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		c := g.DialAddr("127.0.0.1:7000")
		c.Send("x")
		c.ExpectClosed()
		if err := <-l.after; !errors.Is(err, portal.ErrClosed) {
			t.Errorf("DataIn = %v, want ErrClosed", err)
		}
	})
}

// The game and the client end a session in the same moment.
func TestClosedFromBothSides(t *testing.T) {
	for i := range 20 {
		game := quay()
		ends := 0
		game.Typeclasses = []world.Typeclass{world.Class[leaving]("account")}
		game.AtServerStop = func(w *world.World, _ server.Mode) error {
			if a, ok := world.As[*leaving](w.AccountByName("Ada")); ok {
				ends = a.Ends.Get()
			}
			return nil
		}
		mudtest.Run(t, game, func(g *mudtest.Game) {
			c := g.DialAddr("127.0.0.1:7000")
			c.Login("Ada")
			go func() {
				time.Sleep(time.Duration(i%3) * time.Nanosecond)
				c.Close()
			}()
			g.Do(func(w *world.World) {
				for _, s := range w.Sessions() {
					s.Disconnect("the game is done with you")
				}
			})
			g.Advance(time.Second)
			if n := len(g.Portal().Status().Sessions); n != 0 {
				t.Errorf("%d sessions are left at the Portal", n)
			}
			g.Do(func(w *world.World) {
				if n := len(w.Sessions()); n != 0 {
					t.Errorf("%d sessions are left in the world", n)
				}
			})
			synctest.Wait()
		})
		if ends != 1 {
			t.Errorf("AtDisconnect was called %d times", ends)
		}
	}
}

// leaving counts how often a session of it ended.
type leaving struct {
	world.Account
	Ends world.Attr[int]
}

func (a *leaving) AtDisconnect(*world.Session, string) {
	if err := a.Ends.Set(a.Ends.Get() + 1); err != nil {
		panic(err)
	}
}
