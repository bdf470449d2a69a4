package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mudlark.dev/lock"
	"mudlark.dev/message"
	"mudlark.dev/world"
)

// A Command is one verb of the game. It is a value that is not changed once it
// is in a set.
type Command struct {
	Key      string   // its name, in any case; it may have spaces. Arguments may follow at once if it does not end in a letter or digit
	Aliases  []string // other names
	Locks    string   // who may use it, as the lock "cmd"; "" means "cmd:all()". To everybody else it does not exist
	Category string   // where help lists it; "" means "General"
	Help     string   // what "help" shows; the first line stands in the index
	Switches []string // the words that may follow the name after a slash; nil: it takes none
	Hidden   bool     // help does not list it

	// Run does the work. A *UserError is shown to the player as it is; of any
	// other error the player learns a reference only, and what Run did since
	// its last wait is undone.
	Run func(*Call) error
}

// A UserError is an error in words for the player: what they did wrong, or why
// something is not to be. It is no failure: it is not logged, and what the
// command has changed before it returns one stays changed.
type UserError struct{ Text string } // marked up

// Error returns Text.
func (e *UserError) Error() string { return e.Text }

// Errorf returns a *UserError. Its text is marked up: what a player typed is to
// go through markup.Escape before it stands in one.
func Errorf(format string, args ...any) error {
	return &UserError{fmt.Sprintf(format, args...)}
}

// A Task lets one call wait. The Server supplies it; its methods are called on
// the goroutine of the call and return on it. A call that is not to go on never
// returns from them: its defers run (runtime.Goexit).
type Task interface {
	Ask(prompt string, hidden bool) string
	Sleep(d time.Duration)
	Await(work func(ctx context.Context))
}

// A Host is what commands see of the running Server, which supplies it: games
// read it as Call.Host. Methods with a context block and are called inside Await;
// the others are called on the loop.
type Host interface {
	// HashPassword and CheckPassword wait for their turn, which takes as long as all that
	// came before have in all; with thousands before them they fail with a *UserError.
	HashPassword(ctx context.Context, password string) (string, error)
	CheckPassword(ctx context.Context, hash, password string) (bool, error)
	Services(ctx context.Context) ([]Service, error)
	SetService(ctx context.Context, name string, on bool) error

	// Client returns what the protocol tells of the client of a session, by
	// names: see portal.Describer.
	Client(ctx context.Context, session uint64) (map[string]any, error)

	LoginAllowed(addr string) error    // a *UserError if there were too many failures
	LoginFailed(addr, account string)  // account is "" if there is none of the name that was given
	CreationAllowed(addr string) error // a *UserError if there were too many
	Created(addr string)

	Screen(*world.Session) string // the connection screen
	GameName() string             // for players
	FirstPerm() string            // permission of the first account; "" for none
}

// A Service is something that the Portal or the Server runs.
type Service struct {
	Side    string // "portal" or "server"
	Name    string
	Address string
	State   string
	Cause   string // why it does not run, if it does not
}

// A Call is one use of a command. It belongs to the goroutine that Run was called
// on, and ends with Run: what is to be kept longer is copied out of it.
type Call struct {
	World   *world.World
	Session *world.Session
	Account *world.Account   // nil before the login
	Puppet  *world.Character // nil while nothing is played; it may be nil after a wait
	Host    Host

	Cmd      *Command
	Name     string   // the name as the player typed it, in lower case
	Args     string   // what follows the name and the switches, trimmed
	Raw      string   // the whole line
	Switches []string // in lower case, in the order given, each one of Cmd.Switches
	LHS      string   // Args up to the first "=", trimmed
	RHS      string   // what follows it, trimmed
	HasRHS   bool     // there is an "="
	ID       string   // what the client calls this line, or ""

	Matches []Match // for the system command __multimatch
	Sets    *Merged // the commands that this line could have called

	task  Task
	in    *Interpreter
	lock  lock.Lock
	depth int // of commands that call commands
}

// Access reports whether the session passes the rule of that name in the
// command's own Locks, which may have others beside "cmd" for what only some may
// do with it. Without such a rule nobody passes.
func (c *Call) Access(rule string) bool {
	ok, _ := c.lock.Check(rule, c.Session, nil)
	return ok
}

// Arglist returns Args split at white space.
func (c *Call) Arglist() []string { return strings.Fields(c.Args) }

// LHSList returns LHS split at commas, trimmed, without empty parts.
func (c *Call) LHSList() []string { return splitList(c.LHS) }

// RHSList is LHSList for RHS.
func (c *Call) RHSList() []string { return splitList(c.RHS) }

func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// Switch reports whether the switch was given.
func (c *Call) Switch(name string) bool {
	for _, s := range c.Switches {
		if s == name {
			return true
		}
	}
	return false
}

// Msg sends a text to the session that called, and to no other. The text is
// marked up: what a player typed goes through markup.Escape first.
func (c *Call) Msg(text string) {
	if c.ID == "" {
		c.Session.Msg(text)
		return
	}
	c.Session.Send(message.Text(text).With("cmdid", c.ID), message.Options{})
}

// Msgf is Msg with a format.
func (c *Call) Msgf(format string, args ...any) { c.Msg(fmt.Sprintf(format, args...)) }

// Search finds one thing from where the puppet is, by what a player typed; see
// world.Object.Search for the forms. The error is for the player: nothing fits,
// several things do, or nothing is played.
func (c *Call) Search(query string) (world.Entity, error) {
	if c.Puppet == nil {
		return nil, Errorf("You are out of character.")
	}
	return c.Puppet.SearchOne(c.Session, query)
}

// Ask shows a prompt and returns what the player answers. Meanwhile the
// session's other lines wait, and other sessions go on: look again at what was
// found before the wait, since it may have moved or be gone. If the session ends
// or the Server is replaced meanwhile, Ask does not return; the defers of the
// command run.
//
// Ask, AskHidden, Yes, Sleep and Await panic in a call that cannot wait, which is
// one of Interpreter.Run without a Task.
func (c *Call) Ask(prompt string) string {
	defer c.refresh()
	return c.wait().Ask(prompt, false)
}

// AskHidden is Ask for what nobody is to see or log: a password.
func (c *Call) AskHidden(prompt string) string {
	defer c.refresh()
	return c.wait().Ask(prompt, true)
}

// Yes asks a question that is answered by yes or no, until it is. An empty line
// is def.
func (c *Call) Yes(prompt string, def bool) bool {
	choice := " [y/N] "
	if def {
		choice = " [Y/n] "
	}
	for {
		switch strings.ToLower(strings.TrimSpace(c.Ask(prompt + choice))) {
		case "":
			return def
		case "y", "yes":
			return true
		case "n", "no":
			return false
		}
		c.Msg("Please answer yes or no.")
	}
}

// Sleep waits for d. The session's next lines go on at once, and what comes after the
// wait is lost if the Server is replaced meanwhile: what must happen is a
// timer of the world (World.After).
func (c *Call) Sleep(d time.Duration) {
	defer c.refresh()
	c.wait().Sleep(d)
}

// Await runs work off the loop and returns when it is done. work must not touch
// the world. The session's next lines wait. If the Server is replaced
// meanwhile, the line is run again from its start unless it has changed
// something, and ctx ends.
func (c *Call) Await(work func(ctx context.Context)) {
	defer c.refresh()
	c.wait().Await(work)
}

// refresh brings Account and Puppet up to date: the game has gone on.
func (c *Call) refresh() { c.Account, c.Puppet = c.Session.Account(), c.Session.Puppet() }

func (c *Call) wait() Task {
	if c.task == nil {
		panic("command: this call cannot wait")
	}
	return c.task
}

// HelpTopics returns the commands that the caller may use and help lists.
func (c *Call) HelpTopics() []*Command {
	var out []*Command
	for _, e := range c.Sets.list {
		if !e.cmd.Hidden && !isSystem(e.cmd.Key) && e.exit == nil && e.allowed(c.Session) {
			out = append(out, e.cmd)
		}
	}
	return out
}

// ForPlayer turns the world's refusals, which are in words for the player, into
// UserErrors and leaves other errors alone.
func ForPlayer(err error) error {
	if err == nil {
		return nil // nearly always: what errors.As fills in would cost memory
	}
	var search *world.SearchError
	var refused *world.RefusedError
	switch {
	case errors.As(err, &search):
		return &UserError{search.Error()}
	case errors.As(err, &refused):
		return &UserError{refused.Text}
	}
	return err
}
