package world

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"mudlark.dev/lock"
)

// ErrNoTypeclass is returned for a name, or a type, that no registered
// typeclass has. Add it to Config.Typeclasses.
var ErrNoTypeclass = errors.New("world: no such typeclass")

// A Typeclass is a Go type that entities can be of, under a name by which the
// store knows it. Make one with Class and hand it to the game.
type Typeclass struct {
	name  string
	locks string
	typ   reflect.Type // of the struct
	make  func() Entity
}

// Class returns the typeclass of that name for T, a struct that embeds one of
// Object, Room, Exit, Character and Account, or another typeclass:
//
//	world.Class[Torch]("torch")
//
// The name is stored with each entity, so it stays when the type is renamed. A
// class named like a base class, "object", "room", "exit", "character" or
// "account", takes its place: new entities of that kind, and those that are
// there, are of it.
//
// T may have fields of the types Attr, List, Map and Ref, which are stored, and
// others, which live in memory only. It may have the methods of hooks, such as
// AtDropHook. World.New checks both.
func Class[T any, P interface {
	*T
	Entity
}](name string) Typeclass {
	return Typeclass{name: name, typ: reflect.TypeFor[T](), make: func() Entity { return P(new(T)) }}
}

// WithLocks returns the typeclass with locks that hold for its entities where
// one has none of its own. What they leave open the base class decides.
func (t Typeclass) WithLocks(locks string) Typeclass {
	t.locks = locks
	return t
}

// Name returns the name under which the store knows it.
func (t Typeclass) Name() string { return t.name }

// A class is a Typeclass as a World has checked it.
type class struct {
	Typeclass
	family family
	lock   lock.Lock
	fields []*attrField
	byName map[string]*attrField
	embeds map[reflect.Type][]int // the structs it embeds, for As
	inits  bool                   // it has AtInit
}

// An attrField is a field of a typeclass that is a view of an attribute.
type attrField struct {
	name  string // of the attribute
	index []int
	def   any // the default, as attributes have values; nil for none
	check func(w *World, v any) error
}

// bound is what the pointers to Attr, List, Map and Ref are.
type bound interface {
	bind(c *core, f *attrField)
	// checkType reports a type of value that cannot be stored.
	checkType() error
	// checkValue reports a stored value that is not of the type.
	checkValue(w *World, v any) error
}

var (
	boundType = reflect.TypeFor[bound]()
	baseTypes = map[reflect.Type]bool{
		reflect.TypeFor[Object](): true, reflect.TypeFor[Room](): true, reflect.TypeFor[Exit](): true,
		reflect.TypeFor[Character](): true, reflect.TypeFor[Account](): true,
	}
)

// baseClasses are those of worlds whose game registers none.
func baseClasses() []Typeclass {
	return []Typeclass{
		Class[Object]("object"), Class[Room]("room"), Class[Exit]("exit"), Class[Character]("character"), Class[Account]("account"),
	}
}

// register checks the typeclasses of a game and takes them up, all problems at
// once.
func (w *World) register(own []Typeclass) error {
	w.classes = make(map[string]*class)
	w.byType = make(map[reflect.Type]*class)
	var errs []error
	for i, t := range append(own[:len(own):len(own)], baseClasses()...) {
		given := i < len(own)
		if w.classes[t.name] != nil {
			if given {
				errs = append(errs, fmt.Errorf("world: there are two typeclasses %q", t.name))
			}
			continue // the game's own takes the place of the base class
		}
		c, err := w.newClass(t)
		if err != nil {
			errs = append(errs, err)
			c = nil
		}
		w.classes[t.name] = c
		if c == nil {
			continue
		}
		if other := w.byType[t.typ]; other == nil {
			w.byType[t.typ] = c
		} else if given && !baseTypes[t.typ] {
			errs = append(errs, fmt.Errorf("world: typeclasses %q and %q are the same type %s", other.name, t.name, t.typ))
		}
	}
	return errors.Join(errs...)
}

func (w *World) newClass(t Typeclass) (*class, error) {
	if t.make == nil {
		return nil, fmt.Errorf("world: a typeclass is made by Class")
	}
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("world: typeclass %q (%s): %w", t.name, t.typ, fmt.Errorf(format, args...)))
	}
	if t.name == "" || len(t.name) > MaxName || strings.ToLower(t.name) != t.name || strings.ContainsAny(t.name, " \t\n") {
		fail("a name has 1 to %d bytes in lower case, without spaces", MaxName)
	}
	if t.typ.Kind() != reflect.Struct {
		fail("it is no struct")
		return nil, errors.Join(errs...)
	}
	c := &class{Typeclass: t, byName: make(map[string]*attrField), embeds: make(map[reflect.Type][]int)}
	probe := t.make()
	if !hasBase(t.typ) {
		fail("it embeds none of world.Object, Room, Exit, Character and Account by value")
		return nil, errors.Join(errs...)
	}
	c.family = probe.kind()
	if base, ok := familyNamed(t.name); ok && base != c.family {
		fail("it takes the place of the base class, so it embeds that class, not %s", families[c.family].name)
	}
	l, err := w.compile(joinLocks(t.locks, families[c.family].locks))
	if err != nil {
		fail("locks: %w", err)
	}
	c.lock = l
	for _, err := range c.walk(t.typ, nil) {
		fail("%w", err)
	}
	for _, err := range checkHooks(t.typ, c.family) {
		fail("%w", err)
	}
	_, c.inits = probe.(AtInitHook)
	return c, errors.Join(errs...)
}

// hasBase reports whether t is a base type or embeds one by value.
func hasBase(t reflect.Type) bool {
	if baseTypes[t] {
		return true
	}
	for f := range t.Fields() {
		if f.Anonymous && f.Type.Kind() == reflect.Struct && hasBase(f.Type) {
			return true
		}
	}
	return false
}

// joinLocks returns a lock string that has the types of own, and those of base
// that own has not.
func joinLocks(own, base string) string {
	have := map[string]bool{}
	for def := range strings.SplitSeq(own, ";") {
		access, _, _ := strings.Cut(def, ":")
		have[strings.ToLower(strings.TrimSpace(access))] = true
	}
	parts := []string{own}
	for def := range strings.SplitSeq(base, ";") {
		access, _, _ := strings.Cut(def, ":")
		if !have[strings.TrimSpace(access)] {
			parts = append(parts, strings.TrimSpace(def))
		}
	}
	if own == "" {
		parts = parts[1:]
	}
	return strings.Join(parts, ";")
}

// walk finds the fields of t, at index, that are views of attributes.
func (c *class) walk(t reflect.Type, index []int) []error {
	var errs []error
	for f := range t.Fields() {
		at := append(slices.Clip(index), f.Index...)
		if f.Anonymous {
			switch {
			case f.Type.Kind() == reflect.Struct:
				if f.IsExported() || baseTypes[f.Type] {
					c.embeds[f.Type] = at
				}
				if !baseTypes[f.Type] {
					errs = append(errs, c.walk(f.Type, at)...)
				} else if f.Type != reflect.TypeFor[Object]() && f.Type != reflect.TypeFor[Account]() {
					c.embeds[reflect.TypeFor[Object]()] = append(slices.Clip(at), 0)
				}
				continue
			case f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct && f.Type != reflect.TypeFor[*core]():
				errs = append(errs, fmt.Errorf("field %s: embed %s by value", f.Name, f.Type.Elem()))
			}
			continue
		}
		if !reflect.PointerTo(f.Type).Implements(boundType) {
			if f.Type.Kind() == reflect.Pointer && f.Type.Implements(boundType) {
				errs = append(errs, fmt.Errorf("field %s: it is a %s, not a pointer to one", f.Name, f.Type.Elem()))
			}
			continue
		}
		if !f.IsExported() {
			errs = append(errs, fmt.Errorf("field %s: the field of an attribute begins with a capital letter", f.Name))
			continue
		}
		if err := c.addField(f, at); err != nil {
			errs = append(errs, fmt.Errorf("field %s: %w", f.Name, err))
		}
	}
	return errs
}

func (c *class) addField(f reflect.StructField, index []int) error {
	view := reflect.New(f.Type).Interface().(bound)
	if err := view.checkType(); err != nil {
		return err
	}
	name := f.Tag.Get("attr")
	if name == "" {
		name = snake(f.Name)
	}
	if other := c.byName[name]; other != nil {
		return fmt.Errorf("the attribute %q is that of another field, too", name)
	}
	a := &attrField{name: name, index: index, check: view.checkValue}
	if text, ok := f.Tag.Lookup("default"); ok {
		d, ok := view.(interface{ parse(string) (any, error) })
		if !ok {
			return errors.New("only an Attr has a default")
		}
		var err error
		if a.def, err = d.parse(text); err != nil {
			return fmt.Errorf("default %q: %w", text, err)
		}
	}
	c.byName[name] = a
	c.fields = append(c.fields, a)
	return nil
}

// snake turns the name of a field into that of its attribute: "FuelMinutes"
// into "fuel_minutes", "HPMax" into "hp_max".
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	upper := func(i int) bool { return i >= 0 && i < len(runes) && runes[i] >= 'A' && runes[i] <= 'Z' }
	for i, r := range runes {
		if upper(i) {
			if i > 0 && runes[i-1] != '_' && (!upper(i-1) || i+1 < len(runes) && !upper(i+1)) {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// become gives c an instance of class k, with its fields tied to c.
func (c *core) become(k *class) {
	e := k.make()
	e.attach(c)
	if len(k.fields) > 0 {
		v := reflect.ValueOf(e).Elem()
		for _, f := range k.fields {
			v.FieldByIndex(f.index).Addr().Interface().(bound).bind(c, f)
		}
	}
	if c.self == nil { // it is new: there is nothing to go back to
		c.self, c.class = e, k
		return
	}
	set(c.w, &c.self, e)
	set(c.w, &c.class, k)
}

// classFor returns the class of that name if it is of the family, else the base
// class of the family and false.
func (w *World) classFor(name string, f family) (*class, bool) {
	if k := w.classes[name]; k != nil && k.family == f {
		return k, true
	}
	return w.classes[families[f].name], false
}

// Typeclasses returns the names of all typeclasses, base classes included,
// sorted.
func (w *World) Typeclasses() []string { return sortedKeys(w.classes) }

// SetTypeclass makes e one of another typeclass of the same kind: an object
// stays an object, a room a room. It keeps all it has; pointers to what it was
// must not be used any more. AtInit is called, AtObjectCreation is not. The
// error is ErrNoTypeclass, or says that the kinds differ.
func (w *World) SetTypeclass(e Entity, name string) error {
	c := e.base()
	k := w.classes[name]
	switch {
	case c.deleted:
		return fmt.Errorf("%w: %s", ErrDeleted, c.id)
	case k == nil:
		return fmt.Errorf("%w: %q", ErrNoTypeclass, name)
	case k.family != c.family:
		return fmt.Errorf("world: %s is of the kind %s, and the typeclass %q is for the kind %s",
			c.id, families[c.family].name, name, families[k.family].name)
	}
	c.become(k)
	set(w, &c.typeclass, name)
	c.mark()
	c.touchSets()
	c.init()
	return nil
}

// As returns e as T: its typeclass, one that this embeds, or an interface. It
// is for what a type assertion cannot do: a *Cave that embeds Room is no *Room.
// It reports false if e is nil or nothing of the kind.
func As[T any](e Entity) (T, bool) {
	var none T
	if e == nil {
		return none, false
	}
	c := e.base()
	if c == nil {
		return none, false
	}
	if t, ok := c.self.(T); ok {
		return t, true
	}
	// The base classes at a lower price than any other.
	switch any(&none).(type) {
	case **Character:
		if o, ok := c.self.(interface{ asCharacter() *Character }); ok {
			return any(o.asCharacter()).(T), true
		}
		return none, false
	case **Room:
		if o, ok := c.self.(interface{ asRoom() *Room }); ok {
			return any(o.asRoom()).(T), true
		}
		return none, false
	case **Exit:
		if o, ok := c.self.(interface{ asExit() *Exit }); ok {
			return any(o.asExit()).(T), true
		}
		return none, false
	case **Object:
		if o, ok := c.self.(interface{ asObject() *Object }); ok {
			return any(o.asObject()).(T), true
		}
		return none, false
	}
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Pointer {
		return none, false
	}
	at, ok := c.class.embeds[t.Elem()]
	if !ok {
		return none, false
	}
	v := reflect.ValueOf(c.self).Elem().FieldByIndex(at).Addr()
	if !v.CanInterface() {
		return none, false
	}
	return v.Interface().(T), true
}

// Is reports whether e is T; see As.
func Is[T any](e Entity) bool {
	_, ok := As[T](e)
	return ok
}

func (o *Object) attach(c *core)             { o.core = c }
func (o *Object) kind() family               { return famObject }
func (r *Room) kind() family                 { return famRoom }
func (e *Exit) kind() family                 { return famExit }
func (c *Character) kind() family            { return famCharacter }
func (a *Account) attach(c *core)            { a.core = c }
func (a *Account) kind() family              { return famAccount }
func (o *Object) asObject() *Object          { return o }
func (r *Room) asRoom() *Room                { return r }
func (e *Exit) asExit() *Exit                { return e }
func (c *Character) asCharacter() *Character { return c }
func (a *Account) asAccount() *Account       { return a }

func (c *core) object() *Object { return c.self.(interface{ asObject() *Object }).asObject() }
func (c *core) character() *Character {
	return c.self.(interface{ asCharacter() *Character }).asCharacter()
}
func (c *core) asAcc() *Account { return c.self.(interface{ asAccount() *Account }).asAccount() }

func familyNamed(name string) (family, bool) {
	for f, v := range families {
		if v.name == name {
			return f, true
		}
	}
	return 0, false
}

// declares reports whether t itself, or its pointer, has the method, not one of
// the structs that it embeds: the compiler writes the methods that are handed up
// itself, in no file.
func declares(t reflect.Type, method string) bool {
	for _, t := range []reflect.Type{t, reflect.PointerTo(t)} {
		if m, ok := t.MethodByName(method); ok {
			if f := runtime.FuncForPC(m.Func.Pointer()); f != nil {
				if file, _ := f.FileLine(f.Entry()); file != "<autogenerated>" {
					return true
				}
			}
		}
	}
	return false
}
