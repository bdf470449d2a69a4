package floor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long a client waits for an answer.
const patience = 30 * time.Second

// Line is what clients type whose Load has no line: 64 bytes with its end.
const Line = "say The tide comes in over the flats, and a lark goes up there.\n"

// A Load is clients that type lines and wait for the answer of each before the next.
type Load struct {
	Addr     string        // where to connect to, by TCP
	Clients  int           // how many; fewer than 1 means 1
	Duration time.Duration // how long they type; 0 means 1s

	Line string // with its end; "" means Line
	Done string // what the answer ends with; "" means the line itself

	// Prepare, if not nil, is called once for each connection before anything is
	// typed, by that client's goroutine: to log in. What it leaves in r counts for the
	// first answer.
	Prepare func(c net.Conn, r *bufio.Reader) error
}

// A Result is what clients have seen.
type Result struct {
	Lines   int           // answered, by all clients
	Elapsed time.Duration // from the first line to the last answer

	// The time from typing a line to the end of its answer, of half of all lines and
	// of 99 in 100; 0 if there were none.
	P50, P99 time.Duration
}

// PerSecond returns how many lines were answered in a second, 0 if none were.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Lines) / r.Elapsed.Seconds()
}

// A Sum is several Results taken together. Its zero value has none.
type Sum struct {
	lines    int
	elapsed  time.Duration
	p50, p99 []time.Duration
}

// Add adds a Result.
func (s *Sum) Add(r Result) {
	s.lines += r.Lines
	s.elapsed += r.Elapsed
	s.p50, s.p99 = append(s.p50, r.P50), append(s.p99, r.P99)
}

// PerSecond is that of all Results, weighed by their time.
func (s *Sum) PerSecond() float64 { return Result{Lines: s.lines, Elapsed: s.elapsed}.PerSecond() }

// P50 is the median of the P50 of the Results, 0 without any.
func (s *Sum) P50() time.Duration { return median(s.p50) }

// P99 is the median of the P99 of the Results, 0 without any.
func (s *Sum) P99() time.Duration { return median(s.p99) }

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return percentile(sorted, 50)
}

// Drive runs a Load of that many clients that type Line.
func Drive(ctx context.Context, addr string, clients int, d time.Duration) (Result, error) {
	return Load{Addr: addr, Clients: clients, Duration: d}.Run(ctx)
}

// Run connects the clients, prepares all of them, has them type, and closes their
// connections. It returns the first error of a client, after it has ended the others,
// and ctx's if that is done first. All its goroutines have ended when it returns.
func (l Load) Run(ctx context.Context) (Result, error) {
	p, err := l.Connect(ctx)
	if err != nil {
		return Result{}, err
	}
	defer p.Close()
	return p.Type(ctx, l.Duration)
}

// Players are the clients of a Load, connected and prepared. Its methods are called
// by one goroutine.
type Players struct {
	line, done []byte
	all        []*player
}

type player struct {
	c    net.Conn
	r    *bufio.Reader
	took []time.Duration
}

// Connect connects and prepares the clients of l, ten at a time. The caller closes
// them.
func (l Load) Connect(ctx context.Context) (*Players, error) {
	if l.Line == "" {
		l.Line = Line
	}
	if l.Done == "" {
		l.Done = l.Line
	}
	if !strings.HasSuffix(l.Line, "\n") {
		return nil, fmt.Errorf("floor: line %q: it has no end", l.Line)
	}
	if len(l.Done) > lineBytes {
		return nil, fmt.Errorf("floor: end of an answer: %d bytes, the limit is %d", len(l.Done), lineBytes)
	}
	p := &Players{line: []byte(l.Line), done: []byte(l.Done), all: make([]*player, max(l.Clients, 1))}
	for i := range p.all {
		p.all[i] = &player{}
	}
	var dialer net.Dialer
	limit := make(chan struct{}, 10)
	err := p.each(ctx, func(ctx context.Context, q *player) error {
		limit <- struct{}{}
		defer func() { <-limit }()
		c, err := dialer.DialContext(ctx, "tcp", l.Addr)
		if err != nil {
			return err
		}
		q.c, q.r = c, bufio.NewReaderSize(c, 4<<10)
		if l.Prepare == nil {
			return nil
		}
		defer q.endWith(ctx)()
		c.SetDeadline(time.Now().Add(patience))
		return l.Prepare(c, q.r)
	})
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close closes the connections.
func (p *Players) Close() {
	for _, q := range p.all {
		if q.c != nil {
			q.c.Close()
		}
	}
}

// Type has all clients type for d, 0 meaning one second, and waits for the answers
// of their last lines. After an error the clients are of no use any more.
func (p *Players) Type(ctx context.Context, d time.Duration) (Result, error) {
	if d <= 0 {
		d = time.Second
	}
	began := time.Now()
	end := began.Add(d)
	err := p.each(ctx, func(ctx context.Context, q *player) error {
		defer q.endWith(ctx)()
		q.c.SetDeadline(end.Add(patience))
		return q.typeUntil(end, p.line, p.done)
	})
	if err != nil {
		return Result{}, err
	}
	r := Result{Elapsed: time.Since(began)}
	var took []time.Duration
	for _, q := range p.all {
		took = append(took, q.took...)
	}
	slices.Sort(took)
	if r.Lines = len(took); r.Lines > 0 {
		r.P50, r.P99 = percentile(took, 50), percentile(took, 99)
	}
	return r, nil
}

// percentile returns the smallest of the sorted times that p in 100 of them do not
// exceed. There is one at least.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max((len(sorted)*p+99)/100-1, 0)]
}

// each calls f for every client, each on a goroutine of its own, and returns the
// first error. An error ends the ctx of the others.
func (p *Players) each(ctx context.Context, f func(context.Context, *player) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for i, q := range p.all {
		all.Go(func() {
			if err := f(ctx, q); err != nil {
				cancel(fmt.Errorf("floor: client %d: %w", i+1, err))
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// endWith has the end of ctx end what the client waits for, until the result is
// called.
func (q *player) endWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { q.c.Close() })
}

func (q *player) typeUntil(end time.Time, line, done []byte) error {
	q.took = q.took[:0]
	for now := time.Now(); now.Before(end); {
		if _, err := q.c.Write(line); err != nil {
			return err
		}
		if err := SkipTo(q.r, done); err != nil {
			return err
		}
		then := time.Now()
		q.took = append(q.took, then.Sub(now))
		now = then
	}
	return nil
}

// SkipTo reads from r until it has read a text that ends with done, which is not
// empty and fits into r's buffer. It reads nothing behind that.
func SkipTo(r *bufio.Reader, done []byte) error {
	last := done[len(done)-1]
	var kept []byte // the end of what was read before this piece
	for {
		piece, err := r.ReadSlice(last)
		if bytes.HasSuffix(piece, done) {
			return nil
		}
		if len(kept) > 0 || len(piece) < len(done) {
			kept = append(kept, piece...)
			if bytes.HasSuffix(kept, done) {
				return nil
			}
			kept = kept[max(len(kept)-len(done), 0):]
		} else {
			kept = append(kept[:0], piece[len(piece)-len(done):]...)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("wait for %q: %w", done, err)
		}
	}
}
