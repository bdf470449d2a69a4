package hasher

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Lower adds 10 to the niceness of this process, up to 19. It cannot be raised again. If it fails, part
// of the process may have it.
func Lower() error {
	prio, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return fmt.Errorf("hasher: lower priority: %w", err)
	}
	nice := min(20-prio+niceness, 19) // getpriority(2): the system's call returns 20 less the niceness
	// It is a thread's (setpriority(2)). One that is started later has that of its
	// starter, so all have it when no pass finds another one.
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
			err = unix.Setpriority(unix.PRIO_PROCESS, id, nice)
			if err != nil && err != unix.ESRCH {
				return fmt.Errorf("hasher: lower priority: %w", err)
			}
			done[id], more = true, true
		}
	}
	return nil
}
