package nonblock

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls do not wait, so the scheduler need not know of them. It would wake the
// thread that watches over calls that do, for each that is made while the process has
// little to do: a process that is woken a thousand times a second takes a third less of
// a processor like this.

func read(fd uintptr, p []byte) (int, error) { return transfer(syscall.SYS_READ, fd, p) }

func write(fd uintptr, p []byte) (int, error) { return transfer(syscall.SYS_WRITE, fd, p) }

// transfer is a call that takes a part of p, which is not empty.
func transfer(trap, fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	runtime.KeepAlive(p)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// Events returns how many events of the epoll instance there are at this moment, up to
// len(events), which is above 0. An error can only be that it is none.
func Events(epoll int, events []unix.EpollEvent) int {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		runtime.KeepAlive(events)
		switch errno {
		case 0:
			return int(n)
		case syscall.EINTR:
		default:
			return 0
		}
	}
}
