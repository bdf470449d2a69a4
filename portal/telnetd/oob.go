package telnetd

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
	"mudlark.dev/telnet"
)

// gmcp handles a message of GMCP. What concerns the connection is dealt with
// here, all else is a message for the game; what the client says of itself is
// both.
func (r *received) gmcp(payload []byte) {
	cl := r.cl
	pkg, data, ok := telnet.ParseGMCP(payload)
	if !ok {
		r.bad("package without a name")
		return
	}
	switch strings.ToLower(pkg) {
	case "core.ping":
		r.out = telnet.AppendGMCP(r.out, "Core.Ping", "")
		return
	case "core.keepalive":
		return
	}
	m, isJSON, err := message.FromGMCP(pkg, data)
	if err != nil {
		r.bad(err.Error())
		return
	}
	if !isJSON && bytes.ContainsAny(data[:1], "{[\"") {
		r.bad("data that is no JSON")
		return
	}
	switch m.Name {
	case "hello":
		for k, v := range m.Kwargs {
			text, _ := v.(string)
			switch strings.ToLower(k) {
			case "client":
				cl.said().hello, r.facts = printable(text), true
			case "version":
				cl.said().helloVer, r.facts = printable(text), true
			}
		}
	case "supports_set":
		r.next.Packages = r.next.Packages.Set(texts(m.Args))
	case "supports_add":
		r.next.Packages = r.next.Packages.Add(texts(m.Args))
	case "supports_remove":
		r.next.Packages = r.next.Packages.Remove(texts(m.Args))
	case "msdp":
		// MSDP by GMCP: each key is a variable.
		for k, v := range m.Kwargs {
			values, ok := v.([]any)
			if !ok {
				values = []any{v}
			}
			r.variable(telnet.MSDPVar{Name: k, Values: values}, len(payload))
		}
		return
	}
	cl.add(input{m: &m, size: len(payload)})
}

// bad counts data that makes no sense.
func (r *received) bad(why string) {
	r.cl.faulty.take(&nonsense, r.cl.now())
	r.cl.logger().Debug("message of the client dropped", "err", why)
}

func texts(list []any) []string {
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// msdp handles variables of MSDP.
func (r *received) msdp(payload []byte) {
	vars, ok := telnet.ParseMSDP(payload)
	if !ok {
		r.bad("variables of MSDP that make no sense")
	}
	for _, v := range vars {
		r.variable(v, len(payload))
	}
}

// variable gives a variable to the game: the commands of MSDP as messages of
// their names with "msdp_" before, any other as the message of its name. Tables
// are keyword arguments, arrays arguments.
func (r *received) variable(v telnet.MSDPVar, size int) {
	name := message.CanonicalName(v.Name)
	switch name {
	case "list", "report", "unreport", "send", "reset":
		name = "msdp_" + name
	}
	m := message.Message{Name: name}
	for _, value := range v.Values {
		switch value := value.(type) {
		case map[string]any:
			if m.Kwargs == nil {
				m.Kwargs = make(map[string]any)
			}
			for k, v := range value {
				m.Kwargs[k] = v
			}
		case []any:
			m.Args = append(m.Args, value...)
		default:
			m.Args = append(m.Args, value)
		}
	}
	if err := m.Check(); err != nil {
		r.bad(err.Error())
		return
	}
	r.cl.add(input{m: &m, size: size})
}

// AppendDefault implements portal.Client: a message goes by GMCP to those who
// agreed to it, else by MSDP, else nowhere, since telnet alone has no place for
// it. By GMCP a client gets the packages that it has listed.
func (cl *client) AppendDefault(dst []byte, m message.Message, caps session.Caps, _ message.Options) ([]byte, error) {
	switch {
	case caps.GMCP:
		pkg := message.GMCPPackage(m.Name)
		if !wants(caps.Packages, pkg) {
			return dst, nil
		}
		return appendGMCP(dst, pkg, m)
	case caps.MSDP:
		return telnet.AppendMSDP(dst, strings.ToUpper(m.Name), msdpValues(m)...), m.Check()
	}
	return dst, nil
}

// appendGMCP appends a message as that package.
func appendGMCP(dst []byte, pkg string, m message.Message) ([]byte, error) {
	data, err := m.AppendGMCP(nil)
	if err != nil {
		return dst, err
	}
	return telnet.AppendGMCP(dst, pkg, data), nil
}

// msdpValues returns the values of a variable that stands for a message: its
// argument, or an array of several, and a table of its keyword arguments.
func msdpValues(m message.Message) []any {
	var out []any
	switch {
	case len(m.Args) == 1:
		out = append(out, m.Args[0])
	case len(m.Args) > 1:
		out = append(out, m.Args)
	}
	if len(m.Kwargs) > 0 {
		out = append(out, m.Kwargs)
	}
	return out
}

// wants reports whether a client is to be sent a package. Those that manage the
// connection and the client itself are not listed by clients. One that has
// listed nothing is taken to want the two that all know.
func wants(listed session.Packages, pkg string) bool {
	top, rest, _ := strings.Cut(strings.ToLower(pkg), ".")
	switch top {
	case "core", "msdp":
		return true
	case "client":
		if rest == "gui" || rest == "map" {
			return true
		}
	case "external":
		return rest == "discord.info" || listed.Has(pkg)
	case "char":
		if strings.HasPrefix(rest, "login.") {
			return listed == "" || listed.Has(pkg)
		}
	}
	if listed == "" {
		return top == "char" || top == "room"
	}
	return listed.Has(pkg)
}

// OutputFuncs implements portal.OutputFuncer: the message "msdp" tells variables
// by their names, to clients of MSDP each as one, to others of GMCP together.
func (cl *client) OutputFuncs() map[string]portal.OutputFunc {
	return map[string]portal.OutputFunc{"msdp": appendVariables}
}

func appendVariables(dst []byte, m message.Message, caps session.Caps, _ message.Options) ([]byte, error) {
	switch {
	case caps.MSDP:
		if err := m.Check(); err != nil {
			return dst, err
		}
		for _, name := range slices.Sorted(maps.Keys(m.Kwargs)) {
			dst = telnet.AppendMSDP(dst, name, m.Kwargs[name])
		}
		return dst, nil
	case caps.GMCP:
		return appendGMCP(dst, "MSDP", m)
	}
	return dst, nil
}
