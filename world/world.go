package world

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"mudlark.dev/inline"
	"mudlark.dev/lock"
	"mudlark.dev/markup"
	"mudlark.dev/session"
)

// Errors of the world.
var (
	ErrNameTaken = errors.New("world: the name is taken")
	ErrBadName   = errors.New("world: a name has 3 to 30 letters, digits or any of @ . + - _")
	ErrDeleted   = errors.New("world: the entity is deleted")
	ErrInside    = errors.New("world: a thing cannot be moved into itself")
	ErrNoTimer   = errors.New("world: no handler of that name is registered for timers")
	ErrNewer     = errors.New("world: the store was written by a newer build; run that one, or a later one")
	ErrInterval  = errors.New("world: a timer's interval is at least a second")
	ErrTooMany   = errors.New("world: too many")
)

// Limits of what an entity may hold.
const (
	MaxName    = 200  // bytes of a thing's name or alias
	MaxAliases = 64   // of one entity
	MaxAttrs   = 4096 // of one entity
	MaxTags    = 256  // of one entity
	MaxPerms   = 256  // of one account, of at most MaxName bytes each
	MaxOwned   = 1024 // characters of one account
	MaxTimers  = 1 << 20
)

// An ID names an entity for ever. People write it "#12". 0 names nothing.
type ID uint64

// String returns the ID as people write it.
func (id ID) String() string { return fmt.Sprintf("#%d", uint64(id)) }

// A TimerFunc handles a stored timer. args is what After was given; the
// handler may keep it. An error is logged and undoes what it changed.
type TimerFunc func(w *World, e Entity, args map[string]any) error

// Config has the settings of a World. The zero value is usable.
type Config struct {
	Now              func() time.Time       // nil means time.Now
	Rand             *rand.Rand             // nil means a new one with a random seed
	Locks            lock.Funcs             // nil means lock.Default
	Timers           map[string]TimerFunc   // by name
	Typeclasses      []Typeclass            // beside the base classes
	Inline           map[string]inline.Func // inline functions of Object.Act, beside the built-in ones
	Tags             *markup.Tags           // tags of the game's own, which names may have: see World.Plain; nil means none
	MultisessionMode int                    // 0 to 3: see Session.Login and Session.Puppet
	Logger           *slog.Logger           // nil means slog.Default()
}

// A World is one game's state. See the package comment for who may use it.
type World struct {
	cfg      Config
	made     time.Time   // by its own clock
	inline   *inline.Set // of Object.Act; nil until it is needed
	lastID   ID
	arrivals uint64 // numbers the arrivals of things in places
	// Everything by its key.
	entities   map[ID]*core
	accounts   map[string]*core // by lower-case name
	characters map[string]*core // by lower-case name
	tagged     map[Tag][]*core  // in ID order
	locks      map[string]lock.Lock
	levels     map[string]lock.Lock // of Passes, by level
	seen       sights               // of Appearance
	sessions   map[session.ID]*Session
	stored     map[session.ID]*storedSession // loaded and not taken up yet
	timers     timers
	kept       []*timer             // those that are not run: this build has no handler, or PassNext was called
	unread     map[RecordKey][]byte // records that could not be read, kept as they are
	unstored   map[RecordKey]bool   // reported as Unstored, and not stored since
	settings   map[string]setting
	classes    map[string]*class
	byType     map[reflect.Type]*class
	hookless   bool       // no hook is called
	depth      int        // of hooks that were called out of one another
	told       []*monitor // that are being called

	encoding     encoding // of what was changed
	journal      []func() // how to take back what was changed in this turn, oldest first
	effects      []Effect
	emitted      int // bytes of text in effects, see Emitted
	changes      int // how often something that is stored was changed in this turn
	dirty        []*core
	dirtySess    []*Session
	dirtyTimers  []*timer
	deletes      []RecordKey
	dirtySets    []string // names of settings
	storedHighID ID
	loading      *loader
	report       *Report // while a load is finished
}

// New returns an empty World.
func New(cfg Config) (*World, error) {
	if cfg.MultisessionMode < 0 || cfg.MultisessionMode > 3 {
		return nil, fmt.Errorf("world: multisession mode %d: there are 0 to 3", cfg.MultisessionMode)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if cfg.Locks == nil {
		cfg.Locks = lock.Default(lock.DefaultHierarchy())
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if _, err := inline.NewSet(cfg.Inline); err != nil {
		return nil, fmt.Errorf("world: %w", err)
	}
	w := &World{
		cfg:        cfg,
		made:       cfg.Now(),
		entities:   make(map[ID]*core),
		accounts:   make(map[string]*core),
		characters: make(map[string]*core),
		tagged:     make(map[Tag][]*core),
		locks:      make(map[string]lock.Lock),
		sessions:   make(map[session.ID]*Session),
		stored:     make(map[session.ID]*storedSession),
		unread:     make(map[RecordKey][]byte),
		settings:   make(map[string]setting),
	}
	for f := range families {
		if _, err := w.compile(families[f].locks); err != nil {
			return nil, fmt.Errorf("world: the game's lock functions lack one that every game needs: %w", err)
		}
	}
	if err := w.register(cfg.Typeclasses); err != nil {
		return nil, err
	}
	return w, nil
}

// Now is the world's clock; game code uses no other.
func (w *World) Now() time.Time { return w.cfg.Now() }

// Rand is the world's chance; game code uses no other.
func (w *World) Rand() *rand.Rand { return w.cfg.Rand }

// Plain returns what is shown of a text that is in the world, such as a name: it is
// without markup, and without the game's own tags. It costs nothing where there
// are none.
func (w *World) Plain(text string) string {
	if strings.IndexByte(text, '|') < 0 {
		return text
	}
	return markup.Strip(w.cfg.Tags.Expand(text))
}

// Len returns the number of entities.
func (w *World) Len() int { return len(w.entities) }

// Empty reports whether the world has no entity and never had one.
func (w *World) Empty() bool { return w.lastID == 0 && len(w.unread) == 0 }

// Get returns the entity of that ID as *Object, *Room, *Exit, *Character or
// *Account, or as its typeclass, the same pointer each time; nil if there is
// none.
func (w *World) Get(id ID) Entity {
	if c := w.entities[id]; c != nil {
		return c.self
	}
	return nil
}

// AccountByName returns the account of that name, whatever its case, or nil.
func (w *World) AccountByName(name string) *Account {
	if c := w.accounts[strings.ToLower(name)]; c != nil {
		return c.asAcc()
	}
	return nil
}

// CharacterByName returns the character of that name, whatever its case, or
// nil.
func (w *World) CharacterByName(name string) *Character {
	if c := w.characters[strings.ToLower(name)]; c != nil {
		return c.character()
	}
	return nil
}

// All yields every entity in the order of IDs. The world may be changed
// meanwhile; entities that are deleted before their turn are left out.
func (w *World) All() iter.Seq[Entity] {
	ids := make([]ID, 0, len(w.entities))
	for id := range w.entities {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return func(yield func(Entity) bool) {
		for _, id := range ids {
			if c := w.entities[id]; c != nil && !yield(c.self) {
				return
			}
		}
	}
}

// Accounts returns the number of accounts.
func (w *World) Accounts() int { return len(w.accounts) }

// Tagged returns the entities that have the tag, in the order of IDs.
func (w *World) Tagged(key, category string) []Entity {
	cores := w.tagged[Tag{key, category}]
	out := make([]Entity, len(cores))
	for i, c := range cores {
		out[i] = c.self
	}
	return out
}

// setting is a value of the game as a whole and its stored form.
type setting struct {
	value   any
	encoded []byte
}

const settingStartRoom = "start_room"

// StartRoom returns where new characters begin and homeless things go, or nil
// if none is set.
func (w *World) StartRoom() *Room {
	id, _ := w.Setting(settingStartRoom).(int64)
	r, _ := As[*Room](w.Get(ID(id)))
	return r
}

// SetStartRoom sets the start room; nil means that there is none.
func (w *World) SetStartRoom(r *Room) {
	var id any
	if r != nil {
		id = int64(r.ID())
	}
	if err := w.SetSetting(settingStartRoom, id); err != nil {
		panic(err) // a number can be stored
	}
}

// Setting returns a value of the game as a whole, or nil if it is not set. Lists
// and maps in it must not be changed.
func (w *World) Setting(name string) any { return w.settings[name].value }

// SetSetting sets one, to a value as SetAttr takes them; nil removes it.
func (w *World) SetSetting(name string, value any) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("world: a setting's name has 1 to %d bytes", MaxName)
	}
	old, had := w.settings[name]
	if value == nil {
		if !had {
			return nil
		}
		delete(w.settings, name)
	} else {
		value, encoded, err := encodeValue(value)
		if err != nil {
			return fmt.Errorf("world: setting %q: %w", name, err)
		}
		w.settings[name] = setting{value, encoded}
	}
	w.changes++
	w.dirtySets = append(w.dirtySets, name)
	w.note(func() {
		w.dirtySets = w.dirtySets[:len(w.dirtySets)-1]
		if had {
			w.settings[name] = old
		} else {
			delete(w.settings, name)
		}
	})
	return nil
}

// compile returns the lock of that text, one copy per text.
func (w *World) compile(text string) (lock.Lock, error) {
	if l, ok := w.locks[text]; ok {
		return l, nil
	}
	l, err := lock.Parse(text, w.cfg.Locks)
	if err != nil {
		return lock.Lock{}, err
	}
	if len(w.locks) >= 10000 {
		clear(w.locks) // only a cache; builders do not write that many
	}
	w.locks[text] = l
	return l, nil
}

// CheckName returns ErrBadName unless name is fit for an account or character.
func CheckName(name string) error {
	if len(name) < 3 || len(name) > 30 {
		return ErrBadName
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("@.+-_", r):
		default:
			return ErrBadName
		}
	}
	return nil
}

func byID(a, b *core) int { return cmp.Compare(a.id, b.id) }
