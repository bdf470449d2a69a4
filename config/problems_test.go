package config_test

import (
	"strings"
	"testing"

	"mudlark.dev/config"
)

// TestAllAtOnce has a problem of every source in one load.
func TestAllAtOnce(t *testing.T) {
	const file = `log.level = "loud"

[telnet]
listn = "127.0.0.1:4000"
listen = ["127.0.0.1:4000", "nowhere"]

[limits]
line_bytes = 63
`
	c, err := config.Load(config.Sources{
		Dir:     folder(t, file),
		Environ: []string{"PATH=/bin", "MUDLARK_STORE_DURABILITY=never", "MUDLARK_LOG_LEVL=info", "MUDLARK_MINE=1"},
		Ignore:  []string{"MUDLARK_MINE"},
		Set:     []string{"server.slow", "server.hagn=1s", "server.hang=1ms", "log.level=info", "=5"},
	})
	if c != nil {
		t.Errorf("Load returned %+v with its problems", c)
	}
	check(t, "all", err, strings.TrimSpace(`
mudlark.toml:1: log.level: it is debug, info, warn or error
mudlark.toml:4: telnet.listn: unknown key; did you mean telnet.listen?
mudlark.toml:5: telnet.listen: "nowhere" is not host:port
mudlark.toml:8: limits.line_bytes: it is a whole number from 64 to 65536, not 63
MUDLARK_LOG_LEVL: it is no setting; did you mean MUDLARK_LOG_LEVEL?
MUDLARK_STORE_DURABILITY: store.durability: it is "process" or "power"
--set server.slow: it is written --set key=value
--set server.hagn: server.hagn: unknown key; did you mean server.hang?
--set server.hang: server.hang: it is a time such as "2s" or "500ms", from 1s to 24h, or 0
--set =5: it is written --set key=value`))
	if p := err.(config.Problems); p.Hint() == "" {
		t.Error("no hint")
	}
}

// TestFileProblems has one fault for each file.
func TestFileProblems(t *testing.T) {
	const number = "it is a whole number from 0 to 1048576"
	tests := []struct{ name, file, want string }{
		// Syntax: the line and the column.
		{"no value", "# x\nlog.level = \n", ":2:13: unexpected character U+000A at start of value"},
		{"open table", "[telnet\n", ":1:8: expected ']' to close table name"},
		{"bad UTF-8", "game.name = '\xff'\n", ":1:14: invalid UTF-8 character in literal string"},
		{"twice", "[limits]\nline_bytes = 100\nline_bytes = 200\n", ":3:1: key line_bytes is already defined"},
		{"table twice", "[log]\n[log]\n", ":2:2: table log already exists"},
		{"twice in dots", "log.level = 'info'\n[log]\n", ":2:2: table log already exists as defined by a dotted key"},

		// Names.
		{"unknown", "colour = 1\n", ":1: colour: unknown key"},
		{"no section", "\nlisten = 'a:1'\n", ":2: listen: unknown key; did you mean telnet.listen?"},
		{"wrong case", "Log.Level = 'info'\n", ":1: Log.Level: unknown key; did you mean log.level?"},
		{"unknown section", "[web]\nlisten = 'a:1'\n", ":2: web.listen: unknown key; did you mean telnet.listen?"},
		{"empty unknown section", "\n\n[web]\n", ":3: web: unknown key"},
		{"array of unknown tables", "[[web]]\na = 1\n[[web]]\na = 2\n", ":1: web: unknown key"},
		{"array of tables", "\n[[log]]\nlevel = 'info'\n", ":2: log: it is a section with keys of its own, and has no value"},
		{"section as value", "telnet = 4000\n", ":1: telnet: it is a section with keys of its own, and has no value"},
		{"key as section", "[log.level]\nx = 1\n", ":2: log.level.x: unknown key; did you mean log.level?"},
		{"a dot in quotes", "'log.level' = 'info'\n", `:1: "log.level": unknown key; did you mean log.level?`},
		{"an escape in quotes", "\"a\\u001b[2J\" = 1\n", `:1: "a\x1b[2J": unknown key`},
		{"empty name", "'' = 1\n", `:1: "": unknown key`},
		{"inline", "\nlimits = { line_bytes = 100, bogus = 1 }\n", ":2: limits.bogus: unknown key"},
		{"inline in inline", "\nx = { yy = { zz = 1 } }\n", ":2: x.yy.zz: unknown key"},
		{"dots in inline", "\nx = { yy.zz = 1 }\n", ":2: x.yy.zz: unknown key"},
		{"dots below a table", "[x]\n\nyy.zz = 1\n", ":3: x.yy.zz: unknown key"},
		{"empty inline", "\nlog.level = {}\n", ":2: log.level: it is a text"},

		// Types and ranges.
		{"text for a number", "limits.login_failures = '5'\n", ":1: limits.login_failures: " + number},
		{"fraction for a number", "limits.login_failures = 5.0\n", ":1: limits.login_failures: " + number},
		{"yes for a number", "limits.login_failures = true\n", ":1: limits.login_failures: " + number},
		{"below", "limits.login_failures = -1\n", ":1: limits.login_failures: " + number + ", not -1"},
		{"above", "limits.login_failures = 1048577\n", ":1: limits.login_failures: " + number + ", not 1048577"},
		{"line 0", "limits.line_bytes = 0\n", ":1: limits.line_bytes: it is a whole number from 64 to 65536, not 0"},
		{"line above", "limits.line_bytes = 65537\n", ":1: limits.line_bytes: it is a whole number from 64 to 65536, not 65537"},
		{"number for a text", "game.name = 5\n", ":1: game.name: it is a text"},
		{"date for a text", "game.name = 1979-05-27\n", ":1: game.name: it is a text"},
		{"text for a yes", "portal.strict = 'true'\n", ":1: portal.strict: it is true or false"},
		{"number for a yes", "portal.strict = 1\n", ":1: portal.strict: it is true or false"},
		{"bare seconds", "server.slow = 5\n", ":1: server.slow: it is a time such as \"2s\" or \"500ms\", from 1ms to 24h, or 0"},
		{"too short", "server.hang = '999ms'\n", ":1: server.hang: it is a time such as \"2s\" or \"500ms\", from 1s to 24h, or 0"},
		{"too long", "server.hang = '24h1ns'\n", ":1: server.hang: it is a time such as \"2s\" or \"500ms\", from 1s to 24h, or 0"},
		{"negative", "server.hang = '-1s'\n", ":1: server.hang: it is a time such as \"2s\" or \"500ms\", from 1s to 24h, or 0"},
		{"mixed list", "telnet.listen = ['a:1', 2]\n", ":1: telnet.listen: it is a list of texts"},
		{"number for a list", "telnet.listen = 4000\n", ":1: telnet.listen: it is a text or a list of texts"},
		{"port too high", "telnet.listen = 'a:65536'\n", `:1: telnet.listen: "a:65536": the port is a number from 0 to 65535`},
		{"port by name", "telnet.listen = 'a:telnet'\n", `:1: telnet.listen: "a:telnet": the port is a number from 0 to 65535`},
		{"empty address", "telnet.listen = ['']\n", `:1: telnet.listen: "" is not host:port`},
		{"TLS address", "telnet.tls_listen = ['a:1', 'nowhere']\n", `:1: telnet.tls_listen: "nowhere" is not host:port`},
		{"certificate alone", "\ntelnet.tls_cert = 'c.pem'\n", ":2: telnet.tls_cert: it needs telnet.tls_key beside it"},
		{"key alone", "telnet.tls_cert = ''\ntelnet.tls_key = 'k.pem'\n", ":2: telnet.tls_key: it needs telnet.tls_cert beside it"},
		{"no proxy", "portal.trusted_proxies = ['10.0.0.1', 'lb.example']\n", `:1: portal.trusted_proxies: "lb.example" is no address and no network such as "10.0.0.0/8"`},
		{"proxy with a port", "portal.trusted_proxies = '10.0.0.1:80'\n", `:1: portal.trusted_proxies: "10.0.0.1:80" is no address and no network such as "10.0.0.0/8"`},
		{"proxy with too many bits", "portal.trusted_proxies = '10.0.0.1/33'\n", `:1: portal.trusted_proxies: "10.0.0.1/33" is no address and no network such as "10.0.0.0/8"`},
		{"proxy beyond its length", "portal.trusted_proxies = '10.0.0.1/8'\n", `:1: portal.trusted_proxies: "10.0.0.1/8": the network of that length is 10.0.0.0/8`},
		{"proxy with a zone", "portal.trusted_proxies = 'fe80::1%eth0'\n", `:1: portal.trusted_proxies: "fe80::1%eth0" is no address and no network such as "10.0.0.0/8"`},
		{"mapped proxy", "portal.trusted_proxies = '::ffff:10.0.0.1'\n", `:1: portal.trusted_proxies: "::ffff:10.0.0.1": an IPv4 address is written as such, 10.0.0.1`},
		{"number for proxies", "portal.trusted_proxies = 10\n", ":1: portal.trusted_proxies: it is a text or a list of texts"},
		{"no program", "reload.build = ['', 'x']\n", ":1: reload.build: the first of the list is the program to run, and it is empty"},
		{"number for a build", "reload.build = 1\n", ":1: reload.build: it is a text or a list of texts"},
	}
	for _, tt := range tests {
		_, err := config.Load(config.Sources{Dir: folder(t, tt.file)})
		check(t, tt.name, err, "mudlark.toml"+tt.want)
	}
}

// TestEnvironProblems has variables that look like settings.
func TestEnvironProblems(t *testing.T) {
	tests := []struct{ entry, want string }{
		{"MUDLARK_TELNET_LISTN=a:1", "MUDLARK_TELNET_LISTN: it is no setting; did you mean MUDLARK_TELNET_LISTEN?"},
		{"MUDLARK_LISTEN=a:1", "MUDLARK_LISTEN: it is no setting; did you mean MUDLARK_TELNET_LISTEN?"},
		{"MUDLARK_telnet_listen=a:1", "MUDLARK_telnet_listen: it is no setting; did you mean MUDLARK_TELNET_LISTEN?"},
		{"MUDLARK_COLOUR=1", "MUDLARK_COLOUR: it is no setting"},
		{"MUDLARK_=1", "MUDLARK_: it is no setting"},
		{"MUDLARK_COLOUR", "MUDLARK_COLOUR: it is no setting"},
		{"MUDLARK_PORTAL_STRICT=1", "MUDLARK_PORTAL_STRICT: portal.strict: it is true or false"},
		{"MUDLARK_TELNET_TLS_KEY=k", "MUDLARK_TELNET_TLS_KEY: telnet.tls_key: it needs telnet.tls_cert beside it"},
		{"MUDLARK_LIMITS_LINE_BYTES=", "MUDLARK_LIMITS_LINE_BYTES: limits.line_bytes: it is a whole number from 64 to 65536"},
	}
	for _, tt := range tests {
		_, err := config.Load(config.Sources{Dir: folder(t, ""), Environ: []string{tt.entry}})
		check(t, tt.entry, err, tt.want)
	}
}

// TestTextSources shows what the environment and --set take, where all is text.
func TestTextSources(t *testing.T) {
	c, err := config.Load(config.Sources{
		Dir:     folder(t, ""),
		Environ: []string{"MUDLARK_LOG_LEVEL=warn", "MUDLARK_LOG_LEVEL=debug", "MUDLARK_GAME_NAME=5", "MUDLARK_TELNET_LISTEN="},
		Set:     []string{"portal.strict=true", " limits.line_bytes = 100 ", "reload.build=a=b c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The later of two variables of one name counts, whatever its value.
	if got := c.Log.Level.String(); got != "DEBUG" {
		t.Errorf("log.level = %s, want DEBUG", got)
	}
	if c.Game.Name != "5" || len(c.Telnet.Listen) != 0 || !c.Portal.Strict || c.Limits.LineBytes != 100 {
		t.Errorf("Load = %+v", c)
	}
	if got := strings.Join(c.Reload.Build, "|"); got != "a=b|c" {
		t.Errorf("reload.build = %q, want a=b|c", got)
	}
}

// TestLongName shows that a name as long as the file is answered at once.
func TestLongName(t *testing.T) {
	name := strings.Repeat("x", 1<<20-8)
	_, err := config.Load(config.Sources{Dir: folder(t, name+" = 1\n")})
	check(t, "long", err, "mudlark.toml:1: "+name+": unknown key")
}
