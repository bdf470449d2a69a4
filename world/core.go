package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"mudlark.dev/lock"
)

// An Entity is a stored part of the world: *Object, *Room, *Exit, *Character,
// *Account, or a typeclass that embeds one of these. As tells which.
type Entity interface {
	ID() ID
	Name() string
	Aliases() []string
	Typeclass() string // the registered name of its class
	World() *World
	Deleted() bool
	Self() Entity // as its typeclass

	Attr(name string) (any, bool)
	SetAttr(name string, value any) error
	Locks() string
	Access(subject lock.Subject, access string, otherwise bool) bool
	AccessStrictly(subject lock.Subject, access string, otherwise bool) bool

	lock.Object
	base() *core
	attach(*core)
	kind() family
}

// family is what an entity is at bottom, whatever class it has.
type family uint8

const (
	famObject family = iota + 1
	famRoom
	famExit
	famCharacter
	famAccount
)

// families has the name of each family, which is also the name of its base
// class, and the locks that hold where an entity defines none of its own.
var families = map[family]struct{ name, locks string }{
	famObject:    {"object", "control:perm(Developer); examine:perm(Builder); edit:perm(Admin); delete:perm(Admin); puppet:perm(Developer); get:all(); drop:all(); view:all(); call:all()"},
	famRoom:      {"room", "control:perm(Developer); examine:perm(Builder); edit:perm(Admin); delete:perm(Admin); puppet:none(); get:none(); view:all(); call:all()"},
	famExit:      {"exit", "control:perm(Developer); examine:perm(Builder); edit:perm(Admin); delete:perm(Admin); puppet:none(); get:none(); view:all(); traverse:all(); call:all()"},
	famCharacter: {"character", "control:perm(Developer); examine:perm(Builder); edit:perm(Admin); delete:perm(Admin); puppet:perm(Developer); get:none(); view:all(); call:none()"},
	famAccount:   {"account", "control:perm(Developer); examine:perm(Admin); edit:perm(Admin); delete:perm(Admin); boot:perm(Admin); msg:all()"},
}

// A Tag is a label that entities can be found by.
type Tag struct{ Key, Category string }

// core is what every entity has. Handles such as Object point to it.
type core struct {
	w         *World
	id        ID
	family    family
	dirty     bool
	deleted   bool
	isNew     bool   // not in the store yet
	typeclass string // as it is stored; class is that of the family if this build lacks it
	class     *class
	self      Entity

	name  string
	attrs map[string]attr
	sets  []string
	extra *extras // nil: none; see has and own

	// Of things in the world.
	location    *core
	arrived     uint64  // when it came there, among all arrivals
	contents    []*core // in the order of arrival
	offers      []*core // those of contents that are exits or carry cmdsets, in the same order
	setsVersion uint64  // rises when offers or what they offer changes
	home        ID
	destination *core // of exits
	sessions    []*Session
	account     *core // of a character: whose it is
	away        ID    // of a character that nobody plays: where it was

	*accountPart // nil of all others
}

// extras is what most entities have none of: it lies apart, so that a game of many
// players and things takes less memory.
type extras struct {
	aliases  []string
	tags     []Tag
	lockText string
	locks    lock.Lock
	monitors []*monitor
	rest     map[string]any  // fields of the record that this build does not know
	large    map[string]bool // attributes that have a record of their own in the store
}

// noExtras is what an entity without extras has. It does not change.
var noExtras extras

// has returns its extras, to be read.
func (c *core) has() *extras {
	if c.extra == nil {
		return &noExtras
	}
	return c.extra
}

// own returns its extras, to be changed.
func (c *core) own() *extras {
	if c.extra == nil {
		c.extra = new(extras)
	}
	return c.extra
}

// accountPart is what accounts have.
type accountPart struct {
	password   Password
	perms      []string
	superuser  bool
	characters []ID
	lastPuppet ID
	lastLogin  int64 // Unix seconds
}

// attr is an attribute's value and its stored form.
type attr struct {
	value   any
	typed   any // the value as its field has it, once that was asked for
	encoded []byte
	dirty   bool // a large one that is to be stored
}

func (c *core) base() *core { return c }

// ID returns the entity's ID.
func (c *core) ID() ID { return c.id }

// LockID implements lock.Object.
func (c *core) LockID() uint64 { return uint64(c.id) }

// Name returns what the entity is called.
func (c *core) Name() string { return c.name }

// Typeclass returns the registered name of its class.
func (c *core) Typeclass() string { return c.typeclass }

// World returns the world it belongs to.
func (c *core) World() *World { return c.w }

// Self returns the entity as its typeclass: a *Cave, where a *Room may be in
// hand that the *Cave embeds.
func (c *core) Self() Entity { return c.self }

// Deleted reports whether it was deleted. A deleted entity has no location, no
// contents and no sessions, and its setters do nothing that lasts.
func (c *core) Deleted() bool { return c.deleted }

// Aliases returns its other names, which the caller must not change.
func (c *core) Aliases() []string { return c.has().aliases }

// SetAliases replaces its other names: at most MaxAliases, of at most MaxName
// bytes each.
func (c *core) SetAliases(aliases ...string) error {
	if len(aliases) > MaxAliases {
		return fmt.Errorf("%w: %s: %d aliases, the limit is %d", ErrTooMany, c.id, len(aliases), MaxAliases)
	}
	out := make([]string, 0, len(aliases))
	for _, a := range aliases {
		if a = strings.ToValidUTF8(strings.TrimSpace(a), "\uFFFD"); a == "" || len(a) > MaxName {
			return fmt.Errorf("world: %s: an alias has 1 to %d bytes", c.id, MaxName)
		}
		out = append(out, a)
	}
	if len(out) > 0 || len(c.Aliases()) > 0 {
		set(c.w, &c.own().aliases, out)
	}
	c.mark()
	c.touchSets()
	return nil
}

// Desc returns its description: the attribute "desc".
func (c *core) Desc() string {
	v, _ := c.Attr("desc")
	s, _ := v.(string)
	return s
}

// SetDesc sets its description.
func (c *core) SetDesc(text string) error { return c.SetAttr("desc", text) }

// Attr returns the attribute of that name and whether there is one. Lists and
// maps in it must not be changed.
func (c *core) Attr(name string) (any, bool) {
	a, ok := c.attrs[name]
	return a.value, ok
}

// LockAttr implements lock.Object.
func (c *core) LockAttr(name string) (any, bool) { return c.Attr(name) }

// SetAttr sets an attribute to a value as messages have them: nil, bool,
// int64, float64, string, []any, map[string]any; other sizes of numbers are
// converted. The value is encoded now and belongs to the entity from here on.
// One that cannot be stored is an error that names its path.
//
// One that a field of the typeclass shows must be of the field's type.
func (c *core) SetAttr(name string, value any) error {
	if f := c.class.byName[name]; f != nil {
		normal, _, err := encodeValue(value)
		if err == nil {
			err = f.check(c.w, normal)
		}
		if err != nil {
			return fmt.Errorf("world: %s: attribute %q: %w", c.id, name, err)
		}
		value = normal
	}
	return c.setAttr(name, value, nil)
}

// setAttr is SetAttr for a value that fits; typed is what its field makes of
// it, or nil.
func (c *core) setAttr(name string, value, typed any) error {
	if c.deleted {
		return fmt.Errorf("%w: %s", ErrDeleted, c.id)
	}
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("world: %s: an attribute's name has 1 to %d bytes", c.id, MaxName)
	}
	value, encoded, err := encodeValue(value)
	if err != nil {
		return fmt.Errorf("world: %s: attribute %q: %w", c.id, name, err)
	}
	if _, ok := c.attrs[name]; !ok && len(c.attrs) >= MaxAttrs {
		return fmt.Errorf("%w: %s: attribute %q: the limit is %d", ErrTooMany, c.id, name, MaxAttrs)
	}
	// What is stored may differ from what was given, in text that is no UTF-8:
	// then it is read back from what is stored.
	switch value.(type) {
	case string:
		if typed != value {
			typed = nil
		}
	case []any, map[string]any:
		typed = nil
	}
	old := c.attrs[name].value
	c.putAttr(name, attr{value: value, typed: typed, encoded: encoded, dirty: true})
	c.mark()
	c.tellMonitors(name, old, value)
	return nil
}

func (c *core) putAttr(name string, a attr) {
	old, had := c.attrs[name]
	if c.attrs == nil {
		c.attrs = make(map[string]attr)
	}
	c.attrs[name] = a
	c.w.note(func() {
		if had {
			c.attrs[name] = old
		} else {
			delete(c.attrs, name)
		}
	})
}

// DelAttr removes an attribute, if it is there.
func (c *core) DelAttr(name string) {
	old, had := c.attrs[name]
	if !had || c.deleted {
		return
	}
	delete(c.attrs, name)
	c.w.note(func() { c.attrs[name] = old })
	c.mark()
	c.tellMonitors(name, old.value, nil)
}

// isLarge notes that the attribute has a record of its own in the store.
func (c *core) isLarge(name string) {
	x := c.own()
	if x.large == nil {
		x.large = make(map[string]bool)
	}
	x.large[name] = true
}

// AttrNames returns the names of its attributes, sorted.
func (c *core) AttrNames() []string { return slices.Sorted(maps.Keys(c.attrs)) }

// HasTag reports whether it has the tag.
func (c *core) HasTag(key, category string) bool {
	return slices.Contains(c.Tags(), Tag{key, category})
}

// Tags returns its tags, which the caller must not change.
func (c *core) Tags() []Tag { return c.has().tags }

// AddTag gives e a tag; to have it already is no error.
func (w *World) AddTag(e Entity, key, category string) error {
	c := e.base()
	switch {
	case c.deleted:
		return fmt.Errorf("%w: %s", ErrDeleted, c.id)
	case !utf8.ValidString(key) || !utf8.ValidString(category):
		return fmt.Errorf("world: %s: a tag is text in UTF-8", c.id)
	case key == "" || len(key) > MaxName || len(category) > MaxName:
		return fmt.Errorf("world: %s: a tag has 1 to %d bytes", c.id, MaxName)
	case c.HasTag(key, category):
		return nil
	case len(c.Tags()) >= MaxTags:
		return fmt.Errorf("%w: %s: the limit is %d tags", ErrTooMany, c.id, MaxTags)
	}
	t := Tag{key, category}
	set(w, &c.own().tags, append(slices.Clip(c.Tags()), t))
	w.index(t, c)
	w.note(func() { w.unindex(t, c) })
	c.mark()
	return nil
}

// DelTag takes a tag from e, if it has it.
func (w *World) DelTag(e Entity, key, category string) {
	c := e.base()
	t := Tag{key, category}
	if c.deleted || !c.HasTag(key, category) {
		return
	}
	set(w, &c.own().tags, slices.DeleteFunc(slices.Clone(c.Tags()), func(o Tag) bool { return o == t }))
	w.unindex(t, c)
	w.note(func() { w.index(t, c) })
	c.mark()
}

func (w *World) index(t Tag, c *core) {
	list := w.tagged[t]
	at, _ := slices.BinarySearchFunc(list, c, byID)
	w.tagged[t] = slices.Insert(list, at, c)
}

func (w *World) unindex(t Tag, c *core) {
	list := w.tagged[t]
	if at, ok := slices.BinarySearchFunc(list, c, byID); ok {
		list = slices.Delete(list, at, at+1)
	}
	if len(list) == 0 {
		delete(w.tagged, t)
		return
	}
	w.tagged[t] = list
}

// Locks returns its own lock string in normal form; what that leaves open its
// class decides.
func (c *core) Locks() string { return c.has().lockText }

// SetLocks replaces its own lock string. The error is a *lock.ParseError for
// whoever wrote it.
func (c *core) SetLocks(text string) error {
	l, err := c.w.compile(text)
	if err != nil {
		return err
	}
	if own := l.String(); own != "" || c.Locks() != "" {
		set(c.w, &c.own().locks, l)
		set(c.w, &c.own().lockText, own)
	}
	c.mark()
	return nil
}

// Access reports whether subject passes the lock of that type: the entity's
// own, else its class's, else otherwise.
func (c *core) Access(subject lock.Subject, access string, otherwise bool) bool {
	if ok, defined := c.has().locks.Check(access, subject, c.self); defined {
		return ok
	}
	if ok, defined := c.class.lock.Check(access, subject, c.self); defined {
		return ok
	}
	return otherwise || subject != nil && subject.Superuser()
}

// AccessStrictly is Access for superusers, too: they pass only if the lock lets
// them. It decides what applies to somebody whether they want it or not.
func (c *core) AccessStrictly(subject lock.Subject, access string, otherwise bool) bool {
	if ok, defined := c.has().locks.CheckStrictly(access, subject, c.self); defined {
		return ok
	}
	if ok, defined := c.class.lock.CheckStrictly(access, subject, c.self); defined {
		return ok
	}
	return otherwise
}

// CmdSets returns the names of the cmdsets it carries, in the order in which
// they were added. The caller must not change it.
func (c *core) CmdSets() []string { return c.sets }

// AddCmdSet has it carry the cmdset of that name, behind those it carries.
func (c *core) AddCmdSet(name string) error {
	if name == "" || len(name) > MaxName || len(c.sets) >= 64 {
		return fmt.Errorf("world: %s: cmdset %q: a name has 1 to %d bytes, and an entity at most 64 sets", c.id, name, MaxName)
	}
	if slices.Contains(c.sets, name) {
		return nil
	}
	set(c.w, &c.sets, append(slices.Clip(c.sets), name))
	c.mark()
	c.touchSets()
	return nil
}

// DelCmdSet has it no longer carry the cmdset of that name.
func (c *core) DelCmdSet(name string) {
	if !slices.Contains(c.sets, name) {
		return
	}
	set(c.w, &c.sets, slices.DeleteFunc(slices.Clone(c.sets), func(n string) bool { return n == name }))
	c.mark()
	c.touchSets()
}

// SetsVersion rises whenever the cmdsets it carries change, or an exit or a
// thing that carries cmdsets enters or leaves it, or what one of those offers
// changes. While the version is the same, CmdSets and LocalSets are.
func (c *core) SetsVersion() uint64 { return c.setsVersion }

// offering reports whether c brings commands to the place where it is.
func (c *core) offering() bool { return c.family == famExit || len(c.sets) > 0 }

// touchSets says that what c offers around it may have changed.
func (c *core) touchSets() {
	c.bump()
	if c.location != nil {
		c.location.reoffer()
	}
}

// bump raises setsVersion. A version is never used twice, undo or not.
func (c *core) bump() {
	c.setsVersion++
	c.w.note(func() { c.setsVersion++ })
}

// reoffer works out anew which of the contents offer commands.
func (c *core) reoffer() {
	var offers []*core
	for _, o := range c.contents {
		if o.offering() {
			offers = append(offers, o)
		}
	}
	set(c.w, &c.offers, offers)
	c.bump()
}
