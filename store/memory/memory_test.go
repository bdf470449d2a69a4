package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/store"
	"mudlark.dev/store/memory"
	"mudlark.dev/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() store.Store {
		disk := memory.NewDisk()
		return func() store.Store { return disk.Open() }
	})
}

func begin(t *testing.T, s *memory.Store) store.State {
	t.Helper()
	state, err := s.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func batch(n uint64, id string) []*store.Batch {
	return []*store.Batch{{Commit: n, Puts: []store.Row{{Key: store.Key{Kind: store.Entity, ID: id}, Data: []byte(id)}}}}
}

// A process dies while its commit is held: the next one does not find it, nor
// does a disk cloned before see what came later.
func TestGateAndClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory.NewDisk()
		s := disk.Open()
		state := begin(t, s)
		if err := s.Commit(t.Context(), state.Epoch, batch(1, "a")); err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		s.SetGate(func(context.Context, []*store.Batch) error { <-release; return nil })
		done := make(chan error)
		go func() { done <- s.Commit(t.Context(), state.Epoch, batch(2, "b")) }()
		time.Sleep(time.Hour)
		select {
		case err := <-done:
			t.Fatalf("Commit did not wait for its gate: %v", err)
		default:
		}
		clone := disk.Clone()
		s.Close()
		close(release)
		if err := <-done; !errors.Is(err, store.ErrClosed) {
			t.Errorf("held Commit after Close = %v, want %v", err, store.ErrClosed)
		}
		next := disk.Open()
		if state = begin(t, next); state.Commit != 1 || state.Epoch != 2 {
			t.Errorf("next process: %+v, want commit 1, epoch 2", state)
		}
		if err := next.Commit(t.Context(), state.Epoch, batch(2, "c")); err != nil {
			t.Fatal(err)
		}
		if state := begin(t, clone.Open()); state.Commit != 1 || state.Epoch != 2 {
			t.Errorf("clone: %+v, want commit 1, epoch 2", state)
		}
	})
}

func TestGateFails(t *testing.T) {
	s := memory.NewDisk().Open()
	state := begin(t, s)
	s.SetGate(func(_ context.Context, b []*store.Batch) error {
		if b[0].Commit != 1 {
			t.Errorf("gate saw commit %d, want 1", b[0].Commit)
		}
		return store.ErrFull
	})
	if err := s.Commit(t.Context(), state.Epoch, batch(1, "a")); !errors.Is(err, store.ErrFull) {
		t.Errorf("Commit = %v, want the gate's error", err)
	}
	s.SetGate(nil)
	if err := s.Commit(t.Context(), state.Epoch, batch(1, "a")); err != nil {
		t.Errorf("Commit without gate = %v", err)
	}
}
