// Package bridge is an example of a protocol that connects outward: a service
// that is a client of a chat server and a player of the game at once, as bridges
// to IRC and the like are. What is said in the chat is said by the bridge's
// character in the game, and what is said there is told to the chat.
//
// The chat is the simplest there could be: lines, "name: text" in, and text out.
package bridge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/markup"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// A Config has what a game may set in its code.
type Config struct {
	// Dial connects to the chat server at addr; nil means TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Settings are what a game that has the plugin adds to its own.
func Settings() []config.Setting {
	return []config.Setting{
		{Name: "bridge.server", Doc: "The chat server: host:port; empty means that there is no bridge."},
		{Name: "bridge.account", Default: "Chat", Doc: "The account as which the bridge is in the game; it has to be there."},
		{Name: "bridge.password", Doc: "Its password. Set it by the environment variable, where other users cannot read it."},
	}
}

// Plugin returns the plugin. It is off as long as bridge.server is empty.
func Plugin(cfg Config) portal.Plugin {
	return portal.Plugin{Name: "bridge", Start: func(p *portal.Portal) error {
		b := &bridge{
			p: p, addr: p.Setting("bridge.server"), account: p.Setting("bridge.account"), password: p.Setting("bridge.password"),
			dial: cfg.Dial,
		}
		if b.addr == "" {
			return nil
		}
		if b.password == "" {
			return errors.New("bridge.password is empty")
		}
		if b.dial == nil {
			b.dial = func(ctx context.Context, addr string) (net.Conn, error) {
				d := net.Dialer{Timeout: 10 * time.Second}
				return d.DialContext(ctx, "tcp", addr)
			}
		}
		return p.AddService(b)
	}}
}

// A bridge is a service: Run connects once, and the Portal runs it again, after
// growing pauses, as often as it fails.
type bridge struct {
	p                       *portal.Portal
	addr, account, password string
	dial                    func(ctx context.Context, addr string) (net.Conn, error)
}

var _ portal.Service = (*bridge)(nil)

// Name implements portal.Service.
func (b *bridge) Name() string { return "bridge" }

// Addr implements portal.Addresser.
func (b *bridge) Addr() string { return b.addr }

// Run connects to the chat and to the game, and carries what is said from one to
// the other until either ends. A reload of the game is no end: the session goes
// on.
func (b *bridge) Run(ctx context.Context) error {
	nc, err := b.dial(ctx, b.addr)
	if err != nil {
		return err
	}
	// A Conn does not block in Write, which a Client must not.
	c := portal.NewConn(nc, b.p.Limits())
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()

	client := &chat{Conn: c}
	s, err := b.p.Connect(ctx, client, session.Info{Protocol: "bridge", Addr: b.addr})
	if err != nil {
		return err
	}
	defer s.Disconnect("the chat is gone")
	if err := s.DataIn(ctx, message.New("login").With("name", b.account).With("password", b.password)); err != nil {
		return err
	}
	// A password that is wrong is answered with a text, for people. What the
	// bridge can tell is that nobody plays.
	defer time.AfterFunc(loginTime, func() {
		if !client.plays.Load() {
			s.Disconnect("not logged in")
		}
	}).Stop()
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		who, text, ok := strings.Cut(lines.Text(), ": ")
		if !ok || strings.TrimSpace(text) == "" || !client.plays.Load() {
			continue // not something that somebody said, or nobody to say it
		}
		err := s.DataIn(ctx, message.Text("say ["+who+"] "+text))
		if err != nil && !errors.Is(err, portal.ErrTooLong) {
			return fmt.Errorf("the game has closed the session: %w", err)
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case !client.plays.Load():
		return fmt.Errorf("the game has not let %s in; see bridge.account and bridge.password", b.account)
	}
	return errors.Join(errors.New("the chat has closed the connection"), lines.Err())
}

// loginTime is how long the game may take to let the bridge in.
const loginTime = time.Minute

// chat is the bridge as the game's client: of all it reads, it tells the chat
// what people say.
type chat struct {
	*portal.Conn
	plays atomic.Bool // its character is in the game
}

var _ portal.LoginObserver = (*chat)(nil)

// AtLogin notes whether there is a character to say what is said in the chat.
// What came without one would be typed at the screen for logging in.
func (c *chat) AtLogin(_, puppet string) { c.plays.Store(puppet != "") }

var said = regexp.MustCompile(`^(\S+) says, "(.*)"$`)

// AppendText encodes what somebody says as a line, and everything else as
// nothing.
func (*chat) AppendText(dst []byte, text string, _ session.Caps, _ message.Options) ([]byte, error) {
	if m := said.FindStringSubmatch(markup.Strip(text)); m != nil {
		dst = fmt.Appendf(dst, "%s: %s\n", m[1], m[2])
	}
	return dst, nil
}

// AppendDefault leaves other messages out.
func (*chat) AppendDefault(dst []byte, _ message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	return dst, nil
}

// Close ends the connection to the chat: Run then fails, and begins anew.
func (c *chat) Close(string) error {
	c.CloseAfterFlush(time.Second)
	return nil
}
