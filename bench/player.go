package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	password   = "tern-on-a-post"
	maxLine    = 1 << 16 // bytes of a line that a player takes; of a longer one the rest is another line
	maxPending = 1000    // lines of a player without an answer; at the bound it types later, and what is due waits
	fenceEvery = 50      // lines of a player from one fence to the next
)

// errEnded is the error of a connection that the other side has closed.
var errEnded = errors.New("closed")

// A player is one connection and what it types. Its typist is one goroutine at a
// time, its reader another one.
type player struct {
	r     *run
	i     int
	name  string
	local *net.TCPAddr  // where it connects from; nil is any
	rng   *rand.Rand    // the typist's
	wake  chan struct{} // after each answer

	// The typist's.
	lines   int64 // typed in this mix
	said    int64 // of these
	fences  int64
	pos     int // the number of its room, in the game of this package
	holding bool

	mu      sync.Mutex
	conn    net.Conn
	closing bool
	match   matcher
	hearing hearing
	last    recent // the last lines that it read, without what others said
	wait    *waiting
	reader  sync.WaitGroup

	// The reader's.
	telnet telnet
	text   []byte // of a line whose end has not come
}

// waiting is for a line that is no answer.
type waiting struct {
	patterns []*regexp.Regexp
	found    chan int // which one it was; -1 if the connection has ended
}

func newPlayer(r *run, prefix string, i int, local *net.TCPAddr) *player {
	return &player{
		r: r, i: i, name: playerName(prefix, i), local: local, wake: make(chan struct{}, 1),
		rng: rand.New(rand.NewPCG(r.cfg.Seed, uint64(i))),
	}
}

// dial connects, and starts the reader.
func (p *player) dial(ctx context.Context) error {
	d := net.Dialer{Timeout: p.r.cfg.Timeout}
	if p.local != nil {
		d.LocalAddr = p.local
	}
	conn, err := d.DialContext(ctx, "tcp", p.r.addr)
	if err != nil {
		return dialError(p.r.addr, err)
	}
	p.mu.Lock()
	p.conn, p.closing, p.last = conn, false, recent{}
	p.telnet, p.text = telnet{}, nil
	p.mu.Unlock()
	p.reader.Go(func() { p.read(conn) })
	return nil
}

func dialError(addr string, err error) error {
	err = fmt.Errorf("connect to %s: %w", addr, err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return withHint(err, "nobody listens there: start the game (mudlark status --dir DIR has its address), or leave --addr away, and bench starts a game of its own")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return withHint(err, "each player takes an open file: raise the limit (ulimit -n), or have fewer --clients")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return withHint(err, "players connect from many addresses of 127.0.0.0/8, which this system does not have: try --sources 0")
	}
	return err
}

// close ends the connection, and waits for its reader.
func (p *player) close() {
	p.mu.Lock()
	p.closing = true
	conn := p.conn
	p.mu.Unlock()
	if conn != nil {
		conn.Close() // waits for what the reader has read, which takes the lock
	}
	p.reader.Wait()
}

func (p *player) write(text string) error {
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	conn.SetWriteDeadline(time.Now().Add(p.r.cfg.Timeout))
	if _, err := conn.Write([]byte(text + "\r\n")); err != nil {
		return p.gone(err)
	}
	return nil
}

// gone is the error of a connection that has ended by itself.
func (p *player) gone(err error) error {
	text := fmt.Sprintf("the game has ended the connection of %s", p.name)
	if last := p.told(); last != "" {
		text += ", which read last: " + last
	}
	return withHint(fmt.Errorf("%s: %w", text, err), "%s", p.r.whyGone())
}

// told returns the last lines that it read.
func (p *player) told() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last.String()
}

// expect types text and waits until limit for a line that one of the patterns
// matches, and returns which one.
func (p *player) expect(ctx context.Context, text string, limit time.Duration, patterns ...*regexp.Regexp) (int, error) {
	w := &waiting{patterns: patterns, found: make(chan int, 1)}
	p.mu.Lock()
	p.wait = w
	p.mu.Unlock()
	if err := p.write(text); err != nil {
		return 0, err
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case n := <-w.found:
		if n < 0 {
			return 0, p.gone(errEnded)
		}
		return n, nil
	case <-t.C:
		return 0, fmt.Errorf("%s typed %q and was not answered within %v; it read last: %s", p.name, hide(text), limit, p.told())
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// hide takes the password out of a line.
func hide(text string) string { return strings.ReplaceAll(text, password, "…") }

// enter has the player log in. In the game of this package that takes no password,
// but for like, the player whose password a new account gets; in others it makes the
// account, or logs in to it if it is there.
func (p *player) enter(ctx context.Context, like *player) error {
	d := p.r.dialect
	lines := []string{d.create, d.connect}
	if p.r.own != nil && like != p {
		lines = []string{"enter {name}"}
		if like != nil {
			lines[0] += " " + like.name
		}
	}
	var read string
	for _, line := range lines {
		if line == "" {
			continue
		}
		n, err := p.expect(ctx, fill(line, p.name, password, ""), p.r.cfg.Timeout*loginTime, d.welcome, d.refused)
		var h interface{ Hint() string }
		switch {
		case err != nil && !errors.As(err, &h) && ctx.Err() == nil:
			return withHint(err, "--create and --login say what is typed to log in, --welcome how the game's answer looks, --timeout how long it may take")
		case err != nil:
			return err
		case n == 0:
			return nil
		}
		read = p.told()
	}
	return withHint(fmt.Errorf("%s is not let in; it read last: %s", p.name, read),
		"accounts of an earlier run have the same names: --name gives others; --create and --login say what is typed; the game's limits must allow that many logins (limits.* in its settings)")
}

// plain takes colours out of a line, in place.
func plain(raw []byte) []byte {
	if bytes.IndexByte(raw, 0x1b) < 0 {
		return raw
	}
	out := raw[:0]
	for i := 0; i < len(raw); i++ {
		if raw[i] != 0x1b {
			out = append(out, raw[i])
			continue
		}
		// ECMA-48, 5.4: CSI is ESC [, parameters, and a final byte of 0x40 to 0x7e.
		if i++; i < len(raw) && raw[i] == '[' {
			for i++; i < len(raw) && (raw[i] < 0x40 || raw[i] > 0x7e); i++ {
			}
		}
	}
	return out
}

// typeLine types a line of the kind.
func (p *player) typeLine(k kind, due time.Time) error {
	d := p.r.dialect
	of := k
	var n string
	if k == fence {
		of = say
		p.fences++
		n = "b" + strconv.Itoa(p.i) + "." + strconv.FormatInt(p.fences, 10) + ".1"
	} else {
		p.lines++
		if k == say {
			p.said++
		}
		n = "b" + strconv.Itoa(p.i) + "." + strconv.FormatInt(p.lines, 10)
	}
	list := d.lines[of]
	line := list[int(max(0, p.lines-1))%len(list)]
	want := ""
	if d.answers[of].NumSubexp() > 0 && strings.Contains(line, "{n}") {
		want = n
	}
	if p.r.own != nil {
		switch k {
		case look:
			want = number(p.pos)
		case walk:
			line, p.pos = "east", (p.pos+1)%p.r.rooms
			want = number(p.pos)
		case get, drop:
			line, want = string(k)+" "+coinName(p.i), coinName(p.i)
		}
	}
	p.mu.Lock()
	p.match.typed(pending{kind: k, want: want, due: due, sent: time.Now()})
	p.mu.Unlock()
	return p.write(fill(line, p.name, password, n))
}

// next is the kind of the next line in a mix.
func (p *player) next(m mix) kind {
	kinds := m.kinds
	k := kinds[int(p.lines)%len(kinds)]
	if k == get {
		if p.holding {
			k = drop
		}
		p.holding = !p.holding
	}
	return k
}

// settle waits until no more than n lines are without an answer. What is so for
// longer than the timeout is lost.
func (p *player) settle(ctx context.Context, n int) error {
	for {
		p.mu.Lock()
		p.match.expire(time.Now().Add(-p.r.cfg.Timeout))
		left := len(p.match.queue)
		var wait time.Duration
		if left > 0 {
			wait = time.Until(p.match.queue[0].sent.Add(p.r.cfg.Timeout)) + time.Millisecond
		}
		p.mu.Unlock()
		if left <= n {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-p.wake:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
		t.Stop()
	}
}

// fence types a line before which all others must be answered, and waits for it.
func (p *player) fence(ctx context.Context) error {
	if err := p.typeLine(fence, time.Now()); err != nil {
		return err
	}
	return p.settle(ctx, 0)
}

// closed types a line whenever the one before is answered, until end.
func (p *player) closed(ctx context.Context, m mix, end time.Time) error {
	for {
		now := time.Now()
		if !now.Before(end) {
			return nil
		}
		if err := p.typeLine(p.next(m), now); err != nil {
			return err
		}
		if err := p.settle(ctx, 0); err != nil {
			return err
		}
		if p.lines%fenceEvery == 0 {
			if err := p.fence(ctx); err != nil {
				return err
			}
		}
	}
}

// open types lines at the times of a schedule, until end. A line that cannot be
// typed in time is typed late, and its latency begins when it was due.
func (p *player) open(ctx context.Context, m mix, s *schedule, end time.Time) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		due := s.next()
		if !due.Before(end) {
			return nil
		}
		if wait := time.Until(due); wait > 0 {
			t.Reset(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := p.settle(ctx, maxPending-1); err != nil {
			return err
		}
		if err := p.typeLine(p.next(m), due); err != nil {
			return err
		}
		if p.lines%fenceEvery == 0 {
			if err := p.typeLine(fence, time.Now()); err != nil {
				return err
			}
		}
	}
}

// A schedule has the times at which a player's lines are due: at random, with a mean
// rate, as those of many players are who know nothing of each other.
type schedule struct {
	rng *rand.Rand
	gap float64 // seconds, on average
	at  time.Time
}

// next returns the next time. It does not depend on when it is called.
func (s *schedule) next() time.Time {
	s.at = s.at.Add(time.Duration(s.rng.ExpFloat64() * s.gap * float64(time.Second)))
	return s.at
}

// telnet takes commands out of what a game sends, and refuses all options: a game
// may wait for what a client has to say to them.
type telnet struct {
	state   int
	verb    byte
	answers []byte // to be sent; decode appends to them
}

const (
	tnText = iota
	tnIAC
	tnOption
	tnSub
	tnSubIAC
)

// decode takes the commands out of data, in place, and returns the text. RFC 854 has
// the codes.
func (tn *telnet) decode(data []byte) []byte {
	const iac, sb, se, will, wont, do, dont = 255, 250, 240, 251, 252, 253, 254
	i := 0
	if tn.state == tnText {
		if i = bytes.IndexByte(data, iac); i < 0 {
			return data
		}
	}
	dst := data[:i]
	for _, c := range data[i:] {
		switch tn.state {
		case tnText:
			if c == iac {
				tn.state = tnIAC
			} else {
				dst = append(dst, c)
			}
		case tnIAC:
			switch {
			case c == iac:
				dst = append(dst, c)
				tn.state = tnText
			case c == sb:
				tn.state = tnSub
			case c >= will && c <= dont:
				tn.state, tn.verb = tnOption, c
			default:
				tn.state = tnText
			}
		case tnOption:
			tn.state = tnText
			// RFC 854: what is off already is not answered, so that nothing loops.
			switch tn.verb {
			case will:
				tn.answers = append(tn.answers, iac, dont, c)
			case do:
				tn.answers = append(tn.answers, iac, wont, c)
			}
		case tnSub:
			if c == iac {
				tn.state = tnSubIAC
			}
		case tnSubIAC:
			if tn.state = tnSub; c == se {
				tn.state = tnText
			}
		}
	}
	return dst
}
