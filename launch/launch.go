package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"mudlark.dev/config"
	"mudlark.dev/portal"
	"mudlark.dev/server"
)

// A Game is all that a game's author supplies.
type Game struct {
	server.Game // what the Server plays

	Plugins []portal.Plugin // what the Portal starts beside the configured services, in this order

	// OutputFuncs are the game's own encoders of messages for clients, by the
	// key of the protocol, such as "telnet", and the name of the message.
	OutputFuncs map[string]map[string]portal.OutputFunc

	// MSSP is what the game tells lists of games of itself, by the names of the
	// MUD Server Status Protocol, such as "GENRE" or "WEBSITE".
	MSSP map[string][]string

	// Settings are settings of the game's own, and its own defaults for those
	// that every game has, limits among them. Portal.Setting and Server.Setting
	// return the values of its own ones.
	Settings []config.Setting

	// Commands are subcommands of the game's own program, beside those that every
	// game has.
	Commands []Command
}

// A Command is a subcommand of a game's own.
type Command struct {
	Name  string // what is typed; none of those that every game has
	Short string // what it does, for the list of commands

	// Run does the work. args is what follows the name, flags too: it parses them
	// itself, and "--help" is one. ctx ends with the first signal that ends a
	// program. The error is printed, with what its method Hint says, if it has one.
	// The exit code is 2 if its method Usage says that the command line is wrong,
	// and 1 for any other error.
	Run func(ctx context.Context, args []string, stdio Stdio) error
}

// Stdio is where a command reads and writes. A nil In is empty, the other nil
// fields discard.
type Stdio struct {
	In  io.Reader // what is asked for at the terminal, such as a password
	Out io.Writer // what was asked for
	Err io.Writer // errors and hints
}

// Main runs the command that the program's arguments name, and ends the
// program with its exit code. It takes over the signals that end a program, so
// it belongs at the end of main.
func Main(game Game) {
	ctx, cancel := context.WithCancelCause(context.Background())
	kill := make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup wants it ignored
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		cancel(fmt.Errorf("%w by signal: %v", errInterrupted, <-signals))
		for sig := range signals {
			// Service managers repeat the other ones; a person at a keyboard
			// who presses Ctrl-C again has waited long enough.
			if sig == syscall.SIGINT {
				close(kill)
				return
			}
		}
	}()
	a := newApp(game, Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, kill)
	a.replace = syscall.Exec
	os.Exit(a.execute(ctx, os.Args[1:]))
}

var errInterrupted = errors.New("interrupted")

// Run is Main without the process around it: it runs the command that args
// name and returns its exit code. The end of ctx is what the first signal is to
// Main. What it starts is ended when it returns, but for what the command start
// leaves in the background. A game that it runs cannot be rebooted, since that
// would replace this program. A Server is started by running this program's file
// again with a command line that Main, or Run with all of the program's
// arguments, understands.
func Run(ctx context.Context, game Game, args []string, stdio Stdio) int {
	a := newApp(game, stdio, nil)
	code := a.execute(ctx, args)
	for _, f := range a.atEnd {
		f()
	}
	return code
}

// An app is one run of the command line.
type app struct {
	game Game
	in   io.Reader
	out  io.Writer
	err  io.Writer
	kill <-chan struct{} // closed when all is to end at once; nil never
	name string          // of the program, for people to type

	// replace puts another program in the place of this process, as
	// syscall.Exec does, for a reboot. It is nil if the process belongs to
	// somebody else.
	replace func(path string, argv, env []string) error

	page []byte       // of a Server, where it notes what it runs; nil: none
	fail func(string) // of a Server: its failpoints; nil: off
	keys int          // of a Server: passwords that are hashed at the same time

	dir   string   // --dir
	dirOK bool     // it was given
	set   []string // --set

	atEnd []func() // left to the end of the process, or to Run
}

func newApp(game Game, stdio Stdio, kill <-chan struct{}) *app {
	if game.Name == "" {
		game.Name = "Mudlark"
	}
	a := &app{game: game, in: stdio.In, out: stdio.Out, err: stdio.Err, kill: kill, name: programName()}
	if a.in == nil {
		a.in = strings.NewReader("")
	}
	if a.out == nil {
		a.out = io.Discard
	}
	if a.err == nil {
		a.err = io.Discard
	}
	return a
}

// execute runs the command in args and reports its error.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.command()
	root.SetArgs(append([]string{}, args...)) // cobra takes os.Args for nil
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errShown) {
		printError(a.err, err)
	}
	return exitCode(err)
}

// errShown is returned when there is nothing more to say.
var errShown = errors.New("shown")

// command returns the tree of commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           a.name,
		Short:         a.game.Name + ": a text game for many players",
		Version:       a.game.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				cmd.SetOut(a.err)
				if err := cmd.Help(); err != nil {
					return err
				}
				return &usageError{err: errShown}
			}
			hint := fmt.Sprintf("%s help lists the commands", a.name)
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return &usageError{err: fmt.Errorf("unknown command %q", args[0]), hint: hint}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, hint: fmt.Sprintf("%s --help shows what it takes", cmd.CommandPath())}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.dir, "dir", ".", "the game's `folder`")
	flags.StringArrayVar(&a.set, "set", nil, "a setting, as `key=value`; may be repeated")

	leaf := func(use, short string, run func(cmd *cobra.Command) error) *cobra.Command {
		cmd := &cobra.Command{
			Use:   use,
			Short: short,
			Args: func(cmd *cobra.Command, args []string) error {
				if len(args) == 0 {
					return nil
				}
				return &usageError{
					err:  fmt.Errorf("%s takes no argument, but got %q", use, args[0]),
					hint: fmt.Sprintf("%s --help shows what it takes", cmd.CommandPath()),
				}
			},
			RunE: func(cmd *cobra.Command, _ []string) error {
				a.dirOK = cmd.Flags().Changed("dir")
				if err := checkSet(a.set); err != nil {
					return err
				}
				return run(cmd)
			},
		}
		root.AddCommand(cmd)
		return cmd
	}

	var background bool
	run := leaf("run", "Run the game in the foreground", func(cmd *cobra.Command) error {
		return a.runGame(cmd.Context(), false, background)
	})
	run.Flags().BoolVar(&background, "background", false, "nobody reads what is written")
	run.Flags().Lookup("background").Hidden = true // for start
	leaf("demo", "Run the game in a folder of its own, to try it", func(cmd *cobra.Command) error {
		return a.runGame(cmd.Context(), true, false)
	})

	var reason string
	reload := leaf("reload", "Replace the Server; the players stay connected", func(cmd *cobra.Command) error {
		return a.restart(cmd.Context(), opReload, reason)
	})
	reset := leaf("reset", "Replace the Server as if it had been stopped and started; the players stay connected", func(cmd *cobra.Command) error {
		return a.restart(cmd.Context(), opReset, reason)
	})
	stop := leaf("stop", "Stop the game", func(cmd *cobra.Command) error {
		return a.stop(cmd.Context(), reason)
	})
	for _, cmd := range []*cobra.Command{reload, reset, stop} {
		cmd.Flags().StringVar(&reason, "reason", "", "why, for the log and the `text` that players see")
	}

	var asJSON bool
	stat := leaf("status", "Show what runs", func(cmd *cobra.Command) error {
		return a.status(cmd.Context(), asJSON)
	})
	stat.Flags().BoolVar(&asJSON, "json", false, "as one JSON object")

	a.addInit(root)

	var child childFlags
	srv := leaf("server", "The Server; its Portal starts it", func(cmd *cobra.Command) error {
		return a.runServer(cmd.Context(), child)
	})
	srv.Hidden = true
	srv.Flags().StringVar(&child.mode, "mode", "cold", "why it starts")
	srv.Flags().BoolVar(&child.lifeline, "lifeline", false, "file descriptor 3 ends with the Portal")
	srv.Flags().BoolVar(&child.page, "page", false, "file descriptor 4 is where it notes what it runs")
	srv.Flags().BoolVar(&child.demo, "demo", false, "this is a demo")
	a.addHasher(leaf)
	a.operate(leaf)
	for _, own := range a.game.Commands {
		root.AddCommand(&cobra.Command{
			Use: own.Name + " [flags]", Short: own.Short, DisableFlagParsing: true,
			RunE: func(cmd *cobra.Command, args []string) error {
				err := own.Run(cmd.Context(), args, Stdio{In: a.in, Out: a.out, Err: a.err})
				var wrong interface{ Usage() bool }
				if errors.As(err, &wrong) && wrong.Usage() {
					return &usageError{err: err, hint: hintOf(err)}
				}
				return err
			},
		})
	}
	return root
}

// checkSet reports a --set that is no setting. What the keys and values are
// worth is for package config to say.
func checkSet(set []string) error {
	for _, s := range set {
		if key, _, ok := strings.Cut(s, "="); !ok || key == "" {
			return &usageError{err: fmt.Errorf("--set %q is not of the form key=value", s), hint: "for example: --set telnet.listen=127.0.0.1:4000"}
		}
	}
	return nil
}
