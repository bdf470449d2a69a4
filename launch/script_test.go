package launch_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mudlark.dev/command/builtin"
	"mudlark.dev/launch"
	"mudlark.dev/portal"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

// TestMain makes the program "mygame" for the scripts. Its Servers are this
// test binary as well.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mygame": func() { launch.Main(testGame()) },
	})
}

// testGame is a game of one room full of traps, with the plugin that
// MYGAME_PLUGIN asks for.
func testGame() launch.Game {
	game := launch.Game{Game: server.Game{
		Name: "My Game", Version: "1.2", CmdSets: append(builtin.Sets(), trapSet()),
		Build: func(w *world.World) error {
			room := w.NewRoom("Nowhere")
			w.SetStartRoom(room)
			return room.AddCmdSet("traps")
		},
		Typeclasses: []world.Typeclass{world.Class[Trap]("trap")},
		Timers:      map[string]world.TimerFunc{"fuse": burn},
		AtServerStart: func(*world.World, server.Mode) error {
			if armed("start") {
				os.Exit(3)
			}
			return nil
		},
	}}
	if os.Getenv("MYGAME_FALLS") != "" {
		game.AtServerStart = func(*world.World, server.Mode) error {
			time.AfterFunc(500*time.Millisecond, func() {
				fmt.Fprintln(os.Stderr, "error: the roof fell in")
				os.Exit(9)
			})
			return nil
		}
	}
	switch os.Getenv("MYGAME_PLUGIN") {
	case "dry": // fails once there is a file of that name
		game.Plugins = append(game.Plugins, portal.Plugin{Name: "lighthouse", Start: func(*portal.Portal) error {
			if _, err := os.Stat("dry"); err == nil {
				return errors.New("no lamp oil")
			}
			return nil
		}})
	case "fails":
		game.Plugins = append(game.Plugins, portal.Plugin{Name: "lighthouse", Start: func(*portal.Portal) error {
			return errors.New("no lamp oil")
		}})
	case "panics":
		game.Plugins = append(game.Plugins, portal.Plugin{Name: "lighthouse", Start: func(*portal.Portal) error {
			panic("the stairs are gone")
		}})
	}
	return game
}

func TestScripts(t *testing.T) {
	goEnv := map[string]string{}
	for _, key := range []string{"GOCACHE", "GOMODCACHE", "GOTOOLCHAIN", "GOFLAGS"} {
		out, err := exec.Command("go", "env", key).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", key, err)
		}
		goEnv[key] = strings.TrimSpace(string(out))
	}
	cmds := map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits":      cmdExits,
		"start":      cmdStart,
		"await":      cmdAwait,
		"end":        cmdEnd,
		"interrupt":  cmdInterrupt,
		"taken":      cmdTaken,
		"keep":       cmdKeep,
		"background": cmdBackground,
		"detached":   cmdDetached,
		"dial":       cmdDial,
		"say":        cmdSay,
		"hear":       cmdHear,
		"hold":       cmdHold,
		"release":    cmdRelease,
		"usurp":      cmdUsurp,
	}
	maps.Copy(cmds, systemCmds)
	maps.Copy(cmds, metricsCmds)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			for key, value := range goEnv {
				env.Setenv(key, value)
			}
			env.Setenv("MUDLARK_TELNET_LISTEN", "127.0.0.1:0")
			env.Setenv("MUDLARK_ADMIN_ADDR", "off")
			// The race detector lets each process sleep for a second at its end.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Values["procs"] = &procs{m: map[string]*proc{}}
			env.Values["ears"] = map[string]*ear{}
			env.Values["held"] = new(func() error)
			env.Defer(func() { env.Values["procs"].(*procs).killAll() })
			return nil
		},
		Cmds:                cmds,
		RequireExplicitExec: true,
	})
}

// cmdExits runs a command that must end with an exit code: exits 2 mygame bogus
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// patience is how long a script waits for something that does happen.
const patience = 30 * time.Second

type procs struct{ m map[string]*proc }

func (p *procs) killAll() {
	for _, pr := range p.m {
		pr.cmd.Process.Kill()
		<-pr.done
	}
}

// A proc is a program that runs while a script goes on. What it writes is in
// the files name.out and name.err, as complete lines.
type proc struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed at the next line, or at the end
	ended bool
}

// cmdStart starts a program and waits until a line that it writes matches:
// start game 'Press Ctrl-C' mygame run
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: start name regexp command...")
	}
	all := ts.Value("procs").(*procs)
	path, err := lookPath(ts.Getenv("PATH"), args[2])
	ts.Check(err)
	pr := &proc{cmd: exec.Command(path, args[3:]...), done: make(chan struct{}), more: make(chan struct{})}
	pr.cmd.Args[0] = args[2]
	pr.cmd.Dir = ts.MkAbs(".")
	for _, key := range []string{
		"PATH", "HOME", "TMPDIR", "XDG_DATA_HOME", "GOCACHE", "GOMODCACHE", "GOTOOLCHAIN", "GOFLAGS", "GORACE",
		"MUDLARK_TELNET_LISTEN", "MUDLARK_ADMIN_ADDR", "MUDLARK_FAILPOINT", "MYGAME_PLUGIN", "MYGAME_EXE",
	} {
		if v := ts.Getenv(key); v != "" {
			pr.cmd.Env = append(pr.cmd.Env, key+"="+v)
		}
	}
	var readers sync.WaitGroup
	for _, stream := range []struct {
		file string
		pipe func() (io.ReadCloser, error)
	}{{args[0] + ".out", pr.cmd.StdoutPipe}, {args[0] + ".err", pr.cmd.StderrPipe}} {
		r, err := stream.pipe()
		ts.Check(err)
		f, err := os.Create(ts.MkAbs(stream.file))
		ts.Check(err)
		readers.Go(func() {
			defer f.Close()
			pr.read(r, f)
		})
	}
	ts.Check(pr.cmd.Start())
	all.m[args[0]] = pr
	go func() {
		readers.Wait()
		pr.cmd.Wait()
		pr.mu.Lock()
		pr.ended = true
		close(pr.more)
		pr.mu.Unlock()
		close(pr.done)
	}()
	cmdAwait(ts, false, args[:2])
}

func lookPath(path, name string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		if fi, err := os.Stat(filepath.Join(dir, name)); err == nil && fi.Mode()&0o111 != 0 {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

func (pr *proc) read(r io.Reader, w io.Writer) {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		fmt.Fprintln(w, sc.Text())
		pr.mu.Lock()
		pr.lines = append(pr.lines, sc.Text())
		close(pr.more)
		pr.more = make(chan struct{})
		pr.mu.Unlock()
	}
}

// cmdAwait waits until a line of a program matches: await game 'is ready'
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await name regexp")
	}
	pr := ts.Value("procs").(*procs).m[args[0]]
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	timeout := time.After(patience)
	for seen := 0; ; {
		pr.mu.Lock()
		lines, more, ended := pr.lines, pr.more, pr.ended
		pr.mu.Unlock()
		for ; seen < len(lines); seen++ {
			if re.MatchString(lines[seen]) {
				return
			}
		}
		if ended {
			ts.Fatalf("%s ended without a line that matches %q; it wrote:\n%s", args[0], re, strings.Join(lines, "\n"))
		}
		select {
		case <-more:
		case <-timeout:
			ts.Fatalf("%s wrote no line that matches %q; it wrote:\n%s", args[0], re, strings.Join(lines, "\n"))
		}
	}
}

// cmdEnd waits for the end of a program, to which it sends signals first:
// end game 0 INT
func cmdEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: end name code signal...")
	}
	all := ts.Value("procs").(*procs)
	pr := all.m[args[0]]
	for _, name := range args[2:] {
		sig := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}[name]
		ts.Check(pr.cmd.Process.Signal(sig))
	}
	select {
	case <-pr.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end; it wrote:\n%s", args[0], strings.Join(pr.lines, "\n"))
	}
	delete(all.m, args[0])
	if got := strconv.Itoa(pr.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("exit code %s, want %s; it wrote:\n%s", got, args[1], strings.Join(pr.lines, "\n"))
	}
}

// cmdInterrupt sends a program what Ctrl-C does: interrupt game
func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: interrupt name")
	}
	ts.Check(ts.Value("procs").(*procs).m[args[0]].cmd.Process.Signal(syscall.SIGINT))
}

// cmdTaken listens at a free port and sets the variable to its address:
// taken ADDR
func cmdTaken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: taken variable")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// cmdKeep sets the variable to what the first group of the regexp matches in a
// file: keep PID stdout '"pid": (\d+)'
func cmdKeep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: keep variable file regexp")
	}
	re, err := regexp.Compile(args[2])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) < 2 {
		ts.Fatalf("nothing in %s matches %q", args[1], re)
	}
	ts.Setenv(args[0], m[1])
}
