package bench

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
	"syscall"
	"time"

	"mudlark.dev/launch"
)

// patience is for what must come; it is no measure of speed.
const patience = 60 * time.Second

// A host is the game of this package at play in its own processes.
type host struct {
	dir     string
	console string // the file with what the Portal's process prints
	addr    string // of telnet
	cmd     *exec.Cmd
	out     *os.File
	ended   chan struct{} // closed when the Portal's process has ended
}

// startHost runs the program exe with the game of this package in dir until it can
// be played.
func startHost(ctx context.Context, exe, dir string, rooms int, set []string) (*host, error) {
	h := &host{dir: dir, console: filepath.Join(dir, "console.txt"), ended: make(chan struct{})}
	args := []string{"run", "--dir", dir}
	for _, s := range append([]string{
		"telnet.listen=127.0.0.1:0", "admin.addr=off", "limits.messages_per_second=0", "limits.account_creations=0", "limits.login_failures=0",
		"limits.connections_per_second=0", "limits.connections_per_address=0",
	}, set...) {
		args = append(args, "--set", s)
	}
	var err error
	if h.out, err = os.Create(h.console); err != nil {
		return nil, err
	}
	h.cmd = exec.Command(exe, args...)
	h.cmd.Env = append(os.Environ(), gameEnv+"="+strconv.Itoa(rooms))
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
	if !h.until(ctx, patience, func() bool {
		text, _ := os.ReadFile(h.console)
		if m := at.FindSubmatch(text); m != nil {
			h.addr = string(m[1])
		}
		return h.addr != "" && bytes.Contains(text, []byte("is ready"))
	}) {
		h.kill()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("the game that bench starts cannot be played; it says: %s", h.said())
	}
	return h, nil
}

// said is what the Portal's process has printed, its last part.
func (h *host) said() string {
	text, _ := os.ReadFile(h.console)
	text = bytes.TrimSpace(text)
	return string(text[max(0, len(text)-1000):])
}

// until polls for something outside this process. It ends early if the Portal does.
func (h *host) until(ctx context.Context, limit time.Duration, ok func() bool) bool {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if ok() {
			return true
		}
		select {
		case <-h.ended:
			return false
		case <-ctx.Done():
			return false
		case <-t.C:
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

// processes returns the processes of Portal and Server.
func (h *host) processes(ctx context.Context) (portal, server int, err error) {
	var st struct {
		Portal struct {
			PID int `json:"pid"`
		} `json:"portal"`
		Server struct {
			PID int `json:"pid"`
		} `json:"server"`
	}
	text, err := h.command(ctx, "status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &st)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("ask the game for its processes: %w", err)
	}
	return st.Portal.PID, st.Server.PID, nil
}

// end stops the game in order, and kills it if that does not work.
func (h *host) end(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	_, err := h.command(ctx, "stop")
	h.until(ctx, patience, func() bool { return false })
	h.kill()
	return err
}

// kill ends what is left. The Server ends with its Portal.
func (h *host) kill() {
	h.cmd.Process.Kill()
	<-h.ended
	h.out.Close()
}
