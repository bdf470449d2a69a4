package mudtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/markup"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// Messages is a client that has no wire: it gives the game messages, and takes
// what the game sends as messages. It is for tests of inputfuncs and of what
// game code sends. Its methods are called by the goroutine of the test.
type Messages struct {
	g    *Game
	t    *testing.T
	s    *portal.Session
	said transcript

	mu     sync.Mutex
	came   []message.Message // not consumed
	reason string            // why it was closed; "" while it is not
}

// Connect makes such a client. info says what the client is and can do; its
// Protocol is "mudtest" if it has none.
func (g *Game) Connect(info session.Info) *Messages {
	g.t.Helper()
	if info.Protocol == "" {
		info.Protocol = "mudtest"
	}
	if info.Addr == "" {
		info.Addr = fmt.Sprintf("192.0.2.250:%d", 60000+len(g.p.Status().Sessions))
	}
	c := &Messages{g: g, t: g.t}
	s, err := g.p.Connect(context.Background(), (*encoder)(c), info)
	if err != nil {
		g.t.Fatalf("connect: %v", err)
	}
	c.s = s
	synctest.Wait()
	return c
}

// SendMessage gives the game a message, and lets it work until all is quiet.
func (c *Messages) SendMessage(m message.Message) {
	c.t.Helper()
	c.note(">", m)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.s.DataIn(ctx, m); err != nil {
		c.t.Fatalf("%s cannot be given to the game: %v\n%s", m.Name, err, c.transcript())
	}
	synctest.Wait()
}

// Send types a line: the message "text".
func (c *Messages) Send(line string) {
	c.t.Helper()
	c.SendMessage(message.Text(line))
}

// Login is Client.Login.
func (c *Messages) Login(name string) {
	c.t.Helper()
	c.Send(loginLine(c.g, name))
	c.g.awaitLogin(c.t, name, &c.said, func(s *world.Session) bool { return s.ID() == c.s.ID() })
	c.mu.Lock()
	c.came = nil
	c.mu.Unlock()
}

// ExpectMessage waits until a message of that name has come, and returns it. It
// and all that came before it are consumed.
func (c *Messages) ExpectMessage(name string) message.Message {
	c.t.Helper()
	name = message.CanonicalName(name)
	return c.await("the message "+name, func(m message.Message) bool { return message.CanonicalName(m.Name) == name })
}

// ExpectText is ExpectMessage for a text that has want in it, without markup.
func (c *Messages) ExpectText(want string) string {
	c.t.Helper()
	m := c.await(fmt.Sprintf("the text %q", want), func(m message.Message) bool {
		text, ok := textOf(m)
		return ok && strings.Contains(text, want)
	})
	text, _ := textOf(m)
	return text
}

// textOf returns the text of a message "text" or "prompt", without markup.
func textOf(m message.Message) (string, bool) {
	if m.Name != "text" && m.Name != "prompt" {
		return "", false
	}
	text, ok := m.ArgText(0)
	return markup.Strip(text), ok
}

func (c *Messages) await(what string, is func(message.Message) bool) message.Message {
	c.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		c.mu.Lock()
		for i, m := range c.came {
			if is(m) {
				c.came = c.came[i+1:]
				c.mu.Unlock()
				return m
			}
		}
		closed := c.reason != ""
		c.mu.Unlock()
		if closed || time.Now().After(end) {
			c.t.Fatalf("%s did not come.\n%s", what, c.transcript())
		}
	}
}

// Messages returns and consumes what has come, once all is quiet.
func (c *Messages) Messages() []message.Message {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	came := c.came
	c.came = nil
	return came
}

// Portal returns the Portal's half of the client's session.
func (c *Messages) Portal() *portal.Session { return c.s }

// Close ends the session from the client's side.
func (c *Messages) Close() {
	c.s.Disconnect("client left")
	synctest.Wait()
}

// Closed returns why the game has closed the session, or "" if it has not.
func (c *Messages) Closed() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

func (c *Messages) note(way string, m message.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := m.AppendJSON(nil)
	if err != nil {
		b = []byte(err.Error())
	}
	c.said.add(c.g.stamp(), way, string(b))
}

func (c *Messages) transcript() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

// An encoder is a Messages as the Portal sees it: it encodes messages in their
// JSON form, one a line, and takes them apart again when they are written.
type encoder Messages

var (
	_ portal.Client   = (*encoder)(nil)
	_ portal.Prompter = (*encoder)(nil)
)

func (e *encoder) AppendText(dst []byte, text string, _ session.Caps, _ message.Options) ([]byte, error) {
	return appendLine(dst, message.Text(text))
}

func (e *encoder) AppendPrompt(dst []byte, text string, _ session.Caps, _ message.Options) ([]byte, error) {
	return appendLine(dst, message.New("prompt", text))
}

func (e *encoder) AppendDefault(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	return appendLine(dst, m)
}

func appendLine(dst []byte, m message.Message) ([]byte, error) {
	dst, err := m.AppendJSON(dst)
	return append(dst, '\n'), err
}

func (e *encoder) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		var m message.Message
		if err := m.UnmarshalJSON(bytes.TrimSpace(line)); err != nil {
			return 0, err
		}
		c := (*Messages)(e)
		c.note("<", m)
		c.mu.Lock()
		c.came = append(c.came, m)
		c.mu.Unlock()
	}
	return len(p), nil
}

func (e *encoder) Close(reason string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reason = reason; reason == "" {
		e.reason = "closed"
	}
	return nil
}
