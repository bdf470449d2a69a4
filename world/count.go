package world

// TimerCount returns how many timers are set.
func (w *World) TimerCount() int { return len(w.timers) }
