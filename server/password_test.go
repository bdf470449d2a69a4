package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/command"
)

// slowKeys computes each key in a second, and notes for whom.
type slowKeys struct {
	mu    sync.Mutex
	order []string
}

func (k *slowKeys) key(ctx context.Context, password, _ []byte, _, _ uint32, _ uint8, n uint32) ([]byte, error) {
	k.mu.Lock()
	k.order = append(k.order, string(password))
	k.mu.Unlock()
	select {
	case <-time.After(time.Second):
		return make([]byte, n), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

const anyHash = "$argon2id$v=19$m=19456,t=2,p=1$bXVkbGFyay1uby1hY2NvdW50$Q2Fubm90TWF0Y2hBbnlQYXNzd29yZDAxMjM0NTY3ODk"

func TestHashAndCheck(t *testing.T) {
	p := newPasswords(nil, 0)
	hash, err := p.hash(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("hash = %q, %v", hash, err)
	}
	for _, tt := range []struct {
		pw   string
		want bool
	}{{"correct horse", true}, {"wrong horse", false}} {
		if ok, err := p.check(t.Context(), hash, tt.pw); ok != tt.want || err != nil {
			t.Errorf("check of %q = %v, %v; want %v", tt.pw, ok, err, tt.want)
		}
	}
	if _, err := p.check(t.Context(), "$md5$x", "x"); !errors.Is(err, ErrBadHash) {
		t.Errorf("check of what is no hash = %v, want %v", err, ErrBadHash)
	}
}

// Logins and new passwords have their turns alternately, each in its order.
func TestTurnsOfHashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys slowKeys
		p := newPasswords(keys.key, 1)
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() { p.check(t.Context(), anyHash, fmt.Sprint("login", i)) })
			synctest.Wait()
		}
		for i := range 2 {
			wg.Go(func() { p.hash(t.Context(), fmt.Sprint("new", i)) })
			synctest.Wait()
		}
		wg.Wait()
		if want := strings.Fields("login0 new0 login1 new1 login2 login3 login4"); !slices.Equal(keys.order, want) {
			t.Errorf("the order is %v, want %v", keys.order, want)
		}
		if p.free != 1 {
			t.Errorf("%d keys may be computed at the end, want 1", p.free)
		}
	})
}

// Who gives up takes no turn.
func TestWaitForHashEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys slowKeys
		p := newPasswords(keys.key, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { p.check(t.Context(), anyHash, "first") })
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				if _, err := p.hash(ctx, "gone"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("hash = %v, want %v", err, context.DeadlineExceeded)
				}
			})
		}
		synctest.Wait()
		wg.Go(func() { p.hash(t.Context(), "last") })
		wg.Wait()
		if want := []string{"first", "last"}; !slices.Equal(keys.order, want) {
			t.Errorf("the order is %v, want %v", keys.order, want)
		}
		if p.free != 1 {
			t.Errorf("%d keys may be computed at the end, want 1", p.free)
		}
	})
}

func TestTooManyHashesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var keys slowKeys
		s := &Server{pool: newPasswords(keys.key, 2)}
		var wg sync.WaitGroup
		for i := range maxHashes + 2 {
			wg.Go(func() {
				if i%2 == 0 {
					s.pool.check(ctx, anyHash, "x")
				} else {
					s.pool.hash(ctx, "x")
				}
			})
		}
		synctest.Wait()
		_, err := s.pool.hash(ctx, "x")
		if !errors.Is(err, ErrHashesWait) {
			t.Errorf("one more = %v, want %v", err, ErrHashesWait)
		}
		var user *command.UserError
		if _, err := (host{s}).CheckPassword(ctx, anyHash, "x"); !errors.As(err, &user) {
			t.Errorf("its player is told %v", err)
		}
		cancel()
		wg.Wait()
		if p := s.pool; p.free != 2 || len(p.waiting[toCheck])+len(p.waiting[toStore]) != 0 {
			t.Errorf("at the end %d keys may be computed and %d wait", p.free, len(p.waiting[toCheck])+len(p.waiting[toStore]))
		}
	})
}

// What waits for a hash is in the way of no other background work, and does not count
// for the bound at which the loop takes no events.
func TestHashesLeaveBackgroundWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys slowKeys
		woken := 0
		w := newWorkers(func() { woken++ })
		p := newPasswords(keys.key, 1)
		gate := make(chan struct{})
		for range maxRunning {
			w.start(t.Context(), func(context.Context) { <-gate })
		}
		synctest.Wait()
		for range maxWork {
			w.start(t.Context(), func(ctx context.Context) { p.check(ctx, anyHash, "x") })
		}
		synctest.Wait()
		if n := w.count(); n != maxWork+maxRunning {
			t.Errorf("%d works before there is a place, want %d", n, maxWork+maxRunning)
		}
		close(gate)
		synctest.Wait()
		if n := w.count(); n != 0 {
			t.Errorf("%d works beside those that wait for a hash, want 0", n)
		}
		if woken != 1 {
			t.Errorf("the loop was woken %d times, want 1", woken)
		}
		ran := false
		w.start(t.Context(), func(context.Context) { ran = true })
		synctest.Wait()
		if !ran {
			t.Error("background work waits behind hashes")
		}
		w.close()
		if len(w.slots) != 0 || p.free != 1 {
			t.Errorf("at the end %d slots are taken, %d keys may be computed", len(w.slots), p.free)
		}
	})
}

// A key that panics gives its turn to the next.
func TestHashPanics(t *testing.T) {
	p := newPasswords(func(context.Context, []byte, []byte, uint32, uint32, uint8, uint32) ([]byte, error) { panic("x") }, 1)
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			p.hash(t.Context(), "x")
		}()
	}
}
