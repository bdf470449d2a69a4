package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mudlark.dev/store"
)

func TestErrorAndHint(t *testing.T) {
	for _, sentinel := range []error{
		store.ErrGap, store.ErrBadBatch, store.ErrEpoch, store.ErrTrimmed, store.ErrFull, store.ErrReadOnly,
		store.ErrIO, store.ErrLocked, store.ErrDamaged, store.ErrForeign, store.ErrVersion,
	} {
		e := &store.Error{Op: "sqlite: open", Path: "/w.db", Err: fmt.Errorf("%w: why", sentinel), Detail: "words"}
		want := "sqlite: open /w.db: " + sentinel.Error() + ": why: words"
		if e.Error() != want || !errors.Is(e, sentinel) || e.Hint() == "" {
			t.Errorf("%v: got %q with hint %q, want %q and a hint", sentinel, e, e.Hint(), want)
		}
	}
	if h := (&store.Error{Err: errors.New("x")}).Hint(); h != "" {
		t.Errorf("hint for an unknown error: %q", h)
	}
}

func TestCheck(t *testing.T) {
	row := store.Row{Key: store.Key{Kind: store.Entity, ID: "1"}, Data: make([]byte, store.MaxData)}
	if err := store.Check(4, []*store.Batch{{Commit: 5, Puts: []store.Row{row}, HighID: store.MaxNumber}, {Commit: 6}}); err != nil {
		t.Errorf("Check at the limits = %v", err)
	}
	err := store.Check(4, []*store.Batch{{Commit: 5}, {Commit: 6, Puts: []store.Row{{Key: store.Key{Kind: 9, ID: "x"}}}}})
	if !errors.Is(err, store.ErrBadBatch) || !strings.Contains(err.Error(), `batch 6: put of kind 9 "x" has nil data`) {
		t.Errorf("Check = %v, want batch, row and reason", err)
	}
	if err := store.Check(4, []*store.Batch{{Commit: 6}}); !errors.Is(err, store.ErrGap) {
		t.Errorf("Check = %v, want ErrGap", err)
	}
}

func TestFinal(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{store.ErrEpoch, true}, {store.ErrGap, true}, {store.ErrBadBatch, true}, {store.ErrDamaged, true},
		{store.ErrForeign, true}, {store.ErrVersion, true}, {store.ErrClosed, true},
		{store.ErrFull, false}, {store.ErrReadOnly, false}, {store.ErrIO, false}, {store.ErrLocked, false}, {errors.New("x"), false},
	} {
		if err := fmt.Errorf("server: %w", &store.Error{Err: c.err}); store.Final(err) != c.want {
			t.Errorf("Final(%v) = %t, want %t", err, !c.want, c.want)
		}
	}
}
