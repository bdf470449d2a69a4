package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"mudlark.dev/launch"
)

// Command returns the subcommand "chaos", for the main of a program that calls
// Playing first.
func Command() launch.Command {
	return launch.Command{
		Name:  "chaos",
		Short: "Break a game of bots in many ways, and check that nothing is lost",
		Run:   runCommand,
	}
}

// A flagError is a wrong command line.
type flagError struct{ err error }

func (e *flagError) Error() string { return e.err.Error() }
func (e *flagError) Hint() string  { return "chaos --help shows what it takes" }
func (e *flagError) Usage() bool   { return true }

func runCommand(ctx context.Context, args []string, stdio launch.Stdio) error {
	var cfg Config
	var file string
	var quiet bool
	flags := pflag.NewFlagSet("chaos", pflag.ContinueOnError)
	flags.SetOutput(stdio.Err)
	flags.Uint64Var(&cfg.Seed, "seed", 1, "what the plan follows from")
	flags.IntVar(&cfg.Bots, "bots", 50, "how many play")
	flags.IntVar(&cfg.Faults, "kills", 50, "how many faults of all kinds")
	flags.DurationVar(&cfg.Duration, "duration", 0, "no more faults after this long; with --mix none, how long (0: 10s)")
	flags.IntVar(&cfg.Objects, "objects", 0, "objects in the world")
	flags.StringVar(&cfg.Mix, "mix", "", "kinds of faults, as `kind=weight,...`; none for no fault. Kinds: "+names(usualMix))
	flags.DurationVar(&cfg.Think, "think", 0, "from one line of a bot to its next, on average (0: 100ms)")
	flags.DurationVar(&cfg.Gap, "gap", 0, "between two faults, so that players get over one before the next")
	rate := flags.Float64("rate", 0, "lines of a bot in a second, on average, instead of --think")
	flags.IntVar(&cfg.Ahead, "ahead", 4, "lines of a bot that may be without an answer")
	flags.DurationVar(&cfg.Hang, "hang", 0, "the setting server.hang (0: 2s, with more than 10,000 objects 1m)")
	flags.BoolVar(&cfg.Keep, "keep", false, "keep the game's folder also if all went well")
	flags.StringVar(&file, "json", "", "write the report to this `file` as JSON, too")
	flags.BoolVar(&quiet, "quiet", false, "print nothing but the report")
	flags.Usage = func() {
		fmt.Fprintf(stdio.Out, "%s.\n\nUsage:\n  chaos [flags]\n\nFlags:\n%s", Command().Short, flags.FlagUsages())
	}
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("chaos takes no argument, but got %q", flags.Arg(0))
	}
	if err == nil && *rate < 0 {
		err = fmt.Errorf("--rate: %v is negative", *rate)
	}
	if err != nil {
		return &flagError{err}
	}
	if *rate > 0 {
		cfg.Think = durationOf(1 / *rate)
	}
	if cfg.Faults == 0 {
		cfg.Mix = "none"
	}
	if err := cfg.defaults(); err != nil {
		return &flagError{err}
	}
	if _, err := parseMix(cfg.Mix); err != nil {
		return &flagError{err}
	}
	if !quiet {
		cfg.Progress = stdio.Err
	}
	report, err := Run(ctx, cfg)
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	report.print(stdio.Out)
	if file != "" {
		data, err := json.MarshalIndent(report, "", "  ")
		if err == nil {
			err = os.WriteFile(file, append(data, '\n'), 0o666)
		}
		if err != nil {
			return fmt.Errorf("chaos: write the report: %w", err)
		}
	}
	if n := len(report.Violations) + report.More; n > 0 {
		return fmt.Errorf("chaos: %d violations, see the report", n)
	}
	return nil
}
