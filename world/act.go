package world

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"mudlark.dev/lock"
	"mudlark.dev/markup"
	"mudlark.dev/message"
)

// CallHook calls a hook of e, if its typeclass has it, and reports whether it
// has. H is one of the hook interfaces of this package, or one of a game's own:
//
//	world.CallHook(e, func(h world.AtDropHook) { h.AtDrop(who) })
func CallHook[H any](e Entity, f func(h H)) bool { return call(e.base(), f) }

// AskHook is CallHook for a hook that can refuse: it returns the hook's error,
// and nil if there is no such hook.
func AskHook[H any](e Entity, f func(h H) error) error { return ask(e.base(), f) }

// safely calls a hook where nothing that goes wrong in it may stop what is under
// way, such as the end of a session: a panic is logged, and what the hook did is
// undone.
func safely[H any](c *core, what string, f func(H)) {
	w := c.w
	m := w.Mark()
	ok := false
	defer func() {
		if ok {
			return
		}
		w.Undo(m)
		if r := recover(); r != nil {
			w.cfg.Logger.Error("hook failed", "hook", what, "entity", c.id, "typeclass", c.typeclass, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	call(c, f)
	ok = true
}

// Scenery is the attribute that, if true, keeps a thing out of the list of what
// is in a place: its description mentions it.
const Scenery = "scenery"

// Look returns what looker sees of target: what its AtLook says, else the
// AtAppearance of target, else Appearance.
func Look(looker, target Entity) string {
	var text string
	seen := call(looker.base(), func(h AtLookHook) { text = h.AtLook(target.base().self) })
	if !seen {
		text = AppearanceOf(looker, target)
	}
	call(target.base(), func(h AtDescHook) { h.AtDesc(looker.base().self) })
	return text
}

// AppearanceOf returns the AtAppearance of target for looker, or Appearance.
func AppearanceOf(looker, target Entity) string {
	var text string
	if call(target.base(), func(h AtAppearanceHook) { text = h.AtAppearance(looker.base().self) }) {
		return text
	}
	return Appearance(looker, target)
}

// Appearance is what looker sees of target where no hook says otherwise: its
// name and description, and of a place its exits, who is there and what lies
// about.
func Appearance(looker, target Entity) string {
	w := looker.World()
	subject, _ := looker.base().self.(lock.Subject)
	builder := subject != nil && w.Passes(subject, "Builder")
	t := target.base()
	isRoom := t.family == famRoom

	// What is seen is sorted, and the text written, in room of the world's that is
	// used again: it is taken, as a lock function may look in its turn.
	seen := w.seen
	w.seen = sights{}
	for _, o := range t.contents {
		if o == looker.base() || !o.self.Access(subject, "view", true) || len(o.attrs) > 0 && o.attrs[Scenery].value == true {
			continue
		}
		switch o.family {
		case famExit:
			seen.exits = append(seen.exits, o)
		case famCharacter:
			seen.people = append(seen.people, o)
		default:
			seen.things = append(seen.things, o.self)
		}
	}

	b := append(seen.text[:0], "|c"...)
	b = append(b, target.Name()...)
	b = append(b, "|n"...)
	if builder {
		b = append(b, " ("...)
		b = append(b, target.ID().String()...)
		b = append(b, ')')
	}
	if desc := t.Desc(); desc != "" {
		b = append(b, '\n')
		b = append(b, desc...)
	} else if !isRoom {
		b = append(b, "\nYou see nothing special."...)
	}
	if isRoom {
		what := "\nExits: "
		for _, o := range seen.exits {
			b = append(b, what...)
			what = ", "
			// Who has links goes there by choosing it.
			b = append(b, "|lc"...)
			b = append(b, markup.Escape(w.Plain(o.name))...)
			b = append(b, "|lt|w"...)
			b = append(b, o.name...)
			b = append(b, "|n|le"...)
		}
	}
	what := "\nHere: "
	for _, o := range seen.people {
		b = append(b, what...)
		b = append(b, o.name...)
		what = ", "
	}
	if len(seen.things) > 0 && (isRoom || builder || t == looker.base()) {
		b = append(b, "\nYou see: "...)
		b = append(b, ListNames(seen.things)...)
	}
	text := string(b)
	seen.text = b
	w.seen = seen.cleared()
	return text
}

// sights is room for what is seen at once.
type sights struct {
	exits, people []*core
	things        []Entity
	text          []byte
}

// cleared returns s empty; of what grew beyond the usual nothing is kept.
func (s sights) cleared() sights {
	const most = 1000
	if max(cap(s.exits), cap(s.people), cap(s.things)) > most || cap(s.text) > 64<<10 {
		return sights{}
	}
	clear(s.exits)
	clear(s.people)
	clear(s.things)
	return sights{s.exits[:0], s.people[:0], s.things[:0], s.text}
}

// ListNames names things in their order, those of one name together: "coin (3),
// rope".
func ListNames(things []Entity) string {
	if len(things) == 1 {
		return things[0].Name()
	}
	var names []string
	count := map[string]int{}
	for _, e := range things {
		if count[e.Name()]++; count[e.Name()] == 1 {
			names = append(names, e.Name())
		}
	}
	for i, n := range names {
		if count[n] > 1 {
			names[i] = fmt.Sprintf("%s (%d)", n, count[n])
		}
	}
	return strings.Join(names, ", ")
}

// A Speech is something that is said.
type Speech struct {
	Speaker Entity
	Kind    string       // "say" or "whisper", or a game's own
	Text    string       // marked up; what a player typed is escaped
	To      []Entity     // who can hear it; nil means everybody in the place
	Reply   func(string) // tells the speaker that they have spoken; nil means by Msg
}

// Speak has the speech said: the speaker's AtPreSay may change or refuse it,
// then their AtSay says it, or else Say, and everything that can hear it has its
// AtHear called.
func (s *Speech) Speak() error {
	c := s.Speaker.base()
	s.Speaker = c.self
	if err := ask(c, func(h AtPreSayHook) error { return h.AtPreSay(s) }); err != nil {
		return err
	}
	if !call(c, func(h AtSayHook) { h.AtSay(s) }) {
		Say(s)
	}
	for _, o := range s.hearers() {
		if !o.deleted {
			call(o, func(h AtHearHook) { h.AtHear(s) })
		}
	}
	return nil
}

// hearers returns who can hear it, but not the speaker.
func (s *Speech) hearers() []*core {
	var out []*core
	c := s.Speaker.base()
	if s.To != nil {
		for _, e := range s.To {
			out = append(out, e.base())
		}
	} else if c.location != nil {
		out = append(slices.Clone(c.location.contents), c.location)
	}
	return slices.DeleteFunc(out, func(o *core) bool { return o == c })
}

// Say tells the speaker and those who hear it what was said. It is what is done
// where there is no AtSay, which may call it.
func Say(s *Speech) {
	c := s.Speaker.base()
	reply := s.Reply
	if reply == nil {
		reply = func(text string) {
			c.w.output(slices.Clone(c.sessions), message.Text(text), message.Options{})
		}
	}
	name := c.name
	if s.Kind != "whisper" {
		reply(fmt.Sprintf("You say, \"%s\"", s.Text))
		if c.location != nil && s.To == nil {
			c.location.tell(message.Text(fmt.Sprintf("%s says, \"%s\"", name, s.Text)), message.Options{}, c)
			return
		}
		s.tellTo(fmt.Sprintf("%s says to you, \"%s\"", name, s.Text))
		return
	}
	var told []string
	for _, e := range s.To {
		told = append(told, e.Name())
	}
	s.tellTo(fmt.Sprintf("%s whispers to you, \"%s\"", name, s.Text))
	reply(fmt.Sprintf("You whisper to %s, \"%s\"", strings.Join(told, ", "), s.Text))
}

func (s *Speech) tellTo(text string) {
	for _, e := range s.To {
		o := e.base()
		o.w.output(slices.Clone(o.sessions), message.Text(text), message.Options{})
	}
}

// CharacterOf returns the character that stands behind the subject of a lock: the
// character itself, or the puppet of a session; nil if there is none.
func CharacterOf(subject lock.Subject) *Character {
	switch s := subject.(type) {
	case *Session:
		return s.Puppet()
	case Entity:
		c, _ := As[*Character](s)
		return c
	}
	return nil
}
