package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mudlark.dev/store"
)

// statements are those of the path of commits, prepared once.
type statements struct {
	begin, commit, rollback *sql.Stmt

	advance *sql.Stmt // moves meta on; no row if epoch or commit number are not as expected
	put     *sql.Stmt // writes a row or a deletion
	lines   *sql.Stmt
}

func (st *statements) prepare(ctx context.Context, conn *sql.Conn) error {
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&st.begin, "BEGIN IMMEDIATE"},
		{&st.commit, "COMMIT"},
		{&st.rollback, "ROLLBACK"},
		{&st.advance, "UPDATE meta SET commit_no = ?, high_id = max(high_id, ?) WHERE one = 1 AND epoch = ? AND commit_no = ?"},
		{&st.put, `INSERT INTO rows (kind, id, commit_no, gone, data) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (kind, id) DO UPDATE SET commit_no = excluded.commit_no, gone = excluded.gone, data = excluded.data`},
		{&st.lines, "INSERT INTO lines (commit_no, ops) VALUES (?, ?)"},
	} {
		var err error
		if *p.stmt, err = conn.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return nil
}

func (st *statements) close() error {
	var errs []error
	for _, s := range []*sql.Stmt{st.begin, st.commit, st.rollback, st.advance, st.put, st.lines} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// scratch is memory that one Commit leaves to the next.
type scratch struct {
	changes []change
	index   map[store.Key]int // into changes
	ops     []byte
}

// A change is what is to be written under a key.
type change struct {
	key    store.Key
	commit uint64
	data   []byte // nil for a deletion
}

// maxScratch is how many changes, or bytes of ops, are kept for the next Commit.
const maxScratch = 4096

// collect gathers the batches' changes. Of several batches, only the last change
// of a key is kept: under load the same few rows change in batch after batch.
func (sc *scratch) collect(batches []*store.Batch) {
	several := len(batches) > 1
	if several && sc.index == nil {
		sc.index = make(map[store.Key]int)
	}
	add := func(c change) {
		if several {
			if i, ok := sc.index[c.key]; ok {
				sc.changes[i] = c
				return
			}
			sc.index[c.key] = len(sc.changes)
		}
		sc.changes = append(sc.changes, c)
	}
	for _, b := range batches {
		for i := range b.Puts {
			add(change{b.Puts[i].Key, b.Commit, b.Puts[i].Data})
		}
		for _, k := range b.Deletes {
			add(change{k, b.Commit, nil})
		}
		sc.ops = appendOps(sc.ops, b)
	}
}

// reset forgets the batches, and memory that a large one has taken.
func (sc *scratch) reset() {
	if len(sc.changes) > maxScratch || cap(sc.ops) > maxScratch {
		*sc = scratch{}
		return
	}
	clear(sc.changes)
	clear(sc.index)
	sc.changes, sc.ops = sc.changes[:0], sc.ops[:0]
}

// Commit implements store.Store. While a Load or a checkpoint of any process runs
// it goes on; behind another process's transaction it waits for half a second,
// then returns ErrLocked.
func (s *Store) Commit(ctx context.Context, epoch uint64, batches []*store.Batch) error {
	if len(batches) > 0 {
		if err := store.Check(batches[0].Commit-1, batches); err != nil {
			return s.fail("commit", err)
		}
	}
	if err := s.begin(ctx); err != nil {
		return s.fail("commit", err)
	}
	defer s.end()
	if len(batches) == 0 {
		return nil
	}
	defer s.scratch.reset()
	s.scratch.collect(batches)
	// Interrupting SQLite half-way would make it drop the connection.
	return s.fail("commit", s.commit(context.WithoutCancel(ctx), epoch, batches))
}

func (s *Store) commit(ctx context.Context, epoch uint64, batches []*store.Batch) error {
	if _, err := s.stmt.begin.ExecContext(ctx); err != nil {
		return err
	}
	size, err := s.apply(ctx, epoch, batches)
	if err == nil {
		_, err = s.stmt.commit.ExecContext(ctx)
	}
	if err != nil {
		// It fails if SQLite has rolled back by itself, as for a full disk.
		s.stmt.rollback.ExecContext(ctx)
		return err
	}
	if len(s.scratch.ops) > 0 {
		s.unfolded.Add(1)
	}
	s.logged.Add(size)
	s.rouse()
	return nil
}

// apply writes the changes, and returns about how many bytes they take in the
// log.
func (s *Store) apply(ctx context.Context, epoch uint64, batches []*store.Batch) (size int64, err error) {
	first, last := batches[0].Commit, batches[len(batches)-1].Commit
	var highID uint64
	for _, b := range batches {
		highID = max(highID, b.HighID)
	}
	res, err := s.stmt.advance.ExecContext(ctx, int64(last), int64(highID), int64(epoch), int64(first-1))
	if err != nil {
		return 0, err
	}
	if n, err := res.RowsAffected(); err != nil {
		return 0, err
	} else if n == 0 {
		return 0, s.refused(ctx, epoch, first)
	}
	const page = 4 << 10
	size = 2 * page // meta and lines
	for i := range s.scratch.changes {
		c := &s.scratch.changes[i]
		gone := int64(0)
		if c.data == nil {
			gone = 1
		}
		if _, err := s.stmt.put.ExecContext(ctx, int64(c.key.Kind), []byte(c.key.ID), int64(c.commit), gone, c.data); err != nil {
			return 0, fmt.Errorf("%v: %w", c.key, err)
		}
		size += int64(len(c.data)) + 2*page // the table's page and an index's
	}
	if len(s.scratch.ops) > 0 {
		if _, err := s.stmt.lines.ExecContext(ctx, int64(last), s.scratch.ops); err != nil {
			return 0, err
		}
	}
	return size, nil
}

// refused says why meta could not be moved on. A stale epoch counts first: the
// numbers of a Server that was shut out cannot fit.
func (s *Store) refused(ctx context.Context, epoch, first uint64) error {
	m, err := readMeta(ctx, s.write)
	switch {
	case err != nil:
		return err
	case epoch != m.epoch || epoch == 0:
		return staleEpoch(epoch, m.epoch)
	}
	return fmt.Errorf("%w: batch %d after commit %d", store.ErrGap, first, m.commit)
}

func staleEpoch(got, now uint64) error {
	return fmt.Errorf("%w: epoch %d, now %d", store.ErrEpoch, got, now)
}

// Trim implements store.Store.
func (s *Store) Trim(ctx context.Context, before uint64) error {
	for first := true; ; first = false {
		more, err := s.trimStep(ctx, before, first)
		if err != nil {
			return s.fail("trim", err)
		}
		if !more {
			return nil
		}
	}
}

// trimChunk is how many deletions go in one step, some milliseconds of work.
const trimChunk = 256

func (s *Store) trimStep(ctx context.Context, before uint64, first bool) (more bool, err error) {
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	defer s.end()
	ctx = context.WithoutCancel(ctx)
	err = transact(ctx, s.write, func() error {
		m, err := readMeta(ctx, s.write)
		if err != nil {
			return err
		}
		if s.epoch == 0 || s.epoch != m.epoch {
			return staleEpoch(s.epoch, m.epoch)
		}
		limit := int64(min(before, m.commit+1))
		if first && limit > 0 {
			// Said before the first is gone: a Load since an earlier commit must not
			// miss deletions silently.
			if _, err := s.write.ExecContext(ctx, "UPDATE meta SET trimmed = max(trimmed, ?)", limit-1); err != nil {
				return err
			}
		}
		res, err := s.write.ExecContext(ctx, `DELETE FROM rows WHERE rowid IN
			(SELECT rowid FROM rows WHERE gone AND commit_no < ? ORDER BY commit_no LIMIT ?)`, limit, trimChunk)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		more = n == trimChunk
		return err
	})
	if err == nil {
		s.logged.Add(trimChunk << 12)
		s.rouse()
	}
	return more, err
}
