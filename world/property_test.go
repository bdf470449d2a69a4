package world_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mudlark.dev/session"
	"mudlark.dev/world"
)

// A player of random moves: it changes a world by its exported methods, with
// choices that depend on the seed alone.
type mover struct {
	t        *testing.T
	w        *world.World
	rng      *rand.Rand
	now      *time.Time
	sessions []*world.Session
	next     byte
}

func newMover(t *testing.T, seed uint64) *mover {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := &mover{t: t, rng: rand.New(rand.NewPCG(seed, 7)), now: &now}
	m.w = newWorld(t, &now)
	m.w.SetStartRoom(m.w.NewRoom("Start"))
	return m
}

func newWorld(t *testing.T, now *time.Time) *world.World {
	t.Helper()
	w, err := world.New(world.Config{
		Now:  func() time.Time { return *now },
		Rand: rand.New(rand.NewPCG(1, 1)),
		Timers: map[string]world.TimerFunc{"tick": func(w *world.World, e world.Entity, args map[string]any) error {
			v, _ := e.Attr("ticks")
			n, _ := v.(int64)
			return e.SetAttr("ticks", n+1)
		}},
		MultisessionMode: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (m *mover) pick() world.Entity {
	all := slices.Collect(m.w.All())
	return all[m.rng.IntN(len(all))]
}

func (m *mover) room() *world.Room {
	for range 20 {
		if r, ok := m.pick().(*world.Room); ok {
			return r
		}
	}
	return m.w.StartRoom()
}

func (m *mover) session() *world.Session {
	if len(m.sessions) == 0 || m.rng.IntN(4) == 0 {
		m.next++
		id := session.ID{m.next, 1}
		s := m.w.OpenSession(id, uint64(m.next), session.Info{Protocol: "test"}, "portal")
		m.sessions = append(m.sessions, s)
		return s
	}
	return m.sessions[m.rng.IntN(len(m.sessions))]
}

// move does one thing. What it may not do is as good a case as what it may.
func (m *mover) move() {
	w, n := m.w, m.rng.IntN(1000)
	switch m.rng.IntN(24) {
	case 0:
		w.NewRoom(fmt.Sprintf("Room %d", n))
	case 1:
		w.NewExit(fmt.Sprintf("way %d", n), m.room(), m.room(), "w")
	case 2, 3:
		w.NewObject(fmt.Sprintf("thing %d", n), m.room())
	case 4:
		w.NewCharacter(fmt.Sprintf("Char%d", n), m.room())
	case 5:
		if a, err := w.NewAccount(fmt.Sprintf("Acct%d", n), "hash"); err == nil {
			a.AddPerm("Player")
		}
	case 6:
		w.Delete(m.pick())
	case 7, 8:
		if o, ok := m.pick().(interface {
			MoveTo(world.Entity, world.MoveOptions) error
		}); ok {
			o.MoveTo(m.pick(), world.MoveOptions{})
		}
	case 9, 10:
		m.pick().SetAttr(fmt.Sprintf("a%d", n%5), strings.Repeat("v", m.rng.IntN(3000)))
	case 11:
		if d, ok := m.pick().(interface{ DelAttr(string) }); ok {
			d.DelAttr(fmt.Sprintf("a%d", n%5))
		}
	case 12:
		w.AddTag(m.pick(), fmt.Sprintf("t%d", n%4), "c")
	case 13:
		w.DelTag(m.pick(), fmt.Sprintf("t%d", n%4), "c")
	case 14:
		if l, ok := m.pick().(interface{ SetLocks(string) error }); ok {
			l.SetLocks("get:perm(Builder)")
		}
	case 15:
		if c, ok := m.pick().(interface {
			AddCmdSet(string) error
			DelCmdSet(string)
		}); ok {
			if n%2 == 0 {
				c.AddCmdSet(fmt.Sprintf("set%d", n%3))
			} else {
				c.DelCmdSet(fmt.Sprintf("set%d", n%3))
			}
		}
	case 16:
		if a, ok := m.pick().(*world.Account); ok {
			m.session().Login(a)
		}
	case 17:
		if c, ok := m.pick().(*world.Character); ok {
			m.session().SetPuppet(c)
		}
	case 18:
		m.session().Unpuppet()
	case 19:
		s := m.session()
		w.CloseSession(s, "gone")
		m.sessions = slices.DeleteFunc(m.sessions, func(o *world.Session) bool { return o == s })
	case 20:
		m.session().SetData("k", n)
	case 21:
		w.After(time.Duration(n)*time.Second, m.pick(), "tick", map[string]any{"n": n})
	case 22:
		w.Every(time.Duration(1+n)*time.Second, m.pick(), "tick", nil)
	case 23:
		w.SetSetting(fmt.Sprintf("s%d", n%3), n)
	}
}

// dump writes down all that can be seen of a world from outside.
func dump(w *world.World) string {
	var b strings.Builder
	for e := range w.All() {
		fmt.Fprintf(&b, "%s %T %q %s %q locks=%q", e.ID(), e, e.Name(), e.Typeclass(), e.Aliases(), e.Locks())
		if a, ok := e.(interface {
			AttrNames() []string
			Tags() []world.Tag
			CmdSets() []string
		}); ok {
			for _, n := range a.AttrNames() {
				v, _ := e.Attr(n)
				fmt.Fprintf(&b, " %s=%.40v/%d", n, v, len(fmt.Sprint(v)))
			}
			fmt.Fprintf(&b, " tags=%v sets=%v", a.Tags(), a.CmdSets())
		}
		if o, ok := e.(interface {
			Location() world.Entity
			Contents() []world.Entity
			LocalSets() []world.Entity
			Home() world.Entity
		}); ok {
			fmt.Fprintf(&b, " in=%v home=%v contents=%v offers=%v", idOf(o.Location()), idOf(o.Home()), ids(o.Contents()), ids(o.LocalSets()))
		}
		switch e := e.(type) {
		case *world.Exit:
			if d := e.Destination(); d != nil {
				fmt.Fprintf(&b, " to=%s", d.ID())
			}
		case *world.Account:
			fmt.Fprintf(&b, " perms=%v login=%v sessions=%d", e.Perms(), e.LastLogin().Unix(), len(e.Sessions()))
			for _, c := range e.Characters() {
				fmt.Fprintf(&b, " char=%s", c.ID())
			}
			if p := e.LastPuppet(); p != nil {
				fmt.Fprintf(&b, " last=%s", p.ID())
			}
			if w.AccountByName(e.Name()) != e {
				b.WriteString(" NOT FOUND BY NAME")
			}
		case *world.Character:
			fmt.Fprintf(&b, " sessions=%d", len(e.Sessions()))
			if w.CharacterByName(e.Name()) != e {
				b.WriteString(" NOT FOUND BY NAME")
			}
		}
		b.WriteString("\n")
	}
	for i := range 4 {
		fmt.Fprintf(&b, "tagged t%d: %v\n", i, ids(w.Tagged(fmt.Sprintf("t%d", i), "c")))
	}
	for _, s := range w.Sessions() {
		fmt.Fprintf(&b, "session %d account=%v puppet=%v sets=%v k=%v\n", s.Number(), s.Account() != nil, s.Puppet() != nil, s.CmdSets(), s.Data("k"))
	}
	at, ok := w.NextTimer()
	fmt.Fprintf(&b, "timer %v %v start=%v settings=%v,%v,%v\n", at.UnixMilli(), ok, w.StartRoom().ID(), w.Setting("s0"), w.Setting("s1"), w.Setting("s2"))
	return b.String()
}

func idOf(e world.Entity) any {
	if e == nil {
		return nil
	}
	return e.ID()
}

func ids(list []world.Entity) (out []world.ID) {
	for _, e := range list {
		out = append(out, e.ID())
	}
	return out
}

// A store as a world sees it: what its changes leave behind.
type rows struct {
	data map[world.RecordKey][]byte
	high uint64
}

func (r *rows) apply(c world.Changes) {
	for _, p := range c.Puts {
		r.data[p.RecordKey] = p.Data
	}
	for _, k := range c.Deletes {
		delete(r.data, k)
	}
	if c.HighID > 0 {
		r.high = c.HighID
	}
}

// Undo gives back the world that was there at the mark, to the eye and to the
// store; and what is done afterwards is not disturbed.
func TestUndoProperty(t *testing.T) {
	for seed := range uint64(40) {
		m := newMover(t, seed)
		r := &rows{data: map[world.RecordKey][]byte{}}
		for turn := range 12 {
			for range m.rng.IntN(15) {
				m.move()
			}
			before, effects := dump(m.w), m.w.Mark()
			sessions := slices.Clone(m.sessions)
			for range 1 + m.rng.IntN(15) {
				m.move()
			}
			m.w.Undo(effects)
			m.sessions = sessions
			if m.w.Changed(effects) {
				t.Fatalf("seed %d, turn %d: changed after Undo", seed, turn)
			}
			if after := dump(m.w); after != before {
				t.Fatalf("seed %d, turn %d: Undo left a difference:\n%s", seed, turn, diff(before, after))
			}
			for {
				at, ok := m.w.NextTimer()
				if !ok || at.After(*m.now) {
					break
				}
				_, run := m.w.FireNext()
				if err := run(); err != nil {
					t.Fatalf("seed %d: timer: %v", seed, err)
				}
			}
			r.apply(m.w.TakeChanges())
			m.w.TakeEffects()
			*m.now = m.now.Add(time.Duration(m.rng.IntN(300)) * time.Second)
		}
		loaded := load(t, m, r)
		if got, want := stored(dump(loaded)), stored(dump(m.w)); got != want {
			t.Fatalf("seed %d: what was loaded differs:\n%s", seed, diff(want, got))
		}
		if c := loaded.TakeChanges(); !c.Empty() {
			t.Fatalf("seed %d: a load changes something: %d puts, %d deletes", seed, len(c.Puts), len(c.Deletes))
		}
	}
}

// load makes a new world of what was stored, in an order of its own, with the
// sessions taken up.
func load(t *testing.T, m *mover, r *rows) *world.World {
	t.Helper()
	w := newWorld(t, m.now)
	var keys []world.RecordKey
	for k := range r.data {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b world.RecordKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	m.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	w.SetHighID(r.high)
	for _, k := range keys {
		if err := w.LoadRecord(k.Kind, k.ID, r.data[k]); err != nil {
			t.Fatal(err)
		}
	}
	report, err := w.FinishLoad()
	if err != nil || len(report.Problems) > 0 {
		t.Fatalf("FinishLoad: %v, %v", err, report.Problems)
	}
	for _, s := range m.w.Sessions() {
		w.OpenSession(s.ID(), s.Number(), s.Info(), "portal")
	}
	if left := w.StoredSessions("portal"); len(left) > 0 {
		t.Fatalf("sessions %v were stored and are not there", left)
	}
	return w
}

// stored leaves out what a load may change: the order of an account's or
// character's sessions, and beats that were missed.
func stored(dump string) string {
	lines := strings.Split(dump, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "timer ") }), "\n")
}

func diff(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			out = append(out, "- "+x, "+ "+y)
		}
		if len(out) > 8 {
			break
		}
	}
	return strings.Join(out, "\n")
}

// The same moves make the same world, byte by byte.
func TestDeterminism(t *testing.T) {
	run := func() []byte {
		m := newMover(t, 99)
		var out []byte
		for range 40 {
			for range 10 {
				m.move()
			}
			for _, p := range m.w.TakeChanges().Puts {
				out = append(append(out, p.ID...), p.Data...)
			}
			out = fmt.Append(out, len(m.w.TakeEffects()))
			*m.now = m.now.Add(time.Minute)
		}
		return out
	}
	if !bytes.Equal(run(), run()) {
		t.Error("two runs of one script differ")
	}
}

func TestUndoTakesEffectsBack(t *testing.T) {
	now := time.Now()
	w := newWorld(t, &now)
	r := w.NewRoom("Room")
	w.SetStartRoom(r)
	s := w.OpenSession(session.NewID(), 1, session.Info{}, "portal")
	s.Msg("before")
	m := w.Mark()
	s.Msg("after")
	w.Go(func(context.Context) any { return nil }, nil)
	w.Restart(world.ActionReload, s, "")
	s.Disconnect("bye")
	w.Undo(m)
	if e := w.TakeEffects(); len(e) != 1 {
		t.Errorf("%d effects are left, want the one before the mark", len(e))
	}
}

// A record that this build cannot read is reported, and neither changed nor
// lost; fields and classes of another build are kept.
func TestForeignRecords(t *testing.T) {
	now := time.Now()
	w := newWorld(t, &now)
	w.SetStartRoom(w.NewRoom("Room"))
	r := &rows{data: map[world.RecordKey][]byte{}}
	r.apply(w.TakeChanges())

	next := newWorld(t, &now)
	for k, d := range r.data {
		next.LoadRecord(k.Kind, k.ID, d)
	}
	for _, bad := range []struct {
		kind world.RecordKind
		id   string
		data string
	}{
		{world.RecordEntity, "77", "\x09future"}, {world.RecordEntity, "x", "\x01"}, {world.RecordAttribute, "1", "y"},
		{world.RecordSession, "short", ""}, {world.RecordTimer, "5", "garbage"}, {99, "what", "ever"}, {world.RecordSetting, "s", "\xc1"},
	} {
		if err := next.LoadRecord(bad.kind, bad.id, []byte(bad.data)); err != nil {
			t.Errorf("LoadRecord(%d, %q) = %v, want it reported only", bad.kind, bad.id, err)
		}
	}
	next.SetHighID(r.high)
	report, err := next.FinishLoad()
	if err != nil || len(report.Problems) != 7 {
		t.Errorf("FinishLoad: %v, problems %v; want the seven", err, report.Problems)
	}
	for _, k := range next.TakeChanges().Deletes {
		t.Errorf("%v is deleted", k)
	}
	if id := next.NewRoom("New").ID(); id <= 77 {
		t.Errorf("a new entity has the ID %s of a record that could not be read", id)
	}
}

func FuzzLoadRecord(f *testing.F) {
	m := newMover(&testing.T{}, 3)
	for range 200 {
		m.move()
	}
	for _, p := range m.w.TakeChanges().Puts {
		f.Add(uint8(p.Kind), p.ID, p.Data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, id string, data []byte) {
		now := time.Now()
		w := newWorld(t, &now)
		if err := w.LoadRecord(world.RecordKind(kind), id, data); err != nil {
			t.Fatal(err)
		}
		if _, err := w.FinishLoad(); err != nil {
			t.Fatal(err)
		}
		for e := range w.All() {
			e.Access(nil, "get", false)
			if err := e.SetAttr("touched", true); err != nil {
				t.Fatal(err)
			}
		}
		w.TakeChanges() // it can be stored again
	})
}
