package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
)

// childEnv names the file for a child that TestKill starts.
const childEnv = "MUDLARK_TEST_KILL_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		err := commitForEver(path)
		fmt.Fprintln(os.Stderr, err) // not reached by a killed child
		os.Exit(1)
	}
	if job := os.Getenv(jobEnv); job != "" {
		if err := doJob(job, os.Getenv(jobFileEnv)); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const kept = 50 // rows that a world of the child has: each commit adds one and deletes the oldest

func killBatch(n uint64) *store.Batch {
	id := func(n uint64) store.Key { return store.Key{Kind: store.Entity, ID: strconv.FormatUint(n, 10)} }
	b := &store.Batch{
		Commit: n,
		Puts: []store.Row{
			{Key: id(n), Data: make([]byte, n*331%9000)},
			{Key: store.Key{Kind: store.Setting, ID: "last"}, Data: strconv.AppendUint(nil, n, 10)},
		},
		Lines:  []store.Line{{Session: [16]byte{byte(n % 5)}, N: n}},
		HighID: n,
	}
	if n > kept {
		b.Deletes = []store.Key{id(n - kept)}
	}
	return b
}

// commitForEver prints the last number of each Commit once it has returned.
func commitForEver(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	state, err := s.Acquire(ctx)
	if err != nil {
		return err
	}
	for n := state.Commit; ; {
		var batches []*store.Batch
		for range 1 + n%3 {
			n++
			batches = append(batches, killBatch(n))
		}
		if err := s.Commit(ctx, state.Epoch, batches); err != nil {
			return err
		}
		fmt.Println(n)
		s.EagerUpkeep() // so that kills hit it
	}
}

// A process killed at any moment loses no commit that was acknowledged, and
// leaves none half done.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.db")
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := 1 + random.IntN(100)
		var acked uint64
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if acked, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
				t.Errorf("child said %q", lines.Text())
			}
			if n == kill {
				cmd.Process.Kill() // what it said until then is still in the pipe
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("round %d: child ended with %v, want SIGKILL", round, err)
		}
		checkKilled(t, path, acked, uint64(round)*2+2)
	}
}

func checkKilled(t *testing.T, path string, acked, epoch uint64) {
	t.Helper()
	s := open(t, path)
	defer s.Close()
	state := acquire(t, s)
	n := state.Commit
	if n < acked || state.HighID != n || state.Epoch != epoch {
		t.Fatalf("found commit %d, high ID %d, epoch %d; want at least %d, the same, %d", n, state.HighID, state.Epoch, acked, epoch)
	}
	wantLines := make(map[[16]byte]uint64)
	var want []string
	for i := n - min(n, kept) + 1; i <= n; i++ {
		wantLines[[16]byte{byte(i % 5)}] = i
		want = append(want, fmt.Sprintf("entity %q@%d %d", strconv.FormatUint(i, 10), i, i*331%9000))
	}
	want = append(want, fmt.Sprintf("setting \"last\"@%d %d", n, n))
	slices.Sort(want)
	var got []string
	_, err := s.Load(t.Context(), 0, func(r store.Row) error {
		value := strconv.Itoa(len(r.Data))
		if r.Kind == store.Setting {
			value = string(r.Data)
		}
		got = append(got, fmt.Sprintf("%v@%d %s", r.Key, r.Commit, value))
		return nil
	})
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("after commit %d: %v\n got %q\nwant %q", n, err, got, want)
	}
	if !maps.Equal(state.Lines, wantLines) {
		t.Errorf("after commit %d: lines %v, want %v", n, state.Lines, wantLines)
	}
	if bad, err := s.Int("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); err != nil || bad != 0 {
		t.Errorf("after commit %d: integrity check finds %d faults, %v", n, bad, err)
	}
}

// What a Server that was killed has left in the log counts for the next one's
// checkpoint: without that the log would grow from one kill to the next, and so
// would the time that it takes to open the file.
func TestLogIsInherited(t *testing.T) {
	const size = 2 << 20 // less than starts a checkpoint
	dir := t.TempDir()
	path := filepath.Join(dir, "w.db")
	old := open(t, path)
	state := acquire(t, old)
	if err := old.Commit(t.Context(), state.Epoch, batch(1, "one", size)); err != nil {
		t.Fatal(err)
	}
	// The files as they are when it is killed now.
	after := filepath.Join(dir, "after.db")
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(after+end, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next := open(t, after)
	if state := acquire(t, next); state.Commit != 1 {
		t.Errorf("commit %d, want 1", state.Commit)
	}
	if got := next.Logged(); got < size {
		t.Errorf("%d bytes of log are counted, %d are there", got, size)
	}
}
