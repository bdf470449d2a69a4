package bench

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"mudlark.dev/launch"
)

func TestMatcher(t *testing.T) {
	type step struct {
		typed bool
		kind  kind
		what  string // the number that is wanted, or got
	}
	out := func(k kind, want string) step { return step{true, k, want} }
	in := func(k kind, got string) step { return step{false, k, got} }
	for _, test := range []struct {
		name  string
		steps []step
		want  Counts
	}{
		{"one after the other", []step{out(say, "1"), in(say, "1"), out(say, "2"), in(say, "2")}, Counts{Sent: 2, Answered: 2}},
		{"ahead", []step{out(say, "1"), out(say, "2"), in(say, "1"), in(say, "2")}, Counts{Sent: 2, Answered: 2}},
		{"lost", []step{out(say, "1"), out(say, "2"), in(say, "2")}, Counts{Sent: 2, Answered: 1, Lost: 1}},
		{"late", []step{out(say, "1"), out(say, "2"), in(say, "2"), in(say, "1")}, Counts{Sent: 2, Answered: 1, Lost: 1, Late: 1}},
		{"doubled", []step{out(say, "1"), in(say, "1"), in(say, "1")}, Counts{Sent: 1, Answered: 1, Doubled: 1}},
		{"doubled while another waits", []step{out(say, "1"), out(say, "2"), in(say, "1"), in(say, "1"), in(say, "2")}, Counts{Sent: 2, Answered: 2, Doubled: 1}},
		{"wrong", []step{out(walk, "4"), in(walk, "5")}, Counts{Sent: 1, Answered: 1, Wrong: 1}},
		{"never asked", []step{in(look, "")}, Counts{Wrong: 1}},
		{"without numbers, lost before a fence", []step{out(look, ""), out(look, ""), out(fence, "f"), in(look, ""), in(fence, "f")}, Counts{Sent: 3, Answered: 2, Lost: 1}},
		{"without numbers, doubled before a fence", []step{out(look, ""), out(fence, "f"), out(look, ""), in(look, ""), in(look, ""), in(fence, "f"), in(look, "")}, Counts{Sent: 3, Answered: 3, Doubled: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m matcher
			for _, s := range test.steps {
				if s.typed {
					m.typed(pending{kind: s.kind, want: s.what})
				} else {
					m.answer(s.kind, s.what)
				}
			}
			if m.counts != test.want || len(m.queue) > 0 {
				t.Errorf("counts %+v, want %+v; %d lines left", m.counts, test.want, len(m.queue))
			}
		})
	}
}

func TestMatcherExpires(t *testing.T) {
	var m matcher
	at := time.Unix(100, 0)
	m.typed(pending{kind: say, want: "1", sent: at})
	m.typed(pending{kind: say, want: "2", sent: at.Add(time.Second)})
	m.expire(at.Add(time.Millisecond))
	if m.counts.Lost != 1 || len(m.queue) != 1 || m.queue[0].want != "2" {
		t.Errorf("counts %+v, queue %v, want the first one lost", m.counts, m.queue)
	}
	for range 3 * remembered {
		m.typed(pending{kind: say, sent: at})
	}
	m.expire(at.Add(time.Hour))
	if len(m.lost) > remembered || m.counts.Lost != 3*remembered+2 {
		t.Errorf("%d lost are remembered, want at most %d; counts %+v", len(m.lost), remembered, m.counts)
	}
}

// echo is a game that answers each "say" after what delay returns.
func echo(conn net.Conn, delay func(n int) time.Duration) {
	buf := make([]byte, 4096)
	rest := ""
	for n := 1; ; {
		k, err := conn.Read(buf)
		if err != nil {
			return
		}
		rest += string(buf[:k])
		for {
			line, after, ok := strings.Cut(rest, "\r\n")
			if !ok {
				break
			}
			rest = after
			time.Sleep(delay(n))
			n++
			text, _ := strings.CutPrefix(line, "say ")
			if _, err := io.WriteString(conn, "You say, \""+text+"\"\r\n"); err != nil {
				return
			}
		}
	}
}

// pair returns a connection with room for what is under way, as sockets have it.
func pair() (client, server net.Conn) {
	a, b := net.Pipe()
	c, d := net.Pipe()
	go func() { // b to c, buffered
		lines := make(chan []byte, 10000)
		go func() {
			defer c.Close()
			for l := range lines {
				if _, err := c.Write(l); err != nil {
					break
				}
			}
			for range lines {
			}
		}()
		defer close(lines)
		for {
			buf := make([]byte, 512)
			n, err := b.Read(buf)
			if err != nil {
				return
			}
			lines <- buf[:n]
		}
	}()
	go func() { // c to b
		io.Copy(b, c)
		b.Close()
	}()
	return a, d
}

// A stall of the game is in the latencies of all lines that were due meanwhile, and
// not in that of a single one.
func TestCoordinatedOmission(t *testing.T) {
	const stall = time.Second
	measure := func(t *testing.T, rate float64) (h *hdrhistogram.Histogram, c Counts) {
		synctest.Test(t, func(t *testing.T) {
			d, err := newDialect(usualCreate, usualConnect, usualWelcome, usualRefused, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := &run{cfg: Config{Timeout: time.Minute, Seed: 1}, dialect: d, fail: func(error) {}}
			p := newPlayer(r, "Bench", 0, nil)
			client, server := pair()
			go echo(server, func(n int) time.Duration {
				if n == 101 {
					return stall
				}
				return 10 * time.Microsecond
			})
			p.conn = client
			p.reader.Go(func() { p.read(client) })
			start := time.Now()
			a := &active{answers: []query{newQuery(say, d.answers[say])}, from: start, to: start.Add(3 * time.Second),
				hists: map[kind]*hdrhistogram.Histogram{}, all: newHistogram()}
			r.asked.Store(a)
			m := mix{name: "say", kinds: []kind{say}}
			if rate > 0 {
				err = p.open(t.Context(), m, &schedule{rng: rand.New(rand.NewPCG(1, 1)), gap: 1 / rate, at: start}, a.to)
			} else {
				err = p.closed(t.Context(), m, a.to)
			}
			if err == nil {
				err = p.settle(t.Context(), 0)
			}
			if err != nil {
				t.Error(err)
			}
			p.close()
			server.Close()
			h, c = a.all, p.match.counts
		})
		return h, c
	}
	h, c := measure(t, 200)
	if c.bad() != 0 || c.Sent < 500 {
		t.Errorf("open loop: counts %+v, want more than 500 and none bad", c)
	}
	// A third of the lines were due while the game stood, and waited half of it on
	// average.
	if p90 := h.ValueAtPercentile(90); p90 < int64(stall/2/time.Microsecond) {
		t.Errorf("open loop: p90 is %d µs, want more than half of the stall", p90)
	}
	h, c = measure(t, 0)
	if c.bad() != 0 {
		t.Errorf("closed loop: counts %+v, want none bad", c)
	}
	if p99 := h.ValueAtPercentile(99); p99 > 1000 || h.Max() < int64(stall/time.Microsecond) {
		t.Errorf("closed loop: p99 %d µs, maximum %d µs, want the stall in the maximum alone", p99, h.Max())
	}
}

func TestSchedule(t *testing.T) {
	start := time.Unix(0, 0)
	times := func(seed uint64) (list []time.Time) {
		s := &schedule{rng: rand.New(rand.NewPCG(seed, 1)), gap: 0.01, at: start}
		for range 10000 {
			list = append(list, s.next())
		}
		return list
	}
	a, b := times(1), times(1)
	if a[9999] != b[9999] || a[9999] == times(2)[9999] {
		t.Error("the times do not follow from the seed")
	}
	if took := a[9999].Sub(start).Seconds(); took < 95 || took > 105 {
		t.Errorf("10000 lines at 100/s take %.1f s, want about 100", took)
	}
}

func TestTelnet(t *testing.T) {
	in := "a\xff\xfd\x18b\xff\xfb\x56\xff\xfc\x01c\xff\xfa\x18\x01\xff\xff\xff\xf0d\xff\xff\xff\xf9e"
	want, wantAnswers := "abcd\xffe", "\xff\xfc\x18\xff\xfe\x56"
	for cut := range len(in) {
		var tn telnet
		got := append(tn.decode([]byte(in[:cut])), tn.decode([]byte(in[cut:]))...)
		if string(got) != want || string(tn.answers) != wantAnswers {
			t.Errorf("cut at %d: %q, answers %q; want %q and %q", cut, got, tn.answers, want, wantAnswers)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("a\xff\xfd\x18\x1b[1;36mRoom\x1b[0m\xff\xfa\x18\x01\xff\xf0"), 3)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		var whole, parts telnet
		cut = max(0, min(cut, len(data)))
		a := whole.decode(bytes.Clone(data))
		b := append(parts.decode(bytes.Clone(data[:cut])), parts.decode(bytes.Clone(data[cut:]))...)
		if !bytes.Equal(a, b) || !bytes.Equal(whole.answers, parts.answers) {
			t.Errorf("%q cut at %d: %q, %q; whole %q, %q", data, cut, b, parts.answers, a, whole.answers)
		}
		if p := plain(bytes.Clone(a)); len(p) > len(a) || bytes.IndexByte(p, 0x1b) >= 0 {
			t.Errorf("plain(%q) = %q", a, p)
		}
	})
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[1;36mRoom 00001\x1b[0m (#1)": "Room 00001 (#1)", "none": "none", "\x1b": "", "\x1b[": "", "a\x1b[31": "a",
	} {
		if got := string(plain([]byte(in))); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPlot(t *testing.T) {
	h := newHistogram()
	for i := range int64(10000) {
		h.RecordValue(100 + i*i/100)
	}
	points := curveOf(h)
	for i := 1; i < len(points); i++ {
		if points[i].MS < points[i-1].MS || points[i].Percentile <= points[i-1].Percentile {
			t.Errorf("point %v comes after %v", points[i], points[i-1])
		}
	}
	if last := points[len(points)-1].Percentile; last < 99.98 || last > 99.995 {
		t.Errorf("10000 values are drawn up to %v %%, want 99.99", last)
	}
	for name, r := range map[string]*Report{
		"two":   {Results: []*Result{{Mix: "look", Percentiles: points}, {Mix: "say", Loop: "open", RateDue: 5, Percentiles: points}}},
		"none":  {},
		"empty": {Results: []*Result{{Mix: "idle"}}},
		"equal": {Results: []*Result{{Mix: "a<b", Percentiles: []Point{{0, 0}, {50, 0}}}}},
	} {
		svg := plotSVG(r)
		if err := xml.Unmarshal(svg, new(struct{})); err != nil {
			t.Errorf("%s: %v\n%s", name, err, svg)
		}
		if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("%s: a place is no number:\n%s", name, svg)
		}
		lines := bytes.Count(svg, []byte("<polyline"))
		if want := map[string]int{"two": 2, "equal": 1}[name]; lines != want {
			t.Errorf("%s: %d lines, want %d", name, lines, want)
		}
	}
	if a, b := tensOf(90)-tensOf(0), tensOf(99.9)-tensOf(99); a < 0.999 || a > 1.001 || b < 0.999 || b > 1.001 {
		t.Errorf("nines are %v and %v wide, want 1", a, b)
	}
}

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		args string
		want string // in the error; "" is none
	}{
		{"", ""},
		{"--mix look,say --clients 3 --rate 100", ""},
		{"--quick", ""},
		{"--closed", ""},
		{"--addr 127.0.0.1:4000", ""},
		{"--addr [::1]:4000", ""},
		{"--addr 192.0.2.1:4000 --remote", ""},
		{"--warmup -1s", ""},
		{"--addr 192.0.2.1:4000", "not this machine's loopback"},
		{"--addr 4000", "--addr"},
		{"--mix dance", `"dance" is none of idle, look`},
		{"--clients 0", "--clients: 0"},
		{"--clients 30000", "--clients: 30000"},
		{"--duration 2h", "--duration: 2h"},
		{"--duration 1ms --timeout 1ms", "--timeout: 1ms"},
		{"--rate -1", "--rate: -1"},
		{"--rate NaN", "--rate: NaN"},
		{"--closed --rate 5", "either a closed loop"},
		{"--closed=false", "either a closed loop"},
		{"--quick --clients 5", "a quick run has its own"},
		{"--answer look=(", "--answer look"},
		{"--line dance=jig", "none of drop, get, look, say, walk"},
		{"--addr 127.0.0.1:4000 --set a=b", "--set"},
		{"--pid 999999999", "process 999999999"},
		{"extra", "no argument"},
		{"--what", "unknown flag"},
	} {
		_, err := parse(strings.Fields(test.args), launch.Stdio{Out: io.Discard, Err: io.Discard})
		var wrong *flagError
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.args, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want one with %q", test.args, err, test.want)
		case test.want != "" && (!errors.As(err, &wrong) || wrong.Hint() == ""):
			t.Errorf("%s: error %v has no hint", test.args, err)
		}
	}
	_, err := parse([]string{"--clients", "-1", "--mix", "dance"}, launch.Stdio{Out: io.Discard, Err: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "--clients") || !strings.Contains(err.Error(), "--mix") {
		t.Errorf("two faults: %v, want both", err)
	}
}

// listen serves connections with f, and returns the address.
func listen(t *testing.T, f func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
	return l.Addr().String()
}

func TestErrors(t *testing.T) {
	serve := func(answer func(line string) string) func(net.Conn) {
		return func(c net.Conn) {
			buf := make([]byte, 1000)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				text := answer(strings.TrimSpace(string(buf[:n])))
				if text == "" {
					return
				}
				io.WriteString(c, text+"\r\n")
			}
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	said := 0
	for _, test := range []struct {
		name, addr, want, hint string
	}{
		{"nobody listens", closed, "connect to " + closed, "nobody listens there"},
		{"refused", listen(t, serve(func(string) string { return "That name is taken." })), "is not let in; it read last: That name is taken.", "--name"},
		{"silent", listen(t, func(c net.Conn) { io.Copy(io.Discard, c) }), "not answered within", "--welcome"},
		{"closed at once", listen(t, func(net.Conn) {}), "has ended the connection", "still runs"},
		{"another game", listen(t, serve(func(string) string { return "Welcome, stranger." })), "nothing that it reads is the answer", "--answer"},
		{"dies in the middle", listen(t, serve(func(line string) string {
			if text, ok := strings.CutPrefix(line, "say "); ok {
				if said++; said > 5 {
					return ""
				}
				return `You say, "` + text + `"`
			}
			return "Welcome, Benchaaaa."
		})), "has ended the connection of Benchaaaa", "still runs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Run(context.Background(), Config{Addr: test.addr, Clients: 1, Mix: "say", Duration: time.Second, Warmup: -1, Timeout: 300 * time.Millisecond, Sources: -1})
			var h interface{ Hint() string }
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, &h) || !strings.Contains(h.Hint(), test.hint) {
				t.Fatalf("error %v, want one with %q and a hint with %q", err, test.want, test.hint)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

// A game that answers wrong is found out.
func TestWrongAnswers(t *testing.T) {
	n := 0
	addr := listen(t, func(c net.Conn) {
		buf := make([]byte, 1000)
		for {
			k, err := c.Read(buf)
			if err != nil {
				return
			}
			line := strings.TrimSpace(string(buf[:k]))
			text, ok := strings.CutPrefix(line, "say ")
			answer := `You say, "` + text + "\"\r\n"
			switch n++; {
			case !ok:
				answer = "Welcome, Benchaaaa.\r\n"
			case n == 5:
				answer += answer
			case n == 8:
				answer = "You say, \"b9.9\"\r\n"
			case n == 12:
				answer = "What?\r\n"
			}
			io.WriteString(c, answer)
		}
	})
	rep, err := Run(t.Context(), Config{Addr: addr, Clients: 1, Mix: "say", Duration: 500 * time.Millisecond, Warmup: -1, Timeout: 150 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if c := rep.Results[0].Counts; c.Doubled != 1 || c.Wrong != 1 || c.Lost != 1 || c.Sent != c.Answered+c.Lost {
		t.Errorf("counts %+v, want one doubled, one wrong, one lost", c)
	}
	var out bytes.Buffer
	if err := rep.print(&out); err != nil || !strings.Contains(out.String(), "WRONG: 3") {
		t.Errorf("error %v; the report does not say what is wrong:\n%s", err, out.String())
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20"))
	if err != nil || got != 2 {
		t.Errorf("parseStat = %v, %v, want 2", got, err)
	}
	if _, err := parseStat([]byte("12")); err == nil {
		t.Error("parseStat of half a line has no error")
	}
}

func TestSourcesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for i := range 2 * maxClients {
		ip := sourceIP(i)
		if !ip.IsLoopback() || seen[ip.String()] {
			t.Fatalf("address %d is %v, want another one on the loopback", i, ip)
		}
		seen[ip.String()] = true
	}
}
