package server

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/message"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// A Value is something that clients can ask for by its name and have reported as
// it changes: a gauge's health, the place on a map. It is what MSDP calls a
// variable.
type Value struct {
	Name string // letters, digits and underscores; compared without regard to case, MSDP writes it in capitals
	Help string // one line, for the authors of clients

	// Package, if it is not empty, is the name of the message by which clients of
	// GMCP have the value reported that have listed its package, while somebody is
	// logged in: "char_vitals", which travels as Char.Vitals. A map becomes the
	// message's keyword arguments; nil is not reported.
	Package string

	// Get returns the value for the player of that session, as a message may
	// hold it, or nil if there is none just now. It runs on the loop, changes
	// nothing and is quick: reported values are looked at again whenever
	// something in the world has changed, at most ten times a second.
	Get func(*world.Session) any
}

// Bounds of reporting.
const (
	maxReported = 64                     // values of one session
	reportEvery = 100 * time.Millisecond // at most so often
)

// builtinValues returns the values that every game has. The names in capitals
// are those that MSDP knows; the others are older.
func builtinValues(game string) []Value {
	puppet := func(get func(*world.Character) any) func(*world.Session) any {
		return func(s *world.Session) any {
			if p := s.Puppet(); p != nil {
				return get(p)
			}
			return nil
		}
	}
	name := puppet(func(c *world.Character) any { return plainName(c) })
	return []Value{
		{Name: "name", Help: "The name of the character that is played.", Get: name},
		{Name: "key", Help: "The same as name.", Get: name},
		{Name: "location", Help: "The name of the place where the character is.", Get: puppet(func(c *world.Character) any {
			if at := c.Location(); at != nil {
				return plainName(at)
			}
			return nil
		})},
		{Name: "servername", Help: "The name of the game.", Get: func(*world.Session) any { return game }},
		{Name: "account_name", Help: "The name of the account that is logged in.", Get: func(s *world.Session) any {
			if a := s.Account(); a != nil {
				return plainName(a)
			}
			return nil
		}},
		{Name: "character_name", Help: "The same as name.", Get: name},
		{Name: "server_id", Help: "The name of the game.", Get: func(*world.Session) any { return game }},
		{Name: "server_time", Help: "The Server's clock, in seconds since 1970.", Get: func(s *world.Session) any { return s.World().Now().Unix() }},
		{Name: "room", Help: "The place where the character is: VNUM, NAME and EXITS, which has the VNUM that lies behind each.", Get: puppet(func(c *world.Character) any {
			at := c.Location()
			if at == nil {
				return nil
			}
			return map[string]any{"VNUM": int64(at.ID()), "NAME": plainName(at), "EXITS": exitsOf(at)}
		})},
		{Name: "char_name", Package: "char_name", Help: "The name of the character, as clients of GMCP have it: name and fullname.", Get: puppet(func(c *world.Character) any {
			return map[string]any{"name": plainName(c), "fullname": plainName(c)}
		})},
		{Name: "room_info", Package: "room_info", Help: "The place where the character is, as clients of GMCP have it: num, name and exits.", Get: puppet(func(c *world.Character) any {
			at := c.Location()
			if at == nil {
				return nil
			}
			return map[string]any{"num": int64(at.ID()), "name": plainName(at), "exits": exitsOf(at)}
		})},
	}
}

// exitsOf returns the exits of a room by their names, and the ID of the place
// behind each.
func exitsOf(at world.Entity) map[string]any {
	exits := map[string]any{}
	if room, ok := world.As[*world.Room](at); ok {
		for _, x := range room.Exits() {
			if to := x.Destination(); to != nil {
				exits[plainName(x)] = int64(to.ID())
			}
		}
	}
	return exits
}

// valueTable returns the built-in values with the game's own in front.
func valueTable(game string, own []Value) (map[string]*Value, error) {
	table := make(map[string]*Value)
	for _, v := range builtinValues(game) {
		table[v.Name] = &v
	}
	var errs []error
	seen := make(map[string]bool)
	for _, v := range own {
		name := strings.ToLower(v.Name)
		switch {
		case message.New(name).Check() != nil || strings.ContainsAny(name, ".-"):
			errs = append(errs, fmt.Errorf("server: value %q: a name has letters, digits and underscores, 1 to %d of them", v.Name, message.MaxName))
		case v.Package != "" && message.New(v.Package).Check() != nil:
			errs = append(errs, fmt.Errorf("server: value %q: its package %q is no name of a message", v.Name, v.Package))
		case v.Get == nil:
			errs = append(errs, fmt.Errorf("server: value %q: Get is nil", v.Name))
		case seen[name]:
			errs = append(errs, fmt.Errorf("server: value %q is given twice", v.Name))
		default:
			seen[name] = true
			table[name] = &v
		}
	}
	return table, errors.Join(errs...)
}

// value returns a value as a client is told it.
func (s *Server) value(v *Value, session *world.Session) any {
	var out any
	err := s.protect("value "+v.Name, func() error {
		m := message.New("value", v.Get(session))
		out = m.Args[0]
		return m.Check()
	})
	if err != nil {
		return nil // it is in the log
	}
	return out
}

// Keys of the session's data under which the names are kept that it has
// reported, so that a reload does not end that.
const (
	dataMSDP    = "values.msdp"    // as variables of MSDP
	dataMonitor = "values.monitor" // as messages "monitor"
	dataTold    = "values.told"    // during a reload: marks of what the client knows
)

// A watch is what one session has reported.
type watch struct {
	last map[string]any   // by key and name, what the client knows
	told map[string]int64 // and what the Server before this one has told it
}

// keepTold has the next Server know what this one has told the clients, so that
// a reload sends nothing that is not new.
func (s *Server) keepTold() {
	s.reportedAt = time.Time{}
	s.report()
	for seat, w := range s.watches {
		told := make(map[string]any, len(w.last))
		for key, v := range w.last {
			told[key] = markOf(v)
		}
		if err := seat.session.SetData(dataTold, told); err != nil {
			s.log.Debug("values will be told again", "session", seat.session.Number(), "err", err)
		}
	}
}

// takeTold reads what keepTold has left for a session.
func (s *Server) takeTold(session *world.Session) {
	told, _ := session.Data(dataTold).(map[string]any)
	if told == nil {
		return
	}
	if w := s.watches[s.bySession[session]]; w != nil {
		w.told = make(map[string]int64, len(told))
		for key, v := range told {
			w.told[key], _ = v.(int64)
		}
	}
	if err := session.SetData(dataTold, nil); err != nil {
		s.log.Error("marks of values stay with the session", "session", session.Number(), "err", err)
	}
}

// markOf returns a number that is another for nearly every other value.
func markOf(v any) int64 {
	b, err := message.New("value", v).AppendBinary(nil)
	if err != nil {
		return 0
	}
	h := fnv.New64a()
	h.Write(b)
	return int64(h.Sum64())
}

// reported returns the names that a session has reported under that key.
func reported(s *world.Session, key string) []string {
	list, _ := s.Data(key).([]any)
	names := make([]string, 0, len(list))
	for _, v := range list {
		if name, ok := v.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// setReported has the names reported under that key from now on.
func (s *Server) setReported(session *world.Session, key string, names []string) error {
	if len(names) > maxReported {
		return command.Errorf("At most %d values can be reported.", maxReported)
	}
	var data any
	if len(names) > 0 {
		list := make([]any, len(names))
		for i, n := range names {
			list[i] = n
		}
		data = list
	}
	if err := session.SetData(key, data); err != nil {
		return err
	}
	s.watch(session)
	return nil
}

// watch notes whether values are reported to a session.
func (s *Server) watch(session *world.Session) {
	seat := s.bySession[session]
	if seat == nil {
		return
	}
	if session.Data(dataMSDP) == nil && session.Data(dataMonitor) == nil && len(s.packages(session.Info())) == 0 {
		delete(s.watches, seat)
		return
	}
	if s.watches[seat] == nil {
		s.watches[seat] = &watch{last: make(map[string]any)}
	}
	s.stale = true
}

// packages returns the values that a client has reported because it has listed
// their packages, in the order of their names.
func (s *Server) packages(i session.Info) []*Value {
	if !i.GMCP || i.Packages == "" {
		return nil
	}
	var out []*Value
	for _, v := range s.packaged {
		if i.Packages.Has(message.GMCPPackage(v.Package)) {
			out = append(out, v)
		}
	}
	return out
}

// packagedValues returns the values that have a package, in the order of their
// names.
func packagedValues(table map[string]*Value) []*Value {
	var out []*Value
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if v := table[name]; v.Package != "" {
			out = append(out, v)
		}
	}
	return out
}

// reportDue returns when reported values are to be looked at, the zero time for
// never.
func (s *Server) reportDue() time.Time {
	if !s.stale || len(s.watches) == 0 {
		return time.Time{}
	}
	return s.reportedAt.Add(reportEvery)
}

// report tells the sessions the values that have changed, as part of the turn
// that ends.
func (s *Server) report() {
	now := s.world.Now()
	if due := s.reportDue(); due.IsZero() || due.After(now) {
		return
	}
	s.stale, s.reportedAt = false, now
	for _, seat := range s.seatsInOrder() {
		w := s.watches[seat]
		if w == nil || seat.dropped || seat.unread > seatHold {
			s.stale = s.stale || w != nil && !seat.dropped // it is told when it reads again
			continue
		}
		for _, def := range s.packages(seat.session.Info()) {
			if seat.session.Account() == nil {
				break // packages of the game are for players
			}
			v, news := s.news(w, "g."+def.Name, strings.ToLower(def.Name), seat.session)
			if !news || v == nil {
				continue
			}
			m := message.Message{Name: def.Package}
			if table, ok := v.(map[string]any); ok {
				m.Kwargs = table
			} else {
				m.Args = []any{v}
			}
			seat.session.Send(m, message.Options{})
		}
		changed := map[string]any{}
		for _, name := range reported(seat.session, dataMSDP) {
			if v, news := s.news(w, "m."+name, name, seat.session); news {
				changed[strings.ToUpper(name)] = v
			}
		}
		if len(changed) > 0 {
			seat.session.Send(message.Message{Name: "msdp", Kwargs: changed}, message.Options{})
		}
		for _, name := range reported(seat.session, dataMonitor) {
			if v, news := s.news(w, "o."+name, name, seat.session); news {
				seat.session.Send(message.New("monitor").With("name", name).With("value", v), message.Options{})
			}
		}
	}
}

// news returns a value and whether the client does not know it yet.
func (s *Server) news(w *watch, key, name string, session *world.Session) (any, bool) {
	def := s.values[name]
	if def == nil {
		return nil, false // of another build
	}
	v := s.value(def, session)
	old, known := w.last[key]
	if known && reflect.DeepEqual(old, v) {
		return nil, false
	}
	w.last[key] = v
	if mark, ok := w.told[key]; ok && !known {
		delete(w.told, key)
		if mark == markOf(v) {
			return nil, false
		}
	}
	return v, true
}

// valueInputs returns the inputfuncs that ask for values.
func valueInputs() []InputFunc {
	return []InputFunc{
		{
			Name: "get_value", Help: "Answers with the value of that name; get_values tells the names.",
			Args: []Kind{String}, Kwargs: map[string]Kind{"name": String},
			Run: inputGetValue,
		},
		{
			Name: "get_values", Help: "Answers with the names of all values and what they are.",
			Run: func(in *Input) error {
				m := message.New("get_values")
				for name, v := range in.s.values {
					m = m.With(name, v.Help)
				}
				in.Reply(m)
				return nil
			},
		},
		{
			Name: "monitor", Help: "Has the value of that name reported as it changes, by messages \"monitor\" with name and value; with stop, no longer.",
			Args: []Kind{String}, Kwargs: map[string]Kind{"name": String, "stop": Any},
			Run: func(in *Input) error { return inputMonitor(in, truth(in.Kwarg("stop"))) },
		},
		{
			Name: "unmonitor", Help: "Ends what monitor began.",
			Args: []Kind{String}, Kwargs: map[string]Kind{"name": String},
			Run: func(in *Input) error { return inputMonitor(in, true) },
		},
		{
			Name: "monitored", Help: "Answers with the names of the values that monitor reports.",
			Run: func(in *Input) error {
				in.Reply(message.New("monitored", reported(in.Session, dataMonitor)))
				return nil
			},
		},
		{
			Name: "msdp_list", Help: "MSDP LIST: answers with the list of that name, such as COMMANDS or REPORTABLE_VARIABLES.",
			Args: []Kind{String}, MoreArgs: true,
			Run: inputMSDPList,
		},
		{
			Name: "msdp_send", Help: "MSDP SEND: answers with the values of these names.",
			Args: []Kind{String}, MoreArgs: true,
			Run: func(in *Input) error {
				found := map[string]any{}
				for _, name := range in.valueNames() {
					found[strings.ToUpper(name)] = in.s.value(in.s.values[name], in.Session)
				}
				if len(found) > 0 {
					in.Reply(message.Message{Name: "msdp", Kwargs: found})
				}
				return nil
			},
		},
		{
			Name: "msdp_report", Help: "MSDP REPORT: has the values of these names reported as they change.",
			Args: []Kind{String}, MoreArgs: true,
			Run: func(in *Input) error {
				names := reported(in.Session, dataMSDP)
				for _, name := range in.valueNames() {
					if !slices.Contains(names, name) {
						names = append(names, name)
					}
				}
				return in.s.setReported(in.Session, dataMSDP, names)
			},
		},
		{
			Name: "msdp_unreport", Help: "MSDP UNREPORT: has them reported no longer.",
			Args: []Kind{String}, MoreArgs: true,
			Run: func(in *Input) error {
				gone := in.valueNames()
				names := slices.DeleteFunc(reported(in.Session, dataMSDP), func(n string) bool { return slices.Contains(gone, n) })
				if w := in.s.watches[in.s.bySession[in.Session]]; w != nil {
					for _, n := range gone {
						delete(w.last, "m."+n)
					}
				}
				return in.s.setReported(in.Session, dataMSDP, names)
			},
		},
		{
			Name: "msdp_reset", Help: "MSDP RESET: nothing is reported any more.",
			Args: []Kind{String}, MoreArgs: true,
			Run: func(in *Input) error { return in.s.setReported(in.Session, dataMSDP, nil) },
		},
	}
}

// valueNames returns the names of values that the message gives; what is no
// value is left out.
func (in *Input) valueNames() []string {
	var names []string
	for _, v := range in.Message.Args {
		name, _ := v.(string)
		name = strings.ToLower(strings.TrimSpace(name))
		if in.s.values[name] != nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// named returns the value that the message names in its first argument or its
// keyword name.
func (in *Input) named() (*Value, error) {
	name, _ := in.Kwarg("name").(string)
	if name == "" {
		name, _ = in.Arg(0).(string)
	}
	if v := in.s.values[strings.ToLower(strings.TrimSpace(name))]; v != nil {
		return v, nil
	}
	return nil, command.Errorf("There is no value %q. The message get_values tells those there are.", escape(name))
}

func inputGetValue(in *Input) error {
	v, err := in.named()
	if err != nil {
		return err
	}
	in.Reply(message.New("get_value").With("name", strings.ToLower(v.Name)).With("value", in.s.value(v, in.Session)))
	return nil
}

func inputMonitor(in *Input, stop bool) error {
	v, err := in.named()
	if err != nil {
		return err
	}
	name := strings.ToLower(v.Name)
	names := reported(in.Session, dataMonitor)
	i := slices.Index(names, name)
	switch {
	case stop && i < 0, !stop && i >= 0:
		return nil
	case stop:
		if w := in.s.watches[in.s.bySession[in.Session]]; w != nil {
			delete(w.last, "o."+name)
		}
		names = slices.Delete(names, i, i+1)
	default:
		names = append(names, name)
	}
	return in.s.setReported(in.Session, dataMonitor, names)
}

// inputMSDPList answers the command LIST of MSDP.
func inputMSDPList(in *Input) error {
	upper := func(names []string) []any {
		out := make([]any, len(names))
		for i, n := range names {
			out[i] = strings.ToUpper(n)
		}
		return out
	}
	all := slices.Sorted(maps.Keys(in.s.values))
	found := map[string]any{}
	for _, v := range in.Message.Args {
		what, _ := v.(string)
		what = strings.ToUpper(strings.TrimSpace(what))
		switch what {
		case "COMMANDS":
			found[what] = []any{"LIST", "REPORT", "RESET", "SEND", "UNREPORT"}
		case "LISTS":
			found[what] = []any{"COMMANDS", "LISTS", "CONFIGURABLE_VARIABLES", "REPORTABLE_VARIABLES", "REPORTED_VARIABLES", "SENDABLE_VARIABLES"}
		case "CONFIGURABLE_VARIABLES":
			found[what] = []any{}
		case "REPORTABLE_VARIABLES", "SENDABLE_VARIABLES":
			found[what] = upper(all)
		case "REPORTED_VARIABLES":
			found[what] = upper(reported(in.Session, dataMSDP))
		}
	}
	if len(found) > 0 {
		in.Reply(message.Message{Name: "msdp", Kwargs: found})
	}
	return nil
}

// offerLogin tells a client of GMCP that it may log its player in by itself.
func (s *Server) offerLogin(seat *seat) {
	if !seat.offered && seat.session.Account() == nil && s.takesLogin(seat.session.Info()) {
		seat.offered = true
		seat.session.Send(message.New("char_login_default").With("type", []any{"password-credentials"}), message.Options{})
	}
}

// takesLogin reports whether a client may send a password in a message: not
// where others could read it on the way, unless the operator allows that.
func (s *Server) takesLogin(i session.Info) bool {
	return i.GMCP && i.Packages.Has("Char.Login") && (i.TLS || s.cfg.PlainLogin)
}

// inputCredentials handles Char.Login.Credentials.
func inputCredentials(in *Input) error {
	name, _ := in.Kwarg("account").(string)
	password, _ := in.Kwarg("password").(string)
	if name == "" && password == "" {
		return nil // the client has none for this game
	}
	result := func(err error) error {
		m := message.New("char_login_result").With("success", err == nil)
		var user *command.UserError
		switch {
		case err == nil:
		case errors.As(err, &user):
			m = m.With("message", user.Text)
		default:
			m = m.With("message", "The login has failed.")
		}
		in.Reply(m)
		return err
	}
	if !in.s.takesLogin(in.Session.Info()) {
		return result(command.Errorf("Passwords are taken this way over TLS only. Please connect to the TLS port, or type them."))
	}
	// "account:character" chooses what is played.
	name, character, _ := strings.Cut(name, ":")
	err := in.logIn(name, password)
	switch {
	case in.Session.Account() == nil && err == nil:
		return result(command.Errorf("The login has failed."))
	case in.Session.Account() == nil:
		return result(err)
	}
	_ = result(nil)
	if err != nil || character == "" || strings.ContainsAny(character, `"`) {
		return err // logged in, but for instance without a place to be at
	}
	return in.s.commands.Run(in.World, in.Session, "ic "+character, "", in.task)
}

// plainName returns a name as programs are to get it: without tags.
func plainName(e world.Entity) string { return e.World().Plain(e.Name()) }
