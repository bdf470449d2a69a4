package world

import (
	"context"

	"mudlark.dev/message"
)

// An Effect is something that leaves the loop at the end of a turn: one of the
// types below, or one that the Server has put among them with Emit.
type Effect any

// Output is a message for some sessions.
type Output struct {
	To      []*Session
	Message message.Message
	Options message.Options
}

// Login says that who plays at a session has changed.
type Login struct{ Session *Session }

// PrefsChanged says that the player's preferences have changed.
type PrefsChanged struct{ Session *Session }

// Disconnected asks for the session's client to be sent away.
type Disconnected struct {
	Session *Session
	Reason  string // for the player
}

// ActionKind says what is to be done with the Server.
type ActionKind uint8

// The kinds of actions.
const (
	ActionReload ActionKind = iota
	ActionReset
	ActionShutdown
)

// An Action asks for the Server to be replaced or stopped.
type Action struct {
	Kind    ActionKind
	Session *Session // who is told how it went; nil for nobody
	Reason  string
}

// Work is something slow that is to be done off the loop.
type Work struct {
	Do   func(ctx context.Context) any
	Then func(result any) // on the loop again; nil for nothing
}

// Emit puts an effect behind those that were collected so far.
func (w *World) Emit(e Effect) { w.effects = append(w.effects, e) }

// TakeEffects returns what was collected since the last call, in order. The
// caller owns it.
func (w *World) TakeEffects() []Effect {
	e := w.effects
	w.effects, w.emitted = nil, 0
	return e
}

// Emitted returns about how many bytes of text, over all receivers, were said
// since the last TakeEffects, undone ones included.
func (w *World) Emitted() int { return w.emitted }

// Go has do run off the loop, once all that was done so far is in the store,
// and then its result handed to then on the loop. do must not touch the world.
// then runs as a unit of its own: if it panics, what it did is undone. It does
// not run if the Server ends first.
func (w *World) Go(do func(ctx context.Context) any, then func(result any)) {
	w.Emit(Work{Do: do, Then: then})
}

// Restart asks for the Server to be replaced or stopped. s is told how it
// went, unless it is nil.
func (w *World) Restart(kind ActionKind, s *Session, reason string) {
	w.Emit(Action{Kind: kind, Session: s, Reason: reason})
}

// output sends m to sessions, of which it keeps the slice.
func (w *World) output(to []*Session, m message.Message, o message.Options) {
	if len(to) > 0 {
		if text, ok := m.ArgText(0); ok {
			w.emitted += len(text) * len(to)
		}
		w.Emit(Output{To: to, Message: m, Options: o})
	}
}
