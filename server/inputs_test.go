package server_test

import (
	"fmt"
	"strings"
	"testing"

	"mudlark.dev/message"
	"mudlark.dev/server"
)

// last returns the last message other than a text that the client got.
func (c *client) last() message.Message {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if len(c.msgs) == 0 {
		return message.Message{}
	}
	return c.msgs[len(c.msgs)-1]
}

func TestInputFuncs(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		for _, tt := range []struct {
			name  string
			send  message.Message
			text  string         // what the text answer has
			reply string         // the name of the message that comes back
			kw    map[string]any // what it has at least
		}{
			{"text", message.New("text", "say hi"), `You say, "hi"`, "", nil},
			{"text in another case", message.New("Text", "say ho"), `You say, "ho"`, "", nil},
			{"text without argument", message.New("text"), "", "", nil},
			{"null text", message.New("text", nil), "", "", nil},
			{"idle", message.New("text", " idle "), "", "", nil},
			{"text that is no text", message.New("text", 5), "argument 1 is to be a text", "", nil},
			{"echo", message.New("echo", 0, false, "", "|r").With("a", "b"), `["echo",[0,false,"","||r"],{"a":"b"}]`, "", nil},
			{"unknown", message.New("no_such_thing", 1), "", "", nil},
			{"reserved words have no meaning", message.New("options", 1).With("self", 2).With("session", 3), "", "", nil},
			{"get options", message.New("client_options"), "", "client_options", map[string]any{"nocolor": false, "screenwidth": int64(80), "encoding": "UTF-8"}},
			{"set options", message.New("client_options").With("nocolor", "on").With("screenwidth", 60), "", "", nil},
			{"get them", message.New("get_client_options"), "", "client_options", map[string]any{"nocolor": true, "screenwidth": int64(60)}},
			{"an option that cannot be set", message.New("client_options").With("client", "x"), `no option "client"`, "", nil},
			{"no such encoding", message.New("client_options").With("encoding", "KOI-9"), `no encoding "KOI-9"`, "", nil},
			{"an encoding", message.New("client_options").With("encoding", "latin1"), "", "", nil},
			{"it is set", message.New("client_options"), "", "client_options", map[string]any{"encoding": "ISO-8859-1"}},
			{"lines are broken", message.New("client_options").With("wrap", true), "", "", nil},
			{"they are", message.New("client_options"), "", "client_options", map[string]any{"wrap": true}},
			{"lines stay whole", message.New("client_options").With("wrap", "off"), "", "", nil},
			{"they do", message.New("client_options"), "", "client_options", map[string]any{"wrap": false}},
			{"links", message.New("client_options").With("links", "mxp"), "", "", nil},
			{"they are set", message.New("client_options"), "", "client_options", map[string]any{"links": "mxp"}},
			{"too wide", message.New("client_options").With("screenwidth", 501), "from 20 to 500, or auto", "", nil},
			{"too narrow", message.New("client_options").With("screenwidth", 19), "from 20 to 500, or auto", "", nil},
			{"no width", message.New("client_options").With("screenwidth", "wide"), "from 20 to 500, or auto", "", nil},
			{"the widest", message.New("client_options").With("screenwidth", 500), "", "", nil},
			{"it is that wide", message.New("client_options"), "", "client_options", map[string]any{"screenwidth": int64(500)}},
			{"back to auto", message.New("client_options").With("screenwidth", 0).With("encoding", "auto").With("links", "auto"), "", "", nil},
			{"all are the client's", message.New("client_options"), "", "client_options", map[string]any{"screenwidth": int64(80), "encoding": "UTF-8", "links": "none"}},
			{"auto in another way", message.New("client_options").With("screenwidth", "auto").With("encoding", "").With("links", nil), "", "", nil},
			{"the narrowest", message.New("client_options").With("screenwidth", 20), "", "", nil},
			{"wrap is auto", message.New("client_options").With("wrap", "auto"), "", "", nil},
			{"lines are broken to a width", message.New("client_options"), "", "client_options", map[string]any{"wrap": true, "screenwidth": int64(20)}},
			{"wrap is off", message.New("client_options").With("wrap", false), "", "", nil},
			{"wrap is auto again", message.New("client_options").With("wrap", "").With("screenwidth", 60), "", "", nil},
			{"lines are broken again", message.New("client_options"), "", "client_options", map[string]any{"wrap": true}},
			{"names", message.New("get_inputfuncs"), "", "get_inputfuncs", map[string]any{"echo": "Answers with a text that tells the arguments."}},
			{"too many arguments", message.New("get_inputfuncs", 1), "takes 0 arguments, not 1", "", nil},
			{"value", message.New("get_value", "name"), "", "get_value", map[string]any{"name": "name", "value": "Ada"}},
			{"value by keyword", message.New("get_value").With("name", "location"), "", "get_value", map[string]any{"value": "Anchorage"}},
			{"server's name", message.New("get_value").With("name", "SERVERNAME"), "", "get_value", map[string]any{"value": "Test"}},
			{"no such value", message.New("get_value", "password"), "There is no value", "", nil},
			{"unknown keyword", message.New("get_value").With("nam", "x"), `has no argument "nam"`, "", nil},
			{"login twice", message.New("login").With("name", "Ada").With("password", "x"), "logged in already", "", nil},
			{"a game's own", message.New("tide", 3), "the tide is 3", "", nil},
			{"a game's own that fails", message.New("breaks"), "Something went wrong", "", nil},
		} {
			ada.read()
			ada.p.mu.Lock()
			ada.msgs = nil
			ada.p.mu.Unlock()
			ada.send(tt.send)
			out := ada.read()
			if tt.text == "" && out != "" {
				t.Errorf("%s: text %q, want none", tt.name, out)
			}
			expect(t, tt.name, out, tt.text)
			got := ada.last()
			if got.Name != tt.reply {
				t.Errorf("%s: reply %q, want %q", tt.name, got.Name, tt.reply)
			}
			for k, v := range tt.kw {
				if got.Kwargs[k] != v {
					t.Errorf("%s: reply has %s=%v, want %v", tt.name, k, got.Kwargs[k], v)
				}
			}
			if ada.done != ada.n {
				t.Errorf("%s: the message is not processed", tt.name)
			}
		}
		if !ada.prefs.NoColor || ada.prefs.Width != 60 || ada.prefs.Wrap != "" {
			t.Errorf("the Portal was told of %+v", ada.prefs)
		}
		if strings.Contains(g.log.String(), "password") {
			t.Error("a password may be in the log")
		}
	})
}

func TestLoginMessage(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		g.login("Ada")
		gui := g.p.connect()
		gui.send(message.New("login").With("name", "Ada").With("password", "wrong-password"))
		expect(t, "wrong", gui.read(), "do not fit together")
		gui.send(message.New("login").With("name", "Ada"))
		expect(t, "half", gui.read(), "name and password are needed")
		gui.send(message.New("secret"))
		expect(t, "needs a login", gui.read(), "not logged in")
		gui.send(message.New("login").With("name", "Ada").With("password", "tern-on-a-post"))
		expect(t, "right", gui.read(), "Welcome, |wAda|n", "Anchorage")
		gui.send(message.New("secret"))
		expect(t, "logged in", gui.read(), "the secret")
	})
}

// Whoever asks for help is told of every option.
func TestClientOptionsHelp(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.send(message.New("get_inputfuncs"))
		ada.read()
		help, _ := ada.last().Kwargs["client_options"].(string)
		expect(t, "help", help, "nocolor", "screenreader", "screenwidth", "wrap", "links", "encoding", "auto")
	})
}

// What a client says beside its text never reaches a command, but for cmdid.
func TestKwargsOfText(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.read()
		ada.send(message.Text("reload").With("caller", "root").With("args", "x").With("_testing", true).With("cmdid", "17"))
		ada.read()
		if len(g.p.actions) != 1 || g.p.actions[0].Reason != "" {
			t.Errorf("actions: %+v", g.p.actions)
		}
		if m := ada.last(); m.Kwargs["cmdid"] != "17" || len(m.Kwargs) != 1 {
			t.Errorf("the answer is %+v, want cmdid and nothing else", m)
		}
		ada.send(message.Text("nonsense").With("cmdid", "18"))
		ada.read()
		if m := ada.last(); m.Kwargs["cmdid"] != "18" {
			t.Errorf("the answer to what is no command is %+v, want cmdid", m)
		}
	})
}

func ownInputs() []server.InputFunc {
	return []server.InputFunc{
		{Name: "Tide", Args: []server.Kind{server.Int}, Run: func(in *server.Input) error {
			in.Session.Msg(fmt.Sprintf("the tide is %v", in.Arg(0)))
			return nil
		}},
		{Name: "breaks", Run: func(in *server.Input) error {
			in.Session.Msg("NEVER")
			panic("a bug")
		}},
		{Name: "secret", NeedsLogin: true, Run: func(in *server.Input) error {
			in.Session.Msg("the secret")
			return nil
		}},
	}
}
