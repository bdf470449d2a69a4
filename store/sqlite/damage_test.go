package sqlite_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
)

// files returns what is in the files of a world, but for the shared memory, which
// is only an index of the log.
func files(t *testing.T, path string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		m[filepath.Base(path)+suffix] = string(data)
	}
	return m
}

func unchanged(t *testing.T, what, path string, before map[string]string) {
	t.Helper()
	after := files(t, path)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] != before[name] {
			t.Errorf("%s: %s was changed: %d bytes, then %d", what, name, len(before[name]), len(after[name]))
		}
	}
}

func wantDamaged(t *testing.T, what string, err error, path string) {
	t.Helper()
	var e *store.Error
	if !errors.Is(err, store.ErrDamaged) || !errors.As(err, &e) || e.Hint() == "" || !store.Final(err) || !strings.Contains(err.Error(), path) {
		t.Errorf("%s = %v, want ErrDamaged, for good, with the file's name and a hint", what, err)
	}
}

// bigWorld makes a file of n rows that are in the file and not in the log.
func bigWorld(t *testing.T, path string, n int) (*sqlite.Store, store.State) {
	t.Helper()
	s := open(t, path)
	state := acquire(t, s)
	world := &store.Batch{Commit: 1}
	for i := range n {
		world.Puts = append(world.Puts, batch(1, strconv.Itoa(i), 600)[0].Puts...)
	}
	if err := s.Commit(t.Context(), state.Epoch, []*store.Batch{world}); err != nil {
		t.Fatal(err)
	}
	if _, complete, err := s.Checkpoint(); err != nil || !complete {
		t.Fatalf("checkpoint: complete %t, %v", complete, err)
	}
	return s, state
}

// damage overwrites the middle of the file. The descriptor stays open until the
// test ends: closing one ends the locks that SQLite has on the file.
func damage(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	half := fi.Size() / 2
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, int(half)), half/2); err != nil {
		t.Fatal(err)
	}
}

// Damage in the middle of a file is found as the world is read. From then on
// nothing is written, neither to the file nor by moving the log into it.
func TestDamagedAtOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.db")
	old, state := bigWorld(t, path, 200)
	// As a process leaves it that is killed: with a log.
	if err := old.Commit(t.Context(), state.Epoch, batch(2, "in the log", 600)); err != nil {
		t.Fatal(err)
	}
	left := files(t, path)
	next := filepath.Join(t.TempDir(), "w.db")
	for _, suffix := range []string{"", "-wal"} {
		if err := os.WriteFile(next+suffix, []byte(left["w.db"+suffix]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage(t, next)
	before := files(t, next)
	if len(before["w.db-wal"]) == 0 {
		t.Fatal("there is no log")
	}
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: next})
	if err != nil {
		wantDamaged(t, "Open", err, next)
		unchanged(t, "Open", next, before)
		return
	}
	_, err = s.Load(t.Context(), 0, func(store.Row) error { return nil })
	wantDamaged(t, "Load", err, next)
	_, err = s.Acquire(t.Context())
	wantDamaged(t, "Acquire", err, next)
	s.EagerUpkeep()
	s.WaitUpkeep()
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	unchanged(t, "Close", next, before)
}

// Damage that is there before the schema can be read is found by Open, which
// leaves the log beside the file alone.
func TestDamagedHeaderWithLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.db")
	old, state := bigWorld(t, path, 10)
	if err := old.Commit(t.Context(), state.Epoch, batch(2, "in the log", 600)); err != nil {
		t.Fatal(err)
	}
	left := files(t, path)
	next := filepath.Join(t.TempDir(), "w.db")
	data := []byte(left["w.db"])
	copy(data[100:], bytes.Repeat([]byte{0xA5}, 900)) // the page of the schema; the log does not have it
	for suffix, data := range map[string][]byte{"": data, "-wal": []byte(left["w.db-wal"])} {
		if err := os.WriteFile(next+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := files(t, next)
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: next})
	if err == nil {
		s.Close()
	}
	wantDamaged(t, "Open", err, next)
	unchanged(t, "Open", next, before)
}

// Damage that a running Server meets ends its commits for good.
func TestDamagedWhileRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.db")
	s, state := bigWorld(t, path, 2000)
	damage(t, path)
	if err := s.Exec("PRAGMA shrink_memory"); err != nil { // as if the pages were not used for long
		t.Fatal(err)
	}
	var err error
	n := uint64(2)
	for ; n < 2000 && err == nil; n++ { // until one meets it
		err = s.Commit(t.Context(), state.Epoch, batch(n, strconv.Itoa(int(n)), 700))
	}
	wantDamaged(t, "Commit", err, path)
	before := files(t, path)
	err = s.Commit(t.Context(), state.Epoch, batch(n-1, "another", 10))
	wantDamaged(t, "the next Commit", err, path)
	wantDamaged(t, "Trim", s.Trim(t.Context(), 1), path)
	s.EagerUpkeep()
	s.WaitUpkeep()
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	unchanged(t, "what followed", path, before)
}

// A file that may not be written is waited for.
func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.db")
	s := open(t, path)
	state := acquire(t, s)
	if err := s.Exec("PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	err := s.Commit(t.Context(), state.Epoch, batch(1, "1", 10))
	var e *store.Error
	if !errors.Is(err, store.ErrReadOnly) || !errors.As(err, &e) || e.Hint() == "" || store.Final(err) {
		t.Errorf("Commit = %v, want ErrReadOnly with a hint, not for good", err)
	}
	if err := s.Exec("PRAGMA query_only = 0"); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), state.Epoch, batch(1, "1", 10)); err != nil {
		t.Errorf("the same Commit when it may = %v", err)
	}
	if os.Getuid() == 0 {
		return // permissions do not hold for root
	}
	dir := t.TempDir()
	closed := filepath.Join(dir, "w.db")
	if err := open(t, closed).Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	for _, c := range []struct {
		name      string
		file, dir os.FileMode
	}{{"file", 0o400, 0o700}, {"folder", 0o600, 0o500}, {"both", 0o400, 0o500}} {
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(closed, c.file), os.Chmod(dir, c.dir)); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(t.Context(), sqlite.Config{Path: closed})
		if err == nil {
			_, err = s.Acquire(t.Context())
			s.Close()
		}
		if !errors.Is(err, store.ErrReadOnly) || !strings.Contains(err.Error(), closed) {
			t.Errorf("a %s that may not be written: %v, want ErrReadOnly with the file's name", c.name, err)
		}
	}
}
