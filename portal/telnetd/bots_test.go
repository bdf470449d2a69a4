package telnetd_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/internal/clientbots"
	"mudlark.dev/link"
	"mudlark.dev/portal"
	"mudlark.dev/portal/telnetd"
)

// bot connects a client of that profile.
func (g *game) bot(p clientbots.Profile) *clientbots.Bot {
	ours, theirs := net.Pipe()
	b := clientbots.Start(ours, p)
	g.l.conns <- conn{theirs}
	g.t.Cleanup(b.Close)
	return b
}

// What each client is known to be afterwards.
var botClients = map[string]struct {
	client, encoding, options string
	noGMCP                    bool
}{
	"Mudlet":              {"Mudlet 4.18.5", "UTF-8", "ttype, naws, new-environ, charset, mccp2, mssp, gmcp, mxp, eor", false},
	"Mudlet, listened to": {"Mudlet 4.18.5", "UTF-8", "ttype, naws, new-environ, charset, mccp2, mssp, gmcp, mxp, eor", false},
	"TinTin++":            {"TinTin++ 2.02.20", "UTF-8", "ttype, naws, new-environ, charset, mccp2, mccp3, eor", true},
	"TinTin++, scripted":  {"TinTin++ 2.02", "UTF-8", "ttype, naws, new-environ, charset, mccp2, mccp3, gmcp, msdp, eor", false},
	"MUSHclient":          {"MUSHCLIENT", "ISO-8859-1", "ttype, naws, charset, mccp2, mxp", true},
	"Blightmud":           {"Blightmud 5.3.1", "UTF-8", "ttype, naws, charset, mccp2, mssp, gmcp, msdp, eor", false},
	"Mudpuppy":            {"mudpuppy 0.1.0", "UTF-8", "naws, charset, gmcp, eor", false},
	"netcat":              {"it has not told its name", "UTF-8", "", true},
	"PuTTY":               {"xterm-256color", "UTF-8", "ttype, naws, new-environ, sga", true},
}

// TestBots plays with each client as real ones are: the account made with a
// hidden password that a reload comes in between, prompts marked, messages beside
// text, characters beyond ASCII, a new window size, compression off and on again,
// and a second connection.
func TestBots(t *testing.T) {
	for _, p := range clientbots.All() {
		t.Run(p.Name, func(t *testing.T) {
			cfg := telnetd.Config{KeepAlive: -1, Options: []string{"mccp3"}}
			bubbleWith(t, portal.Limits{}, cfg, func(t *testing.T, g *game) {
				want := botClients[p.Name]
				b := g.bot(p)
				begun := time.Now()
				screen := "SCREEN\r\n"
				if p.Name == "Mudlet, listened to" {
					screen = "If you have been here before, type connect and your name.\r\n"
				}
				b.Expect(t, screen)
				if took := time.Since(begun); took > 500*time.Millisecond {
					t.Errorf("the first screen comes after %v", took)
				}
				if p.Name == "Mudlet, listened to" && strings.Contains(b.Screen(), "\x1b[1") {
					t.Errorf("colours for a screen reader: %q", b.Screen())
				}
				b.Send("create Ada")
				b.Expect(t, "Choose a password: ")
				g.quiet(t, b)
				if !b.Hidden() {
					t.Error("the password is not hidden")
				}

				// A reload in the middle of the question: not one telnet byte, and
				// the answer counts.
				before := b.Commands()
				if err := g.p.Restart(t.Context(), link.ModeReload, "test"); err != nil {
					t.Fatal(err)
				}
				g.quiet(t, b)
				if n := b.Commands() - before; n != 0 {
					t.Errorf("a reload sends %d telnet commands", n)
				}
				b.Send("tern-on-a-post")
				b.Expect(t, "Once more, please: ")
				b.Send("tern-on-a-post")
				b.Expect(t, "Welcome, ")
				g.quiet(t, b)
				if b.Hidden() {
					t.Error("what is typed stays hidden")
				}
				if strings.Contains(b.Screen(), "tern-on") {
					t.Error("the password is on the screen")
				}
				var asked []string
				for _, prompt := range b.Prompts() {
					if prompt = strings.TrimPrefix(prompt, "\x1b[7z"); prompt != "" {
						asked = append(asked, prompt)
					}
				}
				if wants := []string{"Choose a password: ", "Once more, please: "}; p.Name != "PuTTY" && !slices.Equal(asked, wants) {
					t.Errorf("prompts %q, want %q", asked, wants)
				}

				b.Send("naïve")
				b.Expect(t, "'naïve' is not available")
				from := len(b.Screen())
				b.Send("client")
				time.Sleep(2 * time.Second) // a client may not answer the mark
				g.quiet(t, b)
				details := b.Screen()[from:]
				for _, w := range []string{want.client, "Encoding", want.encoding, "Options in force", want.options} {
					if !strings.Contains(details, w) && !(want.options == "" && w == "Options in force") {
						t.Errorf("client lacks %q: %q", w, details)
					}
				}
				g.quiet(t, b)

				if p.Width > 0 {
					b.Resize(66, 20)
					time.Sleep(time.Second)
					b.Send("option")
					b.Expect(t, "(now 66)")
				}
				if !want.noGMCP {
					b.SendGMCP("Core.Ping")
					b.SendGMCP(`Relay ["char_vitals", 7]`)
					g.quiet(t, b)
					got := b.GMCP()
					if len(got) < 2 || got[len(got)-2].Name != "Core.Ping" || got[len(got)-1] != (clientbots.Package{Name: "Char.Vitals", Data: "7"}) {
						t.Errorf("GMCP: %v", got)
					}
				}
				if strings.Contains(want.options, "msdp") {
					if got := b.MSDP(); len(got) == 0 || !strings.HasPrefix(got[0], "\x01COMMANDS\x02\x05\x02LIST") {
						t.Errorf("MSDP: %q", got)
					}
				}
				if strings.Contains(want.options, "mssp") && !strings.Contains(b.MSSP(), "\x01NAME\x02Test\x01PLAYERS\x02") {
					t.Errorf("MSSP: %q", b.MSSP())
				}
				in, out := b.Compressed()
				if in != strings.Contains(want.options, "mccp2") || out != strings.Contains(want.options, "mccp3") {
					t.Errorf("compressed in %v, out %v", in, out)
				}
				if in {
					for _, on := range []bool{false, true} {
						b.SetMCCP2(on)
						g.quiet(t, b)
						b.Send("option")
						b.Expect(t, "screenreader")
						if in, _ := b.Compressed(); in != on {
							t.Errorf("MCCP2 is to be %v and is %v", on, in)
						}
					}
				}

				// A second reload, now that all is agreed.
				before = b.Commands()
				if err := g.p.Restart(t.Context(), link.ModeReload, "test"); err != nil {
					t.Fatal(err)
				}
				b.Send("option")
				b.Expect(t, "screenreader")
				if n := b.Commands() - before; n != 0 {
					t.Errorf("a reload sends %d telnet commands", n)
				}
				b.Send("quit")
				b.Expect(t, "Goodbye")
				time.Sleep(5 * time.Second)
				if !b.Ended() {
					t.Error("the connection is still there")
				}

				again := g.bot(p)
				again.Expect(t, screen)
				again.Send("connect Ada")
				again.Expect(t, "Password: ")
				again.Send("tern-on-a-post")
				again.Expect(t, "Welcome, ")
				for _, b := range []*clientbots.Bot{b, again} {
					for _, problem := range b.Problems() {
						t.Error(problem)
					}
				}
			})
		})
	}
}

// quiet waits until nothing happens any more.
func (g *game) quiet(t *testing.T, b *clientbots.Bot) {
	t.Helper()
	synctest.Wait()
	if b.Ended() {
		t.Errorf("the connection has ended: %q", b.Screen())
	}
}

// A client that stops reading holds up nobody.
func TestBotStalls(t *testing.T) {
	bubble(t, portal.Limits{OutputBytes: 64 << 10, WriteStall: 10 * time.Second}, func(t *testing.T, g *game) {
		slow, quick := g.bot(clientbots.Mudlet()), g.bot(clientbots.TinTin())
		slow.Expect(t, "SCREEN")
		quick.Expect(t, "SCREEN")
		slow.Stall()
		slow.Send("help")
		synctest.Wait() // it had begun to read, and has what came of that
		for range 50 {
			slow.Send("help")
		}
		for range 20 {
			quick.Send("help")
			quick.Expect(t, "help <command>")
		}
		time.Sleep(time.Minute)
		slow.Resume()
		time.Sleep(5 * time.Second)
		if !slow.Ended() {
			t.Error("the client that does not read is still there")
		}
		if problems := quick.Problems(); len(problems) > 0 {
			t.Errorf("the other one: %q", problems)
		}
	})
}
