package bridge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/command/builtin"
	"mudlark.dev/examples/bridge"
	"mudlark.dev/launch"
	"mudlark.dev/mudtest"
	"mudlark.dev/portal"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// A chatServer is a chat that the bridge dials.
type chatServer struct {
	mu    sync.Mutex
	conn  net.Conn
	heard []string
	dials int
	down  bool
}

func (s *chatServer) dial(_ context.Context, addr string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	if s.down {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	s.conn = ours
	go func() {
		lines := bufio.NewScanner(ours)
		for lines.Scan() {
			s.mu.Lock()
			s.heard = append(s.heard, lines.Text())
			s.mu.Unlock()
		}
	}()
	return theirs, nil
}

func (s *chatServer) say(line string) {
	fmt.Fprintf(s.conn, "%s\n", line)
	synctest.Wait()
}

func (s *chatServer) lines() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.heard, "\n")
	s.heard = nil
	return all
}

// set is whether the chat can be reached.
func (s *chatServer) set(down bool) {
	s.mu.Lock()
	s.down = down
	s.mu.Unlock()
	if down {
		s.conn.Close()
	}
}

func game(chat *chatServer, password string) launch.Game {
	settings := bridge.Settings()
	settings[0].Default, settings[2].Default = "chat.example:6667", password
	return launch.Game{
		Game: server.Game{
			CmdSets: builtin.Sets(), FirstPerm: "Developer",
			Build: func(w *world.World) error { w.SetStartRoom(w.NewRoom("The Parlour")); return nil },
		},
		Plugins:  []portal.Plugin{bridge.Plugin(bridge.Config{Dial: chat.dial})},
		Settings: settings,
	}
}

func TestBridge(t *testing.T) {
	chat := &chatServer{down: true}
	mudtest.Run(t, game(chat, "tern-on-a-post"), func(g *mudtest.Game) {
		g.AllowErrors() // a chat that cannot be reached is one
		ada := g.Dial()
		ada.Login("Ada")
		made := g.Dial()
		made.Login("Chat") // the account, with the password of every Login
		made.Close()
		ada.Send("services")
		ada.Expect("bridge")
		ada.Expect("failed: connection refused")
		chat.set(false)
		g.Advance(time.Minute) // it is tried again by itself
		ada.Expect("Chat has arrived in the game.")

		chat.say("bob: hello |rthere|n")
		ada.Expect(`Chat says, "[bob] hello |rthere|n"`) // nobody colours another's text
		chat.say("*** carol has joined")
		ada.Send("say good evening")
		if got := chat.lines(); got != "Ada: good evening" {
			t.Errorf("the chat reads %q", got)
		}
		// A reload, and even a crash, is nothing to the chat.
		g.Reload()
		chat.say("bob: still here?")
		ada.Expect("[bob] still here?")
		g.Kill()
		ada.Send("say still here")
		if got := chat.lines(); got != "Ada: still here" {
			t.Errorf("after a crash the chat reads %q", got)
		}
		// The chat is lost, and found again.
		chat.set(true)
		ada.Expect("Chat has left the game.")
		g.Advance(10 * time.Second)
		chat.set(false)
		g.Advance(2 * time.Minute)
		ada.Expect("Chat has arrived in the game.")
		chat.say("bob: back again")
		ada.Expect("[bob] back again")
		ada.Send("services/stop bridge")
		ada.Expect("Chat has left the game.")
	})
}

func TestBridgeWithoutPassword(t *testing.T) {
	mudtest.Run(t, game(&chatServer{}, ""), func(g *mudtest.Game) {
		g.AllowErrors()
		if st := g.Portal().Status().Plugins[0]; st.Error != "bridge.password is empty" {
			t.Errorf("plugin: %+v", st)
		}
	})
}

// A bridge that the game does not let in says so, and tries again.
func TestBridgeWithAWrongPassword(t *testing.T) {
	mudtest.Run(t, game(&chatServer{}, "not the password"), func(g *mudtest.Game) {
		g.AllowErrors()
		made := g.Dial()
		made.Login("Chat")
		bridge := func() portal.ServiceStatus { return g.Portal().Status().Services[1] }
		if st := bridge(); st.State != portal.StateRunning {
			t.Errorf("before a minute is over: %+v", st)
		}
		g.Advance(time.Minute)
		const want = "the game has not let Chat in; see bridge.account and bridge.password"
		if st := bridge(); st.State != portal.StateFailed || st.Error != want {
			t.Errorf("after a minute: %+v", st)
		}
		if n := len(g.Portal().Status().Sessions); n != 1 {
			t.Errorf("%d sessions, want the player's alone", n)
		}
		g.Advance(time.Second)
		if st := bridge(); st.State != portal.StateRunning {
			t.Errorf("a second later: %+v", st)
		}
	})
}
