package sqlite_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	foreign "modernc.org/sqlite"

	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
)

// stoppedJob is a Server that is stopped, in the sense of SIGSTOP: in the middle
// of the transaction of commit 2, and then between commits 2 and 3.
func stoppedJob(path string) error {
	ctx := context.Background()
	foreign.MustRegisterScalarFunction("stop", 0, func(*foreign.FunctionContext, []driver.Value) (driver.Value, error) {
		fmt.Println("inside")
		return nil, stopHere()
	})
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	state, err := s.Acquire(ctx)
	if err != nil {
		return err
	}
	if err := s.Commit(ctx, state.Epoch, batch(1, "one", 10)); err != nil {
		return err
	}
	if err := s.Exec("CREATE TEMP TRIGGER stopper AFTER INSERT ON main.rows BEGIN SELECT stop(); END"); err != nil {
		return err
	}
	if err := s.Commit(ctx, state.Epoch, batch(2, "two", 5000)); err != nil {
		return err
	}
	if err := s.Exec("DROP TRIGGER stopper"); err != nil {
		return err
	}
	fmt.Println("between")
	if err := stopHere(); err != nil {
		return err
	}
	for range 2 { // and again: it stays shut out
		fmt.Println(s.Commit(ctx, state.Epoch, batch(3, "late", 5000)))
	}
	return s.Close()
}

// stopHere stops this process and returns when it has been continued. The signal may
// go to another thread, so this one could run on for a moment.
func stopHere() error {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGSTOP); err != nil {
		return err
	}
	<-continued
	return nil
}

// A Server that is stopped inside its transaction keeps others from writing
// until it is killed, and then nothing of that transaction is in the file.
func TestStoppedInsideItsTransaction(t *testing.T) {
	path := t.TempDir() + "/w.db"
	old, err := startJob(t, "stopped", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	old.expect("inside")
	old.awaitStop()
	s := open(t, path)
	_, err = s.Acquire(t.Context())
	var e *store.Error
	if !errors.Is(err, store.ErrLocked) || !errors.As(err, &e) || e.Hint() == "" || store.Final(err) {
		t.Errorf("Acquire while the other one is stopped = %v, want ErrLocked with a hint, not for good", err)
	}
	old.signal(syscall.SIGKILL)
	old.cmd.Wait()
	if state := acquire(t, s); state.Commit != 1 || state.Epoch != 2 {
		t.Errorf("after its death: commit %d, epoch %d; want 1 and 2", state.Commit, state.Epoch)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d rows, want the one of commit 1", n)
	}
}

// One that is stopped, replaced and continued commits nothing any more.
func TestStoppedReplacedContinued(t *testing.T) {
	path := t.TempDir() + "/w.db"
	old, err := startJob(t, "stopped", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	old.expect("inside")
	old.awaitStop()
	old.signal(syscall.SIGCONT) // its transaction comes first, so it counts
	old.expect("between")
	old.awaitStop()
	s := open(t, path)
	state := acquire(t, s)
	if state.Commit != 2 || state.Epoch != 2 {
		t.Fatalf("commit %d, epoch %d; want 2 and 2", state.Commit, state.Epoch)
	}
	if err := s.Commit(t.Context(), state.Epoch, batch(3, "three", 10)); err != nil {
		t.Fatal(err)
	}
	old.signal(syscall.SIGCONT)
	for range 2 {
		old.expect("another Server has acquired the store: epoch 1, now 2")
	}
	if err := old.cmd.Wait(); err != nil {
		t.Errorf("the old one ended with %v", err)
	}
	if n, err := s.Int("SELECT count(*) FROM rows WHERE id = CAST('late' AS BLOB)"); n != 0 || err != nil {
		t.Errorf("%d rows of the old one's late commit, %v", n, err)
	}
	if err := s.Commit(t.Context(), state.Epoch, batch(4, "four", 10)); err != nil || count(t, s) != 4 {
		t.Errorf("the new one goes on with %v, %d rows; want 4", err, count(t, s))
	}
}
