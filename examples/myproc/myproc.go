// Package myproc is an example of a protocol of one's own: JSON, a message a
// line, on a port of its own. This file is all of it.
//
// A client that sends a line which is a JSON list sends a message: its name, its
// arguments and its keyword arguments.
//
//	["claim", [5], {}]
//
// Any other line is a command, as a player types it. What the game says comes as
// lines of the same form; a score, which is frequent, in a shorter one.
package myproc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/markup"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// Key is what the sessions of this protocol are known by.
const Key = "myproc"

// Plugin is what a game names among its Plugins.
var Plugin = portal.Plugin{Name: Key, Start: func(p *portal.Portal) error {
	addr := p.Setting("myproc.listen")
	if addr == "" {
		return nil // switched off
	}
	return p.AddService(portal.Listen(Key, addr, Protocol{}))
}}

// Settings are what a game that has the plugin adds to its own.
func Settings() []config.Setting {
	return []config.Setting{{Name: "myproc.listen", Default: "127.0.0.1:6666", Doc: "Where JSON lines are offered: host:port; empty means nowhere."}}
}

// maxLine is the longest line that is read, in bytes. How long a command may be
// is the Portal's to say.
const maxLine = 64 << 10

// Protocol is the protocol. It has no state; what belongs to a connection is in
// ServeConn.
type Protocol struct{}

var _ portal.Protocol = Protocol{}

// Key implements portal.Protocol.
func (Protocol) Key() string { return Key }

// ServeConn has a connection for its lifetime: it makes a session of it, gives
// the game what the client says, and returns when either side has ended it.
func (Protocol) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	s, err := p.Connect(ctx, client{c}, session.Info{Protocol: Key, Addr: c.RemoteAddr().String(), GMCP: true})
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(c, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			client{c}.complain("a line has at most " + strconv.Itoa(maxLine) + " bytes")
			for errors.Is(err, bufio.ErrBufferFull) { // to the end of that line
				_, err = in.ReadSlice('\n')
			}
			line = nil
		}
		if err != nil {
			s.Disconnect("client left")
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		m, err := parse(line)
		if err != nil {
			client{c}.complain(err.Error())
			continue
		}
		// DataIn waits while the game has as much of this client's as it may.
		// The client is not read meanwhile, so in the end it waits, too.
		switch err := s.DataIn(ctx, m); {
		case errors.Is(err, portal.ErrTooLong):
			client{c}.complain("a command has at most " + strconv.Itoa(p.Limits().LineBytes) + " bytes")
		case err != nil:
			return err // the session has ended
		}
	}
}

// parse turns a line into a message.
func parse(line []byte) (message.Message, error) {
	if line[0] != '[' {
		return message.Text(string(line)), nil
	}
	var m message.Message
	err := m.UnmarshalJSON(line)
	return m, err
}

// A client is the other direction: it turns what the game says into bytes. The
// Portal writes them, once for all clients that are to have the same.
type client struct{ *portal.Conn }

var (
	_ portal.Client        = client{}
	_ portal.Prompter      = client{}
	_ portal.LoginObserver = client{}
	_ portal.OutputFuncer  = client{}
)

// AppendText encodes a text. This client shows no colours.
func (client) AppendText(dst []byte, text string, _ session.Caps, o message.Options) ([]byte, error) {
	if !o.Raw {
		text = markup.Strip(text)
	}
	return appendLine(dst, message.Text(text))
}

// AppendPrompt encodes a prompt, or the prompt of a question.
func (client) AppendPrompt(dst []byte, text string, _ session.Caps, _ message.Options) ([]byte, error) {
	return appendLine(dst, message.New("prompt", markup.Strip(text)))
}

// AppendDefault encodes every message that has no outputfunc of its own.
func (client) AppendDefault(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	return appendLine(dst, m)
}

// OutputFuncs are the encoders of messages by name.
func (client) OutputFuncs() map[string]portal.OutputFunc {
	return map[string]portal.OutputFunc{"score": appendScore}
}

// appendScore encodes ("score", [12]) as {"score":12}.
func appendScore(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	n, ok := m.ArgInt(0)
	if !ok {
		return dst, errors.New("myproc: a score is a whole number")
	}
	return append(strconv.AppendInt(append(dst, `{"score":`...), n, 10), "}\n"...), nil
}

func appendLine(dst []byte, m message.Message) ([]byte, error) {
	dst, err := m.AppendJSON(dst)
	return append(dst, '\n'), err
}

// AtLogin tells the client who plays at its session now; empty names mean
// nobody.
func (c client) AtLogin(account, puppet string) {
	c.say(message.New("logged_in", account, puppet))
}

// Close tells the client why, and ends the connection.
func (c client) Close(reason string) error {
	c.say(message.New("closed", reason))
	c.CloseAfterFlush(5 * time.Second)
	return nil
}

// complain tells the client what is wrong with what it sent.
func (c client) complain(text string) { c.say(message.New("error", text)) }

// say writes a message that is not the game's. Write does not block; it fails
// if the connection has ended, which ServeConn learns as well.
func (c client) say(m message.Message) {
	if line, err := appendLine(nil, m); err == nil {
		_, _ = c.Write(line)
	}
}
