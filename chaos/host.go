package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mudlark.dev/failpoint"
	"mudlark.dev/launch"
)

// pointFile is where a Server finds its failpoints, in the game's folder.
const pointFile = "run/failpoint"

// A host is the game at play in its own processes.
type host struct {
	dir     string
	console string // the file with what the Portal's process prints
	addr    string // of telnet
	cmd     *exec.Cmd
	out     *os.File
	ended   chan struct{} // closed when the Portal's process has ended

	mu      sync.Mutex
	stopped int // the Server that a fault has stopped, if any
}

// A status is what is read of "status --json".
type status struct {
	Portal struct {
		PID int   `json:"pid"`
		RSS int64 `json:"rss_bytes"`
	} `json:"portal"`
	Server struct {
		PID   int    `json:"pid"`
		RSS   int64  `json:"rss_bytes"`
		State string `json:"state"`
		Cause string `json:"cause"`
	} `json:"server"`
	Sessions []struct {
		Account string `json:"account"`
	} `json:"sessions"`
	LastReload *struct {
		TookS float64 `json:"took_s"`
		Error string  `json:"error"`
	} `json:"last_reload"`
}

// startHost runs the program exe with the game of this package in dir until it can
// be played.
func startHost(ctx context.Context, exe, dir string, cfg Config) (*host, error) {
	h := &host{dir: dir, console: filepath.Join(dir, "console.txt"), ended: make(chan struct{})}
	args := []string{"run", "--dir", dir}
	for _, s := range []string{
		"telnet.listen=127.0.0.1:0", "admin.addr=off", "limits.messages_per_second=0", "limits.account_creations=0", "limits.login_failures=0",
		"limits.connections_per_second=0", "limits.connections_per_address=0", "server.hang=" + cfg.Hang.String(),
	} {
		args = append(args, "--set", s)
	}
	var err error
	if h.out, err = os.Create(h.console); err != nil {
		return nil, err
	}
	h.cmd = exec.Command(exe, args...)
	h.cmd.Env = append(os.Environ(), gameEnv+"="+strconv.Itoa(cfg.Objects), failpoint.Env+"=@"+pointFile)
	h.cmd.Stdout, h.cmd.Stderr = h.out, h.out
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process, which ends the game
	if err := h.cmd.Start(); err != nil {
		h.out.Close()
		return nil, fmt.Errorf("start the game: %w", err)
	}
	go func() {
		h.cmd.Wait()
		close(h.ended)
	}()
	at := regexp.MustCompile(`running at (127\.0\.0\.1:\d+)`)
	limit := patience + time.Duration(cfg.Objects)*time.Millisecond
	if !h.until(ctx, limit, func() bool {
		text, _ := os.ReadFile(h.console)
		if m := at.FindSubmatch(text); m != nil {
			h.addr = string(m[1])
		}
		return h.addr != "" && bytes.Contains(text, []byte("is ready"))
	}) {
		text, _ := os.ReadFile(h.console)
		h.kill()
		return nil, fmt.Errorf("the game cannot be played after %v; it says:\n%s", limit, bytes.TrimSpace(text))
	}
	return h, nil
}

// until polls for something outside this process. It ends early if the Portal does.
func (h *host) until(ctx context.Context, limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if ok() {
			return true
		}
		select {
		case <-h.ended:
			return false
		default:
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return false
		}
	}
	return false
}

// command runs a subcommand on the game, in this process.
func (h *host) command(ctx context.Context, args ...string) (string, error) {
	var out, errs bytes.Buffer
	code := launch.Run(ctx, Game(0), append(args, "--dir", h.dir), launch.Stdio{Out: &out, Err: &errs})
	if code != 0 {
		return out.String(), errors.New(strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

func (h *host) status(ctx context.Context) (st status, err error) {
	text, err := h.command(ctx, "status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &st)
	}
	return st, err
}

// server returns the process of the Server that plays, once one does that is not old.
func (h *host) server(ctx context.Context, old int, limit time.Duration) (int, error) {
	var st status
	var err error
	if h.until(ctx, limit, func() bool {
		st, err = h.status(ctx)
		return err == nil && st.Server.State == "attached" && st.Server.PID != old
	}) {
		return st.Server.PID, nil
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	select {
	case <-h.ended:
		return 0, fmt.Errorf("the Portal has ended: %v; %s says why", h.cmd.ProcessState, h.console)
	default:
	}
	if err != nil {
		return 0, fmt.Errorf("no Server plays after %v: status: %w", limit, err)
	}
	return 0, fmt.Errorf("no Server plays after %v: it is %s; %s", limit, st.Server.State, st.Server.Cause)
}

// arm has the next Server find failpoints.
func (h *host) arm(value string) error {
	path := filepath.Join(h.dir, pointFile)
	if err := os.WriteFile(path+".new", []byte(value), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// armed reports whether no Server has found them yet.
func (h *host) armed() bool {
	_, err := os.Stat(filepath.Join(h.dir, pointFile))
	return err == nil
}

func (h *host) disarm() { os.Remove(filepath.Join(h.dir, pointFile)) }

// stop stops a Server's process, and on has it go on.
func (h *host) stop(pid int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = pid
	return syscall.Kill(pid, syscall.SIGSTOP)
}

func (h *host) goOn(pid int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = 0
	return syscall.Kill(pid, syscall.SIGCONT)
}

// end stops the game in order, and returns what was wrong with that.
func (h *host) end(ctx context.Context) error {
	_, err := h.command(ctx, "stop")
	if !h.until(ctx, patience, func() bool { return false }) {
		select {
		case <-h.ended:
		default:
			err = errors.Join(err, fmt.Errorf("the game does not stop within %v", patience))
		}
	}
	h.kill()
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		err = errors.Join(err, fmt.Errorf("the game ended with exit code %d", code))
	}
	return err
}

// kill ends all that is left.
func (h *host) kill() {
	h.mu.Lock()
	if h.stopped != 0 {
		syscall.Kill(h.stopped, syscall.SIGCONT)
	}
	h.mu.Unlock()
	h.cmd.Process.Kill()
	<-h.ended
	h.out.Close()
}

// descriptors returns how many files a process has open, or -1 where that is not told.
func descriptors(pid int) int {
	list, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return -1
	}
	return len(list)
}
