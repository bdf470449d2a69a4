package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/failpoint"
	"mudlark.dev/inline"
	"mudlark.dev/link"
	"mudlark.dev/lock"
	"mudlark.dev/message"
	"mudlark.dev/service"
	"mudlark.dev/session"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// Errors that end Run or refuse a call.
var (
	// ErrStopped is returned by Do once the Server has ended. Nothing was run.
	ErrStopped = errors.New("server: stopped")
	// ErrPortalLost ends Run when the link breaks. What was not committed is
	// undone by the next start; the Portal, if it lives, sends those lines again.
	ErrPortalLost = errors.New("server: the link to the portal is lost")
	// ErrRefused ends Run when the Portal does not take this Server; the error
	// has the Portal's reason and hint.
	ErrRefused = errors.New("server: refused by the portal")
	// ErrProtocol ends Run when the Portal breaks the rules of link/SPEC.md.
	ErrProtocol = errors.New("server: the portal broke the protocol")
)

// A Game is what an author supplies. Its zero value is an empty game.
type Game struct {
	Name    string // shown to players and operators; "" means "Mudlark"
	Version string

	CmdSets          []*command.CmdSet           // all cmdsets by their names; "unloggedin", "session", "account" and "character" are the ones everybody has
	InputFuncs       []InputFunc                 // beside the built-in ones; one of the same name replaces it
	Values           []Value                     // what clients can ask for and have reported, beside the built-in ones; one of the same name replaces it
	Locks            lock.Funcs                  // lock functions; nil means lock.Default
	Timers           map[string]world.TimerFunc  // handlers of stored timers, by name
	Build            func(*world.World) error    // fills the world at the first start
	Typeclasses      []world.Typeclass           // beside the base classes; see world.Class
	Screen           string                      // the connection screen
	ScreenFunc       func(*world.Session) string // the connection screen where it is not always the same; it goes before Screen
	FirstPerm        string                      // permission of the first account that is created; "" none
	MultisessionMode int                         // 0 to 3
	Tags             map[string]string           // tags of the game's own, by what follows the bar: see markup.Tags
	Inline           map[string]inline.Func      // inline functions, beside the built-in ones
	InlineText       bool                        // inline functions are expanded in all texts, for each session: see Outgoing
	ServerPlugins    []Plugin                    // what the Server starts beside the game, in this order

	// AtServerStart is called when the world is loaded and every AtInit has
	// been, before anybody plays; AtServerStop before the Server ends, after
	// the AtServerReload or AtServerShutdown of every entity. why is ModeCold,
	// ModeReload, ModeReset or ModeCrash at the start, and ModeReload, ModeReset or
	// ModeShutdown at the end; a crash calls nothing. An error or panic is logged
	// and what was done is undone; the game goes on.
	AtServerStart func(w *world.World, why Mode) error
	AtServerStop  func(w *world.World, why Mode) error
}

// A Mode says why a Server starts or stops.
type Mode = link.Mode

// The modes.
const (
	ModeCold     = link.ModeCold     // nothing ran
	ModeReload   = link.ModeReload   // the Server is replaced
	ModeReset    = link.ModeReset    // the Server is replaced as if it had been stopped and started
	ModeCrash    = link.ModeCrash    // the Server before died
	ModeShutdown = link.ModeShutdown // the game is over
)

// Config has what a Server needs. Game, Dialer and Store are required.
type Config struct {
	Name   string // the Server's name at its Portal; "" means "server"
	Game   Game
	Dialer link.Dialer
	Store  store.Store // the Server uses it until Run returns, and with ErrStoreHangs after that; its owner closes it
	Mode   link.Mode   // why the Server starts, as far as it is known: the Portal says it when the Server may go on
	Logger *slog.Logger

	Settings map[string]string // the settings that the game declares itself; see Server.Setting

	// Page is memory in which the loop notes what it runs, for link.LastUnit,
	// that somebody can look at when this process is dead. It has link.PageSize
	// bytes or more and nobody else writes to it; nil: none. It is empty when Run
	// returns.
	Page []byte

	PlainLogin       bool          // programs may send passwords in messages without TLS
	LoginFailures    int           // failed logins per address within 5 minutes before more are refused; 0 means 5, negative no limit
	AccountCreations int           // accounts created per address within 10 minutes; 0 means 5, negative no limit
	Slow             time.Duration // a command that holds the loop longer is reported; 0 means 100ms, negative never
	SlowTurn         time.Duration // a turn that takes longer is kept for SlowTurns; 0 means DefaultSlowTurn, negative none is

	// Key computes the keys of passwords, for Keys of them at a time; others wait for
	// their turn. nil means two goroutines of this process, which are in the way of the
	// game while many log in. Keys below 1 means 1.
	Key  KeyFunc
	Keys int

	// Failpoint, if not nil, is called at each passage of the points of package
	// failpoint, by the goroutine that passes, so that a test can end the Server
	// there. It must not call the Server.
	Failpoint func(point string)
}

// A Server runs one game for one Portal. Make it with New, run it once with
// Run.
type Server struct {
	cfg     Config
	log     *slog.Logger
	started time.Time

	services *service.Group

	// Set by Run before the loop starts, then unchanged.
	world    *world.World
	commands *command.Interpreter
	inputs   map[string]*InputFunc
	values   map[string]*Value
	texts    texts
	packaged []*Value // those that have a package
	conn     *link.Conn
	portal   string // the Portal's name
	pool     *passwords
	logins   throttle
	creation throttle
	commits  *committer
	work     *workers
	meter    *meter // made by New

	// The loop's, for whoever holds the baton.
	seats      map[link.Index]*seat
	queues     [][]line // empty, for queues of seats
	bySession  map[*world.Session]*seat
	names      session.Names    // what many clients tell of themselves alike
	watches    map[*seat]*watch // of seats that have values reported
	stale      bool             // a reported value may have changed
	reportedAt time.Time        // when they were looked at last
	spare      []link.Frame     // empty: the inbox after the next
	runnable   []*seat          // seats with a line to run, in the order of their turn
	tasks      map[*task]struct{}
	lastTask   uint64
	timed      bool // the last event was due, not typed
	sleepers   sleepers
	woken      []*task // parked commands whose wait is over
	doomed     []*task // parked commands whose session has ended
	turn       turn
	gated      []gated    // what waits for a commit, in the order of their numbers
	assigned   uint64     // the last commit number given out
	ended      [][16]byte // sessions whose line numbers the store may forget with the next batch
	unread     uint64     // bytes of output that the Portal has not given back
	overdue    []*seat    // seats to disconnect at the turn's end: they do not read
	room       frameRoom
	drain      *link.Drain // set once the Server is to stop
	fatal      error       // why Run is to fail
	aside      aside       // what runs, and what is not to be run
	done       bool        // the loop has ended

	// Between the loop and others.
	mu     sync.Mutex
	inbox  []link.Frame  // read, not yet seen by the loop; bounded by the Portal's rings
	posted []func()      // finished work, Do
	lost   error         // why the link ended
	closed bool          // no more may be posted
	wake   chan struct{} // has room for one: something of the above is new
	stop   chan struct{} // closed when Run's context ends
	ending chan struct{} // closed when the loop has ended
	over   chan struct{} // closed when Run has ended
}

// Check reports all that is wrong with a game, as New would, so that it can be
// told before a Server is started: a build that cannot play is not worth a
// running game.
func (g Game) Check() error {
	_, err := New(Config{Game: g, Dialer: noDialer{}, Store: noStore{}, Logger: slog.New(slog.DiscardHandler)})
	return err
}

// noDialer and noStore stand for what Check has no use for.
type (
	noDialer struct{ link.Dialer }
	noStore  struct{ store.Store }
)

// New checks cfg and returns a Server that does nothing yet.
func New(cfg Config) (*Server, error) {
	var errs []error
	if cfg.Dialer == nil {
		errs = append(errs, errors.New("server: Config.Dialer is nil"))
	}
	if cfg.Store == nil {
		errs = append(errs, errors.New("server: Config.Store is nil"))
	}
	if cfg.Name == "" {
		cfg.Name = "server"
	}
	if cfg.Game.Name == "" {
		cfg.Game.Name = "Mudlark"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.LoginFailures == 0 {
		cfg.LoginFailures = 5
	}
	if cfg.AccountCreations == 0 {
		cfg.AccountCreations = 5
	}
	if cfg.Slow == 0 {
		cfg.Slow = 100 * time.Millisecond
	}
	if cfg.SlowTurn == 0 {
		cfg.SlowTurn = DefaultSlowTurn
	}
	if cfg.Game.Locks == nil {
		cfg.Game.Locks = lock.Default(lock.DefaultHierarchy())
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger,
		services:  service.NewGroup(cfg.Logger),
		pool:      newPasswords(cfg.Key, cfg.Keys),
		logins:    throttle{"throttle.logins", cfg.LoginFailures, 5 * time.Minute},
		creation:  throttle{"throttle.creations", cfg.AccountCreations, 10 * time.Minute},
		seats:     make(map[link.Index]*seat),
		bySession: make(map[*world.Session]*seat),
		watches:   make(map[*seat]*watch),
		tasks:     make(map[*task]struct{}),
		wake:      make(chan struct{}, 1),
		stop:      make(chan struct{}),
		aside:     aside{page: cfg.Page},
		ending:    make(chan struct{}),
		over:      make(chan struct{}),
	}
	var err error
	if s.inputs, err = inputTable(cfg.Game.InputFuncs); err != nil {
		errs = append(errs, err)
	}
	if s.values, err = valueTable(cfg.Game.Name, cfg.Game.Values); err != nil {
		errs = append(errs, err)
	}
	s.packaged = packagedValues(s.values)
	s.meter = newMeter(&s.cfg, s.inputs)
	if s.commands, err = newInterpreter(s); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, checkPlugins(cfg.Game.ServerPlugins))
	if s.texts, err = newTexts(&cfg.Game); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.newWorld(); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Run loads the world, attaches to the Portal and plays until the Portal says
// Drain or ctx ends; both commit all that was done, and Run returns nil. While it
// loads, another Server may play on the same store: Run takes the store over when
// the Portal says that that one is dead, and only then. It fails if the game cannot
// be loaded, if the Portal refuses it, with ErrPortalLost, with ErrReplaced, with an
// error of the store that is Final, or with ErrNotSaved. It is called once.
func (s *Server) Run(ctx context.Context) error {
	s.started = time.Now()
	defer link.ClearUnit(s.cfg.Page) // an end in order is no fault of what ran last
	defer s.services.Stop()          // after over: whoever waits in Do learns of it
	defer close(s.over)
	defer s.meter.flight.close()
	w, at, err := s.load(ctx)
	if err != nil {
		return err
	}
	t, err := s.cfg.Dialer.Dial(ctx)
	if err != nil {
		return fmt.Errorf("server: attach to the portal: %w", err)
	}
	s.conn = link.New(t, link.Config{Traffic: &s.meter.traffic})
	defer s.conn.Close()
	if err := s.awaitGo(ctx, at); err != nil {
		return err
	}
	state, err := s.takeOver(ctx, w, at)
	if err != nil {
		return err
	}
	seats, err := s.handshake(ctx, state)
	if err != nil {
		return err
	}
	s.assigned = state.Commit
	s.commits = newCommitter(s.cfg.Store, state.Epoch, state.Commit, s.conn, s.signal, s.log)
	s.commits.failpoint = s.cfg.Failpoint
	s.work = newWorkers(s.signal)
	s.meter.attached(s)

	var wg sync.WaitGroup
	wg.Go(s.read)
	commitCtx, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	go s.commits.run(commitCtx) // finish waits for it, unless the store hangs
	stopped := context.AfterFunc(ctx, func() { close(s.stop) })
	defer stopped()

	s.startPlugins()
	s.attach(state, seats)
	s.passes(failpoint.Attached)
	s.log.Info("server attached", "portal", s.portal, "mode", s.cfg.Mode, "epoch", state.Epoch, "commit", state.Commit, "sessions", len(seats))
	go s.loop()
	trimCtx, stopTrim := context.WithCancel(ctx)
	defer stopTrim()
	trimmed := make(chan struct{})
	go func() { // waited for below, unless the store hangs
		defer close(trimmed)
		// Nobody loads what was before this Server any more.
		if err := s.cfg.Store.Trim(trimCtx, state.Commit); err != nil && trimCtx.Err() == nil {
			s.log.Warn("old deletions are kept", "err", err)
		}
	}()
	// What cannot open is tried again; the log and the status say so.
	_ = s.services.Start(context.WithoutCancel(ctx))
	<-s.ending
	s.services.Cancel()

	stopTrim()
	s.work.close() // cancels what runs and waits for it
	err = s.finish(giveUp)
	s.conn.Close()
	wg.Wait()
	if !errors.Is(err, ErrStoreHangs) {
		<-trimmed
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return err
}

// finish commits what the loop left and tells the Portal that all is done.
func (s *Server) finish(giveUp context.CancelFunc) error {
	err := s.unsaved(s.commits.close(giveUp))
	s.runGated()
	if s.fatal != nil && !errors.Is(err, ErrNotSaved) {
		return s.fatal
	}
	if err != nil {
		return err
	}
	s.passes(failpoint.Drained)
	if err := s.conn.Send(&link.Drained{Commit: s.assigned}); err != nil {
		return nil // the Portal has gone as well: nobody to tell
	}
	if err := s.conn.Flush(); err != nil {
		s.log.Info("portal gone before the goodbye", "err", err)
	}
	return nil
}

// newWorld returns an empty world of the game.
func (s *Server) newWorld() (*world.World, error) {
	w, err := world.New(world.Config{
		Now:              time.Now,
		Rand:             rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		Locks:            s.cfg.Game.Locks,
		Timers:           s.cfg.Game.Timers,
		Typeclasses:      s.cfg.Game.Typeclasses,
		Inline:           s.cfg.Game.Inline,
		Tags:             s.texts.tags,
		MultisessionMode: s.cfg.Game.MultisessionMode,
		Logger:           s.log,
	})
	if err != nil {
		return nil, fmt.Errorf("server: world: %w", err)
	}
	return w, nil
}

// A Server that loads catches up with the one that plays until it has at most
// fewRows to load, but not more than catchUps times: one that changes faster than
// it is read would never be ready.
const (
	catchUps = 5
	fewRows  = 200
)

// load makes a world of what is in the store. It may be behind by the time that it
// is to be played, so nothing of it is tied together yet.
func (s *Server) load(ctx context.Context) (w *world.World, at uint64, err error) {
	if w, err = s.newWorld(); err != nil {
		return nil, 0, err
	}
	start := time.Now()
	rows := 0
	at, err = s.cfg.Store.Load(ctx, 0, func(r store.Row) error {
		rows++
		return w.LoadRecord(world.RecordKind(r.Kind), r.ID, r.Data)
	})
	// What has changed meanwhile is loaded while the other Server still plays, so
	// that little is left for when nobody does.
	for range catchUps {
		if err != nil {
			break
		}
		changed := 0
		if at, err = s.catchUp(ctx, w, at, &changed); changed <= fewRows {
			break
		}
		rows += changed
	}
	if err != nil {
		return nil, 0, fmt.Errorf("server: load world: %w", err)
	}
	w.PrepareLoad()
	s.log.Info("world loaded", "rows", rows, "commit", at, "took", time.Since(start))
	return w, at, nil
}

// awaitGo tells the Portal that the world is loaded, as it was at a commit, and
// waits until this Server may take the store over.
func (s *Server) awaitGo(ctx context.Context, at uint64) error {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() }) // ends Recv
	defer stop()
	f, err := s.greet(&link.ServerHello{Version: link.Version, Server: s.cfg.Name, Mode: s.cfg.Mode, Commit: at})
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("server: attach to the portal: %w", err)
	}
	switch f := f.(type) {
	case *link.Go:
		s.cfg.Mode = f.Mode
		return nil
	case *link.Refuse:
		return refused(f)
	}
	return fmt.Errorf("%w: %T in answer to a hello", ErrProtocol, f)
}

func (s *Server) greet(hello *link.ServerHello) (link.Frame, error) {
	if err := s.conn.Send(hello); err != nil {
		return nil, err
	}
	return s.conn.Recv()
}

func refused(f *link.Refuse) error {
	return fmt.Errorf("%w: %s (%s)", ErrRefused, f.Reason, f.Hint)
}

// takeOver takes the store, after which no other Server can write to it, and brings
// the world that was loaded at a commit up to date. No hook of the game runs
// before that.
func (s *Server) takeOver(ctx context.Context, w *world.World, at uint64) (store.State, error) {
	start := time.Now()
	state, err := s.cfg.Store.Acquire(ctx)
	if err != nil {
		return state, fmt.Errorf("server: open store: %w", err)
	}
	acquired := time.Now()
	rows := 0
	if state.Commit != at {
		_, err = s.catchUp(ctx, w, at, &rows)
		if errors.Is(err, store.ErrTrimmed) || errors.Is(err, store.ErrGap) {
			// What was deleted since is not known, or the store is another one by
			// now: all of it anew.
			s.log.Warn("world is loaded once more", "commit", at, "err", err)
			if w, err = s.newWorld(); err == nil {
				_, err = s.catchUp(ctx, w, 0, &rows)
			}
		}
		if err != nil {
			return state, fmt.Errorf("server: load world: %w", err)
		}
	}
	loaded := time.Now()
	w.SetHighID(state.HighID)
	report, err := w.FinishLoad()
	if err != nil {
		return state, fmt.Errorf("server: load world: %w", err)
	}
	for _, p := range report.Problems {
		s.log.Warn("loaded with a problem", "err", p)
	}
	s.log.Info("world taken over", "entities", report.Entities, "commit", state.Commit, "behind", state.Commit-min(at, state.Commit), "rows", rows,
		"took", time.Since(start), "acquire", acquired.Sub(start), "load", loaded.Sub(acquired))
	s.world = w
	return state, nil
}

// catchUp loads what was changed after a commit on top of what was loaded at it, and
// adds how many rows that is to n.
func (s *Server) catchUp(ctx context.Context, w *world.World, since uint64, n *int) (at uint64, err error) {
	return s.cfg.Store.Load(ctx, since, func(r store.Row) error {
		*n++
		if r.Deleted() {
			return w.UnloadRecord(world.RecordKind(r.Kind), r.ID)
		}
		return w.LoadRecord(world.RecordKind(r.Kind), r.ID, r.Data)
	})
}

// handshake follows link/SPEC.md, section 2, and returns the Portal's seats.
func (s *Server) handshake(ctx context.Context, state store.State) ([]*link.Seat, error) {
	// A context that ends meanwhile ends the link, and with it Recv.
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	if err := s.conn.Send(&link.ServerHello{
		Version: link.Version, Server: s.cfg.Name, Epoch: state.Epoch, Mode: s.cfg.Mode, Commit: state.Commit,
	}); err != nil {
		return nil, fmt.Errorf("server: attach to the portal: %w", err)
	}
	var seats []*link.Seat
	for {
		f, err := s.conn.Recv()
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, fmt.Errorf("server: attach to the portal: %w", err)
		}
		switch f := f.(type) {
		case *link.Refuse:
			return nil, refused(f)
		case *link.PortalHello:
			if f.Version != link.Version {
				return nil, fmt.Errorf("%w: the portal speaks version %d of the link, this server %d: build both from one release, then restart the portal", ErrRefused, f.Version, link.Version)
			}
			s.portal = f.Portal
		case *link.Aside:
			s.aside.takeAside(f.Unit)
		case *link.Seat:
			seats = append(seats, f)
		case *link.Synced:
			return seats, nil
		default:
			return nil, fmt.Errorf("%w: %T during the handshake", ErrProtocol, f)
		}
	}
}

// read takes frames off the link for the loop. It never waits for the loop.
func (s *Server) read() {
	var lot []link.Frame // what has come together: the loop is woken once for it
	for {
		f, err := s.conn.Recv()
		if err == nil {
			lot = append(lot, f)
			if len(lot) < turnEvents && s.conn.Buffered() {
				continue
			}
		}
		s.mu.Lock()
		s.inbox = append(s.inbox, lot...)
		if err != nil {
			s.lost = err
		}
		s.mu.Unlock()
		s.signal()
		if err != nil {
			return
		}
		clear(lot)
		lot = lot[:0]
	}
}

// passes tells a test that a point is passed.
func (s *Server) passes(point string) {
	if f := s.cfg.Failpoint; f != nil {
		f(point)
	}
}

// signal wakes the loop if it waits.
func (s *Server) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// post has fn run on the loop. It reports whether the loop will: it does not
// once it has ended.
func (s *Server) post(fn func()) bool {
	s.mu.Lock()
	ok := !s.closed
	if ok {
		s.posted = append(s.posted, fn)
	}
	s.mu.Unlock()
	s.signal()
	return ok
}

// Do runs fn on the Server's loop and waits until what it changed is in the
// store. It returns ErrStopped if the Server ends first, in which case fn's
// changes may be lost, ErrAside if fn was not run, or the error of a fn that
// panicked, whose changes are undone. If ctx ends first, fn may still run later. Game code that runs on the
// loop has the world already and no Server to call Do on.
func (s *Server) Do(ctx context.Context, fn func(*world.World)) error {
	done := make(chan error, 1)
	ok := s.post(func() {
		err := s.protect("do "+funcName(fn), func() error { fn(s.world); return nil })
		s.turn.after = append(s.turn.after, func() { done <- err })
		s.turn.worked = true
	})
	if !ok {
		return ErrStopped
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.over:
		select {
		case err := <-done:
			return err
		default:
			return ErrStopped
		}
	}
}

// answer handles a Request of the Portal, on the loop.
func (s *Server) answer(r *link.Request) {
	reply := &link.Reply{ID: r.ID}
	switch r.Message.Name {
	case "status":
		reply.Message = s.statusMessage()
	case superuserRequest:
		s.answerSuperuser(r)
		return
	default:
		reply.Err = fmt.Sprintf("the server knows no request %q", r.Message.Name)
	}
	if err := s.conn.Send(reply); err != nil {
		s.log.Debug("reply not sent", "err", err)
	}
}

func (s *Server) statusMessage() message.Message {
	players := 0
	for _, seat := range s.seats {
		if seat.session.Account() != nil {
			players++
		}
	}
	services := []any{
		map[string]any{"name": "link", "address": s.portal, "state": "running"},
		map[string]any{"name": "store", "address": s.commits.where, "state": s.commits.state()},
	}
	for _, st := range s.serviceStatus() {
		services = append(services, map[string]any{"name": st.Name, "address": st.Addr, "state": st.State, "error": st.Error})
	}
	return message.New("status").
		With("pid", int64(os.Getpid())).
		With("uptime_s", int64(time.Since(s.started)/time.Second)).
		With("players", int64(players)).
		With("entities", int64(s.world.Len())).
		With("commit", int64(s.assigned)).
		With("services", services)
}
