package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/link"
	"mudlark.dev/link/unix"
	"mudlark.dev/portal"
)

// A starter builds and starts the Servers of a Portal: it is its
// portal.Starter.
type starter struct {
	dir     folder
	exe     string      // this program
	exeInfo fs.FileInfo // of exe as this process began; nil if it was gone by then
	common  []string    // arguments that this program, whatever its command, is started with
	args    []string    // what a Server is started with, beside its mode
	plugins []string    // of the Portal that runs
	name    string      // of the program, for people to type
	load    func() (*config.Config, error)
	log     *slog.Logger

	building chan struct{} // holds an element while there is a build; what is below belongs to it
	reload   config.Reload // as the configuration had it when it was last read without a problem

	mu     sync.Mutex
	built  string     // the binary of the last build; "" means this program's file
	note   string     // what is to be said of it
	procs  []*process // that have not ended, in the order of their starts
	before *program   // what played when the last build was made
}

var (
	_ portal.Starter  = (*starter)(nil)
	_ portal.Reverter = (*starter)(nil)
)

// A program is a binary that was started. Its file is kept open, so that it can be
// started again when another has taken its name.
type program struct {
	path  string
	file  *os.File
	users int // the process that runs it, and starter.before; starter.mu guards it
}

// use returns b with one more user; b may be nil.
func (b *program) use() *program {
	if b != nil {
		b.users++
	}
	return b
}

func (b *program) leave() {
	if b == nil {
		return
	}
	if b.users--; b.users == 0 {
		b.file.Close()
	}
}

// openProgram returns nil if the program cannot be gone back to.
func openProgram(path string) *program {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	return &program{path: path, file: f}
}

// run returns the path by which the program can be started, "" if there is none
// any more.
func (b *program) run() string {
	ours, err := b.file.Stat()
	if err != nil {
		return ""
	}
	if fi, err := os.Stat(b.path); err == nil && os.SameFile(fi, ours) {
		return b.path
	}
	if runtime.GOOS != "linux" {
		return ""
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), b.file.Fd())
}

// same reports whether two programs are one file.
func (b *program) same(o *program) bool {
	x, err1 := b.file.Stat()
	y, err2 := o.file.Stat()
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// Build makes the binary for the next Server, as the configuration says. A
// configuration that this binary cannot use is an error here, while the old
// Server plays on.
func (s *starter) Build(ctx context.Context) error {
	path, d, err := s.newest(ctx)
	if err != nil {
		return err
	}
	if err := s.fits(d); err != nil {
		discard(path)
		return err
	}
	note := ""
	if d != nil {
		if note = pluginNote(s.plugins, d.Plugins); note != "" {
			s.log.Warn("plugins differ", "note", note)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.built, s.note = path, note
	if len(s.procs) > 0 { // the first: another that is not dead yet was no good
		s.before.leave()
		s.before = s.procs[0].program.use()
	}
	return nil
}

// Revert implements portal.Reverter: what ran when the last build was made runs
// from the next Start on, until there is another build.
func (s *starter) Revert() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, tried := s.before, openProgram(s.binaryLocked())
	defer tried.use().leave()
	if b == nil || tried != nil && b.same(tried) {
		return false
	}
	path := b.run()
	if path == "" {
		return false
	}
	s.built, s.note = path, ""
	return true
}

// newest builds, as the configuration says, and returns the file that it made,
// or "" for this program's, and what that says of itself; nil if it is the
// program that runs. There is one build at a time; others wait.
func (s *starter) newest(ctx context.Context) (path string, d *description, err error) {
	select {
	case s.building <- struct{}{}:
		defer func() { <-s.building }()
	case <-ctx.Done():
		return "", nil, context.Cause(ctx)
	}
	// What is wrong with the configuration may be right for the new build, which
	// may have settings that this program does not know: it is asked below.
	conf, confErr := s.load()
	if confErr == nil {
		s.reload = conf.Reload
	}
	module, err := hasModule(s.dir)
	if err != nil {
		return "", nil, err
	}
	start := time.Now()
	built := true
	switch words := s.reload.Build; {
	case !s.reload.BuildSet && module:
		path, err = goBuild(ctx, s.dir)
	case len(words) > 0:
		err = runBuild(ctx, s.dir, words[0], words[1:]...)
	default:
		built = false
	}
	if err != nil {
		return "", nil, err
	}
	file := path
	if file == "" {
		file = s.deployed()
	}
	if d, err = s.inspect(ctx, file); err != nil {
		discard(path)
		return "", nil, err
	}
	if d == nil && confErr != nil {
		return "", nil, withHint(confErr, "%s", hintGoesOn)
	}
	if built {
		s.log.Info("game built", "file", file, "took", time.Since(start).Round(time.Millisecond))
	}
	return path, d, nil
}

// discard removes a build that is not used, so that it does not push out those
// that are. Nothing was built if path is "".
func discard(path string) {
	if path != "" {
		os.Remove(path) // what stays is removed with the next builds
	}
}

// binary is the file that the next Server runs.
func (s *starter) binary() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.binaryLocked()
}

func (s *starter) binaryLocked() string {
	if s.built != "" {
		return s.built
	}
	return s.deployed()
}

// deployed is this program's file. It may have been replaced, which is how a
// deployed game is reloaded, or be gone, as after "go run".
func (s *starter) deployed() string {
	if _, err := os.Stat(s.exe); errors.Is(err, fs.ErrNotExist) && runtime.GOOS == "linux" {
		return selfExe
	}
	return s.exe
}

// selfExe is this program on Linux (proc(5)), also when its file is gone.
const selfExe = "/proc/self/exe"

// Start starts a Server. ctx bounds the start and not the process.
func (s *starter) Start(ctx context.Context, mode link.Mode) (portal.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start server: %w", context.Cause(ctx))
	}
	out, err := openLog(s.dir.serverLog())
	if err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	defer out.Close()
	fi, err := out.Stat()
	if err != nil {
		return nil, fmt.Errorf("start server: log: %w", err)
	}
	// The Server holds the end to read of a pipe that nobody writes to: when it
	// ends, this process is gone, however it went.
	lifeline, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	defer lifeline.Close()

	binary := s.binary()
	args := append(slices.Clip(s.args), "--mode", mode.String())
	files := []*os.File{lifeline} // becomes lifelineFD
	page, err := newPage(s.dir.path("run"))
	if err != nil {
		s.log.Warn("what the Server dies of will not be known, and not be put aside", "err", err)
	} else {
		args, files = append(args, "--page"), append(files, page) // becomes pageFD
	}

	cmd := exec.Command(binary, args...)
	cmd.Args[0] = os.Args[0]
	cmd.Dir = string(s.dir)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = files
	// A group of its own: Ctrl-C in the terminal is for the Portal alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		ours.Close()
		page.Close() // of nil, too
		return nil, fmt.Errorf("start server: %w", err)
	}
	p := &process{cmd: cmd, lifeline: ours, page: page, started: time.Now(), log: s.dir.serverLog(), offset: fi.Size(), done: make(chan struct{})}
	p.program = openProgram(binary).use()
	s.mu.Lock()
	s.procs = append(s.procs, p)
	s.mu.Unlock()
	go func() {
		p.wait()
		s.removeSocket(p.PID())
		s.mu.Lock()
		s.procs = slices.DeleteFunc(s.procs, func(o *process) bool { return o == p })
		p.program.leave()
		s.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

// removeSocket removes what a Server that was killed leaves behind.
func (s *starter) removeSocket(pid int) {
	if path, err := unix.Path(s.dir.serverSocket(pid)); err == nil {
		os.Remove(path) // as a rule it is gone
	}
}

// started reports when the Server with this process ID was started.
func (s *starter) started(pid int) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		if p.PID() == pid {
			return p.started, true
		}
	}
	return time.Time{}, false
}

// kill ends all Servers, without any ceremony.
func (s *starter) kill() {
	s.mu.Lock()
	procs := slices.Clone(s.procs)
	s.mu.Unlock()
	for _, p := range procs {
		p.Kill()
	}
}

// lifelineFD is the first of exec.Cmd.ExtraFiles in the child.
const lifelineFD = 3

// A process is a Server that was started: a portal.Process.
type process struct {
	cmd      *exec.Cmd
	lifeline *os.File
	page     *os.File // nil: none
	started  time.Time
	program  *program // nil if its file could not be opened
	log      string   // the Server's log, and where its part begins
	offset   int64

	done chan struct{}
	exit portal.Exit // set before done is closed
	last lastUnit    // as exit
	byUs atomic.Bool // it was sent a signal
}

var _ portal.Process = (*process)(nil)

// wait takes the end of the process. It takes as long as that lives.
func (p *process) wait() {
	err := p.cmd.Wait()
	p.lifeline.Close()
	p.exit = portal.Exit{Code: -1, Text: lastWords(tail(p.log, p.offset)), ByUs: p.byUs.Load()}
	switch st := p.cmd.ProcessState; {
	case st == nil: // it could not be waited for
		p.exit.Text = err.Error()
	default:
		p.exit.Code = st.ExitCode()
		if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			p.exit.Signal = ws.Signal().String()
		}
	}
	p.takePage()
}

// PID implements portal.Process.
func (p *process) PID() int { return p.cmd.Process.Pid }

// Done implements portal.Process.
func (p *process) Done() <-chan struct{} { return p.done }

// Exit implements portal.Process.
func (p *process) Exit() portal.Exit {
	<-p.done
	return p.exit
}

// Dump has the Server write the stacks of its goroutines to its log; it ends
// by that.
func (p *process) Dump() error { return p.signal(syscall.SIGQUIT) }

// Kill ends the Server at once.
func (p *process) Kill() error { return p.signal(syscall.SIGKILL) }

func (p *process) signal(sig syscall.Signal) error {
	// os.Process knows when the process was waited for, and signals no other
	// that has got its number.
	p.byUs.Store(true)
	switch err := p.cmd.Process.Signal(sig); {
	case errors.Is(err, os.ErrProcessDone):
		return nil
	case err != nil:
		return fmt.Errorf("signal %v to server %d: %w", sig, p.PID(), err)
	}
	return nil
}
