package launch

import (
	"context"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how late the kernel may let the timers of a game's processes be, so
// that they wake up less often. Go's runtime has a thread that looks after those in
// system calls every 20 µs, which wakes up some 15,000 times a second while a busy
// game runs and takes a tenth of its time; with this it does a thousand times. By
// itself the kernel has 50 µs. A game's own timers are as coarse already.
const timerSlack = time.Millisecond

// slackEnv is set while this program executes itself anew, which it does once.
const slackEnv = "_MUDLARK_TIMER_SLACK"

// slacken executes this program anew with timerSlack, as threads only have it from
// the one that started them, and the runtime's was started before any code of ours.
// What is started later inherits it: the Server, and the program of a reboot. It
// returns if the process has it already, is to end, belongs to somebody else, or
// cannot have it; and where it has one processor, which a commit that waits for the
// disk would keep from the game for as long.
func (a *app) slacken(ctx context.Context) {
	_, tried := os.LookupEnv(slackEnv)
	os.Unsetenv(slackEnv)
	if tried || a.replace == nil || ctx.Err() != nil || runtime.GOMAXPROCS(0) == 1 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || now >= int(timerSlack) {
		return
	}
	self, err := ownFile()
	if err != nil || unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0) != nil {
		return
	}
	if err := a.replace(self, os.Args, append(os.Environ(), slackEnv+"=")); err != nil {
		unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // as it was; all goes on, but for the time that this saves
	}
}
