package world

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"mudlark.dev/lock"
	"mudlark.dev/message"
)

// A Password is the hash of one. It never shows in a log.
type Password string

// LogValue implements slog.LogValuer.
func (Password) LogValue() slog.Value { return slog.StringValue("(hidden)") }

// String hides the hash from formatted text.
func (Password) String() string { return "(hidden)" }

// An Account is who logs in. It plays characters.
type Account struct{ *core }

// NewAccount makes an account. The name must be free among accounts, whatever
// its case (ErrNameTaken), and fit to be one (ErrBadName).
func (w *World) NewAccount(name string, password Password) (*Account, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	key := strings.ToLower(name)
	if w.accounts[key] != nil {
		return nil, ErrNameTaken
	}
	m := w.Mark()
	c := w.newCore(w.classes[families[famAccount].name], name)
	c.password = password
	w.accounts[key] = c
	w.note(func() { delete(w.accounts, key) })
	if err := ask(c, AtAccountCreationHook.AtAccountCreation); err != nil {
		w.Undo(m)
		return nil, err
	}
	c.init()
	return c.asAcc(), nil
}

// Password returns the hash of its password.
func (a *Account) Password() Password { return a.password }

// SetPassword replaces the hash.
func (a *Account) SetPassword(p Password) {
	set(a.w, &a.core.password, p)
	a.mark()
}

// Perms implements lock.Subject.
func (a *Account) Perms() []string { return a.perms }

// AddPerm gives it a permission; to have it already is no error.
func (a *Account) AddPerm(name string) error {
	switch {
	case name == "" || len(name) > MaxName:
		return fmt.Errorf("world: %s: a permission has 1 to %d bytes", a.id, MaxName)
	case slices.Contains(a.perms, name):
		return nil
	case len(a.perms) >= MaxPerms:
		return fmt.Errorf("%w: %s: the limit is %d permissions", ErrTooMany, a.id, MaxPerms)
	}
	set(a.w, &a.core.perms, append(slices.Clip(a.perms), name))
	a.mark()
	return nil
}

// DelPerm takes a permission from it.
func (a *Account) DelPerm(name string) {
	if slices.Contains(a.perms, name) {
		set(a.w, &a.core.perms, slices.DeleteFunc(slices.Clone(a.perms), func(p string) bool { return p == name }))
		a.mark()
	}
}

// Superuser implements lock.Subject: it passes every lock.
func (a *Account) Superuser() bool { return a.superuser }

// SetSuperuser makes it one, or no longer one.
func (a *Account) SetSuperuser(on bool) {
	set(a.w, &a.core.superuser, on)
	a.mark()
}

// Characters returns what it may play, in the order in which they were added.
func (a *Account) Characters() []*Character {
	var out []*Character
	for _, id := range a.characters {
		if c, ok := As[*Character](a.w.Get(id)); ok {
			out = append(out, c)
		}
	}
	return out
}

// AddCharacter makes c one of its characters, and no other account's. ErrTooMany
// is returned beyond MaxOwned.
func (a *Account) AddCharacter(c *Character) error {
	if len(a.characters) >= MaxOwned && !slices.Contains(a.characters, c.id) {
		return fmt.Errorf("%w: %s: the limit is %d characters", ErrTooMany, a.id, MaxOwned)
	}
	if old := c.account; old != nil && old != a.core {
		set(a.w, &old.characters, slices.DeleteFunc(slices.Clone(old.characters), func(id ID) bool { return id == c.id }))
		old.mark()
	}
	if !slices.Contains(a.characters, c.id) {
		set(a.w, &a.core.characters, append(slices.Clip(a.characters), c.id))
		a.mark()
	}
	set(a.w, &c.core.account, a.core)
	c.mark()
	return nil
}

// LastPuppet returns what it played last, or nil.
func (a *Account) LastPuppet() *Character {
	c, _ := As[*Character](a.w.Get(a.lastPuppet))
	return c
}

// LastLogin returns when it logged in last; the zero time if never.
func (a *Account) LastLogin() time.Time {
	if a.lastLogin == 0 {
		return time.Time{}
	}
	return time.Unix(a.lastLogin, 0)
}

// Sessions returns the sessions that it is logged in at, in the order of their
// logins. The caller must not change it.
func (a *Account) Sessions() []*Session { return a.sessions }

// Msg sends a text to all its sessions.
func (a *Account) Msg(text string) {
	a.w.output(slices.Clone(a.sessions), message.Text(text), message.Options{})
}

// Account returns whose character it is, or nil.
func (c *Character) Account() *Account {
	if c.account == nil {
		return nil
	}
	return c.account.asAcc()
}

// Sessions returns the sessions that play it. The caller must not change it.
func (c *Character) Sessions() []*Session { return c.sessions }

// Perms implements lock.Subject: a character is judged by its account.
func (c *Character) Perms() []string {
	if c.account == nil {
		return nil
	}
	return c.account.perms
}

// Superuser implements lock.Subject.
func (c *Character) Superuser() bool { return c.account != nil && c.account.superuser }

var (
	_ lock.Subject = (*Account)(nil)
	_ lock.Subject = (*Character)(nil)
	_ lock.Subject = (*Session)(nil)
)
