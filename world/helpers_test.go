package world_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mudlark.dev/session"
	"mudlark.dev/world"
)

// clock is a clock that is set by hand.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.t }

// rows is a store in memory.
type rows map[world.RecordKey][]byte

func (r rows) apply(t testing.TB, c world.Changes) {
	t.Helper()
	put := map[world.RecordKey]bool{}
	for _, p := range c.Puts {
		if put[p.RecordKey] {
			t.Errorf("%v is put twice", p.RecordKey)
		}
		put[p.RecordKey] = true
		r[p.RecordKey] = bytes.Clone(p.Data)
	}
	for _, k := range c.Deletes {
		if put[k] {
			t.Errorf("%v is put and deleted", k)
		}
		delete(r, k)
	}
}

func (r rows) keys() []world.RecordKey {
	return slices.SortedFunc(maps.Keys(r), func(a, b world.RecordKey) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return strings.Compare(a.ID, b.ID)
	})
}

func newWorld(t testing.TB, cfg world.Config) *world.World {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = newClock().now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(1, 2))
	}
	w, err := world.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// load makes a world of what is in r; shuffled says in what order it is read.
func (r rows) load(t testing.TB, cfg world.Config, high uint64, shuffled *rand.Rand) (*world.World, world.Report) {
	t.Helper()
	w := newWorld(t, cfg)
	w.SetHighID(high)
	keys := r.keys()
	if shuffled != nil {
		shuffled.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	for _, k := range keys {
		if err := w.LoadRecord(k.Kind, k.ID, r[k]); err != nil {
			t.Fatal(err)
		}
	}
	report, err := w.FinishLoad()
	if err != nil {
		t.Fatal(err)
	}
	return w, report
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ids(list []world.Entity) (out []world.ID) {
	for _, e := range list {
		out = append(out, e.ID())
	}
	return out
}

func idOf(e world.Entity) world.ID {
	if e == nil {
		return 0
	}
	return e.ID()
}

// dump writes all that can be seen of a world.
func dump(w *world.World) string {
	var b strings.Builder
	for e := range w.All() {
		fmt.Fprintf(&b, "%s %q %s %q locks=%q\n", e.ID(), e.Name(), e.Typeclass(), e.Aliases(), e.Locks())
		if x, is := e.(interface {
			AttrNames() []string
			Tags() []world.Tag
			CmdSets() []string
		}); is {
			for _, n := range x.AttrNames() {
				v, _ := e.Attr(n)
				fmt.Fprintf(&b, "  %s=%#v\n", n, v)
			}
			fmt.Fprintf(&b, "  tags=%v sets=%v\n", x.Tags(), x.CmdSets())
			for _, t := range x.Tags() {
				fmt.Fprintf(&b, "  tagged %v=%v\n", t, ids(w.Tagged(t.Key, t.Category)))
			}
		}
		if x, is := e.(interface {
			Location() world.Entity
			Home() world.Entity
			Contents() []world.Entity
			LocalSets() []world.Entity
		}); is {
			fmt.Fprintf(&b, "  in=%s home=%s contents=%v offers=%v\n", idOf(x.Location()), idOf(x.Home()), ids(x.Contents()), ids(x.LocalSets()))
		}
		switch e := e.(type) {
		case *world.Exit:
			if r := e.Destination(); r != nil {
				fmt.Fprintf(&b, "  to=%s\n", r.ID())
			}
		case *world.Character:
			if a := e.Account(); a != nil {
				fmt.Fprintf(&b, "  account=%s\n", a.ID())
			}
			for _, s := range e.Sessions() {
				fmt.Fprintf(&b, "  played at %d\n", s.Number())
			}
			fmt.Fprintf(&b, "  found=%v\n", w.CharacterByName(e.Name()) == e)
		case *world.Account:
			fmt.Fprintf(&b, "  pw=%q perms=%v super=%v login=%v\n", string(e.Password()), e.Perms(), e.Superuser(), e.LastLogin().Unix())
			for _, c := range e.Characters() {
				fmt.Fprintf(&b, "  plays %s\n", c.ID())
			}
			if c := e.LastPuppet(); c != nil {
				fmt.Fprintf(&b, "  last %s\n", c.ID())
			}
			for _, s := range e.Sessions() {
				fmt.Fprintf(&b, "  at %d\n", s.Number())
			}
			fmt.Fprintf(&b, "  found=%v\n", w.AccountByName(e.Name()) == e)
		}
	}
	for _, s := range w.Sessions() {
		fmt.Fprintf(&b, "session %d sets=%v prefs=%v data=%v since=%d", s.Number(), s.CmdSets(), s.Prefs(), s.Data("k"), s.Since().Unix())
		if a := s.Account(); a != nil {
			fmt.Fprintf(&b, " account=%s", a.ID())
		}
		if p := s.Puppet(); p != nil {
			fmt.Fprintf(&b, " puppet=%s", p.ID())
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "stored=%v\n", w.StoredSessions("p"))
	if r := w.StartRoom(); r != nil {
		fmt.Fprintf(&b, "start=%s\n", r.ID())
	}
	fmt.Fprintf(&b, "setting=%v\n", w.Setting("s"))
	if at, is := w.NextTimer(); is {
		fmt.Fprintf(&b, "timer=%d\n", at.UnixMilli())
	}
	return b.String()
}

func changesText(c world.Changes) string {
	var b strings.Builder
	for _, p := range c.Puts {
		fmt.Fprintf(&b, "put %v %x\n", p.RecordKey, p.Data)
	}
	for _, k := range c.Deletes {
		fmt.Fprintf(&b, "del %v\n", k)
	}
	return b.String()
}

func effectsText(effects []world.Effect) string {
	var b strings.Builder
	for _, e := range effects {
		switch e := e.(type) {
		case world.Output:
			fmt.Fprintf(&b, "output")
			for _, s := range e.To {
				fmt.Fprintf(&b, " %d", s.Number())
			}
			fmt.Fprintf(&b, ": %v %v\n", e.Message, e.Options)
		case world.Login:
			fmt.Fprintf(&b, "login %d\n", e.Session.Number())
		case world.Disconnected:
			fmt.Fprintf(&b, "bye %d %s\n", e.Session.Number(), e.Reason)
		case world.PrefsChanged:
			fmt.Fprintf(&b, "prefs %d\n", e.Session.Number())
		default:
			fmt.Fprintf(&b, "%T\n", e)
		}
	}
	return b.String()
}

func firstDiff(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, la[i], lb[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(la), len(lb))
}

func sid(n byte) session.ID { return session.ID{n, 1} }
