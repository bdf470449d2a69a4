package launch

import (
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mudlark.dev/internal/require"
)

// TestSlacken: a game's program executes itself once, with the slack that is to be
// inherited; if that fails it goes on as it was.
func TestSlacken(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slack := func() int {
		n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		require.Able(t, "timer slack", err)
		return n
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	before := slack()
	if before >= int(timerSlack) { // as in a unit of systemd with TimerSlackNSec=
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 50_000, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
		defer unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(before), 0, 0, 0)
		before = slack()
	}
	own, err := ownFile()
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(Game{}, Stdio{}, nil)
	a.slacken(t.Context()) // of somebody else's process: nothing
	times := 0
	a.replace = func(path string, argv, env []string) error {
		times++
		if path != own || !slices.Equal(argv, os.Args) || slack() != int(timerSlack) || env[len(env)-1] != slackEnv+"=" {
			t.Errorf("executed %s with %q, a slack of %d and %q last in the environment", path, argv, slack(), env[len(env)-1])
		}
		return syscall.ENOEXEC
	}
	a.slacken(t.Context())
	if now := slack(); times != 1 || now != before {
		t.Errorf("executed %d times, want once; the slack is %d, want %d", times, now, before)
	}
	t.Setenv(slackEnv, "") // as in the program that was executed
	a.slacken(t.Context())
	if _, found := os.LookupEnv(slackEnv); times != 1 || found {
		t.Errorf("executed %d times, want once; the variable is left for others: %t", times, found)
	}
}
