package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mudlark.dev/lock"
	"mudlark.dev/world"
)

// MergeType says what becomes of the commands of a lower set when a higher one
// is merged over it.
type MergeType uint8

// The ways to merge a higher set A over a lower set B.
const (
	Union     MergeType = iota // both; of equal commands A's, and where they share an alias only, A has it
	Intersect                  // A's commands that B has as well
	Replace                    // A's alone
	Remove                     // B's, without those that A has
)

// A CmdSet is a group of commands under a name. It is not changed once it is in
// Sets.
//
// When sets are merged, the one with the higher Priority decides how; among
// equal ones the one that is nearer to the player's surroundings: session,
// account, puppet, then what is nearby. Usual priorities: session -20, account
// -10, character and most others 0, exits 101.
type CmdSet struct {
	Name       string
	Priority   int
	Merge      MergeType
	Duplicates bool // of equal commands in sets of one priority both stay, and the player is asked which
	NoObjs     bool // what is nearby adds nothing
	NoExits    bool // exits add nothing
	Commands   []*Command
}

// The names of the sets that everybody has without carrying them.
const (
	AccountSet   = "account"   // whoever is logged in
	CharacterSet = "character" // whoever plays a character
)

// The keys of the system commands, which the Interpreter calls by itself. A set
// may bring its own.
const (
	NoInput    = "__noinput"    // an empty line
	NoMatch    = "__nomatch"    // no command fits; Args is the line
	MultiMatch = "__multimatch" // several do; see Call.Matches
	LoginStart = "__loginstart" // a client has connected
)

func isSystem(key string) bool { return strings.HasPrefix(key, "__") }

// exitPriority is that of the commands that exits make.
const exitPriority = 101

// An entry is a command with what was worked out of it once.
type entry struct {
	cmd   *Command
	names []string // in lower case, the key first
	lock  lock.Lock
	exit  *world.Exit // the exit whose command it is, or nil
}

func (e *entry) allowed(s *world.Session) bool {
	ok, defined := e.lock.Check("cmd", s, nil)
	return ok || !defined
}

// secret reports whether e is the command of an exit that s is not told of. It
// works all the same.
func (e *entry) secret(s *world.Session) bool {
	if e.exit == nil {
		return false
	}
	scenery, _ := e.exit.Attr(world.Scenery)
	return scenery == true || !e.exit.Access(s, "view", true)
}

// equal reports whether two commands share a name.
func (e *entry) equal(o *entry) bool {
	for _, n := range e.names {
		if slices.Contains(o.names, n) {
			return true
		}
	}
	return false
}

type compiled struct {
	*CmdSet
	entries []*entry
}

// Sets holds all cmdsets of a game by name. It does not change.
type Sets struct{ byName map[string]*compiled }

// NewSets checks and compiles sets, with funcs for their locks. It reports all
// that is wrong with them at once.
func NewSets(funcs lock.Funcs, sets ...*CmdSet) (*Sets, error) {
	s := &Sets{byName: make(map[string]*compiled)}
	var errs []error
	for _, set := range sets {
		c := &compiled{CmdSet: set}
		if set == nil {
			errs = append(errs, errors.New("command: a cmdset is nil"))
			continue
		}
		if set.Name == "" || s.byName[set.Name] != nil {
			errs = append(errs, fmt.Errorf("command: cmdset %q: every set needs a name of its own", set.Name))
			continue
		}
		s.byName[set.Name] = c
		for _, cmd := range set.Commands {
			e, err := compile(cmd, funcs)
			if err != nil {
				errs = append(errs, fmt.Errorf("command: cmdset %q: %w", set.Name, err))
				continue
			}
			for _, o := range c.entries {
				if o.equal(e) {
					errs = append(errs, fmt.Errorf("command: cmdset %q: %q and %q share a name", set.Name, o.cmd.Key, cmd.Key))
				}
			}
			c.entries = append(c.entries, e)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func compile(cmd *Command, funcs lock.Funcs) (*entry, error) {
	if cmd == nil || cmd.Run == nil {
		return nil, errors.New("a command is nil or has no Run")
	}
	e := &entry{cmd: cmd}
	for _, n := range append([]string{cmd.Key}, cmd.Aliases...) {
		n = strings.ToLower(n)
		if strings.TrimSpace(n) != n || n == "" {
			return nil, fmt.Errorf("%q: the name %q is empty or has space around it", cmd.Key, n)
		}
		if !slices.Contains(e.names, n) {
			e.names = append(e.names, n)
		}
	}
	for _, sw := range cmd.Switches {
		if sw == "" || sw != strings.ToLower(sw) || strings.ContainsAny(sw, " /") {
			return nil, fmt.Errorf("%q: switch %q is not one lower-case word", cmd.Key, sw)
		}
	}
	if cmd.Locks != "" {
		l, err := lock.Parse(cmd.Locks, funcs)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", cmd.Key, err)
		}
		if _, ok := l.Expr("cmd"); !ok {
			return nil, fmt.Errorf("%q: its lock string %q does not define cmd", cmd.Key, cmd.Locks)
		}
		e.lock = l
	}
	return e, nil
}

// exitEntry makes the command of an exit.
func exitEntry(x *world.Exit) *entry {
	cmd := &Command{
		Key: x.Name(), Aliases: x.Aliases(), Category: "Exits",
		Run: func(c *Call) error { return c.traverse(x) },
	}
	e := &entry{cmd: cmd, exit: x}
	for _, n := range append([]string{cmd.Key}, cmd.Aliases...) {
		n = strings.ToLower(strings.TrimSpace(x.World().Plain(n))) // colours of a name are not typed
		if n != "" && !slices.Contains(e.names, n) {
			e.names = append(e.names, n)
		}
	}
	return e
}

// Merged is what a session can call at one moment. It does not change.
type Merged struct {
	list    []*entry
	byName  map[string][]*entry
	lengths []int // of the names, in bytes, the longest first

	key   string // in Interpreter.shared
	users int    // sessions for which it is kept
}

// An item is an entry while sets are merged, with the priority of its set.
type item struct {
	*entry
	priority int
}

// merge puts sets together: by priority from low to high, equal ones in their
// order, each over what was there before.
func merge(sets []*compiled) *Merged {
	slices.SortStableFunc(sets, func(a, b *compiled) int { return cmp.Compare(a.Priority, b.Priority) })
	var items []item
	for _, s := range sets {
		items = s.over(items)
	}
	m := &Merged{list: make([]*entry, len(items)), byName: make(map[string][]*entry, 2*len(items))}
	for i, it := range items {
		m.list[i] = it.entry
		for _, n := range it.names {
			m.byName[n] = append(m.byName[n], it.entry)
			if !slices.Contains(m.lengths, len(n)) {
				m.lengths = append(m.lengths, len(n))
			}
		}
	}
	slices.SortFunc(m.lengths, func(a, b int) int { return cmp.Compare(b, a) })
	return m
}

// without returns b without the names that the entries have, or nothing if its
// key is one of them. So an exit with the alias "l" takes that from "look" and
// leaves it the rest.
func (b item) without(entries []*entry) item {
	var left []string
	for i, n := range b.names {
		if !slices.ContainsFunc(entries, func(e *entry) bool { return slices.Contains(e.names, n) }) {
			left = append(left, n)
		} else if i == 0 {
			return item{}
		}
	}
	e := *b.entry
	e.names = left
	return item{&e, b.priority}
}

// over merges s over what is below it. System commands are never removed, only
// replaced by equal ones.
func (s *compiled) over(below []item) []item {
	inBelow := func(e *entry) bool {
		return slices.ContainsFunc(below, func(b item) bool { return e.equal(b.entry) })
	}
	var out []item
	for _, b := range below {
		equal := slices.ContainsFunc(s.entries, b.equal)
		if equal && s.Merge == Union && !(s.Duplicates && b.priority == s.Priority) && !isSystem(b.cmd.Key) {
			if b = b.without(s.entries); b.entry != nil {
				out = append(out, b)
			}
			continue
		}
		var keep bool
		switch {
		case equal:
			keep = s.Merge == Union && s.Duplicates && b.priority == s.Priority ||
				s.Merge == Remove && isSystem(b.cmd.Key)
		case isSystem(b.cmd.Key):
			keep = true
		default:
			keep = s.Merge == Union || s.Merge == Remove
		}
		if keep {
			out = append(out, b)
		}
	}
	if s.Merge == Remove {
		return out
	}
	for _, e := range s.entries {
		if s.Merge != Intersect || isSystem(e.cmd.Key) || inBelow(e) {
			out = append(out, item{e, s.Priority})
		}
	}
	return out
}
