//go:build unix

package portal

import (
	"io"
	"os"
	"syscall"
)

// canReadNow says that readNow can be used.
const canReadNow = true

// readNow reads what the socket has at this moment, or reports that it is to be
// tried again. The end of the stream is io.EOF.
func readNow(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != nil:
			return 0, false, os.NewSyscallError("read", err)
		case n == 0:
			return 0, false, io.EOF
		default:
			return n, false, nil
		}
	}
}
