package hasher

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// isLow fails if a thread of this process has not the priority of one that hashes.
func isLow() error {
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
		if attr.Nice < niceness {
			return fmt.Errorf("thread %d of %d has the niceness %d, want %d", id, len(threads), attr.Nice, niceness)
		}
	}
	return nil
}
