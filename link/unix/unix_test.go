//go:build unix

package unix_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/link/linktest"
	"mudlark.dev/link/unix"
)

// TestMain also serves as the process that is killed after a write.
func TestMain(m *testing.M) {
	if path := os.Getenv("UNIX_TEST_WRITER"); path != "" {
		t, err := unix.Dialer(path).Dial(context.Background())
		if err != nil {
			panic(err)
		}
		if _, err := t.Write(bytes.Repeat([]byte("lark"), 25_000)); err != nil {
			panic(err)
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	os.Exit(m.Run())
}

func open(t *testing.T) (link.Listener, link.Dialer) {
	path := filepath.Join(t.TempDir(), "link.sock")
	l, err := unix.Listen(path)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	return l, unix.Dialer(path)
}

func TestContract(t *testing.T) { linktest.Run(t, open) }

func TestContractWithFaults(t *testing.T) {
	linktest.Run(t, func(t *testing.T) (link.Listener, link.Dialer) {
		l, d := open(t)
		return linktest.Wrap(l, d, linktest.Faults{Seed: 2, Split: true, Delay: 10 * time.Microsecond})
	})
}

func TestCut(t *testing.T) { linktest.RunCut(t, open) }

// The promise of link.Transport: what Write returned for is read, whatever
// happens to the writer.
func TestWrittenBeforeKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "link.sock")
	l, err := unix.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "UNIX_TEST_WRITER="+path)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tr, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	// The writer may only get rid of so much before somebody reads, so read
	// in parallel and judge by the sum.
	got, err := io.ReadAll(tr)
	cmd.Wait()
	if err != nil || len(got) != 100_000 {
		t.Errorf("read %d bytes, %v; want 100000 (writer said %q)", len(got), err, out.String())
	}
}

func TestListenPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	l, err := unix.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v, %v; want 0600", fi.Mode(), err)
	}
	if _, err := unix.Listen(path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second Listen = %v, want address in use", err)
	}
	l.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is there after Close: %v", err)
	}
}

func TestListenOverLeftovers(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: stale}); err != nil {
		t.Fatal(err)
	}
	syscall.Close(fd) // as after a kill: the file stays, nobody listens
	l, err := unix.Listen(stale)
	if err != nil {
		t.Fatalf("Listen over a stale socket: %v", err)
	}
	l.Close()

	file := filepath.Join(dir, "precious")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Listen(file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("Listen over a plain file = %v, want a refusal", err)
	}
	if b, _ := os.ReadFile(file); string(b) != "data" {
		t.Error("the plain file was touched")
	}
}

func TestLongPath(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 120), "link.sock")
	got, err := unix.Path(long)
	if err != nil || len(got) > 103 {
		t.Fatalf("Path = %q, %v; want a short one", got, err)
	}
	if again, _ := unix.Path(long); again != got {
		t.Errorf("Path gives %q, then %q", got, again)
	}
	dir := filepath.Dir(got)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Path(long); err == nil {
		t.Error("Path accepts a folder that others can open")
	}
}
