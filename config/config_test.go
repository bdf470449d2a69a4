package config_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mudlark.dev/config"
)

// folder returns a game folder with the file, or without one for "".
func folder(t testing.TB, file string) string {
	t.Helper()
	dir := t.TempDir()
	if file != "" {
		if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDefaults(t *testing.T) {
	want := &config.Config{
		Telnet: config.Telnet{Listen: []string{"127.0.0.1:4000"}, Charset: "UTF-8", KeepAlive: time.Minute},
		Store:  config.Store{Durability: "process"},
		Limits: config.Limits{ConnectionsPerSecond: 20, ConnectionsPerAddress: 20, MessagesPerSecond: 50,
			LineBytes: 4096, LoginFailures: 5, AccountCreations: 5},
		Reload: config.Reload{Trial: 30 * time.Second},
		Portal: config.Portal{RenderCache: 4 << 20},
		Server: config.Server{Hang: 10 * time.Second, Slow: 100 * time.Millisecond, SlowTurn: 10 * time.Millisecond},
		Admin:  config.Admin{Addr: "127.0.0.1:4005"},
		Log:    config.Log{Level: slog.LevelInfo},
	}
	if got := config.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("Default = %+v, want %+v", got, want)
	}
	// A file is not needed, and neither is a folder.
	for _, dir := range []string{folder(t, ""), filepath.Join(t.TempDir(), "none")} {
		got, err := config.Load(config.Sources{Dir: dir})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Load without a file = %+v, %v; want %+v", got, err, want)
		}
	}
}

// TestDefaultIsItsOwn shows that two games do not share a list.
func TestDefaultIsItsOwn(t *testing.T) {
	config.Default().Telnet.Listen[0] = "x:1"
	if got := config.Default().Telnet.Listen[0]; got != "127.0.0.1:4000" {
		t.Errorf("listen = %q after another Default was changed", got)
	}
}

func TestPrecedence(t *testing.T) {
	const file = "log.level = 'warn'\nserver.slow = '1s'\nstore.durability = 'power'\n"
	environ := []string{"MUDLARK_LOG_LEVEL=error", "MUDLARK_SERVER_SLOW=2s", "HOME=/", "MUDLARKS=5"}
	set := []string{"log.level=error", "log.level=debug"}
	tests := []struct {
		name  string
		src   config.Sources
		level slog.Level
		slow  time.Duration
	}{
		{"default", config.Sources{Dir: folder(t, "")}, slog.LevelInfo, 100 * time.Millisecond},
		{"file", config.Sources{Dir: folder(t, file)}, slog.LevelWarn, time.Second},
		{"environment", config.Sources{Dir: folder(t, file), Environ: environ}, slog.LevelError, 2 * time.Second},
		{"--set", config.Sources{Dir: folder(t, file), Environ: environ, Set: set}, slog.LevelDebug, 2 * time.Second},
		{"--set alone", config.Sources{Dir: folder(t, ""), Set: set}, slog.LevelDebug, 100 * time.Millisecond},
	}
	for _, tt := range tests {
		c, err := config.Load(tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if c.Log.Level != tt.level || c.Server.Slow != tt.slow {
			t.Errorf("%s: level %v, slow %v; want %v, %v", tt.name, c.Log.Level, c.Server.Slow, tt.level, tt.slow)
		}
	}
}

// TestFile has files that are right, in the ways in which TOML can say it.
func TestFile(t *testing.T) {
	tests := []struct {
		name, file string
		get        func(*config.Config) any
		want       any
	}{
		{"table", "[limits]\nline_bytes = 100\n", func(c *config.Config) any { return c.Limits.LineBytes }, 100},
		{"dotted", "limits.line_bytes = 100\n", func(c *config.Config) any { return c.Limits.LineBytes }, 100},
		{"inline", "limits = { line_bytes = 0x64 }\n", func(c *config.Config) any { return c.Limits.LineBytes }, 100},
		{"quoted parts", "\"limits\".'line_bytes' = 100\n", func(c *config.Config) any { return c.Limits.LineBytes }, 100},
		{"carriage returns", "[limits]\r\nline_bytes = 100\r\n", func(c *config.Config) any { return c.Limits.LineBytes }, 100},
		{"empty section", "[limits]\n", func(c *config.Config) any { return c.Limits.LineBytes }, 4096},
		{"list", "telnet.listen = ['a:1', '[::1]:0', ':2']\n", func(c *config.Config) any { return c.Telnet.Listen }, []string{"a:1", "[::1]:0", ":2"}},
		{"commas", "telnet.listen = 'a:1, b:2'\n", func(c *config.Config) any { return c.Telnet.Listen }, []string{"a:1", "b:2"}},
		{"empty list", "telnet.listen = []\n", func(c *config.Config) any { return c.Telnet.Listen }, []string(nil)},
		{"empty text", "telnet.listen = ''\n", func(c *config.Config) any { return c.Telnet.Listen }, []string(nil)},
		{"build", "reload.build = 'go build  -o {{.Out}} .'\n", func(c *config.Config) any { return c.Reload },
			config.Reload{Build: []string{"go", "build", "-o", "{{.Out}}", "."}, BuildSet: true, Trial: 30 * time.Second}},
		{"build list", "reload.build = ['./a b', '']\n", func(c *config.Config) any { return c.Reload },
			config.Reload{Build: []string{"./a b", ""}, BuildSet: true, Trial: 30 * time.Second}},
		{"no build", "reload.build = ''\n", func(c *config.Config) any { return c.Reload }, config.Reload{Build: []string{}, BuildSet: true, Trial: 30 * time.Second}},
		{"build left out", "[reload]\n", func(c *config.Config) any { return c.Reload }, config.Reload{Trial: 30 * time.Second}},
		{"port of its own", "telnet.listen = [':1 -mxp +GMCP charset=IBM437']", func(c *config.Config) any { return c.Telnet.Listen }, []string{":1 -mxp +GMCP charset=IBM437"}},
		{"options", "telnet.options = '-mxp, mccp3'", func(c *config.Config) any { return c.Telnet.Options }, []string{"-mxp", "mccp3"}},
		{"no keepalive", "telnet.keepalive = 0", func(c *config.Config) any { return c.Telnet.KeepAlive }, time.Duration(0)},
		{"TLS", "[telnet]\ntls_listen = ':4443, b:2 -mccp2'\ntls_cert = 'tls/a.pem'\ntls_key = '/k.pem'\n", func(c *config.Config) any {
			return append(c.Telnet.TLSListen, c.Telnet.TLSCert, c.Telnet.TLSKey)
		}, []string{":4443", "b:2 -mccp2", "tls/a.pem", "/k.pem"}},
		{"no certificate", "telnet = {tls_cert = '', tls_key = ''}", func(c *config.Config) any { return c.Telnet.TLSCert + c.Telnet.TLSKey }, ""},
		{"proxies", "portal.trusted_proxies = ['10.0.0.0/8', '192.0.2.7', '::1', '2001:db8::/32', '0.0.0.0/0']", func(c *config.Config) any { return c.Portal.TrustedProxies },
			[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("0.0.0.0/0")}},
		{"no proxies", "portal.trusted_proxies = ''", func(c *config.Config) any { return c.Portal.TrustedProxies }, []netip.Prefix(nil)},
		{"yes", "portal.strict = true\n", func(c *config.Config) any { return c.Portal.Strict }, true},
		{"duration 0", "server.hang = 0\n", func(c *config.Config) any { return c.Server.Hang }, time.Duration(0)},
		{"duration text 0", "server.hang = '0'\n", func(c *config.Config) any { return c.Server.Hang }, time.Duration(0)},
		{"name", "game.name = \"Mud \\u00fc\"\n", func(c *config.Config) any { return c.Game.Name }, "Mud ü"},
	}
	for _, tt := range tests {
		c, err := config.Load(config.Sources{Dir: folder(t, tt.file)})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if got := tt.get(c); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %#v, want %#v", tt.name, got, tt.want)
		}
	}
}

// TestZeroIsOff shows that 0 is kept, and not taken for what is left out.
func TestZeroIsOff(t *testing.T) {
	off := []string{"limits.connections_per_second", "limits.connections_per_address", "limits.messages_per_second",
		"limits.login_failures", "limits.account_creations", "server.hang", "server.slow", "server.slow_turn"}
	var file strings.Builder
	var environ, set []string
	for _, name := range off {
		fmt.Fprintf(&file, "%s = 0\n", name)
		environ = append(environ, "MUDLARK_"+strings.ToUpper(strings.ReplaceAll(name, ".", "_"))+"=0")
		set = append(set, name+"=0")
	}
	want := config.Default()
	want.Limits = config.Limits{LineBytes: want.Limits.LineBytes}
	want.Server = config.Server{}
	for name, src := range map[string]config.Sources{
		"file":        {Dir: folder(t, file.String())},
		"environment": {Dir: folder(t, ""), Environ: environ},
		"--set":       {Dir: folder(t, ""), Set: set},
	} {
		if got, err := config.Load(src); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: Load = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

// TestKeys shows that each key has what its users rely on, and that its default
// is what leaving it out means.
func TestKeys(t *testing.T) {
	env := map[string]string{}
	for _, k := range config.Keys() {
		if k.Doc == "" || strings.Count(k.Name, ".") != 1 {
			t.Errorf("key %+v has no text, or a name not of the form section.name", k)
		}
		if other := env[k.Env()]; other != "" {
			t.Errorf("%s and %s have the variable %s", other, k.Name, k.Env())
		}
		env[k.Env()] = k.Name
		if k.Name == "reload.build" {
			continue // its default is what is done without it
		}
		got, err := config.Load(config.Sources{Dir: folder(t, ""), Set: []string{k.Name + "=" + k.Default}})
		if err != nil || !reflect.DeepEqual(got, config.Default()) {
			t.Errorf("--set %s=%s: %+v, %v; want the defaults", k.Name, k.Default, got, err)
		}
	}
	if name := env["MUDLARK_LIMITS_LINE_BYTES"]; name != "limits.line_bytes" {
		t.Errorf("MUDLARK_LIMITS_LINE_BYTES is %q", name)
	}
}

// TestNotRegular shows that Load does not read, or wait for, what is no file.
func TestNotRegular(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, config.FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(config.Sources{Dir: dir})
	if err == nil || err.Error() != "mudlark.toml: it is not a regular file" {
		t.Errorf("a folder: Load = %v", err)
	}
	_, err = config.Load(config.Sources{Dir: folder(t, strings.Repeat("#", 1<<20)+"\n")})
	if err == nil || err.Error() != "mudlark.toml: it is longer than 1048576 bytes" {
		t.Errorf("a long file: Load = %v", err)
	}
}

// check compares the problems of one load.
func check(t *testing.T, name string, err error, want string) {
	t.Helper()
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Errorf("%s: Load = %v, want Problems", name, err)
		return
	}
	if got := problems.Error(); got != want {
		t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

func TestGameSettings(t *testing.T) {
	own := []config.Setting{
		{Name: "irc.server", Default: "localhost:6667"},
		{Name: "irc.tls", Default: "false"},
		{Name: "limits.line_bytes", Default: "9000"},
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte("[irc]\ntls = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Sources{Dir: dir, Game: own, Environ: []string{"MUDLARK_IRC_SERVER=chat:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Own["irc.server"] != "chat:1" || c.Own["irc.tls"] != "true" || len(c.Own) != 2 {
		t.Errorf("Own = %v", c.Own)
	}
	if c.Limits.LineBytes != 9000 {
		t.Errorf("line_bytes = %d, want the game's default", c.Limits.LineBytes)
	}
	c, err = config.Load(config.Sources{Game: own, Set: []string{"limits.line_bytes=100"}})
	if err != nil || c.Limits.LineBytes != 100 || c.Own["irc.server"] != "localhost:6667" {
		t.Errorf("Load = %+v, %v", c, err)
	}
	for _, tt := range []struct {
		own  []config.Setting
		set  string
		want string
	}{
		{own, "irc.port=1", `irc.port: unknown key; did you mean irc.`},
		{own, "irc=1", `irc: it is a section`},
		{[]config.Setting{{Name: "IRC"}}, "", `"IRC": a name is a section and a key`},
		{append(own, own[0]), "", `irc.server: it is declared twice`},
		{[]config.Setting{{Name: "limits.line_bytes", Default: "many"}}, "", `the game's own settings: limits.line_bytes: `},
	} {
		src := config.Sources{Game: tt.own}
		if tt.set != "" {
			src.Set = []string{tt.set}
		}
		if _, err := config.Load(src); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Load with %v and %q = %v, want %q", tt.own, tt.set, err, tt.want)
		}
	}
}
