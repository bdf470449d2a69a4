package myproc_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mudlark.dev/config"
	"mudlark.dev/examples/myproc"
	"mudlark.dev/launch"
	"mudlark.dev/mudtest"
)

// TestMain makes the game a program, whose Server is this test binary as well.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"play": func() { launch.Main(myproc.Game()) }})
}

func TestConversation(t *testing.T) {
	mudtest.Run(t, myproc.Game(), func(g *mudtest.Game) {
		c := g.DialAddr("127.0.0.1:6666")
		c.Expect(`["text",["Type create Name or connect Name."],{}]` + "\n")
		c.Send("create Ada tern-on-a-post")
		c.Expect(`["logged_in",["Ada","Ada"],{}]` + "\n")
		c.Expect("The Arena")

		// A message in, and one out that only this protocol's outputfunc knows.
		c.Send(`["claim", [5], {}]`)
		c.Expect(`{"score":5}` + "\n")
		g.Kill()
		c.Send(`["CLAIM", [7]]`)
		c.Expect(`{"score":12}` + "\n")
		// One that has no outputfunc takes the default one.
		c.Send(`["get_value", ["name"], {}]`)
		c.Expect(`["get_value",`)

		// Garbage is answered, and the connection goes on.
		for _, tt := range []struct{ send, want string }{
			{`["claim", [5`, `["error",["message`},
			{`["claim", "five"]`, `["error",["message`},
			{`[]`, `["error",["message`},
			{`["claim", ["five"]]`, `["text",["claim: argument 1 is to be a whole number"]`},
			{`["claim", [1000]]`, `["text",["Claim 1 to 100 points."]`},
			{"\x00\xff\xfe", "is not available"},
			{strings.Repeat("x", 5000), `["error",["a command has at most 4096 bytes"],{}]`},
			{strings.Repeat("y", 200<<10), `["error",["a line has at most 65536 bytes"],{}]`},
		} {
			c.Send(tt.send)
			c.Expect(tt.want)
		}
		c.Send("")
		c.Send(`["claim", [1]]`)
		c.Expect(`{"score":13}`)
		c.Send("quit")
		c.Expect(`["closed",["`)
		c.ExpectClosed()
	})
}

func TestSwitchedOff(t *testing.T) {
	game := myproc.Game()
	game.Settings = []config.Setting{{Name: "myproc.listen", Default: ""}}
	mudtest.Run(t, game, func(g *mudtest.Game) {
		if st := g.Portal().Status(); len(st.Services) != 1 || st.Plugins[0].Error != "" {
			t.Errorf("services %+v, plugins %+v", st.Services, st.Plugins)
		}
	})
}

// TestOverTCP plays the game as programs do, over real sockets: one account at
// once over telnet and over myproc, with a reload in the middle. Both directions
// say the same on either.
func TestOverTCP(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("play", "run", "--dir", dir, "--set", "telnet.listen=127.0.0.1:0", "--set", "admin.addr=off", "--set", "myproc.listen=127.0.0.1:0")
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the game ended with %v:\n%s", err, out)
		}
	})
	out.until(t, "is ready")
	telnet := dial(t, "telnet", out.until(t, `telnet:0, running at (\S+)`))
	mine := dial(t, "myproc", out.until(t, `myproc:0, running at (\S+)`))
	bob := dial(t, "bob", telnet.conn.RemoteAddr().String())

	telnet.send("create Ada tern-on-a-post")
	telnet.expect("The Arena")
	mine.send("connect Ada tern-on-a-post")
	mine.expect("The Arena")
	bob.send("create Bob tern-on-a-post")
	bob.expect("The Arena")
	telnet.expect("Bob has arrived in the game")
	mine.expect("Bob has arrived in the game")

	compare := func(n int) {
		t.Helper()
		// What others do reaches both.
		bob.send(fmt.Sprintf("say number %d", n))
		want := fmt.Sprintf(`Bob says, "number %d"`, n)
		telnet.expect(regexp.QuoteMeta(want))
		mine.expect(regexp.QuoteMeta(strings.ReplaceAll(want, `"`, `\"`)))
		// What either says reaches others.
		telnet.send(fmt.Sprintf("say from telnet %d", n))
		bob.expect(fmt.Sprintf("Ada says, \"from telnet %d\"", n))
		mine.send(fmt.Sprintf(`["text", ["say from myproc %d"], {}]`, n))
		bob.expect(fmt.Sprintf("Ada says, \"from myproc %d\"", n))
		// The same command is answered with the same words.
		telnet.send("who")
		mine.send("who")
		a := telnet.expect(`(2 players are in the game.)`)
		b := mine.expect(`(2 players are in the game.)`)
		if a != b {
			t.Errorf("telnet reads %q, myproc %q", a, b)
		}
	}
	compare(1)
	mine.send(`["claim", [3]]`)
	mine.expect(`\{"score":3\}`)
	if b, err := exec.Command("play", "reload", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("reload: %v\n%s", err, b)
	}
	compare(2)
	mine.send(`["claim", [4]]`)
	mine.expect(`\{"score":7\}`)
	telnet.refute("score")
	bob.send("quit")
	mine.expect("Bob has left the game")
	telnet.expect("Bob has left the game")
}

const patience = 30 * time.Second

// output is what a process writes.
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

// until polls for a match, and returns its submatch if it has one.
func (o *output) until(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m[len(m)-1]
		}
	}
	t.Fatalf("%q does not come:\n%s", pattern, o)
	return ""
}

// A peer is a program at the other end of a socket.
type peer struct {
	t    *testing.T
	name string
	conn net.Conn
	in   *bufio.Reader
	all  strings.Builder
}

func dial(t *testing.T, name, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, name: name, conn: conn, in: bufio.NewReader(conn)}
}

func (p *peer) send(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.conn, "%s\r\n", line); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// expect reads lines until one matches, and returns the match.
func (p *peer) expect(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	p.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		line, err := p.in.ReadString('\n')
		p.all.WriteString(line)
		if m := re.FindStringSubmatch(line); m != nil {
			return m[len(m)-1]
		}
		if err != nil {
			p.t.Fatalf("%s: %q does not come (%v):\n%s", p.name, pattern, err, &p.all)
		}
	}
}

func (p *peer) refute(not string) {
	p.t.Helper()
	if strings.Contains(p.all.String(), not) {
		p.t.Errorf("%s: %q came:\n%s", p.name, not, &p.all)
	}
}
