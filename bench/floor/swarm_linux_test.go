package floor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"mudlark.dev/bench/floor"
)

func swarm(t *testing.T, addr string, n int) *floor.Swarm { return greeted(t, addr, n, "") }

// greeted is swarm with a server that greets who connects.
func greeted(t *testing.T, addr string, n int, greeting string) *floor.Swarm {
	t.Helper()
	var conns []net.Conn
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		got := make([]byte, len(greeting))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != greeting {
			t.Fatalf("greeted with %q, %v, want %q", got, err, greeting)
		}
	}
	s, err := floor.NewSwarm(conns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestSwarmTypes(t *testing.T) {
	for _, y := range yardsticks(t) {
		t.Run(y.name, func(t *testing.T) {
			s := swarm(t, start(t, y.serve), 7)
			long := strings.Repeat("x", 3000) + "\n"
			if err := s.Script(func(i int) []floor.Turn {
				own := fmt.Sprintf("say %d\n", i)
				return []floor.Turn{{Line: own, Done: own}, {Line: long, Done: long[len(long)-100:]}}
			}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r, err := s.Type(t.Context(), 10*time.Millisecond)
				if err != nil || r.Lines < 7 || r.P50 <= 0 || r.P99 < r.P50 || r.PerSecond() <= 0 {
					t.Errorf("Type = %+v, %v, want 7 lines or more, and times of them", r, err)
				}
			}
		})
	}
}

// answers serves connections whose lines are answered by f, which gets the number of
// the line.
func answers(t *testing.T, f func(n int, line string) string) string {
	return start(t, func(ctx context.Context, l net.Listener) error {
		stop := context.AfterFunc(ctx, func() { l.Close() })
		defer stop()
		for {
			c, err := l.Accept()
			if err != nil {
				return nil
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 1000)
				for n := 1; ; n++ {
					k, err := c.Read(buf)
					if err != nil {
						return
					}
					text := f(n, string(buf[:k]))
					if text == "" {
						return
					}
					io.WriteString(c, text)
				}
			}()
		}
	})
}

func TestSwarmFindsWrongAnswers(t *testing.T) {
	for name, wrong := range map[string]string{
		"longer":  "more\nend\n",
		"another": "and\n",
		"doubled": "end\nend\n",
	} {
		t.Run(name, func(t *testing.T) {
			addr := answers(t, func(n int, _ string) string {
				if n == 3 {
					return wrong
				}
				return "end\n"
			})
			s := swarm(t, addr, 1)
			if err := s.Script(func(int) []floor.Turn { return []floor.Turn{{"look\n", "end\n"}} }); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Type(t.Context(), time.Minute); !errors.Is(err, floor.ErrAnswer) {
				t.Errorf("Type = %v, want ErrAnswer", err)
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		s := swarm(t, answers(t, func(int, string) string { return "" }), 1)
		if err := s.Script(func(int) []floor.Turn { return []floor.Turn{{"look\n", "end\n"}} }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Type(t.Context(), time.Minute); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Type = %v, want io.ErrUnexpectedEOF", err)
		}
	})
	t.Run("context", func(t *testing.T) {
		s := swarm(t, answers(t, func(int, string) string { return "never" }), 1)
		if err := s.Script(func(int) []floor.Turn { return []floor.Turn{{"look\n", "end\n"}} }); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(io.ErrClosedPipe)
		if _, err := s.Type(ctx, time.Minute); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Type = %v, want the cause of the context's end", err)
		}
	})
	s := swarm(t, answers(t, func(int, string) string { return "" }), 1)
	for _, turns := range [][]floor.Turn{nil, {{"look", "end\n"}}, {{"look\n", "end"}}, {{"look\n", strings.Repeat("x", 600) + "\n"}}} {
		if err := s.Script(func(int) []floor.Turn { return turns }); err == nil {
			t.Errorf("Script of %.40q has no error", turns)
		}
	}
}

func spoken(dst []byte, speaker, n int) []byte {
	return fmt.Appendf(dst, "Somebody says, \"b%d.%d\"\n", speaker, n)
}

func TestHall(t *testing.T) {
	s := greeted(t, start(t, floor.Hall{}.Serve), 9, floor.HallGreeting)
	const line = "Somebody says, \"b0.1\"\n"
	for range 3 {
		f, err := s.Fan(t.Context(), 4, line, line, line)
		if err != nil || f.Bytes != len(line) || f.First <= 0 || f.Half < f.First || f.Last < f.Half {
			t.Fatalf("Fan = %+v, %v, want three times in order, and %d bytes", f, err, len(line))
		}
	}
	for seed := range uint64(2) {
		h, err := s.Speak(t.Context(), floor.Crowd{Rate: 2000, Duration: 100 * time.Millisecond, Seed: seed, Line: spoken})
		if err != nil || h.Lines < 100 || h.Deliveries != int64(h.Lines*9) || h.Missing+h.Disordered != 0 || h.P50 <= 0 || h.Max < h.P99 {
			t.Errorf("Speak = %+v, %v, want each line to be heard by all", h, err)
		}
	}
}

// A crowd in which a line is heard twice, in a wrong order or not at all is found out.
func TestSpeakFindsDisorder(t *testing.T) {
	held := ""
	addr := answers(t, func(n int, in string) string {
		out := ""
		for line := range strings.Lines(in) {
			switch {
			case strings.Contains(line, `"b0.3"`):
				held = line
			case strings.Contains(line, `"b0.4"`):
				out += line + held
			case strings.Contains(line, `"b0.6"`):
				out += line + line
			default:
				out += line
			}
		}
		return out + " \n"
	})
	s := swarm(t, addr, 1)
	h, err := s.Speak(t.Context(), floor.Crowd{Rate: 200, Duration: 100 * time.Millisecond, Seed: 1, Line: spoken})
	if err != nil || h.Lines < 7 || h.Disordered < 2 || h.KeptUp() {
		t.Errorf("Speak = %+v, %v, want a line out of order and one twice", h, err)
	}
}
