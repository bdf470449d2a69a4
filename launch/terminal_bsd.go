//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package launch

import "golang.org/x/sys/unix"

// termios(4).
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)
