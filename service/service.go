package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Errors of a Group.
var (
	// ErrNameTaken is returned by Add for a name that another service has.
	// Choose another name or address.
	ErrNameTaken = errors.New("service: name is taken")

	// ErrUnknown is returned for a name that nobody added. See Status for the
	// names.
	ErrUnknown = errors.New("service: no such service")

	// ErrStopped is returned before the Group is started and after it was
	// stopped.
	ErrStopped = errors.New("service: the group does not run")
)

// A Service runs from its start to its end. Run returns nil once ctx is done;
// anything else, a panic included, is a failure, after which the service is
// started again: after a second, then after twice as long each time, up to a
// minute. Names are unique in a Group; "telnet:4000" is the form for those that
// listen.
type Service interface {
	Name() string
	Run(ctx context.Context) error
}

// An Opener is a Service that binds what it needs, such as a port, before Run:
// whether it could is then known when all have started. Open is called before
// each Run and does not wait for anything.
type Opener interface {
	Open(ctx context.Context) error
}

// An Addresser is a Service with an address for people to read. The method is
// called with locks held; it must return at once.
type Addresser interface {
	Addr() string
}

// Func returns the service of that name that runs f.
func Func(name string, f func(ctx context.Context) error) Service { return &funcService{name, f} }

type funcService struct {
	name string
	run  func(ctx context.Context) error
}

func (s *funcService) Name() string                  { return s.name }
func (s *funcService) Run(ctx context.Context) error { return s.run(ctx) }

// States of a service.
const (
	StateWaiting = "waiting" // added, not started yet
	StateRunning = "running"
	StateFailed  = "failed"  // tried again by itself
	StateStopped = "stopped" // by StopService, or the Group was stopped
)

// Status is the state of a service.
type Status struct {
	Name  string `json:"name"`
	Owner string `json:"owner"` // the plugin that added it, or "built-in"
	Addr  string `json:"addr,omitempty"`
	State string `json:"state"`
	Error string `json:"error,omitempty"` // why it failed, the last time it did
}

// PluginStatus says whether a plugin could be started.
type PluginStatus struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

// BuiltIn is the owner of services that no plugin has added.
const BuiltIn = "built-in"

const (
	firstRetry = time.Second
	lastRetry  = time.Minute // also how long a service runs until its failures are forgotten
)

// A Group has the services of a process. Its methods may be called from any
// goroutine.
type Group struct {
	log *slog.Logger

	running sync.WaitGroup

	mu       sync.Mutex
	ctx      context.Context // nil before Start
	cancel   context.CancelFunc
	stopping bool
	owner    string // who is adding services
	entries  []*entry
	plugins  []PluginStatus
}

// An entry is a service as its Group runs it. Its fields from state on are
// guarded by Group.mu.
type entry struct {
	s     Service
	name  string
	owner string
	state string
	err   error
	stop  context.CancelFunc // nil while it does not run
	done  chan struct{}      // closed when it has stopped
}

// NewGroup returns a Group without services. log may be nil, which means
// slog.Default().
func NewGroup(log *slog.Logger) *Group {
	if log == nil {
		log = slog.Default()
	}
	return &Group{log: log, owner: BuiltIn}
}

// Add adds a service. Before Start it waits for Start; afterwards it is started
// at once. It fails with ErrNameTaken, whose text names both owners, and with
// ErrStopped after Stop. A failure to open is no error of Add: see Status.
func (g *Group) Add(s Service) error {
	name := s.Name()
	g.mu.Lock()
	if g.stopping {
		g.mu.Unlock()
		return ErrStopped
	}
	if other := g.find(name); other != nil {
		owner := g.owner
		g.mu.Unlock()
		return fmt.Errorf("%w: %q of %s, added before by %s", ErrNameTaken, name, owner, other.owner)
	}
	e := &entry{s: s, name: name, owner: g.owner, state: StateWaiting}
	g.entries = append(g.entries, e)
	started := g.ctx != nil
	g.mu.Unlock()
	if started {
		g.start(e)
	}
	return nil
}

// find returns the entry of that name, or nil. g.mu is held.
func (g *Group) find(name string) *entry {
	for _, e := range g.entries {
		if e.name == name {
			return e
		}
	}
	return nil
}

// Plugin calls start, which adds services and belongs to the plugin of that
// name. If it fails or panics, what it has added is removed and the error names
// the plugin. It is called before Start, one plugin at a time.
func (g *Group) Plugin(name string, start func() error) error {
	owner := "plugin " + name
	g.mu.Lock()
	g.owner = owner
	g.mu.Unlock()
	err := Guard(start)
	g.mu.Lock()
	g.owner = BuiltIn
	st := PluginStatus{Name: name}
	if err != nil {
		st.Error = err.Error()
		kept := g.entries[:0]
		for _, e := range g.entries {
			if e.owner != owner {
				kept = append(kept, e)
			}
		}
		clear(g.entries[len(kept):])
		g.entries = kept
	}
	g.plugins = append(g.plugins, st)
	g.mu.Unlock()
	if err == nil {
		return nil
	}
	g.log.Error("plugin failed", "plugin", name, ErrAttr(err))
	return fmt.Errorf("plugin %q: %w", name, err)
}

// Start starts all services that were added, until ctx is done or Stop is
// called. The error names those that could not open; they are tried again. It
// is called once.
func (g *Group) Start(ctx context.Context) error {
	g.mu.Lock()
	g.ctx, g.cancel = context.WithCancel(ctx)
	entries := append([]*entry(nil), g.entries...)
	g.mu.Unlock()
	var errs []error
	for _, e := range entries {
		if err := g.start(e); err != nil {
			errs = append(errs, fmt.Errorf("service %q of %s: %w", e.name, e.owner, err))
		}
	}
	return errors.Join(errs...)
}

// Cancel tells all services to end, without waiting. None is started any more.
func (g *Group) Cancel() {
	g.mu.Lock()
	g.stopping = true
	cancel := g.cancel
	g.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// Stop is Cancel, and waits until all services have ended.
func (g *Group) Stop() {
	g.Cancel()
	g.running.Wait()
}

// StopService stops a service and waits for its end. It does nothing if the
// service does not run, and fails with ErrUnknown.
func (g *Group) StopService(name string) error {
	g.mu.Lock()
	e := g.find(name)
	if e == nil {
		g.mu.Unlock()
		return fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	stop, done := e.stop, e.done
	g.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	<-done
	return nil
}

// StartService starts a service that was stopped. It does nothing if it runs.
// It fails with ErrUnknown, ErrStopped, or with why the service cannot open; in
// that case it is tried again like any that fails.
func (g *Group) StartService(name string) error {
	g.mu.Lock()
	e := g.find(name)
	g.mu.Unlock()
	if e == nil {
		return fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	return g.start(e)
}

// start opens a service and has it run. It returns the error of the first
// attempt.
func (g *Group) start(e *entry) error {
	g.mu.Lock()
	if g.stopping || g.ctx == nil {
		g.mu.Unlock()
		return ErrStopped
	}
	if e.stop != nil {
		g.mu.Unlock()
		return nil
	}
	ctx, stop := context.WithCancel(g.ctx)
	e.stop, e.done = stop, make(chan struct{})
	// Under the lock, so that Stop, which sets stopping, waits for it.
	g.running.Add(1)
	g.mu.Unlock()

	err := g.open(ctx, e)
	go func() {
		defer g.running.Done()
		g.run(ctx, e, err)
		stop()
		g.mu.Lock()
		e.state, e.stop = StateStopped, nil
		close(e.done)
		g.mu.Unlock()
		g.log.Info("service stopped", "service", e.name)
	}()
	return err
}

// open makes a service ready and notes how that went.
func (g *Group) open(ctx context.Context, e *entry) error {
	err := Guard(func() error {
		if o, ok := e.s.(Opener); ok {
			return o.Open(ctx)
		}
		return nil
	})
	g.mu.Lock()
	if err == nil {
		e.state = StateRunning
	} else {
		e.state, e.err = StateFailed, err
	}
	st := e.status()
	g.mu.Unlock()
	if err != nil {
		g.log.Error("service failed", "service", e.name, "owner", e.owner, ErrAttr(err))
	} else {
		g.log.Info("service started", "service", e.name, "addr", st.Addr)
	}
	return err
}

// run runs a service until ctx is done. err is how it opened.
func (g *Group) run(ctx context.Context, e *entry, err error) {
	retry := firstRetry
	for {
		if err == nil {
			began := time.Now()
			err = Guard(func() error { return e.s.Run(ctx) })
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				err = errors.New("it ended without being told to")
			}
			if time.Since(began) >= lastRetry {
				retry = firstRetry
			}
			g.mu.Lock()
			e.state, e.err = StateFailed, err
			g.mu.Unlock()
			g.log.Error("service failed", "service", e.name, "owner", e.owner, "retry", retry, ErrAttr(err))
		}
		t := time.NewTimer(retry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		retry = min(2*retry, lastRetry)
		err = g.open(ctx, e)
	}
}

// status returns the state of e. Group.mu is held.
func (e *entry) status() Status {
	st := Status{Name: e.name, Owner: e.owner, State: e.state}
	if e.err != nil {
		st.Error = e.err.Error()
	}
	if a, ok := e.s.(Addresser); ok {
		// A panic would end the process as it starts; without it the address is
		// left out.
		_ = Guard(func() error { st.Addr = a.Addr(); return nil })
	}
	return st
}

// Status returns the state of all services, in the order in which they were
// added.
func (g *Group) Status() []Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Status, 0, len(g.entries))
	for _, e := range g.entries {
		out = append(out, e.status())
	}
	return out
}

// Plugins returns how the plugins started, in their order.
func (g *Group) Plugins() []PluginStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]PluginStatus{}, g.plugins...)
}
