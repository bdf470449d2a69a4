package world_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"mudlark.dev/inline"
	"mudlark.dev/markup"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// A stage is a room with players in it.
type stage struct {
	t    testing.TB
	w    *world.World
	room *world.Room
}

func newStage(t testing.TB, cfg world.Config) *stage {
	w := newWorld(t, cfg)
	return &stage{t, w, w.NewRoom("Hall")}
}

// player returns a character that somebody plays.
func (s *stage) player(name string) *world.Character {
	s.t.Helper()
	c := must[*world.Character](s.t)(s.w.NewCharacter(name, s.room))
	a := must[*world.Account](s.t)(s.w.NewAccount(name, "hash"))
	n := uint64(len(s.w.Sessions()) + 1)
	ses := s.w.OpenSession(session.ID{byte(n)}, n, session.Info{}, "main/1")
	ok(s.t, ses.Login(a))
	a.AddCharacter(c)
	ok(s.t, ses.SetPuppet(c))
	s.w.TakeEffects()
	return c
}

// heard returns who was told what.
func (s *stage) heard() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, e := range s.w.TakeEffects() {
		o, is := e.(world.Output)
		if !is {
			continue
		}
		for _, to := range o.To {
			name := to.Puppet().Name()
			if out[name] != "" {
				s.t.Errorf("%s is told twice", name)
			}
			out[name] = fmt.Sprint(o.Message.Args[0])
		}
	}
	return out
}

func TestAct(t *testing.T) {
	s := newStage(t, world.Config{Inline: map[string]inline.Func{
		"loud": func(c *inline.Call) (any, error) { return strings.ToUpper(c.Text(0, "")), nil },
	}})
	ada, bob, eve := s.player("Ada"), s.player("Bob"), s.player("Eve")
	ok(t, ada.SetAttr("gender", "female"))
	ok(t, bob.SetAttr("gender", "male"))
	rope := s.w.NewObject("rope", ada)
	s.w.NewObject("|rrose|n", s.room)
	with := world.With{"thing": rope, "whom": bob, "n": 3, "said": markup.Escape("|rx $You() {whom}")}
	for _, tc := range []struct {
		in            string
		ada, bob, all string
	}{
		{"$You() $conj(give) {thing} to $you(whom).", "You give rope to Bob.", "Ada gives rope to you.", "Ada gives rope to Bob."},
		{"$You(whom) $conj(smile, whom), $you() $conj(do not).", "Bob smiles, you do not.", "You smile, Ada does not.", "Bob smiles, Ada does not."},
		{"$Your() rope, $your(whom) rope", "Your rope, Bob's rope", "Ada's rope, your rope", "Ada's rope, Bob's rope"},
		{"$You() $conj(look) at $pron(yourself).", "You look at yourself.", "Ada looks at herself.", "Ada looks at herself."},
		{"$Pron(you) $pconj(take) $pron(your) rope.", "You take your rope.", "She takes her rope.", "She takes her rope."},
		{"$pron(I) $pron(him, whom)", "I him", "she you", "she him"},
		{"$pron(her, possessive) $pron(you, object male)", "yours you", "hers him", "hers him"},
		{"$obj(thing, article=1) $Obj(thing, format=upper)", "a rope ROPE", "a rope ROPE", "a rope ROPE"},
		{"{n} ropes, $loud(heave)!", "3 ropes, HEAVE!", "3 ropes, HEAVE!", "3 ropes, HEAVE!"},
		{"|{box}{thing}|}", "|{box}rope|}", "|{box}rope|}", "|{box}rope|}"},
		{"{nobody} $you(nobody) $conj()", "{nobody} |$you(nobody) |$conj()", "{nobody} |$you(nobody) |$conj()", "{nobody} |$you(nobody) |$conj()"},
		{"$obj(said)", "||rx |$You() {whom}", "||rx |$You() {whom}", "||rx |$You() {whom}"},
		{"{said}", "||rx |$You() {whom}", "||rx |$You() {whom}", "||rx |$You() {whom}"},
		{"$search(rose) smells.", "|rrose|n smells.", "|rrose|n smells.", "|rrose|n smells."},
		{"$search(lily) smells.", "|$search(lily) smells.", "|$search(lily) smells.", "|$search(lily) smells."},
		{"$pluralize($obj(thing), {n})", "ropes", "ropes", "ropes"},
	} {
		s.room.Act(ada, tc.in, with)
		got := s.heard()
		if got["Ada"] != tc.ada || got["Bob"] != tc.bob || got["Eve"] != tc.all {
			t.Errorf("Act(%q):\nAda: %q\nBob: %q\nEve: %q", tc.in, got["Ada"], got["Bob"], got["Eve"])
		}
	}

	s.room.Act(ada, "$You() $conj(hide).", nil, ada, bob)
	if got := s.heard(); len(got) != 1 || got["Eve"] != "Ada hides." {
		t.Errorf("with Ada and Bob left out: %q", got)
	}
	// Nobody in particular does it.
	s.room.Act(nil, "It rains on {whom}. $You()", with)
	if got := s.heard(); got["Bob"] != "It rains on Bob. |$You()" || got["Eve"] != got["Bob"] {
		t.Errorf("without an actor: %q", got)
	}
	// Whoever acts upon themselves is spoken to.
	s.room.Act(ada, "$You() $conj(poke) $you(whom).", world.With{"whom": ada})
	if got := s.heard(); got["Ada"] != "You poke you." || got["Bob"] != "Ada pokes Ada." {
		t.Errorf("upon oneself: %q", got)
	}
	// By default people are "they" and things "it".
	s.room.Act(eve, "$Pron(you) $pconj(wave), $pron(your) {thing} $conj(fall, thing) by $pron(yourself, thing).", with)
	if got := s.heard(); got["Eve"] != "You wave, your rope falls by itself." || got["Bob"] != "They wave, their rope falls by itself." {
		t.Errorf("by default: %q", got)
	}
}

// A function of the game's own learns who acts and who reads.
func TestActing(t *testing.T) {
	s := newStage(t, world.Config{Inline: map[string]inline.Func{
		"told": func(c *inline.Call) (any, error) {
			a, ok := c.Env.(world.Acting)
			if !ok {
				return nil, errors.New("it is for Act")
			}
			name := func(e world.Entity) string {
				if e == nil {
					return "-"
				}
				return e.Name()
			}
			whom, _ := a.Named("whom").(world.Entity)
			return fmt.Sprint(name(a.Actor()), " ", name(a.Viewer()), " ", name(whom), " ", a.Named("n"), " ", a.Named("nothing")), nil
		},
	}})
	ada, bob := s.player("Ada"), s.player("Bob")
	s.player("Eve")
	for _, tc := range []struct {
		name          string
		actor         world.Entity
		with          world.With
		ada, bob, eve string
	}{
		{"somebody to somebody", ada, world.With{"whom": bob, "n": 3}, "Ada Ada Bob 3 <nil>", "Ada Bob Bob 3 <nil>", "Ada - Bob 3 <nil>"},
		{"nobody", nil, nil, "- - - <nil> <nil>", "- - - <nil> <nil>", "- - - <nil> <nil>"},
	} {
		s.room.Act(tc.actor, "$told()", tc.with)
		if got := s.heard(); got["Ada"] != tc.ada || got["Bob"] != tc.bob || got["Eve"] != tc.eve {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
}

// Lots are drawn once for all who read.
func TestActChance(t *testing.T) {
	text := "$You() $conj(roll) $randint(1, 1000000), $randint(1, 1000000), $random(), $choice(a, b, c, d, e, f, g, h) for $you(whom)."
	s := newStage(t, world.Config{Rand: rand.New(rand.NewPCG(3, 4))})
	ada, bob := s.player("Ada"), s.player("Bob")
	s.player("Eve")
	seen := map[string]bool{}
	for range 3 {
		s.room.Act(ada, text, world.With{"whom": bob})
		got := s.heard()
		rest, _ := strings.CutPrefix(got["Ada"], "You roll ")
		rest, _ = strings.CutSuffix(rest, " for Bob.")
		if want := "Ada rolls " + rest + " for you."; got["Bob"] != want {
			t.Errorf("Ada reads %q, and Bob %q", got["Ada"], got["Bob"])
		}
		if want := "Ada rolls " + rest + " for Bob."; got["Eve"] != want {
			t.Errorf("Ada reads %q, and Eve %q", got["Ada"], got["Eve"])
		}
		lots := strings.Split(rest, ", ")
		if len(lots) != 4 || lots[0] == lots[1] || seen[rest] {
			t.Errorf("the lots %q", rest)
		}
		seen[rest] = true
	}
	// A text without lots draws none.
	before := rand.New(rand.NewPCG(5, 6))
	s = newStage(t, world.Config{Rand: rand.New(rand.NewPCG(5, 6))})
	s.room.Act(s.player("Ada"), "$You() $conj(wait).", nil)
	if got, want := s.w.Rand().Uint64(), before.Uint64(); got != want {
		t.Errorf("the world's chance is at %d, want %d", got, want)
	}
}

// The world knows the tags of the game, in names as in what it does with them.
func TestOwnTags(t *testing.T) {
	tags := must[*markup.Tags](t)(markup.NewTags(map[string]string{"Tide": "|#2288aa", "ebb": "|x"}))
	s := newStage(t, world.Config{Tags: tags})
	ada := s.player("Ada")
	s.player("Bob")
	eel := s.w.NewObject("|Tideeel|n", s.room)
	ok(t, eel.SetAliases("|ebbold fish|n"))
	for _, tc := range []struct{ in, want string }{
		{"{thing} $conj(bite, thing).", "|#2288aaeel|n bites."},
		{"$Obj(thing) $conj(bite, thing).", "|#2288aaEel|n bites."},
		{"$You(thing), $your(thing) tail", "|#2288aaEel|n, |#2288aaeel|n's tail"},
		{"$obj(thing, article=1), $obj(thing, format=upper)", "an |#2288aaeel|n, |#2288aaEEL|n"},
		{"$pluralize($obj(thing), 2)", "|#2288aaeels|n"},
		{"$Obj(said)", "|#2288aaHo|n ||Tide"},
	} {
		s.room.Act(ada, tc.in, world.With{"thing": eel, "said": "|Tideho|n ||Tide"})
		if got := s.heard()["Bob"]; got != tc.want {
			t.Errorf("Act(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
	for _, query := range []string{"eel", "EEL", "ee", "old fish", "fish", "|tideeel|n"} {
		if got, err := ada.SearchOne(nil, query); got != world.Entity(eel) {
			t.Errorf("Search(%q) = %v, %v", query, got, err)
		}
		if got, err := world.Pick([]world.Entity{ada, eel}, query); got != world.Entity(eel) {
			t.Errorf("Pick(%q) = %v, %v", query, got, err)
		}
	}
	if got, err := ada.SearchOne(nil, "tide"); err == nil {
		t.Errorf("a tag finds %v", got)
	}
	// An exit is a link to what one types.
	s.w.NewExit("|Tideferry|n", s.room, s.w.NewRoom("Far"))
	if got := world.Appearance(ada, s.room); !strings.Contains(got, "|lcferry|lt|w|Tideferry|n|n|le") {
		t.Errorf("the place: %q", got)
	}
	if got := s.w.Plain("|Tideeel|n ||Tide |reef"); got != "eel |Tide eef" {
		t.Errorf("Plain = %q", got)
	}
	name := "eel"
	if n := testing.AllocsPerRun(100, func() { s.w.Plain(name) }); n != 0 {
		t.Errorf("Plain of a name without a bar allocates %v times", n)
	}
}

// Whatever a player typed shows as it was typed, in a text as in a name.
func TestActInjection(t *testing.T) {
	s := newStage(t, world.Config{})
	ada := s.player("Ada")
	s.player("Bob")
	parts := []string{"$You()", "$obj(thing)", "{thing}", "$", "(", ")", "|", "||", "\\", "{", "}", ",", "=", `"`, "$$", "|$", "x", "$add(1, 1)"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var b strings.Builder
		for range r.IntN(8) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		typed := b.String()
		safe := markup.Escape(typed)
		want := "Ada says " + markup.Strip(safe) + "."
		s.room.Act(ada, "$You() $conj(say) {thing}.", world.With{"thing": safe})
		if got := markup.Strip(s.heard()["Bob"]); got != want {
			t.Fatalf("typed %q: %q, want %q", typed, got, want)
		}
	}
}

func TestThirdPerson(t *testing.T) {
	for in, want := range map[string]string{
		"smile": "smiles", "go": "goes", "echo": "echoes", "boo": "boos", "kiss": "kisses", "fix": "fixes", "buzz": "buzzes",
		"catch": "catches", "push": "pushes", "try": "tries", "play": "plays", "be": "is", "are": "is", "Have": "Has", "do": "does",
		"don't": "doesn't", "can": "can", "can't": "can't", "aren't": "isn't", "haven't": "hasn't", "were": "was", "look up": "looks up", "Try": "Tries",
	} {
		if got := world.ThirdPerson(in); got != want {
			t.Errorf("ThirdPerson(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestInlineNames(t *testing.T) {
	_, err := world.New(world.Config{Inline: map[string]inline.Func{"a b": nil}})
	if err == nil || !strings.Contains(err.Error(), `"a b"`) {
		t.Errorf("a wrong name: %v", err)
	}
	// The functions know when they are not where they belong.
	set, err := inline.NewSet(world.SearchFuncs(), world.ActorFuncs())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{"$You()", "$Your()", "$obj(x)", "$conj(smile)", "$pron(you)", "$search(x)", "$objlist(x)", "$dbref(#1)", "$dbref(1)"} {
		var e *inline.Error
		if got, err := set.Expand(in, nil, inline.Options{Strict: true}); !errors.As(err, &e) || got != in {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

func ExampleObject_Act() {
	w, err := world.New(world.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hall := w.NewRoom("Hall")
	var players []*world.Character
	for i, name := range []string{"Ada", "Bob", "Eve"} {
		c, err := w.NewCharacter(name, hall)
		if err != nil {
			fmt.Println(err)
			return
		}
		a, err := w.NewAccount(name, "hash")
		if err != nil {
			fmt.Println(err)
			return
		}
		a.AddCharacter(c)
		s := w.OpenSession(session.ID{byte(i)}, uint64(i), session.Info{}, "portal")
		if err := errors.Join(s.Login(a), s.SetPuppet(c)); err != nil {
			fmt.Println(err)
			return
		}
		players = append(players, c)
	}
	w.TakeEffects()
	hall.Act(players[0], "$You() $conj(toss) {thing} to $you(whom).", world.With{
		"thing": w.NewObject("rope", hall),
		"whom":  players[1],
	})
	for _, e := range w.TakeEffects() {
		if o, ok := e.(world.Output); ok {
			fmt.Println(o.To[0].Puppet().Name(), "reads:", o.Message.Args[0])
		}
	}
	// Output:
	// Ada reads: You toss rope to Bob.
	// Bob reads: Ada tosses rope to you.
	// Eve reads: Ada tosses rope to Bob.
}
