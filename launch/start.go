package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"mudlark.dev/portal"
)

const (
	// askAgain is how often a game that is being started is asked how it is.
	askAgain = 50 * time.Millisecond
	// waitUp is how long a process that was started may take until it holds the
	// lock of its folder. How long the Server may take after that is for the
	// Portal to say.
	waitUp = 30 * time.Second
	// stopPeriod is how long a game that could not be started may take to end
	// before it is killed. It is longer than all that the Portal waits for.
	stopPeriod = 45 * time.Second
)

// errGone is returned by awaitGame when the process is gone, or another one has
// the folder.
var errGone = errors.New("the process is gone")

// A notPlayingError says that the Portal is up and its first Server failed.
type notPlayingError struct{ cause string }

func (e *notPlayingError) Error() string { return "the Server does not start: " + e.cause }

// awaitGame waits until process pid runs the game in dir and its Server plays,
// and returns its status then. gone reports whether the process has ended.
func awaitGame(ctx context.Context, dir folder, pid int, gone func() bool) (*status, error) {
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	late := time.Now().Add(waitUp)
	for {
		st, err := statusOf(ctx, dir)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil && st.Portal.PID != pid:
			return nil, errGone // another one was quicker
		case err == nil && st.Server.Commit != nil: // it answers
			return st, nil
		case err == nil && st.Server.State != portal.StateAttached && st.Server.Cause != "":
			return nil, &notPlayingError{st.Server.Cause}
		case err != nil && gone():
			return nil, errGone
		}
		if _, held := whoHolds(dir.lock()); held {
			late = time.Now().Add(waitUp)
		} else if time.Now().After(late) {
			return nil, fmt.Errorf("process %d does not run the game after %v", pid, waitUp)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// start runs the game in the background and waits until it plays.
func (a *app) start(ctx context.Context) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	if a.running(dir) {
		return nil
	}
	// What is wrong with the configuration is better said here than by a
	// process that nobody sees.
	if _, err := a.load(dir); err != nil {
		return err
	}
	if err := dir.create(); err != nil {
		return err
	}
	p, err := a.spawn(dir)
	if err != nil {
		return err
	}
	st, err := awaitGame(ctx, dir, p.cmd.Process.Pid, p.gone)
	var failed *notPlayingError
	switch {
	case err == nil:
		st.printStarted(a.out, a.name, dir)
		return nil
	case errors.Is(err, errGone):
		p.stop() // it may be waiting for what another one has
		if a.running(dir) {
			return nil
		}
		words := lastWords(tail(dir.consoleLog(), p.offset))
		if words == "" {
			words = "it ended without a word"
		}
		return withHint(fmt.Errorf("the game does not start: %s", words), "see %s", dir.portalLog())
	case errors.As(err, &failed):
		p.stop()
		return withHint(fmt.Errorf("the game was stopped again: %w", err), "see %s", dir.serverLog())
	default:
		p.stop()
		return fmt.Errorf("the game was stopped again: %w", err)
	}
}

// running reports whether a process holds the game in dir, and says so.
func (a *app) running(dir folder) bool {
	who, held := whoHolds(dir.lock())
	if held {
		fmt.Fprintf(a.out, "The game in %s runs already: process %d, since %s.\n", dir, who.PID, who.Since.Local().Format(time.DateTime))
	}
	return held
}

// A background is a game that this process has started and will leave behind.
type background struct {
	cmd    *exec.Cmd
	offset int64         // where its part of the console log begins
	ended  chan struct{} // closed when it has ended and was waited for
}

// spawn starts "run" as a session of its own, so that it has no terminal and
// gets no signal from this one's.
func (a *app) spawn(dir folder) (*background, error) {
	exe, err := ownFile()
	if err != nil {
		return nil, err
	}
	console, err := openLog(dir.consoleLog())
	if err != nil {
		return nil, err
	}
	defer console.Close()
	fi, err := console.Stat()
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	args := []string{"run", "--background", "--dir", string(dir)}
	for _, s := range a.set {
		args = append(args, "--set", s)
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdout, cmd.Stderr = console, console // and the standard input is /dev/null
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	b := &background{cmd: cmd, offset: fi.Size(), ended: make(chan struct{})}
	go func() { // it ends with the game, or with this process
		b.cmd.Wait()
		close(b.ended)
	}()
	return b, nil
}

func (b *background) gone() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// stop ends the game that was started and waits for that.
func (b *background) stop() {
	b.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	t := time.AfterFunc(stopPeriod, func() { b.cmd.Process.Kill() })
	defer t.Stop()
	<-b.ended
}

// ownFile returns the file of this program to start it again.
func ownFile() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program's file: %w", err)
	}
	if _, err := os.Stat(exe); err != nil && runtime.GOOS == "linux" {
		return selfExe, nil
	}
	return exe, nil
}

// printStarted says what runs in the background and how to go on.
func (st *status) printStarted(w io.Writer, name string, dir folder) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s runs in the background as process %d.\n", title(st.Game, st.Version), st.Portal.PID)
	fmt.Fprintf(&b, "Folder:   %s\n", dir)
	var connect []string
	for _, s := range st.Portal.Services {
		if s.Error != "" {
			fmt.Fprintf(&b, "Service:  %s, %s: %s\n", s.Name, s.State, oneLine(s.Error))
		}
		if text := connectText(s.Name, s.Address); text != "" && s.State == portal.StateRunning {
			connect = append(connect, text)
		}
	}
	for _, p := range st.Portal.Plugins {
		if p.Error != "" {
			fmt.Fprintf(&b, "Plugin:   %s, failed: %s\n", p.Name, oneLine(p.Error))
		}
	}
	if len(connect) == 0 {
		connect = []string{"no telnet service runs"}
	}
	fmt.Fprintf(&b, "Connect:  %s\n", strings.Join(connect, "  or  "))
	fmt.Fprintf(&b, "Control:  %s status --dir %s (or logs, reload, stop)\n", name, quote(string(dir)))
	io.WriteString(w, b.String())
}
