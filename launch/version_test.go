package launch

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"mudlark.dev/link"
	"mudlark.dev/server"
)

func TestVersionOf(t *testing.T) {
	game := Game{Game: server.Game{Name: "Mudflat", Version: "3"}}
	base := versionInfo{Game: "Mudflat", Version: "3", Go: runtime.Version(), Link: link.Version}
	with := func(change func(*versionInfo)) versionInfo {
		v := base
		change(&v)
		return v
	}
	tests := []struct {
		name string
		info *debug.BuildInfo
		want versionInfo
	}{
		{"no build info", nil, with(func(v *versionInfo) { v.Mudlark = "unknown" })},
		{"a work tree", &debug.BuildInfo{Main: debug.Module{Path: "mudlark.dev"}}, with(func(v *versionInfo) { v.Mudlark = "(devel)" })},
		{"a game", &debug.BuildInfo{
			Main:     debug.Module{Path: "example.com/game", Version: "v9.0.0"},
			Deps:     []*debug.Module{{Path: "example.com/x", Version: "v1.0.0"}, {Path: "mudlark.dev", Version: "v0.3.1"}},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
		}, with(func(v *versionInfo) { v.Mudlark, v.Commit, v.Modified = "v0.3.1", "abc", true })},
		{"a game with a replaced framework", &debug.BuildInfo{
			Main:     debug.Module{Path: "example.com/game"},
			Deps:     []*debug.Module{{Path: "mudlark.dev", Version: "v0.3.1", Replace: &debug.Module{Path: "../mudlark"}}},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}},
		}, with(func(v *versionInfo) { v.Mudlark, v.Commit = "(devel)", "abc" })},
	}
	for _, tt := range tests {
		if got := versionOf(game, tt.info); got != tt.want {
			t.Errorf("%s: versionOf = %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestVersionPrint(t *testing.T) {
	var b strings.Builder
	v := versionInfo{Game: "Mudflat", Version: "3", Mudlark: "v0.3.1", Go: "go1.26", Commit: "abc", Modified: true, Link: 1}
	if err := v.print(&b); err != nil {
		t.Fatal(err)
	}
	if want := "Mudflat 3\nMudlark  v0.3.1\nGo       go1.26\nCommit   abc, modified\nLink     1\n"; b.String() != want {
		t.Errorf("printed %q, want %q", b.String(), want)
	}
}

func TestPluginNote(t *testing.T) {
	list := strings.Fields
	tests := []struct{ old, new, want string }{
		{"", "", ""},
		{"a b", "b a", ""}, // their order is not worth a reboot
		{"a", "a b c", "New plugins of the Portal, which wait for a reboot: b, c."},
		{"a b", "b", "Removed plugins of the Portal, which stay until a reboot: a."},
		{"a b", "b c", "New plugins of the Portal, which wait for a reboot: c. Removed plugins of the Portal, which stay until a reboot: a."},
	}
	for _, tt := range tests {
		if got := pluginNote(list(tt.old), list(tt.new)); got != tt.want {
			t.Errorf("pluginNote(%q, %q) = %q, want %q", tt.old, tt.new, got, tt.want)
		}
	}
}
