package session_test

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"mudlark.dev/session"
)

func TestNames(t *testing.T) {
	var names session.Names
	info := func() session.Info {
		return session.Info{Client: strings.Clone("MUDLET"), Version: strings.Clone("4.17"), Packages: session.Packages(strings.Clone("char 1")), Addr: "192.0.2.1:1"}
	}
	a, b := info(), info()
	names.ShareInfo(&a)
	names.ShareInfo(&b)
	if a != info() || b != info() {
		t.Errorf("%+v and %+v, want no change", a, b)
	}
	if unsafe.StringData(a.Client) != unsafe.StringData(b.Client) || unsafe.StringData(string(a.Packages)) != unsafe.StringData(string(b.Packages)) {
		t.Error("equal texts do not share their memory")
	}
	for i := range 3000 { // it forgets, and goes on
		s := fmt.Sprint(i)
		if names.Share(&s); s != fmt.Sprint(i) {
			t.Fatalf("%d is %q", i, s)
		}
	}
}
