package launch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// A leafFunc adds a command without subcommands to the tree; it takes no
// arguments unless it is given other Args. Run is called with the flags parsed.
type leafFunc func(use, short string, run func(cmd *cobra.Command) error) *cobra.Command

// operate adds the commands for those who run the game.
func (a *app) operate(leaf leafFunc) {
	leaf("start", "Start the game in the background", func(cmd *cobra.Command) error {
		return a.start(cmd.Context())
	}).Long = `Start the game in the background and wait until it can be played.

The game goes on when the terminal is closed. If it cannot be started, the
reason is printed, nothing goes on running, and the exit code is 1. A game that
runs already is left alone, and that is no error.`

	var reason string
	reboot := leaf("reboot", "Stop the game and start it again; the players are disconnected", func(cmd *cobra.Command) error {
		return a.askReboot(cmd.Context(), reason)
	})
	reboot.Long = `Stop the game and start it again, both processes of it.

First the game is built, as for a reload; a build that fails changes nothing.
Then the players are told and disconnected, and the process that runs the game
goes on as the new program, with the arguments and the process ID it had. So it
does not matter how the game was started. The command returns when the game can
be played again.`
	reboot.Flags().StringVar(&reason, "reason", "", "why, for the log and the `text` that players see")

	var follow bool
	var entries int
	logs := leaf("logs [portal|server]", "Show the logs", func(cmd *cobra.Command) error {
		if entries < 0 || entries > maxEntries {
			return &usageError{err: fmt.Errorf("--lines %d: it is a number from 0 to %d", entries, maxEntries), hint: "for example: -n 100"}
		}
		return a.logs(cmd.Context(), cmd.Flags().Arg(0), entries, follow)
	})
	logs.Args = oneOf("portal", "server")
	logs.Long = `Show the last lines of the logs of both processes by time, or of one of them.

Lines without a time of their own, such as those of a stack, stay with the line
that they follow and are not counted. With --follow it goes on with what is
added, until Ctrl-C.`
	logs.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is added, until Ctrl-C")
	logs.Flags().IntVarP(&entries, "lines", "n", defaultEntries, "`how many` of the last lines")

	var turnsJSON bool
	slow := leaf("turns", "Show what has kept the game from answering", func(cmd *cobra.Command) error {
		return a.turns(cmd.Context(), turnsJSON)
	})
	slow.Long = `Show the slow turns of the last minute: when the Server's loop was busy for longer
than server.slow_turn, and with what.

TOOK is how long nobody else was answered, END what of that came after the events:
values that are reported, texts, and the batch for the store. STORED is how long
the commit took that had the batch. LONGEST names the commands, timers and others
that took the most of it.`
	slow.Flags().BoolVar(&turnsJSON, "json", false, "as one JSON object")

	var yes bool
	super := leaf("superuser <name>", "Make an account that has all powers", func(cmd *cobra.Command) error {
		return a.superuser(cmd.Context(), cmd.Flags().Arg(0), yes)
	})
	super.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return &usageError{err: errors.New("superuser takes one name"), hint: "for example: " + cmd.CommandPath() + " Ada"}
		}
		return nil
	}
	super.Long = `Make an account that has all powers, with a character of the same name, or give
them to an account that exists.

Whether the game runs or not makes no difference. The password is asked for at
the terminal, twice; if the standard input is no terminal, one line of it is the
password. An account that exists keeps the one it has.`
	super.Flags().BoolVar(&yes, "yes", false, "give all powers to an account that exists without asking")

	var versionJSON bool
	version := leaf("version", "Show what this program is", func(*cobra.Command) error {
		return a.version(versionJSON)
	})
	version.Flags().BoolVar(&versionJSON, "json", false, "as one JSON object")

	var doctorJSON, deep bool
	doctor := leaf("doctor", "Look for what is wrong with the game's folder and its machine", func(cmd *cobra.Command) error {
		return a.doctor(cmd.Context(), doctorJSON, deep)
	})
	doctor.Long = `Look for what is wrong with the game's folder and its machine, and say what to do
about it: settings, the game's code, the Go toolchain, the modules in the build,
ports, limits, permissions, disk space, sockets and the file of the world.

It changes nothing, and can be used while the game runs. The exit code is 1 if
there is a problem; a warning is none.`
	doctor.Flags().BoolVar(&doctorJSON, "json", false, "as one JSON object")
	doctor.Flags().BoolVar(&deep, "deep", false, "read all of the world's file")

	leaf("describe", "What the Portal asks a new build", func(*cobra.Command) error {
		return a.describe()
	}).Hidden = true
}

// oneOf returns the rule for a command that takes one of these words, or none.
func oneOf(words ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := fmt.Sprintf("%s --help shows what it takes", cmd.CommandPath())
		switch {
		case len(args) > 1:
			return &usageError{err: fmt.Errorf("%s takes one argument at most, but got %q", cmd.Name(), args[1]), hint: hint}
		case len(args) == 1 && !slices.Contains(words, args[0]):
			return &usageError{err: fmt.Errorf("%s takes %s, but got %q", cmd.Name(), strings.Join(words, " or "), args[0]), hint: hint}
		}
		return nil
	}
}
