package launch

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"mudlark.dev/internal/hasher"
)

// maxHashers bounds the processes that hash passwords: each has some 50 MiB.
const maxHashers = 8

// hashers is how many passwords are hashed at the same time by a Server that runs on
// so many threads of a machine with so many processors: as many as there are
// processors, since those who hash have what others leave of them. Where the
// process has a share of the machine (a quota of its control group, or GOMAXPROCS), what
// they take is taken from the game, whatever their priority: it keeps a processor.
func hashers(threads, processors int) int {
	n := processors
	if threads < processors {
		n = threads - 1
	}
	return min(max(n, 1), maxHashers)
}

// newHashers returns the processes that hash a Server's passwords, none yet.
func newHashers(log *slog.Logger) (*hasher.Pool, error) {
	exe := selfExe // the same build, whatever has become of its file
	if runtime.GOOS != "linux" {
		var err error
		if exe, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program's file: %w", err)
		}
	}
	return hasher.New(hasher.Config{Logger: log, Command: func() *exec.Cmd {
		cmd := exec.Command(exe, "hasher")
		cmd.Args[0] = os.Args[0]
		cmd.Stderr = os.Stderr // of a Server, its log
		return cmd
	}}), nil
}

// addHasher adds the command of a process that hashes passwords.
func (a *app) addHasher(leaf func(use, short string, run func(cmd *cobra.Command) error) *cobra.Command) {
	leaf("hasher", "Hashes passwords; its Server starts it", func(*cobra.Command) error { return a.hash() }).Hidden = true
}

// hash computes keys until the Server that asks for them is gone.
func (a *app) hash() error {
	// It ends when its standard input does, and not before its Server.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := hasher.Lower(); err != nil {
		fmt.Fprintln(a.err, err) // in the Server's log; it hashes all the same
	}
	runtime.GOMAXPROCS(1)
	return hasher.Serve(a.in, a.out)
}
