package sqlite_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
)

// BenchmarkCommit reports the latency of commits at the percentiles that players
// feel, with upkeep going on: each has rows of 600 bytes among 20,000 entities,
// and one line.
func BenchmarkCommit(b *testing.B) {
	for _, sync := range []string{"", "OFF", "FULL"} {
		for _, rows := range []int{1, 10} {
			name := sync
			if name == "" {
				name = "NORMAL"
			}
			b.Run(fmt.Sprintf("%s/%drows", name, rows), func(b *testing.B) {
				s, err := sqlite.Open(b.Context(), sqlite.Config{Path: b.TempDir() + "/w.db"})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				state, err := s.Acquire(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if sync != "" {
					if err := s.SetSynchronous(sync); err != nil {
						b.Fatal(err)
					}
				}
				const entities = 20_000
				n := state.Commit
				data := make([]byte, 600)
				world := &store.Batch{Commit: n + 1}
				for i := range entities {
					world.Puts = append(world.Puts, store.Row{Key: store.Key{Kind: store.Entity, ID: strconv.Itoa(i)}, Data: data})
				}
				if err := s.Commit(b.Context(), state.Epoch, []*store.Batch{world}); err != nil {
					b.Fatal(err)
				}
				n++
				took := make([]time.Duration, 0, b.N)
				var session [16]byte
				seed := uint64(1)
				for b.Loop() {
					n++
					batch := &store.Batch{Commit: n}
					for range rows {
						seed = seed*6364136223846793005 + 1442695040888963407
						batch.Puts = append(batch.Puts, store.Row{
							Key:  store.Key{Kind: store.Entity, ID: strconv.Itoa(int(seed>>33) % entities)},
							Data: data,
						})
					}
					binary.BigEndian.PutUint64(session[:], seed%1000)
					batch.Lines = []store.Line{{Session: session, N: n}}
					start := time.Now()
					if err := s.Commit(b.Context(), state.Epoch, []*store.Batch{batch}); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(start))
				}
				slices.Sort(took)
				at := func(q float64) float64 {
					return float64(took[min(len(took)-1, int(q*float64(len(took))))].Microseconds())
				}
				b.ReportMetric(at(0.5), "p50-µs")
				b.ReportMetric(at(0.99), "p99-µs")
				b.ReportMetric(at(0.999), "p99.9-µs")
				b.ReportMetric(at(1), "max-µs")
				b.ReportMetric(float64(s.Describe().Bytes)/1e6, "MB")
			})
		}
	}
}

// BenchmarkCatchUp reports how long a new Server takes to find the 100 rows that
// changed while it loaded, among 100,000 of 600 bytes.
func BenchmarkCatchUp(b *testing.B) {
	s, err := sqlite.Open(b.Context(), sqlite.Config{Path: b.TempDir() + "/w.db"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	state, err := s.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	world, later := &store.Batch{Commit: 1}, &store.Batch{Commit: 2}
	for i := range 100_000 {
		world.Puts = append(world.Puts, store.Row{Key: store.Key{Kind: store.Entity, ID: strconv.Itoa(i)}, Data: make([]byte, 600)})
	}
	for i := range 100 {
		later.Puts = append(later.Puts, world.Puts[i*1000])
	}
	if err := s.Commit(b.Context(), state.Epoch, []*store.Batch{world}); err != nil {
		b.Fatal(err)
	}
	if err := s.Commit(b.Context(), state.Epoch, []*store.Batch{later}); err != nil {
		b.Fatal(err)
	}
	for _, since := range []uint64{0, 1} {
		b.Run(fmt.Sprintf("since%d", since), func(b *testing.B) {
			for b.Loop() {
				n := 0
				if _, err := s.Load(b.Context(), since, func(store.Row) error { n++; return nil }); err != nil {
					b.Fatal(err)
				}
				if want := []int{100_000, 100}[since]; n != want {
					b.Fatalf("Load since %d: %d rows, want %d", since, n, want)
				}
			}
		})
	}
}
