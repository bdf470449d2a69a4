package telnetd

import (
	"bytes"
	"strings"

	"mudlark.dev/charset"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
	"mudlark.dev/telnet"
)

// render turns marked-up text into telnet data for a client, without an end.
func render(dst []byte, text string, caps session.Caps, o message.Options) []byte {
	from := len(dst)
	dst = portal.AppendMarkup(dst, text, caps, o)
	styled := dst[from:]
	other := encoding(caps)
	if other == nil && bytes.IndexByte(styled, '\n') < 0 && bytes.IndexByte(styled, '\r') < 0 && bytes.IndexByte(styled, 255) < 0 {
		return dst // as it is on the wire
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	if other != nil {
		*buf = other.Append((*buf)[:0], string(styled))
	} else {
		*buf = append((*buf)[:0], styled...)
	}
	return telnet.AppendText(dst[:from], *buf)
}

// encoding returns the encoding of a client that is not UTF-8, else nil.
func encoding(caps session.Caps) *charset.Charset {
	if caps.Encoding == "" || caps.Encoding == "UTF-8" {
		return nil
	}
	cs, err := charset.Lookup(caps.Encoding)
	if err != nil {
		return nil // chosen by a Server that knows more encodings
	}
	return cs
}

// AppendText implements portal.Client: the text and a line end, unless it has
// one.
func (cl *client) AppendText(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	// The text's own line end goes behind the codes that end its colours.
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	return append(render(dst, text, caps, o), '\r', '\n'), nil
}

// AppendPrompt implements portal.Prompter: no line end, and a mark that tells
// the client so.
func (cl *client) AppendPrompt(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	return appendMark(prompt(dst, text, caps, o), caps), nil
}

// prompt is render for what the player types behind: its lines are not broken.
func prompt(dst []byte, text string, caps session.Caps, o message.Options) []byte {
	caps.Wrap = false
	return render(dst, text, caps, o)
}

// appendMark ends a prompt: with EOR if that was agreed to (RFC 885), else with
// GA unless the client wants none (RFC 854, "THE TELNET GO AHEAD"; RFC 858). A
// text that ends its line is no prompt: Mudlet would show an empty line.
func appendMark(dst []byte, caps session.Caps) []byte {
	switch {
	case bytes.HasSuffix(dst, []byte("\r\n")):
	case caps.Flags&flagEOR != 0:
		dst = telnet.AppendCommand(dst, telnet.EOR)
	case caps.Flags&flagNoGA == 0:
		dst = telnet.AppendCommand(dst, telnet.GA)
	}
	return dst
}

// AppendQuestion implements portal.Asker: the client is told to show nothing of
// what is typed by our saying that we echo (RFC 857), which we do not.
func (cl *client) AppendQuestion(dst []byte, text string, hidden bool, caps session.Caps) ([]byte, error) {
	dst = prompt(dst, text, caps, message.Options{})
	if hidden {
		cl.mu.Lock()
		dst = cl.codec.AppendEnable(dst, telnet.Echo, telnet.Us)
		cl.mu.Unlock()
	}
	return appendMark(dst, caps), nil
}

// AppendAnswered implements portal.Asker. The client has not shown the line end
// either.
func (cl *client) AppendAnswered(dst []byte) []byte {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	dst = cl.codec.AppendDisable(dst, telnet.Echo, telnet.Us)
	return append(dst, '\r', '\n')
}

// Close implements portal.Client: the client is told the reason, by Core.Goodbye
// as well if it has GMCP, and its stream is ended.
func (cl *client) Close(reason string) error {
	cl.mu.Lock()
	caps := cl.caps.Value()
	cl.mu.Unlock()
	var out []byte
	if reason != "" {
		if caps.GMCP {
			out, _ = appendGMCP(out, "Core.Goodbye", message.New("goodbye", reason)) // a text that Check may refuse is not told this way
		}
		text, _ := cl.AppendText(nil, reason, caps, message.Options{NoColor: true})
		out = append(out, text...)
	}
	cl.wmu.Lock()
	if len(out) > 0 {
		cl.writeLocked(out) // fails only if the connection has ended
	}
	cl.endStreamLocked()
	cl.wmu.Unlock()
	cl.CloseAfterFlush(farewell)
	return nil
}

// Stream implements portal.Streamer.
func (*client) Stream() {}
