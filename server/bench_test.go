package server_test

import (
	"context"
	"log/slog"
	"testing"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/session"
	"mudlark.dev/store/memory"
	"mudlark.dev/world"
)

// BenchmarkLine is what one line costs that changes something: over a link in
// memory, through a command and into a store in memory, a hundred lines at a time.
// Without failpoints it must cost what it did before there were any, and with ones
// that do nothing hardly more.
func BenchmarkLine(b *testing.B) {
	b.Run("off", func(b *testing.B) { benchmarkLine(b, "act", nil) })
	b.Run("noop", func(b *testing.B) { benchmarkLine(b, "act", func(string) {}) })
}

// BenchmarkDispatch is BenchmarkLine by what the line does: nothing but answer,
// change an attribute, or look at a room with an exit, a character and a thing.
func BenchmarkDispatch(b *testing.B) {
	for _, line := range []string{"wait", "act", "look"} {
		b.Run(line, func(b *testing.B) { benchmarkLine(b, line, nil) })
	}
}

func benchmarkLine(b *testing.B, what string, fail func(string)) {
	l := pipe.Listen()
	defer l.Close()
	n := int64(0)
	s, err := server.New(server.Config{
		Dialer: l, Store: memory.NewDisk().Open(), Logger: slog.New(slog.DiscardHandler), Failpoint: fail,
		Game: server.Game{
			Build: func(w *world.World) error {
				quay := w.NewRoom("Quay")
				quay.SetDesc("Tarred planks run out over the water and stop, as if the carpenter had been called away.")
				w.SetStartRoom(quay)
				w.NewExit("up", quay, quay)
				w.NewObject("rope", quay)
				_, err := w.NewCharacter("Bell", quay)
				return err
			},
			CmdSets: []*command.CmdSet{{Name: "unloggedin", Commands: []*command.Command{
				{Key: "act", Run: func(c *command.Call) error {
					n++
					c.Msg("done")
					return c.World.StartRoom().SetAttr("n", n)
				}},
				{Key: "wait", Run: func(c *command.Call) error {
					c.Msg("done")
					return nil
				}},
				{Key: "look", Run: func(c *command.Call) error {
					c.Msg(world.Appearance(c.World.StartRoom(), c.World.StartRoom()))
					return nil
				}},
			}}},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	t, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	conn := link.New(t, link.Config{})
	greet(b, conn)
	conn.Send(&link.PortalHello{Version: link.Version, Portal: "portal", Epoch: 1},
		&link.Seat{Index: 1, ID: session.NewID(), Number: 1}, &link.Synced{}, &link.Open{Index: 1, N: 1})
	// until waits for the line to be processed, and gives back what was sent.
	until := func(line uint64) {
		for {
			f, err := conn.Recv()
			if err != nil {
				b.Fatal(err)
			}
			switch f := f.(type) {
			case *link.Output:
				text, _ := f.Message.ArgText(0)
				conn.Send(&link.Credit{Index: 1, Bytes: uint64(len(text) + 1)}, &link.Credit{Bytes: uint64(len(text) + 1)})
			case *link.End:
				for _, l := range f.Lines {
					if l.N >= line {
						return
					}
				}
			}
		}
	}
	until(1)
	line := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		for range 100 {
			line++
			conn.Send(&link.Input{Index: 1, N: line, Message: message.Text(what)})
		}
		until(line)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(line-1), "ns/line")
	conn.Send(&link.Drain{Mode: link.ModeShutdown})
	for {
		if _, err := conn.Recv(); err != nil {
			break
		}
	}
	conn.Close()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}

// greet lets a Server play that has loaded, and takes its second Hello.
func greet(b *testing.B, conn *link.Conn) {
	b.Helper()
	for range 2 {
		f, err := conn.Recv()
		if err != nil {
			b.Fatal(err)
		}
		if hello, ok := f.(*link.ServerHello); ok && hello.Epoch == 0 {
			conn.Send(&link.Go{Mode: hello.Mode})
		}
	}
}
