package session_test

import (
	"errors"
	"testing"

	"mudlark.dev/session"
)

func TestIDRoundTrip(t *testing.T) {
	id := session.NewID()
	if id.IsZero() {
		t.Fatal("NewID returned the zero ID")
	}
	got, err := session.ParseID(id.String())
	if err != nil || got != id {
		t.Errorf("ParseID(%q) = %v, %v; want %v", id.String(), got, err, id)
	}
	for _, bad := range []string{"", "12", id.String() + "00", id.String()[:31] + "g"} {
		if _, err := session.ParseID(bad); !errors.Is(err, session.ErrBadID) {
			t.Errorf("ParseID(%q) = %v, want ErrBadID", bad, err)
		}
	}
}

func TestCapsOf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		info  session.Info
		prefs session.Prefs
		want  session.Caps
	}{
		{"silent client", session.Info{}, session.Prefs{}, session.Caps{Width: 80}},
		{"client's word", session.Info{Colors: session.Colors256, Width: 132, Encoding: "ISO-8859-1", Flags: 3}, session.Prefs{},
			session.Caps{Colors: session.Colors256, Width: 132, Wrap: true, Encoding: "ISO-8859-1", Flags: 3}},
		{"no colour wanted", session.Info{Colors: session.ColorsTrue, Width: 100}, session.Prefs{NoColor: true}, session.Caps{Width: 100, Wrap: true}},
		{"screen reader has no colours", session.Info{Colors: session.Colors16}, session.Prefs{ScreenReader: true},
			session.Caps{Width: 80, ScreenReader: true}},
		{"chosen encoding wins", session.Info{Encoding: "UTF-8"}, session.Prefs{Encoding: "IBM437"}, session.Caps{Width: 80, Encoding: "IBM437"}},
		{"messages beside text", session.Info{GMCP: true, MSDP: true, Packages: "char 1"}, session.Prefs{}, session.Caps{Width: 80, GMCP: true, MSDP: true, Packages: "char 1"}},
		{"chosen width wins", session.Info{Width: 100}, session.Prefs{Width: 60}, session.Caps{Width: 60, Wrap: true}},
		{"lines stay whole", session.Info{Width: 100, Links: session.LinksMXP}, session.Prefs{Wrap: "off"}, session.Caps{Width: 100, Links: session.LinksMXP}},
		{"the client breaks lines", session.Info{Width: 100, Wraps: true}, session.Prefs{}, session.Caps{Width: 100}},
		{"and is not to", session.Info{Width: 100, Wraps: true}, session.Prefs{Wrap: "on"}, session.Caps{Width: 100, Wrap: true}},
		{"nobody knows how wide", session.Info{}, session.Prefs{Wrap: "on"}, session.Caps{Width: 80, Wrap: true}},
		{"who hears has no lines, whatever was chosen", session.Info{ScreenReader: true}, session.Prefs{Wrap: "on"}, session.Caps{Width: 80, ScreenReader: true}},
		{"chosen links win", session.Info{Links: session.LinksMXP}, session.Prefs{Links: "none"}, session.Caps{Width: 80}},
		{"who hears has neither links nor lines", session.Info{Width: 100, Links: session.LinksOSC8, ScreenReader: true}, session.Prefs{}, session.Caps{Width: 100, ScreenReader: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := session.CapsOf(tt.info, tt.prefs); got != tt.want {
				t.Errorf("CapsOf(%+v, %+v) = %+v, want %+v", tt.info, tt.prefs, got, tt.want)
			}
		})
	}
}
