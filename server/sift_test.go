package server

import (
	"log/slog"
	"strings"
	"testing"

	"mudlark.dev/store"
)

// A row that no store takes is left out, so that the rest is committed.
func TestSift(t *testing.T) {
	var log strings.Builder
	s := &Server{meter: newMeter(&Config{}, nil), log: slog.New(slog.NewTextHandler(&log, nil))}
	row := func(id string, size int) store.Row {
		return store.Row{Key: store.Key{Kind: store.Entity, ID: id}, Data: make([]byte, size)}
	}
	long := strings.Repeat("x", store.MaxID+1)
	b := &store.Batch{
		Commit:  3,
		Puts:    []store.Row{row("1", 10), row("2", store.MaxData+1), row(long, 1), row("3", 10)},
		Deletes: []store.Key{{Kind: store.Entity, ID: "4"}, {Kind: store.Entity}},
		Lines:   []store.Line{{N: 7}}, HighID: 9,
	}
	s.sift(b)
	if len(b.Puts) != 2 || b.Puts[1].ID != "3" || len(b.Deletes) != 1 || len(b.Lines) != 1 || b.HighID != 9 {
		t.Errorf("left are %d puts, %d deletions, %d lines", len(b.Puts), len(b.Deletes), len(b.Lines))
	}
	if n := strings.Count(log.String(), "a row cannot be stored"); n != 3 {
		t.Errorf("the log names %d rows, want 3:\n%s", n, log.String())
	}
	if err := store.Check(2, []*store.Batch{b}); err != nil {
		t.Errorf("what is left cannot be stored: %v", err)
	}
}
