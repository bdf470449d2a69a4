package sqlite

import (
	"context"
	"runtime"
)

// SetSynchronous sets how the writing connection waits for the disk.
func (s *Store) SetSynchronous(mode string) error { return s.Exec("PRAGMA synchronous = " + mode) }

// Exec runs a statement on the writing connection, between commits.
func (s *Store) Exec(query string, args ...any) error {
	if err := s.begin(context.Background()); err != nil {
		return err
	}
	defer s.end()
	_, err := s.write.ExecContext(context.Background(), query, args...)
	return err
}

// Int runs a query on the writing connection and returns its first number.
func (s *Store) Int(query string) (n int, err error) {
	if err := s.begin(context.Background()); err != nil {
		return 0, err
	}
	defer s.end()
	err = s.write.QueryRowContext(context.Background(), query).Scan(&n)
	return n, err
}

// WaitUpkeep waits until upkeep has looked at what was committed before.
func (s *Store) WaitUpkeep() {
	// The channel holds one: with the third in, two were taken, and the look that
	// followed the first has ended.
	for range 3 {
		s.wake <- struct{}{}
	}
}

// Checkpoint moves the log into the file.
func (s *Store) Checkpoint() (size int64, complete bool, err error) {
	return s.passive(context.Background())
}

// EagerUpkeep makes upkeep do all of its work now, whether or not it is due.
func (s *Store) EagerUpkeep() {
	s.unfolded.Store(foldAt)
	s.logged.Store(checkpointAt)
	s.rouse()
}

// The form of the column of line numbers.
var (
	AppendOps  = appendOps
	AppendFold = appendFold
	ApplyOps   = applyOps
	ErrOps     = errOps
)

// WaitClosing waits until Close has begun.
func (s *Store) WaitClosing() {
	for !s.isClosed() {
		runtime.Gosched()
	}
}

// Logged is how many bytes of log wait for a checkpoint, as upkeep counts them.
func (s *Store) Logged() int64 { return s.logged.Load() }
