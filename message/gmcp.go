package message

import (
	"maps"
	"slices"
	"strings"
)

// gmcpTable has the packages whose names do not follow from the rule, by the
// names of their messages: those that mean something to the Server, and those
// that clients know with capitals inside.
var gmcpTable = map[string]string{
	"client_options": "Core.Supports.Get",
	"get_inputfuncs": "Core.Commands.Get",
	"get_value":      "Char.Value.Get",
	"repeat":         "Char.Repeat.Update",
	"monitor":        "Char.Monitor.Update",

	"char_maxstats":     "Char.MaxStats",
	"char_statusvars":   "Char.StatusVars",
	"client_gui":        "Client.GUI",
	"ire_composer_edit": "IRE.Composer.Edit",
	"ire_rift_change":   "IRE.Rift.Change",
	"ire_rift_list":     "IRE.Rift.List",
	"ire_target_info":   "IRE.Target.Info",
	"ire_target_set":    "IRE.Target.Set",
	"ire_time_list":     "IRE.Time.List",
	"ire_time_update":   "IRE.Time.Update",
	"msdp":              "MSDP",
	"room_addplayer":    "Room.AddPlayer",
	"room_removeplayer": "Room.RemovePlayer",
	"room_wrongdir":     "Room.WrongDir",
}

// gmcpNames is gmcpTable the other way, by the packages in lower case.
var gmcpNames = func() map[string]string {
	m := make(map[string]string, len(gmcpTable))
	for name, pkg := range gmcpTable {
		m[strings.ToLower(pkg)] = name
	}
	return m
}()

// GMCPTable returns the packages of the table, sorted.
func GMCPTable() []string { return slices.Sorted(maps.Values(gmcpTable)) }

// GMCPPackage returns the name under which messages of that name travel by GMCP:
// the one of a table, which is in docs/reference/telnet.md, else "Core." and the
// name, or, if it has underscores, the name with dots in their place. Each part
// begins with a capital; one that has capitals is kept as it is. The result is
// never that of another name, but that dots and underscores are the same.
func GMCPPackage(name string) string {
	if pkg, ok := gmcpTable[CanonicalName(name)]; ok {
		return pkg
	}
	name = strings.ReplaceAll(name, "_", ".")
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if p != "" && strings.ToLower(p) == p {
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	pkg := strings.Join(parts, ".")
	if len(parts) == 1 || GMCPMessage(pkg) != strings.ReplaceAll(CanonicalName(name), ".", "_") {
		pkg = "Core." + pkg
	}
	return pkg
}

// GMCPMessage returns the name of the messages that travel as that package, in
// lower case: the one of the table, else the package with underscores in place of
// dots and without "core_" at its beginning. Case does not count.
func GMCPMessage(pkg string) string {
	pkg = strings.ToLower(pkg)
	if name, ok := gmcpNames[pkg]; ok {
		return name
	}
	return strings.TrimPrefix(strings.ReplaceAll(pkg, ".", "_"), "core_")
}

// AppendGMCP appends the data of m as it travels by GMCP, in JSON on one line:
// nothing for a message without arguments, the value for one argument, an array
// of several, an object of keyword arguments, and [[arguments],{keyword
// arguments}] for both. What would read as another of these is written in the
// longest form. If m does not pass Check it returns dst as it was and that error.
func (m Message) AppendGMCP(dst []byte) ([]byte, error) {
	if _, err := m.measure(); err != nil {
		return dst, err
	}
	switch {
	case len(m.Kwargs) > 0 && len(m.Args) == 0:
		return appendJSONDict(dst, m.Kwargs), nil
	case len(m.Kwargs) > 0 || looksLikeBoth(m.Args):
		dst = append(appendJSONList(append(dst, '['), m.Args), ',')
		return append(appendJSONDict(dst, m.Kwargs), ']'), nil
	case len(m.Args) == 0:
		return dst, nil
	case len(m.Args) == 1:
		switch m.Args[0].(type) {
		case []any, map[string]any:
		default:
			return appendJSONValue(dst, m.Args[0]), nil
		}
	}
	return appendJSONList(dst, m.Args), nil
}

// looksLikeBoth reports whether a list reads as arguments and keyword arguments.
func looksLikeBoth(list []any) bool {
	if len(list) != 2 {
		return false
	}
	_, isList := list[0].([]any)
	_, isDict := list[1].(map[string]any)
	return isList && isDict
}

// FromGMCP returns the message that a client has sent as that package with that
// data, which may be empty; see GMCPMessage and AppendGMCP. Data that is no JSON
// becomes one text, and isJSON is false. The error is that of Check, for a
// package whose name no message can have or data over the limits.
func FromGMCP(pkg string, data []byte) (m Message, isJSON bool, err error) {
	m.Name = GMCPMessage(pkg)
	if err := checkName(m.Name); err != nil {
		err.Name = cut(m.Name)
		return Message{}, true, err
	}
	d := jsonDecoder{in: data, left: newBudget()}
	if d.next(); d.pos == len(d.in) {
		return m, true, nil
	}
	v, bad := d.value(-1)
	if bad == nil {
		if d.next(); d.pos < len(d.in) {
			bad = d.expected("the end of the data")
		}
	}
	if bad != nil {
		m.Args = []any{valid(string(data))}
		return m, false, m.Check()
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			m.Kwargs = v
		}
	case []any:
		if looksLikeBoth(v) {
			m.Args, m.Kwargs = v[0].([]any), v[1].(map[string]any)
		} else {
			m.Args = v
		}
	default:
		m.Args = []any{v}
	}
	if len(m.Args) == 0 {
		m.Args = nil
	}
	if len(m.Kwargs) == 0 {
		m.Kwargs = nil
	}
	return m, true, m.Check()
}
