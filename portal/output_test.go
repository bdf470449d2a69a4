package portal_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

func TestDispatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		s, c := b.connect()
		srv := b.attach(1, 0)
		c.take()
		out := func(m message.Message) link.Frame { return &link.Output{Sessions: []link.Index{1}, Message: m} }
		srv.send(out(message.Text("hi")), out(message.New("TEXT", "hi")), out(message.New("prompt", ">")),
			out(message.New("bell")), out(message.New("BELL")), out(message.New("boom")), out(message.New("Room_Info", 7)),
			&link.Question{Session: 1, ID: link.QuestionID{Line: 1, K: 1}, Prompt: "Name?"},
			&link.Login{Session: 1, Account: "ada", Puppet: "Bell"}, &link.Login{Session: 1, Account: "ada", Puppet: "Bell"},
			end(0))
		wantLines(t, c, "hi", "hi", "prompt >", "ding", "ding", "Room_Info[7]", "ask Name? hidden=false")
		if log := b.log.String(); !strings.Contains(log, "proto=test name=boom") || !strings.Contains(log, "output_test") && !strings.Contains(log, "harness_test") {
			t.Errorf("a panic of an outputfunc is not logged with protocol, name and stack:\n%s", log)
		}
		if !slices.Equal(c.logins, []string{"ada/Bell"}) {
			t.Errorf("AtLogin was called with %q", c.logins)
		}
		if st := b.p.Status().Sessions[0]; st.Account != "ada" || st.Puppet != "Bell" {
			t.Errorf("Status has %+v", st)
		}
		srv.send(&link.Prefs{Session: 1, Prefs: session.Prefs{Width: 132, NoColor: true}}, end(0))
		srv.take()
		if caps := s.Caps(); caps.Width != 132 {
			t.Errorf("after Prefs the width is %d, want 132", caps.Width)
		}
		srv.send(&link.Disconnect{Session: 1, Reason: "bye"}, text("after", 1), end(0))
		wantLines(t, c)
		if got := c.reasons(); !slices.Equal(got, []string{"bye"}) {
			t.Errorf("Close was called with %q", got)
		}
		if got := srv.take(); len(got) == 0 || got[0] != "close 1:2 bye" {
			t.Errorf("the Server got %q, want the close", got)
		}
	})
}

func TestOneFailingClientHarmsNobody(t *testing.T) {
	for _, fail := range []string{"error", "panic"} {
		t.Run(fail, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := startBench(t, nil)
				bad := &client{fail: fail}
				if _, err := b.p.Connect(t.Context(), bad, session.Info{Protocol: "bad"}); err != nil {
					t.Fatal(err)
				}
				_, good := b.connect()
				srv := b.attach(1, 0)
				srv.send(text("hi", 1, 2), &link.Output{Sessions: []link.Index{1}, Message: message.New("bell")}, end(0))
				wantLines(t, good, "hi")
				wantLines(t, bad, "ding")
			})
		})
	}
}

func TestRenderedOncePerCaps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.ConnectionsPerAddress = -1 })
		var texts atomic.Int64
		var clients []*client
		var to []link.Index
		for i := range 100 {
			c := &client{texts: &texts}
			clients = append(clients, c)
			to = append(to, link.Index(i+1))
			info := session.Info{Protocol: "test", Colors: session.Colors(i % 2)}
			if _, err := b.p.Connect(t.Context(), c, info); err != nil {
				t.Fatal(err)
			}
		}
		srv := b.attach(1, 0)
		srv.take()
		texts.Store(0)
		srv.send(text("boo", to...), end(0))
		for _, c := range clients {
			wantLines(t, c, "boo")
		}
		if n := texts.Load(); n != 2 {
			t.Errorf("AppendText was called %d times for 100 clients with 2 sets of caps, want 2", n)
		}
		// Wide and narrow fan-out keep the order.
		srv.send(text("1", to...), text("2", to[:3]...), text("3", to...), end(0))
		wantLines(t, clients[0], "1", "2", "3")
		wantLines(t, clients[99], "1", "3")
	})
}

func TestCredits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		s, c := b.connect()
		srv := b.attach(1, 0)
		srv.take()
		kib := strings.Repeat("x", 1<<10-1) // counts its bytes and one
		send := func(n int) {
			for range n {
				srv.send(text(kib, 1))
			}
			srv.send(end(0))
		}
		send(3)
		srv.want() // less than a lot
		send(1)
		srv.want("credit 1 4096")
		c.setQueued(10)
		send(80)
		srv.want() // the client is behind
		c.setQueued(0)
		srv.want("credit 1 81920", "credit 0 86016")
		// What is unread goes to the next Server's account.
		c.setQueued(10)
		send(5)
		srv.take()
		srv.kill()
		srv = b.attach(2, 0)
		srv.want("hello porch tide 3", "seat 1 #1 p0 u5120", "synced", "open 1:1")
		c.setQueued(0)
		srv.want("credit 1 5120")
		// What a session leaves is given back when it ends.
		send(2)
		srv.want()
		s.Disconnect("left")
		srv.want("close 1:2 left", "credit 1 2048")
	})
}

func TestNotices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		_, ada := b.connect()
		srv := b.attach(1, 0)
		wantLines(t, ada)
		srv.kill()
		sleep(400 * time.Millisecond)
		srv = b.attach(1, 0)
		sleep(time.Second)
		wantLines(t, ada) // too short to notice
		srv.kill()
		sleep(501 * time.Millisecond)
		wantLines(t, ada, "The game is being restarted. What you type is kept.")
		_, bob := b.connect()
		wantLines(t, bob, "The game is being restarted. What you type is kept.")
		sleep(time.Minute)
		srv = b.attach(1, 0)
		_, eve := b.connect()
		wantLines(t, ada, "The game is back.")
		wantLines(t, bob, "The game is back.")
		wantLines(t, eve)
		srv.kill()
		sleep(time.Second)
		wantLines(t, ada, "The game is being restarted. What you type is kept.")
	})
}

// BenchmarkFanOut is one text to 1,000 sessions with 3 sets of caps, from the
// link to the clients' Write.
func BenchmarkFanOut(b *testing.B) {
	l := pipe.Listen()
	p, err := portal.New(portal.Config{
		Listener: l, Hang: -1, Logger: slog.New(slog.DiscardHandler),
		Limits: portal.Limits{Sessions: -1},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	defer func() { cancel(); <-done }()
	tr, err := l.Dial(ctx)
	if err != nil {
		b.Fatal(err)
	}
	srv := link.New(tr, link.Config{})
	defer srv.Close()
	srv.Send(hello(1, 0))
	synced := make(chan struct{})
	go func() {
		for {
			f, err := srv.Recv()
			if err != nil {
				return
			}
			if _, ok := f.(*link.Synced); ok {
				close(synced)
			}
		}
	}()
	<-synced
	var written atomic.Int64
	arrived := make(chan struct{}, 1)
	var to []link.Index
	for i := range 1000 {
		c := &countingClient{n: &written, all: 1000, arrived: arrived}
		if _, err := p.Connect(ctx, c, session.Info{Protocol: "count", Colors: session.Colors(i % 3)}); err != nil {
			b.Fatal(err)
		}
		to = append(to, link.Index(i+1))
	}
	frame, stop := text("Somebody says, \"Hello everybody in this large room.\"", to...), end(0)
	b.ReportAllocs()
	for b.Loop() {
		srv.Send(frame, stop)
		<-arrived
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/receiver")
}

type countingClient struct {
	n       *atomic.Int64
	all     int64
	arrived chan struct{}
}

func (c *countingClient) Write(p []byte) (int, error) {
	if c.n.Add(1)%c.all == 0 {
		c.arrived <- struct{}{}
	}
	return len(p), nil
}

func (c *countingClient) AppendText(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	return append(append(dst, text...), "\r\n"...), nil
}

func (c *countingClient) AppendDefault(dst []byte, m message.Message, caps session.Caps, o message.Options) ([]byte, error) {
	return dst, nil
}

func (c *countingClient) Close(string) error { return nil }
