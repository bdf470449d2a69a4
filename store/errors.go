package store

import (
	"errors"
	"strings"
)

// Each of these comes wrapped in an *Error, whose Hint says to an operator what
// is said here.
var (
	// ErrGap means that batches do not follow the last commit, or that a Load
	// asked for what comes after a commit that the store does not have. It is a
	// bug of the caller, or the file was exchanged for another one: end the
	// Server and start it again.
	ErrGap = errors.New("store: commit numbers do not follow each other")

	// ErrBadBatch means that something in a batch is beyond the limits of this
	// package. It is a bug of the caller.
	ErrBadBatch = errors.New("store: malformed batch")

	// ErrEpoch means that another Server has acquired the store. What it was to
	// commit is lost and must not be shown: end this Server.
	ErrEpoch = errors.New("store: another Server has acquired the store")

	// ErrTrimmed means that deletions which the Load should have given out are
	// forgotten. Load the whole world again.
	ErrTrimmed = errors.New("store: deletions since that commit are trimmed")

	// ErrClosed is returned after Close.
	ErrClosed = errors.New("store: closed")

	// ErrFull means that the disk, or the quota, is full. Nothing is damaged:
	// make room, and the same commit succeeds.
	ErrFull = errors.New("store: disk full")

	// ErrReadOnly means that the file, its folder or its disk may not be
	// written. Correct their owner or permissions.
	ErrReadOnly = errors.New("store: read-only")

	// ErrIO means that the disk, or what it is connected by, fails to read or to
	// write. A quota and a limit on the size of files (ulimit -f) look the same.
	// The system's log says more; the same commit succeeds once that is mended.
	ErrIO = errors.New("store: reading or writing fails")

	// ErrLocked means that another process is in the middle of a transaction and
	// did not end it in time. If it goes on, that process is stopped or hangs:
	// end it.
	ErrLocked = errors.New("store: locked by another process")

	// ErrDamaged means that the file is not what this driver writes, or that
	// parts of it are gone. The store writes nothing to it from then on. Keep
	// the file with those beside it, and put a backup in their place.
	ErrDamaged = errors.New("store: damaged file")

	// ErrForeign means that the file belongs to another program. It was left as
	// it was: correct the path.
	ErrForeign = errors.New("store: file of another program")

	// ErrVersion means that a newer build has changed the file in a way that
	// this build does not know. Run the newer build, or restore a backup from
	// before it.
	ErrVersion = errors.New("store: file made by a newer build")
)

// Final reports whether an error of a Commit is for good. Then the Server ends,
// and what it did not commit is lost to it; after all other errors the same
// batches may be committed again, and succeed once the cause is gone.
//
//	ErrEpoch      for good: another Server has taken the world over
//	ErrGap        for good: the file is not the one that the Server has loaded
//	ErrBadBatch   for good: the same batch can never be stored
//	ErrDamaged    for good: nothing more is written to the file
//	ErrForeign, ErrVersion, ErrClosed
//	              for good
//	ErrFull       again: until there is room
//	ErrReadOnly   again: until the permissions are corrected
//	ErrIO         again: until the disk works
//	ErrLocked     again: until the other process is out of the way
//	all others    again: what is not known may pass
func Final(err error) bool {
	for _, final := range []error{ErrEpoch, ErrGap, ErrBadBatch, ErrDamaged, ErrForeign, ErrVersion, ErrClosed} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

// An Error is what the methods of a Store return, but for a context's cause and
// the errors of Load's fn.
type Error struct {
	Op     string // package and operation: "sqlite: commit"
	Path   string // the file; empty in memory
	Err    error  // wraps a sentinel of this package or an error of the system
	Detail string // the database's own words; may be empty
}

// Error returns operation, path, error and detail.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Path != "" {
		b.WriteByte(' ')
		b.WriteString(e.Path)
	}
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	if e.Detail != "" {
		b.WriteString(": ")
		b.WriteString(e.Detail)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

var hints = []struct {
	err  error
	hint string
}{
	{ErrGap, "restart the server; if the file was exchanged while it ran, stop it first"},
	{ErrBadBatch, "this is a bug: report it with the log"},
	{ErrEpoch, "nothing to do if the game was started again meanwhile; else look for a second server of this world and end it"},
	{ErrTrimmed, "load the whole world again"},
	{ErrFull, "make room on the disk; nothing is lost, and the server goes on by itself"},
	{ErrReadOnly, "let the server's user write the file and its folder; nothing is lost, and the server goes on by itself"},
	{ErrIO, "look into the system's log for the disk, and at quotas and limits on the size of files (ulimit -f); nothing is lost, and the server goes on by itself once it works"},
	{ErrLocked, "another process holds the file: look for a second or stopped server and end it"},
	{ErrDamaged, "keep the file and those beside it as they are, and restore a backup"},
	{ErrForeign, "the path in the settings names a file of another program: correct it"},
	{ErrVersion, "run the newer build, or restore a backup from before it"},
}

// Hint says what an operator can do about it, or is empty.
func (e *Error) Hint() string {
	for _, h := range hints {
		if errors.Is(e.Err, h.err) {
			return h.hint
		}
	}
	return ""
}
