package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mudlark.dev/internal/require"
)

// A terminal is a program that runs in a tmux of its own.
type terminal struct {
	t    *testing.T
	name string
	sock string
	from int // length of the screen that expect has seen
}

// openTerminal runs a program in a terminal of 100 by 30 cells.
func openTerminal(t *testing.T, name string, argv ...string) *terminal {
	t.Helper()
	require.Program(t, "tmux")
	// A socket's path must be short; t.TempDir is not.
	dir, err := os.MkdirTemp("", "tmux")
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, name: name, sock: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		exec.Command("tmux", "-S", term.sock, "kill-server").Run()
		os.RemoveAll(dir)
	})
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte("set -g history-limit 50000\nset -g remain-on-exit on\nset -g status off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	term.tmux("-f", conf, "new-session", "-d", "-s", "t", "-x", "100", "-y", "30", "exec env TERM=xterm-256color LC_ALL=C.UTF-8 HOME="+dir+" "+strings.Join(argv, " "))
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-u", "-S", term.sock}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %s: %v\n%s", args[0], err, out)
	}
	return string(out)
}

// screen returns all that was ever shown.
func (term *terminal) screen() string {
	term.t.Helper()
	return strings.TrimRight(term.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "t"), " \n")
}

// styled returns the last screen with the codes of its colours, as the terminal
// has them.
func (term *terminal) styled() string {
	term.t.Helper()
	return term.tmux("capture-pane", "-p", "-e", "-J", "-t", "t")
}

func (term *terminal) send(lines ...string) {
	term.t.Helper()
	for _, l := range lines {
		term.from = len(term.screen())
		term.tmux("send-keys", "-t", "t", "-l", "--", l)
		term.tmux("send-keys", "-t", "t", "Enter")
	}
}

// expect waits for a match in what was shown since the last send.
func (term *terminal) expect(pattern string) {
	term.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s := term.screen(); re.MatchString(s[min(term.from, len(s)):]) {
			return
		}
	}
	term.t.Fatalf("%s: %q is not shown:\n%s", term.name, pattern, term.screen())
}

// create makes an account and character from the first screen on.
func (term *terminal) create(name, password string) {
	term.t.Helper()
	term.expect("To begin")
	term.send("create " + name)
	term.expect("Choose a password")
	term.send(password)
	term.expect("Once more")
	term.send(password)
}

// tinTin opens TinTin++ with a script that connects it.
func tinTin(t *testing.T, script string) *terminal {
	t.Helper()
	tt := require.Program(t, "tt++")
	rc := filepath.Join(t.TempDir(), "rc.tin")
	if err := os.WriteFile(rc, []byte("#config {speedwalk} {off}\n"+script), 0o600); err != nil {
		t.Fatal(err)
	}
	return openTerminal(t, "TinTin++", tt, "-G", "-T", "-r", rc)
}

// tinyFugue opens TinyFugue with a world to connect to.
func tinyFugue(t *testing.T, world string) *terminal {
	t.Helper()
	tf := require.Program(t, "tf5")
	rc := filepath.Join(t.TempDir(), "rc.tf")
	if err := os.WriteFile(rc, []byte("/set warn_curly_re=0\n/set more=0\n/set visual=off\n/addworld -T. "+world+"\n/connect mud\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return openTerminal(t, "TinyFugue", tf, "-v", "-n", "-l", "-f"+rc)
}

// Two players with real clients, TinTin++ and the telnet of GNU inetutils,
// from the account to the last word, with a reload in between.
func TestClients(t *testing.T) {
	telnet := require.Program(t, "inetutils-telnet")
	g := startGame(t, "mudlark", t.TempDir())
	host, port, _ := strings.Cut(g.addr, ":")

	ada := tinTin(t, fmt.Sprintf("#config {charset} {UTF-8}\n#session {mud} {%s} {%s}\n", host, port))
	ada.create("Ada", "tern-on-a-post")
	ada.expect("The Ferry Jetty")

	bob := openTerminal(t, "telnet", telnet, host, port)
	bob.create("Bob", "knot-in-a-rope")
	bob.expect("Here: Ada")

	ada.send("say Good evening.")
	ada.expect(`You say, "Good evening\."`)
	bob.expect(`Ada says, "Good evening\."`)
	bob.send(":bows.")
	bob.expect(`Bob bows\.`)
	ada.expect(`Bob bows\.`)
	ada.send("reload")
	ada.expect("was replaced")
	bob.send("up")
	bob.expect("Saltings Lane")
	ada.expect("Bob leaves: up")
	ada.send("up")
	ada.expect("Here: Bob")
	ada.send("option")
	ada.expect(`Your client: TINTIN\+\+, encoding UTF-8`)
	ada.send("who")
	ada.expect("2 players are")
	bob.send("quit")
	bob.expect("Goodbye")
	bob.expect("Connection closed by foreign host")
	ada.expect("Bob has left the game")
	ada.send("quit")
	ada.expect("Goodbye")
	for _, term := range []*terminal{ada, bob} {
		if s := term.screen(); strings.Contains(s, "tern-on") || strings.Contains(s, "knot-in") {
			t.Errorf("%s: a password is on the screen:\n%s", term.name, s)
		}
	}
}

// Netcat answers no negotiation at all, and may close its half.
func TestNetcat(t *testing.T) {
	nc := require.Program(t, "nc")
	g := startGame(t, "mudlark", t.TempDir())
	host, port, _ := strings.Cut(g.addr, ":")
	cmd := exec.Command(nc, "-N", host, port)
	cmd.Stdin = strings.NewReader("create Ada tern-on-a-post\nlook bell\nup\nsay hello\n")
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("nc: %v", err)
	}
	for _, want := range []string{"Welcome", "RING AND WAIT", "Saltings Lane", `You say, "hello"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nc does not show %q:\n%q", want, out)
		}
	}
}
