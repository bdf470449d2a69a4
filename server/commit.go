package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mudlark.dev/failpoint"
	"mudlark.dev/link"
	"mudlark.dev/store"
)

// Bounds of what may wait for the store before the loop takes no more events.
const (
	maxBatches    = 256
	maxBatchBytes = 16 << 20
)

// errGivenUp is why the committer ends before it has committed all.
var errGivenUp = errors.New("the store is given up")

// A committer commits what the loop hands it, on a goroutine of its own. It
// starts a commit only when the link has written the output that goes with it,
// and tells the Portal afterwards.
type committer struct {
	store  store.Store
	epoch  uint64
	conn   *link.Conn
	notify func() // called after each commit and when it fails
	log    *slog.Logger
	where  string // the store's address: asking for it may take as long as a disk that hangs

	failpoint func(point string) // nil: off; set before run
	meter     *meter             // set before run

	mu        sync.Mutex
	cond      sync.Cond
	waiting   []batchAt
	bytes     int       // of waiting and what is being committed
	turns     int       // as many batches
	oldest    time.Time // when the first of them was handed over
	committed uint64    // the last number in the store
	stall     stall
	failed    error // why nothing is committed any more
	closing   bool
	ended     chan struct{}
}

// batchAt is a batch and the mark of the link up to which its output reaches.
type batchAt struct {
	batch *store.Batch
	mark  uint64
	size  int
	at    time.Time // when it was handed over
}

func newCommitter(st store.Store, epoch, last uint64, conn *link.Conn, notify func(), log *slog.Logger) *committer {
	c := &committer{
		store: st, epoch: epoch, conn: conn, notify: notify, log: log, where: st.Describe().Path,
		committed: last, ended: make(chan struct{}),
	}
	c.cond.L = &c.mu
	return c
}

// add hands over a batch, whose number follows the one before.
func (c *committer) add(b *store.Batch, mark uint64) {
	size := 64
	for _, r := range b.Puts {
		size += len(r.ID) + len(r.Data) + 32
	}
	c.mu.Lock()
	c.waiting = append(c.waiting, batchAt{b, mark, size, time.Now()})
	c.bytes += size
	c.turns++
	c.mu.Unlock()
	c.cond.Signal()
}

// last returns the last commit number that is in the store.
func (c *committer) last() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.committed
}

// full reports whether the loop is to wait for the store: too much waits for it,
// or it is in trouble. What was done since nobody can be told of, so the less
// there is of it the better.
func (c *committer) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) > maxBatches || c.bytes > maxBatchBytes || c.stall.told != ""
}

// left returns how many turns are not committed, and since when.
func (c *committer) left() (turns int, since time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turns, time.Since(c.oldest).Round(time.Millisecond)
}

// err returns why nothing will be committed any more, or nil.
func (c *committer) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// state is for an operator: "running", or what is wrong.
func (c *committer) state() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.failed != nil:
		return "failed: " + c.failed.Error()
	case c.stall.cause != nil:
		return "waiting: " + c.stall.cause.Error()
	}
	return "running"
}

// close commits what is waiting and ends the committer; giveUp ends run's
// context, which is done if the store is still in trouble after a while. It
// returns why something was not committed. A commit that does not come back is
// left behind: see ErrStoreHangs.
func (c *committer) close(giveUp context.CancelFunc) error {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.cond.Signal()
	late := time.AfterFunc(lastTries, giveUp)
	defer late.Stop()
	hangs := time.NewTimer(lastTries + lastWait)
	defer hangs.Stop()
	select {
	case <-c.ended:
		return c.err()
	case <-hangs.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = fmt.Errorf("%w: %w", errGivenUp, ErrStoreHangs)
	return c.failed
}

func (c *committer) run(ctx context.Context) {
	defer close(c.ended)
	for {
		c.mu.Lock()
		for len(c.waiting) == 0 && !c.closing {
			c.cond.Wait()
		}
		batches := c.waiting
		c.waiting = nil
		if len(batches) > 0 {
			c.oldest = batches[0].at
		}
		failed := c.failed != nil // it was given up while the commit before hung
		c.mu.Unlock()
		if len(batches) == 0 || failed {
			return
		}
		if err := c.commit(ctx, batches); err != nil {
			c.mu.Lock()
			c.unwatchLocked()
			if c.failed == nil {
				c.failed = err
			}
			c.mu.Unlock()
			c.notify()
			return
		}
		c.notify()
	}
}

// commit makes batches durable as one transaction. A store in trouble is tried
// again; an error is for good.
func (c *committer) commit(ctx context.Context, batches []batchAt) error {
	end := batches[len(batches)-1]
	if err := c.conn.Written(end.mark); err != nil {
		// Nobody will ever be told of these turns, so they must not have
		// happened: the Portal, if it lives, sends their lines again.
		return fmt.Errorf("%w: %d turns are given up: %w", ErrPortalLost, len(batches), err)
	}
	c.passes(failpoint.Written)
	list := make([]*store.Batch, len(batches))
	size := 0
	for i, b := range batches {
		list[i], size = b.batch, size+b.size
	}
	c.watch()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := c.store.Commit(ctx, c.epoch, list)
		if err == nil {
			break
		}
		if store.Final(err) {
			return finalError(end.batch.Commit, err)
		}
		c.meter.commitFailures.Inc()
		c.troubled(err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: commit %d: %w", errGivenUp, end.batch.Commit, err)
		}
	}
	c.meter.committed(c.stall.since, batches, size)
	c.mu.Lock()
	c.committed = end.batch.Commit
	c.bytes -= size
	c.turns -= len(batches)
	after, told := c.recoveredLocked()
	c.mu.Unlock()
	c.passes(failpoint.Committed)
	frames := make([]link.Frame, 0, 2)
	if told { // that the game goes on comes before the answers that were held
		frames = append(frames, &link.Stalled{})
	}
	frames = append(frames, &link.Committed{Commit: end.batch.Commit})
	if after > 0 {
		defer c.log.Info("store commits again", "after", after.Round(time.Millisecond))
	}
	if err := c.conn.Send(frames...); err != nil {
		c.log.Debug("portal not told of a commit", "commit", end.batch.Commit, "err", err)
	}
	c.passes(failpoint.Acknowledged)
	return nil
}

// passes tells a test that a point is passed.
func (c *committer) passes(point string) {
	if c.failpoint != nil {
		c.failpoint(point)
	}
}
