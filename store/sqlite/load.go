package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mudlark.dev/store"
)

// meta is the row of table meta.
type meta struct {
	commit, highID, epoch, trimmed uint64
}

// A querier is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readMeta(ctx context.Context, q querier) (m meta, err error) {
	err = q.QueryRowContext(ctx, "SELECT commit_no, high_id, epoch, trimmed FROM meta").
		Scan(&m.commit, &m.highID, &m.epoch, &m.trimmed)
	if errors.Is(err, sql.ErrNoRows) {
		return m, fmt.Errorf("%w: its row of settings is gone", store.ErrDamaged)
	}
	return m, err
}

// readLines folds table lines, and returns also the commit of its last row and
// how many rows it has.
func readLines(ctx context.Context, q querier) (lines map[[16]byte]uint64, last int64, n int, err error) {
	rows, err := q.QueryContext(ctx, "SELECT commit_no, ops FROM lines ORDER BY commit_no")
	if err != nil {
		return nil, 0, 0, err
	}
	defer rows.Close()
	lines = make(map[[16]byte]uint64)
	for rows.Next() {
		var ops sql.RawBytes
		if err := rows.Scan(&last, &ops); err != nil {
			return nil, 0, 0, err
		}
		if err := applyOps(lines, ops); err != nil {
			return nil, 0, 0, fmt.Errorf("%w: commit %d: %w", store.ErrDamaged, last, err)
		}
		n++
	}
	return lines, last, n, rows.Err()
}

// replaceLines puts one row in the place of those up to last.
func replaceLines(ctx context.Context, conn *sql.Conn, last int64, lines map[[16]byte]uint64) error {
	if _, err := conn.ExecContext(ctx, "DELETE FROM lines WHERE commit_no <= ?", last); err != nil {
		return err
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := conn.ExecContext(ctx, "INSERT INTO lines (commit_no, ops) VALUES (?, ?)", last, appendFold(nil, lines))
	return err
}

// Acquire implements store.Store. Behind another process's transaction it waits
// for half a second, then returns ErrLocked.
func (s *Store) Acquire(ctx context.Context) (store.State, error) {
	if err := s.begin(ctx); err != nil {
		return store.State{}, s.fail("acquire", err)
	}
	defer s.end()
	state, err := s.acquire(context.WithoutCancel(ctx))
	return state, s.fail("acquire", err)
}

func (s *Store) acquire(ctx context.Context) (state store.State, err error) {
	// A power cut must not take the epoch back, whatever a commit may lose.
	if _, err := s.write.ExecContext(ctx, "PRAGMA synchronous = FULL"); err != nil {
		return store.State{}, err
	}
	var epoch uint64
	err = transact(ctx, s.write, func() error {
		if _, err := s.write.ExecContext(ctx, "UPDATE meta SET epoch = epoch + 1"); err != nil {
			return err
		}
		m, err := readMeta(ctx, s.write)
		if err != nil {
			return err
		}
		lines, last, n, err := readLines(ctx, s.write)
		if err != nil {
			return err
		}
		if n > 1 {
			if err := replaceLines(ctx, s.write, last, lines); err != nil {
				return err
			}
		}
		epoch = m.epoch
		state = store.State{Commit: m.commit, HighID: m.highID, Epoch: m.epoch, Lines: lines}
		return nil
	})
	if err == nil {
		s.epoch = epoch
		s.unfolded.Store(0)
		s.inherit()
	} else {
		state = store.State{}
	}
	if _, perr := s.write.ExecContext(ctx, "PRAGMA synchronous = "+s.synchronous()); perr != nil {
		s.log.Warn("sqlite: commits stay slow until the file is opened again", "path", s.path, "err", perr)
	}
	return state, err
}

// Load implements store.Store. At most two run at once; others wait for them.
func (s *Store) Load(ctx context.Context, since uint64, fn func(store.Row) error) (at uint64, err error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, s.fail("load", store.ErrClosed)
	}
	s.tasks.Add(1) // before Close waits, since closed is not set
	s.mu.Unlock()
	defer s.tasks.Done()

	var fnErr error
	at, err = s.load(ctx, since, func(r store.Row) error {
		fnErr = fn(r)
		return fnErr
	})
	switch {
	case err == nil:
		return at, nil
	case fnErr != nil:
		return 0, fnErr
	case ctx.Err() != nil:
		// What SQLite says of being interrupted is not the reason.
		return 0, s.fail("load", context.Cause(ctx))
	}
	return 0, s.fail("load", err)
}

func (s *Store) load(ctx context.Context, since uint64, fn func(store.Row) error) (at uint64, err error) {
	tx, err := s.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // nothing was written
	m, err := readMeta(ctx, tx)
	switch {
	case err != nil:
		return 0, err
	case since > m.commit:
		return 0, fmt.Errorf("%w: load since %d, last commit %d", store.ErrGap, since, m.commit)
	case since > 0 && since < m.trimmed:
		return 0, fmt.Errorf("%w: load since %d, trimmed up to %d", store.ErrTrimmed, since, m.trimmed)
	}
	query, args := "SELECT kind, id, commit_no, gone, data FROM rows WHERE NOT gone ORDER BY kind, id", []any(nil)
	if since > 0 {
		query, args = `SELECT kind, id, commit_no, gone, data FROM rows
			WHERE commit_no > ? ORDER BY kind, id`, []any{int64(since)}
	}
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		// SQLite hears of an end of ctx some time later, and not at all if it has
		// read the last row by then.
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if s.isClosed() {
			return 0, store.ErrClosed
		}
		var (
			r        store.Row
			id, data sql.RawBytes
			gone     bool
		)
		if err := rows.Scan(&r.Kind, &id, &r.Commit, &gone, &data); err != nil {
			return 0, err
		}
		r.ID = string(id)
		if !gone {
			r.Data = append(make([]byte, 0, len(data)), data...) // empty, not nil
		}
		if err := fn(r); err != nil {
			return 0, err
		}
	}
	return m.commit, rows.Err()
}
