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
	"syscall"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/link"
	"mudlark.dev/link/unix"
	"mudlark.dev/server"
	"mudlark.dev/store/sqlite"
)

const (
	// orphanPeriod is how long a Server may take to commit and end when its
	// Portal is gone.
	orphanPeriod = 30 * time.Second
	// inheritPeriod is how long a Server waits for the end of the one before.
	// Then it goes on: the store shuts the other one out.
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
	if flags.lifeline {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		watchLifeline(os.NewFile(lifelineFD, "lifeline"), cancel, log)
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
	if err := dir.create(); err != nil {
		return err
	}

	waitCtx, cancel := context.WithTimeout(ctx, inheritPeriod)
	lock, err := waitLock(waitCtx, dir.serverLock(), string(dir), thisProcess(time.Now()))
	cancel()
	var busy *busyError
	switch {
	case err == nil:
		defer lock.release()
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &busy):
		log.Warn("the Server before this one does not end", "pid", busy.holder.PID)
	default:
		return err
	}
	return a.serve(ctx, dir, conf, mode, firstPerm(a.game, flags.demo), log)
}

// serve opens the store and plays the game until the Portal says so.
func (a *app) serve(ctx context.Context, dir folder, conf *config.Config, mode link.Mode, perm string, log *slog.Logger) (err error) {
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
	s, err := server.New(server.Config{
		Game:             game,
		Dialer:           unix.Dialer(dir.link()),
		Store:            db,
		Mode:             mode,
		LoginFailures:    limitOf(conf.Limits.LoginFailures),
		AccountCreations: limitOf(conf.Limits.AccountCreations),
		Slow:             limitOf(conf.Server.Slow),
		PlainLogin:       conf.Telnet.PlainLogin,
		Settings:         conf.Own,
		Logger:           log,
	})
	if err != nil {
		return err
	}
	err = s.Run(ctx)
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
