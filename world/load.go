package world

import (
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mudlark.dev/lock"
	"mudlark.dev/message"
	"mudlark.dev/session"
)

// A loader keeps what refers to entities that may not be loaded yet.
type loader struct {
	refs     map[*core]refs
	sorted   []*core // of PrepareLoad; what was loaded later is in late
	late     []*core
	attrs    map[ID]map[string][]byte // attributes with records of their own
	timers   map[TimerID]*timer
	problems map[RecordKey]error // of records that cannot be read, or that have something odd
	order    []RecordKey         // of problems
	newer    map[string]bool     // entities in the form of a newer build
	unknown  map[*core]bool      // of typeclasses that this build has not, or has for another kind
}

// refs are what an entity refers to.
type refs struct {
	in, to, account ID
	characters      []any // of IDs, as they were read
}

// entityFields are the fields of an entity's record that this build knows.
var entityFields = []string{
	"family", "class", "name", "aliases", "locks", "sets", "tags", "in", "arrived", "home", "to", "away", "account",
	"password", "perms", "super", "characters", "last", "login",
}

// LoadRecord takes up a record, in any order, before FinishLoad. Of two with the
// same key the later counts, so what has changed since can be loaded on top. Data
// is not kept. One that cannot be read is reported by FinishLoad, stays in the
// store as it is, and is no error here.
func (w *World) LoadRecord(kind RecordKind, id string, data []byte) error {
	if err := w.beginLoad(); err != nil {
		return err
	}
	key := RecordKey{kind, id}
	w.forget(key)
	var err error
	switch kind {
	case RecordEntity:
		err = w.loadEntity(id, data)
	case RecordAttribute:
		err = w.loadAttribute(id, data)
	case RecordSession:
		err = w.loadSession(id, data)
	case RecordTimer:
		err = w.loadTimer(id, data)
	case RecordSetting:
		err = w.loadSetting(id, data)
	default:
		err = fmt.Errorf("%w: kind %d is unknown to this build", ErrBadRecord, kind)
	}
	if err != nil {
		w.oddRecord(key, fmt.Errorf("record %d/%q is left as it is: %w", kind, id, err))
		w.unread[key] = bytes.Clone(data)
	}
	return nil
}

// UnloadRecord takes back a record that was deleted since it was loaded, before
// FinishLoad. One that was never loaded is no error.
func (w *World) UnloadRecord(kind RecordKind, id string) error {
	if err := w.beginLoad(); err != nil {
		return err
	}
	w.forget(RecordKey{kind, id})
	return nil
}

func (w *World) beginLoad() error {
	if w.loading != nil {
		return nil
	}
	if len(w.entities) > 0 || len(w.sessions) > 0 {
		return fmt.Errorf("world: load into a world that is in use")
	}
	w.loading = &loader{
		refs: make(map[*core]refs), attrs: make(map[ID]map[string][]byte), timers: make(map[TimerID]*timer),
		problems: make(map[RecordKey]error), newer: make(map[string]bool), unknown: make(map[*core]bool),
	}
	return nil
}

// forget takes back what was loaded of a record. Nothing is tied together yet.
func (w *World) forget(key RecordKey) {
	l := w.loading
	delete(w.unread, key)
	delete(l.problems, key)
	switch key.Kind {
	case RecordEntity:
		delete(l.newer, key.ID)
		if id, err := parseID(key.ID); err == nil {
			if c := w.entities[id]; c != nil {
				delete(l.refs, c)
				delete(l.unknown, c)
				delete(w.entities, id)
			}
		}
	case RecordAttribute:
		number, name, _ := strings.Cut(key.ID, "/")
		if id, err := parseID(number); err == nil {
			delete(l.attrs[id], name)
		}
	case RecordSession:
		var id session.ID
		if copy(id[:], key.ID) == len(key.ID) {
			delete(w.stored, id)
		}
	case RecordTimer:
		if id, err := parseID(key.ID); err == nil {
			if t := l.timers[TimerID(id)]; t != nil {
				heap.Remove(&w.timers, t.at)
				delete(l.timers, t.id)
			}
		}
	case RecordSetting:
		delete(w.settings, key.ID)
	}
}

// oddRecord notes what is amiss with a record.
func (w *World) oddRecord(key RecordKey, err error) {
	l := w.loading
	if len(l.problems) >= maxProblems {
		return
	}
	if _, ok := l.problems[key]; !ok {
		l.order = append(l.order, key)
	}
	l.problems[key] = err
}

// maxProblems bounds what a Report has.
const maxProblems = 1000

func parseID(s string) (ID, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%w: %q is no ID", ErrBadRecord, s)
	}
	return ID(n), nil
}

func (w *World) loadSetting(name string, data []byte) error {
	m, rest, err := message.DecodeBinary(data)
	if err != nil || len(rest) > 0 || len(m.Args) != 1 {
		return fmt.Errorf("%w: setting %q: %v", ErrBadRecord, name, err)
	}
	w.settings[name] = setting{m.Args[0], bytes.Clone(data)}
	return nil
}

func (w *World) loadEntity(key string, data []byte) error {
	id, err := parseID(key)
	if err != nil {
		return err
	}
	w.lastID = max(w.lastID, id) // whatever is wrong with it: its ID is used
	if len(data) > 0 && data[0] > recordVersion && data[0] <= lastVersion {
		w.loading.newer[key] = true
	}
	if len(data) == 0 || data[0] != recordVersion {
		return fmt.Errorf("%w: it is of another version", ErrBadRecord)
	}
	head, rest, ok := takeBytes(data[1:])
	if !ok {
		return fmt.Errorf("%w: cut short", ErrBadRecord)
	}
	m, left, err := decode(head)
	if err != nil {
		return err
	}
	f := fields(m)
	fam := family(f.int("family"))
	if _, known := families[fam]; !known || len(left) > 0 {
		return fmt.Errorf("%w: no entity of family %d", ErrBadRecord, f.int("family"))
	}
	class := f.text("class")
	if class == "" {
		class = families[fam].name
	}
	k, known := w.classFor(class, fam)
	c := w.makeCore(id, fam, k)
	c.typeclass = class
	c.name, c.sets = f.text("name"), f.texts("sets")
	if aliases := f.texts("aliases"); len(aliases) > 0 {
		c.own().aliases = aliases
	}
	for len(rest) > 0 {
		var name, encoded []byte
		if name, rest, ok = takeBytes(rest); !ok {
			return fmt.Errorf("%w: cut short", ErrBadRecord)
		}
		if encoded, rest, ok = takeBytes(rest); !ok {
			return fmt.Errorf("%w: attribute %q is cut short", ErrBadRecord, name)
		}
		if err := c.loadAttr(string(name), encoded); err != nil {
			return err
		}
	}
	if text := f.text("locks"); text != "" {
		l, err := w.compile(text)
		if err != nil {
			// Nobody but superusers until somebody mends it: better than everybody.
			w.oddRecord(RecordKey{RecordEntity, key}, fmt.Errorf("%s %s: its locks %q cannot be read, so nobody passes them: %w", id, c.name, text, err))
			l = denyAll(w, c)
		}
		x := c.own()
		x.locks, x.lockText = l, text
	}
	tags := f.texts("tags")
	for i := 0; i+1 < len(tags); i += 2 {
		x := c.own()
		x.tags = append(x.tags, Tag{tags[i], tags[i+1]})
	}
	c.arrived = uint64(max(f.int("arrived"), 0))
	w.arrivals = max(w.arrivals, c.arrived)
	c.home, c.away = f.id("home"), f.id("away")
	if a := c.accountPart; a != nil {
		a.password, a.perms, a.superuser = Password(f.text("password")), f.texts("perms"), f.flag("super")
		a.lastPuppet, a.lastLogin = f.id("last"), f.int("login")
	}
	for k, v := range m {
		if !slices.Contains(entityFields, k) {
			x := c.own()
			if x.rest == nil {
				x.rest = make(map[string]any)
			}
			x.rest[k] = v
		}
	}
	w.entities[id] = c
	list, _ := f["characters"].([]any)
	w.loading.refs[c] = refs{f.id("in"), f.id("to"), f.id("account"), list}
	if w.loading.sorted != nil {
		w.loading.late = append(w.loading.late, c)
	}
	if !known {
		w.loading.unknown[c] = true
	}
	return nil
}

// denyAll returns a lock that refuses every type that the class defines.
func denyAll(w *World, c *core) lock.Lock {
	var parts []string
	for _, def := range strings.Split(joinLocks(c.class.locks, families[c.family].locks), ";") {
		access, _, _ := strings.Cut(def, ":")
		parts = append(parts, strings.TrimSpace(access)+":none()")
	}
	l, _ := w.compile(strings.Join(parts, ";")) // made of what New has compiled
	return l
}

func takeBytes(b []byte) (v, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, false
	}
	return b[k : k+int(n)], b[k+int(n):], true
}

func (c *core) loadAttr(name string, encoded []byte) error {
	m, rest, err := message.DecodeBinary(encoded)
	if err != nil || len(rest) > 0 || len(m.Args) != 1 {
		return fmt.Errorf("%w: attribute %q: %v", ErrBadRecord, name, err)
	}
	if c.attrs == nil {
		c.attrs = make(map[string]attr)
	}
	c.attrs[name] = attr{value: m.Args[0], encoded: bytes.Clone(encoded)}
	return nil
}

func (w *World) loadAttribute(key string, data []byte) error {
	number, name, ok := strings.Cut(key, "/")
	id, err := parseID(number)
	if !ok || err != nil || name == "" {
		return fmt.Errorf("%w: %q names no attribute", ErrBadRecord, key)
	}
	if w.loading.attrs[id] == nil {
		w.loading.attrs[id] = make(map[string][]byte)
	}
	w.loading.attrs[id][name] = bytes.Clone(data)
	return nil
}

func (w *World) loadSession(key string, data []byte) error {
	var id session.ID
	if len(key) != len(id) {
		return fmt.Errorf("%w: %q is no session", ErrBadRecord, key)
	}
	copy(id[:], key)
	m, _, err := decode(data)
	if err != nil {
		return err
	}
	f := fields(m)
	d, _ := m["data"].(map[string]any)
	w.stored[id] = &storedSession{
		portal: f.text("portal"), account: f.id("account"), puppet: f.id("puppet"), data: d, sets: f.texts("sets"), since: f.int("since"),
		prefs: session.Prefs{NoColor: f.flag("nocolor"), ScreenReader: f.flag("screenreader"), Width: int(f.int("width")), Encoding: f.text("encoding"), Links: f.text("links"), Wrap: f.text("wrap")},
	}
	return nil
}

// SetHighID tells the highest entity ID that the store knows was ever given
// out, before FinishLoad.
func (w *World) SetHighID(id uint64) {
	w.lastID = max(w.lastID, ID(id))
	w.storedHighID = ID(id)
}

// A Report says how a load went.
type Report struct {
	Entities int
	Problems []error // what is amiss and was left as it is; at most 1,000
}

// PrepareLoad does what of FinishLoad can be done before the last records are
// loaded, so that it takes less time then. It may be left out.
func (w *World) PrepareLoad() {
	if l := w.loading; l != nil {
		l.sorted, l.late = slices.SortedFunc(maps.Values(w.entities), byID), nil
	}
}

// all returns what was loaded in the order of its IDs.
func (l *loader) all(w *World) []*core {
	if l.sorted == nil {
		return slices.SortedFunc(maps.Values(w.entities), byID)
	}
	slices.SortFunc(l.late, byID)
	late := slices.DeleteFunc(l.late, func(c *core) bool { return w.entities[c.id] != c })
	all := make([]*core, 0, len(w.entities))
	for _, c := range l.sorted {
		for len(late) > 0 && late[0].id < c.id {
			all, late = append(all, late[0]), late[1:]
		}
		if _, ok := l.refs[c]; ok { // neither replaced nor deleted
			all = append(all, c)
		}
	}
	return append(all, late...)
}

// FinishLoad ties together what was loaded. The world can be used afterwards.
// The error is ErrNewer if a newer build has written entities.
func (w *World) FinishLoad() (Report, error) {
	l := w.loading
	if l == nil {
		return Report{}, nil
	}
	var r Report
	for _, key := range l.order {
		if err := l.problems[key]; err != nil {
			r.Problems = append(r.Problems, err)
			delete(l.problems, key) // it may be twice in the order
		}
	}
	w.report = &r
	defer func() { w.report = nil }()
	if n := len(l.newer); n > 0 {
		// To go on would be to lose what refers to them.
		return r, fmt.Errorf("%w: %d of its entities cannot be read", ErrNewer, n)
	}
	unknown := make(map[string]int)
	for c := range l.unknown {
		unknown[c.typeclass]++
	}
	for _, name := range sortedKeys(unknown) {
		w.problem(fmt.Errorf("%w: %q: its entities, %d of them, are of their base class until a build has it, and keep all they have",
			ErrNoTypeclass, name, unknown[name]))
	}
	all := l.all(w)
	for _, c := range all {
		if large := l.attrs[c.id]; len(large) > 0 {
			for _, name := range sortedKeys(large) {
				if err := c.loadAttr(name, large[name]); err != nil {
					w.problem(fmt.Errorf("%s: %w", c.id, err))
					continue
				}
				c.isLarge(name)
			}
			delete(l.attrs, c.id)
		}
		for _, t := range c.Tags() {
			w.tagged[t] = append(w.tagged[t], c) // in the order of IDs
		}
		switch c.family {
		case famAccount:
			w.accounts[strings.ToLower(c.name)] = c
		case famCharacter:
			w.characters[strings.ToLower(c.name)] = c
		}
		w.tie(c, l.refs[c])
	}
	for _, id := range slices.Sorted(maps.Keys(l.attrs)) {
		if n := len(l.attrs[id]); n > 0 {
			w.problem(fmt.Errorf("%d attributes of %s, which is not there, are left as they are", n, id))
		}
	}
	for _, c := range all {
		w.unring(c)
		w.checkFields(c)
	}
	for _, c := range all {
		if len(c.contents) == 0 {
			continue
		}
		slices.SortStableFunc(c.contents, func(a, b *core) int { return cmp.Compare(a.arrived, b.arrived) })
		for _, o := range c.contents {
			if o.offering() {
				c.offers = append(c.offers, o)
			}
		}
	}
	w.finishTimers()
	w.loading = nil
	r.Entities = len(w.entities)
	return r, nil
}

// problem notes what is amiss while the load is finished.
func (w *World) problem(err error) {
	if r := w.report; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, err)
	}
}

// checkFields reports the attributes that are not of the type of their field.
// They keep what they have until they are set.
func (w *World) checkFields(c *core) {
	for _, f := range c.class.fields {
		if a, ok := c.attrs[f.name]; ok {
			if err := f.check(w, a.value); err != nil {
				w.problem(fmt.Errorf("%s %s: attribute %q: %w; it counts as not set, and is kept", c.id, c.name, f.name, err))
			}
		}
	}
}

// unring takes c out of its place if it is inside itself, which only a damaged
// record says: whoever looks for its room would never end.
func (w *World) unring(c *core) {
	slow, fast := c, c.location
	for fast != nil && fast != c {
		if fast = fast.location; fast == nil || fast == c {
			break
		}
		fast = fast.location
		if slow = slow.location; slow == fast {
			return // a ring further up: its own members are taken out of it
		}
	}
	if fast != c {
		return
	}
	in := c.location
	w.problem(fmt.Errorf("%s %s: it is in %s, which is in it; it is nowhere now", c.id, c.name, in.id))
	in.contents = slices.DeleteFunc(in.contents, func(o *core) bool { return o == c })
	c.location = nil
}

// tie resolves c's references. One to an entity that is not there is dropped
// and reported.
func (w *World) tie(c *core, r refs) {
	ref := func(key string, id ID) *core {
		if id == 0 {
			return nil
		}
		o := w.entities[id]
		if o == nil {
			w.problem(fmt.Errorf("%s %s: its %q is %s, which is not there", c.id, c.name, key, id))
		}
		return o
	}
	if in := ref("in", r.in); in != nil && in != c && in.family != famAccount {
		c.location = in
		in.contents = append(in.contents, c)
	}
	c.destination = ref("to", r.to)
	if a := ref("account", r.account); a != nil && a.family == famAccount {
		c.account = a
	}
	for _, v := range r.characters {
		if c.accountPart == nil {
			break // only accounts have some
		}
		if n, ok := v.(int64); ok && n > 0 {
			c.characters = append(c.characters, ID(n))
		}
	}
}
