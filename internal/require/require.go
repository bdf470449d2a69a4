// Package require says what a test needs of the machine it runs on.
package require

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Env is the environment variable that makes a missing program or ability a
// failure instead of a skipped test: "all", or names with commas between them. CI sets it, so that no test is skipped there unseen.
const Env = "TEST_REQUIRE"

// games are folders with programs that are often left out of PATH.
var games = []string{"/usr/games", "/usr/local/games"}

// packages has the Debian package of a program whose name differs.
var packages = map[string]string{
	"tt++":   "tintin++",
	"telnet": "inetutils-telnet",
	"nc":     "netcat-openbsd",
	"ps":     "procps",

	"systemd-analyze": "systemd",
}

// Program returns the path of a program, which it looks for in PATH and then in
// the folders of games. Without it the test is skipped with what is missing and
// how to install it; or it fails, if TEST_REQUIRE is "all" or names the
// program. Like t.Skip, it is called from the test's goroutine.
func Program(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range games {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	pkg := name
	if p, ok := packages[name]; ok {
		pkg = p
	}
	const text = "the program %s is missing; on Debian and Ubuntu: apt-get install %s"
	if required(os.Getenv(Env), name) {
		t.Fatalf(text+" (%s asks for it)", name, pkg, Env)
	}
	t.Skipf(text, name, pkg)
	return ""
}

// Able skips the test if err says that this system cannot do what it needs; or it
// fails, if TEST_REQUIRE is "all" or has what in it. Like t.Skip, it is called from
// the test's goroutine.
func Able(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case required(os.Getenv(Env), what):
		t.Fatalf("this system has no %s: %v (%s asks for it)", what, err, Env)
	default:
		t.Skipf("this system has no %s: %v", what, err)
	}
}

// required reports whether the value of Env asks for the program.
func required(list, name string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool {
		s = strings.TrimSpace(s)
		return s == "all" || s == name
	})
}
