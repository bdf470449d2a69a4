package session_test

import (
	"fmt"
	"strings"
	"testing"

	"mudlark.dev/session"
)

func TestPackages(t *testing.T) {
	var none session.Packages
	p := none.Set([]string{"Room 1", "Char 1", "Char.Skills 1", "", "  ", "a,b 1"})
	if want := session.Packages("char 1,char.skills 1,room 1"); p != want {
		t.Fatalf("Set = %q, want %q", p, want)
	}
	for name, want := range map[string]bool{
		"Char": true, "char.vitals": true, "Char.Skills.List": true, "Room.Info": true, "room": true,
		"Char.Items": false, "Char.Items.List": false, "Char.Login.Default": false, "Roo": false, "Rooms": false, "": false, ".": false, "IRE.Rift": false,
	} {
		if got := p.Has(name); got != want {
			t.Errorf("%q.Has(%q) = %v, want %v", p, name, got, want)
		}
	}
	if none.Has("Char") || none.Has("") {
		t.Error("the empty set has something")
	}
	p = p.Add([]string{"char 2", "IRE.Rift 1"})
	if want := session.Packages("char 2,char.skills 1,ire.rift 1,room 1"); p != want {
		t.Errorf("Add = %q, want %q: the new version counts", p, want)
	}
	p = p.Remove([]string{"Char", "ROOM 9", "unknown"})
	if want := session.Packages("char.skills 1,ire.rift 1"); p != want {
		t.Errorf("Remove = %q, want %q", p, want)
	}
	if p := p.Set(nil); p != "" {
		t.Errorf("Set(nil) = %q", p)
	}
}

// TestPackagesBounded shows what is kept of a client that lists without end.
func TestPackagesBounded(t *testing.T) {
	var list []string
	for i := range 1000 {
		list = append(list, fmt.Sprintf("P%d 1", i), strings.Repeat("x", 100))
	}
	p := session.Packages("").Set(list)
	if n := strings.Count(string(p), ",") + 1; n != 64 {
		t.Errorf("%d packages are kept, want 64", n)
	}
	if len(p) > 64*65 {
		t.Errorf("%d bytes are kept", len(p))
	}
}
