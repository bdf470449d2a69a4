package world

import (
	"fmt"
	"slices"
	"time"

	"mudlark.dev/message"
	"mudlark.dev/session"
)

// maxPuppetSessions is how many sessions may play one character in the modes
// that let several.
const maxPuppetSessions = 16

// A Session is the game's half of a connection. One with an account or data of
// its own is stored, so that it survives the Server.
type Session struct {
	w       *World
	id      session.ID
	number  uint64
	portal  string
	info    session.Info
	prefs   *session.Prefs // nil: none; it is not changed
	account *core
	puppet  *core
	data    map[string]any
	sets    []string
	since   int64         // of the connection: Unix nanoseconds
	last    time.Duration // when the last input was, after the world was made; in memory only
	alone   [1]*Session   // itself: who gets what is said to it alone

	closed bool
	dirty  bool
	isRow  bool // it is in the store
}

// The cmdsets of sessions without an account, and of others. They do not change.
var (
	newcomers = []string{"unloggedin"}
	players   = []string{"session"}
)

// OpenSession makes the session that a Portal has announced. If the store has
// one of that ID it is taken up without a word: who was logged in is, and plays
// what they played.
func (w *World) OpenSession(id session.ID, number uint64, info session.Info, portal string) *Session {
	now := w.Now()
	s := &Session{w: w, id: id, number: number, portal: portal, info: info, since: now.UnixNano(), last: now.Sub(w.made), sets: newcomers}
	s.alone[0] = s
	w.sessions[id] = s
	w.note(func() { delete(w.sessions, id) })
	old := w.stored[id]
	if old == nil {
		return s
	}
	delete(w.stored, id)
	w.note(func() { w.stored[id] = old })
	s.isRow = true
	s.prefs, s.data, s.sets = keptPrefs(old.prefs), old.data, old.sets
	if old.since != 0 {
		s.since = time.Unix(old.since, 0).UnixNano()
	}
	if a := w.entities[old.account]; a != nil && a.family == famAccount {
		s.account = a
		set(w, &a.sessions, append(slices.Clip(a.sessions), s))
		if p := w.entities[old.puppet]; p != nil && p.family == famCharacter {
			s.puppet = p
			set(w, &p.sessions, append(slices.Clip(p.sessions), s))
		}
	} else if old.account != 0 { // it is gone
		s.sets = newcomers
		s.mark()
	}
	return s
}

// CloseSession ends a session: what it plays leaves the game if nobody else
// plays it, and the stored row goes.
func (w *World) CloseSession(s *Session, reason string) {
	if s.closed {
		return
	}
	s.logout(reason)
	set(w, &s.closed, true)
	delete(w.sessions, s.id)
	w.note(func() { w.sessions[s.id] = s })
	if s.isRow {
		w.erase(RecordKey{RecordSession, string(s.id[:])})
	}
}

// StoredSessions returns the sessions of a Portal that the store has and that
// were not opened, in the order of their IDs.
func (w *World) StoredSessions(portal string) []session.ID {
	var out []session.ID
	for id, s := range w.stored {
		if s.portal == portal {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b session.ID) int { return slices.Compare(a[:], b[:]) })
	return out
}

// DropStored ends a session that the store has and its Portal has not.
func (w *World) DropStored(id session.ID) {
	old := w.stored[id]
	if old == nil {
		return
	}
	s := w.OpenSession(id, 0, session.Info{}, old.portal)
	w.CloseSession(s, "connection lost")
}

// Session returns the session of that ID, or nil.
func (w *World) Session(id session.ID) *Session { return w.sessions[id] }

// Sessions returns all sessions in the order of their numbers.
func (w *World) Sessions() []*Session {
	out := make([]*Session, 0, len(w.sessions))
	for _, s := range w.sessions {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Session) int {
		if a.number != b.number {
			if a.number < b.number {
				return -1
			}
			return 1
		}
		return slices.Compare(a.id[:], b.id[:])
	})
	return out
}

// ID returns what names the session for ever.
func (s *Session) ID() session.ID { return s.id }

// Number returns the short number that people are shown.
func (s *Session) Number() uint64 { return s.number }

// World returns the world it belongs to.
func (s *Session) World() *World { return s.w }

// Info returns what its client is and can do.
func (s *Session) Info() session.Info { return s.info }

// SetInfo takes over what the Portal says of the client. Nobody else calls it.
func (s *Session) SetInfo(i session.Info) { s.info = i }

// Prefs returns what the player prefers.
func (s *Session) Prefs() session.Prefs {
	if s.prefs == nil {
		return session.Prefs{}
	}
	return *s.prefs
}

// SetPrefs sets that and tells the Portal.
func (s *Session) SetPrefs(p session.Prefs) {
	if p == s.Prefs() {
		return
	}
	set(s.w, &s.prefs, keptPrefs(p))
	s.w.Emit(PrefsChanged{s})
	s.mark()
}

// Account returns who is logged in, or nil.
func (s *Session) Account() *Account {
	if s.account == nil {
		return nil
	}
	return s.account.asAcc()
}

// Puppet returns what is played, or nil.
func (s *Session) Puppet() *Character {
	if s.puppet == nil {
		return nil
	}
	return s.puppet.character()
}

// CmdSets returns the names of its own cmdsets: "unloggedin", or "session" after
// the login, and what was added. The caller must not change it.
func (s *Session) CmdSets() []string { return s.sets }

// AddCmdSet adds a cmdset of its own.
func (s *Session) AddCmdSet(name string) error {
	if name == "" || len(name) > MaxName || len(s.sets) >= 64 {
		return fmt.Errorf("world: session %d: cmdset %q: a name has 1 to %d bytes, and a session at most 64 sets", s.number, name, MaxName)
	}
	if !slices.Contains(s.sets, name) {
		set(s.w, &s.sets, append(slices.Clip(s.sets), name))
		s.mark()
	}
	return nil
}

// DelCmdSet removes one.
func (s *Session) DelCmdSet(name string) {
	if slices.Contains(s.sets, name) {
		set(s.w, &s.sets, slices.DeleteFunc(slices.Clone(s.sets), func(n string) bool { return n == name }))
		s.mark()
	}
}

// Data returns a value that was set with SetData, or nil.
func (s *Session) Data(key string) any { return s.data[key] }

// SetData keeps a small value with the session, over reloads as well; nil
// removes it. All values together have at most 16 KiB.
func (s *Session) SetData(key string, value any) error {
	next := make(map[string]any, len(s.data)+1)
	for k, v := range s.data {
		next[k] = v
	}
	if value == nil {
		delete(next, key)
	} else {
		m := message.New("v", value)
		if err := m.Check(); err != nil {
			return fmt.Errorf("world: session %d: data %q: %w", s.number, key, err)
		}
		next[key] = m.Args[0]
	}
	// As deep as in the row, and with room for the row's other values: what is
	// taken here must not fail at the turn's end.
	m := message.Message{Name: "data", Kwargs: map[string]any{"data": next, "rest": make([]any, 256)}}
	b, err := m.AppendBinary(nil)
	if err != nil {
		return fmt.Errorf("world: session %d: data %q: %w", s.number, key, err)
	}
	if len(b) > 16<<10 {
		return fmt.Errorf("%w: session %d: data %q: all together would have %d bytes, the limit is %d", ErrTooMany, s.number, key, len(b), 16<<10)
	}
	set(s.w, &s.data, next)
	s.mark()
	return nil
}

// Since returns when its client connected.
func (s *Session) Since() time.Time { return time.Unix(0, s.since) }

// LastInput returns when its player last typed something, as far as this
// Server knows.
func (s *Session) LastInput() time.Time { return s.w.made.Add(s.last) }

// Touch notes that the player typed something at that time.
func (s *Session) Touch(now time.Time) { s.last = now.Sub(s.w.made) }

// keptPrefs returns preferences as a session keeps them: most have none.
func keptPrefs(p session.Prefs) *session.Prefs {
	if p == (session.Prefs{}) {
		return nil
	}
	return &p
}

// LockID implements lock.Subject: the puppet's, else the account's.
func (s *Session) LockID() uint64 {
	switch {
	case s.puppet != nil:
		return uint64(s.puppet.id)
	case s.account != nil:
		return uint64(s.account.id)
	}
	return 0
}

// LockAttr implements lock.Subject.
func (s *Session) LockAttr(name string) (any, bool) {
	switch {
	case s.puppet != nil:
		return s.puppet.Attr(name)
	case s.account != nil:
		return s.account.Attr(name)
	}
	return nil, false
}

// Perms implements lock.Subject. Without an account it holds nothing.
func (s *Session) Perms() []string {
	if s.account == nil {
		return nil
	}
	return s.account.perms
}

// Superuser implements lock.Subject.
func (s *Session) Superuser() bool { return s.account != nil && s.account.superuser }

// Msg sends a text to this session alone.
func (s *Session) Msg(text string) { s.Send(message.Text(text), message.Options{}) }

// Msgf is Msg with a format.
func (s *Session) Msgf(format string, args ...any) { s.Msg(fmt.Sprintf(format, args...)) }

// Prompt sends a prompt: a text without a line end.
func (s *Session) Prompt(text string) { s.Send(message.New("prompt", text), message.Options{}) }

// Send sends a message to this session alone.
func (s *Session) Send(m message.Message, o message.Options) {
	if !s.closed {
		s.w.output(s.alone[:], m, o)
	}
}

// Disconnect asks for the client to be sent away with a reason that the player
// reads. The session ends when the Portal says so.
func (s *Session) Disconnect(reason string) {
	if !s.closed {
		s.w.Emit(Disconnected{s, reason})
	}
}

// Login logs an account in. In multisession mode 0 its other sessions are told
// and sent away. AtPreLogin of the account can refuse; AtFirstLogin and
// AtPostLogin come last. Nothing is played yet.
func (s *Session) Login(a *Account) error {
	if s.closed || a.deleted {
		return fmt.Errorf("%w: login of %s at session %d", ErrDeleted, a.name, s.number)
	}
	if s.account != nil {
		return fmt.Errorf("world: session %d is logged in already", s.number)
	}
	w := s.w
	if err := ask(a.core, func(h AtPreLoginHook) error { return h.AtPreLogin(s) }); err != nil {
		return err
	}
	if w.cfg.MultisessionMode == 0 {
		for _, o := range slices.Clone(a.sessions) {
			o.Msg("You logged in from elsewhere. This connection is closed.")
			o.logout("You logged in from elsewhere.")
			o.Disconnect("You logged in from elsewhere.")
		}
	}
	set(w, &s.account, a.core)
	set(w, &s.sets, players)
	set(w, &a.core.sessions, append(slices.Clip(a.sessions), s))
	first := a.lastLogin == 0
	set(w, &a.core.lastLogin, w.Now().Unix())
	a.mark()
	s.mark()
	w.Emit(Login{s})
	if first {
		call(a.core, func(h AtFirstLoginHook) { h.AtFirstLogin(s) })
	}
	call(a.core, func(h AtPostLoginHook) { h.AtPostLogin(s) })
	return nil
}

// logout is the opposite of Login.
func (s *Session) logout(reason string) {
	a := s.account
	if a == nil {
		return
	}
	safely(a, "AtDisconnect", func(h AtDisconnectHook) { h.AtDisconnect(s, reason) })
	s.Unpuppet()
	defer safely(a, "AtPostDisconnect", func(h AtPostDisconnectHook) { h.AtPostDisconnect(reason) })
	w := s.w
	set(w, &a.sessions, slices.DeleteFunc(slices.Clone(a.sessions), func(o *Session) bool { return o == s }))
	set(w, &s.account, nil)
	set(w, &s.sets, newcomers)
	w.Emit(Login{s})
	s.mark()
}

// SetPuppet has the session play c: the player is out of what they played
// before, c returns to where it was last, and the place is told. Who plays c
// already gives way or shares it, as the multisession mode says: in 1 and 3
// they share, else the newcomer takes over. The error is a *RefusedError, or the
// one of AtPrePuppet.
func (s *Session) SetPuppet(c *Character) error {
	w := s.w
	switch {
	case s.account == nil:
		return &RefusedError{"You are not logged in."}
	case c.deleted:
		return &RefusedError{"That character is no more."}
	case s.puppet == c.core:
		return &RefusedError{"You are " + c.name + " already."}
	case !s.mayPlay(c):
		return &RefusedError{"You may not play " + c.name + "."}
	}
	if w.cfg.MultisessionMode <= 1 {
		// One puppet for all sessions of an account. A refusal comes before
		// anything is changed.
		for _, o := range s.account.sessions {
			if o != s && o.puppet != nil && o.puppet != c.core {
				return &RefusedError{"You play " + o.puppet.name + " already."}
			}
		}
	}
	if err := ask(c.core, func(h AtPrePuppetHook) error { return h.AtPrePuppet(s) }); err != nil {
		return err
	}
	share := w.cfg.MultisessionMode == 1 || w.cfg.MultisessionMode == 3
	for _, o := range slices.Clone(c.sessions) {
		switch {
		case o.account != s.account:
			return &RefusedError{c.name + " is played by somebody else."}
		case share && len(c.sessions) >= maxPuppetSessions:
			return &RefusedError{"Too many of your sessions play " + c.name + "."}
		case share:
			o.Msg("Another of your sessions plays " + c.name + " as well.")
		default:
			o.Msg("Another of your sessions plays " + c.name + " from now on.")
			o.detach(true)
		}
	}
	s.Unpuppet()
	set(w, &s.puppet, c.core)
	set(w, &c.core.sessions, append(slices.Clip(c.sessions), s))
	set(w, &s.account.lastPuppet, c.id)
	s.account.mark()
	s.mark()
	w.Emit(Login{s})
	if c.location == nil {
		w.comeBack(c)
	}
	call(c.core, func(h AtPostPuppetHook) { h.AtPostPuppet(s) })
	return nil
}

// mayPlay reports whether c's own lock "puppet" lets the session; without one
// its own account passes, and others by the lock of the class.
func (s *Session) mayPlay(c *Character) bool {
	if ok, defined := c.has().locks.Check("puppet", s, c); defined {
		return ok
	}
	return c.account == s.account || c.Access(s, "puppet", false)
}

// comeBack puts a character where it was when it was last played.
func (w *World) comeBack(c *Character) {
	var to *core
	var start ID
	if r := w.StartRoom(); r != nil {
		start = r.ID()
	}
	for _, id := range []ID{c.away, c.home, start} {
		if e := w.entities[id]; e != nil && e.family != famAccount && e.family != famExit && !e.within(c.core) {
			to = e
			break
		}
	}
	if to == nil {
		return // an empty world
	}
	set(w, &c.core.away, 0)
	c.place(to)
	to.tell(message.Text(c.name+" has arrived in the game."), message.Options{}, c.core)
}

// Unpuppet has the session play nothing. A character that nobody plays any
// more leaves the game and remembers where it was.
func (s *Session) Unpuppet() { s.detach(false) }

func (s *Session) detach(stays bool) {
	c, w := s.puppet, s.w
	if c == nil {
		return
	}
	safely(c, "AtPreUnpuppet", func(h AtPreUnpuppetHook) { h.AtPreUnpuppet(s) })
	if s.puppet != c {
		return // the hook has seen to it
	}
	defer safely(c, "AtPostUnpuppet", func(h AtPostUnpuppetHook) { h.AtPostUnpuppet(s) })
	set(w, &s.puppet, nil)
	set(w, &c.sessions, slices.DeleteFunc(slices.Clone(c.sessions), func(o *Session) bool { return o == s }))
	w.Emit(Login{s})
	s.mark()
	if stays || len(c.sessions) > 0 || c.location == nil {
		return
	}
	from := c.location
	from.tell(message.Text(c.name+" has left the game."), message.Options{}, c)
	set(w, &c.away, from.id)
	c.place(nil)
}

// mark notes that the session's row is to be stored, or not to be any more.
func (s *Session) mark() {
	w := s.w
	if s.account != nil || len(s.data) > 0 || s.isRow {
		w.changes++
	}
	if s.dirty || w.loading != nil {
		// Whether this is a change is told by the setter's own note.
		return
	}
	s.dirty = true
	w.dirtySess = append(w.dirtySess, s)
	w.note(func() {
		s.dirty = false
		w.dirtySess = w.dirtySess[:len(w.dirtySess)-1]
	})
}
