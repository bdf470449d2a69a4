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

// newCore makes an entity and puts it into the world.
func (w *World) newCore(f family, name string) *core {
	w.lastID++
	c := w.makeCore(w.lastID, f, families[f].name)
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

func (w *World) makeCore(id ID, f family, typeclass string) *core {
	c := &core{w: w, id: id, family: f, typeclass: typeclass}
	c.classLock, _ = w.compile(families[f].locks) // checked by New
	switch o := (Object{c}); f {
	case famRoom:
		c.self = &Room{o}
	case famExit:
		c.self = &Exit{o}
	case famCharacter:
		c.self = &Character{o}
	case famAccount:
		c.self = &Account{c}
	default:
		c.self = &o
	}
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

// NewRoom makes a room.
func (w *World) NewRoom(name string) *Room { return w.newCore(famRoom, name).self.(*Room) }

// NewObject makes a thing in a place. It is nowhere if that is nil, deleted, or
// an account.
func (w *World) NewObject(name string, in Entity) *Object {
	c := w.newCore(famObject, name)
	if in != nil && !in.Deleted() && in.base().family != famAccount {
		c.home = in.ID()
		c.place(in.base())
	}
	return c.self.(*Object)
}

// NewExit makes an exit in from that leads to to. Aliases beyond MaxAliases are
// left out.
func (w *World) NewExit(name string, from, to *Room, aliases ...string) *Exit {
	c := w.newCore(famExit, name)
	for _, a := range aliases {
		if a = clip(a); a != "" && len(c.aliases) < MaxAliases {
			c.aliases = append(c.aliases, a)
		}
	}
	c.destination = to.core
	c.place(from.core)
	return c.self.(*Exit)
}

// NewCharacter makes a character that is nowhere until it is played: then it
// begins in home. The name must be free among characters (ErrNameTaken) and
// fit to be one (ErrBadName).
func (w *World) NewCharacter(name string, home Entity) (*Character, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	key := strings.ToLower(name)
	if w.characters[key] != nil {
		return nil, ErrNameTaken
	}
	c := w.newCore(famCharacter, name)
	if home != nil {
		c.home, c.away = home.ID(), home.ID()
	}
	w.characters[key] = c
	w.note(func() { delete(w.characters, key) })
	return c.self.(*Character), nil
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
		if r, ok := c.self.(*Room); ok {
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
		if e, ok := c.self.(*Exit); ok {
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

// MoveOptions say how a move is done. The zero value tells both places.
type MoveOptions struct {
	Quiet bool   // nobody is told
	By    *Exit  // the exit it goes through
	Leave string // what the old place reads instead of "Ada leaves."
	Enter string // what the new place reads instead of "Ada arrives."
}

// MoveTo moves it to dest: the old place is told, it is moved, the new place is
// told. Moving to an exit goes to where that leads. ErrInside is returned for a
// move into itself, ErrDeleted if either is no more.
func (o *Object) MoveTo(dest Entity, opt MoveOptions) error {
	if dest == nil {
		return fmt.Errorf("world: move %s: there is no place to go to", o.id)
	}
	to := dest.base()
	if to.family == famExit && to.destination != nil {
		to = to.destination
	}
	if o.deleted || to.deleted {
		return fmt.Errorf("%w: move %s to %s", ErrDeleted, o.id, to.id)
	}
	if o.family == famRoom || to.family == famAccount {
		return fmt.Errorf("world: %s cannot be moved to %s", o.id, to.id)
	}
	if to.within(o.core) {
		return fmt.Errorf("%w: %s", ErrInside, o.id)
	}
	from := o.location
	if !opt.Quiet && from != nil {
		text := opt.Leave
		if text == "" {
			text = o.name + " leaves."
			if opt.By != nil {
				text = fmt.Sprintf("%s leaves: %s.", o.name, opt.By.Name())
			}
		}
		from.tell(message.Text(text), message.Options{}, o.core)
	}
	o.place(to)
	if !opt.Quiet {
		text := opt.Enter
		if text == "" {
			text = o.name + " arrives."
			if opt.By != nil && from != nil {
				text = fmt.Sprintf("%s arrives from %s.", o.name, from.name)
			}
		}
		to.tell(message.Text(text), message.Options{}, o.core)
	}
	return nil
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
	r, _ := e.destination.self.(*Room)
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

// Traverse takes who through the exit. If its lock refuses, the error is a
// *RefusedError with the exit's attribute "err_traverse" or a plain sentence.
func (e *Exit) Traverse(who *Character) error {
	dest := e.Destination()
	if dest == nil || !e.Access(who, "traverse", true) {
		v, _ := e.Attr("err_traverse")
		text, _ := v.(string)
		if text == "" {
			text = "You cannot go that way."
		}
		return &RefusedError{text}
	}
	return who.MoveTo(dest, MoveOptions{By: e})
}

// Delete takes e out of the world for good. What a room or thing holds goes
// home, or to the start room; exits from and to a room go with it; whoever
// plays a character is out of character; an account's sessions are sent away
// and its characters stay. The start room cannot be deleted.
func (w *World) Delete(e Entity) error {
	c := e.base()
	switch {
	case c.deleted:
		return fmt.Errorf("%w: %s", ErrDeleted, c.id)
	case w.StartRoom() != nil && c.id == w.StartRoom().ID():
		return fmt.Errorf("world: %s is the start room; set another one first", c.id)
	}
	for _, s := range slices.Clone(c.sessions) {
		if c.family == famAccount {
			s.Disconnect("Your account was deleted.")
			s.logout()
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
	for _, t := range slices.Clone(c.tags) {
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
		for _, name := range sortedKeys(c.large) {
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
