package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/config"
	"mudlark.dev/link"
	"mudlark.dev/server"
	"mudlark.dev/store/sqlite"
)

// superuserPeriod is how long a Server may take to make a superuser; it may be
// just being replaced.
const superuserPeriod = time.Minute

// superuser makes an account with all powers, or gives them to one that exists.
func (a *app) superuser(ctx context.Context, name string, yes bool) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	conf, err := a.load(dir)
	if err != nil {
		return err
	}
	req := server.SuperuserRequest{Name: name}
	is, err := a.askSuperuser(ctx, dir, conf, req)
	if err != nil {
		return err
	}
	p := newPrompter(a.in, a.err)
	switch {
	case is.Superuser:
		fmt.Fprintf(a.out, "The account %s has all powers already.\n", is.Name)
		return nil
	case is.Exists:
		if !yes {
			if err := confirmPowers(ctx, p, is.Name); err != nil {
				return err
			}
		}
		req.Grant = true
	default:
		if req.Password, err = newPassword(ctx, p, req); err != nil {
			return err
		}
	}
	if is, err = a.askSuperuser(ctx, dir, conf, req); err != nil {
		return err
	}
	if req.Grant {
		fmt.Fprintf(a.out, "The account %s has all powers now.\n", is.Name)
	} else {
		fmt.Fprintf(a.out, "The account %s is made. It has all powers.\n", is.Name)
	}
	return nil
}

func confirmPowers(ctx context.Context, p *prompter, name string) error {
	if !p.terminal() {
		return withHint(fmt.Errorf("the account %s exists", name), "with --yes it gets all powers, and keeps its password")
	}
	text, err := p.ask(ctx, fmt.Sprintf("The account %s exists. Give it all powers? [y/N] ", name))
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}

// newPassword asks for the password of a new account: twice at a terminal, else
// once, as a line of its own.
func newPassword(ctx context.Context, p *prompter, req server.SuperuserRequest) (server.Secret, error) {
	read := p.line
	if p.terminal() {
		read = func(ctx context.Context) (string, error) {
			return p.askHidden(ctx, fmt.Sprintf("Choose a password for %s: ", req.Name))
		}
	}
	text, err := read(ctx)
	if errors.Is(err, io.ErrUnexpectedEOF) || err == nil && text == "" {
		return "", withHint(errors.New("no password was given"), "type it at the terminal, or write it as one line to the standard input")
	}
	if err != nil {
		return "", err
	}
	req.Password = server.Secret(text)
	if err := req.Check(); err != nil {
		return "", err
	}
	if p.terminal() {
		again, err := p.askHidden(ctx, "Once more, please: ")
		if err != nil {
			return "", err
		}
		if again != text {
			return "", command.Errorf("The two are not the same. Please start again.")
		}
	}
	return req.Password, nil
}

// askSuperuser has the request carried out: by the Server if the game runs, else
// here.
func (a *app) askSuperuser(ctx context.Context, dir folder, conf *config.Config, req server.SuperuserRequest) (server.SuperuserReply, error) {
	if err := req.Check(); err != nil {
		return server.SuperuserReply{}, err
	}
	if _, held := whoHolds(dir.lock()); !held {
		return a.superuserAtRest(ctx, dir, conf, req)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*superuserPeriod)
	defer cancel()
	ans, err := ask(ctx, dir, request{Op: opSuperuser, Superuser: &req})
	if err != nil {
		return server.SuperuserReply{}, err
	}
	if ans.Superuser == nil {
		return server.SuperuserReply{}, errors.New("the game gave an answer that does not say what it did")
	}
	return *ans.Superuser, nil
}

// superuser has the Server carry out a request.
func (g *running) superuser(ctx context.Context, req *server.SuperuserRequest) answer {
	if req == nil {
		return failure(errors.New("the request names no account"))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, superuserPeriod, fmt.Errorf("the Server did not answer for %v", superuserPeriod))
	defer cancel()
	m, err := g.portal.Request(ctx, req.Message())
	if refused, ok := errors.AsType[*link.RequestError](err); ok {
		return failure(errors.New(refused.Text))
	}
	if err != nil {
		return failure(withHint(err, "it may have been done or not: ask again, which does no harm"))
	}
	reply := server.ParseSuperuserReply(m)
	return answer{OK: true, PID: os.Getpid(), Superuser: &reply}
}

// superuserAtRest carries out a request while no game runs. The lock of the
// Server keeps one that is started meanwhile waiting.
func (a *app) superuserAtRest(ctx context.Context, dir folder, conf *config.Config, req server.SuperuserRequest) (reply server.SuperuserReply, err error) {
	if _, err := os.Stat(dir.database()); errors.Is(err, fs.ErrNotExist) && req.Password == "" && !req.Grant {
		return reply, nil // to look makes no world
	}
	if err := dir.create(); err != nil {
		return reply, err
	}
	lock, err := tryLock(dir.serverLock(), string(dir), thisProcess(time.Now()))
	if busy, ok := errors.AsType[*busyError](err); ok {
		return reply, withHint(fmt.Errorf("the world in %s is in use by process %d", dir, busy.holder.PID), "try again in a moment")
	}
	if err != nil {
		return reply, err
	}
	defer lock.release()
	logFile, err := openLog(dir.serverLog())
	if err != nil {
		return reply, err
	}
	defer logFile.Close()
	log := slog.New(slog.NewTextHandler(logFile, &slog.HandlerOptions{Level: conf.Log.Level}))
	db, err := sqlite.Open(ctx, sqlite.Config{Path: dir.database(), Durability: sqlite.Durability(conf.Store.Durability), Logger: log})
	if err != nil {
		return reply, fmt.Errorf("cannot open store: %w", err)
	}
	defer func() {
		if cerr := db.Close(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("close store: %w", cerr))
		}
	}()
	return server.MakeSuperuser(ctx, server.Config{Game: a.game.Game, Store: db, Settings: conf.Own, Logger: log}, req)
}
