package world

import (
	"container/heap"
	"fmt"
	"slices"
	"time"

	"mudlark.dev/message"
)

// A TimerID names a stored timer.
type TimerID uint64

// timer is a stored timer. Its times are those of the wall clock: what is due
// while the game is down is run when it is back, once.
type timer struct {
	id       TimerID
	entity   ID
	name     string
	args     map[string]any
	start    time.Time
	interval time.Duration
	repeat   bool
	due      time.Time

	at    int // its place in the heap
	dirty bool
	isRow bool
	gone  bool
}

// timers is a heap by when they are due, then by ID.
type timers []*timer

func (h timers) Len() int { return len(h) }
func (h timers) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].id < h[j].id
	}
	return h[i].due.Before(h[j].due)
}
func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *timers) Push(x any) {
	t := x.(*timer)
	t.at = len(*h)
	*h = append(*h, t)
}
func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.at = -1
	return t
}

// After has the handler of that name called once, d from now, with e and args.
// The timer is stored: it survives reloads and crashes, and one that falls due
// while the game is down is run when it is back. Its removal is stored
// together with what the handler changes. It goes with e.
func (w *World) After(d time.Duration, e Entity, name string, args map[string]any) (TimerID, error) {
	return w.addTimer(max(d, 0), false, e, name, args)
}

// Every has the handler called each interval, of at least a second, the first
// time one interval from now. Beats that are missed while the game is down are
// left out; the others keep their phase.
func (w *World) Every(interval time.Duration, e Entity, name string, args map[string]any) (TimerID, error) {
	if interval < time.Second {
		return 0, fmt.Errorf("%w: %q: %v", ErrInterval, name, interval)
	}
	return w.addTimer(interval, true, e, name, args)
}

func (w *World) addTimer(d time.Duration, repeat bool, e Entity, name string, args map[string]any) (TimerID, error) {
	c := e.base()
	switch {
	case c.deleted:
		return 0, fmt.Errorf("%w: timer %q of %s", ErrDeleted, name, c.id)
	case w.cfg.Timers[name] == nil:
		return 0, fmt.Errorf("%w: %q", ErrNoTimer, name)
	case len(w.timers) >= MaxTimers:
		return 0, fmt.Errorf("%w: timers: the limit is %d", ErrTooMany, MaxTimers)
	}
	m := message.New("t")
	for k, v := range args {
		m = m.With(k, v)
	}
	// Whole milliseconds are what is stored, so that it is the same before and
	// after a reload.
	t := &timer{
		id: TimerID(w.lastID + 1), entity: c.id, name: name, args: m.Kwargs, repeat: repeat,
		start: w.Now().Truncate(time.Millisecond), interval: d.Round(time.Millisecond),
	}
	if err := t.message().Check(); err != nil { // as it is stored
		return 0, fmt.Errorf("world: timer %q: %w", name, err)
	}
	w.lastID++ // entities and timers share their numbers: none is used twice
	w.changes++
	t.due = t.start.Add(t.interval)
	w.addToHeap(t)
	t.dirty = true
	w.dirtyTimers = append(w.dirtyTimers, t)
	w.note(func() { w.dirtyTimers = w.dirtyTimers[:len(w.dirtyTimers)-1] })
	return t.id, nil
}

func (w *World) addToHeap(t *timer) {
	heap.Push(&w.timers, t)
	t.gone = false
	w.note(func() {
		heap.Remove(&w.timers, t.at)
		t.gone = true
	})
}

// CancelTimer ends a timer and reports whether there was one. One that this
// build has no handler for, or that PassNext has kept, is a timer, too.
func (w *World) CancelTimer(id TimerID) bool {
	if i := slices.IndexFunc(w.kept, func(t *timer) bool { return t.id == id }); i >= 0 {
		w.unkeep(w.kept[i])
		return true
	}
	for _, t := range w.timers {
		if t.id == id {
			w.removeTimer(t)
			return true
		}
	}
	return false
}

func (w *World) cancelTimersOf(id ID) {
	for _, t := range slices.Clone(w.kept) {
		if t.entity == id {
			w.unkeep(t)
		}
	}
	for _, t := range slices.Clone(w.timers) {
		if t.entity == id {
			w.removeTimer(t)
		}
	}
}

// unkeep ends a timer that is only kept.
func (w *World) unkeep(t *timer) {
	set(w, &w.kept, slices.DeleteFunc(slices.Clone(w.kept), func(o *timer) bool { return o == t }))
	set(w, &t.gone, true)
	if t.isRow {
		w.erase(RecordKey{RecordTimer, recordID(ID(t.id))})
	}
}

func (w *World) removeTimer(t *timer) {
	heap.Remove(&w.timers, t.at)
	t.gone = true
	w.note(func() {
		heap.Push(&w.timers, t)
		t.gone = false
	})
	if t.isRow {
		w.erase(RecordKey{RecordTimer, recordID(ID(t.id))})
	}
}

// NextTimer returns when the next timer is due, if there is one.
func (w *World) NextTimer() (time.Time, bool) {
	if len(w.timers) == 0 {
		return time.Time{}, false
	}
	return w.timers[0].due, true
}

// FireNext takes the timer that is due next: a one-shot is removed now, before
// it runs, so that a handler that fails is not called again; one that repeats
// is set to its next beat. It returns the handler's name and the call to make.
func (w *World) FireNext() (name string, run func() error) {
	t := w.timers[0]
	if t.repeat {
		w.beat(t)
	} else {
		w.removeTimer(t)
	}
	e, handler := w.Get(t.entity), w.cfg.Timers[t.name]
	return t.name, func() error {
		if e == nil {
			return fmt.Errorf("%w: %s of timer %q", ErrDeleted, t.entity, t.name)
		}
		if handler == nil {
			return fmt.Errorf("%w: %q", ErrNoTimer, t.name)
		}
		return handler(w, e, t.args)
	}
}

// DueTimer names the timer that FireNext takes next, which there must be.
func (w *World) DueTimer() (id TimerID, name string) {
	return w.timers[0].id, w.timers[0].name
}

// PassNext passes over the timer that FireNext would take: one that repeats is
// set to its next beat, a one-shot is not run in this World any more, but stays
// in the store for the next. It is called between commands, and is not undone.
func (w *World) PassNext() {
	t := w.timers[0]
	if t.repeat {
		w.beat(t)
		return
	}
	heap.Remove(&w.timers, t.at)
	w.kept = append(w.kept, t)
}

// beat sets a repeating timer to its first beat after now. Nothing is stored:
// start and interval tell all beats.
func (w *World) beat(t *timer) {
	n := w.Now().Sub(t.start)/t.interval + 1
	t.due = t.start.Add(n * t.interval)
	heap.Fix(&w.timers, t.at)
}

func (t *timer) store(out *Changes) {
	out.put(RecordTimer, recordID(ID(t.id)), t.encode())
	t.isRow = true
}

func (t *timer) encode() []byte {
	m := t.message()
	return encode(m.Name, m.Kwargs)
}

func (t *timer) message() message.Message {
	args := t.args
	if args == nil {
		args = map[string]any{}
	}
	return message.Message{Name: "t", Kwargs: map[string]any{
		"entity": int64(t.entity), "name": t.name, "args": args, "start": t.start.UnixMilli(),
		"interval": t.interval.Milliseconds(), "repeat": t.repeat,
	}}
}

func (w *World) loadTimer(key string, data []byte) error {
	id, err := parseID(key)
	if err != nil {
		return err
	}
	w.lastID = max(w.lastID, id)
	m, _, err := decode(data)
	if err != nil {
		return err
	}
	f := fields(m)
	args, _ := m["args"].(map[string]any)
	t := &timer{
		id: TimerID(id), entity: f.id("entity"), name: f.text("name"), args: args, repeat: f.flag("repeat"), isRow: true,
		start: time.UnixMilli(f.int("start")), interval: time.Duration(f.int("interval")) * time.Millisecond,
	}
	if t.interval < 0 || t.interval > 1<<62 || t.repeat && t.interval < time.Second {
		return fmt.Errorf("%w: interval %v", ErrBadRecord, t.interval)
	}
	t.due = t.start.Add(t.interval)
	w.addToHeap(t)
	w.loading.timers[t.id] = t
	return nil
}

// finishTimers drops from the heap, not from the store, what this build cannot
// run, and sets the others to their next beat.
func (w *World) finishTimers() {
	for _, t := range slices.Clone(w.timers) {
		switch {
		case w.entities[t.entity] == nil:
			w.problem(fmt.Errorf("timer %d %q: its entity %s is not there", t.id, t.name, t.entity))
		case w.cfg.Timers[t.name] == nil:
			w.problem(fmt.Errorf("timer %d of %s: %w: %q; it is kept for a build that has one", t.id, t.entity, ErrNoTimer, t.name))
		default:
			// One that is due at this very moment was run, if a Server was there.
			if t.repeat && !t.due.After(w.Now()) {
				w.beat(t)
			}
			continue
		}
		heap.Remove(&w.timers, t.at)
		w.kept = append(w.kept, t)
	}
}
