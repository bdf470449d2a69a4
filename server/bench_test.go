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
	b.Run("off", func(b *testing.B) { benchmarkLine(b, nil) })
	b.Run("noop", func(b *testing.B) { benchmarkLine(b, func(string) {}) })
}

func benchmarkLine(b *testing.B, fail func(string)) {
	l := pipe.Listen()
	defer l.Close()
	n := int64(0)
	s, err := server.New(server.Config{
		Dialer: l, Store: memory.NewDisk().Open(), Logger: slog.New(slog.DiscardHandler), Failpoint: fail,
		Game: server.Game{
			Build: func(w *world.World) error { w.SetStartRoom(w.NewRoom("Quay")); return nil },
			CmdSets: []*command.CmdSet{{Name: "unloggedin", Commands: []*command.Command{{Key: "act", Run: func(c *command.Call) error {
				n++
				c.Msg("done")
				return c.World.StartRoom().SetAttr("n", n)
			}}}}},
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
	if _, err := conn.Recv(); err != nil {
		b.Fatal(err)
	}
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
			conn.Send(&link.Input{Index: 1, N: line, Message: message.Text("act")})
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
