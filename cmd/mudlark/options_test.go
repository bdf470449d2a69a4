package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"mudlark.dev/internal/require"
)

// styledRE matches a text that is shown with these SGR parameters, in whatever
// order and grouping the terminal tells them.
func styledRE(text string, params ...string) *regexp.Regexp {
	any := `(?:` + strings.Join(params, "|") + `)`
	return regexp.MustCompile(fmt.Sprintf(`(?:\x1b\[(?:%[1]s;?)+m){1,%[2]d}%[3]s`, any, len(params), regexp.QuoteMeta(text)))
}

// What real clients agree to, and that it does what it is for: each shows the
// right characters and colours, TinTin++ through its compression.
func TestClientOptions(t *testing.T) {
	telnet := require.Program(t, "inetutils-telnet")
	g := startGame(t, "mudlark", t.TempDir())
	host, port, _ := strings.Cut(g.addr, ":")

	ada := tinTin(t, fmt.Sprintf("#config {charset} {UTF-8}\n#session {mud} {%s} {%s}\n", host, port))
	ada.create("Ada", "tern-on-a-post")
	ada.expect("The Ferry Jetty")
	fugue := tinyFugue(t, fmt.Sprintf("mud %s %s", host, port))
	fugue.create("Fug", "knot-in-a-rope")
	fugue.expect("Here: Ada")
	bob := openTerminal(t, "telnet", telnet, host, port)
	bob.create("Bob", "gull-in-a-gale")
	bob.expect("Here: Ada")

	for _, tt := range []struct {
		term *terminal
		want []string
	}{
		{ada, []string{`Client: TINTIN\+\+`, "Window: 100 columns", "Terminal: xterm-256color", "Encoding: UTF-8",
			`Options in force: ttype, naws, new-environ, charset, mccp2, eor`, `Compression: \d+ of \d+ bytes were sent, \d+%`}},
		{fugue, []string{`Client: `, "Encoding: ", `Options in force: .*naws`}},
		{bob, []string{`Client: XTERM-256COLOR`, `Window: 100 columns, 30 lines`, "Encoding: UTF-8"}},
	} {
		tt.term.send("client")
		for _, want := range tt.want {
			tt.term.expect(want)
		}
		if s := tt.term.screen(); strings.Contains(s, "-in-a-") || strings.Contains(s, "-on-a-") {
			t.Errorf("%s: a password is on the screen:\n%s", tt.term.name, s)
		}
		t.Logf("%s:\n%s", tt.term.name, tt.term.screen())
	}

	// Characters beyond ASCII, and a colour, as everybody's screen has them.
	ada.send("say Grüße, 5 € – ☃")
	for _, term := range []*terminal{ada, bob} {
		term.expect(`"Grüße, 5 € – ☃"`)
	}
	for _, term := range []*terminal{ada, bob, fugue} {
		term.send("look")
		term.expect("The Ferry Jetty")
		if s := term.styled(); !styledRE("The Ferry Jetty", "1", "36", "96", "0", "39", "49").MatchString(s) {
			t.Errorf("%s: the name of the place has no colour:\n%q", term.name, s)
		}
	}
	if os.Getenv("SHOW_SCREENS") != "" {
		for _, term := range []*terminal{ada, bob, fugue} {
			t.Logf("%s:\n%s", term.name, term.screen())
		}
	}
}

// TinTin++ leaves GMCP, MSDP and MSSP to scripts; this one agrees to all of them
// and shows what comes.
func TestOutOfBandClient(t *testing.T) {
	g := startGame(t, "mudlark", t.TempDir())
	host, port, _ := strings.Cut(g.addr, ":")
	ada := tinTin(t, `#config {charset} {UTF-8}
#event {IAC WILL GMCP} {#send {\xFF\xFD\xC9\};#send {\xFF\xFA\xC9Core.Hello {"client":"Script","version":"7"}\xFF\xF0\};#send {\xFF\xFA\xC9Core.Supports.Set ["Room 1","Char 1"]\xFF\xF0\};#send {\xFF\xFA\xC9Core.Ping\xFF\xF0\}}
#event {IAC SB GMCP} {#showme OOB-GMCP %0 %1}
#event {IAC WILL MSDP} {#send {\xFF\xFD\x45\};#send {\xFF\xFA\x45\x01LIST\x02COMMANDS\xFF\xF0\};#send {\xFF\xFA\x45\x01REPORT\x02CHARACTER_NAME\xFF\xF0\}}
#event {IAC SB MSDP} {#showme OOB-MSDP %0 %1}
#event {IAC WILL MSSP} {#send {\xFF\xFD\x46\}}
#event {IAC SB MSSP} {#showme OOB-MSSP %0 %1}
`+fmt.Sprintf("#session {mud} {%s} {%s}\n", host, port))
	ada.expect("OOB-GMCP Core.Ping")
	ada.expect("OOB-MSDP COMMANDS .*REPORT")
	ada.expect("OOB-MSSP NAME Mudflat")
	ada.create("Ada", "tern-on-a-post")
	ada.expect(`OOB-GMCP Room.Info .*name.*The Ferry Jetty`)
	ada.expect("OOB-MSDP CHARACTER_NAME Ada")
	ada.send("up")
	ada.expect(`OOB-GMCP Room.Info .*name.*Saltings Lane`)
	ada.send("client")
	ada.expect("Client: Script 7")
	ada.expect("GMCP packages: char 1, room 1")
}

// Real clients over TLS, beside plain ones; lists of games are told the port.
func TestTLSClients(t *testing.T) {
	openssl := require.Program(t, "openssl")
	g := startGame(t, "mudlark", t.TempDir(), "telnet.tls_listen=127.0.0.1:0")
	m := regexp.MustCompile(`telnets://127\.0\.0\.1:(\d+)`).FindStringSubmatch(g.out.String())
	if m == nil {
		t.Fatalf("the start screen does not tell the TLS port:\n%s", g.out.String())
	}
	_, plain, _ := strings.Cut(g.addr, ":")
	port := m[1]

	ada := tinTin(t, "#config {charset} {UTF-8}\n"+fmt.Sprintf("#ssl {mud} {127.0.0.1} {%s}\n", port))
	ada.create("Ada", "tern-on-a-post")
	ada.send("client")
	ada.expect("Connection: telnet, encrypted with TLS")
	fugue := tinyFugue(t, "-x mud 127.0.0.1 "+port)
	fugue.create("Fug", "knot-in-a-rope")
	fugue.expect("Here: Ada")
	raw := openTerminal(t, "openssl", openssl, "s_client", "-quiet", "-crlf", "-connect", "127.0.0.1:"+port)
	raw.create("Raw", "gull-in-a-gale")
	raw.expect("Here: Ada")
	ada.send("say Grüße")
	for _, term := range []*terminal{ada, raw} {
		term.expect(`"Grüße"`)
	}
	fugue.expect(`Ada says`)
	ada.send("reload")
	ada.expect("was replaced")
	fugue.send("up")
	fugue.expect("Saltings Lane")

	lister := tinTin(t, `#event {IAC WILL MSSP} {#send {\xFF\xFD\x46\}}
#event {IAC SB MSSP} {#showme OOB-MSSP %0 %1}
`+fmt.Sprintf("#session {mud} {127.0.0.1} {%s}\n", plain))
	lister.expect("OOB-MSSP SSL " + port)
	lister.expect("OOB-MSSP PLAYERS 3")
	lister.create("Lis", "mist-on-a-mere")
	lister.send("client")
	lister.expect("Connect to port " + port + " with TLS")
}
