package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
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
			Doc: "Where telnet is offered: host:port, or a list of them; empty means nowhere. Port 0 takes any free one.",
			set: list(func(c *Config, v []string) error {
				for _, addr := range v {
					if err := checkAddr(addr); err != nil {
						return err
					}
				}
				c.Telnet.Listen = v
				return nil
			})},
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
		{Name: "portal.strict", Default: "false", Restart: true, Doc: "A service or plugin that fails at the start ends the Portal, instead of being reported.",
			set: func(c *Config, v any) error {
				switch v := v.(type) {
				case bool:
					c.Portal.Strict = v
					return nil
				case word:
					if v == "true" || v == "false" {
						c.Portal.Strict = v == "true"
						return nil
					}
				}
				return errors.New("it is true or false")
			}},
		{Name: "server.hang", Default: "10s", Restart: true, Doc: "A Server whose loop does not answer for so long is killed and replaced: at least 1s; 0 is never.",
			set: duration(time.Second, func(c *Config, d time.Duration) { c.Server.Hang = d })},
		{Name: "server.slow", Default: "100ms", Doc: "A command that holds the loop for longer is logged: at least 1ms; 0 is never.",
			set: duration(time.Millisecond, func(c *Config, d time.Duration) { c.Server.Slow = d })},
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
