package world

import (
	"fmt"

	"mudlark.dev/message"
)

// MoveOptions say how a move is done. The zero value tells both places.
type MoveOptions struct {
	Type  string // why, for hooks: "move" if it is empty, "traverse", "get", "drop", "give", "teleport", or the game's own
	Quiet bool   // nobody is told
	By    *Exit  // the exit it goes through
	Leave string // what the old place reads instead of "Ada leaves."
	Enter string // what the new place reads instead of "Ada arrives."
	Force bool   // hooks cannot refuse
}

// A Move is what hooks are told of a move.
type Move struct {
	MoveOptions
	Object Entity
	From   Entity // nil if it was nowhere
	To     Entity
}

// MoveTo moves it to dest. In this order, each hook of whoever has it:
// AtPreMove, AtPreObjectLeave of the old place and AtPreObjectReceive of the new
// one may refuse; AtObjectLeave; the old place is told; it is moved; the new
// place is told; AtObjectReceive; AtPostMove. Moving to an exit goes to where
// that leads. ErrInside is returned for a move into itself, ErrDeleted if
// either is no more, else the error of the hook that refused: nothing has
// happened then.
func (o *Object) MoveTo(dest Entity, opt MoveOptions) error {
	c := o.core
	if dest == nil {
		return fmt.Errorf("world: move %s: there is no place to go to", c.id)
	}
	to := dest.base()
	if to.family == famExit && to.destination != nil {
		to = to.destination
	}
	if err := c.mayMove(to); err != nil {
		return err
	}
	if opt.Type == "" {
		opt.Type = "move"
	}
	from := c.location
	m := &Move{MoveOptions: opt, Object: c.self, To: to.self}
	if from != nil {
		m.From = from.self
	}
	if !opt.Force {
		err := ask(c, func(h AtPreMoveHook) error { return h.AtPreMove(m) })
		if err == nil && from != nil {
			err = ask(from, func(h AtPreObjectLeaveHook) error { return h.AtPreObjectLeave(m) })
		}
		if err == nil {
			err = ask(to, func(h AtPreObjectReceiveHook) error { return h.AtPreObjectReceive(m) })
		}
		if err != nil {
			return err
		}
		// The hooks may have changed more than their answer.
		if err := c.mayMove(to); err != nil {
			return err
		}
		if c.location != from {
			return nil // one of them has moved it: that counts
		}
	}
	if from != nil {
		call(from, func(h AtObjectLeaveHook) { h.AtObjectLeave(m) })
		if !m.Quiet && !call(c, func(h AtAnnounceLeaveHook) { h.AtAnnounceLeave(m) }) {
			AnnounceLeave(m)
		}
		if err := c.mayMove(to); err != nil {
			return err
		}
	}
	c.place(to)
	if !m.Quiet && !call(c, func(h AtAnnounceArriveHook) { h.AtAnnounceArrive(m) }) {
		AnnounceArrive(m)
	}
	call(to, func(h AtObjectReceiveHook) { h.AtObjectReceive(m) })
	call(c, func(h AtPostMoveHook) { h.AtPostMove(m) })
	return nil
}

// mayMove returns why c cannot be moved to to, whatever anybody says.
func (c *core) mayMove(to *core) error {
	switch {
	case c.deleted || to.deleted:
		return fmt.Errorf("%w: move %s to %s", ErrDeleted, c.id, to.id)
	case c.family == famRoom || to.family == famAccount:
		return fmt.Errorf("world: %s cannot be moved to %s", c.id, to.id)
	case to.within(c):
		return fmt.Errorf("%w: %s", ErrInside, c.id)
	}
	return nil
}

// AnnounceLeave tells the old place that something leaves it. It is what is
// done where there is no AtAnnounceLeave, which may call it.
func AnnounceLeave(m *Move) {
	if m.From == nil {
		return
	}
	text := m.Leave
	if text == "" {
		text = m.Object.Name() + " leaves."
		if m.By != nil {
			text = fmt.Sprintf("%s leaves: %s.", m.Object.Name(), m.By.Name())
		}
	}
	m.From.base().tell(message.Text(text), message.Options{}, m.Object.base())
}

// AnnounceArrive tells the new place that something has come. It is what is
// done where there is no AtAnnounceArrive, which may call it.
func AnnounceArrive(m *Move) {
	text := m.Enter
	if text == "" {
		text = m.Object.Name() + " arrives."
		if m.By != nil && m.From != nil {
			text = fmt.Sprintf("%s arrives from %s.", m.Object.Name(), m.From.Name())
		}
	}
	m.To.base().tell(message.Text(text), message.Options{}, m.Object.base())
}

// Traverse takes who through the exit. If its lock refuses, its
// AtFailedTraverse tells who, and the error is a *RefusedError without a text;
// without that hook it has the exit's attribute "err_traverse" or a plain
// sentence.
func (e *Exit) Traverse(who *Character) error {
	c, dest := e.core, e.Destination()
	if dest == nil || !c.self.Access(who, "traverse", true) {
		if call(c, func(h AtFailedTraverseHook) { h.AtFailedTraverse(who.self) }) {
			return &RefusedError{}
		}
		v, _ := e.Attr("err_traverse")
		text, _ := v.(string)
		if text == "" {
			text = "You cannot go that way."
		}
		return &RefusedError{text}
	}
	from := who.location
	var err error
	if !call(c, func(h AtTraverseHook) { err = h.AtTraverse(who.self, dest.self) }) {
		err = who.MoveTo(dest.self, MoveOptions{Type: "traverse", By: e})
	}
	if err != nil {
		return err
	}
	var was Entity
	if from != nil {
		was = from.self
	}
	call(c, func(h AtPostTraverseHook) { h.AtPostTraverse(who.self, was) })
	return nil
}
