package hasher

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// niceness is that of level Nice: a weight of 110 where others have 1024.
const niceness = 10

// Lower gives this process the priority of the level. It cannot be raised again. It
// fails if the system does not allow it; part of the process may have it then.
//
// Level Idle is SCHED_IDLE (sched(7)): whoever wakes up takes the processor at once,
// which the lowest niceness does not promise.
func Lower(level Level) error {
	// Both belong to a thread. One that is started later has what its starter has, so
	// all have it when no pass finds another one.
	done := map[int]bool{}
	for more := true; more; {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("hasher: lower priority: %w", err)
		}
		more = false
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil || done[id] {
				continue
			}
			switch {
			case level == Idle:
				err = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
			default:
				err = unix.Setpriority(unix.PRIO_PROCESS, id, niceness)
			}
			if err != nil && err != unix.ESRCH {
				return fmt.Errorf("hasher: lower priority: %w", err)
			}
			done[id], more = true, true
		}
	}
	return nil
}
