package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mudlark.dev/internal/require"
	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
)

var systemJobs = map[string]func(path string) error{"file limit": fileLimitJob, "small disk": smallDiskJob}

// A disk that has no room, and a limit that takes it away, are errors with which
// the process lives on; with room the same commit succeeds.
func TestNoRoomForReal(t *testing.T) {
	for _, c := range []struct{ job, want string }{
		{"file limit", store.ErrIO.Error()}, // SQLite does not tell it from a disk that fails
		{"small disk", store.ErrFull.Error()},
	} {
		t.Run(c.job, func(t *testing.T) {
			w, err := startJob(t, c.job, filepath.Join(t.TempDir(), "w.db"), func(cmd *exec.Cmd) {
				if c.job != "small disk" {
					return
				}
				// A view of its own of what is mounted: it goes with the process.
				cmd.SysProcAttr = &syscall.SysProcAttr{
					Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
					UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
					GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
				}
			})
			require.Able(t, c.job, err)
			if first := w.line(); strings.HasPrefix(first, "cannot mount") {
				require.Able(t, c.job, errors.New(first))
			}
			for range 2 {
				if got := w.line(); !strings.Contains(got, c.want) || !strings.Contains(got, "w.db") {
					t.Errorf("Commit without room = %s, want %q and the file's name", got, c.want)
				}
			}
			w.goOn()
			w.expect("with room: <nil>, 2 rows, 0 faults")
			if err := w.cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// withoutRoom commits what does not fit, twice; then room is made, and it fits.
func withoutRoom(s *sqlite.Store, takeRoom, makeRoom func() error) error {
	ctx := context.Background()
	state, err := s.Acquire(ctx)
	if err != nil {
		return err
	}
	if err := s.Commit(ctx, state.Epoch, batch(1, "small", 10)); err != nil {
		return err
	}
	if err := takeRoom(); err != nil {
		return err
	}
	for range 2 {
		err := s.Commit(ctx, state.Epoch, batch(2, "big", 3<<20))
		if store.Final(err) {
			return fmt.Errorf("it is for good: %w", err)
		}
		fmt.Println(err)
	}
	bufio.NewScanner(os.Stdin).Scan()
	if err := makeRoom(); err != nil {
		return err
	}
	err = s.Commit(ctx, state.Epoch, batch(2, "big", 3<<20))
	rows := 0
	if _, err := s.Load(ctx, 0, func(store.Row) error { rows++; return nil }); err != nil {
		return err
	}
	faults, ferr := s.Int("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'")
	fmt.Printf("with room: %v, %d rows, %d faults\n", err, rows, faults)
	return errors.Join(ferr, s.Close())
}

func fileLimitJob(path string) error {
	// As the Server's process does: else the first such write ends it.
	signal.Ignore(syscall.SIGXFSZ)
	s, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var old syscall.Rlimit
	return withoutRoom(s, func() error {
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			return err
		}
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: old.Max})
	}, func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) })
}

func smallDiskJob(path string) error {
	dir := filepath.Dir(path)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		fmt.Println("cannot mount a small disk:", err)
		return nil
	}
	s, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	filler := filepath.Join(dir, "filler")
	return withoutRoom(s, func() error {
		f, err := os.Create(filler)
		if err != nil {
			return err
		}
		block := make([]byte, 4096)
		for err == nil {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		return f.Close()
	}, func() error { return os.Remove(filler) })
}
