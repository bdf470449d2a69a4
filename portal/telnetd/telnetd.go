// Package telnetd is the telnet protocol of the Portal: it joins the codec of
// package telnet with the Portal's sessions.
//
// All options are offered in one write before anything else. The session is
// opened when the answers are there that decide how the first screen looks, or a
// short time has passed. What is typed before is kept and comes after. Nothing
// here depends on the client's answers: one that never answers, or talks first,
// plays all the same.
//
// Between two pieces of input a client has no goroutine, where the system has a way to
// wait for many: the Portal then serves them one after another (portal.RestError). With
// TLS, and elsewhere, one goroutine reads each connection, and ends once its client has
// said nothing for a while (sweep.go). While the session's ring is full it goes
// on reading for the sake of telnet commands and of the connection's end, and
// keeps what the client says up to a bound; then it reads no more until there is
// room. There is one way out: client.Write, which compresses where that was
// agreed to.
package telnetd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"mudlark.dev/charset"
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
	// flagMXP is set while the client reads tags of MXP.
	flagMXP
)

// Bounds of a connection.
const (
	maxPending  = 64 << 10 // bytes of what waits for the ring; no more is read then
	maxLine     = message.MaxBytes / 2
	resizeEvery = 100 * time.Millisecond
	farewell    = 2 * time.Second // to get the last words out
)

// Config has the settings of the protocol. The zero value is a working default.
type Config struct {
	Wait      time.Duration // how long a client has to answer before it gets the first screen, half of it for the first answer; 0 means 500ms
	KeepAlive time.Duration // a client that nothing was sent to for this long is sent a NOP; 0 means 1m, negative never
	Logger    *slog.Logger  // nil means slog.Default()

	// Options switches telnet options: "gmcp" or "+gmcp" on, "-gmcp" off, the
	// later word counts. See the function Options for the names; all are on but
	// mccp3, whose decompression costs some 50 KiB a connection. A word
	// "charset=KOI8-R" goes before Charset.
	Options []string

	// Charset is the encoding of clients that say nothing of theirs, by a name
	// that package charset knows; "" means UTF-8.
	Charset string

	// MSSP is what the game tells lists of games, by the names of MSSP, such as
	// "GENRE" or "WEBSITE". What is known here, such as PLAYERS and PORT, need
	// not be given; what is given goes before.
	MSSP map[string][]string
}

// A Protocol turns telnet connections into sessions.
type Protocol struct {
	cfg      Config
	on       []bool // of all, which are used
	policies map[telnet.Option]telnet.Policy
	fallback *charset.Charset
	offers   []string // for CHARSET
	began    time.Time
	sweeper  sweeper

	namesMu sync.Mutex // taken last
	names   session.Names
}

var (
	_ portal.Protocol     = (*Protocol)(nil)
	_ portal.Client       = (*client)(nil)
	_ portal.Prompter     = (*client)(nil)
	_ portal.Asker        = (*client)(nil)
	_ portal.OutputFuncer = (*client)(nil)
	_ portal.Describer    = (*client)(nil)
	_ portal.Streamer     = (*client)(nil)
)

// New checks cfg and returns the protocol.
func New(cfg Config) (*Protocol, error) {
	if cfg.Wait <= 0 {
		cfg.Wait = 500 * time.Millisecond
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Charset == "" {
		cfg.Charset = "UTF-8"
	}
	for _, word := range cfg.Options {
		if name, ok := strings.CutPrefix(word, charsetWord); ok {
			cfg.Charset = name
		}
	}
	on, err := used(cfg.Options)
	if err != nil {
		return nil, err
	}
	fallback, err := charset.Lookup(cfg.Charset)
	if err != nil {
		return nil, fmt.Errorf("telnetd: %w", err)
	}
	pr := &Protocol{cfg: cfg, on: on, policies: policies(on), fallback: fallback, offers: []string{"UTF-8"}, began: time.Now()}
	for _, name := range []string{fallback.Name(), "ISO-8859-1", "US-ASCII"} {
		if name != "UTF-8" && (name != fallback.Name() || len(pr.offers) == 1) {
			pr.offers = append(pr.offers, name)
		}
	}
	return pr, nil
}

// Key implements portal.Protocol.
func (*Protocol) Key() string { return Key }

// ServeConn implements portal.Protocol.
func (pr *Protocol) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) (err error) {
	cl := pr.newClient(c, p)
	pr.sweeper.add(cl)
	defer cl.over(&err)
	if err := cl.offer(); err != nil {
		return ignoreClosed(err)
	}
	return cl.loop(ctx)
}

func (pr *Protocol) newClient(c *portal.Conn, p *portal.Portal) *client {
	lineBytes := p.Limits().LineBytes
	if lineBytes <= 0 || lineBytes > maxLine {
		lineBytes = maxLine
	}
	cl := new(client)
	cl.Conn, cl.pr, cl.p, cl.lineBytes = c, pr, p, lineBytes
	cl.facts = new(facts)
	cl.info = &session.Info{Protocol: Key, Addr: c.RemoteAddr().String(), TLS: c.TLS() != nil}
	cl.codec = telnet.New(telnet.Config{Options: pr.policies, MaxLine: lineBytes, Allow: cl.mayAsk})
	cl.said().describe(cl.info, pr.fallback.Name())
	cl.caps = unique.Make(session.Caps{})
	return cl
}

// A client is one connection.
type client struct {
	*portal.Conn
	pr        *Protocol
	p         *portal.Portal
	lineBytes int

	// codec's options are asked for by the reader and, around a password, under
	// the session's output lock. mu is taken after that lock, never before.
	mu       sync.Mutex
	codec    *telnet.Codec
	facts    *facts                      // what the client has said; nil while it is as told, see said
	told     unique.Handle[facts]        // as of when it rested last: many clients say the same
	info     *session.Info               // what the Portal will be told as it gets the session; nil from then on
	caps     unique.Handle[session.Caps] // of what the Portal was told last, without the player's preferences
	opened   time.Duration               // when the options were offered; 0 once one was answered
	latency  time.Duration
	probed   time.Duration // when the mark was asked for that is not answered yet
	mark     chan struct{} // closed when it is
	asked    budget        // of negotiation
	faulty   budget        // of data that makes no sense
	dropped  int           // subnegotiations
	inflated bool          // what it sends is compressed

	// The order of what is written, behind mu.
	wmu     sync.Mutex
	deflate *telnet.Deflater // while it is compressed
	wrote   atomic.Int64     // when something was written last, in nanoseconds since pr.began

	// Of the sweeper.
	place  int         // in its list
	active atomic.Bool // the client has said something since it was looked at
	idle   atomic.Bool // and nothing for a while
	weary  atomic.Bool // it is to rest
	shares atomic.Bool // it rests by itself, as soon as it can

	// The reader's own.
	session  *portal.Session // nil until the client is settled
	settle   time.Duration   // when it is to be settled at the latest
	wake     time.Duration   // the read deadline that was set; 0: none
	decoding string          // the encoding that lines are read by
	answers  answered
	queue    []input
	size     int           // of the queue
	full     bool          // its first waits for room in the ring
	resized  time.Duration // when the window size was last passed on
	resizing *session.Info
	foreign  string // the protocol that it speaks instead of telnet, once its first bytes say so
	begun    bool   // something was read
	more     bool   // some of it is still compressed
	first    bool   // a line was seen
	garbled  bool   // one was not of its encoding
	crawls   int    // how often it was told of MSSP
	leave    string // why it is to be sent away
}

// answered is what the first screen waits for.
type answered struct{ naws, charset, environ bool }

// An input is what the client said and the game does not know yet: a line, or
// another message.
type input struct {
	line string
	m    *message.Message
	size int
}

// inputCost is what an input counts beside its bytes.
const inputCost = 32

func (cl *client) add(in input) {
	in.size += inputCost
	cl.queue = append(cl.queue, in)
	cl.size += in.size
}

// errForeign ends a connection that was meant for another kind of server.
var errForeign = errors.New("telnetd: a client of another protocol on the telnet port")

// logger returns the log with what it says of each line of this client's.
func (cl *client) logger() *slog.Logger {
	return cl.pr.cfg.Logger.With("proto", Key, "remote", cl.RemoteAddr().String())
}

// now returns the time since the protocol was made.
func (cl *client) now() time.Duration { return time.Since(cl.pr.began) }

// mayAsk counts something that the client asks for.
func (cl *client) mayAsk() bool { return cl.asked.take(&negotiation, cl.now()) }

// offer begins the negotiation.
func (cl *client) offer() error {
	cl.mu.Lock()
	var out []byte
	for i, k := range all {
		if cl.pr.on[i] && k.offered {
			out = cl.codec.AppendEnable(out, k.option, k.side)
		}
	}
	cl.opened = max(cl.now(), 1)
	cl.mu.Unlock()
	cl.settle = cl.now() + cl.pr.cfg.Wait
	_, err := cl.Write(out)
	return err
}

// loop reads the connection until it ends, or is to rest.
func (cl *client) loop(ctx context.Context) error {
	for {
		wake := time.Duration(0)
		if cl.session == nil {
			late := cl.late()
			if cl.settled() || cl.size >= maxPending || cl.now() >= late {
				if !cl.connect(ctx) {
					return nil
				}
				continue
			}
			wake = late
		} else {
			var err error
			if wake, err = cl.deliver(ctx); err != nil {
				return ignoreClosed(err)
			}
			if wake == 0 && !cl.full && !cl.more && cl.tired() {
				cl.setWake(wake)
				return &portal.RestError{Resume: cl.resume, Shared: cl.Rests()}
			}
		}
		var err error
		if cl.more && cl.size < maxPending {
			cl.decode(nil) // what was left compressed when there was too much
		} else {
			err = cl.read(wake)
		}
		if over, err := cl.after(ctx, err); over {
			return err
		}
	}
}

// tired reports whether the client is to rest if nothing is due: at once where that
// costs next to nothing, and else when the sweeper says so.
func (cl *client) tired() bool {
	rests := cl.Rests()
	if cl.shares.Load() != rests {
		cl.shares.Store(rests)
	}
	if rests {
		return true
	}
	if cl.wake != passed || !cl.weary.Swap(false) {
		return false
	}
	cl.compact()
	return true
}

// compact gives up the memory that only a client needs that says something.
func (cl *client) compact() {
	cl.idle.Store(true)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.codec.Compact()
	cl.shareFacts()
}

// resume goes on after a rest, or with it: where no other than a goroutine can wait,
// it does so here, where next to nothing is on its stack.
func (cl *client) resume(ctx context.Context) (err error) {
	defer cl.over(&err)
	if cl.Rests() {
		_, err = cl.TryReceive(cl.take)
	} else {
		err = cl.Receive(cl.take)
	}
	if over, err := cl.after(ctx, err); over {
		return err
	}
	return cl.loop(ctx)
}

// over is the end of a goroutine, and of all unless err says that another follows.
func (cl *client) over(err *error) {
	if _, rests := (*err).(*portal.RestError); !rests {
		cl.pr.sweeper.remove(cl)
		cl.codec.Close()
	}
}

// read takes what arrives until wake, if that is not zero. A wake-up by OnSpace
// ends it as well, and one by the sweeper.
func (cl *client) read(wake time.Duration) error {
	cl.setWake(wake)
	if cl.full {
		cl.session.OnSpace(cl.rouse)
	}
	return cl.Receive(cl.take)
}

// setWake sets the read deadline.
func (cl *client) setWake(wake time.Duration) {
	if wake == cl.wake {
		return
	}
	cl.wake = wake
	if wake == 0 {
		cl.SetReadDeadline(time.Time{})
	} else {
		cl.SetReadDeadline(cl.pr.began.Add(wake))
	}
}

// passed is a read deadline that has passed, and told of it.
const passed time.Duration = -1

// rouse ends a read that waits.
func (cl *client) rouse() { cl.SetReadDeadline(longAgo) }

// longAgo is a read deadline that is over.
var longAgo = time.Unix(1, 0)

// take takes what has arrived.
func (cl *client) take(in []byte) {
	if !cl.active.Load() {
		cl.active.Store(true)
		cl.idle.Store(false)
	}
	if !cl.begun && isTLS(in) {
		cl.foreign = "TLS"
	} else {
		cl.decode(in)
	}
	cl.begun = true
}

// after looks at what a read has led to, and reports whether the connection ends.
func (cl *client) after(ctx context.Context, err error) (over bool, _ error) {
	if err != nil || cl.foreign != "" || cl.leave != "" {
		cl.Own()
	}
	switch {
	case cl.foreign != "":
		return true, cl.refuse()
	case cl.leave != "":
		return true, cl.sendAway()
	case err == nil:
		return false, nil
	case ctx.Err() != nil:
		return true, nil // the Portal stops and has said so
	case errors.Is(err, os.ErrDeadlineExceeded):
		// Time to deliver again, to pass on a window size, or to rest.
		cl.wake = passed
		return false, nil
	default:
		cl.lost(ctx, err)
		return true, nil
	}
}

// late returns when the client gets its first screen whatever it has answered. One
// that has answered nothing after half of the time does not negotiate.
func (cl *client) late() time.Duration {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.opened != 0 {
		return cl.settle - cl.pr.cfg.Wait/2
	}
	return cl.settle
}

// settled reports whether all is answered that the first screen depends on.
func (cl *client) settled() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	open := func(o telnet.Option, s telnet.Side, answered bool) bool {
		return !answered && (cl.codec.Asking(o, s) || cl.codec.On(o, s))
	}
	return !open(telnet.TermType, telnet.Them, cl.said().tty.Done()) && !open(telnet.NAWS, telnet.Them, cl.answers.naws) &&
		!open(telnet.NewEnviron, telnet.Them, cl.answers.environ) && !open(telnet.Charset, telnet.Us, cl.answers.charset)
}

// connect opens the session. If that is refused it says so, closes the
// connection and returns false.
func (cl *client) connect(ctx context.Context) bool {
	cl.Own()
	cl.mu.Lock()
	cl.caps = unique.Make(session.CapsOf(*cl.info, session.Prefs{}))
	cl.mu.Unlock()
	s, err := cl.p.Connect(ctx, cl, *cl.info)
	if err != nil {
		text := "The game cannot take you just now. Please try again later."
		if !errors.Is(err, portal.ErrTooManySessions) {
			cl.logger().Warn("session cannot be opened", "err", err)
		}
		cl.Write(telnet.AppendText(nil, text+"\n"))
		cl.CloseAfterFlush(farewell)
		return false
	}
	cl.session, cl.info = s, nil
	return true
}

// deliver gives what waits to the game, in order. It returns when to try again
// though nothing was received, 0 for never.
func (cl *client) deliver(ctx context.Context) (again time.Duration, err error) {
	if cl.resizing != nil {
		if cl.now()-cl.resized >= resizeEvery {
			cl.pass(*cl.resizing)
		} else {
			again = cl.resized + resizeEvery
		}
	}
	cl.full = false
	for len(cl.queue) > 0 {
		wait, err := cl.session.TryDataIn(cl.queue[0].message())
		switch {
		case err == nil:
		case errors.Is(err, portal.ErrTooLong):
			cl.tooLong()
		case cl.size >= maxPending:
			// Enough is kept: read nothing until there is room.
			cl.Own()
			if err := cl.session.DataIn(ctx, cl.queue[0].message()); err != nil {
				if ctx.Err() != nil {
					return again, nil
				}
				return again, err
			}
		case errors.Is(err, portal.ErrFull):
			cl.full = true
			return again, nil
		case errors.Is(err, portal.ErrRate):
			if at := cl.now() + max(wait, time.Millisecond); again == 0 || at < again {
				again = at
			}
			return again, nil
		default:
			return again, err
		}
		cl.size -= cl.queue[0].size
		cl.queue[0] = input{}
		cl.queue = cl.queue[1:]
	}
	if len(cl.queue) == 0 {
		cl.queue, cl.size = nil, 0
	}
	return again, nil
}

func (in input) message() message.Message {
	if in.m != nil {
		return *in.m
	}
	return message.Text(in.line)
}

// lost is the end of the connection. What was typed before it still counts, as
// far as the Portal takes it in a moment.
func (cl *client) lost(ctx context.Context, err error) {
	reason := "connection lost"
	if errors.Is(err, io.EOF) {
		reason = "connection closed by the client"
	}
	if cl.session == nil {
		if len(cl.queue) == 0 || !cl.connect(ctx) {
			return // nobody who had something to say
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lastLines)
	defer cancel()
	for ok := true; ok; {
		for _, in := range cl.queue {
			if err := cl.session.DataIn(ctx, in.message()); err != nil && !errors.Is(err, portal.ErrTooLong) {
				ok = false
				break
			}
		}
		cl.queue, cl.size = nil, 0
		if ok = ok && cl.more; ok {
			cl.decode(nil)
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

// sendAway ends a connection for what its client does.
func (cl *client) sendAway() error {
	cl.logger().Warn("connection closed", "reason", cl.leave)
	if cl.session != nil {
		cl.session.Disconnect(cl.leave)
	} else {
		cl.Close(cl.leave)
	}
	return nil
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
		cl.logger().Debug("HTTP request on the telnet port", "err", errForeign)
	case "TLS":
		cl.logger().Info("TLS on the plain telnet port: the player's client is to be told to connect without it", "err", errForeign)
	default:
		cl.logger().Debug("another protocol on the telnet port", "protocol", cl.foreign, "err", errForeign)
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
