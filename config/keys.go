package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Key is one setting.
type Key struct {
	Name    string // as in "telnet.listen"
	Default string // as one writes it after --set; of reload.build, what is done without it
	Doc     string // one sentence or two, with unit and range
	Restart bool   // a change takes a restart of the Portal; otherwise a reload does

	// set takes what a file may hold: string, int64, float64, bool, []any,
	// map[string]any or a date; or a word.
	set func(c *Config, v any) error
}

// A word is a value from the environment or after --set, where everything is
// text. In a file a number or a yes has a type of its own, and a text that reads
// like one is a mistake.
type word string

// Env returns the name of the environment variable that sets the key.
func (k Key) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// EnvPrefix begins the names of the environment variables that are settings.
const EnvPrefix = "MUDLARK_"

// Keys returns all settings in the order of the documentation.
func Keys() []Key {
	return []Key{
		{Name: "game.name", Default: "", Doc: "The game's name for players; empty means the one in its code.",
			set: text(func(c *Config, s string) error { c.Game.Name = s; return nil })},
		{Name: "telnet.listen", Default: "127.0.0.1:4000", Restart: true,
			Doc: "Where telnet is offered: host:port, or a list of them; empty means nowhere. Port 0 takes any free one. After an address, what is to be other there: `:4001 -mccp2 charset=IBM437`.",
			set: list(func(c *Config, v []string) error {
				c.Telnet.Listen = v
				return checkPorts(v)
			})},
		{Name: "telnet.options", Default: "", Restart: true,
			Doc: "Telnet options that are switched: `mxp` or `+mxp` on, `-mxp` off. They are " + strings.Join(TelnetOptions(), ", ") + "; all are on but mccp3.",
			set: list(func(c *Config, v []string) error {
				c.Telnet.Options = v
				return checkOptions(v, false)
			})},
		{Name: "telnet.charset", Default: "UTF-8", Restart: true,
			Doc: "The encoding of clients that tell nothing of theirs, such as UTF-8, ISO-8859-1, WINDOWS-1252, IBM437 or KOI8-R.",
			set: text(func(c *Config, s string) error {
				if s == "" {
					return errors.New("it is the name of an encoding")
				}
				c.Telnet.Charset = s
				return nil
			})},
		{Name: "telnet.keepalive", Default: "1m", Restart: true,
			Doc: "A client that was sent nothing for so long is sent a command that does nothing, so that what lies between keeps the connection: at least 1s; 0 is never.",
			set: duration(time.Second, func(c *Config, d time.Duration) { c.Telnet.KeepAlive = d })},
		{Name: "telnet.plain_login", Default: "false",
			Doc: "Programs may send passwords in messages (GMCP Char.Login) without TLS, where others may read them on the way.",
			set: flag(func(c *Config, on bool) { c.Telnet.PlainLogin = on })},
		{Name: "telnet.tls_listen", Default: "", Restart: true,
			Doc: "Where telnet is offered by TLS, written as `telnet.listen`; empty means nowhere.",
			set: list(func(c *Config, v []string) error {
				c.Telnet.TLSListen = v
				return checkPorts(v)
			})},
		{Name: keyTLSCert, Default: "", Restart: true,
			Doc: "The file of the certificate for TLS and those that vouch for it, in PEM; a path that is not absolute begins in the game's folder. When the file changes it is read again. Empty means that the game makes a certificate of its own, `data/cert.pem`, at its first start.",
			set: text(func(c *Config, s string) error { c.Telnet.TLSCert = s; return nil })},
		{Name: keyTLSKey, Default: "", Restart: true,
			Doc: "The file of the key to `telnet.tls_cert`, in PEM. Both are set or neither.",
			set: text(func(c *Config, s string) error { c.Telnet.TLSKey = s; return nil })},
		{Name: "reload.build", Default: "go build, where the folder has a go.mod",
			Doc: "The command that builds the game before a reload, run in the game's folder: a text that is split at spaces, or a list. Empty means that nothing is built and the program on disk is taken.",
			set: func(c *Config, v any) error {
				words, err := wordsOf(v)
				if err == nil && len(words) > 0 && strings.TrimSpace(words[0]) == "" {
					err = errors.New("the first of the list is the program to run, and it is empty")
				}
				c.Reload.Build, c.Reload.BuildSet = words, true
				return err
			}},
		{Name: "reload.trial", Default: "30s", Restart: true,
			Doc: "A new build whose Server dies by its own fault within this time after a reload gives way to the build before, by itself. 0 is off.",
			set: duration(time.Second, func(c *Config, d time.Duration) { c.Reload.Trial = d })},
		{Name: "store.durability", Default: "process",
			Doc: `What a commit survives: "process" a killed process, "power" a power cut as well, at the price of milliseconds.`,
			set: text(func(c *Config, s string) error {
				if s != "process" && s != "power" {
					return errors.New(`it is "process" or "power"`)
				}
				c.Store.Durability = s
				return nil
			})},
		{Name: "limits.connections_per_second", Default: "20", Restart: true, Doc: "New connections per second, all addresses together. 0 is off.",
			set: number(0, 1<<20, func(c *Config, n int) { c.Limits.ConnectionsPerSecond = n })},
		{Name: "limits.connections_per_address", Default: "20", Restart: true, Doc: "Connections that one address has open at once; an IPv6 address is its /64. 0 is off.",
			set: number(0, 1<<20, func(c *Config, n int) { c.Limits.ConnectionsPerAddress = n })},
		{Name: "limits.messages_per_second", Default: "50", Restart: true, Doc: "Lines and other messages per second of one session. What is faster is taken later, not lost. 0 is off.",
			set: number(0, 1<<20, func(c *Config, n int) { c.Limits.MessagesPerSecond = n })},
		{Name: "limits.line_bytes", Default: "4096", Restart: true, Doc: "Bytes of the longest line that is taken, from 64 to 65536.",
			set: number(64, 65536, func(c *Config, n int) { c.Limits.LineBytes = n })},
		{Name: "limits.login_failures", Default: "5", Doc: "Failed logins of one address within 5 minutes. 0 is off.",
			set: number(0, 1<<20, func(c *Config, n int) { c.Limits.LoginFailures = n })},
		{Name: "limits.account_creations", Default: "5", Doc: "Accounts that one address may create within 10 minutes. 0 is off.",
			set: number(0, 1<<20, func(c *Config, n int) { c.Limits.AccountCreations = n })},
		{Name: "portal.render_cache", Default: "4194304", Restart: true,
			Doc: "How many bytes are kept of how texts are encoded for each kind of client, so that what is shown often is encoded once: to 1073741824; 0 is none.",
			set: number(0, 1<<30, func(c *Config, n int) { c.Portal.RenderCache = n })},
		{Name: "portal.strict", Default: "false", Restart: true, Doc: "A service or plugin that fails at the start ends the Portal, instead of being reported.",
			set: flag(func(c *Config, on bool) { c.Portal.Strict = on })},
		{Name: "portal.trusted_proxies", Default: "", Restart: true,
			Doc: "Proxies whose connections begin with a header of the PROXY protocol, version 1 or 2, from which the client's address is taken: addresses such as `192.0.2.7`, or networks such as `10.0.0.0/8`. A connection of theirs without a header is closed. Nobody else's header is believed.",
			set: list(func(c *Config, v []string) error {
				var err error
				c.Portal.TrustedProxies, err = prefixes(v)
				return err
			})},
		{Name: "server.hang", Default: "10s", Restart: true, Doc: "A Server whose loop does not answer for so long is killed and replaced: at least 1s; 0 is never.",
			set: duration(time.Second, func(c *Config, d time.Duration) { c.Server.Hang = d })},
		{Name: "server.slow", Default: "100ms", Doc: "A command that holds the loop for longer is logged: at least 1ms; 0 is never.",
			set: duration(time.Millisecond, func(c *Config, d time.Duration) { c.Server.Slow = d })},
		{Name: "server.slow_turn", Default: "10ms", Doc: "A turn that holds the loop for longer is kept for a minute, for `mudlark turns`: at least 1ms; 0 is never.",
			set: duration(time.Millisecond, func(c *Config, d time.Duration) { c.Server.SlowTurn = d })},
		{Name: "admin.addr", Default: "127.0.0.1:4005", Restart: true,
			Doc: "Where metrics, health and profiles are offered by HTTP, to this machine alone: host:port, the host `localhost` or an address such as 127.0.0.1 or [::1]. Port 0 takes any free one; `off` or empty means nowhere.",
			set: text(func(c *Config, s string) error {
				if c.Admin.Addr = s; s == "" || s == "off" {
					c.Admin.Addr = ""
					return nil
				}
				return checkLoopback(s)
			})},
		{Name: "log.level", Default: "info", Doc: "What is logged: debug, info, warn or error.",
			set: text(func(c *Config, s string) error {
				for name, l := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
					if s == name {
						c.Log.Level = l
						return nil
					}
				}
				return errors.New("it is debug, info, warn or error")
			})},
	}
}

// The keys that are set together.
const (
	keyTLSCert = "telnet.tls_cert"
	keyTLSKey  = "telnet.tls_key"
)

// Default returns the settings of a game that sets nothing.
func Default() *Config {
	c := &Config{}
	for _, k := range Keys() {
		if k.Name == "reload.build" {
			continue // unset: the game's folder decides
		}
		if err := k.set(c, word(k.Default)); err != nil {
			panic("config: default of " + k.Name + ": " + err.Error())
		}
	}
	return c
}

func text(set func(*Config, string) error) func(*Config, any) error {
	return func(c *Config, v any) error {
		switch v := v.(type) {
		case string:
			return set(c, v)
		case word:
			return set(c, string(v))
		}
		return errors.New("it is a text")
	}
}

func flag(set func(*Config, bool)) func(*Config, any) error {
	return func(c *Config, v any) error {
		switch v := v.(type) {
		case bool:
			set(c, v)
			return nil
		case word:
			if v == "true" || v == "false" {
				set(c, v == "true")
				return nil
			}
		}
		return errors.New("it is true or false")
	}
}

func number(least, most int, set func(*Config, int)) func(*Config, any) error {
	return func(c *Config, v any) error {
		var n int64
		switch v := v.(type) {
		case int64:
			n = v
		case word:
			var err error
			if n, err = strconv.ParseInt(strings.TrimSpace(string(v)), 10, 64); err != nil {
				return fmt.Errorf("it is a whole number from %d to %d", least, most)
			}
		default:
			return fmt.Errorf("it is a whole number from %d to %d", least, most)
		}
		if n < int64(least) || n > int64(most) {
			return fmt.Errorf("it is a whole number from %d to %d, not %d", least, most, n)
		}
		set(c, int(n))
		return nil
	}
}

func duration(least time.Duration, set func(*Config, time.Duration)) func(*Config, any) error {
	return func(c *Config, v any) error {
		wrong := fmt.Errorf(`it is a time such as "2s" or "500ms", from %v to 24h, or 0`, least)
		var d time.Duration
		switch v := v.(type) {
		case int64:
			if v != 0 {
				return wrong
			}
		case string:
			var err error
			if d, err = time.ParseDuration(v); err != nil {
				return wrong
			}
		case word:
			var err error
			if d, err = time.ParseDuration(strings.TrimSpace(string(v))); err != nil {
				return wrong
			}
		default:
			return wrong
		}
		if d != 0 && d < least || d > 24*time.Hour {
			return wrong
		}
		set(c, d)
		return nil
	}
}

// list takes a list of texts, or one text with commas.
func list(set func(*Config, []string) error) func(*Config, any) error {
	return func(c *Config, v any) error {
		var out []string
		if w, ok := v.(word); ok {
			v = string(w)
		}
		switch v := v.(type) {
		case string:
			for part := range strings.SplitSeq(v, ",") {
				if part = strings.TrimSpace(part); part != "" {
					out = append(out, part)
				}
			}
		case []any:
			var err error
			if out, err = wordsOf(v); err != nil {
				return err
			}
		default:
			return errors.New("it is a text or a list of texts")
		}
		return set(c, out)
	}
}

func wordsOf(v any) ([]string, error) {
	switch v := v.(type) {
	case word:
		return strings.Fields(string(v)), nil
	case string:
		return strings.Fields(v), nil
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, errors.New("it is a list of texts")
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, errors.New("it is a text or a list of texts")
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: the port is a number from 0 to 65535", addr)
	}
	return nil
}

// checkLoopback checks an address that nobody but this machine reaches.
func checkLoopback(addr string) error {
	if err := checkAddr(addr); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%q is not of this machine alone, as 127.0.0.1, [::1] and localhost are: whoever comes from elsewhere is to come through an ssh tunnel, or a reverse proxy that asks who they are", addr)
}

// prefixes reads addresses and networks.
func prefixes(entries []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, e := range entries {
		p, err := netip.ParsePrefix(e)
		if addr, addrErr := netip.ParseAddr(e); addrErr == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf(`%q is no address and no network such as "10.0.0.0/8"`, e)
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("%q: an IPv4 address is written as such, %v", e, p.Addr().Unmap())
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("%q: the network of that length is %v", e, p.Masked())
		}
		out = append(out, p)
	}
	return out, nil
}
