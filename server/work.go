package server

import (
	"context"
	"sync"
)

// maxRunning is how many background works run at the same time; others wait.
const maxRunning = 16

// workers runs background work beside the loop. What is started is bounded by
// the loop, which takes no events while there is too much (maxWork).
type workers struct {
	slots  chan struct{}
	signal func() // wakes the loop, which may wait for there to be less work
	wg     sync.WaitGroup
	ctx    context.Context // ends with the Server; not a call's context
	end    context.CancelFunc

	mu sync.Mutex
	n  int
}

func newWorkers(signal func()) *workers {
	ctx, end := context.WithCancel(context.Background())
	return &workers{slots: make(chan struct{}, maxRunning), signal: signal, ctx: ctx, end: end}
}

// start runs do on a goroutine of its own. Its context ends with parent and
// with the Server.
func (w *workers) start(parent context.Context, do func(context.Context)) {
	w.mu.Lock()
	w.n++
	w.mu.Unlock()
	w.wg.Go(func() {
		p := &place{w: w}
		defer p.leave()
		ctx, cancel := context.WithCancel(context.WithValue(parent, placeKey{}, p))
		defer cancel()
		defer context.AfterFunc(w.ctx, cancel)()
		select {
		case w.slots <- struct{}{}:
			p.slot = true
		case <-ctx.Done(): // do finds out by itself
		}
		do(ctx)
	})
}

// A place is what a work takes of what all may take.
type place struct {
	w    *workers
	slot bool // set before do begins
	once sync.Once
}

type placeKey struct{} // of a work's context: its *place

// leave gives the place back, once.
func (p *place) leave() {
	p.once.Do(func() {
		if p.slot {
			<-p.w.slots
		}
		p.w.mu.Lock()
		p.w.n--
		n := p.w.n
		p.w.mu.Unlock()
		if n == maxWork {
			p.w.signal()
		}
	})
}

// leaveWork has the work whose context this is count as background work no longer:
// what it goes on to wait for has a bound of its own. If it is none, it does nothing.
func leaveWork(ctx context.Context) {
	if p, ok := ctx.Value(placeKey{}).(*place); ok {
		p.leave()
	}
}

// count returns how many works are under way or waiting.
func (w *workers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// close ends the context of all work. It waits for work that takes heed; work
// that does not is left behind, as the process ends soon.
func (w *workers) close() {
	w.end()
	done := make(chan struct{})
	go func() {
		w.wg.Wait()
		close(done)
	}()
	t := newGrace()
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}
