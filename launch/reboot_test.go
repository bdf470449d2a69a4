package launch

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestRebootOfAnotherProgram: what Run was called in is not to be replaced.
func TestRebootOfAnotherProgram(t *testing.T) {
	g := &running{}
	if ans := g.reboot(t.Context(), ""); ans.OK || ans.Error == "" || ans.Hint == "" {
		t.Errorf("reboot = %+v, want a refusal with a hint", ans)
	}
}

// TestStopWinsOverReboot: whoever wants the game to end gets that.
func TestStopWinsOverReboot(t *testing.T) {
	g := &running{}
	if !g.goOnWith("/new") || g.goesOnWith() != "/new" {
		t.Errorf("a reboot is not noted")
	}
	g.stops()
	if g.goesOnWith() != "" || g.goOnWith("/new") || g.goesOnWith() != "" {
		t.Errorf("after a stop the game goes on with %q", g.goesOnWith())
	}
}

// TestInheritLock: only the lock of this very file is taken over.
func TestInheritLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := tryLock(path, "/game", holder{PID: 7})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := l.keep()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(l.f.Fd())) // the program before would be gone
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	if key, _, _ := strings.Cut(kept, "="); key != lockEnv {
		t.Fatalf("keep = %q, want a value of %s", kept, lockEnv)
	}
	t.Setenv(lockEnv, strconv.Itoa(fd))
	l = inheritLock(path, holder{PID: 8})
	if who, held := whoHolds(path); l == nil || !held || who.PID != 8 {
		t.Fatalf("inheritLock = %v, held %t by %+v", l, held, who)
	}
	if os.Getenv(lockEnv) != "" {
		t.Error("those that are started would find the lock as well")
	}
	l.release()
	if _, held := whoHolds(path); held {
		t.Error("the lock is held after its release")
	}

	other, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, text := range []string{"", "x", "-1", "99999", strconv.Itoa(int(other.Fd()))} {
		t.Setenv(lockEnv, text)
		if l := inheritLock(path, holder{PID: 9}); l != nil {
			t.Errorf("the descriptor %q was taken for the lock", text)
		}
	}
	if _, err := other.Stat(); err != nil {
		t.Errorf("a descriptor of somebody else was closed: %v", err)
	}
}

// TestRebootFallsBack: if the new program cannot be executed, this one goes on,
// with the same arguments and the lock.
func TestRebootFallsBack(t *testing.T) {
	lock, err := tryLock(filepath.Join(t.TempDir(), "lock"), "/game", holder{PID: 7})
	if err != nil {
		t.Fatal(err)
	}
	own, err := ownFile()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	a := newApp(Game{}, Stdio{Err: &errs}, nil)
	var tried []string
	a.replace = func(path string, argv, env []string) error {
		tried = append(tried, path)
		if len(argv) != len(os.Args) || !strings.HasPrefix(env[len(env)-1], lockEnv+"=") {
			t.Errorf("%s would be executed with %q and %q last in its environment", path, argv, env[len(env)-1])
		}
		return syscall.ENOEXEC
	}
	err = a.reboot(&rebootError{next: "/new", lock: lock})
	if got, want := strings.Join(tried, " "), "/new "+own; got != want {
		t.Errorf("executed %s, want %s", got, want)
	}
	if err == nil || hintOf(err) == "" || !strings.HasPrefix(errs.String(), "error: reboot with /new: exec format error") {
		t.Errorf("reboot = %v, and wrote %q", err, errs.String())
	}
	if _, held := whoHolds(lock.f.Name()); held {
		t.Error("the lock is held by nobody's game")
	}
}
