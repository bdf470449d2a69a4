package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"mudlark.dev/store"
)

// Durability says what a commit survives once Commit has returned.
type Durability string

// The durabilities.
const (
	// Process: a commit survives the death of the process in any form. A power
	// cut or a crash of the system may lose the last moments, a few seconds of
	// play, but never the file, nor part of a commit.
	Process Durability = "process"
	// Power: a commit survives a power cut as well, if the disk tells the truth.
	// Each one waits for the disk, which takes milliseconds rather than a
	// fraction of one.
	Power Durability = "power"
)

// Config says which file to use and how.
type Config struct {
	Path       string       // the file, created if missing, in a folder that exists
	Durability Durability   // empty means Process
	Logger     *slog.Logger // nil means slog.Default()
}

// Check reports everything that is wrong with c, without looking at the disk.
func (c Config) Check() error {
	var errs []error
	switch {
	case c.Path == "":
		errs = append(errs, errors.New("sqlite: no path"))
	case strings.ContainsRune(c.Path, 0):
		errs = append(errs, fmt.Errorf("sqlite: path %q has a zero byte", c.Path))
	}
	switch c.Durability {
	case "", Process, Power:
	default:
		errs = append(errs, fmt.Errorf("sqlite: durability %q: want %q or %q", c.Durability, Process, Power))
	}
	return errors.Join(errs...)
}

// Limits of waiting and of memory.
const (
	busyTimeout = 500     // milliseconds that a write waits for another process's transaction
	writeCache  = 4 << 10 // KiB of pages that the writing connection keeps; others are in the system's cache
	maxLoads    = 2       // Loads at once; others wait
)

// A Store is a store.Store in a file. Several, in one process or in more, may
// have the file open: all can Load, and the one that acquired last can Commit.
type Store struct {
	path       string
	durability Durability
	log        *slog.Logger

	// writing holds an element while the writing connection is in use. What is
	// below, up to the next blank line, belongs to who has put it there.
	writing chan struct{}
	writeDB *sql.DB
	write   *sql.Conn
	stmt    statements
	epoch   uint64 // as acquired by this Store; 0 before
	scratch scratch

	readDB   *sql.DB
	upkeepDB *sql.DB // belongs to the upkeep goroutine

	damaged atomic.Bool // the file is not whole: nothing is written to it any more

	logged   atomic.Int64  // bytes, roughly, that went to the WAL since the last checkpoint
	unfolded atomic.Int64  // transactions with lines since the last fold
	wake     chan struct{} // cap 1: upkeep is to look at the two above

	stop  context.CancelFunc // ends upkeep
	tasks sync.WaitGroup     // upkeep and Loads

	mu     sync.Mutex
	closed bool // no task is added once it is set
}

var _ store.Store = (*Store)(nil)

// Open opens the file, creates it if it is missing, and brings an older form of
// it up to date. It refuses files of other programs (ErrForeign), files that are
// not whole (ErrDamaged) and those of a newer build (ErrVersion), and leaves them
// as they are. The Store must be closed.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s := &Store{
		path:       cfg.Path,
		durability: cfg.Durability,
		log:        cfg.Logger,
		writing:    make(chan struct{}, 1),
		wake:       make(chan struct{}, 1),
	}
	if s.durability == "" {
		s.durability = Process
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if err := s.open(ctx); err != nil {
		err = s.fail("open", err) // notes damage, for closeDBs
		s.closeDBs()
		return nil, err
	}
	// Upkeep ends with Close, whatever becomes of Open's ctx.
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.tasks.Go(func() { s.upkeep(ctx) })
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	path, err := prepareFile(s.path)
	if err != nil {
		return err
	}
	s.path = path
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	if err := useWAL(ctx, s.write); err != nil {
		return err
	}
	if err := s.stmt.prepare(ctx, s.write); err != nil {
		return err
	}
	if s.upkeepDB, err = s.pool(1, s.pragmas()); err != nil {
		return err
	}
	s.readDB, err = s.pool(maxLoads, s.pragmas("query_only(1)"))
	return err
}

// pragmas are the settings of each connection.
func (s *Store) pragmas(more ...string) []string {
	return append([]string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout),
		"synchronous(" + s.synchronous() + ")",
		"wal_autocheckpoint(0)", // upkeep does it
		fmt.Sprintf("journal_size_limit(%d)", maxWAL),
		"cell_size_check(1)", // finds damage rather than reading past it
		"trusted_schema(0)",
	}, more...)
}

// pool returns a pool of up to n connections to the file, which set pragmas when
// they are made; none is yet.
func (s *Store) pool(n int, pragmas []string) (*sql.DB, error) {
	// The path goes in as a URL, so that none of its bytes is taken for a query.
	dsn := (&url.URL{Scheme: "file", Path: s.path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// connect makes the writing connection, the first to the file. Its settings come
// afterwards: if the file is damaged they fail, which must not make the driver
// close a connection, since that would move the log into the file.
func (s *Store) connect(ctx context.Context) (err error) {
	if s.writeDB, err = s.pool(1, nil); err != nil {
		return err
	}
	if s.write, err = s.writeDB.Conn(ctx); err != nil {
		return err
	}
	for _, p := range s.pragmas(fmt.Sprintf("cache_size(-%d)", writeCache)) {
		if _, err := s.write.ExecContext(ctx, "PRAGMA "+p); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) synchronous() string {
	if s.durability == Power {
		return "FULL"
	}
	return "NORMAL"
}

// prepareFile creates the file if it is missing, since SQLite would make it
// readable for all, and returns the path with links resolved. It never opens a
// file that exists: closing it would end the locks that SQLite holds on it for
// other Stores of this process (fcntl locks go with any descriptor).
func prepareFile(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	// The files that SQLite puts beside it get the same permissions.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		if err := f.Close(); err != nil {
			return "", err
		}
	case errors.Is(err, os.ErrExist):
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("its folder is missing: %w", err)
	case errors.Is(err, os.ErrPermission):
		return "", fmt.Errorf("%w: %w", store.ErrReadOnly, err)
	default:
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	fi, err := os.Stat(path)
	if err == nil && !fi.Mode().IsRegular() {
		return "", fmt.Errorf("not a file: %v", fi.Mode().Type())
	}
	return path, err
}

// begin takes the writing connection, unless ctx has ended, s is closed or the
// file is damaged.
func (s *Store) begin(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch {
	case s.isClosed():
		s.end()
		return store.ErrClosed
	case s.damaged.Load():
		s.end()
		return errFoundDamaged
	}
	return nil
}

func (s *Store) end() { <-s.writing }

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Describe implements store.Store. The bytes are those of the file and its log.
func (s *Store) Describe() store.Description {
	d := store.Description{Driver: "sqlite", Path: s.path, Durability: string(s.durability)}
	for _, suffix := range []string{"", "-wal"} {
		if fi, err := os.Stat(s.path + suffix); err == nil {
			d.Bytes += fi.Size()
		}
	}
	return d
}

// Close implements store.Store. It ends Loads in progress with ErrClosed, moves
// the log into the file and removes it, unless another Store has the file open.
// With a damaged file it leaves both as they are, and one descriptor open.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.tasks.Wait()
	s.writing <- struct{}{} // a Commit in progress ends first
	err := s.closeDBs()
	s.end()
	return s.fail("close", err)
}

// closeDBs closes what is open; Open uses it too when it fails half-way. The
// writer comes last: its end moves the log into the file, so one of a damaged
// file stays open until the process ends.
func (s *Store) closeDBs() error {
	var errs []error
	for _, db := range []*sql.DB{s.readDB, s.upkeepDB} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.damaged.Load() {
		return errors.Join(errs...)
	}
	errs = append(errs, s.stmt.close())
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.writeDB != nil {
		errs = append(errs, s.writeDB.Close())
	}
	return errors.Join(errs...)
}
