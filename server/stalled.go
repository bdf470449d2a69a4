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
// guards it.
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
	defer c.mu.Unlock()
	st := &c.stall
	if st.since.IsZero() || st.told != "" {
		return // it is over, or told
	}
	after := troubleAfter
	if st.cause == nil {
		after = hangAfter
	}
	if left := after - time.Since(st.since); left > 0 { // set for the commit before
		st.timer.Reset(left)
		return
	}
	if st.cause == nil {
		st.cause = errSlow
	}
	c.tellLocked()
}

// troubled notes that a try has failed; it will be made again.
func (c *committer) troubled(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := &c.stall
	if st.cause == nil {
		c.log.Warn("store does not commit, and is tried again", "err", err)
	}
	st.cause = err
	switch left := troubleAfter - time.Since(st.since); {
	case st.told != "":
		if st.told != troubleText(err) {
			c.tellLocked()
		}
	case left > 0:
		st.timer.Reset(left)
	default:
		c.tellLocked()
	}
}

// tellLocked tells the Portal that the game waits, and why. It is not held back
// by anything: see link/SPEC.md, section 5.
func (c *committer) tellLocked() {
	first := c.stall.told == ""
	c.stall.told = troubleText(c.stall.cause)
	if first {
		c.log.Error("the game waits for its store", "turns", c.turns, "err", c.stall.cause)
	} else {
		c.log.Warn("the store has another trouble by now", "turns", c.turns, "err", c.stall.cause)
	}
	if err := c.conn.Send(&link.Stalled{Text: c.stall.told}); err != nil {
		c.log.Debug("portal not told of the store's trouble", "err", err)
	}
}

// unwatchLocked ends the watch of a commit that will not be tried again. What the Portal
// was told it forgets with the link.
func (c *committer) unwatchLocked() {
	if c.stall.timer != nil {
		c.stall.timer.Stop()
	}
	c.stall.since = time.Time{}
}

// recoveredLocked ends the watch of a commit that has succeeded. It returns what the
// Portal is to be told of that.
func (c *committer) recoveredLocked() []link.Frame {
	st := &c.stall
	st.timer.Stop()
	took, told, cause := time.Since(st.since), st.told, st.cause
	st.since, st.cause, st.told = time.Time{}, nil, ""
	if cause != nil {
		c.log.Info("store commits again", "after", took.Round(time.Millisecond))
	}
	if told != "" {
		return []link.Frame{&link.Stalled{}}
	}
	return nil
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
