package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// A rebootError ends the run of a game that is to go on with another program in
// the same process.
type rebootError struct {
	next string
	lock *fileLock // of the folder, which goes on being held
}

func (e *rebootError) Error() string { return "the game is rebooted with " + e.next }

// errStopping is the answer to who asks for something else.
var errStopping = errors.New("the game is being stopped or rebooted")

// What players read when they are disconnected by a reboot.
const (
	textReboot       = "The game is being rebooted. Please connect again in a moment."
	textRebootReason = "The game is being rebooted: %s. Please connect again in a moment."
)

// reboot builds, and has the Portal stop so that the new program can take its
// place. It answers when that is decided.
func (g *running) reboot(ctx context.Context, reason string) answer {
	if !g.canReboot {
		return failure(withHint(errors.New("the game runs inside another program, which a reboot would replace"), "stop it there and start it again"))
	}
	g.log.Info("reboot asked for", "reason", reason)
	next, _, err := g.starter.newest(ctx)
	if err != nil {
		g.log.Error("game not rebooted", "err", err)
		return failure(err)
	}
	if next == "" {
		next = g.starter.deployed()
	}
	if !g.goOnWith(next) {
		return failure(errStopping)
	}
	text := textReboot
	if reason != "" {
		text = fmt.Sprintf(textRebootReason, reason)
	}
	g.portal.Shutdown(text)
	return answer{OK: true, PID: os.Getpid()}
}

// stops notes that the game is to end, whatever else was asked for.
func (g *running) stops() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopping, g.next = true, ""
}

// goOnWith notes the program that is to follow this one. It reports false if the
// game is to end.
func (g *running) goOnWith(next string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.stopping {
		g.next = next
	}
	return !g.stopping
}

func (g *running) goesOnWith() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.next
}

// reboot puts the new program in the place of this one. All of this one's files
// are closed by that, since Go opens them so, but for the lock of the folder. If
// the new program cannot be executed, this one starts again instead. It returns
// only if neither can.
func (a *app) reboot(e *rebootError) error {
	defer e.lock.release()
	env := os.Environ()
	if kept, err := e.lock.keep(); err == nil {
		env = append(env, kept)
	} else { // the new program takes it anew
		printError(a.err, err)
		e.lock.release()
	}
	err := a.replace(e.next, os.Args, env)
	printError(a.err, fmt.Errorf("reboot with %s: %w", e.next, err))
	self, selfErr := ownFile()
	if selfErr == nil {
		selfErr = a.replace(self, os.Args, env)
	}
	return withHint(fmt.Errorf("reboot: %w", cmp.Or(selfErr, err)), "the game has stopped; start it again")
}

// askReboot asks for a reboot and waits until the game plays again.
func (a *app) askReboot(ctx context.Context, reason string) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	begun := time.Now()
	ans, err := ask(ctx, dir, request{Op: opReboot, Reason: reason})
	if err != nil {
		return err
	}
	_, err = awaitGame(ctx, dir, ans.PID, func() bool { return errors.Is(syscall.Kill(ans.PID, 0), syscall.ESRCH) })
	var failed *notPlayingError
	switch {
	case err == nil:
		fmt.Fprintf(a.out, "The game is rebooted. It took %.3fs.\n", seconds(time.Since(begun)))
		return nil
	case errors.As(err, &failed):
		return withHint(fmt.Errorf("the game is rebooted, but %w", err), "it is tried again and again: see %s", dir.serverLog())
	case errors.Is(err, errGone):
		return withHint(errors.New("the game has stopped and did not come back"), "see %s, and what it wrote at its terminal or to %s", dir.portalLog(), dir.consoleLog())
	default:
		return fmt.Errorf("the game was rebooted: %w", err)
	}
}
