package sqlite

import (
	"context"
	"errors"

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
	return e
}

// errSQLite stands for what has no name in package store: failing disks, bugs.
var errSQLite = errors.New("database error")

// translate takes an extended result code; its low byte is the primary one.
func translate(code int) error {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return store.ErrLocked
	case sqlite3.SQLITE_FULL:
		return store.ErrFull
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return store.ErrReadOnly
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return store.ErrDamaged
	}
	return errSQLite
}
