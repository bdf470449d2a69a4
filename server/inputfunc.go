package server

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/world"
)

// A Kind is the type of an argument of an inputfunc.
type Kind uint8

// The kinds of arguments.
const (
	Any Kind = iota
	String
	Int
	Number // int64 or float64
	Bool
	List
	Map
)

// String names k for who wrote the client.
func (k Kind) String() string {
	return [...]string{"any value", "a text", "a whole number", "a number", "true or false", "a list", "an object"}[k]
}

func (k Kind) fits(v any) bool {
	switch v.(type) {
	case string:
		return k == Any || k == String
	case int64:
		return k == Any || k == Int || k == Number
	case float64:
		return k == Any || k == Number
	case bool:
		return k == Any || k == Bool
	case []any:
		return k == Any || k == List
	case map[string]any:
		return k == Any || k == Map
	}
	return k == Any
}

// An InputFunc handles one named message from clients. The Server checks a
// message against its shape before it calls Run.
type InputFunc struct {
	Name       string          // compared without regard to case; "default" gets what no other takes
	Help       string          // one line, for the authors of clients
	Args       []Kind          // positional arguments; a client may leave out those at the end
	MoreArgs   bool            // more of any kind may follow
	Kwargs     map[string]Kind // keyword arguments it knows, in lower case; a client may write them in any
	MoreKwargs bool            // others may be given
	NeedsLogin bool            // only for sessions that are logged in

	// Run runs on the loop and must not block; only the built-in "text" and
	// "login" run commands, which may wait. A *command.UserError, or what
	// world.Refuse returns, is shown to the player; any other error is a bug: it is logged and what Run did is
	// undone.
	Run func(*Input) error

	tally *tally // set in a Server's table
}

// An Input is a call of an inputfunc.
type Input struct {
	World   *world.World
	Session *world.Session
	Message message.Message // Name as the client wrote it; not to be changed

	s    *Server
	task *task
}

// Arg returns argument i, or nil if the client left it out.
func (in *Input) Arg(i int) any {
	if i < len(in.Message.Args) {
		return in.Message.Args[i]
	}
	return nil
}

// Kwarg returns the keyword argument of that name, or nil.
func (in *Input) Kwarg(name string) any { return in.Message.Kwargs[name] }

// Reply sends a message back to the client.
func (in *Input) Reply(m message.Message) { in.Session.Send(m, message.Options{}) }

// inputTable returns the built-in inputfuncs with the game's own in front.
func inputTable(own []InputFunc) (map[string]*InputFunc, error) {
	table := make(map[string]*InputFunc)
	for _, f := range append(builtinInputs(), valueInputs()...) {
		table[f.Name] = &f
	}
	var errs []error
	seen := make(map[string]bool)
	for _, f := range own {
		name := message.CanonicalName(f.Name)
		switch {
		case message.New(name).Check() != nil:
			errs = append(errs, fmt.Errorf("server: inputfunc %q: not a valid message name", f.Name))
		case f.Run == nil:
			errs = append(errs, fmt.Errorf("server: inputfunc %q: Run is nil", f.Name))
		case seen[name]:
			errs = append(errs, fmt.Errorf("server: inputfunc %q is given twice", f.Name))
		case hasUpper(f.Kwargs):
			errs = append(errs, fmt.Errorf("server: inputfunc %q: its keyword arguments are to be in lower case", f.Name))
		default:
			seen[name] = true
			table[name] = &f
		}
	}
	return table, errors.Join(errs...)
}

// dispatch gives a message to its inputfunc. It runs as part of t.
func (s *Server) dispatch(seat *seat, t *task, f *link.Input) error {
	fn := s.inputs[message.CanonicalName(f.Message.Name)]
	if fn == nil {
		fn = s.inputs["default"]
	}
	s.meter.count(fn.tally)
	if fn.NeedsLogin && seat.session.Account() == nil {
		return command.Errorf("You are not logged in.")
	}
	m := f.Message
	var err error
	if hasUpper(m.Kwargs) && fn.Kwargs != nil {
		m, err = lowerKeys(fn.Name, m)
	}
	if err == nil {
		err = fn.accepts(m)
	}
	if err != nil {
		s.log.Debug("message refused", "session", seat.session.Number(), "message", f.Message.Name, "err", err)
		return &command.UserError{Text: err.Error()}
	}
	return command.ForPlayer(fn.Run(&Input{World: s.world, Session: seat.session, Message: m, s: s, task: t}))
}

// hasUpper reports whether a keyword is not in lower case.
func hasUpper[T any](kwargs map[string]T) bool {
	for k := range kwargs {
		if k != strings.ToLower(k) {
			return true
		}
	}
	return false
}

// lowerKeys returns m with its keywords in lower case; the error, for the client,
// says that one is there twice.
func lowerKeys(name string, m message.Message) (message.Message, error) {
	kwargs := make(map[string]any, len(m.Kwargs))
	for k, v := range m.Kwargs {
		lower := strings.ToLower(k)
		if _, twice := kwargs[lower]; twice {
			return m, fmt.Errorf("%s: the argument %q is given twice", name, lower)
		}
		kwargs[lower] = v
	}
	m.Kwargs = kwargs
	return m, nil
}

// runInput runs an inputfunc for a message that comes while a command of the
// same session waits for an answer. It is a unit of its own and cannot wait.
func (s *Server) runInput(seat *seat, n uint64, f *link.Input) {
	u := lineUnit(seat, n, f.Message.Name)
	if s.isAside(u) {
		tellAside(seat, f)
		return
	}
	if s.aside.enter(u) {
		defer s.aside.leaveLine()
	}
	err := s.protect(f.Message.Name, func() error { return s.dispatch(seat, nil, f) })
	var user *command.UserError
	var fail *failure
	switch {
	case errors.As(err, &user):
		seat.session.Msg(user.Text)
	case errors.As(err, &fail):
		seat.session.Msg(fail.text())
	}
}

// accepts checks m against the shape of f; the error is for the client.
func (f *InputFunc) accepts(m message.Message) error {
	if len(m.Args) > len(f.Args) && !f.MoreArgs {
		return fmt.Errorf("%s takes %d arguments, not %d", f.Name, len(f.Args), len(m.Args))
	}
	for i, v := range m.Args {
		if i < len(f.Args) && v != nil && !f.Args[i].fits(v) {
			return fmt.Errorf("%s: argument %d is to be %s", f.Name, i+1, f.Args[i])
		}
	}
	names := make([]string, 0, len(m.Kwargs))
	for k := range m.Kwargs {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		kind, known := f.Kwargs[k]
		if !known && !f.MoreKwargs {
			return fmt.Errorf("%s has no argument %q", f.Name, k)
		}
		if known && m.Kwargs[k] != nil && !kind.fits(m.Kwargs[k]) {
			return fmt.Errorf("%s: %s is to be %s", f.Name, k, kind)
		}
	}
	return nil
}
