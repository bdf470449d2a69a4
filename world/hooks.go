package world

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Hooks are methods that a typeclass may have. The world calls them when what
// their names say is about to happen (AtPre…) or has. One that returns an error
// can refuse: an error of Refuse is shown to the player, any other is a bug, and
// in both cases what was done is undone. Hooks run on the loop, as part of the
// command or timer that caused them, and must not block.
//
// A typeclass inherits the hooks of what it embeds, as Go has it: a method of
// its own hides that of an embedded type, which it may call.

// AtObjectCreationHook is for what is to be set up once, when an entity is
// made. An error refuses the creation.
type AtObjectCreationHook interface{ AtObjectCreation() error }

// AtAccountCreationHook is AtObjectCreationHook for accounts.
type AtAccountCreationHook interface{ AtAccountCreation() error }

// AtInitHook is called each time the entity comes into memory: when it was
// made, when its typeclass was changed, and at each start of a Server, before
// anybody plays. It is the place for fields that live in memory, and for
// monitors.
type AtInitHook interface{ AtInit() }

// AtObjectDeleteHook is called before an entity is deleted; an error refuses.
type AtObjectDeleteHook interface{ AtObjectDelete() error }

// AtServerReloadHook is called before the Server is replaced.
type AtServerReloadHook interface{ AtServerReload() }

// AtServerShutdownHook is called before the Server is stopped for good, or
// replaced as if it had been.
type AtServerShutdownHook interface{ AtServerShutdown() }

// The hooks of a move, in the order of their calls. The first three can refuse.
type (
	// AtPreMoveHook is called of what is to be moved.
	AtPreMoveHook interface{ AtPreMove(m *Move) error }
	// AtPreObjectLeaveHook is called of the place that it is to leave.
	AtPreObjectLeaveHook interface{ AtPreObjectLeave(m *Move) error }
	// AtPreObjectReceiveHook is called of the place that it is to come to.
	AtPreObjectReceiveHook interface{ AtPreObjectReceive(m *Move) error }
	// AtObjectLeaveHook is called of the place that it is about to leave.
	AtObjectLeaveHook interface{ AtObjectLeave(m *Move) }
	// AtAnnounceLeaveHook tells the place of the leaving, in place of
	// AnnounceLeave.
	AtAnnounceLeaveHook interface{ AtAnnounceLeave(m *Move) }
	// AtAnnounceArriveHook tells the new place, in place of AnnounceArrive.
	AtAnnounceArriveHook interface{ AtAnnounceArrive(m *Move) }
	// AtObjectReceiveHook is called of the place that it has come to.
	AtObjectReceiveHook interface{ AtObjectReceive(m *Move) }
	// AtPostMoveHook is called of what was moved.
	AtPostMoveHook interface{ AtPostMove(m *Move) }
)

// The hooks of exits.
type (
	// AtTraverseHook takes who through the exit, in place of a move to its
	// destination. The lock has let them pass.
	AtTraverseHook interface{ AtTraverse(who, dest Entity) error }
	// AtFailedTraverseHook tells who that the lock does not let them pass, in
	// place of the attribute err_traverse or a plain sentence.
	AtFailedTraverseHook interface{ AtFailedTraverse(who Entity) }
	// AtPostTraverseHook is called once who is on the other side.
	AtPostTraverseHook interface{ AtPostTraverse(who, from Entity) }
)

// The hooks of looking.
type (
	// AtLookHook returns what the entity sees when it looks at target, in place
	// of target's own appearance.
	AtLookHook interface{ AtLook(target Entity) string }
	// AtAppearanceHook returns what looker sees of the entity, in place of
	// Appearance.
	AtAppearanceHook interface{ AtAppearance(looker Entity) string }
	// AtDescHook is called of an entity that was looked at.
	AtDescHook interface{ AtDesc(looker Entity) }
)

// The hooks of things that are taken, put down and given. The AtPre… ones can
// refuse.
type (
	AtPreGetHook  interface{ AtPreGet(by Entity) error }
	AtGetHook     interface{ AtGet(by Entity) }
	AtPreDropHook interface{ AtPreDrop(by Entity) error }
	AtDropHook    interface{ AtDrop(by Entity) }
	AtPreGiveHook interface{ AtPreGive(by, to Entity) error }
	AtGiveHook    interface{ AtGive(by, to Entity) }
)

// The hooks of speech.
type (
	// AtPreSayHook is called of who is about to speak, and may change the text
	// or refuse.
	AtPreSayHook interface{ AtPreSay(s *Speech) error }
	// AtSayHook speaks, in place of the sentences that Say tells.
	AtSayHook interface{ AtSay(s *Speech) }
	// AtHearHook is called of everything in the place, and of the place, once
	// something was said.
	AtHearHook interface{ AtHear(s *Speech) }
)

// The hooks of puppets. AtPrePuppet can refuse.
type (
	AtPrePuppetHook    interface{ AtPrePuppet(s *Session) error }
	AtPostPuppetHook   interface{ AtPostPuppet(s *Session) }
	AtPreUnpuppetHook  interface{ AtPreUnpuppet(s *Session) }
	AtPostUnpuppetHook interface{ AtPostUnpuppet(s *Session) }
)

// The hooks of accounts. AtPreLogin can refuse; AtFirstLogin comes before
// AtPostLogin; AtDisconnect is called of a session that ends or logs out, while
// it still plays.
type (
	AtPreLoginHook    interface{ AtPreLogin(s *Session) error }
	AtFirstLoginHook  interface{ AtFirstLogin(s *Session) }
	AtPostLoginHook   interface{ AtPostLogin(s *Session) }
	AtFailedLoginHook interface{ AtFailedLogin(s *Session) }
	AtDisconnectHook  interface {
		AtDisconnect(s *Session, reason string)
	}
	AtPostDisconnectHook interface{ AtPostDisconnect(reason string) }
)

// A hook is one of the interfaces above.
type hook struct {
	name string
	typ  reflect.Type
	of   []family
}

var (
	allFamilies    = []family{famObject, famRoom, famExit, famCharacter, famAccount}
	objectFamilies = []family{famObject, famRoom, famExit, famCharacter}
)

// hooks has all hooks by their names.
var hooks = hookTable()

func hookTable() map[string]hook {
	table := make(map[string]hook)
	add := func(of []family, types ...reflect.Type) {
		for _, t := range types {
			table[t.Method(0).Name] = hook{name: t.Method(0).Name, typ: t, of: of}
		}
	}
	add(allFamilies, reflect.TypeFor[AtInitHook](), reflect.TypeFor[AtObjectDeleteHook](),
		reflect.TypeFor[AtServerReloadHook](), reflect.TypeFor[AtServerShutdownHook]())
	add(objectFamilies, reflect.TypeFor[AtObjectCreationHook](), reflect.TypeFor[AtPreMoveHook](), reflect.TypeFor[AtPreObjectLeaveHook](),
		reflect.TypeFor[AtPreObjectReceiveHook](), reflect.TypeFor[AtObjectLeaveHook](), reflect.TypeFor[AtAnnounceLeaveHook](),
		reflect.TypeFor[AtAnnounceArriveHook](), reflect.TypeFor[AtObjectReceiveHook](), reflect.TypeFor[AtPostMoveHook](),
		reflect.TypeFor[AtLookHook](), reflect.TypeFor[AtAppearanceHook](), reflect.TypeFor[AtDescHook](),
		reflect.TypeFor[AtPreGetHook](), reflect.TypeFor[AtGetHook](), reflect.TypeFor[AtPreDropHook](), reflect.TypeFor[AtDropHook](),
		reflect.TypeFor[AtPreGiveHook](), reflect.TypeFor[AtGiveHook](),
		reflect.TypeFor[AtPreSayHook](), reflect.TypeFor[AtSayHook](), reflect.TypeFor[AtHearHook]())
	add([]family{famExit}, reflect.TypeFor[AtTraverseHook](), reflect.TypeFor[AtFailedTraverseHook](), reflect.TypeFor[AtPostTraverseHook]())
	add([]family{famCharacter}, reflect.TypeFor[AtPrePuppetHook](), reflect.TypeFor[AtPostPuppetHook](),
		reflect.TypeFor[AtPreUnpuppetHook](), reflect.TypeFor[AtPostUnpuppetHook]())
	add([]family{famAccount}, reflect.TypeFor[AtAccountCreationHook](), reflect.TypeFor[AtPreLoginHook](), reflect.TypeFor[AtFirstLoginHook](),
		reflect.TypeFor[AtPostLoginHook](), reflect.TypeFor[AtFailedLoginHook](), reflect.TypeFor[AtDisconnectHook](), reflect.TypeFor[AtPostDisconnectHook]())
	return table
}

// isHookName reports whether a method of that name is meant to be a hook.
func isHookName(name string) bool {
	rest, ok := strings.CutPrefix(name, "At")
	return ok && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z'
}

// checkHooks reports the methods of t that look like hooks and are none, and
// those hooks that two embedded types offer, of which Go would silently take
// one or neither.
func checkHooks(t reflect.Type, f family) []error {
	var errs []error
	p := reflect.PointerTo(t)
	for m := range p.Methods() {
		if !isHookName(m.Name) {
			continue
		}
		h, known := hooks[m.Name]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("method %s: there is no such hook; the nearest is %s", m.Name, nearestHook(m.Name, f)))
		case !p.Implements(h.typ):
			errs = append(errs, fmt.Errorf("method %s is to be func%s, as in world.%s, and is func%s",
				m.Name, signature(h.typ.Method(0).Type, 0), h.typ.Name(), signature(m.Type, 1)))
		case !slices.Contains(h.of, f):
			errs = append(errs, fmt.Errorf("method %s: it is a hook of %s, and this is of the kind %s", m.Name, familyNames(h.of), families[f].name))
		}
	}
	offers := map[string][]string{} // hook to the embedded types that offer it
	var names []string
	for f := range t.Fields() {
		if !f.Anonymous {
			continue
		}
		e := f.Type
		if e.Kind() == reflect.Struct {
			e = reflect.PointerTo(e)
		}
		for m := range e.Methods() {
			if isHookName(m.Name) {
				if offers[m.Name] == nil {
					names = append(names, m.Name)
				}
				offers[m.Name] = append(offers[m.Name], f.Type.String())
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if len(offers[name]) > 1 && !declares(t, name) {
			errs = append(errs, fmt.Errorf("method %s: both %s offer it; give %s one of its own that calls those that are meant",
				name, strings.Join(offers[name], " and "), t.Name()))
		}
	}
	return errs
}

// signature writes the arguments from skip on and the results of a function.
func signature(t reflect.Type, skip int) string {
	var in, out []string
	for i := skip; i < t.NumIn(); i++ {
		in = append(in, t.In(i).String())
	}
	for r := range t.Outs() {
		out = append(out, r.String())
	}
	s := "(" + strings.Join(in, ", ") + ")"
	switch len(out) {
	case 0:
		return s
	case 1:
		return s + " " + out[0]
	}
	return s + " (" + strings.Join(out, ", ") + ")"
}

func familyNames(of []family) string {
	var names []string
	for _, f := range of {
		names = append(names, families[f].name)
	}
	return strings.Join(names, ", ")
}

// nearestHook returns the hook of the family that is written most like name.
func nearestHook(name string, f family) string {
	best, at := "", 1<<30
	for _, h := range sortedKeys(hooks) {
		d := distance(strings.ToLower(name), strings.ToLower(h))
		if !slices.Contains(hooks[h].of, f) {
			d += 2
		}
		if d < at {
			best, at = h, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// Refuse returns the error with which a hook refuses: the player reads the text.
func Refuse(format string, args ...any) error {
	return &RefusedError{Text: fmt.Sprintf(format, args...)}
}

// maxHooks is how many hooks may be called out of one another. Without a bound,
// two rooms that send each other what they receive would end the process.
const maxHooks = 50

// call calls the hook of type H if c has it.
func call[H any](c *core, f func(H)) bool {
	w := c.w
	h, ok := c.self.(H)
	if !ok || w.hookless {
		return false
	}
	if w.depth >= maxHooks {
		panic(fmt.Sprintf("world: hooks call each other without end, at last one of %s (%s)", c.id, c.typeclass))
	}
	w.depth++
	defer func() { w.depth-- }()
	f(h)
	return true
}

// WithoutHooks calls f, during which no hook is called: what hooks would replace
// is done as the world does it by itself. It is for what must be done though its
// hooks are broken.
func (w *World) WithoutHooks(f func()) {
	before := w.hookless
	w.hookless = true
	defer func() { w.hookless = before }()
	f()
}

// ask is call for a hook that can refuse.
func ask[H any](c *core, f func(H) error) (err error) {
	call(c, func(h H) { err = f(h) })
	return err
}

// init calls AtInit.
func (c *core) init() { call(c, AtInitHook.AtInit) }

// Inits yields the entities that have AtInit, in the order of IDs. The Server
// calls AtInit of each as it starts.
func (w *World) Inits() []Entity {
	return w.having(func(k *class) bool { return k.inits })
}

// having returns the entities of the classes that has picks, in the order of
// IDs. It costs nothing if there is no such class.
func (w *World) having(has func(*class) bool) []Entity {
	pick := map[*class]bool{}
	for _, k := range w.classes {
		if has(k) {
			pick[k] = true
		}
	}
	if len(pick) == 0 {
		return nil
	}
	var out []Entity
	for e := range w.All() {
		if pick[e.base().class] {
			out = append(out, e)
		}
	}
	return out
}

// A Stop is a hook to call before the Server ends.
type Stop struct {
	Name string // for the log
	Run  func()
}

// Stopping returns what the Server is to call before it ends: the hook
// AtServerReload, or AtServerShutdown, of each entity that has it.
func (w *World) Stopping(reload bool) []Stop {
	t := reflect.TypeFor[AtServerShutdownHook]()
	if reload {
		t = reflect.TypeFor[AtServerReloadHook]()
	}
	var out []Stop
	for _, e := range w.having(func(k *class) bool { return reflect.PointerTo(k.typ).Implements(t) }) {
		c := e.base()
		out = append(out, Stop{fmt.Sprintf("%s of %s (%s)", t.Method(0).Name, c.id, c.typeclass), func() {
			switch {
			case c.deleted:
			case reload:
				call(c, AtServerReloadHook.AtServerReload)
			default:
				call(c, AtServerShutdownHook.AtServerShutdown)
			}
		}})
	}
	return out
}
