//lint:file-ignore U1000 some of these types are only there to be refused

package world_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mudlark.dev/session"
	"mudlark.dev/world"
)

// Stats are a struct that is stored as one value.
type Stats struct {
	Str, Dex int
	HPMax    float64 `attr:"hp"`
	Born     time.Time
	Mentor   world.Ref[*world.Character]
}

// Burning is embedded to make something burn.
type Burning struct {
	Lit  world.Attr[bool]
	Fuel world.Attr[int] `attr:"fuel_minutes" default:"60"`
}

type Torch struct {
	world.Object
	Burning
	Title  world.Attr[string] `default:"a plain torch"`
	Stats  world.Attr[Stats]
	Log    world.List[string]
	Uses   world.Map[string, int]
	ByYear world.Map[int, string]
	Owner  world.Ref[*world.Character]
	Near   world.List[world.Ref[world.Entity]]
	warm   int // in memory
}

func (t *Torch) AtObjectCreation() error { return t.Lit.Set(true) }
func (t *Torch) AtInit()                 { t.warm++ }

// Hall is a room with hooks that write down what they are told.
type Hall struct {
	world.Room
	Visits world.Attr[int]
	log    []string
	refuse string
}

func (h *Hall) note(format string, args ...any) { h.log = append(h.log, fmt.Sprintf(format, args...)) }

func (h *Hall) AtPreObjectReceive(m *world.Move) error {
	h.note("pre-receive %s %s", m.Object.Name(), m.Type)
	if h.refuse != "" {
		return world.Refuse("%s", h.refuse)
	}
	return nil
}
func (h *Hall) AtPreObjectLeave(m *world.Move) error {
	h.note("pre-leave %s", m.Object.Name())
	return nil
}
func (h *Hall) AtObjectLeave(m *world.Move) { h.note("leave %s", m.Object.Name()) }
func (h *Hall) AtObjectReceive(m *world.Move) {
	h.note("receive %s", m.Object.Name())
	if err := h.Visits.Set(h.Visits.Get() + 1); err != nil {
		panic(err)
	}
}
func (h *Hall) AtHear(s *world.Speech) { h.note("hear %s", s.Text) }

// Hero is every character of its game.
type Hero struct {
	world.Character
	log  []string
	fail bool
}

func (h *Hero) AtPreMove(*world.Move) error { h.log = append(h.log, "pre-move"); return nil }
func (h *Hero) AtPostMove(m *world.Move)    { h.log = append(h.log, "post-move "+m.To.Name()) }
func (h *Hero) AtAnnounceLeave(m *world.Move) {
	h.log = append(h.log, "announce-leave")
	world.AnnounceLeave(m)
}
func (h *Hero) AtPrePuppet(*world.Session) error {
	if h.fail {
		return world.Refuse("The hero sleeps.")
	}
	return nil
}
func (h *Hero) AtPostPuppet(*world.Session)   { h.log = append(h.log, "puppet") }
func (h *Hero) AtPreUnpuppet(*world.Session)  { panic("a bug in a hook") }
func (h *Hero) AtPostUnpuppet(*world.Session) { h.log = append(h.log, "unpuppet") }
func (h *Hero) AtPreSay(s *world.Speech) error {
	s.Text = strings.ToUpper(s.Text)
	return nil
}

type Member struct {
	world.Account
	Points world.Attr[int]
	log    []string
}

func (m *Member) AtAccountCreation() error        { return m.Points.Set(10) }
func (m *Member) AtPreLogin(*world.Session) error { m.log = append(m.log, "pre-login"); return nil }
func (m *Member) AtFirstLogin(*world.Session)     { m.log = append(m.log, "first-login") }
func (m *Member) AtPostLogin(*world.Session)      { m.log = append(m.log, "post-login") }
func (m *Member) AtDisconnect(s *world.Session, reason string) {
	m.log = append(m.log, "disconnect "+reason)
}
func (m *Member) AtPostDisconnect(reason string) { m.log = append(m.log, "post-disconnect") }

var (
	_ world.AtObjectCreationHook = (*Torch)(nil)
	_ world.AtPrePuppetHook      = (*Hero)(nil)
)

func classes() []world.Typeclass {
	return []world.Typeclass{
		world.Class[Torch]("torch").WithLocks("get:perm(Builder)"), world.Class[Hall]("room"), world.Class[Hero]("character"), world.Class[Member]("account"),
	}
}

func TestTypedAttributes(t *testing.T) {
	w := newWorld(t, world.Config{Typeclasses: classes()})
	hall := w.NewRoom("Hall")
	torch := must[*Torch](t)(world.Create[*Torch](w, world.Spec{Name: "torch", In: hall, Aliases: []string{"light"}, Desc: "Pine."}))
	if torch.Typeclass() != "torch" || torch.Location().ID() != hall.ID() || torch.Desc() != "Pine." || torch.warm != 1 {
		t.Errorf("torch is %q in %v, %q, warm %d", torch.Typeclass(), torch.Location(), torch.Desc(), torch.warm)
	}
	if v, _ := torch.Attr("lit"); v != true || !torch.Lit.Get() {
		t.Errorf("lit = %v, %v: AtObjectCreation sets it", v, torch.Lit.Get())
	}
	// Defaults count as long as nothing is set.
	if torch.Fuel.Get() != 60 || torch.Fuel.IsSet() || torch.Title.Get() != "a plain torch" || torch.Fuel.Name() != "fuel_minutes" {
		t.Errorf("fuel = %d, set %v; title %q", torch.Fuel.Get(), torch.Fuel.IsSet(), torch.Title.Get())
	}
	ok(t, torch.Fuel.Set(30))
	if v, _ := torch.Attr("fuel_minutes"); v != int64(30) {
		t.Errorf("fuel_minutes = %v", v)
	}
	// Builders set the same attribute, to what fits.
	ok(t, torch.SetAttr("fuel_minutes", 45.0))
	if torch.Fuel.Get() != 45 {
		t.Errorf("fuel = %d after a builder set 45.0", torch.Fuel.Get())
	}
	if err := torch.SetAttr("fuel_minutes", "a lot"); err == nil || !strings.Contains(err.Error(), `"a lot" is no int`) {
		t.Errorf("SetAttr of a text = %v", err)
	}
	torch.Fuel.Unset()
	if torch.Fuel.Get() != 60 {
		t.Error("Unset does not bring the default back")
	}

	hero := must[*world.Character](t)(w.NewCharacter("Ada", hall))
	st := Stats{Str: 3, Dex: -1, HPMax: 2.5, Born: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), Mentor: world.RefTo(hero)}
	ok(t, torch.Stats.Set(st))
	got := torch.Stats.Get()
	if got.Str != 3 || got.Dex != -1 || got.HPMax != 2.5 || !got.Born.Equal(st.Born) || got.Mentor.Get() != hero {
		t.Errorf("stats = %+v", got)
	}
	if v, _ := torch.Attr("stats"); fmt.Sprint(v) != "map[born:2026-01-02T03:04:05.0000006Z dex:-1 hp:2.5 mentor:#3 str:3]" {
		t.Errorf("stats are stored as %v", v)
	}

	ok(t, torch.Log.Append("lit", "dropped"))
	ok(t, torch.Log.Insert(1, "carried"))
	ok(t, torch.Log.Set(0, "found"))
	if s := fmt.Sprint(torch.Log.Slice(), torch.Log.Len(), torch.Log.At(1), torch.Log.Index("dropped"), torch.Log.Contains("x")); s != "[found carried dropped] 3carried2 false" {
		t.Errorf("log = %s", s)
	}
	for i := range torch.Log.All() {
		ok(t, torch.Log.Append(fmt.Sprint(i))) // what is yielded is what it was
	}
	ok(t, torch.Log.Delete(0, 3))
	if s := fmt.Sprint(torch.Log.Slice()); s != "[0 1 2]" {
		t.Errorf("log = %s", s)
	}
	ok(t, torch.Log.Replace())
	if torch.Log.Len() != 0 {
		t.Error("Replace without values leaves some")
	}

	ok(t, torch.Uses.Set("lit", 2))
	ok(t, torch.Uses.Set("dropped", 1))
	ok(t, torch.ByYear.Set(10, "ten"))
	ok(t, torch.ByYear.Set(9, "nine"))
	var all []string
	for k, v := range torch.ByYear.All() {
		all = append(all, fmt.Sprint(k, v))
	}
	n, there := torch.Uses.Get("lit")
	_, missing := torch.Uses.Get("sold")
	if fmt.Sprint(all) != "[9nine 10ten]" || n != 2 || !there || missing || torch.Uses.Len() != 2 {
		t.Errorf("maps: %v, %d %v %v", all, n, there, missing)
	}
	ok(t, torch.Uses.Delete("lit"))
	ok(t, torch.Uses.Delete("nothing"))
	if torch.Uses.Len() != 1 {
		t.Error("Delete does not")
	}

	ok(t, torch.Owner.Set(hero))
	ok(t, torch.Near.Append(world.RefTo[world.Entity](hall), world.RefTo[world.Entity](hero)))
	if v, _ := torch.Attr("owner"); v != hero.ID().String() || torch.Owner.Get() != hero {
		t.Errorf("owner = %v, %v", v, torch.Owner.Get())
	}
	ok(t, w.Delete(hero))
	near := torch.Near.At(1)
	if torch.Owner.Get() != nil || near.Get() != nil || torch.Owner.ID() != hero.ID() {
		t.Error("a deleted entity is still referred to")
	}
	ok(t, torch.Owner.Set(nil))
	if torch.Owner.ID() != 0 {
		t.Error("nil does not clear a Ref")
	}
	kept := world.RefTo(torch)
	if kept.Get() != torch {
		t.Error("a Ref outside a typeclass does not find its entity")
	}
	ok(t, torch.Title.Set("caf\xe9"))
	if v, _ := torch.Attr("title"); v != "caf\uFFFD" || torch.Title.Get() != v {
		t.Errorf("title = %q, Get %q; want what is stored", v, torch.Title.Get())
	}
	if err := torch.Title.Set(strings.Repeat("x", 1<<20)); err == nil {
		t.Error("a text of 1 MiB was stored")
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "World.Create") {
			t.Errorf("a torch of nobody's panics with %v", r)
		}
	}()
	(&Torch{}).Lit.Get()
}

// What a field does is undone, stored, and there again in the next world.
func TestTypedAttributesLast(t *testing.T) {
	w := newWorld(t, world.Config{Typeclasses: classes()})
	hall := w.NewRoom("Hall")
	torch := must[*Torch](t)(world.Create[*Torch](w, world.Spec{Name: "torch", In: hall}))
	ok(t, torch.Fuel.Set(7))
	m := w.Mark()
	ok(t, torch.Fuel.Set(8))
	ok(t, torch.Log.Append("x"))
	if torch.Fuel.Get() != 8 || !w.Changed(m) {
		t.Error("Set changes nothing")
	}
	w.Undo(m)
	if torch.Fuel.Get() != 7 || torch.Log.Len() != 0 {
		t.Errorf("fuel %d, log %v after Undo", torch.Fuel.Get(), torch.Log.Slice())
	}
	m = w.Mark()
	ok(t, torch.Fuel.Set(7))
	if w.Changed(m) {
		t.Error("to set what it is counts as a change")
	}

	st := rows{}
	c := w.TakeChanges()
	st.apply(t, c)
	got, report := st.load(t, world.Config{Typeclasses: classes()}, c.HighID, nil)
	if len(report.Problems) != 0 {
		t.Fatalf("problems: %v", report.Problems)
	}
	again, is := world.As[*Torch](got.Get(torch.ID()))
	if !is || again.Fuel.Get() != 7 || !again.Lit.Get() || again.warm != 0 {
		t.Fatalf("loaded: %T, %+v", got.Get(torch.ID()), again)
	}
	if inits := got.Inits(); len(inits) != 1 || inits[0] != world.Entity(again) {
		t.Errorf("Inits = %v", inits)
	}

	// A build without the class keeps all, and one with another type of field
	// says so.
	plain, report := st.load(t, world.Config{}, c.HighID, nil)
	o, is := plain.Get(torch.ID()).(*world.Object)
	if !is || o.Typeclass() != "torch" || len(report.Problems) != 1 || !errors.Is(report.Problems[0], world.ErrNoTypeclass) {
		t.Fatalf("without the class: %T, %v", plain.Get(torch.ID()), report.Problems)
	}
	ok(t, o.SetDesc("changed by a build that knows no torches"))
	ok(t, o.SetAttr("fuel_minutes", "brim-full"))
	next := plain.TakeChanges()
	st.apply(t, next)
	got, report = st.load(t, world.Config{Typeclasses: classes()}, c.HighID, nil)
	again, _ = world.As[*Torch](got.Get(torch.ID()))
	if len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Error(), `attribute "fuel_minutes"`) {
		t.Errorf("problems: %v", report.Problems)
	}
	if v, _ := again.Attr("fuel_minutes"); v != "brim-full" || again.Fuel.Get() != 60 || !again.Lit.Get() {
		t.Errorf("fuel_minutes = %v, Get %d; want it kept and not counted", v, again.Fuel.Get())
	}
	if _, set := again.Fuel.Lookup(); set {
		t.Error("Lookup takes what does not fit for set")
	}
	ok(t, again.Fuel.Set(1))
	if again.Fuel.Get() != 1 {
		t.Error("it cannot be set anew")
	}
}

func TestMonitors(t *testing.T) {
	w := newWorld(t, world.Config{Typeclasses: classes()})
	torch := must[*Torch](t)(world.Create[*Torch](w, world.Spec{Name: "torch"}))
	var seen []string
	stop := torch.Fuel.Monitor(func(old, new int) {
		seen = append(seen, fmt.Sprint(old, "→", new))
		if new < 0 {
			ok(t, torch.Fuel.Set(0)) // not told of again
		}
	})
	w.Monitor(torch, "title", func(old, new any) { seen = append(seen, fmt.Sprint(old, "→", new)) })
	ok(t, torch.Fuel.Set(5))
	ok(t, torch.Fuel.Set(5))
	ok(t, torch.SetAttr("fuel_minutes", -1))
	ok(t, torch.Title.Set("old"))
	torch.DelAttr("title")
	torch.Fuel.Unset()
	stop()
	ok(t, torch.Fuel.Set(9))
	m := w.Mark()
	torch.Fuel.Monitor(func(int, int) { t.Error("a monitor that was undone is told") })
	w.Undo(m)
	ok(t, torch.Fuel.Set(10))
	if s := fmt.Sprint(seen); s != "[60→5 5→-1 <nil>→old old→<nil> 0→60]" {
		t.Errorf("seen %s", s)
	}
}

func TestBaseClassesReplaced(t *testing.T) {
	w := newWorld(t, world.Config{Typeclasses: classes()})
	r := w.NewRoom("Hall")
	hall, is := world.As[*Hall](r)
	if !is || r.Self() != world.Entity(hall) || world.Entity(r) == r.Self() {
		t.Fatalf("NewRoom made a %T", r.Self())
	}
	back, is := world.As[*world.Room](hall)
	if !is || back != r || !world.Is[*world.Object](hall) || world.Is[*world.Exit](hall) || world.Is[*Torch](hall) || world.Is[*world.Room](nil) {
		t.Error("As does not find what is embedded")
	}
	if _, is := world.As[*Burning](must[world.Entity](t)(w.Create(world.Spec{Typeclass: "torch", Name: "t"}))); !is {
		t.Error("As does not find an embedded struct")
	}
	if _, is := world.As[interface{ Contents() []world.Entity }](r); !is {
		t.Error("As does not find an interface")
	}
	a := must[*world.Account](t)(w.NewAccount("Ada", "x"))
	if m, is := world.As[*Member](a); !is || m.Points.Get() != 10 {
		t.Errorf("NewAccount made a %T", a.Self())
	}
	if _, err := world.Create[*world.Object](w, world.Spec{Name: "stone"}); err != nil {
		t.Error(err)
	}
	if _, err := world.Create[*world.Room](w, world.Spec{Name: "Cellar"}); err != nil {
		t.Error(err)
	}
	if _, err := world.Create[*Torch](w, world.Spec{Typeclass: "object", Name: "stone"}); err == nil {
		t.Error("a stone is a torch")
	}
	type unknown struct{ world.Object }
	if _, err := world.Create[*unknown](w, world.Spec{Name: "x"}); !errors.Is(err, world.ErrNoTypeclass) {
		t.Errorf("Create of an unregistered type = %v", err)
	}
}

func TestHooksOfMoves(t *testing.T) {
	w := newWorld(t, world.Config{Typeclasses: classes()})
	a, _ := world.As[*Hall](w.NewRoom("A"))
	b, _ := world.As[*Hall](w.NewRoom("B"))
	x := w.NewExit("north", &a.Room, &b.Room)
	c := must[*world.Character](t)(w.NewCharacter("Ada", a))
	hero, _ := world.As[*Hero](c)
	ok(t, c.MoveTo(a, world.MoveOptions{Quiet: true}))
	hero.log, a.log, b.log = nil, nil, nil
	ok(t, x.Traverse(c))
	if s := fmt.Sprint(hero.log, a.log, b.log); s != "[pre-move announce-leave post-move B] [pre-leave Ada leave Ada] [pre-receive Ada traverse receive Ada]" {
		t.Errorf("hooks: %s", s)
	}
	if b.Visits.Get() != 1 {
		t.Errorf("visits %d", b.Visits.Get())
	}
	a.refuse = "The door is stuck."
	err := c.MoveTo(a, world.MoveOptions{})
	var refused *world.RefusedError
	if !errors.As(err, &refused) || refused.Text != "The door is stuck." || c.Location().ID() != b.ID() {
		t.Errorf("MoveTo = %v, at %v", err, c.Location().Name())
	}
	ok(t, c.MoveTo(a, world.MoveOptions{Force: true}))
	if c.Location().ID() != a.ID() {
		t.Error("Force does not")
	}
	a.log = nil
	ok(t, (&world.Speech{Speaker: c, Kind: "say", Text: "hello"}).Speak())
	if s := fmt.Sprint(a.log); s != "[hear HELLO]" {
		t.Errorf("heard %s", s)
	}
}

// Pingpong rooms send on what they receive.
type Pingpong struct {
	world.Room
	other *Pingpong
}

func (p *Pingpong) AtObjectReceive(m *world.Move) {
	o, _ := world.As[*world.Object](m.Object)
	if err := o.MoveTo(p.other, world.MoveOptions{}); err != nil {
		panic(err)
	}
}

func TestHooksWithoutEnd(t *testing.T) {
	w := newWorld(t, world.Config{Typeclasses: []world.Typeclass{world.Class[Pingpong]("pingpong")}})
	a := must[*Pingpong](t)(world.Create[*Pingpong](w, world.Spec{Name: "A"}))
	b := must[*Pingpong](t)(world.Create[*Pingpong](w, world.Spec{Name: "B"}))
	a.other, b.other = b, a
	ball := w.NewObject("ball", nil)
	for range 2 { // the count is right again after the first
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "without end") {
					t.Errorf("panic %v", r)
				}
			}()
			ball.MoveTo(a, world.MoveOptions{})
		}()
	}
}

func TestHooksOfSessions(t *testing.T) {
	var log strings.Builder
	w := newWorld(t, world.Config{Typeclasses: classes(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	r := w.NewRoom("Hall")
	w.SetStartRoom(r)
	acc := must[*world.Account](t)(w.NewAccount("Ada", "x"))
	m, _ := world.As[*Member](acc)
	c := must[*world.Character](t)(w.NewCharacter("Ada", r))
	hero, _ := world.As[*Hero](c)
	ok(t, acc.AddCharacter(c))
	s := w.OpenSession(session.NewID(), 1, session.Info{}, "p")
	ok(t, s.Login(acc))
	hero.fail = true
	var refused *world.RefusedError
	if err := s.SetPuppet(c); !errors.As(err, &refused) || refused.Text != "The hero sleeps." || s.Puppet() != nil {
		t.Errorf("SetPuppet = %v", err)
	}
	hero.fail = false
	ok(t, s.SetPuppet(c))
	if s.Puppet() != c {
		t.Error("not played")
	}
	w.CloseSession(s, "gone")
	if s.Puppet() != nil || s.Account() != nil || c.Location() != nil {
		t.Error("a hook that panics keeps the session alive")
	}
	if !strings.Contains(log.String(), "a bug in a hook") || !strings.Contains(log.String(), "AtPreUnpuppet") {
		t.Errorf("log: %s", log.String())
	}
	if s := fmt.Sprint(m.log, hero.log); s != "[pre-login first-login post-login disconnect gone post-disconnect] [puppet unpuppet]" {
		t.Errorf("hooks: %s", s)
	}
	s = w.OpenSession(session.NewID(), 2, session.Info{}, "p")
	m.log = nil
	ok(t, s.Login(acc))
	if s := fmt.Sprint(m.log); s != "[pre-login post-login]" {
		t.Errorf("second login: %s", s)
	}
}

func TestSetTypeclass(t *testing.T) {
	w := newWorld(t, world.Config{Typeclasses: classes()})
	r := w.NewRoom("Hall")
	stone := w.NewObject("stone", r)
	ok(t, stone.SetAttr("fuel_minutes", 3))
	m := w.Mark()
	ok(t, w.SetTypeclass(stone, "torch"))
	torch, is := world.As[*Torch](w.Get(stone.ID()))
	if !is || torch.Fuel.Get() != 3 || torch.warm != 1 || torch.Location() != r.Self() || r.Contents()[0] != world.Entity(torch) {
		t.Fatalf("it is a %T", w.Get(stone.ID()))
	}
	if stone.Access(nil, "get", true) {
		t.Error("the locks of the class do not hold")
	}
	w.Undo(m)
	if world.Is[*Torch](w.Get(stone.ID())) || stone.Typeclass() != "object" {
		t.Error("Undo does not bring the class back")
	}
	for name, want := range map[string]string{"room": "of the kind", "ghost": "no such typeclass"} {
		if err := w.SetTypeclass(stone, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("SetTypeclass %s = %v", name, err)
		}
	}
}

// Types that no world takes.
type (
	typo      struct{ world.Object }
	wrongArgs struct{ world.Object }
	otherKind struct{ world.Object }
	badField  struct {
		world.Object
		Names world.Attr[[]string]
	}
	deepField struct {
		world.Object
		X world.Attr[struct{ P *int }]
	}
	hidden struct {
		world.Object
		lit world.Attr[bool]
	}
	twice struct {
		world.Object
		Lit   world.Attr[bool]
		Other world.Attr[int] `attr:"lit"`
	}
	badDefault struct {
		world.Object
		N world.Attr[int] `default:"many"`
	}
	pointerTo struct {
		world.Object
		N *world.Attr[int]
	}
	byPointer struct{ *world.Object }
	getA      struct{}
	getB      struct{ getBase }
	getBase   struct{}
	clash     struct {
		world.Object
		getA
		getBase
	}
	deepClash struct {
		world.Object
		getA
		getB
	}
	resolved struct {
		world.Object
		getA
		getBase
	}
)

func (*typo) AtDropped(world.Entity)          {}
func (*wrongArgs) AtDrop() bool               { return false }
func (*otherKind) AtPostLogin(*world.Session) {}
func (getA) AtGet(world.Entity)               {}
func (getBase) AtGet(world.Entity)            {}
func (r *resolved) AtGet(e world.Entity)      { r.getA.AtGet(e) }

func TestRegistrationRefuses(t *testing.T) {
	for _, tt := range []struct {
		class world.Typeclass
		want  string
	}{
		{world.Class[typo]("typo"), "method AtDropped: there is no such hook; the nearest is AtDrop"},
		{world.Class[wrongArgs]("x"), "method AtDrop is to be func(world.Entity), as in world.AtDropHook, and is func() bool"},
		{world.Class[otherKind]("x"), "method AtPostLogin: it is a hook of account, and this is of the kind object"},
		{world.Class[badField]("x"), "field Names: []string: a slice cannot be stored"},
		{world.Class[deepField]("x"), ".P: a ptr cannot be stored"},
		{world.Class[hidden]("x"), "field lit: the field of an attribute begins with a capital letter"},
		{world.Class[twice]("x"), `the attribute "lit" is that of another field, too`},
		{world.Class[badDefault]("x"), `default "many"`},
		{world.Class[pointerTo]("x"), "field N: it is a world.Attr[int], not a pointer"},
		{world.Class[byPointer]("x"), "by value"},
		{world.Class[clash]("x"), "method AtGet: both world_test.getA and world_test.getBase offer it"},
		{world.Class[deepClash]("x"), "method AtGet: both world_test.getA and world_test.getB offer it"},
		{world.Class[Torch]("Torch"), "in lower case"},
		{world.Class[Torch]("room"), "takes the place of the base class"},
		{world.Class[Torch]("x").WithLocks("get:nonsense()"), "locks"},
		{world.Typeclass{}, "made by Class"},
	} {
		_, err := world.New(world.Config{Typeclasses: []world.Typeclass{tt.class}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: New = %v, want %q", tt.class.Name(), err, tt.want)
		}
	}
	if _, err := world.New(world.Config{Typeclasses: []world.Typeclass{world.Class[resolved]("resolved")}}); err != nil {
		t.Errorf("a class with a method of its own: %v", err)
	}
	_, err := world.New(world.Config{Typeclasses: []world.Typeclass{world.Class[Torch]("a"), world.Class[Torch]("b"), world.Class[typo]("a")}})
	for _, want := range []string{`two typeclasses "a"`, `"a" and "b" are the same type`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want %q", err, want)
		}
	}
}

// Cursed things refuse to be made, or to go.
type Cursed struct {
	world.Object
	Unmade world.Attr[bool]
}

func (c *Cursed) AtObjectCreation() error {
	if c.Name() == "nothing" {
		return world.Refuse("It cannot be.")
	}
	return nil
}
func (c *Cursed) AtObjectDelete() error { return world.Refuse("It comes back.") }

func TestCreationAndDeletionRefused(t *testing.T) {
	w := newWorld(t, world.Config{Typeclasses: []world.Typeclass{world.Class[Cursed]("cursed")}})
	r := w.NewRoom("Hall")
	n := w.Len()
	if _, err := world.Create[*Cursed](w, world.Spec{Name: "nothing", In: r}); err == nil || err.Error() != "It cannot be." {
		t.Errorf("Create = %v", err)
	}
	if w.Len() != n || len(r.Contents()) != 0 {
		t.Error("what was refused is there")
	}
	c := must[*Cursed](t)(world.Create[*Cursed](w, world.Spec{Name: "idol", In: r}))
	if err := w.Delete(c); err == nil || c.Deleted() {
		t.Errorf("Delete = %v", err)
	}
}

func BenchmarkAttr(b *testing.B) {
	w := newWorld(b, world.Config{Typeclasses: classes()})
	torch := must[*Torch](b)(world.Create[*Torch](w, world.Spec{Name: "torch"}))
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		ok(b, torch.Fuel.Set(1000))
		n := 0
		for b.Loop() {
			n += torch.Fuel.Get()
		}
		if n == 0 {
			b.Fatal("nothing was read")
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			ok(b, torch.Fuel.Set(i))
			if i%100 == 0 {
				w.TakeChanges()
			}
		}
	})
}
