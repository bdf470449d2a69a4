package launch_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// systemCmds are commands of the scripts that not every system has.
var systemCmds = map[string]func(ts *testscript.TestScript, neg bool, args []string){"typing": cmdTyping}

// openTerminal returns both ends of a new terminal: pts(4).
func openTerminal(ts *testscript.TestScript) (master, slave *os.File) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	ts.Check(err)
	ts.Check(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	ts.Check(err)
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	ts.Check(err)
	return master, slave
}

// cmdTyping runs a program at a terminal of its own. The lines of a file that
// begin with "<" are waited for, those that begin with ">" are typed; "> ^C" is
// Ctrl-C. All that the terminal showed is then in the file "screen":
// typing 0 dialogue mygame superuser Ada
func cmdTyping(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: typing code file command...")
	}
	master, slave := openTerminal(ts)
	defer master.Close()
	path, err := lookPath(ts.Getenv("PATH"), args[2])
	ts.Check(err)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	ts.Check(err)

	cmd := exec.Command(path, args[3:]...)
	cmd.Args[0] = args[2]
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "GORACE="+ts.Getenv("GORACE"), "MUDLARK_TELNET_LISTEN="+ts.Getenv("MUDLARK_TELNET_LISTEN"), "MUDLARK_ADMIN_ADDR=off")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // Ctrl-C goes to it
	ts.Check(cmd.Start())
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()

	var screen bytes.Buffer
	shown := make(chan []byte, 10000)
	go func() {
		defer close(shown)
		for {
			buf := make([]byte, 1024)
			n, err := master.Read(buf) // EIO when nobody has the other end open
			if err != nil {
				return
			}
			shown <- buf[:n]
		}
	}()
	seen := 0
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		kind, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if kind == ">" {
			if text == "^C" {
				text = "\x03"
			} else {
				text += "\n"
			}
			_, err := master.WriteString(text)
			ts.Check(err)
			continue
		}
		for !strings.Contains(screen.String()[seen:], text) {
			b, ok := <-shown
			if !ok {
				ts.Fatalf("the terminal does not show %q; it shows:\n%s", text, screen.String())
			}
			screen.Write(b)
		}
		seen += strings.Index(screen.String()[seen:], text) + len(text)
	}
	err = cmd.Wait()
	after, stateErr := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	ts.Check(stateErr)
	slave.Close()
	for b := range shown {
		screen.Write(b)
	}
	ts.Check(os.WriteFile(ts.MkAbs("screen"), screen.Bytes(), 0o600))
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s; the terminal shows:\n%s", code, args[0], screen.String())
	}
	if *after != *before {
		ts.Fatalf("the terminal was left as %+v, was %+v", after, before)
	}
}
