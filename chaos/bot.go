package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	password = "tern-on-a-post"
	patience = 60 * time.Second // for what must come; it is no measure of speed
	maxLine  = 1 << 20          // bytes of a line that a bot takes
)

// A bot is a player. It types numbered lines, a few ahead of their answers, and
// checks the answers as they come.
type bot struct {
	r    *run
	name string
	rng  *rand.Rand // the typist's
	out  sync.Mutex // the order of what is typed; after mu

	mu       sync.Mutex
	cond     sync.Cond
	conn     net.Conn
	gen      int  // counts the connections
	cut      bool // this connection was cut by a fault
	playing  bool // it is logged in, and its typist may type
	stopped  bool // nothing more is typed
	welcome  bool
	stored   string // the last answer to "tally"
	asksPass bool   // it is asked for its password

	pending []pending // typed and not answered, in order
	asking  int64     // the line whose question is to come; 0 none
	effects int64     // the number of the last line that changes something
	reads   int64     // of the last one that does not
	fuses   int64     // of the last fuse
	lost    int64     // lines that a cut has lost
	unheard int64     // lines whose answer it has

	sent, answered int64
	applied        tally          // what must be stored: what was answered, and what a cut left in doubt
	set            tally          // the fuses of these
	unburnt        map[int64]bool // fuses whose end was not told yet
	burnt          map[int64]bool // those whose end was told
	waits          map[int]time.Duration
	quick          histogram // of lines that nothing held up but the game itself
}

// A pending line was typed and not answered.
type pending struct {
	kind  string
	n     int64
	fuse  int64 // the number of its fuse, if it is one
	at    time.Time
	quick bool // neither it nor one before it waits for anything
}

func newBot(r *run, number int) *bot {
	b := &bot{
		r: r, name: "Bot" + strconv.Itoa(number), rng: rand.New(rand.NewPCG(r.cfg.Seed, uint64(number))),
		unburnt: map[int64]bool{}, burnt: map[int64]bool{}, waits: map[int]time.Duration{},
	}
	b.cond.L = &b.mu
	return b
}

// wrong reports a violated invariant.
func (b *bot) wrong(n int64, format string, args ...any) {
	b.r.wrong(b.name, n, format, args...)
}

// enter connects and logs in with one line; the password goes with it, or waits
// until it is asked for.
func (b *bot) enter(ctx context.Context, verb string, ahead bool) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", b.r.host.addr)
	if err != nil {
		return fmt.Errorf("%s connects: %w", b.name, err)
	}
	b.mu.Lock()
	b.conn, b.cut, b.welcome, b.asksPass = conn, false, false, false
	b.gen++
	gen := b.gen
	b.mu.Unlock()
	b.r.bots.Go(func() { b.read(conn, gen) })
	line := verb + " " + b.name + "\r\n"
	if ahead {
		line = verb + " " + b.name + " " + password + "\r\n"
	} else if verb == "connect" && b.rngBool() {
		line += password + "\r\n" // as scripts do
		ahead = true
	}
	b.write(conn, line)
	if !ahead {
		if !b.await(ctx, func() bool { return b.asksPass || b.welcome }) {
			return fmt.Errorf("%s is not asked for its password", b.name)
		}
		b.write(conn, password+"\r\n")
	}
	if !b.await(ctx, func() bool { return b.welcome }) {
		return fmt.Errorf("%s is not let in", b.name)
	}
	return nil
}

func (b *bot) rngBool() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rng.IntN(2) == 0
}

// await waits until ok, which is called with b.mu held, or for patience.
func (b *bot) await(ctx context.Context, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.cond.Broadcast()
	})()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !ok() {
		if ctx.Err() != nil {
			return false
		}
		b.cond.Wait()
	}
	return true
}

func (b *bot) write(conn net.Conn, text string) {
	b.out.Lock()
	defer b.out.Unlock()
	conn.Write([]byte(text)) // a connection that has ended is the reader's to see
}

// start lets the typist type.
func (b *bot) start() {
	b.mu.Lock()
	b.playing = true
	b.cond.Broadcast()
	b.mu.Unlock()
}

// play is the typist. It ends with stop, or with ctx.
func (b *bot) play(ctx context.Context) {
	defer context.AfterFunc(ctx, b.stop)()
	for {
		b.mu.Lock()
		for !b.stopped && (!b.playing || b.asking != 0 || len(b.pending) >= b.r.cfg.Ahead) {
			b.cond.Wait()
		}
		if b.stopped {
			b.mu.Unlock()
			return
		}
		conn, line := b.conn, b.next()
		think := time.Duration(b.rng.ExpFloat64() * float64(b.r.cfg.Think))
		b.mu.Unlock()
		b.write(conn, line)
		if !sleep(ctx, min(think, 10*b.r.cfg.Think)) {
			return
		}
	}
}

func (b *bot) stop() {
	b.mu.Lock()
	b.stopped = true
	b.cond.Broadcast()
	b.mu.Unlock()
}

// next makes up a line, and notes it as typed; b.mu is held.
func (b *bot) next() string {
	p := pending{kind: pick(b.rng, actions), at: time.Now(), quick: true}
	if k := len(b.pending); k > 0 {
		p.quick = b.pending[k-1].quick
	}
	more := ""
	if p.kind == "read" {
		b.reads++
		p.n = b.reads
	} else {
		b.effects++
		p.n = b.effects
	}
	switch p.kind {
	case "pay":
		more = " Bot" + strconv.Itoa(1+b.rng.IntN(b.r.cfg.Bots))
	case "fuse":
		b.fuses++
		p.fuse = b.fuses
		more = " " + strconv.FormatInt(p.fuse, 10)
	case "ask", "hush":
		b.asking = p.n
		p.quick = false
	case "slow":
		p.quick = false
	}
	b.pending = append(b.pending, p)
	b.sent++
	return fmt.Sprintf("%s %d%s\r\n", p.kind, p.n, more)
}

// actions are what bots type, and how often.
var actions = []choice{{"act", 40}, {"read", 15}, {"pay", 15}, {"fuse", 6}, {"ask", 6}, {"hush", 4}, {"slow", 7}, {"nap", 7}}

// read takes what comes on a connection.
func (b *bot) read(conn net.Conn, gen int) {
	var in telnet
	var text []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		text = in.decode(text, buf[:n])
		for {
			i := strings.IndexByte(string(text), '\n')
			if i < 0 {
				break
			}
			b.line(conn, strings.TrimRight(string(text[:i]), "\r"))
			text = text[i+1:]
		}
		if rest := string(text); prompt.MatchString(rest) {
			b.line(conn, rest)
			text = nil
		}
		if len(text) > maxLine {
			b.wrong(0, "it is sent a line without an end")
			conn.Close()
		}
		if err == nil {
			continue
		}
		b.mu.Lock()
		expected := b.cut || b.gen != gen || b.r.ending()
		b.mu.Unlock()
		if !expected {
			b.wrong(0, "it was disconnected: %v", err)
		}
		return
	}
}

var (
	prompt  = regexp.MustCompile(`(ask|hush) (\d+)\? ?|Password: ?`)
	answer  = regexp.MustCompile(`^(act|read|pay|fuse|ask|hush|slow|nap) (\d+) is done( with (.*))?$`)
	napped  = regexp.MustCompile(`^nap \d+ is over$`)
	escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

	plainName = regexp.MustCompile(`Bot\d+`)

	hasBurnt = regexp.MustCompile(`^fuse (\d+) has burnt$`)
)

// line takes a line, with the prompts that stand before it.
func (b *bot) line(conn net.Conn, text string) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.cond.Broadcast()
	for {
		at := prompt.FindStringSubmatchIndex(text)
		if at == nil {
			break
		}
		if at[2] < 0 {
			b.asksPass = true
		} else {
			n, _ := strconv.ParseInt(text[at[4]:at[5]], 10, 64)
			b.asked(conn, text[at[2]:at[3]], n)
		}
		text = text[:at[0]] + text[at[1]:]
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "" || napped.MatchString(text):
	case strings.HasPrefix(text, "Welcome, "):
		b.welcome = true
	case strings.HasPrefix(text, "tally "):
		b.stored = text
	case answer.MatchString(text):
		m := answer.FindStringSubmatch(text)
		n, _ := strconv.ParseInt(m[2], 10, 64)
		if m[1] == "ask" && m[4] != word(n) {
			b.wrong(n, "ask was answered by %q", m[4])
		}
		b.answer(m[1], n, now)
	case hasBurnt.MatchString(text):
		n, _ := strconv.ParseInt(hasBurnt.FindStringSubmatch(text)[1], 10, 64)
		if b.burnt[n] {
			b.wrong(0, "it was told twice that fuse %d has burnt", n)
		}
		b.burnt[n] = true
		delete(b.unburnt, n)
	case isWrong(text):
		b.wrong(b.first(), "it was told: %s", text)
	case b.playing:
		b.r.notice(plainName.ReplaceAllString(escapes.ReplaceAllString(text, ""), "Bot"))
	}
}

// isWrong reports whether a text tells of what must not happen, rather than being a
// notice. Lines that come while a bot logs in, or of a session that it has left, are
// not among them.
func isWrong(text string) bool {
	for _, bad := range []string{"not available", "went wrong", "You are nobody", "needs a number", "wrong answer", "do not fit together", "That question was interrupted"} {
		if strings.Contains(text, bad) {
			return true
		}
	}
	return false
}

// asked answers a question, the first time that it is asked.
func (b *bot) asked(conn net.Conn, kind string, n int64) {
	if b.asking != n {
		for _, p := range b.pending {
			if p.kind == kind && p.n == n {
				return // a new Server asks again; the answer is on its way
			}
		}
		b.wrong(n, "%s was asked though it is answered", kind)
		return
	}
	b.asking = 0
	text := word(n)
	if kind == "hush" {
		text = secret(n)
	}
	b.write(conn, text+"\r\n")
}

// word is the answer to "ask".
func word(n int64) string { return fmt.Sprintf("word%d", n) }

func (b *bot) first() int64 {
	if len(b.pending) == 0 {
		return 0
	}
	return b.pending[0].n
}

// answer takes the answer to a line, which must be the first that has none.
func (b *bot) answer(kind string, n int64, now time.Time) {
	at := -1
	for i, p := range b.pending {
		if p.kind == kind && p.n == n {
			at = i
			break
		}
	}
	if at < 0 {
		b.wrong(n, "%s was answered twice, or was never typed", kind)
		return
	}
	for _, p := range b.pending[:at] {
		b.wrong(p.n, "%s was not answered before %s %d", p.kind, kind, n)
	}
	p := b.pending[at]
	b.pending = b.pending[at+1:]
	b.answered++
	b.apply(p)
	b.r.waited(b, p.at, now, p.quick)
}

// apply notes a line as one whose effect must be stored.
func (b *bot) apply(p pending) {
	if p.kind == "read" {
		return
	}
	b.applied.add(p.n)
	if p.kind == "fuse" {
		b.set.add(p.fuse)
		if !b.burnt[p.fuse] {
			b.unburnt[p.fuse] = true
		}
	}
}

// sever cuts the connection behind a few lines, hard or softly, and comes back.
func (b *bot) sever(ctx context.Context, hard bool) {
	b.mu.Lock()
	if !b.playing {
		b.mu.Unlock()
		return // it is on its way back from the last time
	}
	b.playing, b.cut = false, true
	conn, lines := b.conn, ""
	for !b.stopped && b.asking == 0 && len(b.pending) < b.r.cfg.Ahead {
		lines += b.next()
	}
	b.mu.Unlock()
	b.write(conn, lines)
	if tcp, ok := conn.(*net.TCPConn); ok && hard {
		tcp.SetLinger(0)
	}
	conn.Close()
	b.r.bots.Go(func() { b.comeBack(ctx) })
}

// comeBack logs in again and finds out what of its last lines has come to pass: they
// must be the first of them, as they were typed in order.
func (b *bot) comeBack(ctx context.Context) {
	err := b.enter(ctx, "connect", false)
	if err == nil {
		var text string
		if text, err = b.ask(ctx); err == nil {
			b.settle(text)
			b.start()
			return
		}
	}
	if ctx.Err() == nil {
		b.wrong(0, "it cannot come back: %v", err)
	}
}

// ask returns what is stored of the bot.
func (b *bot) ask(ctx context.Context) (string, error) {
	b.mu.Lock()
	b.stored = ""
	conn := b.conn
	b.mu.Unlock()
	b.write(conn, "tally\r\n")
	if !b.await(ctx, func() bool { return b.stored != "" }) {
		return "", fmt.Errorf("%s is not told its tally", b.name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stored, nil
}

// settle compares what is stored with the lines that were cut off.
func (b *bot) settle(text string) {
	st, err := parseStored(text)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.wrong(0, "%v", err)
		return
	}
	last := st.tally.last()
	for _, p := range b.pending {
		if p.kind != "read" && p.n <= last {
			b.apply(p)
			b.unheard++
		} else {
			b.lost++
		}
	}
	b.pending, b.asking = nil, 0
	// What it would have been told of these, it was told at the old connection.
	clear(b.unburnt)
	b.compare(st)
}

// compare checks what is stored of lines and fuses; b.mu is held.
func (b *bot) compare(st stored) {
	if got, want := st.tally.String(), b.applied.String(); got != want {
		b.wrong(b.applied.last(), "stored are the lines %s, want %s", got, want)
	}
	if got, want := st.fuses.String(), b.set.String(); got != want {
		b.wrong(b.applied.last(), "stored are the fuses %s, want %s", got, want)
	}
}

// stored is what "tally" tells.
type stored struct {
	tally, fuses, burnt tally
	coins               int64
}

func parseStored(text string) (st stored, err error) {
	words := strings.Fields(text)
	if len(words) != 8 {
		return st, fmt.Errorf("the tally %q cannot be read", text)
	}
	var errs [4]error
	st.tally, errs[0] = parseTally(words[1])
	st.coins, errs[1] = strconv.ParseInt(words[3], 10, 64)
	st.fuses, errs[2] = parseTally(words[5])
	st.burnt, errs[3] = parseTally(words[7])
	for _, e := range errs {
		if e != nil {
			return st, e
		}
	}
	return st, nil
}

// telnet takes commands out of what a game sends. The bot answers none, as many a
// simple client does.
type telnet struct {
	state int
}

const (
	tnText = iota
	tnIAC
	tnOption
	tnSub
	tnSubIAC
)

// decode appends the text in data to dst. RFC 854 has the codes.
func (tn *telnet) decode(dst, data []byte) []byte {
	const iac, sb, se, will, dont = 255, 250, 240, 251, 254
	for _, c := range data {
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
				tn.state = tnOption
			default:
				tn.state = tnText
			}
		case tnOption:
			tn.state = tnText
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

// sleep waits for d, and reports whether it was not the end of ctx that came first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
