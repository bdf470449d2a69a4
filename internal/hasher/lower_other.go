//go:build unix && !linux

package hasher

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Lower gives this process the priority of the level. It cannot be raised again.
func Lower(level Level) error {
	nice := 19
	if level == Nice {
		nice = 10
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice); err != nil {
		return fmt.Errorf("hasher: lower priority: %w", err)
	}
	return nil
}
