// Package telnetd is the telnet protocol of the Portal: it joins the codec of
// package telnet with the Portal's sessions.
//
// A connection is asked for its terminal type and window size before anything
// else; the session is opened when both are settled or a short time has
// passed, so that the first screen fits the client. What is typed before is
// kept and comes after. Nothing here depends on the client's answers: one that
// never answers, or talks first, plays all the same.
//
// One goroutine reads each connection. While the session's ring is full it goes
// on reading for the sake of telnet commands and of the connection's end, and
// keeps lines up to a bound; then it reads no more until there is room.
package telnetd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"mudlark.dev/markup"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
	"mudlark.dev/telnet"
)

// Key is the protocol's key.
const Key = "telnet"

// Bits of session.Info.Flags.
const (
	// flagNoGA is set while the client wants no go-ahead after prompts.
	flagNoGA uint32 = 1 << iota
	// flagEOR is set while the client takes EOR for the end of a prompt.
	flagEOR
)

// Bounds of a connection.
const (
	readSize    = 4 << 10  // bytes read at once
	maxPending  = 64 << 10 // bytes of lines that wait for the ring; no more is read then
	maxLine     = message.MaxBytes / 2
	resizeEvery = 100 * time.Millisecond
	farewell    = 2 * time.Second // to get the last words out
)

// Config has the settings of the protocol. The zero value is a working default.
type Config struct {
	Wait   time.Duration // how long a client has to answer before it gets the first screen; 0 means 500ms
	Logger *slog.Logger  // nil means slog.Default()

	// MSSP is what the game tells lists of games, by the names of MSSP, such as
	// "GENRE" or "WEBSITE". What is known here, such as PLAYERS and PORT, need
	// not be given; what is given goes before.
	MSSP map[string][]string
}

// A Protocol turns telnet connections into sessions.
type Protocol struct{ cfg Config }

var (
	_ portal.Protocol = (*Protocol)(nil)
	_ portal.Client   = (*client)(nil)
	_ portal.Prompter = (*client)(nil)
	_ portal.Asker    = (*client)(nil)
)

// New returns the protocol.
func New(cfg Config) *Protocol {
	if cfg.Wait <= 0 {
		cfg.Wait = 500 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Protocol{cfg: cfg}
}

// Key implements portal.Protocol.
func (*Protocol) Key() string { return Key }

// ServeConn implements portal.Protocol.
func (pr *Protocol) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	limits := p.Limits()
	if limits.LineBytes <= 0 || limits.LineBytes > maxLine {
		limits.LineBytes = maxLine
	}
	cl := &client{
		Conn: c, pr: pr, p: p, lineBytes: limits.LineBytes,
		codec: telnet.New(telnet.Config{Options: telnet.ServerOptions(), MaxLine: limits.LineBytes}),
		info:  session.Info{Protocol: Key, Addr: c.RemoteAddr().String(), Colors: session.Colors16},
		log:   pr.cfg.Logger.With("proto", Key, "remote", c.RemoteAddr().String()),
	}
	// The context's end ends the read.
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	return cl.serve(ctx)
}

// A client is one connection.
type client struct {
	*portal.Conn
	pr        *Protocol
	p         *portal.Portal
	lineBytes int
	log       *slog.Logger

	// codec's options are asked for by the reader and, around a password, under
	// the session's output lock. mu is taken after that lock, never before.
	mu    sync.Mutex
	codec *telnet.Codec

	// The reader's own.
	session  *portal.Session // nil until the client is settled
	info     session.Info    // until then
	tty      telnet.TermTypes
	sized    bool // NAWS is answered
	lines    []string
	size     int       // bytes of lines
	full     bool      // the first of lines waits for room in the ring
	resized  time.Time // when the window size was last passed on
	resizing *session.Info
	foreign  string // the protocol that it speaks instead of telnet, once its first bytes say so
	begun    bool   // something was read
	first    bool   // a line was seen
	crawls   int    // how often it was told of MSSP
}

// errForeign ends a connection that was meant for another kind of server.
var errForeign = errors.New("telnetd: a client of another protocol on the telnet port")

func (cl *client) serve(ctx context.Context) error {
	cl.mu.Lock()
	out := cl.codec.AppendEnable(nil, telnet.TermType, telnet.Them)
	out = cl.codec.AppendEnable(out, telnet.NAWS, telnet.Them)
	out = cl.codec.AppendEnable(out, telnet.MSSP, telnet.Us)
	out = cl.codec.AppendEnable(out, telnet.EndRecord, telnet.Us)
	cl.mu.Unlock()
	if _, err := cl.Write(out); err != nil {
		return ignoreClosed(err)
	}
	settle := time.Now().Add(cl.pr.cfg.Wait)
	buf := make([]byte, readSize)
	for {
		wake := time.Time{}
		if cl.session == nil {
			if cl.settled() || cl.size >= maxPending || !time.Now().Before(settle) {
				if !cl.connect(ctx) {
					return nil
				}
				continue
			}
			wake = settle
		} else {
			at, err := cl.deliver(ctx)
			if err != nil {
				return ignoreClosed(err)
			}
			wake = at
		}
		n, err := cl.read(ctx, buf, wake)
		if n > 0 {
			if !cl.begun && isTLS(buf[:n]) {
				cl.foreign = "TLS"
			} else {
				cl.decode(buf[:n])
			}
			cl.begun = true
			if cl.foreign != "" {
				return cl.refuse()
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			// Time to deliver again, or to pass on a window size.
		case ctx.Err() != nil:
			return nil // the Portal stops and has said so
		default:
			cl.lost(ctx, err)
			return nil
		}
	}
}

// read reads what has arrived, until wake if that is not zero. A wake-up by
// OnSpace ends it as well.
func (cl *client) read(ctx context.Context, buf []byte, wake time.Time) (int, error) {
	cl.SetReadDeadline(wake)
	if cl.full {
		cl.session.OnSpace(func() { cl.SetReadDeadline(time.Unix(1, 0)) })
	}
	if ctx.Err() != nil { // its deadline may just have been overwritten
		return 0, context.Cause(ctx)
	}
	return cl.Read(buf)
}

// settled reports whether all that was asked for is answered.
func (cl *client) settled() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	tty := cl.tty.Done() || !cl.codec.Asking(telnet.TermType, telnet.Them) && !cl.codec.On(telnet.TermType, telnet.Them)
	naws := cl.sized || !cl.codec.Asking(telnet.NAWS, telnet.Them) && !cl.codec.On(telnet.NAWS, telnet.Them)
	return tty && naws
}

// connect opens the session. If that is refused it says so, closes the
// connection and returns false.
func (cl *client) connect(ctx context.Context) bool {
	s, err := cl.p.Connect(ctx, cl, cl.info)
	if err != nil {
		text := "The game cannot take you just now. Please try again later."
		if !errors.Is(err, portal.ErrTooManySessions) {
			cl.log.Warn("session cannot be opened", "err", err)
		}
		cl.Write(telnet.AppendText(nil, text+"\n"))
		cl.CloseAfterFlush(farewell)
		return false
	}
	cl.session = s
	return true
}

// deliver gives the lines that wait to the game, in order. It returns when to
// try again though nothing was received, the zero time for never.
func (cl *client) deliver(ctx context.Context) (again time.Time, err error) {
	if cl.resizing != nil {
		if now := time.Now(); now.Sub(cl.resized) >= resizeEvery {
			cl.pass(*cl.resizing)
		} else {
			again = cl.resized.Add(resizeEvery)
		}
	}
	cl.full = false
	for len(cl.lines) > 0 {
		m := message.Text(cl.lines[0])
		wait, err := cl.session.TryDataIn(m)
		switch {
		case err == nil:
		case errors.Is(err, portal.ErrTooLong):
			cl.tooLong()
		case cl.size >= maxPending:
			// Enough is kept: read nothing until there is room.
			if err := cl.session.DataIn(ctx, m); err != nil {
				if ctx.Err() != nil {
					return again, nil
				}
				return again, err
			}
		case errors.Is(err, portal.ErrFull):
			cl.full = true
			return again, nil
		case errors.Is(err, portal.ErrRate):
			if at := time.Now().Add(max(wait, time.Millisecond)); again.IsZero() || at.Before(again) {
				again = at
			}
			return again, nil
		default:
			return again, err
		}
		cl.size -= len(cl.lines[0]) + lineCost
		cl.lines[0] = ""
		cl.lines = cl.lines[1:]
	}
	if len(cl.lines) == 0 {
		cl.lines, cl.size = nil, 0
	}
	return again, nil
}

// lineCost is what a line counts beside its bytes.
const lineCost = 32

// lost is the end of the connection. What was typed before it still counts, as
// far as the Portal takes it in a moment.
func (cl *client) lost(ctx context.Context, err error) {
	reason := "connection lost"
	if errors.Is(err, io.EOF) {
		reason = "connection closed by the client"
	}
	if cl.session == nil {
		if len(cl.lines) == 0 || !cl.connect(ctx) {
			return // nobody who had something to say
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lastLines)
	defer cancel()
	for _, line := range cl.lines {
		if err := cl.session.DataIn(ctx, message.Text(line)); err != nil && !errors.Is(err, portal.ErrTooLong) {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		// A client may close its half and go on reading, as nc does at the end
		// of its input.
		answers := time.NewTimer(lastAnswers)
		defer answers.Stop()
		select {
		case <-cl.session.Settled():
		case <-cl.session.Done():
		case <-answers.C:
		case <-ctx.Done():
		}
	}
	cl.session.Disconnect(reason)
}

// lastAnswers is how long a client that has nothing more to say is kept for the
// answers to what it said.
const lastAnswers = 2 * time.Second

// lastLines is how long the lines of a client that has gone may wait for room.
const lastLines = 10 * time.Second

// decode handles what was received.
func (cl *client) decode(in []byte) {
	// What events ask to be sent goes out behind the codec's own answers.
	var out []byte
	tooLong, mssp, msspText := false, false, false
	next := cl.info
	if cl.session != nil {
		next = cl.session.Info()
		if cl.resizing != nil {
			next = *cl.resizing
		}
	}
	before := next
	cl.mu.Lock()
	cl.codec.Decode(in, func(e telnet.Event) {
		switch e.Kind {
		case telnet.Line:
			if !cl.first {
				cl.first = true
				cl.foreign = foreignLine(e.Text)
				if e.Text == msspLine {
					msspText = true
					return
				}
			}
			cl.lines = append(cl.lines, e.Text)
			cl.size += len(e.Text) + lineCost
		case telnet.LineTooLong:
			tooLong = true
		case telnet.OptionChanged:
			switch {
			case e.Option == telnet.TermType && e.Side == telnet.Them && e.On:
				out = cl.tty.AppendSend(out)
			case e.Option == telnet.TermType && e.Side == telnet.Them:
				cl.tty.Stop()
			case e.Option == telnet.SGA && e.Side == telnet.Us && e.On:
				next.Flags |= flagNoGA
			case e.Option == telnet.SGA && e.Side == telnet.Us:
				next.Flags &^= flagNoGA
			case e.Option == telnet.MSSP && e.Side == telnet.Us && e.On:
				mssp = true
			case e.Option == telnet.EndRecord && e.Side == telnet.Us && e.On:
				next.Flags |= flagEOR
			case e.Option == telnet.EndRecord && e.Side == telnet.Us:
				next.Flags &^= flagEOR
			}
		case telnet.Subnegotiation:
			switch e.Option {
			case telnet.NAWS:
				if w, h, ok := telnet.ParseNAWS(e.Payload); ok {
					next.Width, next.Height, cl.sized = w, h, true
				}
			case telnet.TermType:
				if cl.tty.Add(e.Payload) {
					out = cl.tty.AppendSend(out)
				}
				cl.describe(&next)
			}
		case telnet.Other:
			if e.Command == telnet.AYT {
				out = telnet.AppendText(out, "[Yes]\n")
			}
		}
	})
	out = append(cl.codec.TakeOutput(), out...)
	cl.mu.Unlock()
	if len(out) > 0 {
		cl.Write(out)
	}
	if tooLong {
		cl.tooLong()
	}
	if mssp || msspText {
		cl.tellMSSP(msspText)
	}
	switch {
	case next == before:
	case cl.session == nil:
		cl.info = next
	case next.Width != before.Width || next.Height != before.Height:
		// A window that is being dragged reports many sizes: the last one
		// counts.
		if now := time.Now(); now.Sub(cl.resized) >= resizeEvery {
			cl.pass(next)
		} else {
			cl.resizing = &next
		}
	default:
		cl.pass(next)
	}
}

// pass tells the Portal what is known of the client.
func (cl *client) pass(next session.Info) {
	cl.resizing = nil
	cl.resized = time.Now()
	cl.session.Update(func(i *session.Info) { *i = next })
}

// describe puts what the client said of itself into i.
func (cl *client) describe(i *session.Info) {
	i.Client, i.Terminal = cl.tty.Client, cl.tty.Terminal
	if i.Terminal == "" {
		i.Terminal = cl.tty.Client
	}
	switch n := cl.tty.Colors(); {
	case n >= 1<<24:
		i.Colors = session.ColorsTrue
	case n >= 256:
		i.Colors = session.Colors256
	case cl.tty.Dumb():
		i.Colors = session.NoColors
	default:
		i.Colors = session.Colors16 // nearly every client can, whatever it says
	}
	i.ScreenReader = cl.tty.MTTS&telnet.MTTSScreenReader != 0
}

func (cl *client) tooLong() {
	text := fmt.Sprintf("That line is too long and was not taken: the limit is %d bytes.\n", cl.lineBytes)
	cl.Write(telnet.AppendText(nil, text))
}

// foreignLine returns the protocol whose clients begin with such a line, or "".
func foreignLine(line string) string {
	if strings.HasPrefix(line, "SSH-2.0-") || strings.HasPrefix(line, "SSH-1.99-") {
		return "SSH"
	}
	for _, verb := range []string{"GET ", "POST ", "HEAD ", "OPTIONS ", "PUT ", "CONNECT "} {
		if strings.HasPrefix(line, verb) && strings.Contains(line, " HTTP/1.") {
			return "HTTP"
		}
	}
	return ""
}

// isTLS reports whether a connection that begins like this is one of TLS: the
// type handshake and a version of major number 3 (RFC 8446, section 5.1). No
// telnet client begins with these control characters.
func isTLS(b []byte) bool { return len(b) > 1 && b[0] == 0x16 && b[1] == 3 }

// refuse sends away a client that speaks something else than telnet.
func (cl *client) refuse() error {
	switch cl.foreign {
	case "HTTP":
		const body = "This is a game's telnet port, not a web server.\n"
		fmt.Fprintf(cl, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
		cl.log.Debug("HTTP request on the telnet port", "err", errForeign)
	case "TLS":
		cl.log.Info("TLS on the plain telnet port: the player's client is to be told to connect without it", "err", errForeign)
	default:
		cl.log.Debug("another protocol on the telnet port", "protocol", cl.foreign, "err", errForeign)
	}
	cl.CloseAfterFlush(farewell)
	if cl.session != nil {
		cl.session.Disconnect("it speaks " + cl.foreign)
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, portal.ErrClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// render turns marked-up text into telnet data for a client, without an end.
func render(dst []byte, text string, caps session.Caps, o message.Options) []byte {
	var buf [512]byte
	var styled []byte
	switch {
	case o.Raw:
		styled = markup.AppendRaw(buf[:0], text)
	case o.NoColor || caps.Colors == session.NoColors:
		styled = markup.Append(buf[:0], text, markup.Plain)
	default:
		styled = markup.Append(buf[:0], text, markup.ANSI16)
	}
	return telnet.AppendText(dst, styled)
}

// AppendText implements portal.Client: the text and a line end, unless it has
// one.
func (cl *client) AppendText(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	// The text's own line end goes behind the codes that end its colours.
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	return append(render(dst, text, caps, o), '\r', '\n'), nil
}

// AppendDefault implements portal.Client: plain telnet has no place for other
// messages than texts and prompts.
func (cl *client) AppendDefault(dst []byte, _ message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	return dst, nil
}

// AppendPrompt implements portal.Prompter: no line end, and a mark that tells
// the client so.
func (cl *client) AppendPrompt(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	return appendMark(render(dst, text, caps, o), caps), nil
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
func (cl *client) AppendQuestion(dst []byte, prompt string, hidden bool, caps session.Caps) ([]byte, error) {
	dst = render(dst, prompt, caps, message.Options{})
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

// Close implements portal.Client.
func (cl *client) Close(reason string) error {
	if reason != "" {
		text, _ := cl.AppendText(nil, reason, session.Caps{}, message.Options{NoColor: true})
		cl.Write(text) // fails only if the connection has ended
	}
	cl.CloseAfterFlush(farewell)
	return nil
}
