package portal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// A protocol does what its functions say.
type protocol struct {
	key   func() string
	serve func(ctx context.Context, c *portal.Conn, p *portal.Portal) error
}

func (pr *protocol) Key() string {
	if pr.key != nil {
		return pr.key()
	}
	return "test"
}

func (pr *protocol) ServeConn(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
	return pr.serve(ctx, c, p)
}

// A brittle client panics in the method of that name.
type brittle struct {
	*client
	breaks string
}

func (b *brittle) at(method string) {
	if b.breaks == method {
		panic(method + " breaks")
	}
}

func (b *brittle) Write(p []byte) (int, error) {
	b.at("Write")
	return b.client.Write(p)
}

func (b *brittle) AppendPrompt(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	b.at("AppendPrompt")
	return b.client.AppendPrompt(dst, text, caps, o)
}

func (b *brittle) AppendDefault(dst []byte, m message.Message, caps session.Caps, o message.Options) ([]byte, error) {
	b.at("AppendDefault")
	return b.client.AppendDefault(dst, m, caps, o)
}

func (b *brittle) AppendQuestion(dst []byte, prompt string, hidden bool, caps session.Caps) ([]byte, error) {
	b.at("AppendQuestion")
	return b.client.AppendQuestion(dst, prompt, hidden, caps)
}

func (b *brittle) AppendAnswered(dst []byte) []byte {
	b.at("AppendAnswered")
	return b.client.AppendAnswered(dst)
}

func (b *brittle) AtLogin(account, puppet string) {
	b.at("AtLogin")
	b.client.AtLogin(account, puppet)
}

func (b *brittle) Queued() int {
	b.at("Queued")
	return b.client.Queued()
}

func (b *brittle) Close(reason string) error {
	b.client.Close(reason)
	b.at("Close")
	return nil
}

// Whatever of a plugin's client panics, the panic is logged, and both the other
// session and the one it has itself play on.
func TestClientThatPanics(t *testing.T) {
	for _, method := range []string{
		"Write", "AppendPrompt", "AppendDefault", "AppendQuestion", "AppendAnswered", "AtLogin", "Queued", "OnSpace", "Close",
	} {
		t.Run(method, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := startBench(t, func(c *portal.Config) { c.Limits.RingLines = 1 })
				bad := &brittle{client: &client{}, breaks: method}
				s, err := b.p.Connect(t.Context(), bad, session.Info{Protocol: "brittle"})
				if err != nil {
					t.Fatal(err)
				}
				_, good := b.connect()
				srv := b.attach(1, 0)
				srv.take()
				if method == "OnSpace" {
					say(t, s, "first")
					s.OnSpace(func() { panic("OnSpace breaks") })
				}
				to := []link.Index{1, 2}
				srv.send(
					&link.Output{Sessions: to, Message: message.New("prompt", ">")},
					&link.Output{Sessions: to, Message: message.New("news")},
					&link.Question{Session: 1, ID: link.QuestionID{Line: 1, K: 1}, Hidden: true, Prompt: "Password?"},
					&link.Question{Session: 1},
					&link.Login{Session: 1, Account: "ada", Puppet: "Bell"},
					text("hi", to...),
					end(0, 1, 2))
				wantLines(t, good, "prompt >", "news[]", "hi")
				say(t, s, "look")
				if got := srv.take(); !slices.ContainsFunc(got, func(f string) bool { return strings.HasPrefix(f, "input 1:") && strings.HasSuffix(f, " look") }) {
					t.Errorf("the Server got %q, want the next line of the session", got)
				}
				if method != "Write" {
					if got := bad.take(); !slices.Contains(got, "hi") {
						t.Errorf("the client itself got %q, want what it can encode", got)
					}
				}
				s.Disconnect("left")
				if got := bad.reasons(); !slices.Equal(got, []string{"left"}) {
					t.Errorf("Close was called with %q", got)
				}
				if log := b.log.String(); !strings.Contains(log, method+" breaks") || !strings.Contains(log, "plugin_test.go") {
					t.Errorf("the panic is not logged with its stack:\n%s", log)
				}
			})
		})
	}
}

// A hollow client is one whose author has forgotten to give it its Conn.
type hollow struct{ *portal.Conn }

func (hollow) AppendText(dst []byte, _ string, _ session.Caps, _ message.Options) ([]byte, error) {
	return dst, nil
}

func (hollow) AppendDefault(dst []byte, _ message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
	return dst, nil
}

func (hollow) Close(string) error { return nil }

// What panics, or is not there, as a port is opened or a connection comes ends
// neither the Portal nor the other services.
func TestProtocolThatPanics(t *testing.T) {
	for _, tc := range []struct {
		name  string
		pr    portal.Protocol
		state string // of its service
		err   string
	}{
		{"nil", nil, portal.StateFailed, "nil pointer"},
		{"key", &protocol{key: func() string { panic("no key") }}, portal.StateFailed, "panic: no key"},
		{"serve", &protocol{serve: func(context.Context, *portal.Conn, *portal.Portal) error { panic("no service") }}, portal.StateRunning, ""},
		{"client", &protocol{serve: func(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
			_, err := p.Connect(ctx, hollow{}, session.Info{Protocol: "hollow"})
			return err
		}}, portal.StateRunning, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				bad, good := newMemListener(), newMemListener()
				b := newBench(t, nil)
				if err := errors.Join(b.p.AddService(portal.ListenOn("bad", bad, tc.pr)), b.p.AddService(portal.ListenOn("good", good, lineProtocol{}))); err != nil {
					t.Fatal(err)
				}
				b.run()
				if st := b.p.Status().Services[0]; st.State != tc.state || !strings.Contains(st.Error, tc.err) {
					t.Errorf("the service is %q with error %q, want %q and %q", st.State, st.Error, tc.state, tc.err)
				}
				if tc.state == portal.StateRunning {
					if got, err := io.ReadAll(bad.dial(t)); len(got) > 0 || err != nil {
						t.Errorf("read %q, %v; want the end of the connection", got, err)
					}
				}
				srv := b.attach(1, 0)
				srv.take()
				io.WriteString(good.dial(t), "hello\n")
				if got := srv.take(); len(got) != 3 || !strings.HasSuffix(got[2], "hello") {
					t.Errorf("the Server got %q from the other protocol", got)
				}
				if n := len(b.p.Status().Sessions); n != 1 {
					t.Errorf("%d sessions, want 1", n)
				}
			})
		})
	}
}

// ListenFunc opens a port each time its service starts, and is tried again as
// long as it fails.
func TestListenFunc(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []string
		var l *memListener
		listen := func(network, addr string) (net.Listener, error) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, network+" "+addr)
			switch len(calls) {
			case 1, 2:
				return nil, errors.New("address already in use")
			case 4:
				panic("no network")
			}
			l = newMemListener()
			return l, nil
		}
		other := newMemListener()
		b := newBench(t, func(c *portal.Config) { c.ListenFunc = listen })
		if err := errors.Join(b.p.AddService(portal.Listen("line", "192.0.2.7:4000", lineProtocol{})), b.p.AddService(portal.ListenOn("other", other, lineProtocol{}))); err != nil {
			t.Fatal(err)
		}
		b.run()
		want := func(state, addr, failure string) {
			t.Helper()
			synctest.Wait()
			if st := b.p.Status().Services[0]; st.State != state || st.Addr != addr || st.Error != failure {
				t.Errorf("the service is %+v, want it %q at %q with error %q", st, state, addr, failure)
			}
		}
		const taken = "address already in use"
		want(portal.StateFailed, "192.0.2.7:4000", taken)
		go io.Copy(io.Discard, other.dial(t)) // the rest runs
		sleep(time.Second)
		want(portal.StateFailed, "192.0.2.7:4000", taken)
		sleep(2 * time.Second)
		want(portal.StateRunning, "memory", taken)
		c := l.dial(t)
		go io.Copy(io.Discard, c)
		if err := b.p.StopService("line:192.0.2.7:4000"); err != nil {
			t.Error(err)
		}
		want(portal.StateStopped, "memory", taken)
		if err := b.p.StartService("line:192.0.2.7:4000"); err == nil || err.Error() != "panic: no network" {
			t.Errorf("StartService = %v, want the panic of ListenFunc", err)
		}
		want(portal.StateFailed, "memory", "panic: no network")
		sleep(time.Second)
		want(portal.StateRunning, "memory", "panic: no network")
		go io.Copy(io.Discard, l.dial(t))
		synctest.Wait()
		if n := len(b.p.Status().Sessions); n != 3 {
			t.Errorf("%d sessions, want 3: one of the other service, one of before the stop, one of after", n)
		}
		if !slices.Equal(calls, slices.Repeat([]string{"tcp 192.0.2.7:4000"}, 5)) {
			t.Errorf("ListenFunc was called with %q", calls)
		}
		// What ListenOn was given is closed for good.
		if err := b.p.StopService("other"); err != nil {
			t.Error(err)
		}
		if err := b.p.StartService("other"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if st := b.p.Status().Services[1]; st.State != portal.StateFailed || !strings.Contains(st.Error, "closed") {
			t.Errorf("the service of a listener that is closed is %q with error %q", st.State, st.Error)
		}
	})
}

func TestOutputFuncsAreChecked(t *testing.T) {
	ok := func(dst []byte, _ message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
		return dst, nil
	}
	_, err := portal.New(portal.Config{
		Listener: pipe.Listen(),
		OutputFuncs: map[string]map[string]portal.OutputFunc{
			"telnet": {"Prompt": ok, "TEXT": ok, "score": ok, "SCORE": ok, "": ok, "fine": ok},
			"line":   {"nothing": nil},
			"silent": nil,
		},
	})
	const want = `portal: outputfunc "nothing" of line is nil
portal: outputfunc "" of telnet: not a valid message name
portal: outputfunc "Prompt" of telnet: the protocol itself encodes these
portal: outputfunc "TEXT" of telnet: the protocol itself encodes these
portal: outputfunc "score" of telnet is given twice`
	if err == nil || err.Error() != want {
		t.Errorf("New =\n%v\nwant\n%s", err, want)
	}
}

// An outputfunc of the game's takes the place of the protocol's own, or of
// AppendDefault, for that protocol alone.
func TestOutputFuncsOfTheGame(t *testing.T) {
	says := func(what string) portal.OutputFunc {
		return func(dst []byte, m message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
			return fmt.Appendf(dst, "%s %s\n", what, m.Name), nil
		}
	}
	bubble(t, func(t *testing.T) {
		own := map[string]portal.OutputFunc{"BELL": says("gong"), "Room_Info": says("plan")}
		b := startBench(t, func(c *portal.Config) {
			c.OutputFuncs = map[string]map[string]portal.OutputFunc{"test": own}
		})
		own["room_info"], own["late"] = says("late"), says("late") // the Portal has a copy
		_, mine := b.connect()
		other := &client{}
		if _, err := b.p.Connect(t.Context(), other, session.Info{Protocol: "other"}); err != nil {
			t.Fatal(err)
		}
		srv := b.attach(1, 0)
		var frames []link.Frame
		for _, name := range []string{"bell", "Bell", "room_info", "late"} {
			frames = append(frames, &link.Output{Sessions: []link.Index{1, 2}, Message: message.New(name)})
		}
		srv.send(append(frames, end(0))...)
		wantLines(t, mine, "gong bell", "gong Bell", "plan room_info", "late[]")
		wantLines(t, other, "ding", "ding", "room_info[]", "late[]")
	})
}

// While an outputfunc takes its time, what stands behind it waits, for whomever
// it is. Nothing else does.
func TestSlowOutputFunc(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		b := startBench(t, func(c *portal.Config) {
			c.OutputFuncs = map[string]map[string]portal.OutputFunc{"test": {
				"slow": func(dst []byte, _ message.Message, _ session.Caps, _ message.Options) ([]byte, error) {
					<-release
					return append(dst, "slow\n"...), nil
				},
			}}
		})
		ada, adas := b.connect()
		bob, bobs := b.connect()
		eve, eves := b.connect()
		srv := b.attach(1, 0)
		srv.take()
		srv.send(&link.Output{Sessions: []link.Index{1, 3}, Message: message.New("slow")}, text("after", 1, 2, 3), end(0))
		wantLines(t, adas)
		wantLines(t, bobs)
		// Input, of all of them, and sessions that come and go.
		say(t, ada, "a")
		say(t, bob, "b")
		eve.Disconnect("left")
		b.connect()
		srv.want("input 1:2 a", "input 2:2 b", "close 3:2 left", "seat 4 #4 p0 u0", "open 4:1")
		if got := eves.reasons(); !slices.Equal(got, []string{"left"}) {
			t.Errorf("Close was called with %q meanwhile", got)
		}
		if n := len(b.p.Status().Sessions); n != 4 {
			t.Errorf("Status has %d sessions, want 4", n)
		}
		close(release)
		wantLines(t, adas, "slow", "after")
		wantLines(t, bobs, "after")
		wantLines(t, eves)
	})
}

// Bytes of any kind are somebody's text or the end of a connection, and nothing
// to the others.
func TestGarbage(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []string // what the Server gets, the session's index and line left out, in UTF-8
	}{
		{"negotiation", "\xff\xfb\x01\xff\xfd\x18\n", []string{"input \uFFFD\x01\uFFFD\x18"}},
		{"cut", "caf\xc3\nnext\n", []string{"input caf\uFFFD", "input next"}},
		{"zeros", "\x00\x00\n", []string{"input \x00\x00"}},
		{"blank", "\n\r\n \n", []string{"input ", "input ", "input  "}},
		{"too long", strings.Repeat("x", 9000) + "\nlook\n", []string{"close connection lost"}},
		{"endless", strings.Repeat("x", 1<<17), []string{"close connection lost"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newMemListener()
				b := newBench(t, nil)
				if err := b.p.AddService(portal.ListenOn("line", l, lineProtocol{})); err != nil {
					t.Fatal(err)
				}
				b.run()
				srv := b.attach(1, 0)
				other := l.dial(t)
				go io.Copy(io.Discard, other)
				io.WriteString(other, "hello\n")
				c := l.dial(t)
				go io.Copy(io.Discard, c)
				synctest.Wait()
				srv.take()
				go io.WriteString(c, tc.in)
				got := []string{}
				for _, f := range srv.take() {
					var kind string
					var i, n int
					if k, err := fmt.Sscanf(f, "%s %d:%d", &kind, &i, &n); k != 3 || err != nil || i != 2 {
						t.Fatalf("the Server got %q", f)
					}
					text := strings.TrimPrefix(f, fmt.Sprintf("%s %d:%d ", kind, i, n))
					got = append(got, kind+" "+strings.ToValidUTF8(text, "\uFFFD"))
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("the Server got %q, want %q", got, tc.want)
				}
				io.WriteString(other, "still here\n")
				srv.want("input 1:3 still here")
			})
		})
	}
}

// Both sides end a session in one moment, in all orders that come: the client is
// told once, and the game learns of it once, as the last of the session.
func TestEndedFromBothSides(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		srv := b.attach(1, 0)
		srv.take()
		for i := range 100 {
			s, c := b.connect()
			at := link.Index(s.Number())
			var all sync.WaitGroup
			for _, end := range []func(){
				func() { srv.send(&link.Disconnect{Session: at, Reason: "game"}, end(0)) },
				func() { s.Disconnect("client") },
				func() { s.Disconnect("protocol") },
				func() {
					for s.DataIn(t.Context(), message.Text("on")) == nil {
					}
				},
			} {
				all.Go(end)
			}
			all.Wait()
			reasons := c.reasons()
			got := srv.take()
			if len(reasons) != 1 {
				t.Fatalf("round %d: Close was called with %q", i, reasons)
			}
			closes := 0
			for _, f := range got {
				if strings.HasPrefix(f, "close ") {
					closes++
				}
			}
			last := got[len(got)-1]
			want := fmt.Sprintf("close %d:%d %s", at, len(got)-1, reasons[0])
			if closes != 1 || last != want {
				t.Fatalf("round %d: the client was told %q, the Server got %d closes, %q last, want %q", i, reasons[0], closes, last, want)
			}
			srv.send(end(0, uint64(at), uint64(len(got)-1)))
			synctest.Wait()
			if st := b.p.Status().Sessions; len(st) != 0 {
				t.Fatalf("round %d: %d sessions are left", i, len(st))
			}
		}
	})
}

// What a plugin still does with a session or a Portal that has ended fails, and
// does nothing else.
func TestAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, nil)
		s, c := b.connect()
		srv := b.attach(1, 0)
		srv.send(&link.Question{Session: 1, ID: link.QuestionID{Line: 1, K: 1}, Hidden: true, Prompt: "Password?"}, end(0))
		c.take()
		s.Disconnect("left")
		srv.take()
		if err := s.DataIn(t.Context(), message.Text("x")); !errors.Is(err, portal.ErrClosed) {
			t.Errorf("DataIn = %v, want ErrClosed", err)
		}
		if wait, err := s.TryDataIn(message.Text("x")); !errors.Is(err, portal.ErrClosed) || wait != 0 {
			t.Errorf("TryDataIn = %v, %v; want ErrClosed", wait, err)
		}
		s.Update(func(i *session.Info) { i.Width = 99 })
		s.Disconnect("again")
		srv.send(text("after", 1), &link.Question{Session: 1, ID: link.QuestionID{Line: 1, K: 2}, Prompt: "Again?"}, end(0))
		wantLines(t, c)
		for _, f := range srv.take() {
			if !strings.HasPrefix(f, "credit ") { // what nobody reads is given back
				t.Errorf("the Server got %q of a session that has ended", f)
			}
		}
		if got := c.reasons(); !slices.Equal(got, []string{"left"}) {
			t.Errorf("Close was called with %q", got)
		}
		select {
		case <-s.Done():
		default:
			t.Error("Done is open")
		}
		if s.Hidden() {
			t.Error("what is typed is hidden still")
		}

		b.stop()
		b.done <- <-b.done // it has ended
		late := &client{}
		if _, err := b.p.Connect(context.Background(), late, session.Info{}); !errors.Is(err, portal.ErrStopped) {
			t.Errorf("Connect = %v, want ErrStopped", err)
		}
		if got := late.reasons(); !slices.Equal(got, []string{"The game is shutting down."}) {
			t.Errorf("the late client was told %q", got)
		}
		if _, err := b.p.Admit("192.0.2.1:1"); !errors.Is(err, portal.ErrStopped) {
			t.Errorf("Admit = %v, want ErrStopped", err)
		}
		if err := b.p.AddService(&service{name: "late"}); !errors.Is(err, portal.ErrStopped) {
			t.Errorf("AddService = %v, want ErrStopped", err)
		}
		if err := b.p.Run(context.Background()); err == nil {
			t.Error("Run can be called again")
		}
	})
}

// A protocol may make several sessions of a connection. All end with it, unless
// it is made for another context than that of ServeConn: then whoever made it
// ends it, or the Portal as it stops.
func TestSessionsOfAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newMemListener()
		clients := []*client{{}, {}, {}}
		b := newBench(t, nil)
		if err := b.p.AddService(portal.ListenOn("many", l, &protocol{serve: func(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
			for i, cl := range clients {
				in := ctx
				if i == 2 {
					in = context.Background()
				}
				if _, err := p.Connect(in, cl, session.Info{Protocol: "test"}); err != nil {
					return err
				}
			}
			_, err := bufio.NewReader(c).ReadByte()
			return err
		}})); err != nil {
			t.Fatal(err)
		}
		b.run()
		c := l.dial(t)
		synctest.Wait()
		if n := len(b.p.Status().Sessions); n != 3 {
			t.Fatalf("%d sessions, want 3", n)
		}
		io.WriteString(c, "x")
		if _, err := io.ReadAll(c); err != nil {
			t.Error(err)
		}
		for i, want := range [][]string{{"connection lost"}, {"connection lost"}, nil} {
			if got := clients[i].reasons(); !slices.Equal(got, want) {
				t.Errorf("client %d was closed with %q, want %q", i, got, want)
			}
		}
		b.stop()
		b.done <- <-b.done
		if got := clients[2].reasons(); !slices.Equal(got, []string{"The game is shutting down."}) {
			t.Errorf("the session that was left was closed with %q", got)
		}
	})
}

// A service or a connection that does not end when it is told to keeps nobody
// from being told goodbye, nor the Portal from stopping. It is named.
func TestPluginThatDoesNotEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		l := newMemListener()
		b := newBench(t, nil)
		stuck := &service{name: "stuck", run: func(context.Context) error { <-release; return nil }}
		if err := errors.Join(b.p.AddService(stuck), b.p.AddService(portal.ListenOn("line", l, &protocol{
			key: func() string { return "deaf" },
			serve: func(ctx context.Context, c *portal.Conn, p *portal.Portal) error {
				if _, err := p.Connect(ctx, &lineClient{c}, session.Info{Protocol: "deaf"}); err != nil {
					return err
				}
				<-release
				return nil
			},
		}))); err != nil {
			t.Fatal(err)
		}
		b.run()
		c := l.dial(t)
		synctest.Wait()
		begun := time.Now()
		b.stop()
		if got, err := io.ReadAll(c); string(got) != "The game is shutting down.\r\n" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		b.done <- <-b.done
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("it took %v to stop", took)
		}
		for _, want := range []string{"services=[stuck]", "proto=[deaf]"} {
			if !strings.Contains(b.log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, b.log)
			}
		}
	})
}
