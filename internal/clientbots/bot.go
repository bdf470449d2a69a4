package clientbots

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// patience is how long Expect waits.
const patience = 10 * time.Second

// A Package is a message of GMCP.
type Package struct{ Name, Data string }

// A Bot is a client at one end of a connection. Its methods may be called by any
// goroutine.
type Bot struct {
	p     Profile
	conn  net.Conn
	in    *bufio.Reader
	zr    io.ReadCloser // while what is received is compressed
	ended chan struct{}

	out   sync.Mutex   // the order of what is sent; after mu
	zw    *zlib.Writer // while what is sent is compressed
	zbuf  bytes.Buffer
	mu    sync.Mutex
	cond  sync.Cond
	text  []byte // all that was shown
	line  int    // where its last line begins
	seen  int    // up to here Expect has looked
	err   error  // why it has ended
	stall bool

	us, them  map[byte]bool // in force
	refused   map[byte]bool // by us, of the server's
	answered  map[byte]bool
	ttypes    int
	latin1    bool
	charset   string
	hidden    bool
	shown     bool // a text was
	commands  int
	prompts   []string
	gmcp      []Package
	msdp      []string
	mssp      string
	supports  []string
	restarted bool // it has asked for MCCP2 again itself
	problems  []string
}

// Start has a client of that profile take up a connection, which is the Bot's
// from then on.
func Start(conn net.Conn, p Profile) *Bot {
	b := &Bot{
		p: p, conn: conn, in: bufio.NewReaderSize(conn, 64<<10), ended: make(chan struct{}),
		us: map[byte]bool{}, them: map[byte]bool{}, refused: map[byte]bool{}, answered: map[byte]bool{},
	}
	b.cond.L = &b.mu
	go b.run()
	return b
}

// Close ends the connection and waits for the Bot's end.
func (b *Bot) Close() {
	b.Resume()
	b.conn.Close()
	<-b.ended
}

// Ended reports whether the connection has ended.
func (b *Bot) Ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil
}

// Send sends a line, as the client writes it.
func (b *Bot) Send(line string) {
	b.mu.Lock()
	latin1 := b.latin1
	b.mu.Unlock()
	var p []byte
	for _, r := range line {
		switch {
		case latin1 && r < 256:
			p = append(p, byte(r))
			if r == iac {
				p = append(p, iac)
			}
		default:
			p = utf8.AppendRune(p, r)
		}
	}
	b.raw(string(p) + "\r\n")
}

// SendGMCP sends a message of GMCP.
func (b *Bot) SendGMCP(message string) { b.raw(sub(optGMCP, message)) }

// SendMSDP sends a payload of MSDP.
func (b *Bot) SendMSDP(payload string) { b.raw(sub(optMSDP, payload)) }

// Resize tells another window size.
func (b *Bot) Resize(width, height int) {
	b.raw(sub(optNAWS, size(width, height)))
}

// SetMCCP2 asks the server to compress, or to stop that.
func (b *Bot) SetMCCP2(on bool) {
	b.mu.Lock()
	b.restarted = true
	b.them[optMCCP2] = on
	b.mu.Unlock()
	if on {
		b.raw("\xff\xfd\x56")
	} else {
		b.raw("\xff\xfe\x56")
	}
}

// Stall has the Bot read nothing until Resume.
func (b *Bot) Stall() { b.setStall(true) }

// Resume has it read again.
func (b *Bot) Resume() { b.setStall(false) }

func (b *Bot) setStall(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stall = on
	b.cond.Broadcast()
}

// Expect waits until a text is shown behind what was expected last, and returns
// all up to its end.
func (b *Bot) Expect(t testing.TB, want string) string {
	t.Helper()
	deadline := time.Now().Add(patience)
	late := time.AfterFunc(patience, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.cond.Broadcast()
	})
	defer late.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if i := bytes.Index(b.text[b.seen:], []byte(want)); i >= 0 {
			got := string(b.text[b.seen : b.seen+i+len(want)])
			b.seen += i + len(want)
			return got
		}
		if b.err != nil || !time.Now().Before(deadline) {
			t.Errorf("%s: %q is not shown after %q; ended: %v", b.p.Name, want, b.text[b.seen:], b.err)
			return ""
		}
		b.cond.Wait()
	}
}

// Screen returns all that was shown, with the codes of its colours.
func (b *Bot) Screen() string { return locked(b, func() string { return string(b.text) }) }

// Prompts returns the lines without an end that were marked as prompts.
func (b *Bot) Prompts() []string {
	return locked(b, func() []string { return slices.Clone(b.prompts) })
}

// Hidden reports whether what is typed is not shown.
func (b *Bot) Hidden() bool { return locked(b, func() bool { return b.hidden }) }

// GMCP returns the messages of GMCP that came.
func (b *Bot) GMCP() []Package { return locked(b, func() []Package { return slices.Clone(b.gmcp) }) }

// MSDP returns the payloads of MSDP that came.
func (b *Bot) MSDP() []string { return locked(b, func() []string { return slices.Clone(b.msdp) }) }

// MSSP returns the payload of MSSP, if it came.
func (b *Bot) MSSP() string { return locked(b, func() string { return b.mssp }) }

// Commands returns how many telnet commands came, subnegotiations included.
func (b *Bot) Commands() int { return locked(b, func() int { return b.commands }) }

// Compressed reports whether what comes and what goes is compressed.
func (b *Bot) Compressed() (in, out bool) {
	b.out.Lock()
	out = b.zw != nil
	b.out.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.zr != nil, out
}

// Problems returns what a real client would choke on.
func (b *Bot) Problems() []string {
	return locked(b, func() []string { return slices.Clone(b.problems) })
}

func locked[T any](b *Bot, f func() T) T {
	b.mu.Lock()
	defer b.mu.Unlock()
	return f()
}

func sub(option byte, payload string) string {
	return "\xff\xfa" + string([]byte{option}) + strings.ReplaceAll(payload, "\xff", "\xff\xff") + "\xff\xf0"
}

// raw sends bytes. A connection that does not take them has ended, which its
// reader sees.
func (b *Bot) raw(s string) {
	if s == "" {
		return
	}
	b.out.Lock()
	defer b.out.Unlock()
	p := []byte(s)
	if b.zw != nil {
		b.zw.Write(p)
		b.zw.Flush()
		p = bytes.Clone(b.zbuf.Bytes())
		b.zbuf.Reset()
	}
	b.conn.Write(p)
}

func (b *Bot) problem(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.problems) < 50 {
		b.problems = append(b.problems, fmt.Sprintf(format, args...))
	}
}

// next returns the next byte, decompressed.
func (b *Bot) next() (byte, error) {
	b.mu.Lock()
	for b.stall {
		b.cond.Wait()
	}
	zr := b.zr
	b.mu.Unlock()
	if zr == nil {
		return b.in.ReadByte()
	}
	var one [1]byte
	for {
		n, err := zr.Read(one[:])
		switch {
		case n == 1:
			return one[0], nil
		case err == io.EOF: // the stream has ended, what follows is plain
			b.mu.Lock()
			b.zr = nil
			b.mu.Unlock()
			return b.in.ReadByte()
		case err != nil:
			b.mu.Lock()
			plain := b.zr != nil
			b.mu.Unlock()
			if plain && err != io.ErrUnexpectedEOF && err != io.ErrClosedPipe {
				b.problem("compressed stream: %v", err)
			}
			return 0, err
		}
	}
}

func (b *Bot) run() {
	defer close(b.ended)
	b.raw(b.p.First)
	var err error
	for err == nil {
		err = b.step()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.cond.Broadcast()
}

// step handles a byte of text, or a whole command.
func (b *Bot) step() error {
	c, err := b.next()
	if err != nil {
		return err
	}
	if c != iac {
		b.show(c)
		return nil
	}
	if c, err = b.next(); err != nil {
		return err
	}
	if c == iac {
		b.show(c)
		return nil
	}
	b.mu.Lock()
	b.commands++
	b.mu.Unlock()
	switch c {
	case will, wont, do, dnt:
		option, err := b.next()
		if err != nil {
			return err
		}
		b.negotiate(c, option)
	case sb:
		return b.subnegotiation()
	case ga, eor:
		b.mark(c)
	case nop:
	case ayt:
		b.raw("YES\r\n")
	default:
		b.problem("command %d", c)
	}
	return nil
}

// show takes a byte of text.
func (b *Bot) show(c byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shown = true
	last := byte(0)
	if len(b.text) > 0 {
		last = b.text[len(b.text)-1]
	}
	note := func(s string) {
		if len(b.problems) < 50 {
			b.problems = append(b.problems, s)
		}
	}
	switch {
	case c == 0:
		note("a zero byte in text")
	case c == '\n' && last != '\r':
		note("a line end without CR")
	case c != '\n' && last == '\r':
		note("a CR that ends no line")
	}
	if b.latin1 && c >= 0x80 {
		b.text = utf8.AppendRune(b.text, rune(c))
	} else {
		b.text = append(b.text, c)
	}
	if c == '\n' {
		b.line = len(b.text)
	}
	if b.zr == nil && b.in.Buffered() == 0 { // the end of a write
		if tail := b.text[max(0, len(b.text)-4):]; !utf8.Valid(b.text[b.line:]) && !b.latin1 {
			note(fmt.Sprintf("a write ends within a character: %q", tail))
		}
		if i := bytes.LastIndexByte(b.text, 0x1b); i >= 0 && !bytes.ContainsAny(b.text[i:], "mzABCDEFGHJK\\\a") {
			note(fmt.Sprintf("a write ends within an escape sequence: %q", b.text[i:]))
		}
	}
	b.cond.Broadcast()
}

// mark is the end of a prompt.
func (b *Bot) mark(c byte) {
	b.mu.Lock()
	line := string(b.text[b.line:])
	b.prompts = append(b.prompts, line)
	useEOR, noGA := b.them[optEOR], b.them[optSGA]
	b.cond.Broadcast()
	b.mu.Unlock()
	switch {
	case line == "":
		b.problem("a mark after the end of a line")
	case c == ga && useEOR:
		b.problem("GA though EOR was agreed to")
	case c == ga && noGA:
		b.problem("GA though it is suppressed")
	case c == eor && !useEOR:
		b.problem("EOR that was not agreed to")
	}
	if i := strings.LastIndexByte(line, 0x1b); i >= 0 && !strings.HasSuffix(line[:min(len(line), i+4)], "\x1b[0m") && !strings.HasPrefix(line[i:], "\x1b[0m") && !strings.HasPrefix(line[i:], "\x1b[7z") {
		b.problem("a prompt ends in colour: %q", line)
	}
}

// negotiate answers WILL, WONT, DO and DONT.
func (b *Bot) negotiate(c, option byte) {
	b.mu.Lock()
	answer := b.answer(c, option)
	compress := option == optMCCP3 && answer != "" && b.them[optMCCP3]
	b.cond.Broadcast()
	b.mu.Unlock()
	if compress {
		answer += sub(optMCCP3, "")
	}
	b.raw(answer)
	if compress {
		b.out.Lock()
		b.zw = zlib.NewWriter(&b.zbuf)
		b.out.Unlock()
	}
}

// answer returns what the client says; b.mu is held.
func (b *Bot) answer(c, option byte) string {
	note := func(format string, args ...any) {
		if len(b.problems) < 50 {
			b.problems = append(b.problems, fmt.Sprintf(format, args...))
		}
	}
	say := func(c byte) string {
		b.answered[option] = true
		return string([]byte{iac, c, option})
	}
	spent := b.p.Mute || b.p.Once && b.answered[option]
	if option == optEcho && (c == will || c == wont) {
		if c == will && !b.shown {
			note("WILL ECHO at the beginning")
		}
		if b.hidden == (c == will) && strings.IndexByte(b.p.First, optEcho) < 0 {
			note("ECHO is said to be what it was")
		}
		b.hidden = c == will
		switch {
		case spent || b.p.NoWont && c == wont:
			return ""
		case c == will:
			return say(do)
		}
		return say(dnt)
	}
	state, name, agree, refuse, ours := b.them, "WILL", byte(do), byte(dnt), b.p.Will
	if c == do || c == dnt {
		state, name, agree, refuse, ours = b.us, "DO", will, wont, b.p.Do
	}
	asked := strings.Contains(b.p.First, string([]byte{iac, agree, option})) || option == optMCCP2 && b.restarted
	if c == wont || c == dnt {
		was := state[option]
		state[option] = false
		if !was || spent || b.p.NoWont || option == optMCCP2 && b.restarted {
			return ""
		}
		return say(refuse)
	}
	if (state[option] || b.refused[option] && c == will) && option != optTM && !asked {
		note("%s %d though that is settled", name, option)
	}
	yes := strings.IndexByte(ours, option) >= 0
	switch {
	case spent:
		return ""
	case yes && asked: // the answer to what the client has said first
		state[option] = true
		return b.after(c, option)
	case yes:
		state[option] = true
		return say(agree) + b.after(c, option)
	case b.p.Silent:
		return ""
	}
	if c == will {
		b.refused[option] = true
	}
	return say(refuse)
}

// after returns what follows an agreement; b.mu is held.
func (b *Bot) after(c, option byte) string {
	var out strings.Builder
	switch {
	case option == optNAWS && c == do:
		out.WriteString(sub(optNAWS, size(b.p.Width, b.p.Height)))
	case option == optGMCP:
		for _, m := range b.p.GMCP {
			out.WriteString(sub(optGMCP, m))
			if list, ok := strings.CutPrefix(m, "Core.Supports.Set "); ok {
				if err := json.Unmarshal([]byte(list), &b.supports); err != nil {
					panic(err)
				}
			}
		}
	case option == optMSDP && b.p.MSDP != "":
		out.WriteString(sub(optMSDP, b.p.MSDP))
	}
	return out.String()
}

func size(width, height int) string {
	return string([]byte{byte(width >> 8), byte(width), byte(height >> 8), byte(height)})
}

func (b *Bot) subnegotiation() error {
	option, err := b.next()
	if err != nil {
		return err
	}
	var payload []byte
	for {
		c, err := b.next()
		if err != nil {
			return err
		}
		if c == iac {
			if c, err = b.next(); err != nil {
				return err
			}
			if c == se {
				break
			}
			if c != iac {
				b.problem("IAC %d within a subnegotiation of %d", c, option)
			}
		}
		payload = append(payload, c)
	}
	b.mu.Lock()
	agreed := b.us[option] || b.them[option]
	b.mu.Unlock()
	if !agreed {
		b.problem("a subnegotiation of %d, which was not agreed to: %q", option, payload)
		return nil
	}
	if bytes.IndexByte(payload, 0) >= 0 {
		b.problem("a zero byte in a subnegotiation of %d", option)
	}
	switch option {
	case optMCCP2:
		zr, err := zlib.NewReader(b.in)
		if err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF && err != io.ErrClosedPipe {
				b.problem("compressed stream: %v", err)
			}
			return err
		}
		b.mu.Lock()
		b.zr = zr
		b.mu.Unlock()
	case optTTYPE:
		if string(payload) != "\x01" {
			b.problem("TERMINAL-TYPE %q", payload)
			break
		}
		if b.ttypes++; b.ttypes > 4 {
			b.problem("asked for the terminal type %d times", b.ttypes)
		}
		if len(b.p.TTYPE) > 0 {
			b.raw(sub(optTTYPE, "\x00"+b.p.TTYPE[min(b.ttypes, len(b.p.TTYPE))-1]))
		}
	case optEnviron:
		b.raw(sub(optEnviron, b.p.Environ))
	case optCharset:
		b.charsets(payload)
	case optGMCP:
		b.package_(string(payload))
	case optMSDP:
		locked(b, func() any { b.msdp = append(b.msdp, string(payload)); return nil })
	case optMSSP:
		locked(b, func() any { b.mssp = string(payload); return nil })
	}
	b.cond.Broadcast()
	return nil
}

// charsets answers a request with the first of its names that the client has.
func (b *Bot) charsets(payload []byte) {
	if len(payload) < 3 || payload[0] != 1 {
		b.problem("CHARSET %q", payload)
		return
	}
	for name := range strings.SplitSeq(string(payload[2:]), string(payload[1:2])) {
		if name == "" || name != strings.ToUpper(name) || len(name) > 20 {
			b.problem("CHARSET offers %q", name)
		}
		if slices.Contains(b.p.Charsets, name) {
			b.mu.Lock()
			b.charset, b.latin1 = name, b.p.Latin1 && name == "ISO-8859-1"
			b.mu.Unlock()
			b.raw(sub(optCharset, "\x02"+name))
			return
		}
	}
	b.raw(sub(optCharset, "\x03"))
}

// package_ takes a message of GMCP.
func (b *Bot) package_(payload string) {
	name, data, has := strings.Cut(payload, " ")
	switch {
	case has && !json.Valid([]byte(data)):
		b.problem("GMCP %s: no JSON: %q", name, data)
	case strings.ContainsAny(payload, "\r\n") || strings.HasSuffix(payload, " "):
		b.problem("GMCP %q", payload)
	case !b.wants(name):
		b.problem("GMCP %s, which is not listed", name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gmcp = append(b.gmcp, Package{name, data})
}

func (b *Bot) wants(name string) bool {
	for _, always := range []string{"Core.", "Char.Login.", "Client.GUI", "Client.Map", "External.Discord.", "MSDP"} {
		if strings.HasPrefix(name, always) {
			return true
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.supports) == 0 {
		return strings.HasPrefix(name, "Char.") || strings.HasPrefix(name, "Room.")
	}
	for _, s := range b.supports {
		listed, _, _ := strings.Cut(s, " ")
		if name == listed || strings.HasPrefix(name, listed+".") {
			return true
		}
	}
	return false
}
