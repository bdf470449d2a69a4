package floor

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"
)

// hallWaiting is what may wait for one listener of a Hall, in bytes. One that lets
// more pile up is closed.
const hallWaiting = 16 << 20

// A Hall gives each line that it reads to all its connections, the speaker's as well,
// by a bare loop of non-blocking writes: the most that a server can do who has
// nothing to say of its own. What is read while the loop runs goes out at once
// afterwards, with one write for each listener. Who connects gets HallGreeting when
// it is there to hear what others say. Its zero value is ready, and has no state.
type Hall struct{}

// HallGreeting is the first line that a Hall writes to a connection.
const HallGreeting = "welcome\n"

// Serve serves the connections of l until ctx is done, and closes l. It returns as
// that of Echo does.
func (Hall) Serve(ctx context.Context, l net.Listener) error {
	h := &hall{}
	return serve(ctx, l, h.end, func(c net.Conn) error {
		w, err := newSocketWriter(c)
		if err != nil {
			return err
		}
		listener := &hallListener{w: w}
		h.mu.Lock()
		h.all = append(h.all, listener)
		h.mu.Unlock()
		defer h.leave(listener)
		h.pass([]*hallListener{listener}, []byte(HallGreeting))
		in := bufio.NewReaderSize(c, lineBytes)
		for {
			line, err := readLine(in)
			if err != nil {
				return err
			}
			h.say(line)
		}
	})
}

// A hall is what the goroutines of Serve share. Of these one at a time has the loop.
type hall struct {
	mu      sync.Mutex
	all     []*hallListener
	waiting []byte // what is to be said
	looping bool   // somebody has the loop

	loop  sync.Mutex // held during a pass over the listeners
	ended bool       // under loop: the sockets are closed
}

type hallListener struct {
	w    *socketWriter
	rest []byte // what the socket has not taken
	gone bool   // under hall.loop: nothing is written any more
}

// say says a line. If nobody has the loop, it returns when all is said.
func (h *hall) say(line []byte) {
	h.mu.Lock()
	h.waiting = append(h.waiting, line...)
	if h.looping {
		h.mu.Unlock()
		return
	}
	h.looping = true
	var text []byte
	for {
		text, h.waiting = h.waiting, text[:0]
		all := h.all
		h.mu.Unlock()
		full := h.pass(all, text)
		h.mu.Lock()
		if len(h.waiting) > 0 {
			continue
		}
		if !full {
			break
		}
		text = text[:0]
		h.mu.Unlock()
		time.Sleep(time.Millisecond) // some sockets are full
		h.mu.Lock()
	}
	h.looping = false
	h.mu.Unlock()
}

// pass writes to all, and reports whether a socket did not take everything.
func (h *hall) pass(all []*hallListener, text []byte) (full bool) {
	h.loop.Lock()
	defer h.loop.Unlock()
	for _, l := range all {
		if h.ended {
			return false
		}
		if l.gone {
			continue
		}
		data := text
		if len(l.rest) > 0 {
			l.rest = append(l.rest, text...)
			data = l.rest
		}
		n := 0
		if len(data) > 0 {
			var err error
			if n, err = l.w.write(data); err != nil || len(data)-n > hallWaiting {
				l.gone = true
				l.w.close()
				continue
			}
		}
		if len(l.rest) > 0 {
			l.rest = l.rest[:copy(l.rest, l.rest[n:])]
		} else if n < len(text) {
			l.rest = append(l.rest, text[n:]...)
		}
		full = full || len(l.rest) > 0
	}
	return full
}

// leave takes a listener out, whose socket is still open.
func (h *hall) leave(l *hallListener) {
	h.mu.Lock()
	kept := make([]*hallListener, 0, len(h.all)) // a pass may have the old one
	for _, k := range h.all {
		if k != l {
			kept = append(kept, k)
		}
	}
	h.all = kept
	h.mu.Unlock()
	h.loop.Lock()
	l.gone = true
	h.loop.Unlock()
}

// end is called before all sockets are closed.
func (h *hall) end() {
	h.loop.Lock()
	h.ended = true
	h.loop.Unlock()
}
