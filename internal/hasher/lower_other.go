//go:build unix && !linux

package hasher

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Lower adds 10 to the niceness of this process, up to 19. It cannot be raised again.
func Lower() error {
	nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err == nil {
		err = unix.Setpriority(unix.PRIO_PROCESS, 0, min(nice+niceness, 19))
	}
	if err != nil {
		return fmt.Errorf("hasher: lower priority: %w", err)
	}
	return nil
}
