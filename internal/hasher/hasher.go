// Package hasher computes argon2id keys in processes of low priority, so that many who
// log in at once hold up nobody who plays.
//
// A key takes some ten milliseconds of a processor and 19 MiB on purpose. In the
// process of the game that costs the others more than the processor: the goroutines of
// argon2 hold what Go runs goroutines by, for up to 10 ms at a time, and the memory sets
// off one collection after the other. A process of its own has its own scheduler, heap
// and collector, and of a processor that others want it gets a tenth.
package hasher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

const (
	// niceness is what a process that hashes adds to its own: on Linux it has a weight
	// of 110 beside the 1,024 of others. With SCHED_IDLE (sched(7)) those who play were no better
	// off, and with the processors busy nobody could log in.
	niceness = 10
	// idlePeriod is how long a process without work is kept.
	idlePeriod = 10 * time.Second
	// retryPeriod is how long no process is started after one could not be, or has
	// died at its first key.
	retryPeriod = 10 * time.Second
)

// A Config is what New takes.
type Config struct {
	// Command returns the command of a process that calls Serve with its standard
	// input and output, after Lower. It is called from any goroutine.
	Command func() *exec.Cmd
	Logger  *slog.Logger // nil means slog.Default()
}

// A Pool has a process for each key that is computed at the same time. A process is
// started when it is needed and ended when it had nothing to do for ten seconds. All
// methods may be called from any goroutine.
type Pool struct {
	log   *slog.Logger
	start func() (*child, error)
	here  chan struct{} // has room for one: a key is computed in this process

	mu        sync.Mutex
	free      []*child // that have nothing to do, the one that had last at the end
	hereUntil time.Time
	closed    bool
}

// New returns a Pool that has no process yet.
func New(cfg Config) *Pool {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Pool{log: cfg.Logger, start: func() (*child, error) { return run(cfg.Command()) }, here: make(chan struct{}, 1)}
}

// A child is a process. Whoever has taken it is the only one that touches it.
type child struct {
	enc   *json.Encoder
	dec   *json.Decoder
	end   func()      // once it has nothing to do: it ends by itself
	kill  func()      // at once; from any goroutine, and more than once
	timer *time.Timer // ends it while it is free
	keys  int         // computed so far
}

// run starts a process.
func run(cmd *exec.Cmd) (*child, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("hasher: start: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("hasher: start: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("hasher: start: %w", err)
	}
	wait := sync.OnceFunc(func() { go cmd.Wait() }) // it closes the pipes; nobody asks how the process has ended
	return &child{
		enc: json.NewEncoder(in), dec: json.NewDecoder(out),
		end:  func() { in.Close(); wait() },
		kill: func() { cmd.Process.Kill(); wait() },
	}, nil
}

// A request is a key that is wanted, and a reply is one. They are written as JSON.
type (
	request struct {
		Password, Salt []byte
		Time, Memory   uint32
		Lanes          uint8
		Len            uint32
	}
	reply struct {
		Key []byte
		Err string
	}
)

// Key returns what argon2.IDKey returns for the same arguments. memory is in KiB. It
// fails with the cause of ctx if that ends first. Where no process can be started it
// computes the key in this one, one at a time, and says so in the log.
func (p *Pool) Key(ctx context.Context, password, salt []byte, time, memory uint32, lanes uint8, n uint32) ([]byte, error) {
	r := &request{password, salt, time, memory, lanes, n}
	for {
		c, err := p.take()
		if c == nil {
			if err != nil {
				p.log.Warn("passwords are hashed in the Server's process, which holds up who plays", "err", err)
			}
			return p.keyHere(ctx, r)
		}
		key, err := p.ask(ctx, c, r)
		var refused refusedError
		switch {
		case err == nil, errors.As(err, &refused):
			p.put(c)
			return key, err
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case c.keys == 0:
			p.unable()
			p.log.Warn("a process that hashes passwords has died at once", "err", err)
		default: // it may have died long ago, with nothing to do
			p.log.Info("a process that hashes passwords has died", "err", err)
		}
	}
}

// A refusedError is what a process says of a request that no key can be made of.
type refusedError string

func (e refusedError) Error() string { return "hasher: " + string(e) }

// ask has c compute a key. If it fails but for a refusedError, c is ended.
func (p *Pool) ask(ctx context.Context, c *child, r *request) ([]byte, error) {
	stop := context.AfterFunc(ctx, c.kill)
	defer stop()
	var answer reply
	err := c.enc.Encode(r)
	if err == nil {
		err = c.dec.Decode(&answer)
	}
	switch {
	case !stop(): // it is killed, or about to be
		return nil, context.Cause(ctx)
	case err != nil:
		c.kill()
		return nil, fmt.Errorf("hasher: %w", err)
	case answer.Err != "":
		return nil, refusedError(answer.Err)
	}
	c.keys++
	return answer.Key, nil
}

// take returns a process that has nothing to do, or a new one. It returns nil if there
// is to be none, and the error if it could not be started just now.
func (p *Pool) take() (*child, error) {
	p.mu.Lock()
	for len(p.free) > 0 {
		c := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		if c.timer.Stop() {
			p.mu.Unlock()
			return c, nil
		}
	}
	none := p.closed || time.Now().Before(p.hereUntil)
	p.mu.Unlock()
	if none {
		return nil, nil
	}
	c, err := p.start()
	if err != nil {
		p.unable()
		return nil, err
	}
	return c, nil
}

// put gives a process back, which ends if nobody takes it.
func (p *Pool) put(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go c.end()
		return
	}
	// The timer's function owns c if Stop says that it is too late.
	c.timer = time.AfterFunc(idlePeriod, func() {
		p.mu.Lock()
		for i, o := range p.free {
			if o == c {
				p.free = append(p.free[:i], p.free[i+1:]...)
				break
			}
		}
		p.mu.Unlock()
		c.end()
	})
	p.free = append(p.free, c)
}

// unable notes that processes cannot be started.
func (p *Pool) unable() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hereUntil = time.Now().Add(retryPeriod)
}

// keyHere computes a key in this process, one at a time.
func (p *Pool) keyHere(ctx context.Context, r *request) ([]byte, error) {
	select {
	case p.here <- struct{}{}:
		defer func() { <-p.here }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return r.key()
}

// Close ends the processes that have nothing to do; one that computes a key ends after
// it. Keys are computed in this process from now on. It does not wait.
func (p *Pool) Close() {
	p.mu.Lock()
	free := p.free
	p.free, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range free {
		if c.timer.Stop() {
			c.end()
		}
	}
}

// key computes the key. What argon2 panics at is an error.
func (r *request) key() (key []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			key, err = nil, refusedError(fmt.Sprint(p))
		}
	}()
	return argon2.IDKey(r.Password, r.Salt, r.Time, r.Memory, r.Lanes, r.Len), nil
}

// Serve computes the keys that are asked for at in, one after the other, and writes
// them to out. It returns nil when in ends, which is when the Pool is gone.
func Serve(in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var r request
		switch err := dec.Decode(&r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("hasher: read request: %w", err)
		}
		var answer reply
		var err error
		if answer.Key, err = r.key(); err != nil {
			answer.Err = err.Error()
		}
		if err := enc.Encode(&answer); err != nil {
			return fmt.Errorf("hasher: write key: %w", err)
		}
	}
}
