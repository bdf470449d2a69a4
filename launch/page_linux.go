package launch

import (
	"os"

	"golang.org/x/sys/unix"
)

// memoryFile returns an empty page that is on no disk, memfd_create(2): a mapping
// of a file on a disk holds up its writer whenever the system writes it back.
func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(int64(os.Getpagesize())); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
