package hasher

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// wholeLevel fails if a thread of this process has not the priority of the level.
func wholeLevel(l Level) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, _ := strconv.Atoi(t.Name())
		attr, err := unix.SchedGetAttr(id, 0)
		if err == unix.ESRCH {
			continue
		}
		if err != nil {
			return err
		}
		if l == Idle && attr.Policy != unix.SCHED_IDLE || l == Nice && attr.Nice != niceness {
			return fmt.Errorf("thread %d of %d has policy %d, niceness %d at level %v", id, len(threads), attr.Policy, attr.Nice, l)
		}
	}
	return nil
}
