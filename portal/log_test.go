package portal_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// The sequences of link/SPEC.md, section 3, on the Portal's side.
func TestSequences(t *testing.T) {
	t.Run("a waiting player holds nobody", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := startBench(t, nil)
			ada, _ := b.connect()
			bob, _ := b.connect()
			srv := b.attach(1, 0)
			srv.take()
			say(t, ada, "north", "delete house")
			say(t, bob, "get gold")
			srv.want("input 1:2 north", "input 1:3 delete house", "input 2:2 get gold")
			// Ada's 3 asks; Bob's 2 commits.
			srv.send(&link.Question{Session: 1, ID: link.QuestionID{Line: 3, K: 1}, Prompt: "Sure?"}, end(1, 1, 2, 2, 2), &link.Committed{Commit: 1})
			srv.kill()
			srv = b.attach(2, 1)
			srv.want("hello porch tide 3", "seat 1 #1 p2 u0 q3.1", "seat 2 #2 p2 u0", "synced", "input 1:3 delete house")
		})
	})
	t.Run("typed ahead", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := startBench(t, nil)
			ada, c := b.connect()
			srv := b.attach(1, 0)
			srv.take()
			say(t, ada, "look", "connect ada", "hunter2")
			srv.send(end(0, 1, 2), &link.Question{Session: 1, ID: link.QuestionID{Line: 3, K: 1}, Hidden: true, Prompt: "Password:"}, end(0))
			// What was typed ahead is the answer, and is one to the next Server, too.
			wantLines(t, c, "ask Password: hidden=false")
			if ada.Hidden() {
				t.Error("the question is answered, Hidden = true")
			}
			srv.kill()
			srv = b.attach(2, 0)
			srv.want("hello porch tide 3", "seat 1 #1 p2 u0", "synced", "input 1:3 connect ada", "input 1:4 q3.1 hunter2")
			srv.send(&link.Question{Session: 1}, end(1, 1, 4), &link.Committed{Commit: 1})
			wantLines(t, c)
			say(t, ada, "look")
			srv.want("input 1:5 look")
		})
	})
	t.Run("typed ahead, and processed with the question", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := startBench(t, nil)
			ada, c := b.connect()
			srv := b.attach(1, 0)
			srv.take()
			say(t, ada, "nap", "look")
			// The nap is over and asks, when look has run.
			srv.send(&link.Question{Session: 1, ID: link.QuestionID{Line: 2, K: 1}, Prompt: "Again?"}, end(0, 1, 3))
			wantLines(t, c, "ask Again? hidden=false")
			srv.take()
			say(t, ada, "yes")
			srv.want("input 1:4 q2.1 yes")
		})
	})
	t.Run("the question died", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := startBench(t, nil)
			ada, c := b.connect()
			srv := b.attach(1, 0)
			say(t, ada, "buy")
			q := &link.Question{Session: 1, ID: link.QuestionID{Line: 2, K: 1}, Hidden: true, Prompt: "PIN:"}
			srv.send(q, end(1, 1, 2), &link.Committed{Commit: 1})
			srv.kill()
			c.take()
			if !ada.Hidden() {
				t.Error("a hidden question is open, Hidden = false")
			}
			say(t, ada, "1234", "look")
			if ada.Hidden() {
				t.Error("the answer was taken, Hidden = true")
			}
			wantLines(t, c, "answered")
			srv = b.attach(2, 1)
			srv.want("hello porch tide 3", "seat 1 #1 p2 u0", "synced", "input 1:3 q2.1 1234", "input 1:4 look")
			// The same question again, while its answer is in the log: the prompt, and nothing opened.
			srv.send(q, end(1))
			wantLines(t, c, "ask PIN: hidden=false")
			if ada.Hidden() {
				t.Error("the answer is in the log already, Hidden = true")
			}
		})
	})
	t.Run("closed while away", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := startBench(t, nil)
			ada, c := b.connect()
			say(t, ada, "connect ada pw", "drop ring")
			ada.Disconnect("left")
			ada.Disconnect("left twice")
			if _, err := ada.TryDataIn(message.Text("more")); err == nil {
				t.Error("a session that has ended takes input")
			}
			if got := c.reasons(); len(got) != 1 || got[0] != "left" {
				t.Errorf("Close was called with %q, want once with left", got)
			}
			srv := b.attach(1, 0)
			srv.want("hello porch tide 3", "seat 1 #1 p0 u0", "synced",
				"open 1:1", "input 1:2 connect ada pw", "input 1:3 drop ring", "close 1:4 left")
			srv.send(end(1, 1, 3), &link.Committed{Commit: 1})
			if srv.take(); len(b.p.Status().Sessions) != 1 {
				t.Error("the session is gone before its Close was processed")
			}
			srv.send(end(2, 1, 4), &link.Committed{Commit: 2})
			if srv.take(); len(b.p.Status().Sessions) != 0 {
				t.Error("the session is still there after its Close was processed")
			}
			srv.send(text("too late", 1), end(2))
			if srv.take(); b.p.Status().Ignored != 1 {
				t.Errorf("Ignored = %d, want 1", b.p.Status().Ignored)
			}
		})
	})
}

// The table of link/SPEC.md, section 4.
func TestCrashTable(t *testing.T) {
	for _, tc := range []struct {
		name   string
		send   []link.Frame
		commit uint64 // in the store when the next Server says hello
		shown  bool
		resent bool
	}{
		{"before the end of the turn", []link.Frame{text("Sold.", 1)}, 0, false, true},
		{"before the commit", []link.Frame{text("Sold.", 1), end(1, 1, 2)}, 0, false, true},
		{"after the commit", []link.Frame{text("Sold.", 1), end(1, 1, 2)}, 1, true, false},
		{"after Committed", []link.Frame{text("Sold.", 1), end(1, 1, 2), &link.Committed{Commit: 1}}, 1, true, false},
		{"a turn without changes", []link.Frame{text("Sold.", 1), end(0, 1, 2)}, 0, true, false},
		{"a turn that saw an uncommitted one", []link.Frame{end(1), text("Sold.", 1), end(1, 1, 2)}, 0, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := startBench(t, nil)
				s, c := b.connect()
				srv := b.attach(1, 0)
				say(t, s, "sell")
				srv.take()
				srv.send(end(0, 1, 1))
				c.take()
				srv.send(tc.send...)
				srv.kill()
				srv = b.attach(2, tc.commit)
				got := strings.Join(srv.take(), "\n")
				if resent := strings.Contains(got, "sell"); resent != tc.resent {
					t.Errorf("resent = %v, want %v:\n%s", resent, tc.resent, got)
				}
				shown := strings.Join(c.take(), "\n")
				if want := map[bool]string{true: "Sold."}[tc.shown]; shown != want {
					t.Errorf("shown %q, want %q", shown, want)
				}
			})
		})
	}
}

func TestTurnIsHeldUntilCommitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		_, c := b.connect()
		srv := b.attach(1, 5)
		c.take()
		srv.send(text("one", 1), end(6), text("two", 1), end(7), text("three", 1))
		wantLines(t, c)
		srv.send(&link.Committed{Commit: 6})
		wantLines(t, c, "one")
		srv.send(&link.Committed{Commit: 7})
		wantLines(t, c, "two")
		srv.send(end(7))
		wantLines(t, c, "three")
	})
}

func TestNewcomersGetTheirOpen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		srv := b.attach(1, 0)
		srv.want("hello porch tide 3", "synced")
		s, _ := b.connect()
		say(t, s, "hi")
		srv.want("seat 1 #1 p0 u0", "open 1:1", "input 1:2 hi")
		srv.kill()
		late, _ := b.connect()
		say(t, late, "me too")
		srv = b.attach(1, 0)
		srv.want("hello porch tide 3", "seat 1 #1 p0 u0", "seat 2 #2 p0 u0", "synced",
			"open 1:1", "input 1:2 hi", "open 2:1", "input 2:2 me too")
	})
}

func TestUpdatesCoalesce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		s, _ := b.connect()
		width := func(n int) { s.Update(func(i *session.Info) { i.Width = n }) }
		width(1)
		width(2)
		width(2)
		srv := b.attach(1, 0)
		srv.want("hello porch tide 3", "seat 1 #1 p0 u0", "synced", "open 1:1", "update 1:2 width 2")
		width(3)
		width(4)
		say(t, s, "x")
		srv.want("input 1:3 x")
		srv.send(end(0, 1, 2))
		srv.want("update 1:4 width 4")
		srv.send(end(0, 1, 4))
		srv.want()
		if got := s.Caps().Width; got != 4 {
			t.Errorf("Caps().Width = %d, want 4", got)
		}
		// A new Server gets the last state, and once.
		width(5)
		width(6)
		srv.kill()
		srv = b.attach(1, 0)
		srv.want("hello porch tide 3", "seat 1 #1 p4 u0", "synced", "update 1:5 width 6")
		srv.send(end(0, 1, 5))
		srv.want()
	})
}

func TestNoLinesAfterDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		s, _ := b.connect()
		srv := b.attach(1, 0)
		srv.stay.Store(true)
		srv.take()
		done := make(chan error, 1)
		go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "new rooms") }()
		srv.want("drain reload new rooms")
		say(t, s, "look")
		b.connect()
		srv.want()
		srv.send(end(0, 1, 1)) // what it has still processed counts
		srv.kill()
		srv = b.attach(1, 0)
		srv.want("hello porch tide 3", "seat 1 #1 p1 u0", "seat 2 #2 p0 u0", "synced", "input 1:2 look", "open 2:1")
		if err := <-done; err != nil {
			t.Errorf("Restart = %v", err)
		}
	})
}

func TestHandshakeRefusals(t *testing.T) {
	for _, tc := range []struct {
		name  string
		hello *link.ServerHello
		want  string
	}{
		{"version", &link.ServerHello{Version: link.Version + 1, Server: "server", Epoch: 9},
			fmt.Sprintf("refuse the Portal speaks version %d of the link, the Server version %d", link.Version, link.Version+1)},
		{"epoch", &link.ServerHello{Version: link.Version, Server: "server", Epoch: 4},
			"refuse the Server has epoch 4, a newer one with epoch 5 was attached"},
		{"name", &link.ServerHello{Version: link.Version, Server: "other", Epoch: 9},
			`refuse this Portal is used by a Server named "server", not "other"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := startBench(t, nil)
				b.attach(5, 0).kill()
				srv := dialServer(t, b.l, tc.hello)
				<-srv.ended
				srv.want(tc.want)
				srv.conn.Close()
				b.attach(5, 0).want("hello porch tide 3", "synced")
			})
		})
	}
	t.Run("a second one", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := startBench(t, nil)
			first := b.attach(1, 0)
			first.take()
			srv := dialServer(t, b.l, hello(2, 0))
			<-srv.ended
			srv.want("refuse another Server is attached")
			srv.conn.Close()
			b.connect()
			first.want("seat 1 #1 p0 u0", "open 1:1")
		})
	})
	t.Run("silence", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			b := startBench(t, nil)
			tr, err := b.l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sleep(11 * time.Second)
			if _, err := tr.Read(make([]byte, 1)); err == nil {
				t.Error("a peer that says nothing is kept")
			}
			tr.Close()
		})
	})
}

// More than is sent ahead of the writing waits for a Server.
func TestManyLinesAreReplayedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.LineBytes = 64 << 10 })
		const sessions = 200
		long := strings.Repeat("x", 60<<10)
		for range sessions {
			s, _ := b.connect()
			say(t, s, long)
			s.Update(func(i *session.Info) { i.Width = 7 })
		}
		srv := b.attach(1, 0)
		next := make(map[string]int)
		for _, f := range srv.take() {
			op, rest, _ := strings.Cut(f, " ")
			if op != "open" && op != "input" && op != "update" {
				continue
			}
			index, line, _ := strings.Cut(strings.Fields(rest)[0], ":")
			next[index]++
			if line != strconv.Itoa(next[index]) {
				t.Fatalf("session %s: line %s came in place of %d", index, line, next[index])
			}
		}
		if len(next) != sessions {
			t.Errorf("lines of %d sessions came, want %d", len(next), sessions)
		}
		for index, n := range next {
			if n != 3 {
				t.Errorf("session %s: %d lines came, want 3", index, n)
			}
		}
	})
}
