package telnetd

import (
	"sync"
	"time"

	"mudlark.dev/telnet"
)

const (
	// sweepEvery is how often the clients are looked at: one that has said nothing
	// in between gives up memory, and with TLS its goroutine.
	sweepEvery = 5 * time.Second
	// sweepPause is between two looks at least, so that those for which something
	// is due are seen together.
	sweepPause = time.Second
)

// A sweeper looks after the clients that are idle: it sends them what keeps their
// connection up, and has them give up what only one needs that types. One timer serves
// all.
type sweeper struct {
	mu    sync.Mutex
	list  []*client
	timer *time.Timer   // nil while there are none
	rests time.Duration // when they were seen as to their rest, after pr.began
}

func (w *sweeper) add(cl *client) {
	cl.wrote.Store(int64(time.Since(cl.pr.began)))
	w.mu.Lock()
	defer w.mu.Unlock()
	cl.place = len(w.list)
	w.list = append(w.list, cl)
	if w.timer == nil {
		first := sweepEvery
		if every := cl.pr.cfg.KeepAlive; every > 0 {
			first = min(first, every)
		}
		w.timer = time.AfterFunc(first, cl.pr.sweep)
	}
}

func (w *sweeper) remove(cl *client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.list) - 1
	w.list[cl.place] = w.list[last]
	w.list[cl.place].place = cl.place
	w.list[last] = nil
	w.list = w.list[:last]
	if last == 0 {
		w.timer.Stop()
		w.timer, w.list = nil, nil
	}
}

// sweep looks at all clients once.
func (pr *Protocol) sweep() {
	w := &pr.sweeper
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	now := time.Since(pr.began)
	next := now + sweepEvery
	rest := now >= w.rests+sweepEvery
	if rest {
		w.rests = now
	}
	for _, cl := range w.list {
		if every := pr.cfg.KeepAlive; every > 0 {
			due := time.Duration(cl.wrote.Load()) + every
			if due <= now {
				// So that what lies between knows the connection to be in use.
				cl.Write(telnet.AppendCommand(nil, telnet.NOP))
				due = now + every
			}
			next = min(next, due)
		}
		if !rest || cl.active.Swap(false) || cl.idle.Load() {
			continue
		}
		if cl.shares.Load() {
			cl.compact()
		} else {
			cl.weary.Store(true)
			cl.rouse()
		}
	}
	w.timer.Reset(max(next-now, sweepPause))
}
