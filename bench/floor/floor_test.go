package floor_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"mudlark.dev/bench/floor"
)

// backEnv names the socket of a front: a test program that has it is its back, and
// nothing else.
const backEnv = "MUDLARK_FLOOR_BACK"

func TestMain(m *testing.M) {
	path := os.Getenv(backEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	link, err := net.Dial("unix", path)
	if err == nil {
		err = floor.Relay{}.Back(context.Background(), link)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// relayOfTwo serves l with a relay whose back is a process of its own.
func relayOfTwo(tb testing.TB) func(ctx context.Context, l net.Listener) error {
	return func(ctx context.Context, l net.Listener) error {
		dir, err := os.MkdirTemp("", "floor")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "link")
		backs, err := net.Listen("unix", path)
		if err != nil {
			return err
		}
		defer backs.Close()
		backs.(*net.UnixListener).SetDeadline(time.Now().Add(30 * time.Second))
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), backEnv+"="+path)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		defer func() {
			backs.Close() // a back that comes late is refused
			if err := cmd.Wait(); err != nil {
				tb.Errorf("the back ended with %v", err)
			}
		}()
		link, err := backs.Accept()
		if err != nil {
			return err
		}
		return floor.Relay{}.Front(ctx, l, link)
	}
}

// start serves with s until the test is over, and returns its address.
func start(tb testing.TB, s func(context.Context, net.Listener) error) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s(ctx, l) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Serve = %v, want nil", err)
		}
	})
	return l.Addr().String()
}

type yardstick struct {
	name  string
	serve func(context.Context, net.Listener) error
}

func yardsticks(tb testing.TB) []yardstick {
	return []yardstick{
		{"echo", floor.Echo{}.Serve},
		{"relay", floor.Relay{}.Serve},
		{"relay of two processes", relayOfTwo(tb)},
	}
}

func TestLinesComeBack(t *testing.T) {
	long := strings.Repeat("x", 5000) + "\n"
	for _, y := range yardsticks(t) {
		t.Run(y.name, func(t *testing.T) {
			addr := start(t, y.serve)
			// Two at once get their own lines, a long one whole, and one without an
			// end as well.
			var conns []net.Conn
			for range 2 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(30 * time.Second))
				conns = append(conns, c)
			}
			for i, c := range conns {
				fmt.Fprintf(c, "one %d\n%s\n", i, long)
			}
			for i, c := range conns {
				want := fmt.Sprintf("one %d\n%s\n", i, long)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
					t.Errorf("client %d got %.40q… (%v), want %.40q…", i, got, err, want)
				}
			}
		})
	}
}

func TestDrive(t *testing.T) {
	for _, y := range yardsticks(t) {
		t.Run(y.name, func(t *testing.T) {
			r, err := floor.Drive(t.Context(), start(t, y.serve), 5, 20*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if r.Lines < 5 || r.P50 <= 0 || r.P99 < r.P50 || r.Elapsed < 20*time.Millisecond || r.PerSecond() <= 0 {
				t.Errorf("Drive = %+v, want 5 lines or more, and times of them", r)
			}
		})
	}
}

// A server whose answers are several lines, after a greeting.
func TestLoadPrepares(t *testing.T) {
	addr := start(t, func(ctx context.Context, l net.Listener) error {
		stop := context.AfterFunc(ctx, func() { l.Close() })
		defer stop()
		for {
			c, err := l.Accept()
			if err != nil {
				return nil
			}
			go func() {
				defer c.Close()
				io.WriteString(c, "welcome\n")
				for in := bufio.NewScanner(c); in.Scan(); {
					fmt.Fprintf(c, "you said %s\nend.\n", in.Text())
				}
			}()
		}
	})
	r, err := floor.Load{
		Addr: addr, Clients: 3, Duration: time.Millisecond, Line: "look\n", Done: "end.\n",
		Prepare: func(c net.Conn, r *bufio.Reader) error { return floor.SkipTo(r, []byte("welcome\n")) },
	}.Run(t.Context())
	if err != nil || r.Lines < 3 {
		t.Errorf("Run = %+v, %v, want 3 lines or more", r, err)
	}
}

func TestLoadFails(t *testing.T) {
	refused := errors.New("refused")
	silent := func(ctx context.Context, l net.Listener) error {
		<-ctx.Done()
		return l.Close()
	}
	leaves := func(ctx context.Context, l net.Listener) error {
		c, err := l.Accept()
		if err == nil {
			io.CopyN(io.Discard, c, 1)
			c.Close()
		}
		return l.Close()
	}
	tests := []struct {
		name  string
		serve func(context.Context, net.Listener) error
		load  floor.Load
		want  string
	}{
		{name: "no end", load: floor.Load{Line: "look"}, want: `floor: line "look": it has no end`},
		{name: "long end", load: floor.Load{Done: strings.Repeat("x", 513)}, want: "floor: end of an answer: 513 bytes, the limit is 512"},
		{
			name: "prepare", load: floor.Load{Prepare: func(net.Conn, *bufio.Reader) error { return refused }},
			want: "floor: client 1: refused",
		},
		{name: "server leaves", serve: leaves, load: floor.Load{Done: "x\n"}, want: "floor: client 1: wait for"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.serve == nil {
				tt.serve = silent
			}
			tt.load.Addr = start(t, tt.serve)
			_, err := tt.load.Run(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Run = %v, want %s", err, tt.want)
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		addr := start(t, silent)
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := floor.Load{Addr: addr, Prepare: func(net.Conn, *bufio.Reader) error {
			cancel(refused) // while it waits for an answer that does not come
			return nil
		}}.Run(ctx)
		if !errors.Is(err, refused) {
			t.Errorf("Run = %v, want the cause of the context's end", err)
		}
	})
}

// A front whose back goes away, or is none, says so.
func TestFrontLosesBack(t *testing.T) {
	for name, say := range map[string]string{
		"gone":     "",
		"a frame":  "\x00\x00",
		"no relay": "HTTP/1.1 400 Bad Request",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs := net.Pipe()
			go func() {
				io.WriteString(theirs, say)
				theirs.Close()
			}()
			err = floor.Relay{}.Front(t.Context(), l, ours)
			if err == nil || !strings.HasPrefix(err.Error(), "floor: front: link: ") {
				t.Errorf("Front = %v, want what became of the link", err)
			}
			if got := errors.Is(err, floor.ErrFrame); got != (name == "no relay") {
				t.Errorf("Front = %v: is it ErrFrame: %v", err, got)
			}
		})
	}
}

func TestSkipTo(t *testing.T) {
	const done = "Exits: end.\r\n"
	for name, in := range map[string]string{
		"at once":         done,
		"after lines":     "A room.\r\n\r\nIt is long.\r\n" + done,
		"after its start": "Exits: Exits: end.\n" + done,
		"long line":       strings.Repeat("x", 100) + done,
	} {
		for kind, wrap := range map[string]func(io.Reader) io.Reader{
			"whole":    func(r io.Reader) io.Reader { return r },
			"by bytes": iotest.OneByteReader,
		} {
			r := bufio.NewReaderSize(wrap(strings.NewReader(in+"rest")), 16)
			if err := floor.SkipTo(r, []byte(done)); err != nil {
				t.Errorf("%s, %s: SkipTo = %v", name, kind, err)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "rest" {
				t.Errorf("%s, %s: %q is left, want %q", name, kind, rest, "rest")
			}
		}
	}
	r := bufio.NewReaderSize(strings.NewReader("Exits: none.\r\n"), 16)
	if err := floor.SkipTo(r, []byte(done)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("SkipTo = %v, want io.ErrUnexpectedEOF", err)
	}
}

// FuzzBack has anybody write to a back: it answers whole frames and ends.
func FuzzBack(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x05\x00\x00\x00\x01look\n"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x07"))
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, in []byte) {
		link := &memory{in: bytes.NewReader(in)}
		err := floor.Relay{}.Back(t.Context(), link)
		if got := link.out.Bytes(); !bytes.HasPrefix(in, got) || err == nil && len(got) != len(in) {
			t.Errorf("%q was answered with %q (%v)", in, got, err)
		}
	})
}

// memory is a link that ends after what it has.
type memory struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (m *memory) Read(p []byte) (int, error)  { return m.in.Read(p) }
func (m *memory) Write(p []byte) (int, error) { return m.out.Write(p) }
func (m *memory) Close() error                { return nil }

func BenchmarkEcho(b *testing.B) { benchmark(b, floor.Echo{}.Serve) }

func BenchmarkRelay(b *testing.B) {
	b.Run("processes=1", func(b *testing.B) { benchmark(b, floor.Relay{}.Serve) })
	b.Run("processes=2", func(b *testing.B) { benchmark(b, relayOfTwo(b)) })
}

// benchmark has clients type for half a second in each iteration.
func benchmark(b *testing.B, serve func(context.Context, net.Listener) error) {
	for _, clients := range []int{1, 200} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			p, err := floor.Load{Addr: start(b, serve), Clients: clients}.Connect(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			var sum floor.Sum
			for b.Loop() {
				r, err := p.Type(b.Context(), 500*time.Millisecond)
				if err != nil {
					b.Fatal(err)
				}
				sum.Add(r)
			}
			b.ReportMetric(0, "ns/op") // an iteration is a time
			b.ReportMetric(sum.PerSecond(), "lines/s")
			b.ReportMetric(float64(sum.P50())/1e3, "p50-µs")
			b.ReportMetric(float64(sum.P99())/1e3, "p99-µs")
		})
	}
}
