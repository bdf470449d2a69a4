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
	subject, _ := looker.base().self.(lock.Subject)
	builder := subject != nil && looker.World().Passes(subject, "Builder")
	t := target.base()
	desc := t.Desc()
	var b strings.Builder
	b.Grow(len(t.name) + len(desc) + 64*min(len(t.contents), 64) + 64)
	b.WriteString("|c")
	b.WriteString(target.Name())
	b.WriteString("|n")
	if builder {
		b.WriteString(" (" + target.ID().String() + ")")
	}
	isRoom := t.family == famRoom
	if desc != "" {
		b.WriteString("\n")
		b.WriteString(desc)
	} else if !isRoom {
		b.WriteString("\nYou see nothing special.")
	}
	var exits, people []string
	var things []Entity
	for _, o := range t.contents {
		if o == looker.base() || !o.self.Access(subject, "view", true) || o.attrs[Scenery].value == true {
			continue
		}
		switch o.family {
		case famExit:
			// Who has links goes there by choosing it.
			exits = append(exits, "|lc"+markup.Escape(o.w.Plain(o.name))+"|lt|w"+o.name+"|n|le")
		case famCharacter:
			people = append(people, o.name)
		default:
			things = append(things, o.self)
		}
	}
	if isRoom && len(exits) > 0 {
		writeList(&b, "\nExits: ", exits)
	}
	if len(people) > 0 {
		writeList(&b, "\nHere: ", people)
	}
	if len(things) > 0 && (isRoom || builder || t == looker.base()) {
		b.WriteString("\nYou see: " + ListNames(things))
	}
	return b.String()
}

func writeList(b *strings.Builder, what string, names []string) {
	for _, n := range names {
		b.WriteString(what)
		b.WriteString(n)
		what = ", "
	}
}

// ListNames names things in their order, those of one name together: "coin (3),
// rope".
func ListNames(things []Entity) string {
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
