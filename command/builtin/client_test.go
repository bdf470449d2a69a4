package builtin_test

import (
	"strings"
	"testing"

	"mudlark.dev/session"
)

func TestClient(t *testing.T) {
	g := game(t)
	ada, bob := g.player("Ada"), g.player("Bob") // Ada is a developer, as the first one
	if ada.Account() == nil || bob.Account() == nil {
		t.Fatal("nobody is there")
	}
	for _, tt := range []struct {
		name    string
		info    session.Info
		prefs   session.Prefs
		told    map[string]any
		want    []string
		without []string
	}{
		{
			name: "nothing is known", info: session.Info{Protocol: "myproc", Addr: "192.0.2.1:5"},
			want:    []string{"Client|n: it has not told its name", "Connection|n: myproc, from 192.0.2.1:5", "Window|n: 80 columns, as it has not told", "Encoding|n: UTF-8"},
			without: []string{"could have more", "Latency", "Options", "Compression", "GMCP"},
		},
		{
			name: "a client that has all", info: session.Info{Protocol: "telnet", TLS: true, Client: "Mudlet", Version: "4.20", Terminal: "ANSI-TRUECOLOR",
				Colors: session.ColorsTrue, Width: 132, Height: 41, GMCP: true, Packages: "char 1,room 1"},
			told: map[string]any{"options": []any{"naws", "mccp2", "eor"}, "written": int64(1000), "sent": int64(333), "latency": 12.25, "services_tls": []any{"127.0.0.1:4443"}},
			want: []string{"Mudlet 4.20", "telnet, encrypted with TLS", "12.2 ms", "132 columns, 41 lines", "ANSI-TRUECOLOR", "Colours|n: true\n",
				"333 of 1000 bytes were sent, 33%", "GMCP packages|n: char 1, room 1"},
			without: []string{"could have more", "Not understood", "Ignored"},
		},
		{
			name: "one that has little", info: session.Info{Protocol: "telnet", Client: "a|rb", Encoding: "US-ASCII", Colors: session.Colors16},
			prefs: session.Prefs{NoColor: true},
			told:  map[string]any{"options": []any{"sga"}, "services_tls": []any{"127.0.0.1:4443"}, "dropped": int64(2), "ignored": int64(3)},
			want: []string{"Client|n: a||rb", "Colours|n: 16, not used", "You could have more", "port 4443 with TLS", "encoding of your client to UTF-8", "Switch on GMCP",
				"NAWS", "END-OF-RECORD", "MCCP", "Not understood|n: 2", "Ignored|n: 3"},
		},
		{
			name: "what the player has set", info: session.Info{Protocol: "telnet", Encoding: "US-ASCII", Width: 100, Height: 20},
			prefs:   session.Prefs{Width: 60, Encoding: "UTF-8", ScreenReader: true},
			told:    map[string]any{"options": []any{"naws", "mccp2", "msdp"}},
			want:    []string{"100 columns, 20 lines; you have set 60", "US-ASCII; you have set UTF-8", "Screen reader|n: yes", "Compression|n: on"},
			without: []string{"could have more"},
		},
	} {
		bob.SetInfo(tt.info)
		bob.SetPrefs(tt.prefs)
		g.h.client = tt.told
		got := g.run(bob, "client")
		for _, w := range tt.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in:\n%s", tt.name, w, got)
			}
		}
		for _, w := range tt.without {
			if strings.Contains(got, w) {
				t.Errorf("%s: %q in:\n%s", tt.name, w, got)
			}
		}
	}

	// Others' clients are for developers.
	for _, tt := range []struct {
		line string
		by   string
		want string
	}{
		{"client 2", "Ada", "The player could have more"},
		{"client #2", "Ada", "The player could have more"},
		{"client 9", "Ada", "! There is no session 9."},
		{"client 1", "Bob", "! You have no session 1."},
		{"client 9", "Bob", "! You have no session 9."},
		{"client 2", "Bob", "You could have more"},
		{"client bob", "Bob", "! Usage: client"},
	} {
		g.h.client = map[string]any{"options": []any{}}
		who := bob
		if tt.by == "Ada" {
			who = ada
		}
		bob.SetPrefs(session.Prefs{})
		if got := g.run(who, tt.line); !strings.Contains(got, tt.want) {
			t.Errorf("%s types %q: %q, want %q", tt.by, tt.line, got, tt.want)
		}
	}
}

func TestOptionEncoding(t *testing.T) {
	g := game(t)
	ada := g.player("Ada")
	for _, tt := range []struct{ line, want, encoding string }{
		{"option encoding = latin1", "encoding is now latin1", "ISO-8859-1"},
		{"option", "encoding|,ISO-8859-1|}", "ISO-8859-1"},
		{"option encoding KOI-9", "! There is no such encoding", "ISO-8859-1"},
		{"option encoding auto", "encoding is now auto", ""},
	} {
		if got := g.run(ada, tt.line); !strings.Contains(got, tt.want) || ada.Prefs().Encoding != tt.encoding {
			t.Errorf("%q: %q, encoding %q; want %q, %q", tt.line, got, ada.Prefs().Encoding, tt.want, tt.encoding)
		}
	}
}
