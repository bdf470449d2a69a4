package launch

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"mudlark.dev/link/unix"
	"mudlark.dev/server"
)

// The control socket takes one request per connection, as one line of JSON,
// and answers with one. File permissions and the peer's user, which package
// unix checks, are all the protection it needs.

// What can be asked for.
const (
	opStatus = "status"
	opReload = "reload"
	opReset  = "reset"
	opStop   = "stop"
	opReboot = "reboot"

	opSuperuser = "superuser"
	opTurns     = "turns"
)

// Limits of the control socket. Connections above maxAsking wait in the
// kernel's queue, and are refused by it when that is full.
const (
	maxRequest    = 64 << 10
	maxAnswer     = 64 << 20 // a status with very many sessions
	maxAsking     = 16
	requestPeriod = 5 * time.Second // for a request to arrive, and for an answer to be taken
	statusPeriod  = 10 * time.Second
)

// A request is what is asked for.
type request struct {
	Op     string `json:"op"`
	Reason string `json:"reason,omitempty"`

	Progress bool `json:"progress,omitempty"` // answers with Progress may come before the last

	Superuser *server.SuperuserRequest `json:"superuser,omitempty"`
}

// An answer is what came of it. Without OK, Error says why, and Hint what to
// do.
type answer struct {
	OK    bool    `json:"ok"`
	Error string  `json:"error,omitempty"`
	Hint  string  `json:"hint,omitempty"`
	PID   int     `json:"pid,omitempty"`    // of the Portal
	TookS float64 `json:"took_s,omitempty"` // how long it took
	Note  string  `json:"note,omitempty"`   // what else is to be said of it

	Progress string `json:"progress,omitempty"` // how it goes on, for people; another answer follows

	Status *status `json:"status,omitempty"`
	Turns  *turns  `json:"turns,omitempty"`

	Superuser *server.SuperuserReply `json:"superuser,omitempty"`
}

// A control is the socket's side in the process that runs the game.
type control struct {
	l      *unix.Listener
	handle func(ctx context.Context, req request, tell func(string)) answer
	log    *slog.Logger

	mu   sync.Mutex
	held []net.Conn // those who wait for the end of this process
}

// serve answers requests until ctx ends, and waits for those at work.
func (c *control) serve(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { c.l.Close() })()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxAsking)
	for {
		conn, err := c.l.AcceptConn()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			// Too few file descriptors, most likely: the game needs none of
			// this, and soon there may be some again.
			c.log.Warn("control socket", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			c.serveConn(ctx, conn)
		})
	}
}

// serveConn takes one request. The connection of a stop or reboot that was
// granted stays open: that it closes is how the other side learns that this
// process is gone, or is another program.
func (c *control) serveConn(ctx context.Context, conn net.Conn) {
	out := &answers{conn: conn, log: c.log}
	var req request
	err := conn.SetReadDeadline(time.Now().Add(requestPeriod))
	if err == nil {
		err = readJSON(bufio.NewReader(conn), maxRequest, &req)
	}
	var ans answer
	if err != nil {
		ans = failure(fmt.Errorf("request: %w", err))
	} else {
		ans = c.handle(ctx, req, func(text string) {
			if req.Progress {
				out.write(answer{Progress: text})
			}
		})
	}
	out.end(ans)
	if req.Op != opStop && req.Op != opReboot || !ans.OK {
		conn.Close()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, conn)
}

// answers writes what is said to one request.
type answers struct {
	conn net.Conn
	log  *slog.Logger

	mu    sync.Mutex
	ended bool // the last was written
}

func (a *answers) write(ans answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return // it has an answer, and nobody reads more
	}
	if err := writeJSON(a.conn, ans); err != nil {
		a.log.Debug("control socket: answer not taken", "err", err)
	}
}

func (a *answers) end(ans answer) {
	a.write(ans)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
}

// release ends the connections of those who wait for the end. It is the last
// thing that is done, or is left to the end of the process.
func (c *control) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.held {
		conn.Close()
	}
	c.held = nil
}

// failure is the answer that reports err.
func failure(err error) answer {
	return answer{Error: err.Error(), Hint: hintOf(err)}
}

// err is the error that an answer reports, or nil.
func (a answer) err() error {
	if a.OK {
		return nil
	}
	text := a.Error
	if text == "" {
		text = "the game gave an answer that means nothing"
	}
	if a.Hint != "" {
		return withHint(errors.New(text), "%s", a.Hint)
	}
	return errors.New(text)
}

// ask sends req to the game that runs in dir and returns its answer. After a
// stop that was granted it returns when the process is gone, after a reboot when
// the game has stopped. It waits as long as ctx lives.
func ask(ctx context.Context, dir folder, req request) (answer, error) {
	return askTelling(ctx, dir, req, nil)
}

// askTelling is ask, and calls tell, unless that is nil, with how it goes on
// meanwhile.
func askTelling(ctx context.Context, dir folder, req request, tell func(string)) (answer, error) {
	req.Progress = tell != nil
	conn, err := unix.Dialer(dir.control()).DialConn(ctx)
	if err != nil {
		return answer{}, noGame(dir, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	fail := func(err error) (answer, error) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return answer{}, fmt.Errorf("ask the game for its %s: %w", req.Op, err)
	}
	if err := writeJSON(conn, req); err != nil {
		return fail(err)
	}
	var ans answer
	for in := bufio.NewReader(conn); ; tell(ans.Progress) {
		ans = answer{}
		if err := readJSON(in, maxAnswer, &ans); err != nil {
			if errors.Is(err, io.EOF) && ctx.Err() == nil {
				return answer{}, withHint(fmt.Errorf("the game ended before it answered"), "see %s", dir.portalLog())
			}
			return fail(err)
		}
		if ans.Progress == "" || tell == nil {
			break
		}
	}
	if err := ans.err(); err != nil {
		return answer{}, err
	}
	if req.Op == opStop || req.Op == opReboot {
		// A reset instead of an end is as good: the process is gone.
		if _, err := io.Copy(io.Discard, conn); err != nil && ctx.Err() != nil {
			return fail(err)
		}
	}
	return ans, nil
}

// noGame is the error for a control socket that cannot be reached.
func noGame(dir folder, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("reach the game in %s: %w", dir, err)
	}
	if who, held := whoHolds(dir.lock()); held {
		return withHint(fmt.Errorf("the game in %s does not listen: process %d is starting or stopping", dir, who.PID),
			"try again in a moment")
	}
	return withHint(fmt.Errorf("no game runs in %s", dir), "start it: %s run --dir %s; or name another folder with --dir", programName(), quote(string(dir)))
}

// readJSON reads one line of at most limit bytes into v.
func readJSON(r *bufio.Reader, limit int, v any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit:
			return fmt.Errorf("longer than %d bytes", limit)
		case err == nil:
			return json.Unmarshal(line, v)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return io.ErrUnexpectedEOF
		default:
			return err
		}
	}
}

// writeJSON writes v as one line.
func writeJSON(c net.Conn, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := c.SetWriteDeadline(time.Now().Add(requestPeriod)); err != nil {
		return err
	}
	_, err = c.Write(append(data, '\n'))
	return err
}
