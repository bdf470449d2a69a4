package launch

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"mudlark.dev/config"
	"mudlark.dev/server"
)

// found has the findings as lines of text.
func found(x *examination) string {
	var b strings.Builder
	for _, f := range x.findings {
		fmt.Fprintf(&b, "%s %s: %s", f.Level, f.Check, f.Text)
		if f.Hint != "" {
			b.WriteString(" -> " + f.Hint)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// wantFinding compares findings with a regexp for all of them.
func wantFinding(t *testing.T, what string, x *examination, pattern string) {
	t.Helper()
	if got := found(x); !regexp.MustCompile(`^(?s:` + pattern + `)\n$`).MatchString(got) {
		t.Errorf("%s: found %q, want it to match %q", what, got, pattern)
	}
	for _, f := range x.findings {
		if (f.Hint == "") != (f.Level == levelOK) {
			t.Errorf("%s: %s %s has the hint %q; what is wrong has one, what is not has none", what, f.Level, f.Check, f.Hint)
		}
	}
}

func TestDoctorModules(t *testing.T) {
	build := func(sqlite, libc string) *debug.BuildInfo {
		return &debug.BuildInfo{Deps: []*debug.Module{{Path: sqliteModule, Version: sqlite}, {Path: libcModule, Version: libc}}}
	}
	last := libcFor[len(libcFor)-1]
	replaced := build(last.sqlite, last.libc)
	replaced.Deps[1].Replace = &debug.Module{Path: "../libc"}
	tests := []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"as it should be", build(last.sqlite, last.libc), `ok modules: .* go together`},
		{"another libc", build(last.sqlite, "v1.80.1"), `problem modules: .*is made for modernc.org/libc ` + last.libc + ` and this build has v1.80.1.* -> .*go get modernc.org/libc@` + last.libc + `.*`},
		{"another sqlite", build("v1.99.0", "v1.99.0"), `warning modules: .*v1.99.0 is not the one that Mudlark is tested with.*`},
		{"replaced", replaced, `warning modules: .*does not say.*`},
		{"no modules", &debug.BuildInfo{}, `warning modules: .*does not say.*`},
		{"nothing", nil, `warning modules: .*does not say.*`},
	}
	for _, tt := range tests {
		x := &examination{}
		x.modules(tt.info)
		wantFinding(t, tt.name, x, tt.want)
	}
}

// TestLibcForSqlite compares the table with what sqlite itself says, and with
// what this module is built with.
func TestLibcForSqlite(t *testing.T) {
	list := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-m", "-f"}, args...)...).Output()
		if err != nil {
			t.Fatalf("go list -m %q: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	last := libcFor[len(libcFor)-1]
	if got, want := list("{{.Version}}", sqliteModule)+" "+list("{{.Version}}", libcModule), last.sqlite+" "+last.libc; got != want {
		t.Errorf("go.mod has sqlite and libc %s, the table ends with %s", got, want)
	}
	text, err := os.ReadFile(list("{{.GoMod}}", sqliteModule))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(libcModule) + ` (\S+)`).FindStringSubmatch(string(text))
	if m == nil || m[1] != last.libc {
		t.Errorf("the go.mod of sqlite %s wants libc %q, the table says %s", last.sqlite, m, last.libc)
	}
}

func TestDoctorCode(t *testing.T) {
	x := &examination{}
	x.code(Game{})
	wantFinding(t, "an empty game", x, `ok code: .*`)
	plugin := server.Plugin{Name: "lamp", Start: func(*server.Server) error { return nil }}
	x = &examination{}
	x.code(Game{Game: server.Game{ServerPlugins: []server.Plugin{plugin, plugin}}})
	wantFinding(t, "two plugins of one name", x, `problem code: .*two plugins "lamp" -> .*`)
}

func TestDoctorGo(t *testing.T) {
	tests := []struct{ have, want, policy, level string }{
		{"go1.26.1", "1.26", "local", levelOK},
		{"go1.26.1", "1.26.1", "auto", levelOK},
		{"go1.26.1", "", "local", levelOK},
		{"go1.26.1", "1.26.2", "local", levelProblem},
		{"go1.26.1", "1.27", "auto", levelWarning},
		{"go1.26rc1", "1.26", "local", levelOK}, // 1.26 is the language, which the candidate has
	}
	for _, tt := range tests {
		x := &examination{}
		x.compareGo(tt.have, tt.want, tt.policy)
		if len(x.findings) != 1 || x.findings[0].Level != tt.level {
			t.Errorf("%+v: found %s", tt, found(x))
		}
	}
}

func TestGoDirective(t *testing.T) {
	tests := []struct{ text, want string }{
		{"module m\n\ngo 1.26\n", "1.26"},
		{"module m\ngo 1.26.3 // because\nrequire x v1.0.0\n", "1.26.3"},
		{"module m\n// go 1.5\n", ""},
		{"module m\ngo soon\n", "error"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "go.mod")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := goDirective(path)
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("goDirective of %q = %q (%v), want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestDoctorToolchain(t *testing.T) {
	conf := func(set bool, words ...string) *config.Config {
		return &config.Config{Reload: config.Reload{Build: words, BuildSet: set}}
	}
	tests := []struct {
		name  string
		conf  *config.Config
		goMod string
		path  string // PATH
		want  string
	}{
		{"no module", conf(false), "", "", `ok go: not needed: there is no go\.mod.*`},
		{"nothing is built", conf(true), "module m\ngo 1.1\n", "", `ok go: not needed: a reload builds nothing`},
		{"a command", conf(true, "sh", "build.sh"), "", os.Getenv("PATH"), `ok go: a reload runs "sh build\.sh".*`},
		{"a command that is missing", conf(true, "sh", "build.sh"), "", "/nowhere", `problem go: .*"sh", which is not found -> .*`},
		{"a module", conf(false), "module m\ngo 1.26\n", os.Getenv("PATH"), `ok go: go1\.\S+ is there for reloads`},
		{"a module and no Go", conf(false), "module m\ngo 1.26\n", "/nowhere", `problem go: .* -> install Go, or set reload\.build = "".*`},
		{"a broken module", conf(false), "module m\ngo soon\n", os.Getenv("PATH"), `problem go: .*go soon is no version -> correct go\.mod`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.path)
			x := &examination{ctx: t.Context(), dir: folder(t.TempDir()), conf: tt.conf}
			if tt.goMod != "" {
				if err := os.WriteFile(x.dir.path("go.mod"), []byte(tt.goMod), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			x.toolchain()
			wantFinding(t, tt.name, x, tt.want)
		})
	}
}

func TestDoctorPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	running := func(state, cause string) *status {
		return &status{Portal: portalStatus{Services: []serviceStatus{{Name: "telnet:" + port, Address: addr, State: state, Error: cause}}}}
	}
	tests := []struct {
		name   string
		addr   string
		status *status
		want   string
	}{
		{"free", "127.0.0.1:0", nil, `ok port: 127\.0\.0\.1:0 is free for telnet:0`},
		{"taken", addr, nil, `problem port: .*address already in use -> end the program that listens there.*`},
		{"of no machine here", "192.0.2.1:4000", nil, `problem port: .* -> use an address of this machine.*`},
		{"held by the game", addr, running("running", ""), `ok port: ` + addr + ` is held by this game, telnet:` + port},
		{"failed", addr, running("failed", "no luck"), `problem port: telnet:` + port + ` is failed: no luck -> .*`},
		{"on all addresses", "0.0.0.0:1", &status{Portal: portalStatus{Services: []serviceStatus{{Name: "telnet:0.0.0.0:1", Address: "[::]:1", State: "running"}}}}, `ok port: \[::\]:1 is held by this game, .*`},
		{"new", "127.0.0.1:1", running("running", ""), `warning port: 127\.0\.0\.1:1: the game that runs has no telnet:1 -> mygame reboot, .*`},
	}
	for _, tt := range tests {
		x := &examination{name: "mygame", conf: &config.Config{Telnet: config.Telnet{Listen: []string{tt.addr}}}, status: tt.status}
		x.ports()
		wantFinding(t, tt.name, x, tt.want)
	}
	x := &examination{name: "mygame", conf: &config.Config{Telnet: config.Telnet{TLSListen: []string{"127.0.0.1:0 -mxp", "127.0.0.1:" + port}}}}
	x.ports()
	wantFinding(t, "TLS", x, `ok port: 127\.0\.0\.1:0 is free for telnets:0\nproblem port: .*address already in use -> .* choose another address in telnet\.tls_listen`)
}

func TestDoctorLimits(t *testing.T) {
	for limit, level := range map[uint64]string{
		fewFiles - 1: levelProblem, fewFiles: levelWarning, someFiles - 1: levelWarning, someFiles: levelOK,
	} {
		x := &examination{}
		x.judgeFiles(limit)
		if x.findings[0].Level != level {
			t.Errorf("%d open files: %s, want %s", limit, x.findings[0].Level, level)
		}
	}
	for free, level := range map[uint64]string{
		littleDisk - 1: levelProblem, littleDisk: levelWarning, someDisk - 1: levelWarning, someDisk: levelOK,
	} {
		x := &examination{}
		x.judgeSpace(free)
		if x.findings[0].Level != level {
			t.Errorf("%d bytes free: %s, want %s", free, x.findings[0].Level, level)
		}
	}
	x := &examination{dir: folder(t.TempDir())}
	x.openFiles()
	x.space()
	if len(x.findings) != 2 || strings.Contains(found(x), "not known") {
		t.Errorf("of this machine was found: %s", found(x))
	}
}

func TestParseLimits(t *testing.T) {
	head := "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max processes             63432                63432                processes \n"
	tests := []struct {
		text string
		want uint64
		ok   bool
	}{
		{head + "Max open files            1024                 524288               files     \n", 524288, true},
		{head + "Max open files            1024                 unlimited            files     \n", 1 << 62, true},
		{head + "Max open files            1024                 many                 files     \n", 0, false},
		{head, 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		if got, ok := parseLimits(tt.text); got != tt.want || ok != tt.ok {
			t.Errorf("parseLimits(%q) = %d, %t, want %d, %t", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestDoctorFolders(t *testing.T) {
	good := func(t *testing.T) folder {
		dir := folder(t.TempDir())
		if err := dir.create(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir.database(), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		change func(*testing.T, folder)
		want   string
	}{
		{"as they are made", func(*testing.T, folder) {}, `ok files: .*`},
		{"none yet", func(t *testing.T, d folder) { must(t, os.RemoveAll(d.path("run"))) }, `ok files: .*`},
		{"open", func(t *testing.T, d folder) { must(t, os.Chmod(d.path("data"), 0o755)) }, `warning files: \S+/data is open to others \(mode 0755\) -> chmod 700 \S+/data`},
		{"the world is open", func(t *testing.T, d folder) { must(t, os.Chmod(d.database(), 0o644)) }, `problem files: \S+/game\.db can be read by others \(mode 0644\) -> chmod 600 \S+`},
		{"no folder", func(t *testing.T, d folder) {
			must(t, os.RemoveAll(d.path("log")))
			must(t, os.WriteFile(d.path("log"), nil, 0o600))
		}, `problem files: \S+/log is not a folder -> .*`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := &examination{dir: good(t)}
			tt.change(t, x.dir)
			x.folders()
			wantFinding(t, tt.name, x, tt.want)
		})
	}
	if os.Getuid() != 0 {
		x := &examination{dir: good(t)}
		must(t, os.Chmod(x.dir.path("run"), 0o500))
		x.folders()
		wantFinding(t, "not writable", x, `problem files: \S+/run cannot be written by this user -> .*`)
	}
}

func TestReportJSON(t *testing.T) {
	x := &examination{}
	x.ok("a", "fine")
	x.warn("b", "mend it", "bad")
	data, err := json.Marshal(report{Folder: "/g", OK: true, Findings: x.findings})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"folder":"/g","ok":true,"findings":[{"check":"a","level":"ok","text":"fine"},{"check":"b","level":"warning","text":"bad","hint":"mend it"}]}`
	if string(data) != want {
		t.Errorf("report is %s, want %s", data, want)
	}
}
