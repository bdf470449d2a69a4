package sqlite

import (
	"context"
	"os"
	"time"
)

// Sizes and times of upkeep.
const (
	// checkpointAt is how much log starts a checkpoint, and checkpointAfter how
	// long a commit stays in the log alone: what a power cut may take.
	checkpointAt    = 8 << 20
	checkpointAfter = 5 * time.Second

	// maxWAL is the size of the log at which commits are held up, some
	// milliseconds, so that the log can start anew; it grows beyond by what is
	// committed during one checkpoint. Without it a Server that is
	// never idle would let it grow for ever. A Load holds the log's end back and
	// lets it grow until it has ended.
	maxWAL = 64 << 20

	// foldAt is after how many transactions with lines their rows are folded.
	foldAt = 1000

	// cacheRest is how long after a checkpoint the pages that are kept in memory are
	// given up, if nothing was committed meanwhile: the system has them as well.
	cacheRest = 10 * time.Second
)

// rouse makes upkeep look, if there is something to look at. It never waits.
func (s *Store) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// inherit counts what a Server that was killed has left in the log. To open the
// file reads all of that, so it must not grow from one to the next.
func (s *Store) inherit() {
	if fi, err := os.Stat(s.path + "-wal"); err == nil && fi.Size() > s.logged.Load() {
		s.logged.Store(fi.Size())
		s.rouse()
	}
}

// upkeep is the Store's goroutine; it ends when Close ends its ctx.
func (s *Store) upkeep(ctx context.Context) {
	timer := time.NewTimer(0)
	<-timer.C
	waiting := false // the timer runs, because something is in the log alone
	resting := false // the timer runs, because nothing is
	for {
		due, rested := false, false
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
			due, rested = waiting, resting
			waiting, resting = false, false
		}
		if s.damaged.Load() {
			continue
		}
		if s.unfolded.Load() >= foldAt {
			s.report(ctx, "fold line numbers", s.fold(ctx))
		}
		if due || s.logged.Load() >= checkpointAt {
			s.report(ctx, "checkpoint", s.checkpoint(ctx))
		}
		if rested && s.logged.Load() == 0 {
			s.report(ctx, "give up memory", s.shrink(ctx))
		}
		switch {
		case !waiting && s.logged.Load() > 0:
			timer.Reset(checkpointAfter)
			waiting, resting = true, false
		case due && s.logged.Load() == 0:
			timer.Reset(cacheRest)
			resting = true
		}
	}
}

// report logs what upkeep could not do. It tries again with later commits, which
// meet the same trouble and tell the Server.
func (s *Store) report(ctx context.Context, op string, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.Warn("sqlite: upkeep failed", "op", op, "path", s.path, "err", s.fail("upkeep", err))
	}
}

// checkpoint moves the log into the file, beside commits. The next commit after
// a complete one starts the log anew.
func (s *Store) checkpoint(ctx context.Context) error {
	logged := s.logged.Swap(0) // later commits count for the next checkpoint
	size, complete, err := s.passive(ctx)
	if err != nil {
		s.logged.Add(logged)
		return err
	}
	if complete || size < maxWAL {
		return nil
	}
	// Commits came in between, time and again. Little is left by now.
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	_, _, err = s.passive(ctx)
	return err
}

func (s *Store) passive(ctx context.Context) (size int64, complete bool, err error) {
	const frame = 24 + 4096 // WAL format: a header and a page
	var busy, frames, moved int64
	err = s.upkeepDB.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &frames, &moved)
	return frames * frame, busy == 0 && frames == moved, err
}

// shrink gives up the pages that connections keep.
func (s *Store) shrink(ctx context.Context) error {
	const shrink = "PRAGMA shrink_memory"
	if _, err := s.upkeepDB.ExecContext(ctx, shrink); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	_, err := s.write.ExecContext(context.WithoutCancel(ctx), shrink)
	return err
}

// fold replaces the rows of lines by one. It reads them beside commits, which
// only add later ones.
func (s *Store) fold(ctx context.Context) error {
	s.unfolded.Store(0)
	lines, last, n, err := readLines(ctx, s.upkeepDB)
	if err != nil || n <= 1 {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	return transact(context.WithoutCancel(ctx), s.write, func() error {
		m, err := readMeta(context.WithoutCancel(ctx), s.write)
		if err != nil || m.epoch != s.epoch {
			return err // another Server folds now
		}
		return replaceLines(context.WithoutCancel(ctx), s.write, last, lines)
	})
}
