package clientbots_test

import (
	"bytes"
	"compress/zlib"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"mudlark.dev/internal/clientbots"
)

// A server is the other end of a Bot's connection.
type server struct {
	conn net.Conn
	mu   sync.Mutex
	got  []byte
}

func start(t *testing.T, p clientbots.Profile) (*server, *clientbots.Bot) {
	ours, theirs := net.Pipe()
	s := &server{conn: ours}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			s.mu.Lock()
			s.got = append(s.got, buf[:n]...)
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	b := clientbots.Start(theirs, p)
	t.Cleanup(b.Close)
	return s, b
}

// say writes, and returns what the Bot answers.
func (s *server) say(text string) string {
	synctest.Wait()
	s.mu.Lock()
	s.got = nil
	s.mu.Unlock()
	s.conn.Write([]byte(text))
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.got)
}

func sub(option, payload string) string { return "\xff\xfa" + option + payload + "\xff\xf0" }

// What each client says to the commands of a server, as it is known of the real
// ones.
func TestAnswers(t *testing.T) {
	type pairs [][2]string
	for name, want := range map[string]pairs{
		"Mudlet": {
			{"\xff\xfd\x18", "\xff\xfb\x18"}, {sub("\x18", "\x01"), sub("\x18", "\x00MUDLET")},
			{"\xff\xfd\x1f", "\xff\xfb\x1f" + sub("\x1f", "\x00\x64\x00\x28")}, {"\xff\xfb\x57", "\xff\xfe\x57"}, {"\xff\xfb\x45", "\xff\xfe\x45"},
			{"\xff\xfb\x46", "\xff\xfd\x46"}, {"\xff\xfb\x03", "\xff\xfe\x03"}, {"x\xff\xfb\x01", "\xff\xfd\x01"}, {"\xff\xfc\x01", "\xff\xfe\x01"},
			{"\xff\xfd\x06", "\xff\xfc\x06"}, {"\xff\xf6", "YES\r\n"}, {"\xff\xfb\x2a", "\xff\xfd\x2a"},
			{sub("\x2a", "\x01;UTF-8;ISO-8859-1"), sub("\x2a", "\x02UTF-8")},
		},
		"TinTin++": {
			{"\xff\xfb\x46", "\xff\xfe\x46"}, {"\xff\xfb\xc9", "\xff\xfe\xc9"}, {"\xff\xfb\x57", "\xff\xfd\x57\xff\xfa\x57\xff\xf0"},
			{"x\xff\xfb\x01", "?"}, {"\xff\xfc\x01", ""},
		},
		"MUSHclient": {
			{"\xff\xfd\x27", "\xff\xfc\x27"}, {"\xff\xfd\x27", ""}, {"\xff\xfb\x19", "\xff\xfe\x19"}, {"\xff\xfb\x19", ""},
		},
		"Blightmud": {{"\xff\xfb\x5b", "\xff\xfe\x5b"}, {"\xff\xfb\x45", "\xff\xfd\x45" + sub("\x45", "\x01LIST\x02COMMANDS")}},
		"Mudpuppy":  {{"\xff\xfd\x18", ""}, {"\xff\xfb\x56", ""}, {"\xff\xfb\x19", "\xff\xfd\x19"}},
		"netcat":    {{"\xff\xfd\x18", ""}, {"\xff\xfb\x56", ""}, {"\xff\xfb\x01", ""}},
		"PuTTY":     {{"\xff\xfd\x1f", sub("\x1f", "\x00\x50\x00\x18")}, {"\xff\xfb\x56", "\xff\xfe\x56"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, p := range clientbots.All() {
					if p.Name != name {
						continue
					}
					s, _ := start(t, p)
					for _, w := range want {
						got := s.say(w[0])
						if w[1] == "?" { // compressed
							if got == "" {
								t.Errorf("to %q: nothing", w[0])
							}
						} else if got != w[1] {
							t.Errorf("to %q: %q, want %q", w[0], got, w[1])
						}
					}
				}
			})
		})
	}
}

// Each problem that is looked for is found, and a server without one has none.
func TestProblems(t *testing.T) {
	for _, tt := range []struct{ name, say, want string }{
		{"nothing wrong", "\xff\xfd\x18\xff\xfb\x19Hello.\r\nName: \xff\xef", ""},
		{"ECHO first", "\xff\xfb\x01", "at the beginning"},
		{"ECHO twice", "x\xff\xfb\x01\xff\xfb\x01", "what it was"},
		{"offered twice", "\xff\xfb\x19\xff\xfb\x19", "settled"},
		{"offered though refused", "\xff\xfb\x45\xff\xfb\x45", "settled"},
		{"not agreed", sub("\x45", "x"), "not agreed"},
		{"GA with EOR", "\xff\xfb\x19> \xff\xf9", "though EOR"},
		{"EOR unasked", "> \xff\xef", "EOR that was not"},
		{"a mark after a line", "Hello.\r\n\xff\xf9", "after the end of a line"},
		{"LF alone", "Hello.\n", "without CR"},
		{"CR alone", "a\rb", "ends no line"},
		{"zero byte", "a\x00b", "zero byte"},
		{"half a character", "caf\xc3", "within a character"},
		{"half a colour", "x\x1b[1", "within an escape"},
		{"a prompt in colour", "\x1b[1mName: \xff\xf9", "in colour"},
		{"SUPPRESS-GO-AHEAD", "\xff\xfb\x03> \xff\xf9", ""}, // Mudlet refuses it
		{"bad JSON", "\xff\xfb\xc9" + sub("\xc9", "Char.Vitals {x"), "no JSON"},
		{"line end in JSON", "\xff\xfb\xc9" + sub("\xc9", "Char.Vitals {\n}"), "GMCP"},
		{"not listed", "\xff\xfb\xc9" + sub("\xc9", "Comm.Channel.List []"), "not listed"},
		{"zero in a subnegotiation", "\xff\xfb\xc9" + sub("\xc9", "Core.\x00Ping"), "zero byte"},
		{"an empty list", "\xff\xfb\x2a" + sub("\x2a", "\x01;;"), "offers"},
		{"asked without end", "\xff\xfd\x18" + strings.Repeat(sub("\x18", "\x01"), 5), "5 times"},
		{"a broken stream", "\xff\xfb\x56" + sub("\x56", "") + "this is no zlib", "compressed stream"},
		{"no command", "\xff\x05", "command 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, b := start(t, clientbots.Mudlet())
				s.say(tt.say)
				got := strings.Join(b.Problems(), "; ")
				if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
					t.Errorf("problems %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// Compression both ways, with an end and a second stream.
func TestCompression(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := func(text string) string {
			var b bytes.Buffer
			w := zlib.NewWriter(&b)
			io.WriteString(w, text)
			w.Close()
			return b.String()
		}
		s, b := start(t, clientbots.TinTin())
		s.say("\xff\xfb\x56" + sub("\x56", "") + stream("one\r\n\xff\xfb\x19") + "two\r\n")
		b.Expect(t, "one\r\ntwo\r\n")
		s.say(sub("\x56", "") + stream("three\r\n") + "four\r\n")
		b.Expect(t, "three\r\nfour\r\n")
		got := s.say("\xff\xfb\x57")
		b.Send("look")
		synctest.Wait()
		s.mu.Lock()
		got += string(s.got[len(got):])
		s.mu.Unlock()
		_, compressed, _ := strings.Cut(got, sub("\x57", ""))
		r, err := zlib.NewReader(strings.NewReader(compressed))
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		text := make([]byte, 6)
		if _, err := io.ReadFull(r, text); err != nil || string(text) != "look\r\n" {
			t.Errorf("it sends %q, %v", text, err)
		}
		if problems := b.Problems(); len(problems) > 0 {
			t.Errorf("problems: %q", problems)
		}
	})
}
