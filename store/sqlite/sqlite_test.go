package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
	"mudlark.dev/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() store.Store {
		path := filepath.Join(t.TempDir(), "w.db")
		return func() store.Store { return open(t, path) }
	})
}

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func acquire(t *testing.T, s *sqlite.Store) store.State {
	t.Helper()
	state, err := s.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func batch(n uint64, id string, size int) []*store.Batch {
	return []*store.Batch{{Commit: n, Puts: []store.Row{{Key: store.Key{Kind: store.Entity, ID: id}, Data: make([]byte, size)}}}}
}

func count(t *testing.T, s *sqlite.Store) (n int) {
	t.Helper()
	if _, err := s.Load(t.Context(), 0, func(store.Row) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConfigCheck(t *testing.T) {
	for _, c := range []struct {
		cfg  sqlite.Config
		want []string // parts of the error; none for a good one
	}{
		{sqlite.Config{Path: "x"}, nil},
		{sqlite.Config{Path: "x", Durability: sqlite.Power}, nil},
		{sqlite.Config{Durability: "fast"}, []string{"no path", `durability "fast"`}},
		{sqlite.Config{Path: "a\x00b"}, []string{"zero byte"}},
	} {
		err := c.cfg.Check()
		if (err != nil) != (c.want != nil) {
			t.Errorf("%+v: Check = %v", c.cfg, err)
		}
		for _, part := range c.want {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%+v: Check = %v, want %q in it", c.cfg, err, part)
			}
		}
	}
}

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20&e=f.db")
	s := open(t, path)
	state := acquire(t, s)
	if err := s.Commit(t.Context(), state.Epoch, batch(1, "1", 10)); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		fi, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("game.db%s has permissions %v, want 0600", suffix, fi.Mode().Perm())
		}
	}
	if d := s.Describe(); d.Bytes == 0 || filepath.Base(d.Path) != filepath.Base(path) || d.Durability != "process" {
		t.Errorf("Describe = %+v", d)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("after Close: %v, %v; want the file alone", files, err)
	}
}

func TestPower(t *testing.T) {
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "w.db"), Durability: sqlite.Power})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 2 {
		acquire(t, s)
		if mode, err := s.Int("PRAGMA synchronous"); err != nil || mode != 2 {
			t.Errorf("after Acquire %d: synchronous = %d, %v; want 2, FULL", i+1, mode, err)
		}
	}
}

// What Open refuses is the same, byte for byte, afterwards.
func TestRefused(t *testing.T) {
	foreign := func(t *testing.T, path string, statements ...string) {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, s := range statements {
			if _, err := db.Exec(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(data []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"short text", write([]byte("hello")), store.ErrDamaged},
		{"long text", write(bytes.Repeat([]byte("not a database\n"), 1000)), store.ErrDamaged},
		{"zeros", write(make([]byte, 8192)), store.ErrDamaged},
		{"other program", func(t *testing.T, path string) { foreign(t, path, "CREATE TABLE t (a)") }, store.ErrForeign},
		{"other ID", func(t *testing.T, path string) { foreign(t, path, "PRAGMA application_id = 7") }, store.ErrForeign},
		{"other in WAL", func(t *testing.T, path string) { foreign(t, path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)") }, store.ErrForeign},
		{"newer", func(t *testing.T, path string) {
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			foreign(t, path, "PRAGMA user_version = 99")
		}, store.ErrVersion},
		{"header overwritten", func(t *testing.T, path string) {
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(data, make([]byte, 40))
			write(data)(t, path)
		}, store.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "w.db")
			c.make(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
			if err == nil {
				s.Close()
			}
			var e *store.Error
			if !errors.Is(err, c.want) || !errors.As(err, &e) || !strings.Contains(err.Error(), path) || e.Hint() == "" {
				t.Errorf("Open = %v, want %v with path and hint", err, c.want)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("Open changed the file (%d bytes, then %d, %v)", len(before), len(after), err)
			}
		})
	}
}

func TestNoFolder(t *testing.T) {
	_, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "none", "w.db")})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "folder is missing") {
		t.Errorf("Open without folder = %v", err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("Open of a folder = %v", err)
	}
}

func TestFull(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "w.db"))
	state := acquire(t, s)
	if err := s.Exec("PRAGMA max_page_count = 20"); err != nil {
		t.Fatal(err)
	}
	big := append(batch(1, "small", 10), batch(2, "big", 1<<20)...)
	for range 2 {
		if err := s.Commit(t.Context(), state.Epoch, big); !errors.Is(err, store.ErrFull) {
			t.Fatalf("Commit to a full disk = %v, want ErrFull", err)
		}
		if n := count(t, s); n != 0 {
			t.Fatalf("%d rows after a failed Commit, want 0", n)
		}
	}
	if err := s.Exec("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), state.Epoch, big); err != nil || count(t, s) != 2 {
		t.Errorf("the same Commit with room = %v, %d rows, want 2", err, count(t, s))
	}
}

// Close ends a Load in progress, and waits for it.
func TestCloseDuringLoad(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "w.db"))
	state := acquire(t, s)
	if err := s.Commit(t.Context(), state.Epoch, append(batch(1, "1", 1), batch(2, "2", 1)...)); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	n := 0
	_, err := s.Load(t.Context(), 0, func(store.Row) error {
		n++
		go func() { closed <- s.Close() }()
		s.WaitClosing()
		return nil
	})
	if !errors.Is(err, store.ErrClosed) || n != 1 {
		t.Errorf("Load = %v after %d rows, want ErrClosed after 1", err, n)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close = %v", err)
	}
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.db")
	s, stopped := open(t, path), open(t, path)
	state := acquire(t, s)
	if err := stopped.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), state.Epoch, batch(1, "1", 1)); !errors.Is(err, store.ErrLocked) {
		t.Errorf("Commit behind a stopped process = %v, want ErrLocked", err)
	}
	if err := stopped.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), state.Epoch, batch(1, "1", 1)); err != nil {
		t.Errorf("Commit after it has ended = %v", err)
	}
}

// The file does not keep a row for each commit, and the log does not grow for
// ever.
func TestUpkeep(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "w.db"))
	state := acquire(t, s)
	for n := uint64(1); n <= 1200; n++ {
		b := batch(n, strconv.FormatUint(n%50, 10), 2000)
		b[0].Lines = []store.Line{{N: n}}
		if err := s.Commit(t.Context(), state.Epoch, b); err != nil {
			t.Fatal(err)
		}
	}
	s.WaitUpkeep()
	if n, err := s.Int("SELECT count(*) FROM lines"); err != nil || n == 0 || n > 1000 {
		t.Errorf("%d rows of lines after 1200 commits, %v; want them folded", n, err)
	}
	if size, complete, err := s.Checkpoint(); err != nil || !complete || size > 64<<20 {
		t.Errorf("checkpoint: %d bytes of log, complete %t, %v", size, complete, err)
	}
}
