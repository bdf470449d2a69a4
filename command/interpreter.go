package command

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mudlark.dev/lock"
	"mudlark.dev/world"
)

// DefaultPrefixes are the characters that may stand before a command's name
// and are ignored if no command has them in its name.
const DefaultPrefixes = "@&/+"

// ErrNoCommands is returned for a line of a session around which there is no
// cmdset at all: the game lacks the set that the session carries.
var ErrNoCommands = errors.New("command: no cmdset applies to the session")

// maxDepth is how many commands may call each other in turn.
const maxDepth = 10

// Config has the settings of an Interpreter.
type Config struct {
	Sets     *Sets      // required
	Host     Host       // what commands find as Call.Host; nil if none of them needs it
	Locks    lock.Funcs // nil means lock.Default
	Prefixes string     // "" means DefaultPrefixes

	// OnRun, if not nil, is called before each call of a command, also one that
	// another command makes. exit: the command is that of an exit.
	OnRun func(t Task, cmd *Command, exit bool)
}

// An Interpreter runs lines. It belongs to the Server's loop.
type Interpreter struct {
	cfg    Config
	system map[string]*entry // those that no set brings

	cache  map[*world.Session]*cached
	older  map[*world.Session]*cached // what is not in cache and was not used since it was made
	shared map[string]*Merged         // those in cache and older, by what they are made of
	key    []byte                     // for one of shared
	tidied time.Time
}

// New returns an Interpreter. It fails if Config.Sets is nil, or if Config.Locks
// lacks a function that the built-in system commands need.
func New(cfg Config) (*Interpreter, error) {
	if cfg.Sets == nil {
		return nil, errors.New("command: Config.Sets is nil")
	}
	if cfg.Prefixes == "" {
		cfg.Prefixes = DefaultPrefixes
	}
	if cfg.Locks == nil {
		cfg.Locks = lock.Default(lock.DefaultHierarchy())
	}
	in := &Interpreter{
		cfg: cfg, system: make(map[string]*entry),
		cache: make(map[*world.Session]*cached), shared: make(map[string]*Merged),
	}
	for _, cmd := range systemCommands() {
		e, err := compile(cmd, cfg.Locks)
		if err != nil {
			return nil, fmt.Errorf("command: %w", err)
		}
		in.system[cmd.Key] = e
	}
	return in, nil
}

// Forget drops what is kept for a session that has ended.
func (in *Interpreter) Forget(s *world.Session) {
	for _, m := range []map[*world.Session]*cached{in.cache, in.older} {
		if c := m[s]; c != nil {
			in.release(c)
			delete(m, s)
		}
	}
}

// A Match is a command that fits a line.
type Match struct {
	Name string // as the player typed it, in lower case
	Args string // what follows it, with the space before it

	entry *entry
}

// Command returns the command that fits.
func (m Match) Command() *Command { return m.entry.cmd }

// Run runs a line of a session: it finds the command among those around the
// session and calls it. id is what the client calls the line, or "". task lets
// the command wait; without one it cannot, and panics if it tries. The error is the command's: a
// *UserError is for the player.
func (in *Interpreter) Run(w *world.World, s *world.Session, line, id string, task Task) error {
	m := in.Merged(s)
	if len(m.list) == 0 {
		return fmt.Errorf("%w: %v", ErrNoCommands, s.CmdSets())
	}
	c := &Call{
		World: w, Session: s, Account: s.Account(), Puppet: s.Puppet(), Host: in.cfg.Host,
		Raw: line, ID: id, Sets: m, task: task, in: in,
	}
	text := strings.TrimSpace(line)
	if isSystem(strings.ToLower(text)) {
		text = strings.TrimLeft(text, "_") // players do not call them by name
	}
	if text == "" {
		return c.runSystem(NoInput, "")
	}
	switch found := in.match(m, s, text); len(found) {
	case 0:
		return c.runSystem(NoMatch, text)
	case 1:
		return c.run(found[0].entry, found[0].Name, found[0].Args)
	default:
		c.Matches = found
		return c.runSystem(MultiMatch, text)
	}
}

// RunSystem runs one of the system commands for a session, such as LoginStart.
func (in *Interpreter) RunSystem(w *world.World, s *world.Session, key string, task Task) error {
	c := &Call{
		World: w, Session: s, Account: s.Account(), Puppet: s.Puppet(), Host: in.cfg.Host,
		Sets: in.Merged(s), task: task, in: in,
	}
	return c.runSystem(key, "")
}

func (c *Call) runSystem(key, args string) error {
	for _, e := range c.Sets.byName[key] {
		if e.allowed(c.Session) {
			return c.run(e, key, args)
		}
	}
	if e := c.in.system[key]; e != nil {
		return c.run(e, key, args)
	}
	return nil
}

// run parses the arguments and calls the command.
func (c *Call) run(e *entry, name, args string) error {
	c.Cmd, c.Name, c.lock = e.cmd, name, e.lock
	if c.in.cfg.OnRun != nil {
		c.in.cfg.OnRun(c.task, e.cmd, e.exit != nil)
	}
	if err := c.parse(args); err != nil {
		return err
	}
	return ForPlayer(e.cmd.Run(c))
}

// parse reads "/switch/switch lhs = rhs". Switches touch the name and end at
// the first space; each is one of the command's, or the beginning of just one.
func (c *Call) parse(args string) error {
	if c.Cmd.Switches != nil && strings.HasPrefix(args, "/") {
		words, rest, _ := strings.Cut(args, " ")
		for word := range strings.SplitSeq(words[1:], "/") {
			sw, err := c.Cmd.switchNamed(strings.ToLower(word))
			if err != nil {
				return err
			}
			c.Switches = append(c.Switches, sw)
		}
		args = rest
	}
	c.Args = strings.TrimSpace(args)
	var lhs, rhs string
	lhs, rhs, c.HasRHS = strings.Cut(c.Args, "=")
	c.LHS, c.RHS = strings.TrimSpace(lhs), strings.TrimSpace(rhs)
	return nil
}

func (cmd *Command) switchNamed(word string) (string, error) {
	var begins []string
	for _, sw := range cmd.Switches {
		if sw == word {
			return sw, nil
		}
		if word != "" && strings.HasPrefix(sw, word) {
			begins = append(begins, sw)
		}
	}
	if len(begins) == 1 {
		return begins[0], nil
	}
	return "", Errorf("%s has the switches /%s.", cmd.Key, strings.Join(cmd.Switches, ", /"))
}

// match returns the commands that the line begins with: those with the longest
// name among those that the session may use. If several are left, "name-2"
// chooses.
func (in *Interpreter) match(m *Merged, s *world.Session, text string) []Match {
	found := in.matchNames(m, s, text, "")
	if len(found) == 1 && !strings.Contains(text, "-") {
		return found
	}
	longest := 0
	if len(m.lengths) > 0 {
		longest = m.lengths[0]
	}
	for end := 0; end < len(text); {
		head, n, rest, next := cutNumber(text, end)
		if end = next; len(strings.ToLower(head)) > longest {
			break // no name is that long
		}
		if n == 0 {
			continue
		}
		numbered := in.matchNames(m, s, head+rest, "")
		if len(found) == 1 && len(numbered) > 0 && len(numbered[0].Name) <= len(found[0].Name) {
			continue // the number is part of its arguments
		}
		if len(numbered) >= n && numbered[0].Name == strings.ToLower(head) {
			return numbered[n-1 : n]
		}
	}
	if len(found) > 0 {
		return found
	}
	// Without prefixes on either side: "@look" is look, and "dig" is @dig.
	if bare := strings.TrimLeft(text, in.cfg.Prefixes); bare != "" && len(text) > 1 {
		return in.matchNames(m, s, bare, in.cfg.Prefixes)
	}
	return nil
}

// matchNames matches text with the names of m, with the characters of strip
// taken off the names' beginnings.
func (in *Interpreter) matchNames(m *Merged, s *world.Session, text, strip string) []Match {
	lower, at := lowered(text)
	after := func(n int) string { // what follows the first n bytes of lower, as it was typed
		if at != nil {
			n = at[n]
		}
		return text[n:]
	}
	var found []Match
	try := func(name string, entries []*entry) {
		for _, e := range entries {
			if isSystem(e.cmd.Key) || !mayFollow(name, lower[len(name):]) || !e.allowed(s) {
				continue
			}
			if !slices.ContainsFunc(found, func(o Match) bool { return o.entry == e }) {
				found = append(found, Match{Name: name, Args: after(len(name)), entry: e})
			}
		}
	}
	if strip == "" {
		for _, n := range m.lengths {
			if n > len(lower) {
				continue
			}
			if try(lower[:n], m.byName[lower[:n]]); len(found) > 0 {
				return found
			}
		}
		return nil
	}
	longest := 0
	for _, e := range m.list {
		for _, n := range e.names {
			bare := strings.TrimLeft(n, strip)
			if bare == "" || len(bare) < longest || !strings.HasPrefix(lower, bare) || !mayFollow(bare, lower[len(bare):]) {
				continue
			}
			if len(bare) > longest && e.allowed(s) && !isSystem(e.cmd.Key) {
				longest, found = len(bare), nil
			}
			if len(bare) == longest {
				try(bare, []*entry{e})
			}
		}
	}
	return found
}

// mayFollow reports whether what follows a name leaves it a word of its own.
// Anything may follow a name such as : that does not end in a letter or digit.
func mayFollow(name, rest string) bool {
	if rest == "" || strings.ContainsRune(" \t\n/", rune(rest[0])) {
		return true
	}
	last, _ := utf8.DecodeLastRuneInString(name)
	return !unicode.In(last, unicode.L, unicode.M, unicode.Nd)
}

// cutNumber takes the "-2" off the word of text that begins at from, at the
// name's end wherever that is: "north gate-2". n is 0 if the word has no number;
// head is then what precedes the word's end. next is where the word after it
// begins.
func cutNumber(text string, from int) (head string, n int, rest string, next int) {
	end := len(text)
	if i := strings.IndexAny(text[from:], " \t\n/"); i >= 0 {
		end = from + i
	}
	next = end + 1
	dash := strings.LastIndexByte(text[from:end], '-')
	if dash >= 0 && from+dash > 0 {
		if n, err := strconv.Atoi(text[from+dash+1 : end]); err == nil && n > 0 {
			return text[:from+dash], n, text[end:], next
		}
	}
	return text[:end], 0, "", next
}

// lowered returns text in lower case, and for each byte of it (and its end) the
// place in text where that came from: lower case may be longer or shorter, as
// of "İ". A nil slice means the same places.
func lowered(text string) (string, []int) {
	same := true
	for _, r := range text {
		if r == utf8.RuneError || utf8.RuneLen(r) != utf8.RuneLen(unicode.ToLower(r)) {
			same = false
			break
		}
	}
	if same {
		return strings.ToLower(text), nil
	}
	var b []byte
	var at []int
	for i, r := range text {
		b = utf8.AppendRune(b, unicode.ToLower(r))
		for len(at) < len(b) {
			at = append(at, i)
		}
	}
	return string(b), append(at, len(text))
}

// traverse is what the command of an exit does.
func (c *Call) traverse(x *world.Exit) error {
	if c.Puppet == nil {
		return Errorf("You are out of character.")
	}
	if err := x.Traverse(c.Puppet); err != nil {
		var refused *world.RefusedError
		if errors.As(err, &refused) && refused.Text == "" {
			return nil // the exit has told them itself
		}
		return err
	}
	return c.Look()
}

// Look runs the command "look" without arguments, if the session has one.
func (c *Call) Look() error {
	if c.depth >= maxDepth {
		return fmt.Errorf("command: %q: more than %d commands call each other", c.Cmd.Key, maxDepth)
	}
	next := *c
	next.depth++
	next.Sets = c.in.Merged(c.Session)
	next.Account, next.Puppet = c.Session.Account(), c.Session.Puppet()
	next.Switches, next.Matches = nil, nil
	for _, e := range next.Sets.byName["look"] {
		if e.allowed(c.Session) {
			return next.run(e, "look", "")
		}
	}
	return nil
}
