package floor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Swarm is many clients of one server on one goroutine, without one for each
// connection: a generator of load that costs as little as Go can, and the same for
// whatever it is pointed at. It needs epoll, so Linux. Its methods are called by one
// goroutine at a time; after an error it is only good for Close.
type Swarm struct {
	poller *poller
	all    []*client
	buf    []byte
}

// A client is one connection of a Swarm.
type client struct {
	fd    int
	turns []Turn
	pos   int // the turn that is next, or under way
	wants []int
	sent  time.Time
	open  bool   // the turn is under way
	got   int    // bytes of the answer
	tail  []byte // its end, while that may be the beginning of the turn's Done

	text []byte   // in a crowd: a line whose end has not come
	out  []byte   // what the socket has not taken
	said uint32   // lines typed
	last []uint32 // of each speaker, the last line heard
	due  []int64  // when each of its lines was due, in nanoseconds from the start
}

// A Turn is a line and how its answer ends. Both end with a line feed.
type Turn struct{ Line, Done string }

// ErrAnswer is wrapped by the error for an answer that is not what it was before, or
// goes on behind its end: something is lost, doubled, or said by others.
var ErrAnswer = errors.New("the answer is not as it must be")

// Len is the number of clients.
func (s *Swarm) Len() int { return len(s.all) }

// Script gives each client what it types, by turns, from the first one on. The answers
// to one turn of a client are all of one length and end with Done, and nothing else
// comes: Type checks that.
func (s *Swarm) Script(turns func(i int) []Turn) error {
	for i, c := range s.all {
		c.turns, c.pos = turns(i), 0
		c.wants = make([]int, len(c.turns))
		if len(c.turns) == 0 {
			return fmt.Errorf("floor: client %d: no turns", i+1)
		}
		for _, t := range c.turns {
			if !hasEnd(t.Line) || !hasEnd(t.Done) || len(t.Done) > lineBytes {
				return fmt.Errorf("floor: client %d: turn %q, %q: a line and the end of its answer are lines, the latter of at most %d bytes", i+1, t.Line, t.Done, lineBytes)
			}
		}
	}
	return nil
}

func hasEnd(s string) bool { return len(s) > 0 && s[len(s)-1] == '\n' }

// Type has all clients type what Script gave them in a closed loop for d, each line
// when the answer to the one before has come whole, and waits for the last answers.
func (s *Swarm) Type(ctx context.Context, d time.Duration) (Result, error) {
	began := time.Now()
	end := began.Add(d)
	var took []time.Duration
	for i, c := range s.all {
		if err := c.typeTurn(time.Now()); err != nil {
			return Result{}, fmt.Errorf("floor: client %d: %w", i+1, err)
		}
	}
	left := len(s.all)
	err := s.poll(ctx, end.Add(patience), func() bool { return left == 0 }, nil, func(i int, data []byte, now time.Time) error {
		c := s.all[i]
		whole, err := c.answer(data)
		if err != nil || !whole {
			return err
		}
		took = append(took, now.Sub(c.sent))
		if now.Before(end) {
			return c.typeTurn(now)
		}
		left--
		return nil
	})
	if errors.Is(err, errPatience) {
		for i, c := range s.all {
			if c.open {
				return Result{}, fmt.Errorf("%w; client %d typed %q and read %d bytes that end with %q", err, i+1, c.turns[c.pos].Line, c.got, c.tail)
			}
		}
	}
	if err != nil {
		return Result{}, err
	}
	r := Result{Elapsed: time.Since(began), Lines: len(took)}
	slices.Sort(took)
	if len(took) > 0 {
		r.P50, r.P99 = percentile(took, 50), percentile(took, 99)
	}
	return r, nil
}

func (c *client) typeTurn(now time.Time) error {
	c.sent, c.open, c.got, c.tail = now, true, 0, c.tail[:0]
	line := c.turns[c.pos].Line
	n, err := writeSocket(c.fd, []byte(line))
	if err == nil && n < len(line) {
		err = errors.New("the server does not read")
	}
	return err
}

// answer takes what has come, and reports whether the answer is whole.
func (c *client) answer(data []byte) (bool, error) {
	if !c.open {
		return false, fmt.Errorf("%w: %q came unasked", ErrAnswer, data)
	}
	done := c.turns[c.pos].Done
	c.got += len(data)
	c.tail = append(c.tail, data[max(0, len(data)-len(done)):]...)
	c.tail = c.tail[max(0, len(c.tail)-len(done)):]
	ends := string(c.tail) == done
	want := c.wants[c.pos]
	switch {
	case want == 0 && !ends, want > 0 && c.got < want:
		return false, nil
	case want > 0 && (c.got > want || !ends):
		return false, fmt.Errorf("%w: to %q, %d bytes that end with %q, want %d bytes that end with %q", ErrAnswer, c.turns[c.pos].Line, c.got, c.tail, want, done)
	}
	c.wants[c.pos], c.open = c.got, false
	c.pos = (c.pos + 1) % len(c.turns)
	return true, nil
}

// A Fanned is how long a line took to its listeners, from just before it was written.
type Fanned struct {
	First, Half, Last time.Duration
	Bytes             int // that a listener got, the most of all
}

// Fan has client i type the line, and waits until each client has read a text that
// ends with heard, and client i one that ends with own, and no more than that.
func (s *Swarm) Fan(ctx context.Context, i int, line, heard, own string) (Fanned, error) {
	if !hasEnd(line) || !hasEnd(heard) || !hasEnd(own) {
		return Fanned{}, fmt.Errorf("floor: fan: %q, %q, %q: a line without an end", line, heard, own)
	}
	for k, c := range s.all {
		done := heard
		if k == i {
			done = own
		}
		c.turns, c.pos, c.wants = []Turn{{line, done}}, 0, []int{0}
		c.open, c.got, c.tail = true, 0, c.tail[:0]
	}
	began := time.Now()
	if err := s.all[i].typeTurn(began); err != nil {
		return Fanned{}, fmt.Errorf("floor: client %d: %w", i+1, err)
	}
	var f Fanned
	n := 0
	err := s.poll(ctx, began.Add(patience), func() bool { return n == len(s.all) }, nil, func(k int, data []byte, now time.Time) error {
		c := s.all[k]
		whole, err := c.answer(data)
		if err != nil || !whole {
			return err
		}
		f.Bytes = max(f.Bytes, c.got)
		took := now.Sub(began)
		if n++; n == 1 {
			f.First = took
		}
		if n == (len(s.all)+1)/2 {
			f.Half = took
		}
		f.Last = took
		return nil
	})
	return f, err
}

// A Crowd is many who speak and all who listen.
type Crowd struct {
	Rate     float64       // lines a second of all speakers together; more than 0
	Duration time.Duration // how long they speak
	Seed     uint64        // the times and the speakers follow from it

	// Line appends what a speaker types, with its end. Each listener, the speaker as
	// well, must then read one line that has "bSPEAKER.N" in double quotes, the first
	// ones of the line. N counts the lines of a speaker from 1.
	Line func(dst []byte, speaker, n int) []byte
}

// A Heard is what has come of a Crowd.
type Heard struct {
	Lines      int   // that were typed
	Deliveries int64 // lines that a listener has read, all listeners together
	Missing    int64 // that did not come
	Disordered int64 // that came twice, or not in the order in which their speaker typed

	Offered   float64 // deliveries a second that the lines ask for, while they were typed
	PerSecond float64 // deliveries a second in that time
	Reads     int64   // system calls that have read something
	Bytes     int64   // that were read

	// The time from when a line was due to a listener's having it.
	P50, P99, Max time.Duration
}

// keepUpDelay is what most lines may take in a crowd whose server keeps up.
const keepUpDelay = time.Second

// KeptUp reports whether all was heard once and in order, as fast as it was offered:
// at least 97 in 100 of what was offered in the time came in that time, and 99 in 100
// within a second.
func (h Heard) KeptUp() bool {
	return h.Missing == 0 && h.Disordered == 0 && h.PerSecond >= 0.97*h.Offered && h.P99 <= keepUpDelay
}

// Speak has the clients of s speak in an open loop: lines are due at random times,
// each of a random client, whether or not what was said before has been heard. Then it
// waits until all is heard; what has not come half a minute later is missing, and the
// Swarm is not to be used any more.
func (s *Swarm) Speak(ctx context.Context, cr Crowd) (Heard, error) {
	if !(cr.Rate > 0) || cr.Line == nil {
		return Heard{}, errors.New("floor: a crowd without a rate or lines")
	}
	for _, c := range s.all {
		if c.last == nil {
			c.last = make([]uint32, len(s.all))
		}
		clear(c.last)
		c.text, c.out, c.said, c.due = c.text[:0], c.out[:0], 0, c.due[:0]
	}
	rng := rand.New(rand.NewPCG(cr.Seed, 1))
	times := hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)
	var h Heard
	var line []byte
	var waiting []*client // whose out is not empty
	began := time.Now()
	end := began.Add(cr.Duration)
	due := began
	inTime := int64(0)
	spoken := false
	// speak types what is due, and returns when it is to be called again.
	speak := func(now time.Time) (time.Time, error) {
		rest := waiting[:0]
		for _, c := range waiting {
			n, err := writeSocket(c.fd, c.out)
			if err != nil {
				return now, err
			}
			if c.out = c.out[:copy(c.out, c.out[n:])]; len(c.out) > 0 {
				rest = append(rest, c)
			}
		}
		waiting = rest
		for !spoken && !due.After(now) {
			i := rng.IntN(len(s.all))
			c := s.all[i]
			c.said++
			c.due = append(c.due, int64(due.Sub(began)))
			line = cr.Line(line[:0], i, int(c.said))
			h.Lines++
			n := 0
			if len(c.out) == 0 {
				var err error
				if n, err = writeSocket(c.fd, line); err != nil {
					return now, err
				}
				if n < len(line) {
					waiting = append(waiting, c)
				}
			}
			c.out = append(c.out, line[n:]...)
			due = due.Add(time.Duration(rng.ExpFloat64() / cr.Rate * float64(time.Second)))
			if !due.Before(end) {
				spoken = true
			}
		}
		if spoken {
			return now.Add(10 * time.Millisecond), nil
		}
		return due, nil
	}
	hear := func(i int, data []byte, now time.Time) error {
		h.Reads++
		h.Bytes += int64(len(data))
		c := s.all[i]
		at := int64(now.Sub(began))
		before := h.Deliveries
		for {
			k := bytes.IndexByte(data, '\n')
			if k < 0 {
				break
			}
			text := data[:k]
			if len(c.text) > 0 {
				text = append(c.text, text...)
				c.text = text[:0]
			}
			data = data[k+1:]
			speaker, n, ok := parseSpoken(text)
			if !ok || speaker >= len(s.all) || n < 1 || n > len(s.all[speaker].due) {
				if len(bytes.TrimSpace(text)) == 0 {
					continue
				}
				return fmt.Errorf("%w: somebody heard %q", ErrAnswer, text)
			}
			if uint32(n) != c.last[speaker]+1 {
				h.Disordered++
			}
			c.last[speaker] = max(c.last[speaker], uint32(n))
			h.Deliveries++
			times.RecordValue(max(1, (at-s.all[speaker].due[n-1])/int64(time.Microsecond)))
		}
		c.text = append(c.text, data...)
		if now.Before(end) {
			inTime += h.Deliveries - before
		}
		return nil
	}
	limit := end.Add(patience)
	err := s.poll(ctx, limit, func() bool {
		return spoken && h.Deliveries >= int64(h.Lines)*int64(len(s.all)) && len(waiting) == 0
	}, speak, hear)
	if errors.Is(err, errPatience) {
		err = nil
	}
	h.Missing = max(0, int64(h.Lines)*int64(len(s.all))-h.Deliveries)
	h.Offered = float64(h.Lines) * float64(len(s.all)) / cr.Duration.Seconds()
	h.PerSecond = float64(inTime) / cr.Duration.Seconds()
	at := func(p float64) time.Duration { return time.Duration(times.ValueAtPercentile(p)) * time.Microsecond }
	h.P50, h.P99, h.Max = at(50), at(99), time.Duration(times.Max())*time.Microsecond
	return h, err
}

// parseSpoken takes the number out of a line.
func parseSpoken(text []byte) (speaker, n int, ok bool) {
	i := bytes.IndexByte(text, '"')
	if i < 0 || i+1 >= len(text) || text[i+1] != 'b' {
		return 0, 0, false
	}
	rest := text[i+2:]
	if speaker, rest, ok = digits(rest); !ok || len(rest) == 0 || rest[0] != '.' {
		return 0, 0, false
	}
	n, rest, ok = digits(rest[1:])
	return speaker, n, ok && len(rest) > 0 && rest[0] == '"'
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

// errPatience is wrapped by the error for what does not come.
var errPatience = errors.New("nothing comes any more")
