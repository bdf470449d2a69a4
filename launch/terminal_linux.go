package launch

import "golang.org/x/sys/unix"

// termios(3), by ioctl_tty(2).
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)
