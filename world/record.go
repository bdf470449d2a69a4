package world

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mudlark.dev/message"
	"mudlark.dev/session"
)

// A RecordKind says what a record is. The numbers are those of store.Kind: they
// are in files, so none is ever given another meaning.
type RecordKind uint8

// The kinds of records that a world writes.
const (
	RecordSetting   RecordKind = 1 // ID: the setting's name
	RecordEntity    RecordKind = 2 // ID: the entity's number
	RecordAttribute RecordKind = 3 // ID: the entity's number, a slash, the attribute's name
	RecordSession   RecordKind = 4 // ID: the 16 bytes of session.ID
	RecordTimer     RecordKind = 5 // ID: the timer's number
)

// A RecordKey names a record.
type RecordKey struct {
	Kind RecordKind
	ID   string
}

// A Record is a part of the world in its stored form.
type Record struct {
	RecordKey
	Data []byte
}

// Changes is what a turn changed.
type Changes struct {
	Puts    []Record    // by kind, then in the order of their first change
	Deletes []RecordKey // what is no more; none of them is in Puts
	HighID  uint64      // the highest entity ID ever given out; 0 if that has not changed

	Unstored []Unstored // what could not be put, and is not among Puts
}

// Empty reports whether nothing is to be stored.
func (c Changes) Empty() bool { return len(c.Puts) == 0 && len(c.Deletes) == 0 && c.HighID == 0 }

// largeAttr is the encoded size in bytes above which an attribute has a record
// of its own, so that a long note is not written with each hit point.
const largeAttr = 1 << 10

// recordVersion is the first byte of an entity's record.
const recordVersion = 1

// lastVersion bounds the versions that a newer build may use. What has another
// first byte is damaged.
const lastVersion = 31

// ErrBadRecord is returned for a record that cannot be read.
var ErrBadRecord = errors.New("world: record cannot be read")

func recordID(id ID) string                     { return strconv.FormatUint(uint64(id), 10) }
func attrRecordID(id ID, name string) string    { return recordID(id) + "/" + name }
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
func texts(list []string) (out []any) {
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// TakeChanges returns what was changed since the last call, in its stored form,
// and forgets how to undo it. The caller owns it.
func (w *World) TakeChanges() Changes {
	var out Changes
	if n := len(w.dirtySets) + len(w.dirty) + len(w.dirtyTimers) + len(w.dirtySess); n > 0 {
		out.Puts = make([]Record, 0, n)
	}
	slices.Sort(w.dirtySets)
	for _, name := range slices.Compact(w.dirtySets) {
		if v, ok := w.settings[name]; ok {
			out.put(RecordSetting, name, v.encoded)
		} else {
			out.Deletes = append(out.Deletes, RecordKey{RecordSetting, name})
		}
	}
	for _, c := range w.dirty {
		c.dirty = false
		if c.deleted {
			continue
		}
		w.take(&out, c)
	}
	for _, t := range w.dirtyTimers {
		t.dirty = false
		if t.gone {
			continue
		}
		w.take(&out, t)
	}
	for _, s := range w.dirtySess {
		s.dirty = false
		w.take(&out, s)
	}
	out.Deletes = append(out.Deletes, w.deletes...)
	if w.lastID != w.storedHighID {
		out.HighID = uint64(w.lastID)
		w.storedHighID = w.lastID
	}
	w.changes = 0
	clear(w.journal)
	w.journal = w.journal[:0]
	w.dirty, w.dirtyTimers, w.dirtySess, w.deletes = w.dirty[:0], w.dirtyTimers[:0], w.dirtySess[:0], nil
	w.dirtySets = w.dirtySets[:0]
	return out
}

func (c *Changes) put(k RecordKind, id string, data []byte) {
	c.Puts = append(c.Puts, Record{RecordKey{k, id}, data})
}

// encode writes fields that the world itself made, which cannot fail but for
// their size.
func encode(name string, fields map[string]any) []byte {
	b, err := message.Message{Name: name, Kwargs: fields}.AppendBinary(nil)
	if err != nil {
		panic(fmt.Sprintf("world: encode %s: %v", name, err)) // the setters check what goes in
	}
	return b
}

// encodeValue returns a value's stored form, and the value as it will be read
// back: numbers of one size, text in UTF-8, and nothing shared with the caller.
func encodeValue(v any) (any, []byte, error) {
	m := message.New("v", v)
	encoded, err := m.AppendBinary(nil)
	if err != nil {
		return nil, nil, err
	}
	switch v := m.Args[0].(type) {
	case string:
		return strings.ToValidUTF8(v, "\uFFFD"), encoded, nil
	case []any, map[string]any:
		if m, _, err = message.DecodeBinary(encoded); err != nil {
			return nil, nil, err
		}
	}
	return m.Args[0], encoded, nil
}

func decode(data []byte) (map[string]any, []byte, error) {
	m, rest, err := message.DecodeBinary(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	return m.Kwargs, rest, nil
}

// store appends c's records: the entity's own, and those of large attributes
// that have changed. The entity's is a version byte, the length and bytes of
// its fields, then name and value of each small attribute, all with lengths.
func (c *core) store(out *Changes) {
	w, x := c.w, c.has()
	head := w.encoding.entity(c)
	names := w.encoding.names[:0]
	size := 0
	for name, a := range c.attrs {
		names = append(names, name)
		if len(a.encoded) <= largeAttr {
			size += len(name) + len(a.encoded) + 2*binary.MaxVarintLen16
		}
	}
	slices.Sort(names)
	b := make([]byte, 0, 1+binary.MaxVarintLen32+len(head)+size)
	b = binary.AppendUvarint(append(b, recordVersion), uint64(len(head)))
	b = append(b, head...)
	for _, name := range names {
		a := c.attrs[name]
		if len(a.encoded) <= largeAttr {
			b = binary.AppendUvarint(appendBytes(b, name), uint64(len(a.encoded)))
			b = append(b, a.encoded...)
			if x.large[name] {
				delete(x.large, name)
				out.Deletes = append(out.Deletes, RecordKey{RecordAttribute, attrRecordID(c.id, name)})
			}
		} else if a.dirty {
			c.isLarge(name)
			out.put(RecordAttribute, attrRecordID(c.id, name), a.encoded)
		}
		if a.dirty {
			a.dirty = false
			c.attrs[name] = a
		}
	}
	clear(names)
	w.encoding.names = names
	if len(x.large) > 0 {
		c.storeLargeDeletes(out)
	}
	out.put(RecordEntity, recordID(c.id), b)
	c.isNew = false
}

// storeLargeDeletes deletes the records of large attributes that are no more.
func (c *core) storeLargeDeletes(out *Changes) {
	large := c.has().large
	for _, name := range sortedKeys(large) {
		if _, ok := c.attrs[name]; !ok {
			delete(large, name)
			out.Deletes = append(out.Deletes, RecordKey{RecordAttribute, attrRecordID(c.id, name)})
		}
	}
}

// An encoding is room in which records are put together.
type encoding struct {
	fields message.Fields
	head   []byte
	names  []string
}

// entity returns the fields of c's record, in the order of their keys. What it
// returns is good until the next call.
func (e *encoding) entity(c *core) []byte {
	f, x := &e.fields, c.has()
	f.Reset()
	var rest []string
	if len(x.rest) > 0 {
		rest = sortedKeys(x.rest)
	}
	at := func(key string) string { // what this build does not know has its place between
		for len(rest) > 0 && rest[0] < key {
			f.Value(rest[0], x.rest[rest[0]])
			rest = rest[1:]
		}
		return key
	}
	id := func(key string, id int64) {
		if id != 0 {
			f.Int(at(key), id)
		}
	}
	list := func(key string, values []any) {
		if len(values) > 0 {
			f.Value(at(key), values)
		}
	}
	id("account", idOf(c.account))
	list("aliases", texts(x.aliases))
	id("arrived", int64(c.arrived))
	id("away", int64(c.away))
	a := c.accountPart
	if a != nil {
		var chars []any
		for _, id := range a.characters {
			chars = append(chars, int64(id))
		}
		list("characters", chars)
	}
	f.Text(at("class"), c.typeclass)
	f.Int(at("family"), int64(c.family))
	id("home", int64(c.home))
	id("in", idOf(c.location))
	if a != nil {
		id("last", int64(a.lastPuppet))
	}
	if x.lockText != "" {
		f.Text(at("locks"), x.lockText)
	}
	if a != nil {
		id("login", a.lastLogin)
	}
	f.Text(at("name"), c.name)
	if a != nil {
		f.Text(at("password"), string(a.password))
		list("perms", texts(a.perms))
	}
	list("sets", texts(c.sets))
	if a != nil && a.superuser {
		f.Value(at("super"), true)
	}
	var tags []any
	for _, t := range x.tags {
		tags = append(tags, t.Key, t.Category)
	}
	list("tags", tags)
	id("to", idOf(c.destination))
	for _, key := range rest {
		f.Value(key, x.rest[key])
	}
	head, err := f.AppendBinary(e.head[:0], "e")
	if err != nil {
		panic(fmt.Sprintf("world: encode e: %v", err)) // the setters check what goes in
	}
	if cap(head) <= 64<<10 {
		e.head = head
	}
	return head
}

func idOf(c *core) int64 {
	if c == nil {
		return 0
	}
	return int64(c.id)
}

func appendBytes(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// store appends the session's row if it is to have one.
func (s *Session) store(out *Changes) {
	key := string(s.id[:])
	if s.closed {
		return // its row is among the deletions if it had one
	}
	if s.account == nil && len(s.data) == 0 {
		if s.isRow {
			s.isRow = false
			out.Deletes = append(out.Deletes, RecordKey{RecordSession, key})
		}
		return
	}
	s.isRow = true
	data := s.data
	if data == nil {
		data = map[string]any{}
	}
	prefs := s.Prefs()
	out.put(RecordSession, key, encode("s", map[string]any{
		"portal": s.portal, "account": idOf(s.account), "puppet": idOf(s.puppet), "data": data,
		"sets": texts(s.sets), "since": s.Since().Unix(),
		"nocolor": prefs.NoColor, "screenreader": prefs.ScreenReader, "width": int64(prefs.Width), "encoding": prefs.Encoding,
		"links": prefs.Links, "wrap": prefs.Wrap,
	}))
}

// storedSession is a session's row that was loaded and not taken up yet.
type storedSession struct {
	portal          string
	account, puppet ID
	data            map[string]any
	sets            []string
	since           int64
	prefs           session.Prefs
}

// fields reads loosely: what is missing or of another type is zero, so that a
// row of another build can be read.
type fields map[string]any

func (f fields) text(key string) string { s, _ := f[key].(string); return s }
func (f fields) int(key string) int64   { n, _ := f[key].(int64); return n }
func (f fields) id(key string) ID       { return ID(max(f.int(key), 0)) }
func (f fields) flag(key string) bool   { b, _ := f[key].(bool); return b }
func (f fields) texts(key string) []string {
	list, _ := f[key].([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
