package world

// A Mark is a point in a turn to which Undo can go back. It is good until the
// turn's end.
type Mark struct {
	journal int
	effects int
	changes int
}

// note adds how to take back a change that was just made.
func (w *World) note(undo func()) {
	if w.loading == nil {
		w.journal = append(w.journal, undo)
	}
}

// Mark returns the present point of the turn.
func (w *World) Mark() Mark { return Mark{len(w.journal), len(w.effects), w.changes} }

// Changed reports whether something that is stored was changed since m.
func (w *World) Changed(m Mark) bool { return w.changes > m.changes }

// Undo takes back every change and every effect since m. IDs that were given
// out stay used.
func (w *World) Undo(m Mark) {
	for i := len(w.journal) - 1; i >= m.journal; i-- {
		undo := w.journal[i]
		w.journal[i] = nil
		w.journal = w.journal[:i]
		undo()
	}
	w.changes = min(w.changes, m.changes)
	clear(w.effects[min(m.effects, len(w.effects)):])
	w.effects = w.effects[:min(m.effects, len(w.effects))]
}

// set changes *p and notes how to take that back.
func set[T any](w *World, p *T, v T) {
	old := *p
	*p = v
	w.note(func() { *p = old })
}

// mark notes that c is to be stored.
func (c *core) mark() {
	w := c.w
	w.changes++
	if c.dirty || w.loading != nil {
		return
	}
	c.dirty = true
	w.dirty = append(w.dirty, c)
	w.note(func() {
		c.dirty = false
		w.dirty = w.dirty[:len(w.dirty)-1]
	})
}

// erase notes that a record is to be deleted from the store.
func (w *World) erase(k RecordKey) {
	w.changes++
	w.deletes = append(w.deletes, k)
	w.note(func() { w.deletes = w.deletes[:len(w.deletes)-1] })
}
