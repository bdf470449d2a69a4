package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A Config says what a run does. The zero value of a field is its default.
type Config struct {
	Addr     string        // of a game that runs, as host:port; "" starts one of this package
	Remote   bool          // Addr may be another machine's
	Mix      string        // what players type: names with commas between, or "all"; "" means look
	Clients  int           // players; 0 means 50, at most 20,000
	Room     int           // players in one room, in the game of this package; 0 means 10
	Idle     int           // players beside them who log in and then do nothing
	Storm    int           // players who log in at once, in the mix login; 0 means as many as Clients
	Rate     float64       // lines a second of all players together, in an open loop; 0 is a closed loop
	Duration time.Duration // of what counts; 0 means 10s, at most 1h
	Warmup   time.Duration // before it; 0 means 2s, negative none
	Timeout  time.Duration // what is not answered for so long is lost, and a login after six times that is an error; 0 means 10s
	Ramp     float64       // connections made in a second; 0 means 500, negative no bound but 16 that log in at once
	Seed     uint64        // the times of an open loop follow from it
	Sources  int           // different addresses of 127.0.0.0/8 to connect from; negative one for each player; 0 leaves it to the system
	Quick    bool          // all mixes for a moment with few players, instead of Mix, Clients, Rate and the times
	PIDs     []int         // processes to watch, beside those of a game that was started
	Set      []string      // settings of the game that is started, as key=value
	Exe      string        // a program whose main calls Playing; "" means this one
	Name     string        // the beginning of the players' names; "" means Bench
	Progress io.Writer     // what goes on, for people; nil discards

	dialect *dialect      // nil is the usual one
	settle  time.Duration // how long all are left alone before the memory of idle players is read, before they have come and after; 0: not at all
}

const (
	maxClients  = 20000          // and as many idle ones
	maxPlayers  = 3 * maxClients // with those of a storm
	maxDuration = time.Hour
	lookupTime  = 10 * time.Second
)

// A plan is one mix that is run.
type plan struct {
	mix  mix
	rate float64
}

// A hintError is an error with what to do about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }

func withHint(err error, format string, args ...any) error {
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// check fills in the defaults and returns what is to be run.
func (c *Config) check() ([]plan, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Quick {
		c.Mix, c.Clients, c.Room, c.Storm, c.Idle, c.Rate = "all", 6, 3, 3, 2, 0
		c.Duration, c.Warmup = 400*time.Millisecond, 50*time.Millisecond
	}
	whole := func(name string, v *int, usual, most int) {
		if *v == 0 {
			*v = usual
		}
		if *v < 1 || *v > most {
			bad("--%s: %d is not 1 to %d", name, *v, most)
		}
	}
	whole("clients", &c.Clients, 50, maxClients)
	whole("room", &c.Room, 10, maxClients)
	whole("storm", &c.Storm, max(1, c.Clients), maxClients)
	if c.Idle < 0 || c.Idle > maxClients {
		bad("--idle: %d is not 0 to %d", c.Idle, maxClients)
	}
	span := func(name string, v *time.Duration, usual, least time.Duration) {
		if *v == 0 {
			*v = usual
		}
		if *v < least || *v > maxDuration {
			bad("--%s: %v is not %v to %v", name, *v, least, maxDuration)
		}
	}
	if c.Warmup < 0 {
		c.Warmup = time.Nanosecond
	}
	span("duration", &c.Duration, 10*time.Second, 100*time.Millisecond)
	span("warmup", &c.Warmup, 2*time.Second, 0)
	span("timeout", &c.Timeout, 10*time.Second, 100*time.Millisecond)
	if !(c.Rate >= 0 && c.Rate <= 1e6) {
		bad("--rate: %v is not 0 to 1000000", c.Rate)
	}
	if c.Ramp == 0 {
		c.Ramp = 500
	}
	if c.Ramp != c.Ramp {
		bad("--ramp: %v is no number", c.Ramp)
	}
	if c.Name == "" {
		c.Name = "Bench"
	}
	if strings.ContainsAny(c.Name, " \t\r\n") {
		bad("--name: %q has spaces", c.Name)
	}
	if c.Mix == "" {
		c.Mix = "look"
	}
	var plans []plan
	known := mixes()
	for name := range strings.SplitSeq(c.Mix, ",") {
		i := slices.IndexFunc(known, func(m mix) bool { return m.name == name })
		switch {
		case name == "all":
			for _, m := range known {
				plans = append(plans, plan{m, c.Rate})
			}
		case i < 0:
			bad("--mix: %q is none of %s, all", name, mixNames())
		default:
			plans = append(plans, plan{known[i], c.Rate})
		}
	}
	if c.Quick {
		i := slices.IndexFunc(known, func(m mix) bool { return m.name == "half" })
		plans = append(plans, plan{known[i], 200})
	}
	for i := range plans {
		if len(plans[i].mix.kinds) == 0 {
			plans[i].rate = 0
		}
	}
	for _, pid := range c.PIDs {
		if _, _, err := usage(pid); err != nil {
			bad("--pid: process %d cannot be watched: %w", pid, err)
		}
	}
	if c.dialect == nil {
		var err error
		if c.dialect, err = newDialect(usualCreate, usualConnect, usualWelcome, usualRefused, nil, nil); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Addr != "" && len(c.Set) > 0 {
		bad("--set: is for the game that bench starts, and not for that at %s", c.Addr)
	}
	if c.Addr == "" && c.Exe == "" {
		var err error
		if c.Exe, err = os.Executable(); err != nil {
			bad("find this program's file: %w", err)
		}
	}
	four := true
	if c.Addr != "" {
		var err error
		if four, err = checkAddr(c.Addr, c.Remote); err != nil {
			errs = append(errs, err)
		}
	}
	if !four || runtime.GOOS != "linux" { // elsewhere 127.0.0.1 alone is there
		c.Sources = 0
	}
	return plans, errors.Join(errs...)
}

// checkAddr reports whether addr is on the loopback of IPv4. What is not on this
// machine's loopback at all is an error, but with remote.
func checkAddr(addr string, remote bool) (four bool, err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false, fmt.Errorf("--addr: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false, fmt.Errorf("--addr: %w", err)
	}
	four = true
	for _, ip := range ips {
		ip = ip.Unmap()
		if !ip.IsLoopback() && !remote {
			return false, withHint(fmt.Errorf("--addr: %s is not this machine's loopback", addr),
				"a run is an attack on a game that is not yours: with --remote it is done all the same")
		}
		four = four && ip.IsLoopback() && ip.Is4()
	}
	return four, nil
}

func mixNames() string {
	var names []string
	for _, m := range mixes() {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}
