package world

import (
	"fmt"
	"reflect"
	"strings"
)

// A Spec says what Create is to make. Name is required.
type Spec struct {
	Typeclass string // of the registered ones; "" means that of Create's type, or "object"
	Name      string
	Aliases   []string
	Desc      string
	In        Entity // where it is to be; nil means nowhere. Not of rooms and characters
	To        *Room  // where an exit leads
	Home      Entity // where it goes when its place is no more, and a character begins; nil means In
}

// Create makes an entity that is a T, or of the typeclass in spec:
//
//	torch, err := world.Create[*Torch](w, world.Spec{Name: "torch", In: room})
//
// It is put in its place without a word; then its AtObjectCreation is called,
// and AtInit. If that refuses, the entity is deleted and the error is the
// hook's. Accounts are made by NewAccount.
func Create[T Entity](w *World, spec Spec) (T, error) {
	var none T
	if spec.Typeclass == "" {
		t := reflect.TypeFor[T]()
		if t.Kind() != reflect.Pointer || w.byType[t.Elem()] == nil {
			if f, ok := familyOf(t); ok {
				spec.Typeclass = families[f].name // its class has the place of the base class
			} else {
				return none, fmt.Errorf("%w: of the type %s", ErrNoTypeclass, t)
			}
		} else {
			spec.Typeclass = w.byType[t.Elem()].name
		}
	}
	m := w.Mark()
	e, err := w.Create(spec)
	if err != nil {
		return none, err
	}
	t, ok := As[T](e)
	if !ok {
		w.Undo(m)
		return none, fmt.Errorf("world: the typeclass %q is no %s", spec.Typeclass, reflect.TypeFor[T]())
	}
	return t, nil
}

func familyOf(t reflect.Type) (family, bool) {
	if t.Kind() != reflect.Pointer || !baseTypes[t.Elem()] {
		return 0, false
	}
	return familyNamed(strings.ToLower(t.Elem().Name()))
}

// Create makes an entity; see the function Create.
func (w *World) Create(spec Spec) (Entity, error) {
	if spec.Typeclass == "" {
		spec.Typeclass = "object"
	}
	k := w.classes[spec.Typeclass]
	switch {
	case k == nil:
		return nil, fmt.Errorf("%w: %q", ErrNoTypeclass, spec.Typeclass)
	case k.family == famAccount:
		return nil, fmt.Errorf("world: accounts are made by NewAccount")
	case clip(spec.Name) == "":
		return nil, fmt.Errorf("world: create %s: a name is not empty", spec.Typeclass)
	case spec.In != nil && (spec.In.Deleted() || spec.In.kind() == famAccount):
		return nil, fmt.Errorf("world: create %s: %s is no place", spec.Typeclass, spec.In.ID())
	case spec.Home != nil && spec.Home.Deleted():
		return nil, fmt.Errorf("%w: home %s", ErrDeleted, spec.Home.ID())
	case spec.To != nil && spec.To.deleted:
		return nil, fmt.Errorf("%w: destination %s", ErrDeleted, spec.To.id)
	}
	key := strings.ToLower(spec.Name)
	if k.family == famCharacter {
		if err := CheckName(spec.Name); err != nil {
			return nil, err
		}
		if w.characters[key] != nil {
			return nil, ErrNameTaken
		}
	}
	m := w.Mark()
	c := w.newCore(k, spec.Name)
	fail := func(err error) (Entity, error) {
		w.Undo(m)
		return nil, err
	}
	if err := c.SetAliases(spec.Aliases...); err != nil {
		return fail(err)
	}
	if spec.Desc != "" {
		if err := c.SetDesc(spec.Desc); err != nil {
			return fail(err)
		}
	}
	home := spec.Home
	if home == nil {
		home = spec.In
	}
	if home != nil {
		c.home = home.ID()
	}
	switch k.family {
	case famCharacter:
		c.away = c.home
		w.characters[key] = c
		w.note(func() { delete(w.characters, key) })
	case famRoom:
		c.home = 0
	default:
		if spec.To != nil {
			c.destination = spec.To.core
		}
		if spec.In != nil {
			c.place(spec.In.base())
		}
	}
	if err := ask(c, AtObjectCreationHook.AtObjectCreation); err != nil {
		return fail(err)
	}
	c.init()
	return c.self, nil
}

// must is for what fails only if the game's own class refuses to be made.
func must(e Entity, err error) *core {
	if err != nil {
		panic(err)
	}
	return e.base()
}

// NewRoom makes a room. It panics if the game's typeclass "room" refuses.
func (w *World) NewRoom(name string) *Room {
	r, _ := As[*Room](must(w.Create(Spec{Typeclass: "room", Name: name})).self)
	return r
}

// NewObject makes a thing in a place. It is nowhere if that is nil, deleted, or
// an account. It panics if the game's typeclass "object" refuses.
func (w *World) NewObject(name string, in Entity) *Object {
	if in != nil && (in.Deleted() || in.kind() == famAccount) {
		in = nil
	}
	return must(w.Create(Spec{Typeclass: "object", Name: name, In: in})).object()
}

// NewExit makes an exit in from that leads to to. Aliases beyond MaxAliases are
// left out. It panics if the game's typeclass "exit" refuses.
func (w *World) NewExit(name string, from, to *Room, aliases ...string) *Exit {
	var fit []string
	for _, a := range aliases {
		if a = clip(a); a != "" && len(fit) < MaxAliases {
			fit = append(fit, a)
		}
	}
	e, _ := As[*Exit](must(w.Create(Spec{Typeclass: "exit", Name: name, In: from, To: to, Aliases: fit})).self)
	return e
}

// NewCharacter makes a character that is nowhere until it is played: then it
// begins in home. The name must be free among characters (ErrNameTaken) and
// fit to be one (ErrBadName).
func (w *World) NewCharacter(name string, home Entity) (*Character, error) {
	e, err := w.Create(Spec{Typeclass: "character", Name: name, Home: home})
	if err != nil {
		return nil, err
	}
	return e.base().character(), nil
}
