package server

import (
	"errors"
	"fmt"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/store"
)

const (
	// troubleAfter is how long a store may fail before anybody is told.
	troubleAfter = 500 * time.Millisecond
	// hangAfter is how long a single commit may take before that is trouble.
	hangAfter = 2 * time.Second
	// lastTries is how long a store in trouble is tried again when the Server
	// ends, and lastWait how long a commit may take after that. Both together are
	// well below what the Portal lets a Server take for its end.
	lastTries = 5 * time.Second
	lastWait  = 2 * time.Second
)

// Errors about the store that end Run.
var (
	// ErrReplaced ends Run when another Server has taken over the world. What this
	// one had not committed is not in the store, and nobody was told of it. There
	// is nothing to do, unless two Servers were started by hand: end one of them.
	ErrReplaced = errors.New("server: another Server has taken over this world, so this one ends")

	// ErrNotSaved ends Run when the game ends, or has to, and the store did not
	// take what was done last. The error says how much that is and whether it is
	// lost.
	ErrNotSaved = errors.New("server: what was done last is not saved")

	// ErrStoreHangs is the cause of ErrNotSaved when a commit does not come back.
	// Closing the store would wait for it as well: end the process.
	ErrStoreHangs = errors.New("server: the store does not come back from a commit")
)

// errSlow is the cause of a trouble while nothing else is known of it.
var errSlow = fmt.Errorf("server: the store has not come back from a commit for %v", hangAfter)

// A stall is what is known of a store that does not commit. The committer's lock
// guards it. Nothing is logged under that lock: the loop takes it, too, and the
// log may be on the disk that hangs.
type stall struct {
	since time.Time   // when the first try of the present commit began; zero between commits
	cause error       // why it does not succeed; nil if nothing is wrong so far
	told  string      // what the Portal was told; "" nothing
	timer *time.Timer // calls look
}

// watch begins to watch a commit.
func (c *committer) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stall.since = time.Now()
	if c.stall.timer == nil {
		c.stall.timer = time.AfterFunc(hangAfter, c.look)
	} else {
		c.stall.timer.Reset(hangAfter)
	}
}

// look tells the Portal when it is time.
func (c *committer) look() {
	c.mu.Lock()
	st := &c.stall
	after := troubleAfter
	if st.cause == nil {
		after = hangAfter
	}
	log := func() {}
	switch left := after - time.Since(st.since); {
	case st.since.IsZero(), st.told != "": // it is over, or told
	case left > 0: // set for the commit before
		st.timer.Reset(left)
	default:
		if st.cause == nil {
			st.cause = errSlow
		}
		log = c.tellLocked()
	}
	c.mu.Unlock()
	log()
}

// troubled notes that a try has failed; it will be made again.
func (c *committer) troubled(err error) {
	c.mu.Lock()
	st := &c.stall
	log := func() {}
	if st.cause == nil {
		log = func() { c.log.Warn("store does not commit, and is tried again", "err", err) }
	}
	st.cause = err
	switch left := troubleAfter - time.Since(st.since); {
	case st.told != "":
		if st.told != troubleText(err) {
			log = c.tellLocked()
		}
	case left > 0:
		st.timer.Reset(left)
	default:
		log = c.tellLocked()
	}
	c.mu.Unlock()
	log()
}

// tellLocked tells the Portal that the game waits, and why. It is not held back
// by anything: see link/SPEC.md, section 5. The result logs that.
func (c *committer) tellLocked() (log func()) {
	if c.stall.told == "" {
		c.meter.stalls.Inc()
	}
	first, turns, cause := c.stall.told == "", c.turns, c.stall.cause
	c.stall.told = troubleText(cause)
	// An error is the link's end, which its reader sees.
	c.conn.Send(&link.Stalled{Text: c.stall.told})
	return func() {
		if first {
			c.log.Error("the game waits for its store", "turns", turns, "err", cause)
		} else {
			c.log.Warn("the store has another trouble by now", "turns", turns, "err", cause)
		}
	}
}

// unwatchLocked ends the watch of a commit that will not be tried again. What the
// Portal was told it forgets with the link.
func (c *committer) unwatchLocked() {
	if c.stall.timer != nil {
		c.stall.timer.Stop()
	}
	c.stall.since = time.Time{}
}

// recoveredLocked ends the watch of a commit that has succeeded. It returns how
// long it was in trouble, if it was, and whether the Portal was told.
func (c *committer) recoveredLocked() (after time.Duration, told bool) {
	st := &c.stall
	st.timer.Stop()
	if st.cause != nil {
		after = max(time.Since(st.since), 1)
	}
	told = st.told != ""
	st.since, st.cause, st.told = time.Time{}, nil, ""
	return after, told
}

// troubleText is an error for an operator, with what to do about it.
func troubleText(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return fmt.Sprintf("%v (%s)", err, h.Hint())
	}
	return err.Error()
}

// finalError is why the committer ends at an error that is for good.
func finalError(commit uint64, err error) error {
	if errors.Is(err, store.ErrEpoch) {
		return fmt.Errorf("%w: commit %d: %w", ErrReplaced, commit, err)
	}
	return fmt.Errorf("server: commit %d: %w", commit, err)
}

// unsaved is why Run fails if it ends while the store does not take what was
// done. It tells the operator what that means.
func (s *Server) unsaved(err error) error {
	if !errors.Is(err, errGivenUp) {
		return err
	}
	turns, since := s.commits.left()
	what := fmt.Sprintf("the last turn, %v ago", since)
	if turns != 1 {
		what = fmt.Sprintf("the last %d turns, the first of them %v ago", turns, since)
	}
	alone := s.fatal != nil // the Portal may be gone, and with it what was typed
	select {
	case <-s.stop:
		alone = true
	default:
	}
	switch {
	case alone:
		what += ", given up: if the Portal lives, the next Server runs their lines again"
	case s.drain.Mode == link.ModeShutdown:
		what += ", lost: nobody was told of them"
	default:
		what += ", given up: no line is lost, since the next Server runs them again"
	}
	err = fmt.Errorf("%w: %s: %w", ErrNotSaved, what, err)
	if s.fatal != nil {
		s.log.Error("server ends without having saved all", "err", err)
		return errors.Join(s.fatal, err)
	}
	return err
}
