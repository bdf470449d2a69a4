package config_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"mudlark.dev/config"
)

// valid reports what of a Config is out of the ranges that are documented.
func valid(t *testing.T, c *config.Config) {
	t.Helper()
	for _, addr := range slices.Concat(c.Telnet.Listen, c.Telnet.TLSListen) {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			t.Errorf("telnet.listen: %v", err)
		}
	}
	if (c.Telnet.TLSCert == "") != (c.Telnet.TLSKey == "") {
		t.Errorf("telnet.tls_cert %q, telnet.tls_key %q", c.Telnet.TLSCert, c.Telnet.TLSKey)
	}
	for _, p := range c.Portal.TrustedProxies {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			t.Errorf("portal.trusted_proxies: %v", p)
		}
	}
	l := c.Limits
	for _, n := range []int{l.ConnectionsPerSecond, l.ConnectionsPerAddress, l.MessagesPerSecond, l.LoginFailures, l.AccountCreations} {
		if n < 0 || n > 1<<20 {
			t.Errorf("limit %d", n)
		}
	}
	if l.LineBytes < 64 || l.LineBytes > 65536 {
		t.Errorf("limits.line_bytes %d", l.LineBytes)
	}
	if c.Store.Durability != "process" && c.Store.Durability != "power" {
		t.Errorf("store.durability %q", c.Store.Durability)
	}
	if d := c.Server.Hang; d != 0 && (d < time.Second || d > 24*time.Hour) {
		t.Errorf("server.hang %v", d)
	}
	if d := c.Server.Slow; d != 0 && (d < time.Millisecond || d > 24*time.Hour) {
		t.Errorf("server.slow %v", d)
	}
	if len(c.Reload.Build) > 0 && strings.TrimSpace(c.Reload.Build[0]) == "" {
		t.Errorf("reload.build %q has no program", c.Reload.Build)
	}
}

// load loads twice: the result is a valid Config or Problems, the same each time.
func load(t *testing.T, src config.Sources) {
	t.Helper()
	c, err := config.Load(src)
	_, again := config.Load(src)
	if err == nil {
		valid(t, c)
		if again != nil {
			t.Errorf("the second time: %v", again)
		}
		return
	}
	var problems config.Problems
	if c != nil || !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("Load = %v, %v; want nil and Problems", c, err)
	}
	for _, p := range problems {
		if p.Where == "" || p.Text == "" {
			t.Errorf("problem %+v lacks its place or its text", p)
		}
	}
	if again == nil || again.Error() != err.Error() {
		t.Errorf("two loads of one source: %v\nthen %v", err, again)
	}
}

func FuzzFile(f *testing.F) {
	for _, s := range []string{
		"", "[telnet]\nlisten = ['a:1', ':0']\n", "limits = {line_bytes = 3, x.y = {z = 1}}\n", "[[log]]\nlevel=1\n",
		"'log.level'='info'\nlog.level='warn'\n", "MUDLARK_X = 1\n", "server.hang = 1.5\n", "reload.build = ['']\n",
		"a = 1\na = 2\n", "game.name = '''\nx'''\n", "[a.b]\n[a]\n", "x = [{y = 1}, {y = 2}]\n", "log.level = 1979-05-27T07:32:00Z\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		load(t, config.Sources{Dir: folder(t, string(data))})
	})
}

func FuzzSet(f *testing.F) {
	for _, k := range config.Keys() {
		f.Add(k.Name+"="+k.Default, k.Env()+"="+k.Default)
	}
	f.Add("", "")
	f.Add("=", "MUDLARK_")
	f.Add("listen=a:1", "MUDLARK_LISTEN=a:1")
	f.Add("server.hang=NaN", "MUDLARK_SERVER_HANG=1e9h")
	f.Add("\xff\x1b.\n=1", "MUDLARK_\x1b=1")
	f.Fuzz(func(t *testing.T, set, env string) {
		load(t, config.Sources{Dir: t.TempDir(), Environ: []string{env}, Set: []string{set}})
	})
}
