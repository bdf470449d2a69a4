package deptest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "mudlark.dev"

// A row says which packages of the module a package may import. Names are
// relative to the module; "x/*" is every package below x.
type row struct {
	pkg string
	may []string
	not []string // exceptions from may
}

// everything stands in may for every package of the module.
const everything = "*"

// free may be imported by every package.
const free = "config"

// table has the rows from the top down. The most exact one counts: "link/unix"
// before "link/*". A package that is to be in the module needs a row.
var table = []row{
	{pkg: "cmd/*", may: []string{everything}},
	{pkg: "examples/*", may: []string{everything}},
	{pkg: "mudtest", may: []string{everything}, not: []string{"cmd/*", "examples/*"}},
	{pkg: "bench", may: []string{"bench/floor", "launch", "server", "command", "command/builtin", "world"}},
	{pkg: "chaos", may: []string{"launch", "server", "command", "command/builtin", "world", "failpoint"}},
	{pkg: "launch", may: []string{"internal/gcpace", "internal/hasher", "portal", "portal/*", "server", "store", "store/*", "link", "link/*",
		"command", "command/builtin", "ui", "world", "service", "failpoint", "lock", "inline", "markup", "session", "message", "telnet", "internal/metrics"}},
	{pkg: "portal/telnetd", may: []string{"portal", "telnet", "charset", "markup", "session", "message"}},
	{pkg: "portal/sshd", may: []string{"portal", "telnet", "charset", "markup", "session", "message"}},
	{pkg: "portal/webd", may: []string{"portal", "telnet", "markup", "session", "message"}},
	{pkg: "portal", may: []string{"internal/nonblock", "service", "failpoint", "link", "session", "message", "markup", "internal/metrics"}},
	{pkg: "server", may: []string{"command", "world", "store", "service", "failpoint", "link", "lock", "inline", "charset", "markup", "session", "message", "internal/metrics"}},
	{pkg: "command/builtin", may: []string{"command", "ui", "world", "lock", "charset", "markup", "session", "message"}},
	{pkg: "ui", may: []string{"command", "world", "lock", "markup", "session", "message"}},
	{pkg: "command", may: []string{"world", "lock", "markup", "session", "message"}},
	{pkg: "world", may: []string{"lock", "inline", "markup", "session", "message"}},
	{pkg: "store/*", may: []string{"store"}},                                          // store/storetest too: the contract test of the stores
	{pkg: "link/*", may: []string{"internal/nonblock", "link", "session", "message"}}, // link/linktest too: that of the transports
	{pkg: "store", may: []string{"message"}},
	{pkg: "link", may: []string{"session", "message"}},
	{pkg: "service"},
	{pkg: "failpoint"},
	{pkg: "lock"},
	{pkg: "telnet"},
	{pkg: "charset"},
	{pkg: "inline", may: []string{"markup"}},
	{pkg: "markup"},
	{pkg: "session"},
	{pkg: "message"},
	{pkg: free},
	{pkg: "bench/floor"}, // what the game is measured by has nothing of it
	{pkg: "bench/idle"},  // has nothing but tests
	{pkg: "internal/deptest"},
	{pkg: "internal/gcpace"},
	{pkg: "internal/hasher"},
	{pkg: "internal/nonblock"},
	{pkg: "internal/require"},
	{pkg: "internal/metrics"},
	{pkg: "internal/metrics/metricstest"},
	{pkg: "internal/clientbots", may: []string{"telnet"}},
}

// matches reports whether the pattern of a row stands for the package.
func matches(pattern, pkg string) bool {
	if pattern == everything {
		return true
	}
	if above, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(pkg, above+"/")
	}
	return pattern == pkg
}

// rowOf returns the row of a package, and false if it has none.
func rowOf(pkg string) (row, bool) {
	var best row
	found := false
	for _, r := range table {
		if matches(r.pkg, pkg) && (!found || len(r.pkg) > len(best.pkg) || r.pkg == pkg) {
			best, found = r, true
			if r.pkg == pkg {
				break
			}
		}
	}
	return best, found
}

// check returns a sentence for each arrow that the table does not have. imports
// has the imports of each package, by their names in the module.
func check(imports map[string][]string) []string {
	var wrong []string
	for _, pkg := range slices.Sorted(maps.Keys(imports)) {
		r, ok := rowOf(pkg)
		if !ok {
			wrong = append(wrong, fmt.Sprintf("package %s has no row in the import table: decide what it may import, and add it to internal/deptest", pkg))
			continue
		}
		is := func(to string) func(string) bool {
			return func(pattern string) bool { return matches(pattern, to) }
		}
		for _, to := range imports[pkg] {
			if to == free || slices.ContainsFunc(r.may, is(to)) && !slices.ContainsFunc(r.not, is(to)) {
				continue
			}
			wrong = append(wrong, fmt.Sprintf("%s imports %s, but the rule for %s is: %s", pkg, to, r.pkg, r.rule()))
		}
	}
	return wrong
}

// rule says what the row allows.
func (r row) rule() string {
	s := "nothing of the module"
	switch {
	case slices.Contains(r.may, everything):
		s = "anything"
	case len(r.may) > 0:
		s = "only " + strings.Join(r.may, ", ")
	}
	if len(r.not) > 0 {
		s += " but " + strings.Join(r.not, ", ")
	}
	return s + " (and " + free + ")"
}

// read returns the packages of the module at root and what each imports from
// it. Test files do not count. Files for other systems do, so that the table
// holds on all of them: build constraints are not looked at.
func read(root string) (map[string][]string, error) {
	imports := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if file == root {
				return nil
			}
			name := d.Name()
			if name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_' {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
				return fs.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || d.Name()[0] == '.' || d.Name()[0] == '_' {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		if _, ok := imports[pkg]; !ok {
			imports[pkg] = nil // a package of tests alone needs a row as well
		}
		if strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, s := range f.Imports {
			full, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: import %s: %w", file, s.Path.Value, err)
			}
			to, ok := strings.CutPrefix(full, module+"/")
			if ok && !slices.Contains(imports[pkg], to) {
				imports[pkg] = append(imports[pkg], to)
			}
		}
		return nil
	})
	return imports, err
}

// root returns the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.HasPrefix(string(data), "module "+module+"\n") {
		t.Fatalf("%s is not the folder of the module %s: %v", dir, module, err)
	}
	return dir
}

func TestImports(t *testing.T) {
	imports, err := read(root(t))
	if err != nil {
		t.Fatal(err)
	}
	// Guards against a walk that finds nothing.
	for _, pkg := range []string{"link", "portal", "server", "internal/deptest"} {
		if _, ok := imports[pkg]; !ok {
			t.Errorf("package %s was not found", pkg)
		}
	}
	if !slices.Contains(imports["portal"], "link") {
		t.Error("portal was not seen to import link")
	}
	for _, s := range check(imports) {
		t.Error(s)
	}
}

// TestCheck has arrows that are none, each with the sentence that says so, and
// some that are.
func TestCheck(t *testing.T) {
	tests := []struct{ from, to, want string }{
		{"portal", "world", "portal imports world, but the rule for portal is: only internal/nonblock, service, failpoint, link, session, message, markup, internal/metrics (and config)"},
		{"portal", "portal/telnetd", "portal imports portal/telnetd, but the rule for portal is: only internal/nonblock, service, failpoint, link, session, message, markup, internal/metrics (and config)"},
		{"server", "portal", "server imports portal, but the rule for server is: only command, world, store, service, failpoint, link, lock, inline, charset, markup, session, message, internal/metrics (and config)"},
		{"server", "store/sqlite", "server imports store/sqlite, but the rule for server is: only command, world, store, service, failpoint, link, lock, inline, charset, markup, session, message, internal/metrics (and config)"},
		{"portal/telnetd", "link", "portal/telnetd imports link, but the rule for portal/telnetd is: only portal, telnet, charset, markup, session, message (and config)"},
		{"store/sqlite", "message", "store/sqlite imports message, but the rule for store/* is: only store (and config)"},
		{"link/unix", "portal", "link/unix imports portal, but the rule for link/* is: only internal/nonblock, link, session, message (and config)"},
		{"message", "session", "message imports session, but the rule for message is: nothing of the module (and config)"},
		{"config", "message", "config imports message, but the rule for config is: nothing of the module (and config)"},
		{"mudtest", "cmd/mudlark", "mudtest imports cmd/mudlark, but the rule for mudtest is: anything but cmd/*, examples/* (and config)"},
		{"launch", "internal/require", "launch imports internal/require, but the rule for launch is: only internal/gcpace, internal/hasher, portal, portal/*, server, store, store/*, link, link/*, command, command/builtin, ui, world, service, failpoint, lock, inline, markup, session, message, telnet, internal/metrics (and config)"},
		{"util", "", "package util has no row in the import table: decide what it may import, and add it to internal/deptest"},
		{"portal/gopherd", "portal", "package portal/gopherd has no row in the import table: decide what it may import, and add it to internal/deptest"},
		{"internal/other", "", "package internal/other has no row in the import table: decide what it may import, and add it to internal/deptest"},
		{"portal", "link", ""},
		{"message", "config", ""},
		{"mudtest", "launch", ""},
		{"cmd/mudlark", "examples/mudflat", ""},
		{"store/storetest", "store", ""},
		{"link/linktest", "message", ""},
	}
	for _, tt := range tests {
		imports := map[string][]string{tt.from: nil}
		if tt.to != "" {
			imports[tt.from] = []string{tt.to}
		}
		got := strings.Join(check(imports), "\n")
		if got != tt.want {
			t.Errorf("%s to %s:\n got %q\nwant %q", tt.from, tt.to, got, tt.want)
		}
	}
}

// TestRead finds a wrong arrow in files: behind a build constraint, and not in
// test files, in testdata or in a module of its own.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"portal/portal.go":           "package portal\n\nimport \"mudlark.dev/link\"\n",
		"portal/conn_plan9.go":       "package portal\n\nimport (\n\t\"net\"\n\tw \"mudlark.dev/world\"\n)\n",
		"portal/portal_test.go":      "package portal_test\n\nimport \"mudlark.dev/server\"\n",
		"portal/testdata/x/x.go":     "package x\n\nimport \"mudlark.dev/store\"\n",
		"portal/_old/x.go":           "package x\n\nimport \"mudlark.dev/store\"\n",
		"examples/alone/go.mod":      "module alone\n",
		"examples/alone/internal.go": "package alone\n\nimport \"mudlark.dev/store\"\n",
		"extra/only_test.go":         "package extra\n",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	imports, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range imports {
		slices.Sort(to)
	}
	want := map[string][]string{"portal": {"link", "world"}, "extra": nil}
	if !maps.EqualFunc(imports, want, slices.Equal) {
		t.Fatalf("read = %v, want %v", imports, want)
	}
	got := strings.Join(check(imports), "\n")
	if n := strings.Count(got, "\n") + 1; n != 2 || !strings.Contains(got, "portal imports world, but") || !strings.Contains(got, "package extra has no row") {
		t.Errorf("check = %q, want sentences for portal to world and for extra", got)
	}
}

// TestTable finds slips in the table itself.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range table {
		if seen[r.pkg] {
			t.Errorf("%s has two rows", r.pkg)
		}
		seen[r.pkg] = true
	}
	for _, r := range table {
		for _, to := range r.may {
			if to != everything && !seen[to] && !seen[path.Dir(to)] && !strings.HasSuffix(to, "/*") {
				t.Errorf("%s may import %s, which has no row", r.pkg, to)
			}
		}
	}
}
