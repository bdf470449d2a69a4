package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/markup"
	"mudlark.dev/message"
	"mudlark.dev/service"
	"mudlark.dev/world"
)

// host is what commands see of the running Server.
type host struct{ s *Server }

var _ command.Host = host{}

// newInterpreter compiles the game's cmdsets.
func newInterpreter(s *Server) (*command.Interpreter, error) {
	sets, err := command.NewSets(s.cfg.Game.Locks, s.cfg.Game.CmdSets...)
	if err != nil {
		return nil, fmt.Errorf("server: cmdsets: %w", err)
	}
	return command.New(command.Config{Sets: sets, Host: host{s}, Locks: s.cfg.Game.Locks, OnRun: s.meter.ran})
}

func (h host) HashPassword(ctx context.Context, pw string) (string, error) {
	hash, err := h.s.pool.hash(ctx, pw)
	return hash, hashError(err)
}

func (h host) CheckPassword(ctx context.Context, hash, pw string) (bool, error) {
	ok, err := h.s.pool.check(ctx, hash, pw)
	return ok, hashError(err)
}

// hashError is err in the words that a player is to read, if there are any.
func hashError(err error) error {
	if errors.Is(err, ErrHashesWait) {
		return errHashesWait
	}
	return err
}

// Services lists what the Portal runs, then what the Server does.
func (h host) Services(ctx context.Context) ([]command.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	reply, err := h.s.conn.Request(ctx, message.New("services"))
	if err != nil {
		return nil, fmt.Errorf("server: ask the portal for its services: %w", err)
	}
	out := servicesOf("portal", reply)
	for _, st := range h.s.serviceStatus() {
		out = append(out, command.Service{Side: "server", Name: st.Name, Address: st.Addr, State: st.State, Cause: st.Error})
	}
	return out, nil
}

// servicesOf reads the Portal's list.
func servicesOf(side string, m message.Message) []command.Service {
	list, _ := m.Kwargs["services"].([]any)
	var out []command.Service
	for _, v := range list {
		e, _ := v.(map[string]any)
		text := func(key string) string { s, _ := e[key].(string); return s }
		out = append(out, command.Service{
			Side: side, Name: text("name"), Address: text("address"), State: text("state"), Cause: text("error"),
		})
	}
	return out
}

// SetService starts or stops a service of the Portal.
func (h host) SetService(ctx context.Context, name string, on bool) error {
	set := h.s.services.StopService
	if on {
		set = h.s.services.StartService
	}
	if err := set(name); err == nil {
		return nil
	} else if !errors.Is(err, service.ErrUnknown) { // it cannot open
		return command.Errorf("%s", markup.Escape(err.Error()))
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := h.s.conn.Request(ctx, message.New("service", name, on)); err != nil {
		var refused *link.RequestError
		if errors.As(err, &refused) {
			return command.Errorf("%s", markup.Escape(refused.Text))
		}
		return fmt.Errorf("server: set service %q: %w", name, err)
	}
	return nil
}

// Client asks the Portal.
func (h host) Client(ctx context.Context, number uint64) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	reply, err := h.s.conn.Request(ctx, message.New("client", int64(number)))
	var refused *link.RequestError
	switch {
	case errors.As(err, &refused):
		return nil, command.Errorf("%s", markup.Escape(refused.Text))
	case err != nil:
		return nil, fmt.Errorf("server: ask the portal for a client: %w", err)
	}
	return reply.Kwargs, nil
}

func (h host) LoginAllowed(addr string) error {
	if d := h.s.logins.wait(h.s.world, addr); d > 0 {
		h.s.meter.throttled.Inc()
		return command.Errorf("Too many failed logins from your address. Please try again in %s.", inWords(d))
	}
	return nil
}

func (h host) LoginFailed(addr, account string) {
	h.s.meter.failed.Inc()
	h.s.log.Warn("login failed", "remote", addr, "account", account)
	h.counted(h.s.logins.count(h.s.world, addr))
}

func (h host) CreationAllowed(addr string) error {
	if d := h.s.creation.wait(h.s.world, addr); d > 0 {
		h.s.meter.creations.Inc()
		return command.Errorf("Too many accounts were created from your address. Please try again in %s.", inWords(d))
	}
	return nil
}

func (h host) Created(addr string) { h.counted(h.s.creation.count(h.s.world, addr)) }

// counted logs why a throttle could not count: it bounds itself, so that is a
// bug.
func (h host) counted(err error) {
	if err != nil {
		h.s.log.Error("attempts are not counted", "err", err)
	}
}

func (h host) Screen(s *world.Session) string {
	if f := h.s.cfg.Game.ScreenFunc; f != nil {
		return f(s)
	}
	return h.s.cfg.Game.Screen
}

func (h host) GameName() string  { return h.s.cfg.Game.Name }
func (h host) FirstPerm() string { return h.s.cfg.Game.FirstPerm }

// inWords tells a time to wait in whole minutes or seconds, rounded up.
func inWords(d time.Duration) string {
	n, unit := int((d+time.Minute-1)/time.Minute), "minute"
	if d < time.Minute {
		n, unit = int((d+time.Second-1)/time.Second), "second"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// escape makes what a client sent stand as it is in a text.
func escape(s string) string { return markup.Escape(s) }
