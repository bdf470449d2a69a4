package command

import (
	"encoding/binary"
	"slices"
	"time"

	"mudlark.dev/world"
)

// cached is the merged set of a session and what it was made of.
type cached struct {
	merged *Merged
	from   sources
}

// sources tells whether a merged set is still good. Versions and the list of
// what is nearby change when anything changes that the set was made of.
type sources struct {
	own      []string
	account  holder
	puppet   holder
	place    holder
	near     []world.ID // things nearby that carry sets: they are the same while the versions of place and puppet are
	carriers []world.ID // those of them whose sets apply: their "call" lock lets the session
}

// A holder is an entity and the version of what it carries and offers.
type holder struct {
	id      world.ID
	version uint64
}

// around reports whether a and b are of the same holders as they are, and so of the
// same things nearby, whose locks may be another matter.
func (a *sources) around(b *sources) bool {
	return a.account == b.account && a.puppet == b.puppet && a.place == b.place && slices.Equal(a.own, b.own)
}

// keepMerged is how long what was merged for a session is kept at least while it
// types nothing.
const keepMerged = 15 * time.Second

// Merged returns what the session can call now. It is made anew only if a set
// in its stack or something nearby has changed, or nobody was here for a while. Those
// around whom there is the same share it.
func (in *Interpreter) Merged(s *world.Session) *Merged {
	from := in.holders(s)
	c := in.cache[s]
	if c == nil {
		if c = in.older[s]; c != nil {
			delete(in.older, s)
			in.cache[s] = c
		}
	}
	switch {
	case c == nil:
		c = new(cached)
		in.cache[s] = c
		from.near = in.near(s)
	case c.merged != nil && c.from.around(&from):
		if len(c.from.near) == 0 {
			return c.merged // nearly always: nothing but exits offers commands
		}
		from.near = c.from.near
		if from.carriers = in.carriers(s, from.near); slices.Equal(c.from.carriers, from.carriers) {
			return c.merged
		}
		in.release(c)
	default:
		in.release(c)
		from.near = in.near(s)
	}
	from.carriers = in.carriers(s, from.near)
	c.merged = nil // should the next line panic
	m := in.share(s, from)
	c.from, c.merged = from, m
	return m
}

// share returns the merged set of the session, which others may have, too.
func (in *Interpreter) share(s *world.Session, from sources) *Merged {
	in.key = in.appendKey(in.key[:0], s, from)
	m := in.shared[string(in.key)]
	if m == nil {
		m = in.gather(s, from)
		m.key = string(in.key)
		in.shared[m.key] = m
	}
	m.users++
	return m
}

// appendKey appends all that gather makes a set of.
func (in *Interpreter) appendKey(dst []byte, s *world.Session, from sources) []byte {
	names := func(list []string) {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, n := range list {
			dst = append(binary.AppendUvarint(dst, uint64(len(n))), n...)
		}
	}
	names(from.own)
	a, p := s.Account(), s.Puppet()
	if a != nil {
		names(a.CmdSets())
	}
	if p == nil {
		return dst
	}
	names(p.CmdSets())
	for _, id := range from.carriers {
		if o, ok := s.World().Get(id).(interface{ CmdSets() []string }); ok {
			names(o.CmdSets())
		}
	}
	names(nil) // carriers have some
	dst = binary.AppendUvarint(dst, uint64(from.place.id))
	return binary.AppendUvarint(dst, from.place.version)
}

// release ends the use of a merged set.
func (in *Interpreter) release(c *cached) {
	if c.merged == nil {
		return
	}
	if c.merged.users--; c.merged.users == 0 {
		delete(in.shared, c.merged.key)
	}
}

// Tidy drops what was merged for sessions that have typed nothing for a while. It
// is called with the time every second or so.
func (in *Interpreter) Tidy(now time.Time) {
	if now.Sub(in.tidied) < keepMerged {
		return
	}
	in.tidied = now
	for _, c := range in.older {
		in.release(c)
	}
	in.older, in.cache = in.cache, make(map[*world.Session]*cached)
}

// holders returns the sources without what is nearby.
func (in *Interpreter) holders(s *world.Session) sources {
	from := sources{own: s.CmdSets()}
	if a := s.Account(); a != nil {
		from.account = holder{a.ID(), a.SetsVersion()}
	}
	p := s.Puppet()
	if p == nil {
		return from
	}
	from.puppet = holder{p.ID(), p.SetsVersion()}
	if at := place(p); at != nil {
		from.place = holder{at.ID(), at.SetsVersion()}
	}
	return from
}

// near returns the things around a session that carry cmdsets. Exits are gathered
// by themselves.
func (in *Interpreter) near(s *world.Session) (ids []world.ID) {
	p := s.Puppet()
	if p == nil {
		return nil
	}
	add := func(list []world.Entity) {
		for _, e := range list {
			if c, ok := e.(interface{ CmdSets() []string }); ok && len(c.CmdSets()) > 0 && e.ID() != p.ID() {
				ids = append(ids, e.ID())
			}
		}
	}
	if at := place(p); at != nil {
		add(at.LocalSets())
	}
	add(p.LocalSets())
	return ids
}

// carriers returns those whose sets the session may call.
func (in *Interpreter) carriers(s *world.Session, near []world.ID) (ids []world.ID) {
	for _, id := range near {
		if e := s.World().Get(id); e != nil && e.AccessStrictly(s, "call", false) {
			ids = append(ids, id)
		}
	}
	return ids
}

// place returns where a character is as something that offers commands.
func place(p *world.Character) offerer {
	o, _ := p.Location().(offerer)
	return o
}

type offerer interface {
	world.Entity
	CmdSets() []string
	SetsVersion() uint64
	LocalSets() []world.Entity
}

// gather collects the sets around a session, in the order in which equal ones
// are merged, and merges them.
func (in *Interpreter) gather(s *world.Session, from sources) *Merged {
	var sets []*compiled
	noObjs, noExits := false, false
	add := func(names ...string) {
		for _, n := range names {
			if c := in.cfg.Sets.byName[n]; c != nil {
				sets = append(sets, c)
				noObjs = noObjs || c.NoObjs
				noExits = noExits || c.NoExits
			}
		}
	}
	add(from.own...)
	if a := s.Account(); a != nil {
		add(AccountSet)
		add(a.CmdSets()...)
	}
	p := s.Puppet()
	if p == nil {
		return merge(sets)
	}
	add(CharacterSet)
	add(p.CmdSets()...)
	w := s.World()
	at := place(p)
	if !noObjs {
		for _, id := range from.carriers {
			if o, ok := w.Get(id).(interface{ CmdSets() []string }); ok {
				add(o.CmdSets()...)
			}
		}
		if at != nil {
			add(at.CmdSets()...)
		}
	}
	if at != nil && !noObjs && !noExits {
		for _, e := range at.LocalSets() {
			if x, ok := world.As[*world.Exit](e); ok {
				sets = append(sets, &compiled{
					CmdSet:  &CmdSet{Priority: exitPriority, Duplicates: true},
					entries: []*entry{exitEntry(x)},
				})
			}
		}
	}
	return merge(sets)
}
