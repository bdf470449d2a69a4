package builtin_test

import (
	"strings"
	"testing"

	"mudlark.dev/command"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// What a newcomer reads before the login. Answers are what is typed at prompts.
func TestBeforeLogin(t *testing.T) {
	for _, tt := range []struct {
		name    string
		line    string
		answers []string
		want    string
		in      bool // logged in afterwards
	}{
		{"look", "look", nil, "SCREEN", false},
		{"help", "help", nil, "ltconnect|le|,|lchelp create|lt", false},
		{"help of a command", "help cr", nil, "Make a new account", false},
		{"help of nothing", "help xyzzy", nil, "no help on that", false},
		{"say is not there yet", "say hi", nil, "not available", false},
		{"reload is not there", "reload", nil, "not available", false},
		{"create without a name", "create", nil, "Usage: create", false},
		{"a short name", "create Al correct-horse", nil, "3 to 30", false},
		{"a name with spaces", `create "Al Bo" correct-horse`, nil, "3 to 30", false},
		{"a name with markup", "create |rAda correct-horse", nil, "3 to 30", false},
		{"a taken name, in another case", "create BELL correct-horse", nil, "taken", false},
		{"too much", "create Ada correct horse", nil, "too much", false},
		{"an open quote", `create "Ada correct-horse`, nil, "quote is missing", false},
		{"a short password", "create Ada short", nil, "at least 8", false},
		{"the name as password", "create Adalbert adalbert", nil, "must not be the name", false},
		{"digits", "create Ada 1234567890", nil, "digits alone", false},
		{"a common password", "create Ada Password1", nil, "first that anybody", false},
		{"a huge password", "create Ada " + strings.Repeat("x", 300), nil, "at most 256", false},
		{"create", "create Ada correct-horse", nil, "Welcome, |wAda|n", true},
		{"create with quotes", `cr "Ada" "correct horse"`, nil, "Welcome, |wAda|n", true},
		{"create, asked", "create Ada", []string{"correct-horse", "correct-horse"}, "Welcome, |wAda|n", true},
		{"asked, and not the same twice", "create Ada", []string{"correct-horse", "correct-mouse"}, "not the same", false},
		{"asked, and too short", "create Ada", []string{"x"}, "at least 8", false},
		{"connect without a name", "connect", nil, "Usage: connect", false},
		{"connect", "connect bell correct-horse", nil, "Welcome, |wBell|n", true},
		{"connect, asked", "co Bell", []string{"correct-horse"}, "|cQuay|n", true},
		{"a wrong password", "connect Bell wrong-horse", nil, "do not fit together", false},
		{"no such account reads the same", "connect Nobody wrong-horse", nil, "do not fit together", false},
		{"an empty answer", "connect Bell", []string{""}, "do not fit together", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := game(t)
			bell := g.player("Bell")
			g.w.CloseSession(bell, "")
			s := g.open()
			tk := &task{answers: tt.answers}
			got, _ := g.runID(s, tt.line, "", tk)
			if !strings.Contains(got, tt.want) {
				t.Errorf("%q: got %q, want %q in it", tt.line, got, tt.want)
			}
			if (s.Account() != nil) != tt.in {
				t.Errorf("%q: logged in: %v, want %v", tt.line, s.Account() != nil, tt.in)
			}
			for i, hidden := range tk.hidden {
				if !hidden {
					t.Errorf("the password is asked for openly: %q", tk.prompts[i])
				}
			}
			for _, secret := range []string{"correct", "wrong-horse", "Password1"} {
				if strings.Contains(got, secret) {
					t.Errorf("%q shows a password: %q", tt.line, got)
				}
			}
		})
	}
}

func TestLoginDetails(t *testing.T) {
	g := game(t)
	first := g.player("Ada")
	if p := strings.Join(first.Account().Perms(), " "); p != "Player Developer" {
		t.Errorf("the first account has %q", p)
	}
	second := g.player("Bob")
	if p := strings.Join(second.Account().Perms(), " "); p != "Player" {
		t.Errorf("the second account has %q", p)
	}
	// A name without an account costs a check as well.
	g.h.checks = nil
	g.run(g.open(), "connect Nobody some-password")
	if len(g.h.checks) != 1 || g.h.failed != 1 {
		t.Errorf("%d checks and %d failures for a name without account, want 1 and 1", len(g.h.checks), g.h.failed)
	}
	// Throttles are asked before anything is checked.
	g.h.loginErr, g.h.createErr = command.Errorf("later"), command.Errorf("not now")
	g.h.checks = nil
	if got := g.run(g.open(), "connect Ada correct-horse"); got != "! later" || len(g.h.checks) != 0 {
		t.Errorf("throttled connect: %q after %d checks", got, len(g.h.checks))
	}
	if got := g.run(g.open(), "create Cid correct-horse"); got != "! not now" {
		t.Errorf("throttled create: %q", got)
	}
	g.h.loginErr, g.h.createErr = nil, nil
	// From elsewhere: the old session is told and sent away (mode 0).
	third := g.open()
	got := g.run(third, "connect Ada correct-horse")
	if !strings.Contains(got, "<1> You logged in from elsewhere") || first.Account() != nil || third.Puppet() == nil {
		t.Errorf("login from elsewhere: %q", got)
	}
	// Two who want one name at the same time: the second is refused at the end.
	s := g.open()
	out, _ := g.runID(s, "create Eve correct-horse", "", &task{during: func() { g.player("Eve") }})
	if !strings.Contains(out, "taken") || s.Account() != nil {
		t.Errorf("a name that was taken meanwhile: %q", out)
	}
}

// What players do to and before each other. Session 1 is Ada, a Developer, who
// types; session 2 is Bob, who is in the same place.
func TestAmongPlayers(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
		not  string
	}{
		{"say Hello", []string{`You say, "Hello"`, `<2> Ada says, "Hello"`}, ""},
		{"'Hello", []string{`You say, "Hello"`}, ""},
		{`"Hello`, []string{`You say, "Hello"`}, ""},
		{"say", []string{"! Say what?"}, "<2>"},
		{"say |rred\x1b[2J\x07", []string{`You say, "|rred[2J|n"`, `<2> Ada says, "|rred[2J|n"`}, "\x1b"},
		{`say a|/Bob says, "fake"`, []string{`You say, "a Bob says, "fake""`, `<2> Ada says, "a Bob says, "fake""`}, "\nBob"},
		{"say |-a |_|_ |>b|-|/", []string{`You say, "a b"`, `<2> Ada says, "a b"`}, ""},
		{"pose |/Bob waves.", []string{"Ada Bob waves."}, "\nBob"},
		{"say one\ntwo", []string{`You say, "one two"`}, ""},
		{"pose waves.", []string{"Ada waves.", "<2> Ada waves."}, ""},
		{":'s hat flies off.", []string{"Ada's hat flies off."}, ""},
		{":", []string{"! Do what?"}, "<2>"},
		{"whisper bob = psst", []string{`You whisper to Bob, "psst"`, `<2> Ada whispers to you, "psst"`}, ""},
		{"whisper bob, bob = psst", []string{`You whisper to Bob, "psst"`}, "Bob, Bob"},
		{"whisper bob", []string{"! Usage: whisper"}, "<2>"},
		{"whisper nobody = psst", []string{"! There is no 'nobody' here."}, "<2>"},
		{"whisper me = psst", []string{"! You mutter to yourself."}, "<2>"},
		{"whisper rope = psst", []string{"! You cannot whisper to rope."}, "<2>"},
		{"get rope", []string{"You pick up rope.", "<2> Ada picks up rope."}, ""},
		{"get", []string{"! Get what?"}, ""},
		{"get me", []string{"! You cannot pick yourself up."}, ""},
		{"get bob", []string{"! You cannot take Bob."}, ""},
		{"get here", []string{"! You cannot take Quay."}, ""},
		{"get anchor", []string{"! It is far too heavy."}, ""},
		{"drop rope", []string{"! You do not carry that."}, ""},
		{"drop lamp", []string{"You drop lamp.", "<2> Ada drops lamp."}, ""},
		{"drop", []string{"! Drop what?"}, ""},
		{"i", []string{"You carry: lamp"}, ""},
		{"look", []string{"|cQuay|n (#1)", "Exits: |lcup|lt|wup|n|le", "Here: Bob", "You see: rope, anchor, stone (2)"}, "moss"},
		{"look moss", []string{"|cmoss|n", "Green."}, ""},
		{"l at bob", []string{"|cBob|n", "nothing special"}, ""},
		{"look stone", []string{"! Which 'stone' do you mean?\n  stone-1\n  stone-2"}, ""},
		{"look stone-2", []string{"|cstone|n"}, ""},
		{"look #1", []string{"|cQuay|n"}, ""},
		{"up", []string{"<2> Ada leaves: up.", "|cLoft|n"}, ""},
		{"who", []string{"2 players are in the game.", "Ada|,", "Bob|,", "|,Quay|"}, ""},
		{"sessions", []string{";1|,", "10.0.0.1:5", "|,this one|}"}, ";2|,"},
		{"help", []string{"|cSystem|n|{columns}|lchelp reload|ltreload|le|,|lchelp reset|ltreset|le|,"}, "__"},
		{"help whisper", []string{"|cwhisper|n", "Usage:"}, ""},
		{"help whis", []string{"! There is no help on that. These may be of use: whisper."}, ""},
		{"option", []string{"nocolor|,off|;", "width|,auto (now 80)|;wrap|,auto (now off)|;"}, ""},
		{"option nocolor = on", []string{"nocolor is now on."}, ""},
		{"option screenreader on", []string{"screenreader is now on."}, ""},
		{"option width = 5", []string{"! A width is a number from 20 to 500, or auto."}, ""},
		{"option width = 501", []string{"! A width is a number from 20 to 500, or auto."}, ""},
		{"option width = 500", []string{"width is now 500."}, ""},
		{"option width = 20", []string{"width is now 20."}, ""},
		{"option width = 132", []string{"width is now 132."}, ""},
		{"option colour = on", []string{"! There is no such option."}, ""},
		{"option nocolor = maybe", []string{"! Usage: option"}, ""},
		{"services", []string{"telnet:4000", "running"}, ""},
		{"services/stop", []string{"! Which one?"}, ""},
		{"services/stop/start x", []string{"! Start or stop, not both."}, ""},
		{"services/stop telnet:4000", []string{"Services:"}, ""},
		{"shutdown |rflood", []string{"shut down. |rflood|n", "<2> The game is being shut down."}, ""},
	} {
		t.Run(tt.line, func(t *testing.T) {
			g := game(t)
			ada := g.player("Ada")
			g.player("Bob")
			g.w.NewExit("up", g.room, g.w.NewRoom("Loft"))
			g.w.NewObject("rope", g.room)
			anchor := g.w.NewObject("anchor", g.room)
			moss := g.w.NewObject("moss", g.room)
			for _, err := range []error{
				anchor.SetLocks("get:none()"), anchor.SetAttr("err_get", "It is far too heavy."),
				moss.SetDesc("Green."), moss.SetAttr("scenery", true), moss.SetLocks("get:none()"),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			g.w.NewObject("stone", g.room)
			g.w.NewObject("stone", g.room)
			g.w.NewObject("lamp", ada.Puppet())
			got := g.run(ada, tt.line)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
			if tt.not != "" && strings.Contains(got, tt.not) {
				t.Errorf("got %q, want no %q in it", got, tt.not)
			}
		})
	}
}

// Who is no Developer knows nothing of what Developers can do.
func TestOrdinaryPlayer(t *testing.T) {
	g := game(t)
	g.player("Ada")
	bob := g.player("Bob")
	for _, line := range []string{"reload", "reset", "shutdown", "services"} {
		if got := g.run(bob, line); !strings.Contains(got, "not available") {
			t.Errorf("%s: %q", line, got)
		}
	}
	for line, not := range map[string]string{"help": "System", "who": "10.0.0.1", "look": "(#", "help reload": "Replace", "look #1": "Quay"} {
		if got := g.run(bob, line); strings.Contains(got, not) {
			t.Errorf("%s: %q, which has %q", line, got, not)
		}
	}
}

func TestActionsAndPrefs(t *testing.T) {
	g := game(t)
	ada := g.player("Ada")
	for line, kind := range map[string]world.ActionKind{"reload x": world.ActionReload, "reset x": world.ActionReset, "shutdown x": world.ActionShutdown} {
		g.w.TakeEffects()
		if err := g.in.Run(g.w, ada, line, "", wrap{&task{}}); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range g.w.TakeEffects() {
			if a, ok := e.(world.Action); ok {
				found = a.Kind == kind && a.Session == ada && a.Reason == "x"
			}
		}
		if !found {
			t.Errorf("%s asks for nothing of the kind", line)
		}
	}
	g.run(ada, "option nocolor = on")
	g.run(ada, "option width = 60")
	if want := (session.Prefs{NoColor: true, Width: 60}); ada.Prefs() != want {
		t.Errorf("prefs %+v, want %+v", ada.Prefs(), want)
	}
	g.run(ada, "option width = auto")
	if ada.Prefs().Width != 0 {
		t.Error("width is not automatic again")
	}
}

// Out of character there is a way to see what one could play.
func TestOutOfCharacter(t *testing.T) {
	g := game(t)
	ada := g.player("Ada")
	ada.Unpuppet()
	if got := g.run(ada, "look"); !strings.Contains(got, "out of character") || !strings.Contains(got, "Ada") {
		t.Errorf("look: %q", got)
	}
	if got := g.run(ada, "say hi"); !strings.Contains(got, "not available") {
		t.Errorf("say: %q", got)
	}
}
