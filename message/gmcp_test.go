package message_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"mudlark.dev/message"
)

func TestGMCPNames(t *testing.T) {
	for _, tt := range []struct{ name, pkg string }{
		{"client_options", "Core.Supports.Get"},
		{"get_inputfuncs", "Core.Commands.Get"},
		{"get_value", "Char.Value.Get"},
		{"repeat", "Char.Repeat.Update"},
		{"monitor", "Char.Monitor.Update"},
		{"client_gui", "Client.GUI"},
		{"msdp", "MSDP"},
		{"hello", "Core.Hello"},
		{"goodbye", "Core.Goodbye"},
		{"supports_set", "Supports.Set"},
		{"char_vitals", "Char.Vitals"},
		{"char_login_result", "Char.Login.Result"},
		{"room_info", "Room.Info"},
		{"comm_channel_text", "Comm.Channel.Text"},
		{"char_value_get", "Core.Char.Value.Get"}, // Char.Value.Get is get_value
		{"core_hello", "Core.Core.Hello"},         // Core.Hello is hello
		{"a__b", "A..B"},
		{"_a", ".A"},
		{"a_", "A."},
		{"core_", "Core.Core."},
		{"core", "Core.Core"},
		{"_", "."},
		{"x-1", "Core.X-1"},
	} {
		if got := message.GMCPPackage(tt.name); got != tt.pkg {
			t.Errorf("GMCPPackage(%q) = %q, want %q", tt.name, got, tt.pkg)
		}
		if got := message.GMCPMessage(tt.pkg); got != tt.name {
			t.Errorf("GMCPMessage(%q) = %q, want %q", tt.pkg, got, tt.name)
		}
	}
	// Capitals that the game gives are kept, and case does not count on the way in.
	if got := message.GMCPPackage("MyGame_WeatherMap"); got != "MyGame.WeatherMap" {
		t.Errorf("capitals are not kept: %q", got)
	}
	for pkg, name := range map[string]string{
		"core.hello": "hello", "CORE.SUPPORTS.SET": "supports_set", "char.statusvars": "char_statusvars", "Char.Items.Inv": "char_items_inv",
	} {
		if got := message.GMCPMessage(pkg); got != name {
			t.Errorf("GMCPMessage(%q) = %q, want %q", pkg, got, name)
		}
	}
}

// TestGMCPNamesAll goes through every short name of an alphabet that has all
// that the rule looks at.
func TestGMCPNamesAll(t *testing.T) {
	parts := []string{"", "a", "core", "char", "value", "get", "-", "7", "supports"}
	seen := map[string]string{}
	var names []string
	for _, a := range parts {
		names = append(names, a)
		for _, b := range parts {
			names = append(names, a+"_"+b)
			for _, c := range parts {
				names = append(names, a+"_"+b+"_"+c)
			}
		}
	}
	for _, name := range names {
		if message.New(name).Check() != nil {
			continue
		}
		pkg := message.GMCPPackage(name)
		if got := message.GMCPMessage(pkg); got != name {
			t.Errorf("%q travels as %q and arrives as %q", name, pkg, got)
		}
		if other, ok := seen[strings.ToLower(pkg)]; ok && other != name {
			t.Errorf("%q and %q both travel as %q", name, other, pkg)
		}
		seen[strings.ToLower(pkg)] = name
	}
}

func TestGMCPData(t *testing.T) {
	list, dict := []any{int64(1)}, map[string]any{"a": true}
	for _, tt := range []struct {
		m    message.Message
		data string
	}{
		{message.New("x"), ``},
		{message.New("x", "hi"), `"hi"`},
		{message.New("x", ""), `""`},
		{message.New("x", nil), `null`},
		{message.New("x", 0), `0`},
		{message.New("x", false), `false`},
		{message.New("x", 1.5), `1.5`},
		{message.New("x", 1, "b"), `[1,"b"]`},
		{message.New("x", list), `[[1]]`},
		{message.New("x", dict), `[{"a":true}]`},
		{message.New("x", []any{}), `[[]]`},
		{message.New("x").With("a", 0), `{"a":0}`},
		{message.New("x", 1).With("a", ""), `[[1],{"a":""}]`},
		{message.New("x", list, dict), `[[[1],{"a":true}],{}]`},
		{message.New("x", list, dict).With("b", nil), `[[[1],{"a":true}],{"b":null}]`},
		{message.New("x", "a\nb\x00\u2028"), `"a\nb\u0000\u2028"`},
	} {
		got, err := tt.m.AppendGMCP(nil)
		if err != nil || string(got) != tt.data {
			t.Errorf("%+v: AppendGMCP = %s, %v; want %s", tt.m, got, err, tt.data)
		}
		back, isJSON, err := message.FromGMCP("Core.X", got)
		if err != nil || !isJSON || !reflect.DeepEqual(back, tt.m) {
			t.Errorf("%s: FromGMCP = %+v, %v, %v; want %+v", got, back, isJSON, err, tt.m)
		}
	}
	if _, err := message.New("x", struct{}{}).AppendGMCP(nil); err == nil {
		t.Error("a value of another type was encoded")
	}
}

func TestGMCPNoJSON(t *testing.T) {
	for _, tt := range []struct {
		data string
		want message.Message
		json bool
	}{
		{`north`, message.New("x", "north"), false},
		{`{bad`, message.New("x", "{bad"), false},
		{`12 13`, message.New("x", "12 13"), false},
		{"\xff", message.New("x", "\uFFFD"), false},
		{` [] `, message.New("x"), true},
		{`{}`, message.New("x"), true},
		{`[[],{}]`, message.New("x"), true},
	} {
		got, isJSON, err := message.FromGMCP("Core.X", []byte(tt.data))
		if err != nil || isJSON != tt.json || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: FromGMCP = %+v, %v, %v; want %+v, %v", tt.data, got, isJSON, err, tt.want, tt.json)
		}
	}
	for _, pkg := range []string{"", "Core.", "A B", "ä", strings.Repeat("x", 65)} {
		if m, _, err := message.FromGMCP(pkg, nil); !errors.Is(err, message.ErrBadName) {
			t.Errorf("FromGMCP(%q) = %+v, %v; want ErrBadName", pkg, m, err)
		}
	}
}

func FuzzFromGMCP(f *testing.F) {
	f.Add("Core.Hello", []byte(`{ "client": "Mudlet", "version": "4.18.5" }`))
	f.Add("Core.Supports.Set", []byte(`["Char 1","Room 1"]`))
	f.Add("MSDP", []byte(`[[1],{"a":{}}]`))
	f.Add("Core.Ping", []byte(`120`))
	f.Fuzz(func(t *testing.T, pkg string, data []byte) {
		m, _, err := message.FromGMCP(pkg, data)
		if err != nil {
			return
		}
		out, err := m.AppendGMCP(nil)
		if err != nil {
			t.Fatalf("%+v was taken and cannot be sent: %v", m, err)
		}
		back, isJSON, err := message.FromGMCP(message.GMCPPackage(m.Name), out)
		if err != nil || !isJSON || back.Name != strings.ReplaceAll(m.Name, ".", "_") || !reflect.DeepEqual(back.Args, m.Args) || !reflect.DeepEqual(back.Kwargs, m.Kwargs) {
			t.Errorf("%q %q: %+v came back as %+v, %v", pkg, data, m, back, err)
		}
	})
}
