package sqlite_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// What a process that a test starts is to do, and with which file.
const (
	jobEnv     = "MUDLARK_TEST_JOB"
	jobFileEnv = "MUDLARK_TEST_JOB_FILE"
)

// doJob is what such a process does. It says on its standard output how far it is,
// a line each, and waits for lines on its standard input.
func doJob(job, path string) error {
	if job == "stopped" {
		return stoppedJob(path)
	}
	return systemJobs[job](path)
}

// A worker is a process that does a job.
type worker struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// startJob starts a process. Change may be nil.
func startJob(t *testing.T, job, path string, change func(*exec.Cmd)) (*worker, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), jobEnv+"="+job, jobFileEnv+"="+path)
	cmd.Stderr = os.Stderr
	if change != nil {
		change(cmd)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &worker{t, cmd, in, bufio.NewScanner(out)}, nil
}

// line returns the next line that the process says.
func (w *worker) line() string {
	w.t.Helper()
	if !w.lines.Scan() {
		w.t.Fatalf("the process has ended: %v, %v", w.lines.Err(), w.cmd.Wait())
	}
	return w.lines.Text()
}

// expect fails unless the next line has want in it.
func (w *worker) expect(want string) {
	w.t.Helper()
	if got := w.line(); !strings.Contains(got, want) {
		w.t.Fatalf("the process said %q, want %q", got, want)
	}
}

// goOn lets the process go on that waits for a line.
func (w *worker) goOn() {
	w.t.Helper()
	if _, err := io.WriteString(w.in, "\n"); err != nil {
		w.t.Fatal(err)
	}
}

// awaitStop waits until the process is stopped by a signal.
func (w *worker) awaitStop() {
	w.t.Helper()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(w.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() {
		w.t.Fatalf("the process is not stopped: %v, %v", ws, err)
	}
}

func (w *worker) signal(s syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		w.t.Fatal(err)
	}
}
