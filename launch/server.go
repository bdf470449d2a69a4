package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/failpoint"
	"mudlark.dev/internal/gcpace"
	"mudlark.dev/link"
	"mudlark.dev/link/unix"
	"mudlark.dev/server"
	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
)

const (
	// orphanPeriod is how long a Server may take to commit and end when its
	// Portal is gone.
	orphanPeriod = 30 * time.Second
	// inheritPeriod is how long a Server that its Portal has told to go on waits
	// for the lock of the one before, which is dead by the Portal's word. Then it
	// goes on: the store shuts the other one out.
	inheritPeriod = 10 * time.Second
	// maxDump bounds what is written of the stacks of a Server that hangs.
	maxDump = 64 << 20
)

// errPortalGone is the cause of the end of a Server whose Portal has ended.
var errPortalGone = errors.New("the Portal has ended")

// errQuit is what a Server says at last that was asked for its stacks.
var errQuit = errors.New("ended by SIGQUIT: the stacks of its goroutines are in its log")

// childFlags are the flags of the server command.
type childFlags struct {
	mode     string
	lifeline bool
	page     bool
	demo     bool
}

// runServer is the Server's process. Its standard error is the Server's log,
// whose last lines are what the Portal shows of it if it fails.
func (a *app) runServer(ctx context.Context, flags childFlags) error {
	mode, err := parseMode(flags.mode)
	if err != nil {
		return err
	}
	// A limit on the size of files (ulimit -f) is to be an error of the write that
	// meets it: the store waits then. The signal's default is death.
	signal.Ignore(syscall.SIGXFSZ)
	go dumpOnQuit(a.err)
	level := new(slog.LevelVar) // Info, until the settings are read
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
	// What the Portal has left open for this process is not for those it starts.
	syscall.CloseOnExec(lifelineFD)
	syscall.CloseOnExec(pageFD)
	if flags.lifeline {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		watchLifeline(os.NewFile(lifelineFD, "lifeline"), cancel, log)
	}
	if flags.page {
		if a.page, err = mapPage(os.NewFile(pageFD, "page")); err != nil {
			log.Warn("what this Server dies of will not be known, and not be put aside", "err", err)
		}
	}
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	conf, err := a.load(dir)
	if err != nil {
		return err
	}
	level.Set(conf.Log.Level)
	fails, err := failpoint.Read(os.Getenv(failpoint.Env), string(dir), true)
	if err != nil {
		return err
	}
	if err := dir.create(); err != nil {
		return err
	}

	lock := &serverLock{path: dir.serverLock(), dir: string(dir), log: log}
	defer lock.release()
	if !flags.lifeline {
		// Typed by hand. Whoever plays this world already is to go on playing it.
		if err := lock.take(); err != nil {
			return err
		}
	}
	a.keys = hashers(runtime.GOMAXPROCS(0), runtime.NumCPU())
	if mode == link.ModeReload || mode == link.ModeReset {
		// Another Server plays while this one loads.
		lock.threads = runtime.GOMAXPROCS(1)
	}
	a.fail = fails.Func()
	return a.serve(ctx, dir, conf, mode, firstPerm(a.game, flags.demo), lock, log)
}

// A serverLock is the lock of the one Server that plays a world.
type serverLock struct {
	path, dir string
	log       *slog.Logger
	lock      *fileLock
	threads   int // that the process may use once it plays; 0 if it does already
}

// take takes the lock, or fails with a *busyError.
func (l *serverLock) take() (err error) {
	l.lock, err = tryLock(l.path, l.dir, thisProcess(time.Now()))
	return err
}

// await is called when this Server is to play: it takes the lock if it has not yet.
func (l *serverLock) await(ctx context.Context) error {
	if l.threads > 0 {
		runtime.GOMAXPROCS(l.threads)
	}
	if l.lock != nil {
		return nil
	}
	waitCtx, cancel := context.WithTimeout(ctx, inheritPeriod)
	defer cancel()
	lock, err := waitLock(waitCtx, l.path, l.dir, thisProcess(time.Now()))
	var busy *busyError
	switch {
	case err == nil:
		l.lock = lock
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &busy):
		l.log.Warn("the Server before this one does not end", "pid", busy.holder.PID)
	default:
		return err
	}
	return nil
}

func (l *serverLock) release() {
	if l.lock != nil {
		l.lock.release()
	}
}

// A lockedStore takes the lock of the Server before its store.
type lockedStore struct {
	store.Store
	lock *serverLock
}

// Acquire implements store.Store.
func (s lockedStore) Acquire(ctx context.Context) (store.State, error) {
	if err := s.lock.await(ctx); err != nil {
		return store.State{}, err
	}
	return s.Store.Acquire(ctx)
}

// serve opens the store and plays the game until the Portal says so.
func (a *app) serve(ctx context.Context, dir folder, conf *config.Config, mode link.Mode, perm string, lock *serverLock, log *slog.Logger) (err error) {
	gcpace.Keep(gcpace.Floor)
	resting, stop := context.WithCancel(ctx)
	var rest sync.WaitGroup
	rest.Go(func() { gcpace.Rest(resting) })
	defer rest.Wait()
	defer stop()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: dir.database(), Durability: sqlite.Durability(conf.Store.Durability), Logger: log})
	if err != nil {
		return fmt.Errorf("cannot open store: %w", err)
	}
	defer func() {
		if errors.Is(err, server.ErrStoreHangs) {
			return // so would this
		}
		if cerr := db.Close(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("close store: %w", cerr))
		}
	}()
	game := a.game.Game
	game.FirstPerm = perm
	if conf.Game.Name != "" {
		game.Name = conf.Game.Name
	}
	hash, err := newHashers(log)
	if err != nil {
		return err
	}
	defer hash.Close()
	s, err := server.New(server.Config{
		Game:             game,
		Key:              hash.Key,
		Keys:             a.keys,
		Dialer:           unix.Dialer(dir.link()),
		Store:            lockedStore{db, lock},
		Mode:             mode,
		LoginFailures:    limitOf(conf.Limits.LoginFailures),
		AccountCreations: limitOf(conf.Limits.AccountCreations),
		Slow:             limitOf(conf.Server.Slow),
		SlowTurn:         limitOf(conf.Server.SlowTurn),
		PlainLogin:       conf.Telnet.PlainLogin,
		Settings:         conf.Own,
		Page:             a.page,
		Logger:           log,
		Failpoint:        a.fail,
	})
	if err != nil {
		return err
	}
	sideCtx, endSide := context.WithCancel(context.WithoutCancel(ctx))
	var side sync.WaitGroup
	side.Go(func() { a.serveServer(sideCtx, dir.serverSocket(os.Getpid()), s, log) })
	err = s.Run(ctx)
	endSide()
	side.Wait()
	if errors.Is(err, server.ErrPortalLost) && errors.Is(context.Cause(ctx), errPortalGone) {
		return nil // the link and the lifeline ended with the same process
	}
	return err
}

func parseMode(name string) (link.Mode, error) {
	for _, m := range []link.Mode{link.ModeCold, link.ModeReload, link.ModeReset, link.ModeCrash} {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, &usageError{err: fmt.Errorf("--mode %q is no way to start a Server", name), hint: "the Portal starts the Server by itself: use the command run"}
}

// watchLifeline calls cancel when the pipe that the Portal holds ends. A Server
// that cannot commit and end after that is of no use to anybody and in the way
// of the next one.
func watchLifeline(f *os.File, cancel context.CancelCauseFunc, log *slog.Logger) {
	go func() {
		io.Copy(io.Discard, f) // an error is an end as well
		log.Info("the Portal has ended")
		cancel(errPortalGone)
		time.AfterFunc(orphanPeriod, func() {
			log.Error("the Server does not end without its Portal", "after", orphanPeriod)
			os.Exit(exitFailed)
		})
	}()
}

// dumpOnQuit ends the process at SIGQUIT with the stacks of its goroutines, as
// Go does by itself. Go leaves out the stack of a goroutine that is running,
// which is the very one that hangs; stopping the world first gets them all.
func dumpOnQuit(w io.Writer) {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	<-quit
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= maxDump {
			fmt.Fprintf(w, "SIGQUIT: the stacks of all goroutines\n\n%s\n", buf[:n])
			printError(w, errQuit) // last, for the Portal to find
			os.Exit(exitUsage)     // 2, as Go does
		}
		buf = make([]byte, 2*len(buf))
	}
}
