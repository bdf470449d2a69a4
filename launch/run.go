package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/failpoint"
	"mudlark.dev/internal/gcpace"
	"mudlark.dev/link"
	"mudlark.dev/link/unix"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/portal/telnetd"
)

// errKilled is returned after the second Ctrl-C.
var errKilled = errors.New("killed: the players were not told, and what the Server had not stored is lost")

// A running is a game at play in this process: the Portal and what belongs to
// it.
type running struct {
	game    Game
	dir     folder
	demo    bool
	started time.Time
	portal  *portal.Portal
	starter *starter
	log     *slog.Logger
	out     io.Writer
	name    string // of the program, for people to type

	canReboot bool

	mu       sync.Mutex
	stopping bool   // a stop was asked for
	next     string // the program to go on with when the Portal has stopped; "" none
}

// runGame runs the game until ctx ends, somebody stops it, or all is killed. A
// reboot goes on in this process, with another program.
func (a *app) runGame(ctx context.Context, demo, background bool) error {
	a.slacken(ctx)
	err := a.runOnce(ctx, demo, background)
	if again, ok := errors.AsType[*rebootError](err); ok {
		return a.reboot(again)
	}
	return err
}

// runOnce is runGame up to a reboot, for which it returns a *rebootError when
// all that belonged to the game is closed but the lock of its folder.
func (a *app) runOnce(ctx context.Context, demo, background bool) (err error) {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	// A terminal or a pipe that is gone is no reason for the game to end: with
	// this, a write to it fails instead of killing the process.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	signal.Ignore(syscall.SIGXFSZ) // the same of a log that meets a limit on the size of files

	dir, err := a.gameFolder(demo)
	if err != nil {
		return err
	}
	if demo {
		a.game.Settings = demoSettings(a.game.Settings)
	}
	// A broken configuration starts nothing, and leaves no trace.
	conf, err := a.load(dir)
	if err != nil {
		return err
	}
	fails, err := failpoint.Read(os.Getenv(failpoint.Env), string(dir), false)
	if err != nil {
		return err
	}
	if err := dir.create(); err != nil {
		return err
	}
	started := time.Now()
	lock := inheritLock(dir.lock(), thisProcess(started))
	if lock == nil {
		if lock, err = tryLock(dir.lock(), string(dir), thisProcess(started)); err != nil {
			return err
		}
	}
	defer func() {
		if again, ok := errors.AsType[*rebootError](err); ok {
			again.lock = lock
		} else {
			lock.release()
		}
	}()

	dir.removeServerSockets()
	logFile, err := openLog(dir.portalLog())
	if err != nil {
		return err
	}
	defer logFile.Close()
	out, terminal := a.out, a.err
	if background {
		out, terminal = io.Discard, io.Discard // it is in the log
	}
	log := newLogger(logFile, terminal, conf.Log.Level)
	defer func() {
		if err != nil {
			log.Info("game ended", "err", err) // the terminal is told by whoever called
		} else {
			log.Info("game ended")
		}
	}()

	epoch, err := nextEpoch(dir.epoch())
	if err != nil {
		return err
	}
	links, err := unix.Listen(dir.link())
	if err != nil {
		return err
	}
	defer links.Close()
	asking, err := unix.Listen(dir.control())
	if err != nil {
		return err
	}
	defer asking.Close()

	game := a.game
	if conf.Game.Name != "" {
		game.Name = conf.Game.Name
	}
	g := &running{game: game, dir: dir, demo: demo, started: started, log: log, out: &lockedWriter{w: out}, name: a.name, canReboot: a.replace != nil}
	g.starter, err = a.starter(dir, conf.Reload, demo, log)
	if err != nil {
		return err
	}
	if g.portal, err = g.newPortal(conf, epoch, links, fails.Func()); err != nil {
		return err
	}
	log.Info("game starts", "game", game.Name, "version", game.Version, "folder", string(dir), "pid", os.Getpid(), "epoch", epoch)
	return g.play(ctx, a, asking)
}

// play runs the Portal and the control socket until the game ends.
func (g *running) play(ctx context.Context, a *app, asking *unix.Listener) error {
	ctl := &control{l: asking, handle: g.handle, log: g.log}
	a.atEnd = append(a.atEnd, ctl.release)

	defer context.AfterFunc(ctx, func() {
		fmt.Fprintln(g.out, "Stopping. Press Ctrl-C again to kill the game at once.")
	})()
	ended := make(chan error, 1)
	go func() {
		// While the Portal stops in order, which takes its time, it can still
		// be asked how it is.
		sideCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var side sync.WaitGroup
		side.Go(func() { ctl.serve(sideCtx) })
		side.Go(func() { g.announce(sideCtx) })
		side.Go(func() { gcpace.Rest(sideCtx) })
		err := g.portal.Run(ctx)
		cancel()
		side.Wait()
		ended <- err
	}()
	select {
	case err := <-ended:
		if next := g.goesOnWith(); err == nil && next != "" && ctx.Err() == nil {
			return &rebootError{next: next}
		}
		return err
	case <-a.kill:
		g.starter.kill()
		return errKilled
	}
}

// gameFolder returns the folder that the command is about. For a demo it is
// made when it is first used.
func (a *app) gameFolder(demo bool) (folder, error) {
	if !demo {
		return openFolder(a.dir)
	}
	dir := a.dir
	if !a.dirOK {
		var err error
		if dir, err = demoFolder(a.game.Name, os.Getenv); err != nil {
			return "", err
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("game folder %s: %w", dir, err)
	}
	return folder(abs), nil
}

// demoSettings are the settings of a demo, which is tried beside another game that has
// the usual port. What the game itself says goes before.
func demoSettings(own []config.Setting) []config.Setting {
	const key = "admin.addr"
	if slices.ContainsFunc(own, func(s config.Setting) bool { return s.Name == key }) {
		return own
	}
	return append(slices.Clip(own), config.Setting{Name: key, Default: "127.0.0.1:0"})
}

// load reads the settings of the game in dir. Each problem is an error of its
// own, for printError.
func (a *app) load(dir folder) (*config.Config, error) {
	conf, err := config.Load(config.Sources{Dir: string(dir), Environ: os.Environ(), Set: a.set, Game: a.game.Settings, Ignore: []string{failpoint.Env}})
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		return conf, err
	}
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = fmt.Errorf("%s: %s", p.Where, p.Text)
	}
	last := len(errs) - 1
	errs[last] = withHint(errs[last], "%s", problems.Hint())
	return nil, errors.Join(errs...)
}

// starter returns what starts the Servers of the game in dir. Each reads the
// configuration anew, so that a reload takes what has changed in it.
func (a *app) starter(dir folder, reload config.Reload, demo bool, log *slog.Logger) (*starter, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	exeInfo, err := os.Stat(exe)
	if err != nil {
		exeInfo = nil // what is there later is another one
	}
	common := []string{"--dir", string(dir)}
	for _, s := range a.set {
		common = append(common, "--set", s)
	}
	args := append([]string{"server", "--lifeline"}, common...)
	if demo {
		args = append(args, "--demo")
	}
	return &starter{
		dir: dir, exe: exe, exeInfo: exeInfo, common: common, args: args,
		plugins: pluginNames(a.game.Plugins), name: a.name, log: log, building: make(chan struct{}, 1), reload: reload,
		load: func() (*config.Config, error) { return a.load(dir) },
	}, nil
}

// limitOf translates a limit of the configuration, where 0 means off, to one
// of a Go struct, where 0 means the default and a negative number off.
func limitOf[T int | time.Duration](n T) T {
	if n == 0 {
		return -1
	}
	return n
}

func (g *running) newPortal(conf *config.Config, epoch uint64, links link.Listener, fail func(string)) (*portal.Portal, error) {
	gcpace.Keep(gcpace.Floor)
	p, err := portal.New(portal.Config{
		Name:  "portal",
		Game:  g.game.Name,
		Epoch: epoch,
		Limits: portal.Limits{
			ConnectionsPerSecond:  limitOf(conf.Limits.ConnectionsPerSecond),
			ConnectionsPerAddress: limitOf(conf.Limits.ConnectionsPerAddress),
			MessagesPerSecond:     limitOf(conf.Limits.MessagesPerSecond),
			LineBytes:             limitOf(conf.Limits.LineBytes),
		},
		RenderCache:    limitOf(conf.Portal.RenderCache),
		Strict:         conf.Portal.Strict,
		TrustedProxies: conf.Portal.TrustedProxies,
		Hang:           limitOf(conf.Server.Hang),
		Trial:          limitOf(conf.Reload.Trial),
		Logger:         g.log,
		Plugins:        g.game.Plugins,
		Settings:       conf.Own,
		OutputFuncs:    g.game.OutputFuncs,
		Listener:       links,
		Starter:        g.starter,
		Failpoint:      fail,
		OnStarted:      g.onStarted,
	})
	if err != nil {
		return nil, err
	}
	add := func(setting, entry string, listen func(addr string, pr portal.Protocol) portal.Service) error {
		addr, words := config.Port(entry)
		tn, err := g.telnet(conf, words)
		if err != nil {
			return withHint(fmt.Errorf("%s: %s: %w", setting, addr, err), "name an encoding that the game knows in telnet.charset")
		}
		if err := p.AddService(listen(addr, tn)); err != nil {
			return withHint(fmt.Errorf("%s: %w", setting, err), "name each port once")
		}
		return nil
	}
	for _, entry := range conf.Telnet.Listen {
		if err := add("telnet.listen", entry, func(addr string, pr portal.Protocol) portal.Service {
			return portal.Listen(telnetKey, addr, pr)
		}); err != nil {
			return nil, err
		}
	}
	cert := newCertificate(g.dir, conf.Telnet, g.log)
	for _, entry := range conf.Telnet.TLSListen {
		if err := add("telnet.tls_listen", entry, func(addr string, pr portal.Protocol) portal.Service {
			return &tlsService{portal.ListenTLS(telnetKey, addr, pr, cert.config()), cert}
		}); err != nil {
			return nil, err
		}
	}
	if conf.Admin.Addr != "" {
		if err := g.addAdmin(p, conf.Admin.Addr); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// telnet returns the protocol for a port at which these options are other.
func (g *running) telnet(conf *config.Config, words []string) (*telnetd.Protocol, error) {
	return telnetd.New(telnetd.Config{
		Logger: g.log, MSSP: g.game.MSSP, Charset: conf.Telnet.Charset,
		KeepAlive: limitOf(conf.Telnet.KeepAlive), Options: append(slices.Clip(conf.Telnet.Options), words...),
	})
}

// onStarted writes the first screen: what runs, where, and how to go on.
func (g *running) onStarted(st portal.Status) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", title(g.game.Name, g.game.Version))
	fmt.Fprintf(&b, "Folder:   %s\n", g.dir)
	fmt.Fprintf(&b, "Logs:     %s, %s\n", g.dir.portalLog(), g.dir.serverLog())
	var connect []string
	for _, s := range st.Services {
		fmt.Fprintf(&b, "Service:  %s, %s", s.Name, s.State)
		if s.Addr != "" {
			fmt.Fprintf(&b, " at %s", s.Addr)
		}
		if s.Error != "" {
			fmt.Fprintf(&b, ": %s", oneLine(s.Error))
		}
		fmt.Fprintln(&b)
		if text := connectText(s.Name, s.Addr); text != "" && s.State == portal.StateRunning {
			connect = append(connect, text)
		}
	}
	for _, p := range st.Plugins {
		if p.Error != "" {
			fmt.Fprintf(&b, "Plugin:   %s, failed: %s\n", p.Name, oneLine(p.Error))
		}
	}
	if len(connect) > 0 {
		fmt.Fprintf(&b, "Connect:  %s\n", strings.Join(connect, "  or  "))
	} else {
		fmt.Fprintf(&b, "Connect:  no telnet service runs\n")
	}
	if perm := firstPerm(g.game, g.demo); perm != "" {
		fmt.Fprintf(&b, "Account:  the first one to be created has the permission %s\n", perm)
	}
	fmt.Fprintf(&b, "Control:  %s status --dir %s (or reload, reset, stop)\n", g.name, quote(string(g.dir)))
	fmt.Fprintf(&b, "Press Ctrl-C to stop the game.\n")
	io.WriteString(g.out, b.String())
}

// announce tells the terminal when the game can be played for the first time.
func (g *running) announce(ctx context.Context) {
	// A request waits for a Server to attach.
	if _, err := g.portal.Request(ctx, message.New("status")); err != nil {
		return // the Portal stops; what keeps a Server from starting is logged there
	}
	fmt.Fprintln(g.out, "The game is ready.")
}

// telnetKey is the key of the telnet protocol and the head of its services'
// names.
const telnetKey = "telnet"

// connectText is what to type, or to tell a client, to connect to the service
// of that name at addr; "" if it is none of telnet.
func connectText(name, addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	switch {
	case strings.HasPrefix(name, telnetKey+":"):
		return "telnet " + host + " " + port
	case strings.HasPrefix(name, telnetKey+"s:"):
		return "telnets://" + net.JoinHostPort(host, port)
	}
	return ""
}

// firstPerm is the permission of a game's first account. Whoever tries a demo
// is to see all of it.
func firstPerm(game Game, demo bool) string {
	if demo && game.FirstPerm == "" {
		return "Developer"
	}
	return game.FirstPerm
}

// handle answers one request of the control socket.
func (g *running) handle(ctx context.Context, req request, tell func(string)) answer {
	switch req.Op {
	case opStatus:
		ctx, cancel := context.WithTimeout(ctx, statusPeriod)
		defer cancel()
		return answer{OK: true, Status: g.status(ctx)}
	case opReload, opReset:
		mode := link.ModeReload
		if req.Op == opReset {
			mode = link.ModeReset
		}
		start := time.Now()
		switch err := g.portal.RestartTelling(ctx, mode, req.Reason, tell); {
		case errors.Is(err, portal.ErrStopped):
			return failure(errStopping)
		case err != nil:
			return failure(err)
		}
		return answer{OK: true, PID: os.Getpid(), TookS: seconds(time.Since(start)), Note: g.starter.Note()}
	case opStop:
		g.log.Info("stop asked for", "reason", req.Reason)
		g.stops()
		g.portal.Shutdown(req.Reason)
		return answer{OK: true, PID: os.Getpid()}
	case opReboot:
		return g.reboot(ctx, req.Reason)
	case opSuperuser:
		return g.superuser(ctx, req.Superuser)
	case opTurns:
		t, err := g.askTurns(ctx)
		if err != nil {
			return failure(err)
		}
		return answer{OK: true, Turns: t}
	default:
		return answer{
			Error: fmt.Sprintf("unknown request %q", req.Op),
			Hint:  "the game runs another release of Mudlark; use the program that it was started with",
		}
	}
}

// restart asks for a reload or reset and waits for what comes of it.
func (a *app) restart(ctx context.Context, op, reason string) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	ans, err := askTelling(ctx, dir, request{Op: op, Reason: reason}, func(text string) { fmt.Fprintln(a.out, text) })
	if err != nil {
		return err
	}
	done := map[string]string{opReload: "reloaded", opReset: "reset"}[op]
	fmt.Fprintf(a.out, "The game is %s. It took %.3fs.\n", done, ans.TookS)
	if ans.Note != "" {
		fmt.Fprintln(a.out, ans.Note)
	}
	return nil
}

// stop asks for the game's end and waits for it.
func (a *app) stop(ctx context.Context, reason string) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	ans, err := ask(ctx, dir, request{Op: opStop, Reason: reason})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "The game has stopped. It was process %d.\n", ans.PID)
	return nil
}

// status asks the running game how it is.
func (a *app) status(ctx context.Context, asJSON bool) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	st, err := statusOf(ctx, dir)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(a.out, st)
	}
	return st.print(a.out)
}

// statusOf asks the game that runs in dir how it is.
func statusOf(ctx context.Context, dir folder) (*status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*statusPeriod)
	defer cancel()
	ans, err := ask(ctx, dir, request{Op: opStatus})
	if err != nil {
		return nil, err
	}
	if ans.Status == nil {
		return nil, errors.New("the game gave an answer without a status")
	}
	return ans.Status, nil
}

// thisProcess is what the holder of a lock tells of itself.
func thisProcess(since time.Time) holder {
	return holder{PID: os.Getpid(), Since: since.Truncate(time.Second), Command: strings.Join(os.Args, " ")}
}

// programName is what people type to start this program.
func programName() string {
	if info, ok := debug.ReadBuildInfo(); ok && byGoRun(os.Args[0]) {
		// What "go run" has built is gone or has another name the next time.
		return strings.TrimSuffix("go run ."+strings.TrimPrefix(info.Path, info.Main.Path), "/")
	}
	name := filepath.Base(os.Args[0])
	if _, err := exec.LookPath(name); err == nil || name == os.Args[0] {
		return name
	}
	return os.Args[0]
}

// byGoRun reports whether a program's file is one that "go run" has made.
func byGoRun(file string) bool {
	dir := filepath.Dir(file)
	return filepath.Base(dir) == "exe" && strings.Contains(dir, string(filepath.Separator)+"go-build") ||
		strings.Contains(dir, filepath.Join(".cache", "go-build"))
}

// A lockedWriter is written to by several goroutines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// quote makes one word of s for a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,@%:", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
