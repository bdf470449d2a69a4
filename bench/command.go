package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"mudlark.dev/launch"
)

// Command returns the subcommand "bench", for the main of a program that calls
// Playing first.
func Command() launch.Command {
	return launch.Command{
		Name:  "bench",
		Short: "Measure how fast a game answers many players",
		Run:   runCommand,
	}
}

// A flagError is a wrong command line.
type flagError struct{ err error }

func (e *flagError) Error() string { return e.err.Error() }
func (e *flagError) Unwrap() error { return e.err }
func (e *flagError) Usage() bool   { return true }

func (e *flagError) Hint() string {
	var h *hintError
	if errors.As(e.err, &h) {
		return h.hint
	}
	return "bench --help shows what it takes"
}

// options are what a command line says.
type options struct {
	cfg   Config
	json  string
	plot  string
	quiet bool
}

// parse reads a command line. The error is pflag.ErrHelp if the help was asked for,
// and printed.
func parse(args []string, stdio launch.Stdio) (*options, error) {
	var o options
	c := &o.cfg
	flags := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(stdio.Err)
	flags.StringVar(&c.Addr, "addr", "", "a game that runs, as `host:port`; without it, bench starts a game of its own")
	flags.BoolVar(&c.Remote, "remote", false, "allow an --addr that is not on this machine's loopback")
	flags.StringVar(&c.Mix, "mix", "look", "what players type, commas between several: "+mixNames()+", all")
	flags.IntVar(&c.Clients, "clients", 50, "players")
	flags.IntVar(&c.Room, "room", 10, "players in one room, in the game that bench starts")
	flags.IntVar(&c.Idle, "idle", 0, "players beside them who log in and then do nothing")
	flags.IntVar(&c.Storm, "storm", 0, "players who log in at once, in the mix login (0: as many as --clients)")
	closed := flags.Bool("closed", true, "each player types its next line when it has the answer; --rate is the other way")
	flags.Float64Var(&c.Rate, "rate", 0, "lines a second of all players together, whether or not answers come")
	flags.DurationVar(&c.Duration, "duration", 0, "how long lines count, for each mix (0: 10s)")
	flags.DurationVar(&c.Warmup, "warmup", 0, "how long players type before that (0: 2s, negative: none)")
	flags.DurationVar(&c.Timeout, "timeout", 0, "what is not answered for so long is lost, a login after six times that (0: 10s)")
	flags.Float64Var(&c.Ramp, "ramp", 0, "connections that are made in a second (0: 500, negative: no bound)")
	flags.Uint64Var(&c.Seed, "seed", 1, "what the times of --rate follow from")
	flags.IntVar(&c.Sources, "sources", -1, "addresses of 127.0.0.0/8 to connect from (-1: one for each player, 0: left to the system)")
	flags.IntSliceVar(&c.PIDs, "pid", nil, "processes to watch, beside those of a game that bench starts")
	flags.StringArrayVar(&c.Set, "set", nil, "a setting of the game that bench starts, as `key=value`")
	flags.StringVar(&o.json, "json", "", "write the report to this `file` as JSON, too")
	flags.StringVar(&o.plot, "plot", "", "draw the latencies into this `file`, as SVG")
	flags.BoolVar(&c.Quick, "quick", false, "all mixes for a moment with six players, as a test that all is answered right")
	flags.BoolVar(&o.quiet, "quiet", false, "print nothing but the report")
	flags.StringVar(&c.Name, "name", "Bench", "the beginning of the players' names")
	create := flags.String("create", usualCreate, "what is typed to make an account; \"\" if the accounts are there")
	connect := flags.String("login", usualConnect, "what is typed to log in to an account that is there")
	welcome := flags.String("welcome", usualWelcome, "a `pattern` of what is read after a login")
	refused := flags.String("refused", usualRefused, "a `pattern` of what is read if there is none")
	lines := flags.StringToString("line", nil, "what is typed, as `kind=text`: look, walk, say, get, drop; see docs/operate/bench.md")
	answers := flags.StringToString("answer", nil, "what is read then, as `kind=pattern`")
	flags.Usage = func() {
		fmt.Fprintf(stdio.Out, "%s.\n\nUsage:\n  bench [flags]\n  bench targets [flags]   all targets beside their yardsticks: bench targets --help\n  bench floor NAME        a yardstick by itself: echo, relay or hall\n\nFlags:\n%s", Command().Short, flags.FlagUsages())
	}
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return nil, err
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("bench takes no argument, but got %q", flags.Arg(0))
	}
	if err != nil {
		return nil, &flagError{err}
	}
	var errs []error
	if flags.Changed("closed") && *closed == (c.Rate > 0) {
		errs = append(errs, errors.New("--closed and --rate: it is either a closed loop, or an open one with a rate"))
	}
	if c.Quick {
		for _, name := range []string{"mix", "clients", "room", "storm", "idle", "rate", "duration", "warmup"} {
			if flags.Changed(name) {
				errs = append(errs, fmt.Errorf("--%s and --quick: a quick run has its own", name))
			}
		}
	} else if flags.Changed("clients") && c.Clients == 0 {
		errs = append(errs, errors.New("--clients: 0 is not 1 to 20000"))
	}
	given := *lines
	if c.Addr != "" {
		if *answers == nil {
			*answers = map[string]string{}
		}
		// The rooms and things of another game have other names.
		for k, usual := range map[string]string{"look": `(?i)exits?:`, "walk": `(?i)exits?:`, "get": `^You pick up `, "drop": `^You drop `} {
			if _, ok := (*answers)[k]; !ok {
				(*answers)[k] = usual
			}
		}
	}
	if c.dialect, err = newDialect(*create, *connect, *welcome, *refused, given, *answers); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.check(); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, &flagError{err}
	}
	if !o.quiet {
		c.Progress = stdio.Err
	}
	return &o, nil
}

func runCommand(ctx context.Context, args []string, stdio launch.Stdio) error {
	if len(args) > 0 {
		switch args[0] {
		case "targets":
			return runTargets(ctx, args[1:], stdio)
		case "floor":
			return runFloor(ctx, args[1:], stdio)
		}
	}
	o, err := parse(args, stdio)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	report, err := Run(ctx, o.cfg)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := report.print(stdio.Out); err != nil {
		return fmt.Errorf("bench: print the report: %w", err)
	}
	if o.json != "" {
		data, err := json.MarshalIndent(report, "", "  ")
		if err == nil {
			err = os.WriteFile(o.json, append(data, '\n'), 0o666)
		}
		if err != nil {
			return fmt.Errorf("bench: write the report: %w", err)
		}
	}
	if o.plot != "" {
		if err := os.WriteFile(o.plot, plotSVG(report), 0o666); err != nil {
			return fmt.Errorf("bench: draw the latencies: %w", err)
		}
	}
	if n := report.bad(); n > 0 {
		return withHint(fmt.Errorf("bench: %d answers are lost, doubled or wrong", n),
			"if the game was only too slow, have fewer --clients, a smaller --rate or a longer --timeout")
	}
	return nil
}
