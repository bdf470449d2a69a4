package portal

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mudlark.dev/internal/nonblock"
	"mudlark.dev/link"
)

// canPoll says that there are pollers here.
const canPoll = true

// A poller waits for many connections that rest, on one goroutine: each of them
// needs neither a goroutine nor a stack meanwhile. It has an epoll instance of its
// own, for which package net waits as for any file.
//
// Sockets that are no more package net's are in it edge-triggered: an event says that
// something has come since the last, and the next costs no call to ask for it. The
// others are in it for one event at a time.
type poller struct {
	p      *Portal
	gather time.Duration // between two rounds; 0: it serves at once
	file   *os.File      // what package net waits for: the instance, or if rounds are apart, one that has it and timer inside
	raw    syscall.RawConn
	done   chan struct{} // closed when the last shift is over

	// Of the goroutine whose shift it is.
	events [64]unix.EpollEvent
	found  int        // of events
	next   int        // of them
	told   bool       // file has told of the instance, and does not again until it is asked to
	timed  bool       // it is to tell of the timer
	now    uint32     // of the round, in milliseconds since the Portal was made
	held   *link.Conn // where what is said in this round waits

	mu     sync.Mutex // taken after a Conn's
	ep     int        // the instance
	closed bool       // there is none
	timer  int        // timerfd_create(2): one of package time has the runtime busy until it is over
	last   uint64
	conns  map[uint64]*Conn // by what epoll knows them by; a number is used once
}

// newPoller returns a poller that has begun. Close ends it.
func newPoller(p *Portal, gather time.Duration) (*poller, error) {
	k := &poller{p: p, gather: gather, done: make(chan struct{}), conns: make(map[uint64]*Conn)}
	var err error
	if k.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err = k.open(); err != nil {
		k.closeInner()
		return nil, err
	}
	go k.run()
	return k, nil
}

// open makes file.
func (k *poller) open() error {
	var outer int
	var err error
	if k.gather > 0 {
		if outer, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			return os.NewSyscallError("epoll_create1", err)
		}
		if k.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
			unix.Close(outer)
			return os.NewSyscallError("timerfd_create", err)
		}
		if err = unix.EpollCtl(outer, unix.EPOLL_CTL_ADD, k.timer, &unix.EpollEvent{Events: edges, Pad: 1}); err == nil {
			err = k.ask(outer, unix.EPOLL_CTL_ADD)
		}
		if err != nil {
			unix.Close(outer)
			return os.NewSyscallError("epoll_ctl", err)
		}
	} else if outer, err = unix.FcntlInt(uintptr(k.ep), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(outer, true); err != nil { // so that os.NewFile has it waited for
		unix.Close(outer)
		return os.NewSyscallError("fcntl", err)
	}
	k.file = os.NewFile(uintptr(outer), "epoll")
	if k.raw, err = k.file.SyscallConn(); err != nil {
		k.file.Close()
		return err
	}
	return nil
}

// ask has outer tell once when there is an event in the instance, or is already.
func (k *poller) ask(outer, op int) error {
	return unix.EpollCtl(outer, op, k.ep, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT})
}

func (k *poller) close() {
	if k == nil {
		return
	}
	k.file.Close()
	<-k.done
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.closeInner()
}

func (k *poller) closeInner() {
	unix.Close(k.ep)
	if k.timer > 0 {
		unix.Close(k.timer)
	}
}

// run is a shift: it serves those at which something has come. It ends with close, or
// when one of them has asked for the goroutine.
func (k *poller) run() {
	t := &shift{k: k}
	for {
		for k.next < k.found {
			e := k.events[k.next]
			k.next++
			if v := k.came(uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32, e.Events); v != nil && !t.serve(v) {
				return
			}
		}
		k.release()
		if k.found > 0 && k.gather > 0 {
			next := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(k.gather))}
			k.timed = unix.TimerfdSettime(k.timer, 0, &next, nil) == nil
		}
		if k.raw.Read(k.look) != nil {
			close(k.done)
			return
		}
		k.now = k.p.millis()
		if a := k.p.linked.Load(); a != nil {
			k.held = a.conn
			k.held.Hold()
		}
	}
}

// look finds those at which something has come, or returns false to be called again
// when file tells of something.
func (k *poller) look(outer uintptr) bool {
	if k.gather > 0 && !k.due(int(outer)) {
		return false
	}
	if k.found, k.next = nonblock.Events(k.ep, k.events[:]), 0; k.found > 0 {
		return true
	}
	if k.told {
		k.told = k.ask(int(outer), unix.EPOLL_CTL_MOD) != nil
	}
	return false
}

// due takes what outer tells, by which it is silenced, and reports whether the time
// between two rounds is over.
func (k *poller) due(outer int) bool {
	var tells [2]unix.EpollEvent
	for _, e := range tells[:nonblock.Events(outer, tells[:])] {
		if e.Pad == 1 {
			k.timed = false
		} else {
			k.told = true
		}
	}
	return !k.timed
}

// release ends the waiting of what was said in this round.
func (k *poller) release() {
	if k.held != nil {
		k.held.Release()
		k.held = nil
	}
}

// came notes what epoll tells of a connection, and returns what is to go on with it,
// if that may be on this goroutine.
func (k *poller) came(n uint64, events uint32) *serving {
	k.mu.Lock()
	c := k.conns[n]
	k.mu.Unlock()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.polled
	switch {
	case w.by != k || w.n != n:
		return nil // it has left meanwhile
	case w.fd == 0:
		c.unparkLocked()
		return nil
	}
	w.ready = true
	w.hup = w.hup || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	w.calm = k.now-w.heard >= uint32(lively/time.Millisecond) // right across the end of the numbers, too
	w.heard = k.now
	v := w.v
	w.v = nil
	return v
}

// add has c waited for. C.mu is held, and it has left the poller before.
func (k *poller) add(c *Conn) bool {
	if k.take(c) {
		return true
	}
	// As a socket of package net.
	w := &c.polled
	op := unix.EPOLL_CTL_ADD
	if w.enlisted {
		op = unix.EPOLL_CTL_MOD
	}
	var ok bool
	// The control keeps the socket from being closed meanwhile; when it is, epoll
	// forgets it.
	err := c.raw.Control(func(fd uintptr) {
		ok = k.enter(c, op, int(fd), unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLONESHOT)
	})
	w.enlisted = w.enlisted || err == nil && ok
	return err == nil && ok
}

// take takes c's socket from package net. It reports false if that cannot be: the
// socket is written to by way of it, or is needed by TLS.
func (k *poller) take(c *Conn) bool {
	if c.tls != nil || c.writing {
		return false
	}
	w := &c.polled
	fd, ok := 0, false
	c.raw.Control(func(old uintptr) {
		var err error
		if fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return
		}
		if w.enlisted {
			// Another descriptor of the socket stays, so this one is not forgotten.
			k.enter(nil, unix.EPOLL_CTL_DEL, int(old), 0)
			w.enlisted = false
		}
		if ok = k.enter(c, unix.EPOLL_CTL_ADD, fd, edges); !ok {
			unix.Close(fd)
		}
	})
	if !ok {
		return false
	}
	c.under.Close()
	c.under, c.raw, c.readNow = nil, nil, nil
	w.fd, w.ready, w.hup = fd, false, false
	return true
}

// edges are the events of a socket that is no more package net's.
const edges = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET&(1<<32-1)

// move takes c, whose socket is no more package net's, from the poller it is at. If
// that fails it is package net's again.
func (k *poller) move(c *Conn) bool {
	c.polled.by.forget(c)
	if k.enter(c, unix.EPOLL_CTL_ADD, c.polled.fd, edges) {
		return true
	}
	c.attachLocked()
	return false
}

// enter tells epoll of a descriptor of c's.
func (k *poller) enter(c *Conn, op, fd int, events uint32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	n := k.last + 1
	if err := unix.EpollCtl(k.ep, op, fd, &unix.EpollEvent{Events: events, Fd: int32(n), Pad: int32(n >> 32)}); err != nil {
		return false
	}
	if c != nil {
		k.last = n
		k.conns[n] = c
		c.polled.by, c.polled.n = k, n
	}
	return true
}

// forget has c not waited for. C.mu is held.
func (k *poller) forget(c *Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, c.polled.n)
	c.polled.n = 0
	if c.polled.fd > 0 && !k.closed {
		unix.EpollCtl(k.ep, unix.EPOLL_CTL_DEL, c.polled.fd, nil)
	}
}

// attachLocked gives the socket back to package net, if it was taken from it: what
// comes next may wait. What rests goes on. If there are no descriptors left to do it
// with, the Conn is closed.
func (c *Conn) attachLocked() {
	w := &c.polled
	if w.fd == 0 {
		return
	}
	w.by.forget(c)
	f := os.NewFile(uintptr(w.fd), "")
	under, err := net.FileConn(f) // with a descriptor of its own
	f.Close()
	w.fd, w.ready = 0, false
	if err != nil {
		c.under = lostConn{}
		c.closeLocked(err)
		return
	}
	c.under, c.raw = under, nonblock.Raw(under)
	tuneSocket(under, c.stall)
	c.unparkLocked()
}

// dropLocked closes a socket that was taken from package net.
func (c *Conn) dropLocked() {
	c.polled.by.forget(c)
	unix.Close(c.polled.fd)
	c.polled.fd, c.polled.ready = 0, false
	c.under = lostConn{}
}
