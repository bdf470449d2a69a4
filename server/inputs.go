package server

import (
	"fmt"
	"sort"
	"strings"

	"mudlark.dev/charset"
	"mudlark.dev/command"
	"mudlark.dev/message"
	"mudlark.dev/session"
)

// idleWord is a line that only says that the client is still there.
const idleWord = "idle"

// builtinInputs returns the inputfuncs that every game has.
func builtinInputs() []InputFunc {
	return []InputFunc{
		{
			Name: "text", Help: "A line that the player typed; it is run as a command.",
			Args: []Kind{String}, MoreArgs: true, MoreKwargs: true,
			Run: inputText,
		},
		{
			Name: "echo", Help: "Answers with a text that tells the arguments.",
			MoreArgs: true, MoreKwargs: true,
			Run: func(in *Input) error {
				in.Session.Msg("Echo returns: " + escape(describe(in.Message)))
				return nil
			},
		},
		{
			Name: "default", Help: "Gets every message that no other inputfunc takes.",
			MoreArgs: true, MoreKwargs: true,
			Run: func(in *Input) error {
				in.s.log.Debug("message without inputfunc", "session", in.Session.Number(), "message", in.Message.Name)
				return nil
			},
		},
		{
			Name: "client_options", Help: fmt.Sprintf("Without arguments: answers with the session's options. Else sets those given: "+
				"nocolor and screenreader, true or false; wrap, the same or auto; screenwidth, a number from %d to %d or auto; "+
				"links, one of none, mslp, mxp, osc8 and auto; encoding, a name or auto. An empty text and null are auto, and so is a width of 0.",
				session.MinWidth, session.MaxWidth),
			Args: []Kind{String}, Kwargs: map[string]Kind{"get": Any}, MoreKwargs: true,
			Run: inputClientOptions,
		},
		{
			Name: "get_client_options", Help: "Answers with the session's options.",
			Run: func(in *Input) error {
				in.Reply(clientOptions(in))
				return nil
			},
		},
		{
			Name: "get_inputfuncs", Help: "Answers with the names of all inputfuncs and what they do.",
			Run: func(in *Input) error {
				m := message.New("get_inputfuncs")
				for name, f := range in.s.inputs {
					m = m.With(name, f.Help)
				}
				in.Reply(m)
				return nil
			},
		},
		{
			Name: "login", Help: "Logs in: name and password.",
			Kwargs: map[string]Kind{"name": String, "password": String},
			Run:    inputLogin,
		},
		{
			Name: "char_login_credentials", Help: "GMCP: logs in, with account and password.",
			Kwargs: map[string]Kind{"account": String, "password": String}, MoreKwargs: true,
			Run: inputCredentials,
		},
		{Name: "hello", Help: "GMCP: the client's name and version; its protocol knows them already.", MoreArgs: true, MoreKwargs: true, Run: known},
		{Name: "supports_set", Help: "GMCP: the packages that the client wants; its protocol knows them already.", MoreArgs: true, MoreKwargs: true, Run: known},
		{Name: "supports_add", Help: "GMCP: more packages that it wants.", MoreArgs: true, MoreKwargs: true, Run: known},
		{Name: "supports_remove", Help: "GMCP: packages that it no longer wants.", MoreArgs: true, MoreKwargs: true, Run: known},
		{Name: "external_discord_hello", Help: "GMCP: ignored.", MoreArgs: true, MoreKwargs: true, Run: known},
	}
}

// known is for messages that only tell what the session's Info has.
func known(*Input) error { return nil }

func inputText(in *Input) error {
	text, ok := in.Arg(0).(string)
	if !ok {
		return nil // no argument or null: not even an empty line
	}
	if strings.TrimSpace(text) == idleWord {
		return nil
	}
	if in.task == nil {
		return command.Errorf("Please answer the question first.")
	}
	// Of what a client says beside the text only cmdid goes on: it is echoed
	// so that the client can tell which line was answered.
	id, _ := in.Kwarg("cmdid").(string)
	in.task.id = id
	return in.s.commands.Run(in.World, in.Session, text, id, in.task)
}

// inputClientOptions sets what the player prefers. What the client can do is
// for its protocol to say.
func inputClientOptions(in *Input) error {
	word, _ := in.Arg(0).(string)
	if _, get := in.Message.Kwargs["get"]; get || word == "get" || len(in.Message.Kwargs) == 0 {
		in.Reply(clientOptions(in))
		return nil
	}
	prefs := in.Session.Prefs()
	names := make([]string, 0, len(in.Message.Kwargs))
	for k := range in.Message.Kwargs {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, name := range names {
		v := in.Message.Kwargs[name]
		switch strings.ToLower(name) {
		case "nocolor":
			prefs.NoColor = truth(v)
		case "screenreader":
			prefs.ScreenReader = truth(v)
		case "screenwidth":
			n, ok := v.(int64)
			if ok = ok && n >= session.MinWidth && n <= session.MaxWidth; !ok && !auto(v) && v != int64(0) {
				return command.Errorf("client_options: screenwidth is a number from %d to %d, or auto.", session.MinWidth, session.MaxWidth)
			}
			prefs.Width = int(n)
		case "wrap":
			switch {
			case auto(v):
				prefs.Wrap = ""
			case truth(v):
				prefs.Wrap = "on"
			default:
				prefs.Wrap = "off"
			}
		case "links":
			if prefs.Links = ""; !auto(v) {
				name, _ := v.(string)
				if _, ok := session.ParseLinks(name); !ok {
					return command.Errorf("client_options: links is none, mslp, mxp, osc8 or auto.")
				}
				prefs.Links = name
			}
		case "encoding":
			if prefs.Encoding = ""; !auto(v) {
				name, _ := v.(string)
				cs, err := charset.Lookup(name)
				if err != nil {
					return command.Errorf("client_options: there is no encoding %q.", escape(name))
				}
				prefs.Encoding = cs.Name()
			}
		default:
			return command.Errorf("client_options: there is no option %q that can be set; nocolor, wrap, screenreader, screenwidth, links and encoding can.", escape(name))
		}
	}
	in.Session.SetPrefs(prefs)
	return nil
}

// auto reports whether v leaves an option to the client.
func auto(v any) bool {
	s, ok := v.(string)
	return v == nil || ok && (s == "" || strings.EqualFold(s, "auto"))
}

// truth reads the ways in which clients say yes.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case string:
		v = strings.ToLower(v)
		return v == "true" || v == "on" || v == "1"
	}
	return false
}

func clientOptions(in *Input) message.Message {
	info, prefs := in.Session.Info(), in.Session.Prefs()
	caps := session.CapsOf(info, prefs)
	encoding := caps.Encoding
	if encoding == "" {
		encoding = "UTF-8"
	}
	return message.New("client_options").
		With("client", info.Client).
		With("version", info.Version).
		With("term", info.Terminal).
		With("encoding", encoding).
		With("ansi", caps.Colors >= session.Colors16).
		With("xterm256", caps.Colors >= session.Colors256).
		With("truecolor", caps.Colors >= session.ColorsTrue).
		With("nocolor", prefs.NoColor).
		With("screenreader", caps.ScreenReader).
		With("links", caps.Links.String()).
		With("wrap", caps.Wrap).
		With("screenwidth", int64(caps.Width)).
		With("screenheight", int64(info.Height)).
		With("gmcp", info.GMCP).
		With("msdp", info.MSDP).
		With("tls", info.TLS)
}

func inputLogin(in *Input) error {
	name, _ := in.Kwarg("name").(string)
	password, _ := in.Kwarg("password").(string)
	return in.logIn(name, password)
}

// logIn runs the command that logs in, as if it were typed.
func (in *Input) logIn(name, password string) error {
	if in.task == nil {
		return command.Errorf("Please answer the question first.")
	}
	if in.Session.Account() != nil {
		return command.Errorf("You are logged in already.")
	}
	if strings.ContainsAny(name, `"`) || strings.Contains(password, `"`) {
		return command.Errorf("A name or password with a double quote cannot be given this way.")
	}
	if name == "" || password == "" {
		return command.Errorf("login: name and password are needed.")
	}
	return in.s.commands.Run(in.World, in.Session, fmt.Sprintf(`connect "%s" "%s"`, name, password), "", in.task)
}

// describe writes a message's arguments for a person to read.
func describe(m message.Message) string {
	b, err := m.MarshalJSON()
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return string(b)
}
