package portal

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A parker waits for many connections that rest, on one goroutine: each of them
// needs neither a goroutine nor a stack meanwhile. It has an epoll instance of its
// own, for which package net's waits as for any file.
type parker struct {
	file *os.File
	raw  syscall.RawConn
	done chan struct{} // closed when run has returned

	mu     sync.Mutex
	last   uint64
	parked map[uint64]*Conn // by what epoll knows them by; a number is used once
}

func newParker() (*parker, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that os.NewFile has it waited for
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	k := &parker{file: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), parked: make(map[uint64]*Conn)}
	if k.raw, err = k.file.SyscallConn(); err != nil {
		k.file.Close()
		return nil, err
	}
	go k.run()
	return k, nil
}

// run wakes the connections at which something has come, until close.
func (k *parker) run() {
	defer close(k.done)
	var events [128]unix.EpollEvent
	var found int
	wait := func(fd uintptr) bool {
		for {
			n, err := unix.EpollWait(int(fd), events[:], 0)
			switch {
			case err == unix.EINTR:
			case err != nil || n == 0:
				return false // an error can only be that it is closed, which ends the wait
			default:
				found = n
				return true
			}
		}
	}
	for k.raw.Read(wait) == nil {
		for _, e := range events[:found] {
			if c := k.take(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32); c != nil {
				c.unpark()
			}
		}
	}
}

func (k *parker) close() {
	if k == nil {
		return
	}
	k.file.Close()
	<-k.done
}

// add has c waited for and returns its number; 0 if that cannot be. c.mu is held.
func (k *parker) add(c *Conn) uint64 {
	k.mu.Lock()
	k.last++
	n := k.last
	k.parked[n] = c
	k.mu.Unlock()
	op := unix.EPOLL_CTL_ADD
	if c.enrolled {
		op = unix.EPOLL_CTL_MOD
	}
	var err error
	// The control keeps the socket from being closed meanwhile; when it is, epoll
	// forgets it.
	rawErr := c.raw.Control(func(fd uintptr) {
		var epfd int
		err = k.raw.Control(func(ep uintptr) { epfd = int(ep) })
		if err == nil {
			err = unix.EpollCtl(epfd, op, int(fd), &unix.EpollEvent{
				Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(n), Pad: int32(n >> 32),
			})
		}
	})
	if rawErr != nil || err != nil {
		k.take(n)
		return 0
	}
	c.enrolled = true
	return n
}

// take takes out the connection with that number, if it is there.
func (k *parker) take(n uint64) *Conn {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.parked[n]
	delete(k.parked, n)
	return c
}
