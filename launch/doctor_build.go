package launch

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// toolPeriod is how long a tool may take to say its version.
const toolPeriod = 20 * time.Second

// toolchain looks whether a reload can build the game.
func (x *examination) toolchain() {
	const check = "go"
	if x.conf == nil {
		return
	}
	words := x.conf.Reload.Build
	module, err := hasModule(x.dir)
	switch {
	case err != nil:
		x.problem(check, "make go.mod readable for the user of the game", "%v", err)
		return
	case x.conf.Reload.BuildSet && len(words) == 0:
		x.ok(check, "not needed: a reload builds nothing")
		return
	case x.conf.Reload.BuildSet && words[0] != "go":
		if _, err := exec.LookPath(words[0]); err != nil && !strings.Contains(words[0], "/") {
			x.problem(check, "install it, or correct reload.build", "a reload runs %q, which is not found", words[0])
			return
		}
		x.ok(check, "a reload runs %q, which sees to itself", strings.Join(words, " "))
		return
	case !module:
		x.ok(check, "not needed: there is no go.mod, so a reload builds nothing")
		return
	}
	have, policy, err := goVersion(x.ctx)
	if err != nil {
		x.problem(check, `install Go, or set reload.build = "" to reload the binary that is there`, "a reload builds the game: %s", errText(err))
		return
	}
	want, err := goDirective(x.dir.path("go.mod"))
	if err != nil {
		x.problem(check, "correct go.mod", "%v", err)
		return
	}
	x.compareGo(have, want, policy)
}

// compareGo judges the Go that is there by what go.mod wants. Policy is
// GOTOOLCHAIN.
func (x *examination) compareGo(have, want, policy string) {
	const check = "go"
	switch {
	case want == "" || version.Compare(have, "go"+want) >= 0:
		x.ok(check, "%s is there for reloads", have)
	case policy == "local":
		x.problem(check, "install go"+want+" or a later one, or allow it to be fetched: go env -w GOTOOLCHAIN=auto",
			"go.mod asks for go%s and %s is there", want, have)
	default:
		x.warn(check, "install go"+want+" or a later one",
			"go.mod asks for go%s and %s is there, so the next build has to fetch the other one", want, have)
	}
}

// goVersion asks the go command for its version, beside any module, and for
// what it does when that is too old.
func goVersion(ctx context.Context) (have, policy string, err error) {
	ctx, cancel := context.WithTimeout(ctx, toolPeriod)
	defer cancel()
	var out, words headBuffer
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOTOOLCHAIN")
	cmd.Dir = os.TempDir()
	cmd.Stdout, cmd.Stderr = &out, &words
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return "", "", fmt.Errorf("go env: %w %s", err, oneLine(words.String()))
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) < 2 || !version.IsValid(lines[0]) {
		return "", "", fmt.Errorf("go env says %q, which is no version", out.String())
	}
	policy, _, _ = strings.Cut(strings.TrimSpace(lines[1]), "+")
	return lines[0], policy, nil
}

// goDirective returns the version of the line "go" in a go.mod, or "" if it has
// none.
func goDirective(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sc := bufio.NewScanner(bytes.NewReader(data))
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "//")
		f := strings.Fields(line)
		if len(f) != 2 || f[0] != "go" {
			continue
		}
		if !version.IsValid("go" + f[1]) {
			return "", fmt.Errorf("%s: go %s is no version", path, f[1])
		}
		return f[1], nil
	}
	return "", sc.Err()
}

// sqlite and libc are the modules of the store. The first is a translation from
// C that is made for one version of the second: with any other it may crash or
// damage the world, and go.mod does not keep the two together.
const (
	sqliteModule = "modernc.org/sqlite"
	libcModule   = "modernc.org/libc"
)

// libcFor tells which libc each sqlite was made for, as the go.mod of sqlite
// says. The last one is what Mudlark is built and tested with.
var libcFor = []struct{ sqlite, libc string }{
	{"v1.61.1", "v1.79.0"},
}

// modules looks whether the modules of this build go together.
func (x *examination) modules(info *debug.BuildInfo) {
	const check = "modules"
	if info == nil {
		x.warn(check, "build the game with the go command", "this program does not say what it was built from")
		return
	}
	sqlite, libc := findModule(info, sqliteModule), findModule(info, libcModule)
	if sqlite == nil || libc == nil || sqlite.Version == "" || libc.Version == "" {
		x.warn(check, "build the game with the go command, without replacing "+sqliteModule+" or "+libcModule,
			"this program does not say which %s and %s are in it", sqliteModule, libcModule)
		return
	}
	i := slices.IndexFunc(libcFor, func(p struct{ sqlite, libc string }) bool { return p.sqlite == sqlite.Version })
	switch {
	case i < 0:
		tested := libcFor[len(libcFor)-1]
		x.warn(check, fmt.Sprintf("go get %s@%s %s@%s, and build again", sqliteModule, tested.sqlite, libcModule, tested.libc),
			"%s %s is not the one that Mudlark is tested with; it must have the %s that its own go.mod names, and this build has %s", sqliteModule, sqlite.Version, libcModule, libc.Version)
	case libcFor[i].libc != libc.Version:
		x.problem(check, fmt.Sprintf("stop the game, go get %s@%s, and build again", libcModule, libcFor[i].libc),
			"%s %s is made for %s %s and this build has %s: it may crash or damage the world", sqliteModule, sqlite.Version, libcModule, libcFor[i].libc, libc.Version)
	default:
		x.ok(check, "%s %s and %s %s go together", sqliteModule, sqlite.Version, libcModule, libc.Version)
	}
}
