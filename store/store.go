package store

import (
	"context"
	"fmt"
	"math"
)

// Limits of what a Store takes. Check refuses what is beyond them.
const (
	MaxID     = 255           // bytes of a Key's ID
	MaxData   = 16 << 20      // bytes of one row's data
	MaxNumber = math.MaxInt64 // commit numbers, line numbers, entity IDs: databases have no unsigned 64 bits
)

// A Kind says what a row is to the game. It is stored as its number, so a number
// is never given another meaning. A Store takes and gives out kinds that it does
// not know: a build that was rolled back keeps what a newer one wrote. 0 is not
// a kind.
type Kind uint8

// The kinds of rows, in the order in which Load gives them out: what others
// refer to comes first.
const (
	Setting   Kind = 1 // one value of the game as a whole, by name
	Entity    Kind = 2 // an entity with its small attributes
	Attribute Kind = 3 // an attribute too large for its entity's row
	Session   Kind = 4 // what the Server knows of a session
	Timer     Kind = 5 // a stored timer
)

// String returns the kind's name, or "kind 9" for one that this build does not
// know.
func (k Kind) String() string {
	switch k {
	case Setting:
		return "setting"
	case Entity:
		return "entity"
	case Attribute:
		return "attribute"
	case Session:
		return "session"
	case Timer:
		return "timer"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// A Key names a row. ID has 1 to MaxID bytes of any value; within a kind, rows
// are ordered by their IDs' bytes.
type Key struct {
	Kind Kind
	ID   string
}

// String returns the key for people: entity "12".
func (k Key) String() string { return fmt.Sprintf("%s %q", k.Kind, k.ID) }

// A Row is what a Store keeps under a key.
type Row struct {
	Key
	Commit uint64 // the commit that wrote it; set by Load, ignored in a Batch, whose number counts
	Data   []byte // nil only for a deletion that Load gives out; empty data is data
}

// Deleted reports whether the row, given out by Load, says that its key was
// deleted.
func (r Row) Deleted() bool { return r.Data == nil }

// A Line says that all lines of a session up to number N are processed.
type Line struct {
	Session [16]byte
	N       uint64
}

// A Batch is what one turn of the loop changed. It is applied in the order of
// its fields: a key in both Puts and Deletes ends deleted, a session in both
// Lines and Ended ends without a number, and of two Puts of a key the later
// counts. Who calls Commit leaves a batch and all it points to alone until
// Commit returns; the Store never changes them and keeps none of them.
type Batch struct {
	Commit  uint64 // 1 above the batch before it; the first of a world is 1
	Puts    []Row  // rows to write, replacing what their keys had
	Deletes []Key  // keys to delete; to delete what is not there is no error
	Lines   []Line // lines processed; a number below the stored one changes nothing
	// Ended are sessions whose line numbers are no longer needed.
	Ended [][16]byte
	// HighID is the highest entity ID ever given out. The Store keeps the highest
	// it was told, so 0 means unchanged.
	HighID uint64
}

// State is where a world stands.
type State struct {
	Commit uint64              // the last commit, 0 in a new world
	HighID uint64              // the highest entity ID ever given out
	Epoch  uint64              // what this Acquire began: pass it to Commit
	Lines  map[[16]byte]uint64 // the processed line of each session that has not ended; the caller's own, never nil
}

// Description is what status shows of a Store.
type Description struct {
	Driver     string // "sqlite"
	Path       string // where it is; empty in memory
	Durability string // what a commit survives, in the driver's words
	Bytes      int64  // space in use, logs included
}

// A Store keeps the rows of one world. Its methods may be called from any
// goroutine. A context that has ended before a method starts makes it return
// the context's cause; Acquire, Commit and Trim do not heed it once they have
// begun to write, so their outcome is never unknown.
//
// Errors are those of this package, found by errors.Is, wrapped in an *Error.
type Store interface {
	// Acquire begins a new epoch, which is durable before it returns and from
	// then on fails the commits of whoever acquired before. It returns ErrLocked
	// if another process holds the store in the middle of a transaction: end
	// that process, then try again.
	Acquire(ctx context.Context) (State, error)

	// Load calls fn for each row with a commit number above since, in the order
	// of kinds and IDs, and returns the last commit that it saw: all rows are
	// read as they were then, whatever is committed meanwhile. Since 0 means the
	// whole world. Above 0, rows deleted since then are among the calls. A Load
	// needs no Acquire.
	//
	// Data belongs to fn. An error of fn ends the Load, which returns it as it
	// is. While Load runs the store cannot reuse its log, so fn should not
	// dawdle; and it must not call Close, which waits for Load.
	//
	// If deletions after since were trimmed the error is ErrTrimmed, and if
	// since is above the last commit it is ErrGap; fn was not called then.
	Load(ctx context.Context, since uint64, fn func(Row) error) (at uint64, err error)

	// Commit makes batches durable in one transaction: all, or none and an
	// error. The first must be 1 above the last commit and the others must
	// follow without gap, else the error is ErrGap; the epoch must be the one
	// begun last, else it is ErrEpoch. After an error that is not Final the same
	// batches may be committed again. A later batch wins over an earlier one. Commits run one at a time; no batches are no commit.
	Commit(ctx context.Context, epoch uint64, batches []*Batch) error

	// Trim forgets deletions with a commit number below before, once nobody will
	// Load since an earlier one. It needs the epoch that this Store acquired,
	// else the error is ErrEpoch. It takes small steps between commits.
	Trim(ctx context.Context, before uint64) error

	// Describe is cheap and works after Close.
	Describe() Description

	// Close waits for calls in progress. Later calls of other methods return
	// ErrClosed, of Close nil.
	Close() error
}

// Check reports whether batches are fit to follow the commit last: ErrGap if the
// numbers are not, ErrBadBatch if what is in them is not. Drivers call it; so
// may tests.
func Check(last uint64, batches []*Batch) error {
	for _, b := range batches {
		if b.Commit != last+1 || b.Commit > MaxNumber {
			return fmt.Errorf("%w: batch %d after commit %d", ErrGap, b.Commit, last)
		}
		last = b.Commit
		if err := b.check(); err != nil {
			return fmt.Errorf("%w: batch %d: %w", ErrBadBatch, b.Commit, err)
		}
	}
	return nil
}

func (b *Batch) check() error {
	for i := range b.Puts {
		r := &b.Puts[i]
		switch {
		case r.Data == nil:
			return fmt.Errorf("put of %v has nil data", r.Key)
		case len(r.Data) > MaxData:
			return fmt.Errorf("put of %v has %d bytes, the limit is %d", r.Key, len(r.Data), MaxData)
		}
		if err := r.check(); err != nil {
			return err
		}
	}
	for _, k := range b.Deletes {
		if err := k.check(); err != nil {
			return err
		}
	}
	for _, l := range b.Lines {
		if l.N > MaxNumber {
			return fmt.Errorf("line number %d of session %x is above the limit", l.N, l.Session)
		}
	}
	if b.HighID > MaxNumber {
		return fmt.Errorf("highest ID %d is above the limit", b.HighID)
	}
	return nil
}

func (k Key) check() error {
	switch {
	case k.Kind == 0:
		return fmt.Errorf("key with ID %.40q has no kind", k.ID)
	case k.ID == "":
		return fmt.Errorf("key of %v has no ID", k.Kind)
	case len(k.ID) > MaxID:
		return fmt.Errorf("key of %v has an ID of %d bytes, the limit is %d", k.Kind, len(k.ID), MaxID)
	}
	return nil
}
