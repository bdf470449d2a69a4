package world

import (
	"fmt"
	"slices"
	"strings"

	"mudlark.dev/message"
)

// An Object is a thing in the world. Room, Exit and Character are objects, too.
type Object struct{ *core }

// A Room is a place: it has no location and holds others.
type Room struct{ Object }

// An Exit leads from the room it is in to its destination.
type Exit struct{ Object }

// A Character is what a player plays.
type Character struct{ Object }

var (
	_ Entity = (*Object)(nil)
	_ Entity = (*Room)(nil)
	_ Entity = (*Exit)(nil)
	_ Entity = (*Character)(nil)
	_ Entity = (*Account)(nil)
)

// newCore makes an entity of a class and puts it into the world.
func (w *World) newCore(k *class, name string) *core {
	w.lastID++
	c := w.makeCore(w.lastID, k.family, k)
	c.typeclass = k.name
	c.name = clip(name)
	c.isNew = true
	w.entities[c.id] = c
	w.note(func() {
		delete(w.entities, c.id)
		c.deleted = true
	})
	c.mark()
	return c
}

func (w *World) makeCore(id ID, f family, k *class) *core {
	c := &core{w: w, id: id, family: f, typeclass: k.name}
	if f == famAccount {
		c.accountPart = new(accountPart)
	}
	c.become(k)
	return c
}

// clip shortens a name to what may be stored.
func clip(name string) string {
	name = strings.ToValidUTF8(strings.TrimSpace(name), "\uFFFD")
	for len(name) > MaxName {
		name = strings.ToValidUTF8(name[:MaxName], "")
	}
	return name
}

// SetName gives a thing, room or exit another name. Names of characters and
// accounts do not change.
func (o *Object) SetName(name string) error {
	if o.family == famCharacter {
		return fmt.Errorf("world: %s: a character keeps its name", o.id)
	}
	if clip(name) == "" {
		return fmt.Errorf("world: %s: a name is not empty", o.id)
	}
	set(o.w, &o.core.name, clip(name))
	o.mark()
	o.touchSets()
	return nil
}

// Location returns where it is, or nil: a room, or who carries it.
func (o *Object) Location() Entity {
	if o.location == nil {
		return nil
	}
	return o.location.self
}

// Room returns the room it is in, directly or in somebody's hands; nil if it
// is nowhere. A room is its own.
func (o *Object) Room() *Room {
	for c := o.core; c != nil; c = c.location {
		if c.family == famRoom {
			r, _ := As[*Room](c.self)
			return r
		}
	}
	return nil
}

// Home returns where it goes when its place is no more, or nil.
func (o *Object) Home() Entity { return o.w.Get(o.home) }

// SetHome sets that place; nil means that there is none.
func (o *Object) SetHome(e Entity) {
	if e == nil {
		set(o.w, &o.core.home, 0)
		o.mark()
		return
	}
	set(o.w, &o.core.home, e.ID())
	o.mark()
}

// Contents returns what is in it, in the order of arrival.
func (o *Object) Contents() []Entity {
	out := make([]Entity, len(o.contents))
	for i, c := range o.contents {
		out[i] = c.self
	}
	return out
}

// Exits returns the exits in it.
func (o *Object) Exits() []*Exit {
	var out []*Exit
	for _, c := range o.offers {
		if e, ok := As[*Exit](c.self); ok {
			out = append(out, e)
		}
	}
	return out
}

// LocalSets returns the exits in it and the things that carry cmdsets, in the
// order of arrival.
func (o *Object) LocalSets() []Entity {
	out := make([]Entity, len(o.offers))
	for i, c := range o.offers {
		out[i] = c.self
	}
	return out
}

// place moves c without a word: the one function that changes locations.
func (c *core) place(to *core) {
	w, from := c.w, c.location
	if from != nil {
		// In place, so that the journal keeps the one thing and not the list:
		// changes are taken back in reverse order, so its index is right then.
		if at := slices.Index(from.contents, c); at >= 0 {
			from.contents = slices.Delete(from.contents, at, at+1)
			w.note(func() { from.contents = slices.Insert(from.contents, at, c) })
		}
	}
	set(w, &c.location, to)
	w.arrivals++
	set(w, &c.arrived, w.arrivals)
	if to != nil {
		to.contents = append(to.contents, c)
		w.note(func() { to.contents = slices.Delete(to.contents, len(to.contents)-1, len(to.contents)) })
	}
	if c.offering() {
		for _, at := range []*core{from, to} {
			if at != nil {
				at.reoffer()
			}
		}
	}
	c.mark()
}

// within reports whether c is o or is in it, directly or not.
func (c *core) within(o *core) bool {
	for ; c != nil; c = c.location {
		if c == o {
			return true
		}
	}
	return false
}

// Msg sends a text to all sessions that play it.
func (o *Object) Msg(text string) { o.Send(message.Text(text), message.Options{}) }

// Msgf is Msg with a format.
func (o *Object) Msgf(format string, args ...any) { o.Msg(fmt.Sprintf(format, args...)) }

// Send sends a message to all sessions that play it.
func (o *Object) Send(m message.Message, opt message.Options) {
	o.w.output(slices.Clone(o.sessions), m, opt)
}

// MsgContents sends a text to all that are in it and to itself, but not to those
// excluded.
func (o *Object) MsgContents(text string, exclude ...Entity) {
	o.SendContents(message.Text(text), message.Options{}, exclude...)
}

// SendContents is MsgContents for any message: one for all receivers.
func (o *Object) SendContents(m message.Message, opt message.Options, exclude ...Entity) {
	cores := make([]*core, 0, len(exclude))
	for _, e := range exclude {
		if e != nil {
			cores = append(cores, e.base())
		}
	}
	o.tell(m, opt, cores...)
}

func (c *core) tell(m message.Message, opt message.Options, exclude ...*core) {
	var to []*Session
	if !slices.Contains(exclude, c) {
		to = append(to, c.sessions...)
	}
	for _, o := range c.contents {
		if len(o.sessions) > 0 && !slices.Contains(exclude, o) {
			to = append(to, o.sessions...)
		}
	}
	c.w.output(to, m, opt)
}

// Destination returns where the exit leads, or nil.
func (e *Exit) Destination() *Room {
	if e.destination == nil {
		return nil
	}
	r, _ := As[*Room](e.destination.self)
	return r
}

// SetDestination changes where it leads; nil means nowhere.
func (e *Exit) SetDestination(r *Room) {
	if r == nil {
		set(e.w, &e.core.destination, nil)
		e.mark()
		return
	}
	set(e.w, &e.core.destination, r.core)
	e.mark()
}

// A RefusedError says why something in the world cannot be done, in words for
// the player.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// Delete takes e out of the world for good. What a room or thing holds goes
// home, or to the start room; exits from and to a room go with it; whoever
// plays a character is out of character; an account's sessions are sent away
// and its characters stay. The start room cannot be deleted, and AtObjectDelete
// can refuse; what it refuses half-way is undone with the command.
func (w *World) Delete(e Entity) error {
	c := e.base()
	switch {
	case c.deleted:
		return fmt.Errorf("%w: %s", ErrDeleted, c.id)
	case w.StartRoom() != nil && c.id == w.StartRoom().ID():
		return fmt.Errorf("world: %s is the start room; set another one first", c.id)
	}
	if err := ask(c, AtObjectDeleteHook.AtObjectDelete); err != nil {
		return err
	}
	if c.deleted {
		return nil // by its own hook
	}
	for _, s := range slices.Clone(c.sessions) {
		if c.family == famAccount {
			s.Disconnect("Your account was deleted.")
			s.logout("Your account was deleted.")
		} else {
			s.Unpuppet()
		}
	}
	for _, o := range slices.Clone(c.contents) {
		if o.family == famExit {
			if err := w.Delete(o.self); err != nil {
				return err
			}
			continue
		}
		w.sendHome(o, c)
	}
	if c.family == famRoom {
		for other := range w.All() {
			if o := other.base(); o.family == famExit && o.destination == c {
				if err := w.Delete(other); err != nil {
					return err
				}
			}
		}
	}
	for _, t := range slices.Clone(c.Tags()) {
		w.DelTag(e, t.Key, t.Category)
	}
	w.cancelTimersOf(c.id)
	c.place(nil)
	key := strings.ToLower(c.name)
	switch c.family {
	case famAccount:
		delete(w.accounts, key)
		w.note(func() { w.accounts[key] = c })
		for _, id := range c.characters {
			// Or they would go on holding its permissions.
			if ch := w.entities[id]; ch != nil && ch.account == c {
				set(w, &ch.account, nil)
				ch.mark()
			}
		}
	case famCharacter:
		delete(w.characters, key)
		w.note(func() { w.characters[key] = c })
		if a := c.account; a != nil {
			set(w, &a.characters, slices.DeleteFunc(slices.Clone(a.characters), func(id ID) bool { return id == c.id }))
			a.mark()
		}
	}
	delete(w.entities, c.id)
	w.note(func() { w.entities[c.id] = c })
	set(w, &c.deleted, true)
	if !c.isNew {
		w.erase(RecordKey{RecordEntity, recordID(c.id)})
		for _, name := range sortedKeys(c.has().large) {
			w.erase(RecordKey{RecordAttribute, attrRecordID(c.id, name)})
		}
	}
	return nil
}

// sendHome moves o out of a place that is about to go.
func (w *World) sendHome(o, from *core) {
	var to *core
	if h := w.entities[o.home]; h != nil && h != from && !h.within(o) {
		to = h
	} else if r := w.StartRoom(); r != nil && r.core != from {
		to = r.core
	}
	o.place(to)
	if to != nil && len(o.sessions) > 0 {
		w.output(slices.Clone(o.sessions), message.Text("The place around you is no more. You find yourself elsewhere."), message.Options{})
	}
}
