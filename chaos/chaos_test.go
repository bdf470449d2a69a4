package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mudlark.dev/failpoint"
	"mudlark.dev/launch"
)

func TestTally(t *testing.T) {
	tests := []struct {
		numbers []int64
		want    string
		count   int64
	}{
		{nil, "-", 0},
		{[]int64{1}, "1", 1},
		{[]int64{1, 2, 3}, "1-3", 3},
		{[]int64{1, 2, 4, 5}, "1-2,4-5", 4},
		{[]int64{1, 2, 2, 3}, "1-2,2-3", 4}, // one came twice
		{[]int64{2, 1}, "2,1", 2},           // out of order
	}
	for _, tt := range tests {
		var a tally
		for _, n := range tt.numbers {
			a.add(n)
		}
		b, err := parseTally(a.String())
		if a.String() != tt.want || a.count() != tt.count || err != nil || b.String() != tt.want {
			t.Errorf("%v is %q with %d, and %q (%v) when it is read; want %q with %d", tt.numbers, &a, a.count(), &b, err, tt.want, tt.count)
		}
	}
	for _, bad := range []string{"x", "1-", "3-1", "1,,2", "1-2-3"} {
		if got, err := parseTally(bad); err == nil {
			t.Errorf("parseTally(%q) = %q, want an error", bad, &got)
		}
	}
}

func FuzzTally(f *testing.F) {
	f.Add("1-3,5")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseTally(text)
		if err != nil {
			return
		}
		if b, err := parseTally(a.String()); err != nil || b.String() != a.String() {
			t.Errorf("%q is %q, and then %q (%v)", text, &a, &b, err)
		}
	})
}

// The same seed makes the same plan, another one another.
func TestPlan(t *testing.T) {
	cfg := Config{Seed: 7, Bots: 10, Faults: 500, Exe: "x"}
	if err := cfg.defaults(); err != nil {
		t.Fatal(err)
	}
	a, b := plan(cfg, usualMix), plan(cfg, usualMix)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed made two plans")
	}
	kinds, points := map[string]int{}, map[string]int{}
	for _, f := range a {
		kinds[f.kind]++
		points[f.point]++
		if f.kind == kindPause && f.hold >= cfg.Hang {
			t.Errorf("a pause of %v is a hang", f.hold)
		}
	}
	for _, c := range usualMix {
		if kinds[c.name] == 0 {
			t.Errorf("of %d faults none is %q", len(a), c.name)
		}
	}
	for _, p := range failpoint.Points() {
		if (points[p] > 0) != strings.HasPrefix(p, "server.") {
			t.Errorf("point %s is in the plan %d times", p, points[p])
		}
	}
	cfg.Seed++
	if reflect.DeepEqual(a, plan(cfg, usualMix)) {
		t.Error("two seeds made one plan")
	}
}

func TestMix(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"none":                "",
		"reload":              "",
		"kill=3, point=0":     "",
		"jump":                `there is no fault "jump"; there are kill, point`,
		"kill=x":              `how often is a number`,
		"kill=-1,reload=1001": `how often is a number`,
		"kill=0":              "all of it is 0",
	} {
		_, err := parseMix(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("parseMix(%q): %v, want %q", text, err, want)
		}
	}
	cfg := Config{Bots: -1, Ahead: 101, Think: time.Microsecond, Hang: time.Millisecond, Duration: -1, Gap: -1}
	err := cfg.defaults()
	for _, flag := range []string{"--bots", "--ahead", "--think", "--hang", "--duration", "--gap"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("defaults: %v, want an error about %s", err, flag)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	var list []time.Duration
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		d := time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond))
		h.add(d)
		list = append(list, d)
	}
	slices.Sort(list)
	for _, q := range []float64{0.5, 0.99, 1} {
		got, want := h.quantile(q), list[min(len(list)-1, int(q*10000))]
		if ratio := float64(got) / float64(want); ratio < 0.96 || ratio > 1.04 {
			t.Errorf("quantile(%v) = %v, want about %v", q, got, want)
		}
	}
}

// What is no text is left out, wherever the stream is cut.
func TestTelnet(t *testing.T) {
	in := "a\xff\xfb\x01b\xff\xff\xff\xfa\x18\x01\xff\xff\xff\xf0c\xff\xf9d"
	for cut := range len(in) {
		var tn telnet
		got := tn.decode(tn.decode(nil, []byte(in[:cut])), []byte(in[cut:]))
		if want := "ab\xffcd"; string(got) != want {
			t.Errorf("cut at %d: got %q, want %q", cut, got, want)
		}
	}
}

// A bot notices what must not be.
func TestBotNotices(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string // in a violation; "" for none
	}{
		{"in order", []string{"act 1 is done", "act 2 is done", "act 3 is done"}, ""},
		{"behind prompts", []string{"ask 9? act 1 is done", "act 2 is done"}, "ask was asked though it is answered"},
		{"twice", []string{"act 1 is done", "act 1 is done"}, "Bot1, line 1, 0.000 s: act was answered twice"},
		{"left out", []string{"act 2 is done"}, "Bot1, line 1, 0.000 s: act was not answered before act 2"},
		{"of another kind", []string{"pay 1 is done"}, "pay was answered twice, or was never typed"},
		{"an error", []string{"Command 'act' is not available."}, "it was told: Command"},
		{"notices", []string{"The game is back.", "Your command was interrupted: the game was replaced meanwhile."}, ""},
		{"burnt twice", []string{"fuse 1 has burnt", "fuse 1 has burnt"}, "told twice that fuse 1 has burnt"},
	}
	for _, tt := range tests {
		r := &run{cfg: Config{Bots: 1, Ahead: 4, Progress: new(bytes.Buffer)}, began: time.Now()}
		r.report.Notices = map[string]int{}
		b := newBot(r, 1)
		for n := int64(1); n <= 3; n++ {
			b.pending = append(b.pending, pending{kind: "act", n: n})
		}
		for _, l := range tt.lines {
			b.line(nil, l)
		}
		var got []string
		for _, v := range r.report.Violations {
			v.AtS = 0
			got = append(got, v.String())
		}
		if text := strings.Join(got, "; "); (text == "") != (tt.want == "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s: violations %q, want %q", tt.name, text, tt.want)
		}
	}
}

// What follows a prompt on its line is a text of its own.
func TestBotBehindPrompt(t *testing.T) {
	r := &run{cfg: Config{Bots: 1, Progress: new(bytes.Buffer)}, began: time.Now()}
	b := newBot(r, 1)
	b.line(nil, "Password: Welcome, Bot1.")
	if !b.asksPass || !b.welcome {
		t.Errorf("asked for the password: %v, welcome: %v, want both", b.asksPass, b.welcome)
	}
}

// After a cut the first of the lines that were typed may be stored, and no others.
func TestBotSettles(t *testing.T) {
	tests := []struct{ stored, want string }{
		{"tally 1-2 coins 10 fuses - burnt -", ""},
		{"tally 1-4 coins 10 fuses - burnt -", ""},
		{"tally 1-2,4 coins 10 fuses - burnt -", "stored are the lines 1-2,4, want 1-4"},
		{"tally 1 coins 10 fuses - burnt -", "stored are the lines 1, want 1-2"},
		{"tally 1-2 coins 10 fuses 1 burnt -", "stored are the fuses 1, want -"},
		{"tally 1-2", "cannot be read"},
	}
	for _, tt := range tests {
		r := &run{cfg: Config{Progress: new(bytes.Buffer)}, began: time.Now()}
		b := newBot(r, 1)
		b.applied.add(1)
		b.applied.add(2)
		b.pending = []pending{{kind: "act", n: 3}, {kind: "read", n: 1}, {kind: "act", n: 4}}
		b.settle(tt.stored)
		text := fmt.Sprint(r.report.Violations)
		if (len(r.report.Violations) == 0) != (tt.want == "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s: violations %s, want %q", tt.stored, text, tt.want)
		}
	}
}

// The report has its names in JSON, and its violations for people.
func TestReport(t *testing.T) {
	r := &Report{Seed: 3, Faults: map[string]int{kindKill: 2}, Pauses: map[string]Pause{kindKill: pauseOf([]time.Duration{time.Second, 2 * time.Second})}}
	var b bytes.Buffer
	r.print(&b)
	for _, want := range []string{"Seed 3", "kill   2", "2000.0 ms", "Every line took effect once"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &b)
		}
	}
	r.Violations, r.Folder = []Violation{{Bot: "Bot7", Line: 9, AtS: 1.5, Text: "act was answered twice"}}, "/tmp/x"
	b.Reset()
	r.print(&b)
	for _, want := range []string{"VIOLATED: 1", "Bot7, line 9, 1.500 s: act was answered twice", "Folder: /tmp/x"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &b)
		}
	}
	data, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(data), `"violations":[{"bot":"Bot7","line":9,"at_s":1.5,"text":"act was answered twice"}]`) {
		t.Errorf("Marshal = %s, %v", data, err)
	}
}

// The command says what is wrong with its flags, and none of that starts a game.
func TestCommand(t *testing.T) {
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"chaos", "--help"}, 0, "--mix kind=weight,..."},
		{[]string{"help"}, 0, "chaos       Break a game of bots"},
		{[]string{"chaos", "--bots", "-1"}, 2, "error: --bots: -1 is not 1 to 10000\nhint: chaos --help shows what it takes"},
		{[]string{"chaos", "--mix", "jump"}, 2, `there is no fault "jump"`},
		{[]string{"chaos", "--jump"}, 2, "unknown flag: --jump"},
		{[]string{"chaos", "now"}, 2, `takes no argument, but got "now"`},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		code := launch.Run(t.Context(), launch.Game{Commands: []launch.Command{Command()}}, tt.args, launch.Stdio{Out: &out, Err: &out})
		if code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q: exit code %d and %q, want %d and %q", tt.args, code, &out, tt.code, tt.want)
		}
	}
	if game := Game(1); game.Check() != nil {
		t.Errorf("the game cannot be played: %v", game.Check())
	}
}
