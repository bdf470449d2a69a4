package mudtest

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/world"
)

// password is the one of every account that Login makes.
const password = "tern-on-a-post"

// A Client is a connection to the game: telnet from Dial, bytes as they are from
// DialAddr. Its methods are called by the goroutine of the test.
type Client struct {
	g    *Game
	t    *testing.T
	name string // for failures
	conn net.Conn
	said transcript

	mu     sync.Mutex
	telnet *telnet // nil: none
	raw    []byte  // all that came
	text   string  // what of it is text, and was not consumed
	closed bool
}

// Dial connects a telnet client. It refuses all options but that the game hides
// what is typed, as the simplest of clients do.
func (g *Game) Dial() *Client {
	g.t.Helper()
	return g.dial(telnetAddr, &telnet{})
}

// DialAddr connects to a port that a plugin has opened with portal.Listen, by the
// address that it was opened with.
func (g *Game) DialAddr(addr string) *Client {
	g.t.Helper()
	return g.dial(addr, nil)
}

func (g *Game) dial(addr string, tn *telnet) *Client {
	g.t.Helper()
	nc, err := g.net.dial(addr)
	if err != nil {
		g.t.Fatal(err)
	}
	c := &Client{g: g, t: g.t, conn: nc, telnet: tn, name: fmt.Sprintf("client %d", len(g.clients)+1)}
	g.clients = append(g.clients, c)
	go c.read()
	synctest.Wait()
	return c
}

// read takes what the game sends, at once.
func (c *Client) read() {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.conn.Read(buf)
		c.mu.Lock()
		c.raw = append(c.raw, buf[:n]...)
		var answer []byte
		text := string(buf[:n])
		if c.telnet != nil {
			text, answer = c.telnet.decode(buf[:n])
			text = plain(text)
		}
		c.text += text
		if text != "" {
			c.said.add(c.g.stamp(), "<", text)
		}
		if err != nil {
			c.closed = true
			c.said.add(c.g.stamp(), "*", "the game closed the connection")
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
		if len(answer) > 0 {
			if _, err := c.conn.Write(answer); err != nil {
				return // the next Read says so
			}
		}
	}
}

func (c *Client) end() { c.conn.Close() }

// Login makes an account and a character of that name, or logs in to the one
// that an earlier Login has made, and has it played. It returns what the player
// has read until then; Expect begins behind it.
func (c *Client) Login(name string) string {
	c.t.Helper()
	c.Send(loginLine(c.g, name))
	addr := c.conn.LocalAddr().String()
	c.g.awaitLogin(c.t, name, &c.said, func(s *world.Session) bool { return s.Info().Addr == addr })
	return c.Text()
}

func loginLine(g *Game, name string) string {
	verb := "create"
	g.Do(func(w *world.World) {
		if w.AccountByName(name) != nil {
			verb = "connect"
		}
	})
	return verb + " " + name + " " + password
}

// awaitLogin waits until the session that is meant plays something.
func (g *Game) awaitLogin(t *testing.T, name string, said *transcript, is func(*world.Session) bool) {
	t.Helper()
	in := false
	for end := time.Now().Add(patience); !in && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		g.Do(func(w *world.World) {
			for _, s := range w.Sessions() {
				in = in || is(s) && s.Puppet() != nil
			}
		})
	}
	synctest.Wait()
	if !in {
		t.Fatalf("%s is not logged in.\n%s", name, said)
	}
}

// Send types a line.
func (c *Client) Send(line string) {
	c.t.Helper()
	end := "\n"
	if c.telnet != nil {
		end = "\r\n"
		line = strings.ReplaceAll(line, "\xff", "\xff\xff") // RFC 854: a 255 byte of data is doubled
	}
	c.Write(line + end)
}

// Sendf is Send with a format.
func (c *Client) Sendf(format string, args ...any) {
	c.t.Helper()
	c.Send(fmt.Sprintf(format, args...))
}

// Write sends bytes as they are, and lets the game work until all is quiet.
func (c *Client) Write(data string) {
	c.t.Helper()
	c.mu.Lock()
	c.said.add(c.g.stamp(), ">", data)
	closed := c.closed
	c.mu.Unlock()
	if closed {
		c.t.Fatalf("%s: the connection is closed; %q cannot be sent.\n%s", c.name, data, c.transcript())
	}
	if _, err := io.WriteString(c.conn, data); err != nil {
		c.t.Fatalf("%s: send %q: %v\n%s", c.name, data, err, c.transcript())
	}
	synctest.Wait()
}

// Expect waits until the client has read want, which may be part of a line, and
// returns all up to its end. The next Expect begins behind it. If all is quiet
// and want has not come, time passes; after half a minute on the clock of the
// test it fails.
func (c *Client) Expect(want string) string {
	c.t.Helper()
	return c.await(fmt.Sprintf("%q", want), func(text string) (int, int) {
		i := strings.Index(text, want)
		return i, i + len(want)
	})
}

// ExpectRE is Expect for a regular expression, and returns its match and
// submatches.
func (c *Client) ExpectRE(pattern string) []string {
	c.t.Helper()
	re, err := regexp.Compile(pattern)
	if err != nil {
		c.t.Fatal(err)
	}
	var found []string
	c.await("/"+pattern+"/", func(text string) (int, int) {
		at := re.FindStringSubmatchIndex(text)
		if at == nil {
			return -1, 0
		}
		found = re.FindStringSubmatch(text)
		return at[0], at[1]
	})
	return found
}

// await waits until find finds something in the text, consumes it, and returns
// what is consumed.
func (c *Client) await(what string, find func(string) (start, end int)) string {
	c.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		c.mu.Lock()
		text := c.text
		if i, j := find(text); i >= 0 {
			c.text = text[j:]
			c.mu.Unlock()
			return text[:j]
		}
		closed := c.closed
		c.mu.Unlock()
		if closed || time.Now().After(end) {
			c.t.Fatalf("%s: %s did not come. Unread is:\n%s\n%s", c.name, what, quote(text), c.transcript())
		}
	}
}

// Refute fails if the client has read what it should not since the last Expect,
// once all is quiet. It consumes nothing.
func (c *Client) Refute(not string) {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	text := c.text
	c.mu.Unlock()
	if strings.Contains(text, not) {
		c.t.Errorf("%s: %q came. Unread is:\n%s\n%s", c.name, not, quote(text), c.transcript())
	}
}

// Text returns and consumes what the client has read since the last Expect, once
// all is quiet.
func (c *Client) Text() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.text
	c.text = ""
	return text
}

// Raw returns every byte that has come since the connection began.
func (c *Client) Raw() []byte {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.raw...)
}

// Hidden reports whether the game has asked the client not to show what is
// typed, as for a password.
func (c *Client) Hidden() bool {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.telnet != nil && c.telnet.hidden
}

// Session calls fn with the client's session on the Server's loop; see Game.Do.
func (c *Client) Session(fn func(s *world.Session)) {
	c.t.Helper()
	addr, found := c.conn.LocalAddr().String(), false
	c.g.Do(func(w *world.World) {
		for _, s := range w.Sessions() {
			if s.Info().Addr == addr {
				found = true
				fn(s)
			}
		}
	})
	if !found {
		c.t.Fatalf("%s has no session.\n%s", c.name, c.transcript())
	}
}

// Close ends the connection from the client's side.
func (c *Client) Close() {
	c.conn.Close()
	synctest.Wait()
}

// ExpectClosed waits until the game has closed the connection.
func (c *Client) ExpectClosed() {
	c.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		c.mu.Lock()
		closed := c.closed
		c.mu.Unlock()
		if closed {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s: the game does not close the connection.\n%s", c.name, c.transcript())
		}
	}
}

func (c *Client) transcript() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

// A transcript is what a client has sent and read.
type transcript struct{ lines []string }

func (tr *transcript) add(when, way, text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\r\n") + "\n") {
		line = strings.TrimRight(line, "\r\n")
		if len(line) > 500 {
			line = fmt.Sprintf("%s … (%d bytes)", strings.ToValidUTF8(line[:400], ""), len(line))
		}
		tr.lines = append(tr.lines, fmt.Sprintf("\t%s %s %s", when, way, line))
	}
}

func (tr *transcript) String() string {
	from := max(0, len(tr.lines)-50)
	head := "transcript (> was sent, < came):\n"
	if from > 0 {
		head = fmt.Sprintf("the last of %d lines of the transcript (> was sent, < came):\n", len(tr.lines))
	}
	return head + strings.Join(tr.lines[from:], "\n")
}

// escapes are the control sequences of ECMA-48 that set colours and the like.
var escapes = regexp.MustCompile("\x1b\\[[0-9;:?]*[ -/]*[@-~]")

// plain takes colours out of a text, and makes its line ends "\n".
func plain(text string) string {
	return strings.ReplaceAll(escapes.ReplaceAllString(text, ""), "\r\n", "\n")
}

// telnet is the client's side of RFC 854, as small as can be.
type telnet struct {
	rest   []byte // of a sequence that is not whole
	hidden bool
}

// Codes of RFC 854, and ECHO of RFC 857.
const (
	iac, dont, do, wont, will, sb, se = 255, 254, 253, 252, 251, 250, 240
	optEcho                           = 1
)

// decode takes the commands out of what came, and returns the text and what is
// to be answered.
func (tn *telnet) decode(data []byte) (text string, answer []byte) {
	data = append(tn.rest, data...)
	tn.rest = nil
	var out []byte
	for i := 0; i < len(data); i++ {
		if data[i] != iac {
			out = append(out, data[i])
			continue
		}
		need := func(n int) bool {
			if i+n < len(data) {
				return true
			}
			tn.rest = append(tn.rest, data[i:]...)
			return false
		}
		if !need(1) {
			break
		}
		switch cmd := data[i+1]; cmd {
		case iac:
			out = append(out, iac)
			i++
		case do, dont, will, wont:
			if !need(2) {
				return string(out), answer
			}
			answer = append(answer, tn.answer(cmd, data[i+2])...)
			i += 2
		case sb:
			end := strings.Index(string(data[i:]), "\xff\xf0")
			if end < 0 {
				tn.rest = append(tn.rest, data[i:]...)
				return string(out), answer
			}
			i += end + 1
		default: // GA, EOR, NOP
			i++
		}
	}
	return string(out), answer
}

func (tn *telnet) answer(cmd, opt byte) []byte {
	switch {
	case opt == optEcho && cmd == will:
		tn.hidden = true
		return []byte{iac, do, opt}
	case opt == optEcho && cmd == wont:
		tn.hidden = false
		return []byte{iac, dont, opt}
	case cmd == do:
		return []byte{iac, wont, opt}
	case cmd == will:
		return []byte{iac, dont, opt}
	}
	return nil
}
