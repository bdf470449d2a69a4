package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func stamp(second int) string {
	return time.Date(2026, 1, 2, 3, 4, second, 500e6, time.UTC).Format("2006-01-02T15:04:05.000Z07:00")
}

// logLines makes a log of lines "7 text", whose number stands for a time, and
// of others, which have none.
func logLines(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		var n int
		if _, err := fmt.Sscanf(l, "%d ", &n); err == nil {
			l = fmt.Sprintf("time=%s level=INFO msg=%q", stamp(n), l)
		}
		b.WriteString(l + "\n")
	}
	return b.String()
}

func writeLog(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func joined(list []entry) string {
	var b strings.Builder
	for _, e := range list {
		b.WriteString(e.text)
	}
	return b.String()
}

func TestLogsMerge(t *testing.T) {
	portal := []string{"1 a", "3 b", "panic: oops", "goroutine 1", "9 c"}
	server := []string{"2 x", "4 y", "\tat y.go", "8 z"}
	tests := []struct {
		name          string
		which         string
		n             int
		portal        []string
		server        []string
		want          []string
		serverMissing bool
	}{
		{name: "both", n: 20, portal: portal, server: server, want: []string{
			"portal  1 a", "server  2 x", "portal  3 b", "portal  panic: oops", "portal  goroutine 1",
			"server  4 y", "server  \tat y.go", "server  8 z", "portal  9 c"}},
		{name: "the last", n: 4, portal: portal, server: server, want: []string{
			"portal  3 b", "portal  panic: oops", "portal  goroutine 1", "server  4 y", "server  \tat y.go", "server  8 z", "portal  9 c"}},
		{name: "one", which: "server", n: 2, portal: portal, server: server, want: []string{"4 y", "\tat y.go", "8 z"}},
		{name: "none", n: 0, portal: portal, server: server},
		{name: "a clock that was set back", n: 20, portal: []string{"5 a", "1 b", "6 c"}, server: []string{"2 x"}, want: []string{
			"server  2 x", "portal  5 a", "portal  1 b", "portal  6 c"}},
		{name: "no Server was started", n: 20, portal: []string{"5 a"}, want: []string{"portal  5 a"}, serverMissing: true},
		{name: "no time at all", n: 20, portal: []string{"x", "y"}, server: []string{"1 a"}, want: []string{"portal  x", "portal  y", "server  1 a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t.TempDir())
			if err := dir.create(); err != nil {
				t.Fatal(err)
			}
			writeLog(t, dir.portalLog(), logLines(tt.portal...))
			if !tt.serverMissing {
				writeLog(t, dir.serverLog(), logLines(tt.server...))
			}
			var out strings.Builder
			a := newApp(Game{}, Stdio{Out: &out}, nil)
			a.dir = string(dir)
			if err := a.logs(t.Context(), tt.which, tt.n, false); err != nil {
				t.Fatal(err)
			}
			var want strings.Builder
			for _, l := range tt.want {
				head, line, ok := strings.Cut(l, "  ")
				if !ok {
					head, line = "", l
				} else {
					head += "  "
				}
				want.WriteString(head + logLines(line))
			}
			if out.String() != want.String() {
				t.Errorf("logs wrote\n%swant\n%s", out.String(), want.String())
			}
		})
	}
}

// TestLastEntriesOfLargeLogs reads no more than it has to, finds whole entries,
// and goes on in the log that was put aside.
func TestLastEntriesOfLargeLogs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	stack := strings.Repeat("\tsome line of a stack that is long\n", 100)
	var old, text strings.Builder
	for i := range 30 {
		old.WriteString(logLines(fmt.Sprintf("%d old", i)))
	}
	for i := range 200 {
		text.WriteString(logLines(fmt.Sprintf("%d new", i)) + stack)
	}
	writeLog(t, path+".1", old.String())
	writeLog(t, path, text.String()+"half a line")
	for _, n := range []int{1, 17, 100, 199, 200, 210, 230, 500} {
		list, end, _, err := lastEntries(path, 0, n)
		if err != nil {
			t.Fatal(err)
		}
		if end != int64(text.Len()) {
			t.Errorf("n %d: reading ended at %d, want %d, before the half line", n, end, text.Len())
		}
		want := strings.Split(strings.TrimPrefix(old.String()+text.String(), "time="), "\ntime=")
		want = want[max(0, len(want)-n):]
		if len(list) < len(want) {
			t.Fatalf("n %d: %d entries, want %d", n, len(list), len(want))
		}
		if got := joined(list[len(list)-len(want):]); got != "time="+strings.Join(want, "\ntime=") {
			t.Errorf("n %d: wrong entries: %.200q …", n, got)
		}
	}
}

// TestFollower has a log written, put aside and emptied while it is followed.
func TestFollower(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	f := &follower{path: path}
	defer f.close()
	more := func(want ...string) {
		t.Helper()
		list, err := f.more()
		if err != nil {
			t.Fatal(err)
		}
		if got := joined(list); got != logLines(want...) {
			t.Errorf("follower gave %q, want %q", got, logLines(want...))
		}
	}
	more()
	writeLog(t, path, logLines("1 a", "2 b", "stack"))
	more("1 a") // the other one may get more lines
	writeLog(t, path, "more stack\n"+logLines("3 c"))
	more("2 b", "stack", "more stack")
	more("3 c")
	more()
	writeLog(t, path, "late")
	more() // no line yet
	writeLog(t, path, "\n")
	more()
	more("late")
	if !f.last.Equal(time.Date(2026, 1, 2, 3, 4, 3, 500e6, time.UTC)) {
		t.Errorf("a line without a time has that of %v, want that of the line before", f.last)
	}

	writeLog(t, path, logLines("4 d"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	writeLog(t, path+".1", logLines("5 e"))
	more("4 d")
	writeLog(t, path, logLines("6 f"))
	more("5 e")
	writeLog(t, path, logLines("7 g"))
	more("6 f")

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	more("7 g")
	writeLog(t, path, logLines("8 h"))
	more()
	more("8 h")

	// An entry without an end is not held for ever.
	big := strings.Repeat("x", 1000) + "\n"
	writeLog(t, path, logLines("9 i")+strings.Repeat(big, maxPartial/1000))
	if list, err := f.more(); err != nil || len(list) != 1 || len(list[0].text) < maxPartial {
		t.Errorf("a long entry was held back (%d, %v)", len(list), err)
	}
	writeLog(t, path, strings.Repeat("y", maxPartial+1))
	if list, err := f.more(); err != nil || len(list) != 1 || !strings.HasSuffix(list[0].text, "y\n") {
		t.Errorf("a long line was held back (%d, %v)", len(list), err)
	}
}

// TestFollowerAfterReading takes up what was put aside between the reading and
// the following.
func TestFollowerAfterReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	writeLog(t, path, logLines("1 a"))
	_, end, info, err := lastEntries(path, 0, 20)
	if err != nil {
		t.Fatal(err)
	}
	writeLog(t, path, logLines("2 b"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	writeLog(t, path, logLines("3 c"))
	f := &follower{path: path, info: info, offset: end}
	defer f.close()
	var all []entry
	for range 3 {
		list, err := f.more()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	if got, want := joined(all), logLines("2 b", "3 c"); got != want {
		t.Errorf("follower gave %q, want %q", got, want)
	}
}

func TestMergeIsStable(t *testing.T) {
	at := time.Unix(5, 0)
	got := mergeEntries([][]entry{{{at, 0, "a"}, {at, 0, "b"}}, {{at, 1, "c"}}})
	if text := joined(got); text != "abc" || !slices.IsSortedFunc(got, func(a, b entry) int { return a.at.Compare(b.at) }) {
		t.Errorf("merged to %q, want %q", text, "abc")
	}
}

// FuzzEntries cuts a log anywhere: no line is lost, added or moved.
func FuzzEntries(f *testing.F) {
	f.Add(logLines("1 a", "x", "2 b"), 30)
	f.Add("time=\ntime=x\n\n\n", 3)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if cut < 0 || cut > len(text) {
			cut = 0
		}
		cut = strings.LastIndexByte(text[:cut], '\n') + 1
		whole := appendEntries(nil, text, 0, time.Time{})
		parts := appendEntries(appendEntries(nil, text[:cut], 0, time.Time{}), text[cut:], 0, time.Time{})
		if joined(whole) != text || !slices.Equal(whole, parts) {
			t.Errorf("%q in one is %v, cut at %d it is %v", text, whole, cut, parts)
		}
	})
}
