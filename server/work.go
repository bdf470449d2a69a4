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
	slots chan struct{}
	wg    sync.WaitGroup
	ctx   context.Context // ends with the Server; not a call's context
	end   context.CancelFunc

	mu sync.Mutex
	n  int
}

func newWorkers() *workers {
	ctx, end := context.WithCancel(context.Background())
	return &workers{slots: make(chan struct{}, maxRunning), ctx: ctx, end: end}
}

// start runs do on a goroutine of its own. Its context ends with parent and
// with the Server.
func (w *workers) start(parent context.Context, do func(context.Context)) {
	w.mu.Lock()
	w.n++
	w.mu.Unlock()
	w.wg.Go(func() {
		defer func() {
			w.mu.Lock()
			w.n--
			w.mu.Unlock()
		}()
		ctx, cancel := context.WithCancel(parent)
		defer cancel()
		defer context.AfterFunc(w.ctx, cancel)()
		select {
		case w.slots <- struct{}{}:
			defer func() { <-w.slots }()
		case <-ctx.Done(): // do finds out by itself
		}
		do(ctx)
	})
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
