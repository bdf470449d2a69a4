package portal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

func TestFullRingHoldsOneSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.RingLines = 4 })
		ada, _ := b.connect()
		bob, _ := b.connect()
		srv := b.attach(1, 0)
		say(t, ada, "1", "2", "3", "4")
		if _, err := ada.TryDataIn(message.Text("5")); !errors.Is(err, portal.ErrFull) {
			t.Fatalf("TryDataIn with a full ring = %v, want ErrFull", err)
		}
		spaced := 0
		ada.OnSpace(func() { spaced++ })
		blocked := make(chan error, 1)
		go func() { blocked <- ada.DataIn(t.Context(), message.Text("5")) }()
		ctx, cancel := context.WithCancel(t.Context())
		given := make(chan error, 1)
		go func() { given <- ada.DataIn(ctx, message.Text("never")) }()
		say(t, bob, "look")
		ada.Update(func(i *session.Info) { i.Width = 9 }) // is not held back
		srv.want("hello porch tide 3", "seat 1 #1 p0 u0", "seat 2 #2 p0 u0", "synced", "open 1:1", "open 2:1",
			"input 1:2 1", "input 1:3 2", "input 1:4 3", "input 1:5 4", "input 2:2 look", "update 1:6 width 9")
		cancel()
		if err := <-given; !errors.Is(err, context.Canceled) {
			t.Errorf("DataIn whose context is done = %v", err)
		}
		srv.send(end(0, 1, 2))
		srv.want("input 1:7 5")
		if err := <-blocked; err != nil || spaced != 1 {
			t.Errorf("DataIn = %v, OnSpace was called %d times", err, spaced)
		}
		// The end of the session wakes those who wait.
		go func() { blocked <- ada.DataIn(t.Context(), message.Text("6")) }()
		ada.OnSpace(func() { spaced++ })
		synctest.Wait()
		ada.Disconnect("left")
		if err := <-blocked; !errors.Is(err, portal.ErrClosed) || spaced != 2 {
			t.Errorf("DataIn = %v, want ErrClosed; OnSpace was called %d times, want 2", err, spaced)
		}
		ada.OnSpace(func() { spaced++ })
		if spaced != 3 {
			t.Error("OnSpace of a session that has ended does not call")
		}
	})
}

func TestRingBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.RingBytes = 1000; c.Limits.LineBytes = 5000 })
		s, _ := b.connect()
		srv := b.attach(1, 0)
		say(t, s, strings.Repeat("x", 4000)) // larger than the ring, which is empty
		if _, err := s.TryDataIn(message.Text("y")); !errors.Is(err, portal.ErrFull) {
			t.Errorf("TryDataIn = %v, want ErrFull", err)
		}
		srv.send(end(0, 1, 2))
		srv.take()
		say(t, s, "y")
		if _, err := s.TryDataIn(message.Text(strings.Repeat("x", 4000))); !errors.Is(err, portal.ErrFull) {
			t.Errorf("TryDataIn = %v, want ErrFull", err)
		}
		called := false
		s.OnSpace(func() { called = true })
		if called {
			t.Error("OnSpace says that there is room for a message that was refused just now")
		}
	})
}

func TestRateSlowsDownAndDropsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.MessagesPerSecond = 10 })
		s, _ := b.connect()
		srv := b.attach(1, 0)
		srv.take()
		begun := time.Now()
		want := []string{}
		for i := range 100 {
			text := fmt.Sprint(i)
			if err := s.DataIn(t.Context(), message.Text(text)); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("input 1:%d %s", i+2, text))
		}
		if took := time.Since(begun); took < 8900*time.Millisecond || took > 9100*time.Millisecond {
			t.Errorf("100 messages at 10 a second took %v, want 9s", took)
		}
		srv.want(want...)
		wait, err := s.TryDataIn(message.Text("x"))
		if !errors.Is(err, portal.ErrRate) || wait <= 0 || wait > 100*time.Millisecond {
			t.Fatalf("TryDataIn = %v, %v; want ErrRate and a wait", wait, err)
		}
		time.Sleep(wait)
		say(t, s, "x")
	})
}

func TestFloodIsDisconnected(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.RingLines = 4 })
		s, c := b.connect()
		go func() {
			for s.DataIn(t.Context(), message.Text("spam")) == nil {
			}
		}()
		sleep(10 * time.Minute) // without a Server it is not their fault
		if got := c.reasons(); len(got) != 0 {
			t.Fatalf("disconnected with %q while no Server is attached", got)
		}
		srv := b.attach(1, 0)
		n := uint64(1)
		for range 50 { // a slow game, but there is room again and again
			sleep(time.Second)
			n++
			srv.send(end(0, 1, n))
		}
		if got := c.reasons(); len(got) != 0 {
			t.Fatalf("disconnected with %q before the limit", got)
		}
		for range 11 {
			sleep(time.Second)
			n++
			srv.send(end(0, 1, n))
		}
		if got := c.reasons(); len(got) != 1 || !strings.Contains(got[0], "too long") {
			t.Errorf("after the limit: Close was called with %q", got)
		}
	})
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.RingLines = 4 })
		s, c := b.connect()
		srv := b.attach(1, 0)
		for n := uint64(1); n < 2000; n += 4 { // bursts that the game keeps up with
			say(t, s, "1", "2", "3", "4")
			s.TryDataIn(message.Text("5"))
			sleep(time.Second)
			srv.send(end(0, 1, n+4))
			synctest.Wait()
		}
		if got := c.reasons(); len(got) != 0 {
			t.Errorf("disconnected with %q though its ring was emptied each second", got)
		}
	})
}

func TestBadInput(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.LineBytes = 10 })
		s, _ := b.connect()
		for _, tc := range []struct {
			m    message.Message
			want error
		}{
			{message.Text("0123456789"), nil},
			{message.Text("0123456789x"), portal.ErrTooLong},
			{message.New("TEXT", "0123456789x"), portal.ErrTooLong},
			{message.New("client_options", "0123456789x"), nil},
			{message.New("no good"), message.ErrBadName},
			{message.New("chan", make(chan int)), message.ErrBadType},
		} {
			if err := s.DataIn(t.Context(), tc.m); !errors.Is(err, tc.want) {
				t.Errorf("DataIn(%v) = %v, want %v", tc.m, err, tc.want)
			}
		}
		srv := b.attach(1, 0)
		srv.want("hello porch tide 3", "seat 1 #1 p0 u0", "synced", "open 1:1", "input 1:2 0123456789", "input 1:3 0123456789x")
	})
}

func TestQuestionsAreStampedOnTextAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		s, c := b.connect()
		srv := b.attach(1, 0)
		srv.take()
		c.take()
		ask := func(k uint32, hidden bool) link.Frame {
			return &link.Question{Session: 1, ID: link.QuestionID{Line: 1, K: k}, Hidden: hidden, Prompt: fmt.Sprint(k)}
		}
		srv.send(ask(1, true), end(0))
		synctest.Wait()
		if err := s.DataIn(t.Context(), message.New("client_options", "x")); err != nil {
			t.Fatal(err)
		}
		say(t, s, "pw", "look")
		srv.want("input 1:2 x", "input 1:3 q1.1 pw", "input 1:4 look")
		wantLines(t, c, "ask 1 hidden=true", "answered")
		srv.send(end(0, 1, 4))
		// One question takes the place of another; one that is closed ends hiding.
		srv.send(ask(2, true), ask(3, true), ask(4, false), ask(5, true), &link.Question{Session: 1}, end(0))
		wantLines(t, c, "ask 2 hidden=true", "ask 3 hidden=true", "answered", "ask 4 hidden=false", "ask 5 hidden=true", "answered")
		say(t, s, "free")
		srv.want("input 1:5 free")
	})
}

func TestSessionsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.Sessions = 2 })
		s, _ := b.connect()
		b.connect()
		s.Disconnect("left") // the game does not know yet
		c := &client{}
		if _, err := b.p.Connect(t.Context(), c, session.Info{}); !errors.Is(err, portal.ErrTooManySessions) {
			t.Errorf("Connect = %v, want ErrTooManySessions", err)
		}
		if got := c.reasons(); len(got) != 1 || !strings.Contains(got[0], "full") {
			t.Errorf("the client was told %q", got)
		}
		srv := b.attach(1, 0)
		srv.send(end(0, 1, 2))
		srv.take()
		b.connect()
	})
}

func TestAdmit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) {
			c.Limits.ConnectionsPerAddress = 2
			c.Limits.ConnectionsPerSecond = 4
		})
		var release []func()
		for _, tc := range []struct {
			addr string
			want error
		}{
			{"192.0.2.1:1", nil},
			{"[::ffff:192.0.2.1]:2", nil}, // the same address
			{"192.0.2.1:3", portal.ErrTooManyConnections},
			{"[2001:db8:1:2::3]:1", nil},
			{"[2001:db8:1:2:ffff::4]:1", nil},
			{"[2001:db8:1:2:5::5]:1", portal.ErrTooManyConnections}, // the same /64
			{"[2001:db8:1:3::1]:1", portal.ErrTooManyConnections},   // another, but too fast
		} {
			r, err := b.p.Admit(tc.addr)
			if !errors.Is(err, tc.want) {
				t.Errorf("Admit(%s) = %v, want %v", tc.addr, err, tc.want)
			}
			if err == nil {
				release = append(release, r)
			}
		}
		sleep(time.Second)
		if _, err := b.p.Admit("[2001:db8:1:3::1]:1"); err != nil {
			t.Errorf("Admit a second later = %v", err)
		}
		release[0]()
		if _, err := b.p.Admit("192.0.2.1:4"); err != nil {
			t.Errorf("Admit after a release = %v", err)
		}
	})
}
