package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"mudlark.dev/store"
)

// fail makes err one that a Store returns: an error of SQLite becomes one of
// package store with SQLite's words, others keep theirs.
func (s *Store) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &store.Error{Op: "sqlite: " + op, Path: s.path, Err: err}
	var foreign *sqlite.Error
	if errors.As(err, &foreign) {
		e.Err, e.Detail = translate(foreign.Code()), err.Error()
	}
	if errors.Is(e.Err, store.ErrDamaged) {
		s.damaged.Store(true)
	}
	return e
}

// errSQLite stands for what has no name in package store, such as bugs.
var errSQLite = errors.New("database error")

// errFoundDamaged is what follows the first ErrDamaged of a Store.
var errFoundDamaged = fmt.Errorf("%w: it was found to be damaged before, and is not written any more", store.ErrDamaged)

// translate takes an extended result code; its low byte is the primary one. Of
// those that are not named here none is known to be for good, so a commit is
// tried again.
func translate(code int) error {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return store.ErrLocked
	case sqlite3.SQLITE_FULL:
		return store.ErrFull
	case sqlite3.SQLITE_IOERR:
		if code == sqlite3.SQLITE_IOERR_SHMSIZE { // the file of shared memory could not grow
			return store.ErrFull
		}
		return store.ErrIO
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return store.ErrReadOnly
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return store.ErrDamaged
	}
	return errSQLite
}
