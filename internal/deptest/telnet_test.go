package deptest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mudlark.dev/config"
	"mudlark.dev/message"
)

const telnetDoc = "../../docs/reference/telnet.md"

// TestTelnetDoc shows that the tests exist that the page on telnet names for the
// rules of clients, and that each rule has its row once.
func TestTelnetDoc(t *testing.T) {
	doc, err := os.ReadFile(telnetDoc)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(src, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]int{}
	rows := 0
	for _, line := range strings.Split(string(doc), "\n") {
		if !strings.HasPrefix(line, "| CN-") && !strings.HasPrefix(line, "| F-") {
			continue
		}
		rows++
		cells := strings.Split(line, "|")
		for _, rule := range strings.Split(cells[1], ",") {
			rules[strings.TrimSpace(rule)]++
		}
		held := cells[len(cells)-2]
		names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(held, -1)
		if len(names) == 0 && len(strings.TrimSpace(held)) < 10 {
			t.Errorf("neither a test nor a reason: %s", line)
		}
		for _, m := range names {
			if !tests[m[1]] {
				t.Errorf("there is no %s: %s", m[1], line)
			}
		}
	}
	for rule, n := range rules {
		if n != 1 {
			t.Errorf("%s has %d rows", rule, n)
		}
	}
	if rows < 130 {
		t.Errorf("%d rows", rows)
	}

	for _, name := range config.TelnetOptions() {
		if !strings.Contains(string(doc), "\n| `"+name+"` | ") {
			t.Errorf("the option %s has no row", name)
		}
	}
	_, table, _ := strings.Cut(string(doc), "<!-- gmcp table -->")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `([\\w.]+)` \\|$").FindAllStringSubmatch(table, -1) {
		if got := message.GMCPPackage(m[1]); got != m[2] {
			t.Errorf("%s travels as %s, not as %s", m[1], got, m[2])
		}
	}
	for _, pkg := range message.GMCPTable() {
		if !strings.Contains(table, "| `"+pkg+"` |") {
			t.Errorf("%s is not in the table", pkg)
		}
	}
}
