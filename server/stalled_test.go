package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// A sickStore is a gate for commits that a test makes fail or hang.
type sickStore struct {
	mu   sync.Mutex
	err  error
	hang chan struct{} // a commit waits until it is closed
}

func (s *sickStore) gate(context.Context, []*store.Batch) error {
	s.mu.Lock()
	hang, err := s.hang, s.err
	s.mu.Unlock()
	if hang != nil {
		<-hang
		s.mu.Lock()
		err = s.err
		s.mu.Unlock()
	}
	return err
}

func (s *sickStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// stick makes commits hang until the returned function is called.
func (s *sickStore) stick() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := make(chan struct{})
	s.hang = ch
	return sync.OnceFunc(func() {
		s.mu.Lock()
		s.hang = nil
		s.mu.Unlock()
		close(ch)
	})
}

func (g *game) sick() *sickStore {
	s := &sickStore{}
	g.store.SetGate(s.gate)
	return s
}

func trouble(err error) error {
	return &store.Error{Op: "sqlite: commit", Path: "/g/data/game.db", Err: err}
}

// stalls returns what the Portal was told since the last call.
func (p *portal) takeStalls() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stalls
	p.stalls = nil
	return s
}

// What the Portal is told of a store that does not commit: once, with the cause
// and what to do, when it has lasted; and once that it is over.
func TestStalledIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		sick := g.sick()
		want := func(what string, parts ...string) {
			t.Helper()
			got := g.p.takeStalls()
			if len(got) != len(parts) {
				t.Fatalf("%s: the Portal was told %q, want %d frames", what, got, len(parts))
			}
			for i := range parts {
				if !strings.Contains(got[i], parts[i]) || (got[i] == "") != (parts[i] == "") {
					t.Errorf("%s: frame %d is %q, want %q in it", what, i, got[i], parts[i])
				}
			}
		}
		// Shorter than half a second: nobody's business.
		sick.fail(trouble(store.ErrLocked))
		ada.typ("count")
		time.Sleep(300 * time.Millisecond)
		sick.fail(nil)
		time.Sleep(time.Minute)
		want("a short trouble")
		expect(t, "after a short trouble", ada.read(), "count 1")

		sick.fail(trouble(store.ErrFull))
		ada.typ("count")
		time.Sleep(499 * time.Millisecond)
		want("before half a second")
		time.Sleep(time.Millisecond)
		want("at half a second", "/g/data/game.db: store: disk full (make room")
		time.Sleep(time.Minute)
		want("later")
		sick.fail(trouble(store.ErrIO)) // another cause
		time.Sleep(time.Minute)
		want("another cause", "reading or writing fails")
		sick.fail(nil)
		time.Sleep(3 * time.Second)
		want("the end", "")
		expect(t, "after the end", ada.read(), "count 2")

		// A commit that does not come back.
		release := sick.stick()
		ada.typ("count")
		time.Sleep(1999 * time.Millisecond)
		want("before 2 s")
		time.Sleep(time.Millisecond)
		want("at 2 s", "has not come back from a commit for 2s")
		release()
		want("when it has come back", "")
		expect(t, "when it has come back", ada.read(), "count 3")

		// One that comes back with an error, which is told instead.
		release = sick.stick()
		ada.typ("count")
		time.Sleep(3 * time.Second)
		sick.fail(trouble(store.ErrReadOnly))
		release()
		want("it came back with an error", "has not come back", "read-only")
		sick.fail(nil)
		time.Sleep(3 * time.Second)
		want("and then committed", "")
		expect(t, "and then", ada.read(), "count 4")
	}, count())
}

// While the game waits for its store nothing is run, neither lines nor timers, so
// that what nobody can be told of stays small; Portal and operators are answered,
// however long it takes. Afterwards all is run, in order, once.
func TestStalledHoldsTheGame(t *testing.T) {
	for _, how := range []string{"fails", "hangs"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *game) {
				ada, bob := g.login("Ada"), g.login("Bob")
				if err := g.s.Do(t.Context(), func(w *world.World) {
					if _, err := w.Every(time.Second, w.StartRoom(), "ring", nil); err != nil {
						t.Error(err)
					}
				}); err != nil {
					t.Fatal(err)
				}
				ada.read()
				bob.read()
				sick := g.sick()
				heal := func() { sick.fail(nil) }
				if how == "fails" {
					sick.fail(trouble(store.ErrFull))
				} else {
					heal = sick.stick()
				}
				time.Sleep(10 * time.Second)
				if got := g.p.takeStalls(); len(got) != 1 {
					t.Fatalf("the Portal was told %q, want once", got)
				}
				for i := range 400 {
					ada.typ("count", fmt.Sprintf("say %d %s", i, strings.Repeat("x", 500)))
				}
				for range 60 { // a minute, in which a hanging loop would be killed
					time.Sleep(time.Second)
					g.p.send(&link.Ping{Seq: 1})
					st, err := g.p.conn.Request(t.Context(), message.New("status"))
					if err != nil || !strings.Contains(fmt.Sprint(st.Kwargs["services"]), "waiting: ") {
						t.Fatalf("status = %v, %v; want the store to be waiting", st, err)
					}
				}
				synctest.Wait()
				g.p.mu.Lock()
				pongs, held := g.p.pongs, len(g.p.held)
				g.p.mu.Unlock()
				if pongs != 60 {
					t.Errorf("%d pings were answered, want 60", pongs)
				}
				if held > 10 {
					t.Errorf("%d turns are held: the game went on", held)
				}
				if out := ada.read(); out != "" {
					t.Errorf("shown though it is not stored: %s", short(out))
				}
				heal()
				time.Sleep(5 * time.Second)
				out := ada.read()
				expect(t, "afterwards", out, "count 400", `You say, "399 x`)
				refute(t, "afterwards", out, "count 401")
				if at, before := strings.Index(out, "count 400"), strings.Index(out, "count 399"); at < before {
					t.Error("out of order")
				}
				expect(t, "Bob", bob.read(), `Ada says, "0 x`, `Ada says, "399 x`)
				if ada.gone != "" || bob.gone != "" {
					t.Errorf("players were sent away: %q, %q", ada.gone, bob.gone)
				}
				if got := g.p.takeStalls(); len(got) != 1 || got[0] != "" {
					t.Errorf("the Portal was told %q, want the end", got)
				}
			}, count())
		})
	}
}

// The Server ends within its limit though its store does not commit, and says what
// that means: at a shutdown that it is lost, at a reload that it is not.
func TestEndWhileStalled(t *testing.T) {
	for _, tt := range []struct {
		name, how string
		mode      link.Mode
		cut       bool // the context of Run ends instead
		want      []string
		limit     time.Duration
	}{
		{"shutdown, fails", "fails", link.ModeShutdown, false, []string{"not saved: the last 3 turns", "lost: nobody was told of them", "disk full"}, 6 * time.Second},
		{"shutdown, hangs", "hangs", link.ModeShutdown, false, []string{"not saved: the last 3 turns", "lost", "does not come back"}, 8 * time.Second},
		{"reload, fails", "fails", link.ModeReload, false, []string{"the last 2 turns", "no line is lost", "next Server runs them", "disk full"}, 6 * time.Second},
		{"reload, hangs", "hangs", link.ModeReload, false, []string{"the last 2 turns", "no line is lost", "does not come back"}, 8 * time.Second},
		{"stopped, fails", "fails", 0, true, []string{"the last 2 turns", "if the Portal lives"}, 6 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *game) {
				ada := g.login("Ada")
				ada.typ("count")
				expect(t, "before", ada.read(), "count 1")
				if err := g.s.Do(t.Context(), func(w *world.World) { w.SetSetting("a", 1) }); err != nil {
					t.Fatal(err)
				}
				sick := g.sick()
				release := func() {}
				if tt.how == "fails" {
					sick.fail(trouble(store.ErrFull))
				} else {
					release = sick.stick()
				}
				ada.typ("count")
				synctest.Wait()
				ada.typ("count") // a turn of its own
				time.Sleep(10 * time.Second)
				begun := time.Now()
				if tt.cut {
					g.stop()
				} else {
					g.p.send(&link.Drain{Mode: tt.mode})
				}
				err := <-g.ended
				g.ended <- err // for the end of the test
				if took := time.Since(begun); took > tt.limit {
					t.Errorf("the end took %v, the limit is %v", took, tt.limit)
				}
				if !errors.Is(err, server.ErrNotSaved) || errors.Is(err, server.ErrStoreHangs) != (tt.how == "hangs") {
					t.Errorf("Run = %v, want ErrNotSaved", err)
				}
				expect(t, "Run", err.Error(), tt.want...)
				synctest.Wait()
				if g.p.drained {
					t.Error("it said Drained though it has not committed all")
				}
				// The process is gone, and with it the commit that hangs.
				g.store.Close()
				release()
				g.p.conn.Close()
				synctest.Wait()
				if tt.mode == link.ModeShutdown {
					return
				}
				g.start()
				expect(t, "the next Server", ada.read(), "count 2", "count 3")
				ada.typ("count")
				if out := ada.read(); out != "count 4" {
					t.Errorf("then %q, want count 4 alone: each line once", out)
				}
			}, count())
		})
	}
}

// An error that is for good ends the Server at once, with a message for whoever
// operates it.
func TestStoreIsLostForGood(t *testing.T) {
	for _, tt := range []struct {
		err  error
		is   error
		want []string
	}{
		{store.ErrEpoch, server.ErrReplaced, []string{"another Server has taken over this world, so this one ends", "/g/data/game.db"}},
		{store.ErrDamaged, store.ErrDamaged, []string{"damaged file", "/g/data/game.db"}},
		{store.ErrGap, store.ErrGap, nil},
		{store.ErrBadBatch, store.ErrBadBatch, nil},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T, g *game) {
				ada := g.login("Ada")
				ada.read()
				sick := g.sick()
				sick.fail(trouble(tt.err))
				ada.typ("count")
				begun := time.Now()
				err := <-g.ended
				g.ended <- err
				if !errors.Is(err, tt.is) || time.Since(begun) > time.Second {
					t.Errorf("Run = %v after %v, want %v at once", err, time.Since(begun), tt.is)
				}
				expect(t, "Run", err.Error(), tt.want...)
				if out := ada.read(); out != "" {
					t.Errorf("the player was shown %q", out)
				}
				if got := g.p.takeStalls(); len(got) != 0 {
					t.Errorf("the Portal was told %q", got)
				}
			}, count())
		})
	}
}

// A Server that another one has replaced commits nothing any more, shows nothing,
// and ends by itself: two Servers on one store.
func TestReplacedServerEnds(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.typ("count")
		expect(t, "before", ada.read(), "count 1")
		old := g.ended
		other := g.disk.Open() // another Server, as one that was started by hand
		if _, err := other.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ada.typ("look") // changes nothing, so it needs no commit
		expect(t, "a line that changes nothing", ada.read(), "Anchorage")
		ada.typ("count")
		err := <-old
		if !errors.Is(err, server.ErrReplaced) || !errors.Is(err, store.ErrEpoch) {
			t.Fatalf("Run = %v, want ErrReplaced", err)
		}
		expect(t, "Run", err.Error(), "another Server has taken over this world, so this one ends", "epoch 1, now 2")
		expect(t, "the log", g.log.String(), "another Server has taken over this world")
		if out := ada.read(); out != "" {
			t.Errorf("shown by the one that was replaced: %q", out)
		}
		g.stop()
		g.p.conn.Close()
		g.start()
		expect(t, "the line is run by the next one", ada.read(), "count 2")
	}, count())
}
