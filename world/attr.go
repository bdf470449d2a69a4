package world

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// A view is what the typed fields of a typeclass have in common: the entity and
// the attribute that they show. It is tied when the world makes the entity.
type view struct {
	c *core
	f *attrField
}

func (v *view) bind(c *core, f *attrField) { v.c, v.f = c, f }

// must panics for a field of an entity that the world has not made, such as
// &Torch{}: it has no attributes.
func (v *view) must() *core {
	if v.c == nil {
		panic("world: this entity was not made by World.Create, so it has no attributes")
	}
	return v.c
}

// Name returns the name of the attribute.
func (v *view) Name() string { v.must(); return v.f.name }

// IsSet reports whether the entity has the attribute.
func (v *view) IsSet() bool {
	_, ok := v.must().attrs[v.f.name]
	return ok
}

// Unset removes the attribute, so that its default counts.
func (v *view) Unset() { v.must().DelAttr(v.f.name) }

// An Attr is a stored value of an entity: as a field of a typeclass, it shows
// the attribute with the field's name in lower case with underscores, or the
// name in the tag:
//
//	Lit         world.Attr[bool]
//	FuelMinutes world.Attr[int] `default:"60"`
//	Title       world.Attr[string] `attr:"short_title"`
//
// T is bool, a number, string, time.Time, a Ref, or an array or struct of
// these. A struct that is to be changed is read, changed, and set.
type Attr[T any] struct{ view }

// Get returns the value; without one the default of the field's tag, else the
// zero value, which is also what a stored value that is no T counts as.
func (a *Attr[T]) Get() T {
	v, _ := a.Lookup()
	return v
}

// Lookup is Get, and reports whether the attribute is set, to a T.
func (a *Attr[T]) Lookup() (T, bool) {
	c := a.must()
	if at, ok := c.attrs[a.f.name]; ok {
		if v, ok := at.typed.(T); ok && at.typed != nil {
			return v, true
		}
		if v, err := typed[T](c.w, at.value); err == nil {
			at.typed = v // not to be read anew each time
			c.attrs[a.f.name] = at
			return v, true
		}
	}
	var v T
	if a.f.def != nil {
		v, _ = typed[T](c.w, a.f.def) // checked when it was registered
	}
	return v, false
}

// Set sets the value. To set what it is already changes nothing. The error says
// that the value cannot be stored, or that the entity is deleted.
func (a *Attr[T]) Set(v T) error {
	c := a.must()
	if old, ok := a.Lookup(); ok && any(old) == any(v) && !c.deleted {
		return nil
	}
	x, err := valueOf(v)
	if err != nil {
		return fmt.Errorf("world: %s: attribute %q: %w", c.id, a.f.name, err)
	}
	return c.setAttr(a.f.name, x, v)
}

// Monitor has fn called after each change of the value, on the loop and as part
// of what changes it, until stop is called, the entity is deleted, or the
// Server ends. AtInit is the place to call it.
func (a *Attr[T]) Monitor(fn func(old, new T)) (stop func()) {
	c := a.must()
	return c.w.Monitor(c.self, a.f.name, func(old, new any) {
		fn(a.of(old), a.of(new))
	})
}

// of returns a raw value as T, by the rule of Get.
func (a *Attr[T]) of(v any) T {
	if v == nil {
		v = a.f.def
	}
	t, _ := typed[T](a.c.w, v)
	return t
}

func (a *Attr[T]) checkType() error {
	t := reflect.TypeFor[T]()
	return checkStorable(t, t.String())
}

func (a *Attr[T]) checkValue(w *World, v any) error {
	_, err := typed[T](w, v)
	return err
}

// parse reads the default in a tag: a text as it is, anything else as JSON.
func (a *Attr[T]) parse(text string) (any, error) {
	var v T
	if reflect.TypeFor[T]().Kind() == reflect.String {
		reflect.ValueOf(&v).Elem().SetString(text)
	} else if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, err
	}
	return valueOf(v)
}

// A List is a stored list of values of an entity, as a field of a typeclass;
// see Attr for the name and for what T may be. Each change stores the whole
// list, so it is for dozens of values, not for thousands.
type List[T any] struct{ view }

func (l *List[T]) raw() []any {
	v, _ := l.must().attrs[l.f.name].value.([]any)
	return v
}

// Len returns the number of values.
func (l *List[T]) Len() int { return len(l.raw()) }

// At returns value i, from 0 on. It panics if there is none.
func (l *List[T]) At(i int) T {
	v, _ := typed[T](l.c.w, l.raw()[i])
	return v
}

// All yields the values with their places. The list may be changed meanwhile;
// what is yielded is what it was.
func (l *List[T]) All() iter.Seq2[int, T] {
	raw := l.raw()
	return func(yield func(int, T) bool) {
		for i, x := range raw {
			v, _ := typed[T](l.c.w, x)
			if !yield(i, v) {
				return
			}
		}
	}
}

// Slice returns the values, which the caller owns.
func (l *List[T]) Slice() []T {
	out := make([]T, 0, l.Len())
	for _, v := range l.All() {
		out = append(out, v)
	}
	return out
}

// Contains reports whether v is among the values.
func (l *List[T]) Contains(v T) bool { return l.Index(v) >= 0 }

// Index returns the place of the first v, or -1.
func (l *List[T]) Index(v T) int {
	x, err := valueOf(v)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(l.raw(), func(o any) bool { return reflect.DeepEqual(o, x) })
}

// Append adds values at the end.
func (l *List[T]) Append(values ...T) error { return l.Insert(l.Len(), values...) }

// Insert adds values at place i, from 0 to Len. It panics beyond.
func (l *List[T]) Insert(i int, values ...T) error {
	add := make([]any, len(values))
	for j, v := range values {
		var err error
		if add[j], err = valueOf(v); err != nil {
			return fmt.Errorf("world: %s: attribute %q: value %d: %w", l.c.id, l.f.name, i+j, err)
		}
	}
	return l.put(slices.Insert(slices.Clone(l.raw()), i, add...))
}

// Set replaces value i. It panics if there is none.
func (l *List[T]) Set(i int, v T) error {
	x, err := valueOf(v)
	if err != nil {
		return fmt.Errorf("world: %s: attribute %q: value %d: %w", l.c.id, l.f.name, i, err)
	}
	raw := slices.Clone(l.raw())
	raw[i] = x
	return l.put(raw)
}

// Delete removes the values from place i up to but not including j. It panics if
// there are none.
func (l *List[T]) Delete(i, j int) error { return l.put(slices.Delete(slices.Clone(l.raw()), i, j)) }

// Replace makes the list consist of these values.
func (l *List[T]) Replace(values ...T) error {
	raw := make([]any, len(values))
	for i, v := range values {
		var err error
		if raw[i], err = valueOf(v); err != nil {
			return fmt.Errorf("world: %s: attribute %q: value %d: %w", l.must().id, l.f.name, i, err)
		}
	}
	return l.put(raw)
}

func (l *List[T]) put(raw []any) error { return l.must().setAttr(l.f.name, raw, nil) }

func (l *List[T]) checkType() error {
	t := reflect.TypeFor[T]()
	return checkStorable(t, t.String())
}

func (l *List[T]) checkValue(w *World, v any) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%w: %s is no list", errNotOfType, shown(v))
	}
	for i, x := range list {
		if _, err := typed[T](w, x); err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
	}
	return nil
}

// A MapKey is a type that the keys of a Map may have.
type MapKey interface {
	~string | ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32
}

// A Map is a stored map of an entity, as a field of a typeclass; see Attr for
// the name and for what V may be. Each change stores the whole map, so it is
// for dozens of entries, not for thousands.
type Map[K MapKey, V any] struct{ view }

func (m *Map[K, V]) raw() map[string]any {
	v, _ := m.must().attrs[m.f.name].value.(map[string]any)
	return v
}

func keyText[K MapKey](k K) string {
	v := reflect.ValueOf(k)
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	}
	return strconv.FormatUint(v.Uint(), 10)
}

func keyOf[K MapKey](text string) (k K, err error) {
	v := reflect.ValueOf(&k).Elem()
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return k, fmt.Errorf("%w: key %s is no %s", errNotOfType, shown(text), v.Type())
		}
		v.SetInt(n)
	default:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return k, fmt.Errorf("%w: key %s is no %s", errNotOfType, shown(text), v.Type())
		}
		v.SetUint(n)
	}
	return k, nil
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() int { return len(m.raw()) }

// Get returns the value of k, and whether there is one.
func (m *Map[K, V]) Get(k K) (V, bool) {
	x, ok := m.raw()[keyText(k)]
	if !ok {
		var none V
		return none, false
	}
	v, err := typed[V](m.c.w, x)
	return v, err == nil
}

// All yields the entries in the order of their keys. The map may be changed
// meanwhile; what is yielded is what it was.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	raw := m.raw()
	type entry struct {
		k K
		v V
	}
	entries := make([]entry, 0, len(raw))
	for text, x := range raw {
		k, err := keyOf[K](text)
		if err != nil {
			continue
		}
		if v, err := typed[V](m.c.w, x); err == nil {
			entries = append(entries, entry{k, v})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.k, b.k) })
	return func(yield func(K, V) bool) {
		for _, e := range entries {
			if !yield(e.k, e.v) {
				return
			}
		}
	}
}

// Set sets the value of k.
func (m *Map[K, V]) Set(k K, v V) error {
	x, err := valueOf(v)
	if err != nil {
		return fmt.Errorf("world: %s: attribute %q: %v: %w", m.must().id, m.f.name, k, err)
	}
	raw := maps.Clone(m.raw())
	if raw == nil {
		raw = map[string]any{}
	}
	raw[keyText(k)] = x
	return m.must().setAttr(m.f.name, raw, nil)
}

// Delete removes k, if it is there.
func (m *Map[K, V]) Delete(k K) error {
	if _, ok := m.raw()[keyText(k)]; !ok {
		return nil
	}
	raw := maps.Clone(m.raw())
	delete(raw, keyText(k))
	return m.c.setAttr(m.f.name, raw, nil)
}

func (m *Map[K, V]) checkType() error {
	t := reflect.TypeFor[V]()
	return checkStorable(t, t.String())
}

func (m *Map[K, V]) checkValue(w *World, v any) error {
	raw, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%w: %s is no map", errNotOfType, shown(v))
	}
	for text, x := range raw {
		if _, err := keyOf[K](text); err != nil {
			return err
		}
		if _, err := typed[V](w, x); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// A Ref names an entity that is a T, or nothing. It is how code keeps an entity
// longer than a turn: once the entity is deleted, or is no T any more, Get
// returns nil. As a field of a typeclass it is stored; see Attr for the name.
// Anywhere else, and as the value of an Attr, List or Map, it is a value like a
// number, which RefTo makes.
type Ref[T Entity] struct {
	v  view
	w  *World
	id ID
}

// RefTo returns a Ref to e, which may be nil.
func RefTo[T Entity](e T) Ref[T] {
	if any(e) == nil || reflect.ValueOf(e).IsNil() {
		return Ref[T]{}
	}
	return Ref[T]{w: e.World(), id: e.ID()}
}

// ID returns the ID of what it names, deleted or not; 0 for nothing.
func (r *Ref[T]) ID() ID {
	if r.v.c == nil {
		return r.id
	}
	id, _ := refOf(r.v.c.attrs[r.v.f.name].value)
	return id
}

// Get returns what it names, or nil.
func (r *Ref[T]) Get() T {
	var none T
	w := r.w
	if r.v.c != nil {
		w = r.v.c.w
	}
	if w == nil {
		return none
	}
	t, _ := As[T](w.Get(r.ID()))
	return t
}

// Set has it name e; nil means nothing.
func (r *Ref[T]) Set(e T) error {
	to := RefTo(e)
	if r.v.c == nil {
		*r = to
		return nil
	}
	if to.id == 0 {
		r.v.c.DelAttr(r.v.f.name)
		return nil
	}
	return r.v.c.setAttr(r.v.f.name, to.id.String(), nil)
}

func (r *Ref[T]) refID() ID                  { return r.ID() }
func (r *Ref[T]) setRef(w *World, id ID)     { *r = Ref[T]{w: w, id: id} }
func (r *Ref[T]) bind(c *core, f *attrField) { r.v.bind(c, f) }
func (r *Ref[T]) checkType() error           { return nil }

func (r *Ref[T]) checkValue(_ *World, v any) error {
	if _, ok := refOf(v); !ok {
		return fmt.Errorf("%w: %s is no reference such as #12", errNotOfType, shown(v))
	}
	return nil
}

// A monitor waits for changes of an attribute.
type monitor struct {
	name string
	fn   func(old, new any)
}

// Monitor has fn called after each change of the attribute name of e, on the
// loop and as part of what changes it; nil stands for no attribute. It ends when
// stop is called, with e, or with the Server, so AtInit is the place to call it.
// A monitor that changes what it monitors is not called for that again.
func (w *World) Monitor(e Entity, name string, fn func(old, new any)) (stop func()) {
	c := e.base()
	m := &monitor{name, fn}
	set(w, &c.own().monitors, append(slices.Clip(c.has().monitors), m))
	return func() {
		set(w, &c.own().monitors, slices.DeleteFunc(slices.Clone(c.has().monitors), func(o *monitor) bool { return o == m }))
	}
}

// tellMonitors calls the monitors of an attribute.
func (c *core) tellMonitors(name string, old, new any) {
	w := c.w
	for _, m := range c.has().monitors {
		if m.name != name || slices.Contains(w.told, m) {
			continue
		}
		w.told = append(w.told, m)
		func() {
			defer func() { w.told = w.told[:len(w.told)-1] }()
			m.fn(old, new)
		}()
	}
}
