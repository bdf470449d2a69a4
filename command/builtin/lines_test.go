package builtin_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/lock"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

type task struct {
	answers []string
	prompts []string
	hidden  []bool
	during  func()
}

func (t *task) Ask(p string, h bool) string {
	t.prompts, t.hidden = append(t.prompts, p), append(t.hidden, h)
	if len(t.answers) == 0 {
		panic("no answer for " + p)
	}
	a := t.answers[0]
	t.answers = t.answers[1:]
	return a
}
func (t *task) Await(f func(context.Context)) {
	f(context.Background())
	if t.during != nil {
		t.during()
	}
}

type host struct {
	failed, created int
	loginErr        error
	createErr       error
	checks          []string
	client          map[string]any
}

func (h *host) HashPassword(_ context.Context, pw string) (string, error) { return "h:" + pw, nil }
func (h *host) CheckPassword(_ context.Context, hash, pw string) (bool, error) {
	h.checks = append(h.checks, hash)
	return hash == "h:"+pw, nil
}
func (h *host) Services(context.Context) ([]command.Service, error) {
	return []command.Service{{Side: "portal", Name: "telnet:4000", Address: "127.0.0.1:4000", State: "running"}}, nil
}
func (h *host) SetService(context.Context, string, bool) error         { return nil }
func (h *host) LoginAllowed(string) error                              { return h.loginErr }
func (h *host) LoginFailed(string, string)                             { h.failed++ }
func (h *host) CreationAllowed(string) error                           { return h.createErr }
func (h *host) Created(string)                                         { h.created++ }
func (h *host) Client(context.Context, uint64) (map[string]any, error) { return h.client, nil }
func (h *host) Screen(*world.Session) string                           { return "SCREEN" }
func (h *host) GameName() string                                       { return "Probe" }
func (h *host) FirstPerm() string                                      { return "Developer" }

type g struct {
	t    testing.TB
	w    *world.World
	in   *command.Interpreter
	h    *host
	n    uint64
	room *world.Room
}

func game(t testing.TB, extra ...*command.CmdSet) *g {
	w, err := world.New(world.Config{})
	if err != nil {
		t.Fatal(err)
	}
	sets, err := command.NewSets(lock.Default(lock.DefaultHierarchy()), append(builtin.Sets(), extra...)...)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{}
	in, err := command.New(command.Config{Sets: sets, Host: h})
	if err != nil {
		t.Fatal(err)
	}
	r := w.NewRoom("Quay")
	w.SetStartRoom(r)
	return &g{t: t, w: w, in: in, h: h, room: r}
}

func (g *g) open() *world.Session {
	g.n++
	return g.w.OpenSession(session.NewID(), g.n, session.Info{Addr: "10.0.0.1:5"}, "p")
}

// run returns what s reads, an error's text included.
func (g *g) run(s *world.Session, line string, answers ...string) string {
	out, _ := g.runID(s, line, "", &task{answers: answers})
	return out
}
func (g *g) runID(s *world.Session, line, id string, tk *task) (string, error) {
	g.w.TakeEffects()
	err := g.in.Run(g.w, s, line, id, wrap{tk})
	var b strings.Builder
	for _, e := range g.w.TakeEffects() {
		if o, ok := e.(world.Output); ok {
			for _, to := range o.To {
				text, _ := o.Message.ArgText(0)
				if to == s {
					b.WriteString(text + "\n")
				} else {
					fmt.Fprintf(&b, "<%d> %s\n", to.Number(), text)
				}
			}
		}
	}
	var u *command.UserError
	if errors.As(err, &u) {
		b.WriteString("! " + u.Text)
	} else if err != nil {
		b.WriteString("ERROR " + err.Error())
	}
	return b.String(), err
}

func (g *g) player(name string) *world.Session {
	s := g.open()
	out := g.run(s, "create "+name+" correct-horse")
	if s.Puppet() == nil {
		g.t.Fatal(out)
	}
	return s
}

func (wrap) Sleep(time.Duration) {}

type wrap struct{ *task }

func TestLines(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*g, *world.Session)
		line  string
		want  string // part of what the player reads
		not   string // no part of it
	}{
		{"number after a name with spaces", twoGates, "north gate-2", "|cB|n", "available"},
		{"number out of range", twoGates, "north gate-3", "not available", "|cB|n"},
		{"the offer is once per name", twoGates, "north gat", "Did you mean 'north gate'?", "' or '"},
		{"arguments keep their case", nil, "say İYİ GÜNLER", "İYİ GÜNLER", ""},
		{"a scenery exit is not offered", culvert(true, "view:all()"), "culvret", "not available", "culvert"},
		{"an unseen exit is not offered", culvert(false, "view:none()"), "culvret", "not available", "culvert"},
		{"a plain exit is", culvert(false, "view:all()"), "culvret", "'culvert'", ""},
		{"a scenery exit works", culvert(true, "view:none()"), "culvert", "|cCrypt|n", ""},
		{"a name that ends in a mark", mark, "हिन्दीभाषा", "not available", "|cX|n"},
		{"get what lies here, not what is carried", feathers, "get feather", "You pick up feather.", "Which"},
		{"get what is carried", carried, "get feather", "You have feather already.", ""},
		{"get among several", pebbles, "get pebble", "Which 'pebble'", "pick up"},
		{"get an unseen thing", unseen, "get curse", "There is no 'curse' here.", "pick up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := game(t)
			s := g.player("Ada")
			if tt.setup != nil {
				tt.setup(g, s)
			}
			got := g.run(s, tt.line)
			if !strings.Contains(got, tt.want) {
				t.Errorf("%q: got %q, want %q in it", tt.line, got, tt.want)
			}
			if tt.not != "" && strings.Contains(got, tt.not) {
				t.Errorf("%q: got %q, want no %q in it", tt.line, got, tt.not)
			}
		})
	}
}

func twoGates(g *g, _ *world.Session) {
	g.w.NewExit("north gate", g.room, g.w.NewRoom("A"))
	g.w.NewExit("north gate", g.room, g.w.NewRoom("B"))
}

func culvert(scenery bool, locks string) func(*g, *world.Session) {
	return func(g *g, _ *world.Session) {
		x := g.w.NewExit("culvert", g.room, g.w.NewRoom("Crypt"))
		if err := errors.Join(x.SetAttr(world.Scenery, scenery), x.SetLocks(locks)); err != nil {
			g.t.Fatal(err)
		}
	}
}

func mark(g *g, _ *world.Session) { g.w.NewExit("हिन्दी", g.room, g.w.NewRoom("X")) }

func carried(g *g, s *world.Session) { g.w.NewObject("feather", s.Puppet()) }

func feathers(g *g, s *world.Session) {
	carried(g, s)
	g.w.NewObject("feather", g.room)
}

func pebbles(g *g, _ *world.Session) {
	g.w.NewObject("pebble", g.room)
	g.w.NewObject("pebble", g.room)
}

func unseen(g *g, _ *world.Session) {
	if err := g.w.NewObject("curse", g.room).SetLocks("view:none()"); err != nil {
		g.t.Fatal(err)
	}
}

// A password given on the line is the one that was chosen hidden.
func TestPasswordKeepsItsCase(t *testing.T) {
	g := game(t)
	s := g.open()
	g.run(s, "create Bell", "PassİWord99", "PassİWord99")
	g.w.CloseSession(s, "")
	s = g.open()
	if got := g.run(s, "connect Bell PassİWord99"); s.Account() == nil {
		t.Errorf("connect: %q", got)
	}
}

func TestNilCmdSet(t *testing.T) {
	if _, err := command.NewSets(nil, nil); err == nil {
		t.Error("NewSets(nil set) = nil, want an error")
	}
}
