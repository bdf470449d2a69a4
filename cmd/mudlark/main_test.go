package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mudlark.dev/command"
	"mudlark.dev/examples/mudflat"
	"mudlark.dev/launch"
)

// TestMain makes the programs "mudlark", as it is, and "counting", the demo
// with a command that changes stored state, for the tests. Their Servers are
// this test binary as well.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mudlark":  main,
		"counting": func() { launch.Main(countingGame()) },
	})
}

// countingGame is the demo with "count <word>": it counts in the store how
// often it was run and answers with that and the word.
func countingGame() launch.Game {
	game := mudflat.Game()
	game.CmdSets = append(game.CmdSets, &command.CmdSet{Name: "shore-count"})
	for _, set := range game.CmdSets {
		if set.Name != command.CharacterSet {
			continue
		}
		set.Commands = append(set.Commands, &command.Command{Key: "count", Run: func(c *command.Call) error {
			v, _ := c.Puppet.Attr("count")
			n, _ := v.(int64)
			if err := c.Puppet.SetAttr("count", n+1); err != nil {
				return err
			}
			c.Msgf("counted %d %s", n+1, c.Args)
			return nil
		}}, &command.Command{Key: "crash", Run: func(c *command.Call) error {
			if err := c.Puppet.SetAttr("count", int64(1000)); err != nil {
				return err
			}
			panic("a bug in the game")
		}}, &command.Command{Key: "spin", Run: func(*command.Call) error {
			for {
				time.Sleep(time.Hour) // never returns: what a watchdog is for
			}
		}})
	}
	return game
}

// patience is how long a test waits for what is to come. It is no measure of
// speed: nothing waits for it unless the test fails.
const patience = 30 * time.Second

// A game is a running Portal with its Server, in a folder of its own.
type game struct {
	t    testing.TB
	prog string // the program's path
	dir  string
	cmd  *exec.Cmd
	out  *output
	addr string
}

// output keeps what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// startGame runs a program of TestMain in dir until its Server plays.
func startGame(t testing.TB, prog, dir string, set ...string) *game {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath(prog)
	if err != nil {
		t.Fatal(err)
	}
	g := &game{t: t, prog: path, dir: dir, out: &output{}}
	args := []string{"run", "--dir", dir, "--set", "telnet.listen=127.0.0.1:0", "--set", "admin.addr=off"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	g.cmd = exec.Command(path, args...)
	g.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	g.cmd.Stdout, g.cmd.Stderr = g.out, g.out
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.cmd.Process.Kill()
		g.cmd.Wait()
		if t.Failed() {
			t.Logf("output:\n%s", g.out.String())
			for _, name := range []string{"portal.log", "server.log"} {
				b, _ := os.ReadFile(filepath.Join(dir, "log", name))
				t.Logf("%s:\n%s", name, b[max(0, len(b)-4000):])
			}
		}
	})
	at := regexp.MustCompile(`running at (127\.0\.0\.1:\d+)`)
	g.until("the game is ready", func() bool {
		if m := at.FindStringSubmatch(g.out.String()); m != nil {
			g.addr = m[1]
		}
		return g.addr != "" && strings.Contains(g.out.String(), "ready")
	})
	return g
}

// until polls for something outside this process.
func (g *game) until(what string, ok func() bool) {
	g.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	g.t.Fatalf("after %v still not: %s", patience, what)
}

// run runs a subcommand on the game's folder.
func (g *game) run(args ...string) string {
	g.t.Helper()
	cmd := exec.Command(g.prog, append(args, "--dir", g.dir)...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	b, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, b)
	}
	return string(b)
}

// A status is what the tests read of "status --json".
type status struct {
	Portal struct {
		PID int   `json:"pid"`
		RSS int64 `json:"rss_bytes"`
	} `json:"portal"`
	Server struct {
		PID   int    `json:"pid"`
		RSS   int64  `json:"rss_bytes"`
		State string `json:"state"`
		Cause string `json:"cause"`
	} `json:"server"`
	Sessions []struct {
		Account string `json:"account"`
	} `json:"sessions"`
}

func (g *game) status() (st status) {
	g.t.Helper()
	if err := json.Unmarshal([]byte(g.run("status", "--json")), &st); err != nil {
		g.t.Fatalf("status --json: %v", err)
	}
	return st
}

// A player is a client that reads all it is sent into one text.
type player struct {
	t    testing.TB
	name string
	conn net.Conn
	mu   sync.Mutex
	cond sync.Cond
	text []byte
	read int // up to here expect has seen it
	err  error
}

func (g *game) dial(name string) *player {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	p := &player{t: g.t, name: name, conn: conn}
	p.cond.L = &p.mu
	g.t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 16<<10)
		for {
			n, err := conn.Read(buf)
			p.mu.Lock()
			p.text = append(p.text, buf[:n]...)
			p.err = err
			p.cond.Broadcast()
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p
}

func (p *player) send(lines ...string) {
	p.t.Helper()
	for _, l := range lines {
		if _, err := p.conn.Write([]byte(l + "\r\n")); err != nil {
			p.t.Fatalf("%s: send %q: %v", p.name, l, err)
		}
	}
}

// expect waits for a match behind what was matched before.
func (p *player) expect(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	timer := time.AfterFunc(patience, p.cond.Broadcast)
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for start := time.Now(); ; {
		if at := re.FindIndex(p.text[p.read:]); at != nil {
			m := string(p.text[p.read+at[0] : p.read+at[1]])
			p.read += at[1]
			return m
		}
		if p.err != nil || time.Since(start) >= patience {
			p.t.Fatalf("%s: %q does not come (%v); there is:\n%q", p.name, pattern, p.err, p.text[p.read:])
		}
		p.cond.Wait()
	}
}

// all returns what the player was sent so far.
func (p *player) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.text)
}

// closed waits for the end of the connection.
func (p *player) closed() {
	p.t.Helper()
	timer := time.AfterFunc(patience, p.cond.Broadcast)
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for start := time.Now(); p.err == nil; p.cond.Wait() {
		if time.Since(start) >= patience {
			p.t.Fatalf("%s: the connection stays open", p.name)
		}
	}
}

// login dials and creates an account.
func (g *game) login(name string) *player {
	g.t.Helper()
	p := g.dial(name)
	p.expect("To begin")
	p.send("create " + name + " tern-on-a-post")
	p.expect("The Ferry Jetty")
	return p
}

var unlimited = []string{
	"limits.messages_per_second=0", "limits.account_creations=0", "limits.connections_per_second=0", "limits.connections_per_address=0",
}

func word(player, n int) string { return fmt.Sprintf("w%d.%d.", player, n) }
