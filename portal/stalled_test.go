package portal_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/portal"
)

const (
	waits  = "The game cannot save at the moment, so it waits. Nothing that you type is lost."
	goesOn = "The game goes on."
	isBack = "The game is back."
	isAway = "The game is being restarted. What you type is kept."
)

func stall(text string) *link.Stalled { return &link.Stalled{Text: text} }

// Players are told once that the game waits and once that it goes on, newcomers as
// well; operators see the cause.
func TestStalledIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		_, ada := b.connect()
		srv := b.attach(1, 1)
		srv.send(end(1, 1, 1))
		ada.take()

		srv.send(stall("disk full (make room)"))
		wantLines(t, ada, waits)
		if got := b.p.Status().Server.Stalled; got != "disk full (make room)" {
			t.Errorf("Status has %q", got)
		}
		srv.send(stall("read-only")) // another cause: for operators only
		wantLines(t, ada)
		if got := b.p.Status().Server.Stalled; got != "read-only" {
			t.Errorf("Status has %q", got)
		}
		_, bob := b.connect()
		wantLines(t, bob, waits)
		sleep(time.Hour)
		wantLines(t, ada)
		srv.send(text("saved", 1), end(2), stall(""), &link.Committed{Commit: 2})
		wantLines(t, ada, goesOn, "saved")
		wantLines(t, bob, goesOn)
		if got := b.p.Status().Server.Stalled; got != "" {
			t.Errorf("Status still has %q", got)
		}
		_, cid := b.connect()
		wantLines(t, cid)
		srv.send(stall("")) // once more changes nothing
		wantLines(t, ada)
		srv.send(stall("again"))
		wantLines(t, ada, waits)
		for _, w := range []string{`level=ERROR msg="the game cannot save, and waits" cause="disk full (make room)"`, `msg="the game still cannot save" cause=read-only`, `msg="the game saves again"`} {
			if !strings.Contains(b.log.String(), w) {
				t.Errorf("the log lacks %s", w)
			}
		}
	})
}

// What players were told is settled when the link ends, by what they are told of
// the next Server.
func TestStalledServerIsReplaced(t *testing.T) {
	for _, tt := range []struct {
		name   string
		absent time.Duration
		want   []string // what Ada reads, from the end of the link on
		again  bool     // the next Server has the trouble as well
	}{
		{"at once", 100 * time.Millisecond, []string{isBack}, false},
		{"after a while", time.Second, []string{isAway, isBack}, false},
		{"in trouble as well", time.Second, []string{isAway, isBack, waits}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := startBench(t, nil)
				_, ada := b.connect()
				srv := b.attach(1, 1)
				ada.take()
				srv.send(stall("disk full"))
				wantLines(t, ada, waits)
				srv.kill()
				if got := b.p.Status().Server.Stalled; got != "" {
					t.Errorf("Status of a Server that is gone has %q", got)
				}
				sleep(tt.absent)
				_, bob := b.connect()
				srv = b.attach(2, 1)
				if tt.again {
					srv.send(stall("disk full"))
				}
				wantLines(t, ada, tt.want...)
				if tt.absent > time.Second/2 {
					wantLines(t, bob, tt.want...)
				} else {
					wantLines(t, bob)
				}
				srv.send(stall(""))
				if tt.again {
					wantLines(t, ada, goesOn)
				} else {
					wantLines(t, ada)
				}
			})
		})
	}
}

// A reload while the store is stuck changes nothing: the next Server could not take
// it over either, and its build would be blamed for that.
func TestReloadWhileStalled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "attach")
		old := st.proc(1).srv
		old.send(stall("disk full"))
		old.take()
		err := b.p.Restart(t.Context(), link.ModeReload, "")
		if err == nil || !strings.Contains(err.Error(), "the old one plays on") || !strings.Contains(err.Error(), "cannot save") || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("Restart = %v", err)
		}
		old.want() // it was not told to stop
		if _, kills := st.proc(2).counts(); kills != 1 {
			t.Errorf("the new Server was killed %d times, want once", kills)
		}
		wantState(t, b, portal.StateAttached, "")
		old.send(stall(""))
		old.take() // when the Portal has read it
		if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
			t.Errorf("Restart when it saves again = %v", err)
		}
		st.wantModes("cold", "reload", "reload")
	})
}

// A Server that is told to stop while its store is stuck: players read of the
// restart, not of the store as well.
func TestStalledWhileDraining(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, st := startSupervised(t, nil, "stay", "attach")
		_, ada := b.connect()
		ada.take()
		done := make(chan error, 1)
		go func() { done <- b.p.Restart(t.Context(), link.ModeReload, "") }()
		synctest.Wait()
		st.proc(1).srv.send(stall("disk full"))
		sleep(time.Second)
		wantLines(t, ada, isAway)
		sleep(30 * time.Second) // it is killed, and the next one comes
		if err := <-done; err != nil {
			t.Errorf("Restart = %v", err)
		}
		wantLines(t, ada, isBack)
	})
}

// A player whose ring is full because the game waits for its store floods nobody.
func TestStalledIsNoFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) {
			c.Limits.RingLines, c.Limits.FloodAfter = 4, 10*time.Second
		})
		s, ada := b.connect()
		srv := b.attach(1, 1)
		srv.send(end(1, 1, 1), stall("disk full"))
		say(t, s, "1", "2", "3", "4")
		if _, err := s.TryDataIn(message.Text("5")); err == nil {
			t.Fatal("a full ring takes a line")
		}
		sleep(time.Hour)
		if r := ada.reasons(); len(r) > 0 {
			t.Fatalf("disconnected while the game waits: %q", r)
		}
		srv.send(stall(""))
		sleep(9 * time.Second)
		if r := ada.reasons(); len(r) > 0 {
			t.Fatalf("disconnected before the game had its time: %q", r)
		}
		sleep(2 * time.Second)
		if r := ada.reasons(); len(r) != 1 {
			t.Errorf("not disconnected though the game goes on: %q", r)
		}
	})
}

// Why a Server did not end in order is in the log, whatever it was to end for.
func TestLastWordsOfAServerThatWasToStop(t *testing.T) {
	for _, how := range []string{"reload", "shutdown"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b, st := startSupervised(t, nil, "stay", "attach")
				lost := portal.Exit{Code: 1, Text: "what was done last is not saved"}
				time.AfterFunc(8*time.Second, func() { st.proc(1).end(lost) })
				if how == "reload" {
					if err := b.p.Restart(t.Context(), link.ModeReload, ""); err != nil {
						t.Errorf("Restart = %v", err)
					}
				} else {
					b.p.Shutdown("")
					sleep(10 * time.Second)
				}
				if want := `level=ERROR msg="server did not end in order" cause="exit code 1: what was done last is not saved"`; !strings.Contains(b.log.String(), want) {
					t.Errorf("the log lacks %s", want)
				}
			})
		})
	}
}
