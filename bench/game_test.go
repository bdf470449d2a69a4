package bench_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mudlark.dev/bench/floor"
	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/internal/gcpace"
	"mudlark.dev/link/unix"
	"mudlark.dev/portal"
	"mudlark.dev/portal/telnetd"
	"mudlark.dev/server"
	"mudlark.dev/store/sqlite"
	"mudlark.dev/world"
)

// What players type, and the end of what they read then.
const (
	lineLook = "look\r\n"
	doneLook = "You see: the end of the pier\r\n"
	lineDig  = "dig\r\n"
	doneDig  = "You dig in the mud.\r\n"
	eachRoom = 10 // characters in it
)

// newGame returns a game whose clients play as they connect, so many in each room.
func newGame(inEachRoom int) server.Game {
	players := 0
	var at *world.Room
	enter := func(c *command.Call) error {
		if players%inEachRoom == 0 {
			at = c.World.NewRoom("The Ferry Jetty")
			at.SetDesc(strings.Repeat("Tarred planks run out over the |wwater|n and stop, as if the carpenter had been called away. ", 3))
			c.World.NewExit("up", at, c.World.StartRoom())
			c.World.NewObject("the end of the pier", at)
		}
		players++
		name := fmt.Sprintf("Player%d", players)
		a, err := c.World.NewAccount(name, "")
		if err != nil {
			return err
		}
		ch, err := c.World.NewCharacter(name, at)
		if err != nil {
			return err
		}
		if err := a.AddCharacter(ch); err != nil {
			return err
		}
		if err := c.Session.Login(a); err != nil {
			return err
		}
		if err := c.Session.SetPuppet(ch); err != nil {
			return err
		}
		return c.Look()
	}
	dig := func(c *command.Call) error {
		n, _ := c.Puppet.Attr("dug")
		dug, _ := n.(int64)
		c.Msg("You dig in the mud.")
		return c.Puppet.SetAttr("dug", dug+1)
	}
	sets := builtin.Sets()
	for _, set := range sets {
		switch set.Name {
		case "unloggedin":
			set.Commands = []*command.Command{{Key: command.LoginStart, Hidden: true, Run: enter}}
		case command.CharacterSet:
			set.Commands = append(set.Commands, &command.Command{Key: "dig", Run: dig})
		}
	}
	return server.Game{
		Name: "Bench", CmdSets: sets,
		Build: func(w *world.World) error { w.SetStartRoom(w.NewRoom("The Mudflats")); return nil },
	}
}

// play plays the game, its Portal and its Server in this process, with the link and
// the store of a real one, and returns the address of its telnet.
func play(b *testing.B, inEachRoom int) string {
	b.Helper()
	gcpace.Keep(gcpace.Floor)             // as in the processes of a game
	dir, err := os.MkdirTemp("", "bench") // short, as the name of a socket has to be
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	log := slog.New(slog.DiscardHandler)
	links, err := unix.Listen(filepath.Join(dir, "link"))
	if err != nil {
		b.Fatal(err)
	}
	tn, err := telnetd.New(telnetd.Config{Wait: time.Millisecond, Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	started := make(chan portal.Status, 1)
	p, err := portal.New(portal.Config{
		Listener: links, Logger: log, Epoch: 1, Strict: true,
		Limits:    portal.Limits{ConnectionsPerAddress: -1, ConnectionsPerSecond: -1, MessagesPerSecond: -1},
		OnStarted: func(st portal.Status) { started <- st },
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.AddService(portal.Listen("telnet", "127.0.0.1:0", tn)); err != nil {
		b.Fatal(err)
	}
	db, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(b.TempDir(), "game.db"), Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	s, err := server.New(server.Config{
		Game: newGame(inEachRoom), Dialer: unix.Dialer(filepath.Join(dir, "link")), Store: db, Logger: log, Slow: -1,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	portalEnded, serverEnded := make(chan error, 1), make(chan error, 1)
	go func() { portalEnded <- p.Run(ctx) }()
	var st portal.Status
	select {
	case st = <-started:
	case err := <-portalEnded:
		b.Fatal(err)
	}
	serverCtx, stopServer := context.WithCancel(context.Background())
	go func() { serverEnded <- s.Run(serverCtx) }()
	b.Cleanup(func() {
		stopServer() // first, so that it ends in order
		if err := <-serverEnded; err != nil {
			b.Error("server:", err)
		}
		cancel()
		if err := <-portalEnded; err != nil {
			b.Error("portal:", err)
		}
		db.Close()
	})
	return st.Services[0].Addr
}

// serve serves with a yardstick until the benchmark is over, and returns its address.
func serve(b *testing.B, s func(context.Context, net.Listener) error) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s(ctx, l) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	return l.Addr().String()
}

// BenchmarkGame has clients type to a whole game, to a bare echo and to a bare
// relay, a quarter of a second each in turns, four times in an iteration. "look"
// changes nothing; "dig" changes an attribute, which is committed before its player
// is told; "half" is both by turns. vs-echo and vs-relay are the game's lines/s as a
// share of theirs. "mudlark bench targets" measures the same in real processes.
func BenchmarkGame(b *testing.B) {
	benchmark(b, floor.Echo{}.Serve, floor.Relay{}.Serve)
}

// BenchmarkGameAlone is BenchmarkGame without the yardsticks, for profiles: its
// figures are not to be compared with any.
func BenchmarkGameAlone(b *testing.B) { benchmark(b) }

func benchmark(b *testing.B, yardsticks ...func(context.Context, net.Listener) error) {
	look, dig := floor.Turn{Line: lineLook, Done: doneLook}, floor.Turn{Line: lineDig, Done: doneDig}
	for _, bb := range []struct {
		name  string
		turns []floor.Turn
	}{
		{"look", []floor.Turn{look}},
		{"half", []floor.Turn{look, dig}},
		{"dig", []floor.Turn{dig}},
	} {
		for _, clients := range []int{1, 200} {
			b.Run(fmt.Sprintf("%s/clients=%d", bb.name, clients), func(b *testing.B) {
				all := []*floor.Swarm{swarm(b, dial(b, play(b, eachRoom), clients), bb.turns...)}
				for _, y := range yardsticks {
					var conns []net.Conn
					addr := serve(b, y)
					for range clients {
						c, err := net.Dial("tcp", addr)
						if err != nil {
							b.Fatal(err)
						}
						conns = append(conns, c)
					}
					all = append(all, swarm(b, conns, floor.Turn{Line: floor.Line, Done: floor.Line}))
				}
				sums := make([]floor.Sum, len(all))
				for b.Loop() {
					for range 4 {
						for i, p := range all {
							r, err := p.Type(b.Context(), 250*time.Millisecond)
							if err != nil {
								b.Fatal(err)
							}
							sums[i].Add(r)
						}
					}
				}
				b.ReportMetric(0, "ns/op") // an iteration is a time
				b.ReportMetric(sums[0].PerSecond(), "lines/s")
				b.ReportMetric(float64(sums[0].P50())/1e3, "p50-µs")
				b.ReportMetric(float64(sums[0].P99())/1e3, "p99-µs")
				for i, name := range []string{"vs-echo", "vs-relay"}[:len(yardsticks)] {
					b.ReportMetric(sums[0].PerSecond()/sums[i+1].PerSecond(), name)
				}
			})
		}
	}
}

// swarm makes clients of connections, who type the turns.
func swarm(b *testing.B, conns []net.Conn, turns ...floor.Turn) *floor.Swarm {
	b.Helper()
	s, err := floor.NewSwarm(conns)
	if errors.Is(err, errors.ErrUnsupported) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	if err := s.Script(func(int) []floor.Turn { return turns }); err != nil {
		b.Fatal(err)
	}
	return s
}

// dial has clients come into the game at addr. Nothing is left to be read from their
// connections.
func dial(b *testing.B, addr string, clients int) (conns []net.Conn) {
	b.Helper()
	var readers []*bufio.Reader
	for range clients {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		conns, readers = append(conns, c), append(readers, bufio.NewReader(c))
		if err := floor.SkipTo(readers[len(readers)-1], []byte(doneLook)); err != nil {
			b.Fatal(err)
		}
	}
	// What those who came earlier were told of those who came later is read as well.
	for i, c := range conns {
		if _, err := c.Write([]byte(lineLook)); err != nil {
			b.Fatal(err)
		}
		if err := floor.SkipTo(readers[i], []byte(doneLook)); err != nil {
			b.Fatal(err)
		}
		c.SetDeadline(time.Time{})
	}
	return conns
}

// BenchmarkCrowdAlone has 1,000 in one room hear 200 lines a second of any of them,
// for profiles: its figures are not to be compared with any.
func BenchmarkCrowdAlone(b *testing.B) {
	const rate, listeners = 200, 1000
	s := swarm(b, dial(b, play(b, listeners), listeners), floor.Turn{Line: lineLook, Done: doneLook})
	for seed := uint64(0); b.Loop(); seed++ {
		h, err := s.Speak(b.Context(), floor.Crowd{Rate: rate, Duration: 5 * time.Second, Seed: seed, Line: func(dst []byte, speaker, n int) []byte {
			return fmt.Appendf(dst, "say b%d.%d\r\n", speaker, n)
		}})
		if err != nil || h.Missing+h.Disordered > 0 {
			b.Fatalf("%+v, %v: not all was heard", h, err)
		}
		b.ReportMetric(h.PerSecond, "deliveries/s")
		b.ReportMetric(float64(h.Deliveries)/float64(h.Reads), "lines/read")
	}
	b.ReportMetric(0, "ns/op") // an iteration is a time
}
