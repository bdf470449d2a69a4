package bench

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseHeard(t *testing.T) {
	for _, test := range []struct {
		in         string
		speaker, n int
		ok         bool
	}{
		{`Benchaaab says, "b1.23"`, 1, 23, true},
		{`Benchaaab says, "b999999999.1"`, 999999999, 1, true},
		{`Benchaaab says, "b9999999999.1"`, 0, 0, false},
		{`Benchaaab says, "b1.23.1"`, 0, 0, false}, // a fence
		{`Benchaaab says, "b1."`, 0, 0, false},
		{`Benchaaab says, "b.1"`, 0, 0, false},
		{`Benchaaab says, "b1.23`, 0, 0, false},
		{`You say, "b1.23"`, 0, 0, false},
	} {
		speaker, n, ok := parseHeard([]byte(test.in))
		if ok != test.ok || ok && (speaker != test.speaker || n != test.n) {
			t.Errorf("parseHeard(%s) = %d, %d, %v, want %d, %d, %v", test.in, speaker, n, ok, test.speaker, test.n, test.ok)
		}
	}
}

func TestHearing(t *testing.T) {
	var h hearing
	for _, n := range []int{1, 2, 4, 3, 4, 5} { // 3 comes too late, 4 twice
		h.take(7, n)
	}
	h.take(0, 1)
	h.take(maxPlayers, 1)
	if h.heard != 5 || h.bad != 2 {
		t.Errorf("heard %d, bad %d, want 5 and 2", h.heard, h.bad)
	}
	h.reset()
	if h.take(7, 1); h.heard != 1 || h.bad != 0 {
		t.Errorf("after a reset: heard %d, bad %d, want 1 and 0", h.heard, h.bad)
	}
}

func TestLiteralPrefix(t *testing.T) {
	for pattern, want := range map[string]string{
		`^You say, "(b[\d.]+)"`: `You say, "b`, `^Room (\d+)`: "Room ", `^(a|b)c`: "", `Room`: "", `(?i)^room (\d)`: "", `^a*b`: "", `(?m)^a.`: "", `^a|b`: "",
	} {
		re := regexp.MustCompile(pattern)
		got := string(literalPrefix(re))
		if got != want && !(want != "" && strings.HasPrefix(want, got) && got != "") {
			t.Errorf("literalPrefix(%s) = %q, want %q", pattern, got, want)
		}
	}
}

// Lines are found wherever what was read is cut, and what others say costs no memory.
func TestTake(t *testing.T) {
	d, err := newDialect(usualCreate, usualConnect, usualWelcome, usualRefused, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const text = "\xff\xfd\x18\x1b[1mBenchaaab says, \"b1.1\"\x1b[0m\r\nYou say, \"b0.1\"\r\n\r\nBenchaaac says, \"b2.1\"\r\nBenchaaab says, \"b1.2\"\r\nBenchaaab says, \"b1.2.1\"\r\n"
	for cut := range len(text) {
		ours, theirs := net.Pipe()
		go theirs.Read(make([]byte, 10)) // the answer to an option
		r := &run{cfg: Config{Timeout: time.Minute}, dialect: d, fail: func(error) {}}
		r.asked.Store(&active{crowd: true, answers: []query{newQuery(say, d.answers[say])}})
		p := newPlayer(r, "Bench", 0, nil)
		p.match.typed(pending{kind: say, want: "b0.1"})
		p.take(ours, []byte(text[:cut]), time.Now())
		p.take(ours, []byte(text[cut:]), time.Now())
		if p.hearing.heard != 3 || p.hearing.bad != 0 || p.match.counts != (Counts{Sent: 1, Answered: 1}) {
			t.Errorf("cut at %d: heard %d, bad %d, counts %+v", cut, p.hearing.heard, p.hearing.bad, p.match.counts)
		}
		if got, want := p.told(), `You say, "b0.1" / Benchaaab says, "b1.2.1"`; got != want {
			t.Errorf("cut at %d: read last %q, want %q", cut, got, want)
		}
		ours.Close()
		theirs.Close()
	}
	r := &run{dialect: d}
	r.asked.Store(&active{crowd: true})
	p := newPlayer(r, "Bench", 0, nil)
	heard := []byte(strings.Repeat("Benchaaab says, \"b1.1\"\r\n", 100))
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { p.take(nil, heard, now) }); n != 0 {
		t.Errorf("what others say costs %v allocations, want none", n)
	}
}

// BenchmarkTake takes what others say, 100 lines at a time: ns/line is what a line
// costs beside the system calls.
func BenchmarkTake(b *testing.B) {
	r := &run{cfg: Config{Timeout: time.Minute}}
	r.asked.Store(&active{crowd: true})
	p := newPlayer(r, "Bench", 0, nil)
	var heard []byte
	for i := range 100 {
		heard = fmt.Appendf(heard, "Benchaaab says, \"b%d.12345\"\r\n", i*10)
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		p.hearing.reset()
		p.take(nil, heard, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/line")
}
