package bench

import (
	"bytes"
	"net"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"syscall"
	"time"
)

// readBytes is what is read at once. A player who reads nothing has no buffer.
const readBytes = 64 << 10

var readBuffers = sync.Pool{New: func() any { return new([readBytes]byte) }}

// read takes what comes on a connection until it ends.
func (p *player) read(conn net.Conn) {
	err := p.readAll(conn)
	p.mu.Lock()
	closing, w := p.closing, p.wait
	p.wait = nil
	p.mu.Unlock()
	if w != nil {
		w.found <- -1
	} else if !closing {
		p.r.fail(p.gone(err))
	}
}

// readAll returns what conn ended with.
func (p *player) readAll(conn net.Conn) error {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		buf := make([]byte, 4<<10)
		for {
			n, err := conn.Read(buf)
			p.take(conn, buf[:n], time.Now())
			if err != nil {
				return err
			}
		}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	// The function returns false to wait for more: one system call for what has
	// come, where Read would need a second one to learn that there is no more.
	var ended error
	err = raw.Read(func(fd uintptr) bool {
		buf := readBuffers.Get().(*[readBytes]byte)
		defer readBuffers.Put(buf)
		for {
			n, err := syscall.Read(int(fd), buf[:])
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN:
				return false
			case err != nil:
				ended = err
				return true
			case n == 0:
				return true // the end
			}
			p.take(conn, buf[:n], time.Now())
			if n < len(buf) {
				return false
			}
		}
	})
	if ended != nil {
		return ended
	}
	if err != nil {
		return err
	}
	return errEnded
}

// take takes what was read. It changes data.
func (p *player) take(conn net.Conn, data []byte, now time.Time) {
	data = p.telnet.decode(data)
	if answers := p.telnet.answers; len(answers) > 0 {
		conn.SetWriteDeadline(now.Add(p.r.cfg.Timeout))
		conn.Write(answers) // an error is the next read's as well
		p.telnet.answers = nil
	}
	a := p.r.asked.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			break
		}
		line := data[:i]
		if len(p.text) > 0 {
			line = append(p.text, line...)
			p.text = line[:0]
		}
		p.line(a, line, now)
		data = data[i+1:]
	}
	p.text = append(p.text, data...)
	switch {
	case len(p.text) >= maxLine:
		p.line(a, p.text, now)
		p.text = nil
	case len(p.text) > 0:
		if p.wait != nil { // perhaps it is for a prompt
			p.found(plain(bytes.Clone(p.text)))
		}
	case cap(p.text) > 256:
		p.text = nil
	}
}

// found reports whether raw is what the player waits for. p.mu is held.
func (p *player) found(raw []byte) bool {
	w := p.wait
	if w == nil {
		return false
	}
	for i, re := range w.patterns {
		if re.Match(raw) {
			p.wait = nil
			w.found <- i
			return true
		}
	}
	return false
}

// line takes a line without its end. It changes raw. p.mu is held.
func (p *player) line(a *active, raw []byte, now time.Time) {
	raw = plain(bytes.TrimRight(raw, "\r"))
	if len(raw) == 0 {
		return
	}
	if a != nil && a.crowd && p.wait == nil {
		if speaker, n, ok := parseHeard(raw); ok {
			p.hearing.take(speaker, n)
			return
		}
	}
	p.last.add(raw)
	if p.found(raw) || a == nil {
		return
	}
	for i := range a.answers {
		q := &a.answers[i]
		if !bytes.HasPrefix(raw, q.prefix) {
			continue
		}
		m := q.re.FindSubmatch(raw)
		if m == nil {
			continue
		}
		got := ""
		if len(m) > 1 {
			got = string(m[1])
		}
		k := q.kind
		if k == say && strings.Count(got, ".") == 2 {
			k = fence
		}
		if k == say && got == "" && len(p.match.queue) > 0 && p.match.queue[0].kind == fence {
			k = fence // a game whose answer to "say" has no number
		}
		if line, ok := p.match.answer(k, got); ok && k != fence {
			a.count(line, now)
		}
		select {
		case p.wake <- struct{}{}:
		default:
		}
		return
	}
}

// literalPrefix is what every match of re begins with, if each begins where the line
// does; nil otherwise.
func literalPrefix(re *regexp.Regexp) []byte {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil || tree.Op != syntax.OpConcat || len(tree.Sub) < 2 {
		return nil
	}
	begin, text := tree.Sub[0], tree.Sub[1]
	if begin.Op != syntax.OpBeginText || text.Op != syntax.OpLiteral || text.Flags&syntax.FoldCase != 0 {
		return nil
	}
	return []byte(string(text.Rune))
}

// parseHeard takes a line apart in which somebody else says the number of a line:
// `Benchaaab says, "b1.23"` is line 23 of player 1. A fence is no such line.
func parseHeard(raw []byte) (speaker, n int, ok bool) {
	const mark = ` says, "b`
	i := bytes.Index(raw, []byte(mark))
	if i < 0 {
		return 0, 0, false
	}
	rest := raw[i+len(mark):]
	if speaker, rest, ok = digits(rest); !ok || len(rest) == 0 || rest[0] != '.' {
		return 0, 0, false
	}
	if n, rest, ok = digits(rest[1:]); !ok || len(rest) == 0 || rest[0] != '"' {
		return 0, 0, false
	}
	return speaker, n, true
}

// digits takes a number of at most nine digits off the beginning.
func digits(b []byte) (n int, rest []byte, ok bool) {
	i := 0
	for i < len(b) && i < 10 && b[i] >= '0' && b[i] <= '9' {
		n = n*10 + int(b[i]-'0')
		i++
	}
	return n, b[i:], i > 0 && i < 10
}

// hearing is what a player hears of others in a crowd: each line must come once, and
// those of a speaker in order.
type hearing struct {
	heard int64
	bad   int64    // came twice, or after a later one
	last  []uint32 // of each speaker
}

func (h *hearing) take(speaker, n int) {
	if speaker >= maxPlayers {
		return // nobody of ours
	}
	if speaker >= len(h.last) {
		h.last = append(h.last, make([]uint32, speaker+1-len(h.last))...)
	}
	if uint32(n) <= h.last[speaker] {
		h.bad++
		return
	}
	h.last[speaker] = uint32(n)
	h.heard++
}

// reset begins anew with lines 1.
func (h *hearing) reset() {
	h.heard, h.bad = 0, 0
	clear(h.last)
}

// recent are the last lines of a player, their beginnings. The zero value has none.
type recent struct {
	lines [3][]byte
	next  int
}

func (r *recent) add(raw []byte) {
	r.lines[r.next] = append(r.lines[r.next][:0], raw[:min(len(raw), 100)]...)
	r.next = (r.next + 1) % len(r.lines)
}

// at returns the line that is i behind the last one.
func (r *recent) at(i int) string { return string(r.lines[(r.next-1-i+2*len(r.lines))%len(r.lines)]) }

func (r *recent) String() string {
	var list []string
	for i := len(r.lines) - 1; i >= 0; i-- {
		if text := r.at(i); text != "" {
			list = append(list, text)
		}
	}
	return strings.Join(list, " / ")
}
