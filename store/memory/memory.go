// Package memory is a store without a disk, for tests. A Disk holds what is
// committed, as a file would; the Stores opened on it stand for the processes
// that have the file open. A test can hold or fail commits with a gate, close a
// Store to stand for its process's death, and Clone a Disk to see what a new
// process would find.
//
// It waits for nothing and starts no goroutine, so it works on the clock of a
// testing/synctest bubble.
package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"mudlark.dev/store"
)

// A Gate is called by Commit before anything is checked or written, with the
// batches that it was given. It may wait; an error makes Commit return that
// error with nothing committed. It must not change the batches.
type Gate func(ctx context.Context, batches []*store.Batch) error

// A Disk is the committed state of one world. Its methods may be called from
// any goroutine.
type Disk struct {
	mu      sync.Mutex
	state   store.State
	trimmed uint64 // deletions up to this commit are forgotten
	rows    map[store.Key]row
}

// data is never changed once it is in a row, so that snapshots may share it.
type row struct {
	commit uint64
	data   []byte // nil for a deletion
}

// NewDisk returns an empty world.
func NewDisk() *Disk {
	return &Disk{
		state: store.State{Lines: make(map[[16]byte]uint64)},
		rows:  make(map[store.Key]row),
	}
}

// Clone returns a new Disk with all that is committed to d at this moment. No
// Store is open on it.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &Disk{state: d.state, trimmed: d.trimmed, rows: maps.Clone(d.rows)}
	c.state.Lines = maps.Clone(d.state.Lines)
	return c
}

// Open returns a Store on d. There may be several: the one that acquired last
// can commit.
func (d *Disk) Open() *Store { return &Store{disk: d} }

// A Store is a store.Store on a Disk.
//
// Unlike others, its Close does not wait for a Commit that its gate holds: that
// Commit returns ErrClosed when the gate lets it go. A test ends a process this
// way while a commit is under way.
type Store struct {
	disk *Disk

	mu     sync.Mutex // taken before disk.mu
	gate   Gate
	closed bool
	epoch  uint64 // as acquired by this Store; 0 before
}

var _ store.Store = (*Store)(nil)

// SetGate makes later Commits of s call gate first. Nil removes it.
func (s *Store) SetGate(gate Gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
}

// begin locks the Store, then the disk, unless ctx has ended or s is closed.
func (s *Store) begin(ctx context.Context, op string) (unlock func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, fail(op, store.ErrClosed)
	}
	s.disk.mu.Lock()
	return func() { s.disk.mu.Unlock(); s.mu.Unlock() }, nil
}

func fail(op string, err error) error { return &store.Error{Op: "memory: " + op, Err: err} }

// Acquire implements store.Store.
func (s *Store) Acquire(ctx context.Context) (store.State, error) {
	unlock, err := s.begin(ctx, "acquire")
	if err != nil {
		return store.State{}, err
	}
	defer unlock()
	d := s.disk
	d.state.Epoch++
	s.epoch = d.state.Epoch
	state := d.state
	state.Lines = maps.Clone(d.state.Lines)
	return state, nil
}

// Load implements store.Store. It copies the rows' headers first and holds no
// lock while fn runs, so that Close does not wait for it: it ends with ErrClosed
// at the next row.
func (s *Store) Load(ctx context.Context, since uint64, fn func(store.Row) error) (uint64, error) {
	rows, at, err := s.snapshot(ctx, since)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if s.isClosed() {
			return 0, fail("load", store.ErrClosed)
		}
		r.Data = bytes.Clone(r.Data) // fn's own; nil stays nil, and empty stays empty
		if err := fn(r); err != nil {
			return 0, err
		}
	}
	return at, nil
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Store) snapshot(ctx context.Context, since uint64) (rows []store.Row, at uint64, err error) {
	unlock, err := s.begin(ctx, "load")
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	d := s.disk
	switch {
	case since > d.state.Commit:
		return nil, 0, fail("load", fmt.Errorf("%w: load since %d, last commit %d", store.ErrGap, since, d.state.Commit))
	case since > 0 && since < d.trimmed:
		return nil, 0, fail("load", fmt.Errorf("%w: load since %d, trimmed up to %d", store.ErrTrimmed, since, d.trimmed))
	}
	for k, r := range d.rows {
		if r.commit > since && (since > 0 || r.data != nil) {
			rows = append(rows, store.Row{Key: k, Commit: r.commit, Data: r.data})
		}
	}
	slices.SortFunc(rows, func(a, b store.Row) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return rows, d.state.Commit, nil
}

// Commit implements store.Store. It calls the gate first.
func (s *Store) Commit(ctx context.Context, epoch uint64, batches []*store.Batch) error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil && ctx.Err() == nil {
		if err := gate(ctx, batches); err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx) // begun
	}
	unlock, err := s.begin(ctx, "commit")
	if err != nil {
		return err
	}
	defer unlock()
	d := s.disk
	if len(batches) == 0 {
		return nil
	}
	if epoch != d.state.Epoch || epoch == 0 {
		return fail("commit", fmt.Errorf("%w: epoch %d, now %d", store.ErrEpoch, epoch, d.state.Epoch))
	}
	if err := store.Check(d.state.Commit, batches); err != nil {
		return fail("commit", err)
	}
	for _, b := range batches {
		d.apply(b)
	}
	return nil
}

// apply is called with a checked batch and with mu held.
func (d *Disk) apply(b *store.Batch) {
	for _, r := range b.Puts {
		d.rows[r.Key] = row{b.Commit, bytes.Clone(r.Data)}
	}
	for _, k := range b.Deletes {
		d.rows[k] = row{b.Commit, nil}
	}
	for _, l := range b.Lines {
		d.state.Lines[l.Session] = max(d.state.Lines[l.Session], l.N)
	}
	for _, id := range b.Ended {
		delete(d.state.Lines, id)
	}
	d.state.HighID = max(d.state.HighID, b.HighID)
	d.state.Commit = b.Commit
}

// Trim implements store.Store.
func (s *Store) Trim(ctx context.Context, before uint64) error {
	unlock, err := s.begin(ctx, "trim")
	if err != nil {
		return err
	}
	defer unlock()
	d := s.disk
	if s.epoch == 0 || s.epoch != d.state.Epoch {
		return fail("trim", fmt.Errorf("%w: epoch %d, now %d", store.ErrEpoch, s.epoch, d.state.Epoch))
	}
	before = min(before, d.state.Commit+1)
	if before == 0 {
		return nil
	}
	d.trimmed = max(d.trimmed, before-1)
	maps.DeleteFunc(d.rows, func(_ store.Key, r row) bool { return r.data == nil && r.commit < before })
	return nil
}

// Describe implements store.Store. Bytes are those of IDs and data.
func (s *Store) Describe() store.Description {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	n := 0
	for k, r := range s.disk.rows {
		n += len(k.ID) + len(r.data)
	}
	return store.Description{Driver: "memory", Durability: "none", Bytes: int64(n)}
}

// Close implements store.Store. What is committed stays on the Disk.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
