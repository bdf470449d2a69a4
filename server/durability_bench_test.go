package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/link/unix"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/session"
	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
	"mudlark.dev/world"
)

// benchEntities are the things of the benchmarks' world, each with a record of
// some 600 bytes.
const benchEntities = 10_000

// A benchGame is a Server with a file on disk, and the other end of its link over
// a socket.
type benchGame struct {
	b    *testing.B
	conn *link.Conn
	n    uint64      // of the last line
	ends chan uint64 // the lines that were processed
	st   *timedStore
	stop func()
}

// A timedStore knows how long it took from the end of each line's command until
// what it changed was committed.
type timedStore struct {
	*sqlite.Store

	mu    sync.Mutex
	ended []time.Time // of the commands whose lines are not committed
	first uint64      // the line of the first of them
	took  []time.Duration
	saved chan uint64 // the last line of each commit
}

// played notes the end of a line's command. It is called by the loop.
func (s *timedStore) played() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, time.Now())
}

// Commit implements store.Store.
func (s *timedStore) Commit(ctx context.Context, epoch uint64, batches []*store.Batch) error {
	if err := s.Store.Commit(ctx, epoch, batches); err != nil {
		return err
	}
	now := time.Now()
	last := uint64(0)
	for _, b := range batches {
		for _, l := range b.Lines {
			last = max(last, l.N)
		}
	}
	s.mu.Lock()
	for ; s.first <= last && len(s.ended) > 0; s.first++ {
		s.took = append(s.took, now.Sub(s.ended[0]))
		s.ended = s.ended[1:]
	}
	s.mu.Unlock()
	s.saved <- last
	return nil
}

// startBench plays a game whose inputfunc "poke" changes as many things as it is
// told.
func startBench(b *testing.B, d sqlite.Durability) *benchGame {
	b.Helper()
	db, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(b.TempDir(), "w.db"), Durability: d})
	if err != nil {
		b.Fatal(err)
	}
	st := &timedStore{Store: db, first: 2, saved: make(chan uint64, 1<<20)}
	dir, err := os.MkdirTemp("", "gate") // short, as the name of a socket has to be
	if err != nil {
		b.Fatal(err)
	}
	l, err := unix.Listen(filepath.Join(dir, "link"))
	if err != nil {
		b.Fatal(err)
	}
	var things []*world.Object
	seed := uint64(1)
	s, err := server.New(server.Config{
		Dialer: unix.Dialer(filepath.Join(dir, "link")), Store: st, Slow: -1, Logger: slog.New(slog.DiscardHandler),
		Game: server.Game{
			Build: func(w *world.World) error {
				r := w.NewRoom("R")
				for range benchEntities {
					o := w.NewObject("thing", r)
					if err := o.SetAttr("about", strings.Repeat("x", 500)); err != nil {
						return err
					}
					things = append(things, o)
				}
				w.SetStartRoom(r)
				return nil
			},
			InputFuncs: []server.InputFunc{{Name: "poke", Args: []server.Kind{server.Int}, Run: func(in *server.Input) error {
				n, _ := in.Arg(0).(int64)
				for range n {
					seed = seed*6364136223846793005 + 1442695040888963407
					if err := things[seed>>33%benchEntities].SetAttr("hp", int64(seed>>33)); err != nil {
						return err
					}
				}
				in.Session.Msg("done")
				st.played()
				return nil
			}}},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	g := &benchGame{b: b, conn: link.New(t, link.Config{}), ends: make(chan uint64, 1<<16), st: st}
	greet(b, g.conn)
	g.send(&link.PortalHello{Version: link.Version, Portal: "portal", Epoch: 1},
		&link.Seat{Index: 1, ID: session.NewID(), Number: 1, Info: session.Info{Protocol: "test", Addr: "192.0.2.1:1"}},
		&link.Synced{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		g.read()
	}()
	g.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		g.conn.Close()
		<-read
		l.Close()
		st.Close()
		os.RemoveAll(dir)
	}
	g.n = 1
	g.send(&link.Open{Index: 1, N: 1})
	<-g.ends
	<-st.saved // the world is built
	return g
}

func (g *benchGame) send(f ...link.Frame) {
	if err := g.conn.Send(f...); err != nil {
		g.b.Fatal(err)
	}
}

// read takes what the Server sends until the link ends.
func (g *benchGame) read() {
	unread := uint64(0)
	for {
		f, err := g.conn.Recv()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *link.Output:
			if unread += 5; unread > 4<<10 { // as a Portal gives it back
				g.conn.Send(&link.Credit{Index: 1, Bytes: unread}, &link.Credit{Bytes: unread})
				unread = 0
			}
		case *link.End:
			for _, l := range f.Lines {
				g.ends <- l.N
			}
		}
	}
}

// line types one line that changes that many things.
func (g *benchGame) line(changes int) {
	g.n++
	g.send(&link.Input{Index: 1, N: g.n, Message: message.New("poke", int64(changes))})
}

// await waits for the end of the turn of the last line.
func (g *benchGame) await() {
	for n := range g.ends {
		if n == g.n {
			return
		}
	}
}

// done waits until all is committed.
func (g *benchGame) done() {
	for n := range g.st.saved {
		if n == g.n {
			return
		}
	}
}

// report reports how long turns were held.
func (g *benchGame) report() {
	took := g.st.took
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[min(len(took)-1, int(q*float64(len(took))))].Nanoseconds()) / 1e3
	}
	g.b.ReportMetric(at(0.5), "p50-µs")
	g.b.ReportMetric(at(0.99), "p99-µs")
	g.b.ReportMetric(at(0.999), "p99.9-µs")
}

// BenchmarkTurns tells how many turns a second the loop plays whose every line
// changes that many things, with the store at its back: the next line is typed as
// soon as the turn of the one before has ended. Bounds hold the loop up if the
// store is slower.
func BenchmarkTurns(b *testing.B) {
	for _, d := range []sqlite.Durability{sqlite.Process, sqlite.Power} {
		for _, changes := range []int{0, 1, 10, 100} {
			b.Run(fmt.Sprintf("%s/%d", d, changes), func(b *testing.B) {
				g := startBench(b, d)
				defer g.stop()
				begun, lines := time.Now(), 0
				for b.Loop() {
					if lines == 0 {
						begun = time.Now()
					}
					lines++
					g.line(changes)
					g.await()
				}
				if changes > 0 {
					g.done()
				}
				b.ReportMetric(float64(lines)/time.Since(begun).Seconds(), "turns/s")
			})
		}
	}
}

// BenchmarkGate tells how long what a line says is held until what it has changed
// is committed, from the end of its command on, when a line comes each so often.
// One operation is one line: -benchtime=5000x gives 5,000 of them.
func BenchmarkGate(b *testing.B) {
	for _, d := range []sqlite.Durability{sqlite.Process, sqlite.Power} {
		for _, perSecond := range []int{100, 1000} {
			for _, changes := range []int{1, 10} {
				b.Run(fmt.Sprintf("%s/%d_per_second/%d", d, perSecond, changes), func(b *testing.B) {
					g := startBench(b, d)
					defer g.stop()
					tick := time.NewTicker(time.Second / time.Duration(perSecond))
					defer tick.Stop()
					for b.Loop() {
						<-tick.C
						g.line(changes)
					}
					g.await()
					g.done()
					g.report()
				})
			}
		}
	}
}
