package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mudlark.dev/bench/floor"
	"mudlark.dev/launch"
)

// floorNames are what "mudlark bench floor" serves.
const floorNames = "echo, relay, hall"

// runFloor is "mudlark bench floor NAME": it serves with a yardstick, says where and
// in which processes, and ends when its input does.
func runFloor(ctx context.Context, args []string, stdio launch.Stdio) error {
	if len(args) == 2 && args[0] == "back" { // of a relay, which has started it
		link, err := net.Dial("unix", args[1])
		if err != nil {
			return err
		}
		return floor.Relay{}.Back(ctx, link)
	}
	if len(args) != 1 {
		return &flagError{fmt.Errorf("bench floor takes one of %s", floorNames)}
	}
	var serve func(context.Context, net.Listener) error
	switch args[0] {
	case "echo":
		serve = floor.Echo{}.Serve
	case "hall":
		serve = floor.Hall{}.Serve
	case "relay":
		serve = nil
	default:
		return &flagError{fmt.Errorf("bench floor: %q is none of %s", args[0], floorNames)}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process at the latest
		io.Copy(io.Discard, stdio.In)
		cancel()
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	pids := strconv.Itoa(os.Getpid())
	if serve == nil {
		back, link, err := startBack(ctx)
		if err != nil {
			l.Close()
			return err
		}
		defer func() {
			link.Close()
			back.Wait()
		}()
		pids += " " + strconv.Itoa(back.Process.Pid)
		serve = func(ctx context.Context, l net.Listener) error { return floor.Relay{}.Front(ctx, l, link) }
	}
	fmt.Fprintf(stdio.Out, "%s at %s, processes %s\n", args[0], l.Addr(), pids)
	return serve(ctx, l)
}

// startBack starts the back of a relay as a process of its own.
func startBack(ctx context.Context) (*exec.Cmd, net.Conn, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "floor") // short, as the name of a socket has to be
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "link")
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	l.(*net.UnixListener).SetDeadline(time.Now().Add(patience))
	cmd := exec.Command(exe, "bench", "floor", "back", path)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	link, err := l.Accept()
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, nil, fmt.Errorf("the back of the relay does not come: %w", err)
	}
	return cmd, link, nil
}

// A yardstick is one at work in processes of its own.
type yardstick struct {
	addr string
	pids []int
	cmd  *exec.Cmd
	in   io.WriteCloser
}

// startYardstick starts "mudlark bench floor NAME" of the program exe.
func startYardstick(exe, name string) (*yardstick, error) {
	y := &yardstick{cmd: exec.Command(exe, "bench", "floor", name)}
	var errs bytes.Buffer
	y.cmd.Stderr = &errs
	y.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it ends with its input
	var err error
	if y.in, err = y.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := y.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := y.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	at, pids, ok := strings.Cut(strings.TrimSpace(line), ", processes ")
	_, y.addr, _ = strings.Cut(at, " at ")
	for pid := range strings.FieldsSeq(pids) {
		n, err := strconv.Atoi(pid)
		ok = ok && err == nil
		y.pids = append(y.pids, n)
	}
	if err != nil || !ok || y.addr == "" {
		y.end()
		return nil, fmt.Errorf("start the %s: it says %q: %w", name, line+errs.String(), errors.Join(err, errors.New("that is not where it is")))
	}
	return y, nil
}

// end ends the processes, and waits for them.
func (y *yardstick) end() {
	y.in.Close()
	t := time.AfterFunc(patience, func() { y.cmd.Process.Kill() })
	defer t.Stop()
	y.cmd.Wait()
}
