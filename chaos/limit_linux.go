package chaos

import "golang.org/x/sys/unix"

// canLimit reports whether the files of another process can be kept from growing.
const canLimit = true

// fullAt is how large the files of a process may be while its store is full.
const fullAt = 4096

// limitFiles keeps a process from writing any file beyond fullAt, or lifts that.
func limitFiles(pid int, full bool) error {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &old); err != nil {
		return err
	}
	limit := unix.Rlimit{Cur: old.Max, Max: old.Max}
	if full {
		limit.Cur = min(fullAt, old.Max)
	}
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil)
}
