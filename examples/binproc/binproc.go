// Package binproc is an example of a protocol with a binary framing of its own:
// a type byte, the length of what follows in two bytes, the high one first, and
// that many bytes.
//
//	'L' a line that the player typed, in UTF-8          to the game
//	'S' the window: columns, rows, a byte each          to the game
//	'T' a text, 'P' a prompt, 'Q' one to answer unseen  from the game
//	'M' another message in its JSON form                in both directions
//	'X' the reason for the end                          from the game
package binproc

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"mudlark.dev/markup"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// Listen returns the plugin that offers the protocol at addr.
func Listen(addr string) portal.Plugin {
	return portal.Plugin{Name: "binproc", Start: func(p *portal.Portal) error {
		return p.AddService(portal.Listen("binproc", addr, protocol{}))
	}}
}

type protocol struct{}

func (protocol) Key() string { return "binproc" }

func (protocol) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	s, err := p.Connect(ctx, client{c}, session.Info{Protocol: "binproc", Addr: c.RemoteAddr().String()})
	if err != nil {
		return err
	}
	in := bufio.NewReader(c)
	for {
		kind, data, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			s.Disconnect("client left")
			return nil
		}
		if err != nil {
			return err
		}
		var m message.Message
		switch kind {
		case 'L':
			m = message.Text(string(data))
		case 'S':
			if len(data) == 2 {
				s.Update(func(i *session.Info) { i.Width, i.Height = int(data[0]), int(data[1]) })
			}
			continue
		case 'M':
			err = m.UnmarshalJSON(data)
		default:
			err = fmt.Errorf("there is no frame of the type %q", kind)
		}
		if err == nil {
			err = s.DataIn(ctx, m)
		}
		switch {
		case err == nil:
		case errors.Is(err, portal.ErrClosed), ctx.Err() != nil:
			return err
		default: // what was sent is wrong, and the session goes on
			_, _ = c.Write(appendFrame(nil, 'T', err.Error()))
		}
	}
}

// readFrame reads a frame. A frame that is cut short is io.ErrUnexpectedEOF.
func readFrame(r io.Reader) (kind byte, data []byte, err error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	data = make([]byte, binary.BigEndian.Uint16(head[1:]))
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return head[0], data, nil
}

// appendFrame appends a frame, or several if the text is too long for one.
func appendFrame(dst []byte, kind byte, text string) []byte {
	for {
		n := min(len(text), math.MaxUint16)
		dst = binary.BigEndian.AppendUint16(append(dst, kind), uint16(n))
		dst = append(dst, text[:n]...)
		if text = text[n:]; text == "" {
			return dst
		}
	}
}

type client struct{ *portal.Conn }

func (client) AppendText(dst []byte, text string, _ session.Caps, _ message.Options) ([]byte, error) {
	return appendFrame(dst, 'T', markup.Strip(text)), nil
}

func (client) AppendPrompt(dst []byte, text string, _ session.Caps, _ message.Options) ([]byte, error) {
	return appendFrame(dst, 'P', markup.Strip(text)), nil
}

func (client) AppendDefault(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	b, err := m.AppendJSON(nil)
	if err != nil || len(b) > math.MaxUint16 {
		return dst, errors.Join(err, fmt.Errorf("binproc: %s: %d bytes", m.Name, len(b)))
	}
	return appendFrame(dst, 'M', string(b)), nil
}

// AppendQuestion and AppendAnswered make the client a portal.Asker: it is told
// what is not to be shown.
func (client) AppendQuestion(dst []byte, prompt string, hidden bool, _ session.Caps) ([]byte, error) {
	if hidden {
		return appendFrame(dst, 'Q', markup.Strip(prompt)), nil
	}
	return appendFrame(dst, 'P', markup.Strip(prompt)), nil
}

func (client) AppendAnswered(dst []byte) []byte { return dst }

func (c client) Close(reason string) error {
	_, _ = c.Write(appendFrame(nil, 'X', reason))
	c.CloseAfterFlush(5 * time.Second)
	return nil
}
