package world_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mudlark.dev/session"
	"mudlark.dev/world"
)

var testTimers = map[string]world.TimerFunc{
	"tick": func(w *world.World, e world.Entity, args map[string]any) error {
		n, _ := e.Attr("ticks")
		i, _ := n.(int64)
		return e.SetAttr("ticks", i+1)
	},
}

// randomOp does one thing to w, chosen by r alone.
func randomOp(w *world.World, r *rand.Rand) {
	all := slices.Collect(w.All())
	pick := func() world.Entity { return all[r.IntN(len(all))] }
	var rooms []*world.Room
	var chars []*world.Character
	var accounts []*world.Account
	var objects []*world.Object
	for _, e := range all {
		switch e := e.(type) {
		case *world.Room:
			rooms = append(rooms, e)
		case *world.Character:
			chars = append(chars, e)
		case *world.Account:
			accounts = append(accounts, e)
		case *world.Object:
			objects = append(objects, e)
		}
	}
	room := func() *world.Room { return rooms[r.IntN(len(rooms))] }
	setter := func(e world.Entity) interface {
		DelAttr(string)
		SetLocks(string) error
		AddCmdSet(string) error
		DelCmdSet(string)
		SetAliases(...string) error
	} {
		return e.(interface {
			DelAttr(string)
			SetLocks(string) error
			AddCmdSet(string) error
			DelCmdSet(string)
			SetAliases(...string) error
		})
	}
	sessions := w.Sessions()
	n := r.IntN(26)
	name := fmt.Sprintf("n%d", r.IntN(40))
	switch n {
	case 0:
		w.NewRoom(name)
	case 1:
		w.NewObject(name, room())
	case 2:
		w.NewExit(name, room(), room(), "x")
	case 3:
		w.NewCharacter("Char"+name, room())
	case 4:
		w.NewAccount("Acc"+name, "hash")
	case 5:
		if len(all) > 8 {
			w.Delete(pick())
		}
	case 6, 7:
		if len(objects) > 0 {
			var to world.Entity = room()
			if r.IntN(2) == 0 {
				to = objects[r.IntN(len(objects))]
			}
			objects[r.IntN(len(objects))].MoveTo(to, world.MoveOptions{Quiet: r.IntN(2) == 0})
		}
	case 8, 9:
		pick().SetAttr(name, int64(r.IntN(100)))
	case 10:
		pick().SetAttr("big", strings.Repeat("x", 900+r.IntN(400)))
	case 11:
		setter(pick()).DelAttr([]string{"big", name}[r.IntN(2)])
	case 12:
		w.AddTag(pick(), name[:2], "c")
	case 13:
		w.DelTag(pick(), name[:2], "c")
	case 14:
		setter(pick()).SetLocks("get:perm(Builder)")
	case 15:
		setter(pick()).AddCmdSet(name[:2])
	case 16:
		setter(pick()).DelCmdSet(name[:2])
	case 17:
		setter(pick()).SetAliases(name, "y")
	case 18:
		w.After(time.Duration(r.IntN(9))*time.Minute, pick(), "tick", map[string]any{"a": 1})
	case 19:
		if _, is := w.NextTimer(); is {
			_, run := w.FireNext()
			run()
		} else {
			w.Every(time.Minute, pick(), "tick", nil)
		}
	case 20:
		w.CancelTimer(world.TimerID(r.IntN(20)))
	case 21:
		id := sid(byte(r.IntN(20)))
		if w.Session(id) == nil {
			w.OpenSession(id, uint64(id[0]), session.Info{}, "p")
		} else if r.IntN(3) == 0 {
			w.CloseSession(w.Session(id), "")
		}
	case 22:
		if len(sessions) > 0 && len(accounts) > 0 {
			sessions[r.IntN(len(sessions))].Login(accounts[r.IntN(len(accounts))])
		}
	case 23:
		if len(sessions) > 0 && len(chars) > 0 {
			s, c := sessions[r.IntN(len(sessions))], chars[r.IntN(len(chars))]
			if a := s.Account(); a != nil {
				if c.Account() == nil {
					a.AddCharacter(c)
				}
				if s.SetPuppet(c) != nil {
					s.Unpuppet()
				}
			}
		}
	case 24:
		if len(sessions) > 0 {
			s := sessions[r.IntN(len(sessions))]
			s.SetData("k", int64(r.IntN(3)))
			s.SetPrefs(session.Prefs{Width: r.IntN(90)})
		}
	case 25:
		w.SetSetting("s", int64(r.IntN(5)))
		if len(accounts) > 0 {
			accounts[r.IntN(len(accounts))].AddPerm(name)
		}
	}
}

func seeded(t testing.TB, mode int) *world.World {
	w := newWorld(t, world.Config{Timers: testTimers, MultisessionMode: mode})
	r := w.NewRoom("Start")
	w.SetStartRoom(r)
	w.NewRoom("Second")
	return w
}

func TestUndoRestoresEverything(t *testing.T) {
	for seed := range uint64(300) {
		mode := int(seed % 4)
		w, twin := seeded(t, mode), seeded(t, mode)
		r, rt := rand.New(rand.NewPCG(seed, 7)), rand.New(rand.NewPCG(seed, 7))
		for range 40 {
			randomOp(w, r)
			randomOp(twin, rt)
		}
		if seed%2 == 0 { // from a turn's middle and from its start
			w.TakeChanges()
			twin.TakeChanges()
			w.TakeEffects()
			twin.TakeEffects()
		}
		for range 5 {
			randomOp(w, r)
			randomOp(twin, rt)
		}
		want := dump(w)
		m := w.Mark()
		for range 40 {
			randomOp(w, r)
		}
		w.Undo(m)
		if got := dump(w); got != want {
			t.Fatalf("seed %d: state after Undo: %s", seed, firstDiff(got, want))
		}
		if w.Changed(m) {
			t.Errorf("seed %d: Changed after Undo", seed)
		}
		if got, want := effectsText(w.TakeEffects()), effectsText(twin.TakeEffects()); got != want {
			t.Fatalf("seed %d: effects after Undo: %s", seed, firstDiff(got, want))
		}
		if got, want := changesText(w.TakeChanges()), changesText(twin.TakeChanges()); got != want {
			t.Fatalf("seed %d: changes after Undo: %s", seed, firstDiff(got, want))
		}
	}
}

func TestSameEventsSameBytes(t *testing.T) {
	run := func() string {
		w := seeded(t, 3)
		r := rand.New(rand.NewPCG(5, 5))
		var b strings.Builder
		for range 40 {
			for range 20 {
				randomOp(w, r)
			}
			b.WriteString(changesText(w.TakeChanges()))
			b.WriteString(effectsText(w.TakeEffects()))
		}
		return b.String()
	}
	a, b := run(), run()
	if a != b {
		t.Errorf("two runs differ: %s", firstDiff(a, b))
	}
}

func TestLoadEqualsWhatWasPut(t *testing.T) {
	for seed := range uint64(60) {
		w := seeded(t, int(seed%4))
		st := rows{}
		var high uint64
		r := rand.New(rand.NewPCG(seed, 9))
		for range 20 {
			for range 10 {
				randomOp(w, r)
			}
			c := w.TakeChanges()
			if c.HighID != 0 {
				high = c.HighID
			}
			st.apply(t, c)
			w.TakeEffects()
		}
		sessions := w.Sessions()
		cfg := world.Config{Timers: testTimers, MultisessionMode: int(seed % 4)}
		got, report := st.load(t, cfg, high, rand.New(rand.NewPCG(seed, 1)))
		if len(report.Problems) > 0 {
			t.Fatalf("seed %d: problems: %v", seed, report.Problems)
		}
		for _, s := range sessions { // in the order of their numbers
			got.OpenSession(s.ID(), s.Number(), s.Info(), "p")
		}
		if c := got.TakeChanges(); !c.Empty() {
			t.Fatalf("seed %d: a load changes: %s", seed, changesText(c))
		}
		if n := len(got.TakeEffects()); n != 0 {
			t.Errorf("seed %d: taking up sessions had %d effects", seed, n)
		}
		a, b := stable(dump(got)), stable(dump(w))
		if a != b {
			t.Fatalf("seed %d: %s", seed, firstDiff(a, b))
		}
	}
}

// stable leaves out what is in memory only: settings of sessions without a row,
// and the order of the sessions of one account.
func stable(s string) string {
	var out []string
	var run []string
	flush := func() { slices.Sort(run); out = append(out, run...); run = nil }
	for _, l := range strings.Split(s, "\n") {
		if strings.HasPrefix(l, "session ") && !strings.Contains(l, "account=") && strings.Contains(l, "data=<nil>") {
			continue
		}
		if strings.HasPrefix(l, "  at ") || strings.HasPrefix(l, "  played at ") {
			run = append(run, l)
			continue
		}
		flush()
		out = append(out, l)
	}
	flush()
	return strings.Join(out, "\n")
}

func TestUnknownFieldsAndClassesSurvive(t *testing.T) {
	w := seeded(t, 0)
	st := rows{}
	st.apply(t, w.TakeChanges())
	key := world.RecordKey{Kind: world.RecordEntity, ID: "1"}
	data := st[key]
	if i := strings.Index(string(data), "room"); i < 0 {
		t.Fatal("no class in the record")
	}
	st[key] = []byte(strings.Replace(string(data), "room", "cave", 1))
	got, report := st.load(t, world.Config{}, 2, nil)
	r, is := got.Get(1).(*world.Room)
	if !is || r.Typeclass() != "cave" || len(report.Problems) != 1 || !errors.Is(report.Problems[0], world.ErrNoTypeclass) {
		t.Fatalf("Get(1) = %T of class %q, problems %v", got.Get(1), got.Get(1).Typeclass(), report.Problems)
	}
	ok(t, r.SetDesc("dark"))
	if s := string(got.TakeChanges().Puts[0].Data); !strings.Contains(s, "cave") {
		t.Errorf("class is lost: %q", s)
	}
}

func TestMultisessionModes(t *testing.T) {
	type want struct{ firstLoggedIn, firstPlays, secondPlays bool }
	for mode, want := range []want{{false, false, true}, {true, true, true}, {true, false, true}, {true, true, true}} {
		w := seeded(t, mode)
		a := must[*world.Account](t)(w.NewAccount("Ada", "h"))
		c := must[*world.Character](t)(w.NewCharacter("Bell", w.StartRoom()))
		a.AddCharacter(c)
		one, two := w.OpenSession(sid(1), 1, session.Info{}, "p"), w.OpenSession(sid(2), 2, session.Info{}, "p")
		ok(t, one.Login(a))
		ok(t, one.SetPuppet(c))
		ok(t, two.Login(a))
		ok(t, two.SetPuppet(c))
		if got := one.Account() != nil; got != want.firstLoggedIn {
			t.Errorf("mode %d: first logged in = %v", mode, got)
		}
		if got := one.Puppet() != nil; got != want.firstPlays {
			t.Errorf("mode %d: first plays = %v", mode, got)
		}
		if got := two.Puppet() != nil; got != want.secondPlays {
			t.Errorf("mode %d: second plays = %v", mode, got)
		}
		two.Unpuppet()
		one.Unpuppet()
		if c.Location() != nil {
			t.Errorf("mode %d: %s stays when nobody plays it", mode, c.Name())
		}
	}
}

func TestSessionRows(t *testing.T) {
	w := seeded(t, 0)
	w.TakeChanges()
	a := must[*world.Account](t)(w.NewAccount("Ada", "h"))
	w.TakeChanges()
	count := func() (puts, dels int) {
		c := w.TakeChanges()
		for _, p := range c.Puts {
			if p.Kind == world.RecordSession {
				puts++
			}
		}
		for _, k := range c.Deletes {
			if k.Kind == world.RecordSession {
				dels++
			}
		}
		return puts, dels
	}
	s := w.OpenSession(sid(1), 1, session.Info{}, "p")
	steps := []struct {
		name       string
		do         func()
		puts, dels int
	}{
		{"opened", func() {}, 0, 0},
		{"prefs alone", func() { s.SetPrefs(session.Prefs{Width: 3}) }, 0, 0},
		{"data", func() { ok(t, s.SetData("k", 1)) }, 1, 0},
		{"no data", func() { ok(t, s.SetData("k", nil)) }, 0, 1},
		{"login", func() { ok(t, s.Login(a)) }, 1, 0},
		{"closed", func() { w.CloseSession(s, "") }, 0, 1},
		{"closed again", func() { w.CloseSession(s, "") }, 0, 0},
	}
	for _, st := range steps {
		st.do()
		if p, d := count(); p != st.puts || d != st.dels {
			t.Errorf("%s: %d puts and %d deletions, want %d and %d", st.name, p, d, st.puts, st.dels)
		}
	}
}

func TestTimers(t *testing.T) {
	clk := newClock()
	cfg := world.Config{Timers: testTimers, Now: clk.now}
	w := newWorld(t, cfg)
	r := w.NewRoom("R")
	st := rows{}
	must[world.TimerID](t)(w.After(90*time.Second, r, "tick", nil))
	must[world.TimerID](t)(w.Every(time.Minute, r, "tick", nil))
	if _, err := w.After(0, r, "nothing", nil); !errors.Is(err, world.ErrNoTimer) {
		t.Errorf("After(nothing) = %v", err)
	}
	st.apply(t, w.TakeChanges())
	start := clk.t
	var fired []time.Duration
	for range 4 {
		at, _ := w.NextTimer()
		clk.t = at
		fired = append(fired, at.Sub(start))
		_, run := w.FireNext()
		ok(t, run())
		c := w.TakeChanges()
		for _, p := range c.Puts {
			if p.Kind == world.RecordTimer {
				t.Errorf("a beat is written")
			}
		}
		st.apply(t, c)
	}
	if want := []time.Duration{60e9, 90e9, 120e9, 180e9}; !slices.Equal(fired, want) {
		t.Errorf("fired at %v, want %v", fired, want)
	}
	// A load at the moment of the first beat, which was run, is no second one.
	first := newWorld(t, cfg)
	must[world.TimerID](t)(first.Every(time.Minute, first.NewRoom("R"), "tick", nil))
	begun := clk.t.Truncate(time.Millisecond)
	only := rows{}
	only.apply(t, first.TakeChanges())
	clk.t, _ = first.NextTimer()
	_, run := first.FireNext()
	ok(t, run())
	again, _ := only.load(t, cfg, 2, nil)
	if at, _ := again.NextTimer(); at.Sub(begun) != 2*time.Minute {
		t.Errorf("next beat after a load at the first one is at %v, want 2m", at.Sub(begun))
	}

	clk.t = start.Add(10*time.Minute + time.Second)
	w2, report := st.load(t, cfg, 1, nil)
	if len(report.Problems) != 0 {
		t.Error(report.Problems)
	}
	if at, _ := w2.NextTimer(); at.Sub(start) != 11*time.Minute {
		t.Errorf("next beat after the pause at %v", at.Sub(start))
	}
}

// A timer that is passed over is kept in the store if it fires once, and misses a
// beat if it repeats.
func TestPassNext(t *testing.T) {
	clk := newClock()
	cfg := world.Config{Timers: testTimers, Now: clk.now}
	w := newWorld(t, cfg)
	r := w.NewRoom("R")
	once := must[world.TimerID](t)(w.After(30*time.Second, r, "tick", nil))
	beat := must[world.TimerID](t)(w.Every(time.Minute, r, "tick", nil))
	st := rows{}
	st.apply(t, w.TakeChanges())
	start := clk.t
	clk.t = start.Add(time.Minute)
	for _, want := range []world.TimerID{once, beat} {
		if id, name := w.DueTimer(); id != want || name != "tick" {
			t.Errorf("DueTimer = %v, %q; want %v", id, name, want)
		}
		w.PassNext()
	}
	if at, _ := w.NextTimer(); at.Sub(start) != 2*time.Minute {
		t.Errorf("the next timer is due at %v, want the second beat", at.Sub(start))
	}
	if c := w.TakeChanges(); !c.Empty() {
		t.Errorf("passing over changed %+v", c)
	}
	w2, _ := st.load(t, cfg, 1, nil)
	if id, _ := w2.DueTimer(); id != once {
		t.Errorf("the next world has timer %v due, want %v", id, once)
	}
	// It can be cancelled where it is kept.
	m := w.Mark()
	if !w.CancelTimer(once) || w.CancelTimer(once) {
		t.Error("a timer that is kept cannot be cancelled once")
	}
	w.Undo(m)
	if !w.CancelTimer(once) {
		t.Error("undone, the timer is not there")
	}
	st.apply(t, w.TakeChanges())
	w3, _ := st.load(t, cfg, 1, nil)
	if id, _ := w3.DueTimer(); id != beat {
		t.Errorf("timer %v is due, want %v alone", id, beat)
	}
}

func TestNames(t *testing.T) {
	w := seeded(t, 0)
	must[*world.Account](t)(w.NewAccount("Ada", "h"))
	must[*world.Character](t)(w.NewCharacter("Ada", nil))
	for name, want := range map[string]error{"aDA": world.ErrNameTaken, "ab": world.ErrBadName, "a b c": world.ErrBadName, strings.Repeat("a", 31): world.ErrBadName} {
		if _, err := w.NewAccount(name, ""); !errors.Is(err, want) {
			t.Errorf("NewAccount(%q) = %v, want %v", name, err, want)
		}
		if _, err := w.NewCharacter(name, nil); !errors.Is(err, want) {
			t.Errorf("NewCharacter(%q) = %v, want %v", name, err, want)
		}
	}
}

func TestSearchTable(t *testing.T) {
	w := seeded(t, 0)
	room := w.StartRoom()
	me := must[*world.Character](t)(w.NewCharacter("Bell", room))
	ok(t, me.MoveTo(room, world.MoveOptions{Quiet: true}))
	s1, s2 := w.NewObject("sword", room), w.NewObject("sword", room)
	lamp := w.NewObject("brass lamp", me)
	ok(t, lamp.SetAliases("light"))
	for q, want := range map[string][]world.ID{
		"me": {me.ID()}, "self": {me.ID()}, "here": {room.ID()}, "sword": {s1.ID(), s2.ID()}, "sword-2": {s2.ID()},
		"2-sword": {s2.ID()}, "SWORD-1": {s1.ID()}, "lam": {lamp.ID()}, "light": {lamp.ID()}, "rass": nil, "sword-3": nil,
		"": nil, "start": {room.ID()}, "#1": nil,
	} {
		got, err := me.Search(me, q)
		if !slices.Equal(ids(got), want) || (err == nil) != (want != nil) {
			t.Errorf("Search(%q) = %v, %v; want %v", q, ids(got), err, want)
		}
	}
}

func TestLocks(t *testing.T) {
	w := seeded(t, 0)
	builder := must[*world.Account](t)(w.NewAccount("Builder1", ""))
	builder.AddPerm("Developer")
	super := must[*world.Account](t)(w.NewAccount("Super1", ""))
	super.SetSuperuser(true)
	anon := w.OpenSession(sid(1), 1, session.Info{}, "p")
	o := w.NewObject("o", w.StartRoom())
	for _, tc := range []struct {
		e      world.Entity
		access string
		anon   bool
		dev    bool
	}{
		{o, "get", true, true}, {o, "view", true, true}, {o, "edit", false, true}, {o, "delete", false, true},
		{o, "control", false, true}, {o, "puppet", false, true}, {w.StartRoom(), "get", false, false},
		{w.StartRoom(), "puppet", false, false}, {builder, "edit", false, true}, {o, "nonsense", false, false},
	} {
		if got := tc.e.Access(anon, tc.access, false); got != tc.anon {
			t.Errorf("%s %s by nobody = %v", tc.e.Name(), tc.access, got)
		}
		if got := tc.e.Access(builder, tc.access, false); got != tc.dev {
			t.Errorf("%s %s by a developer = %v", tc.e.Name(), tc.access, got)
		}
		if !tc.e.Access(super, tc.access, false) {
			t.Errorf("%s %s by a superuser = false", tc.e.Name(), tc.access)
		}
	}
}

func FuzzLoadRecord(f *testing.F) {
	w := seeded(f, 3)
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		randomOp(w, r)
	}
	for _, p := range w.TakeChanges().Puts {
		f.Add(uint8(p.Kind), p.ID, p.Data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, id string, data []byte) {
		w := newWorld(t, world.Config{Timers: testTimers})
		if err := w.LoadRecord(world.RecordKind(kind), id, data); err != nil {
			return
		}
		if _, err := w.FinishLoad(); err != nil {
			return
		}
		// What was loaded can be used and stored.
		for e := range w.All() {
			ok(t, e.SetAttr("touched", true))
			if o, is := e.(interface{ Room() *world.Room }); is {
				o.Room()
			}
		}
		c := w.TakeChanges()
		st := rows{}
		st.apply(t, c)
		st.load(t, world.Config{Timers: testTimers}, 0, nil)
	})
}
