//go:build linux || darwin || dragonfly || freebsd

package launch

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes can be written below path by those who are
// not root.
func freeSpace(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}
