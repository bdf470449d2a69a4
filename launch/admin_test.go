package launch

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/internal/metrics/metricstest"
	"mudlark.dev/link/pipe"
	"mudlark.dev/link/unix"
	"mudlark.dev/portal"
)

func TestLoopbackHost(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost:4005": true, "127.0.0.1": true, "127.0.0.1:4005": true, "127.9.8.7:1": true,
		"[::1]": true, "[::1]:4005": true, "::1": true, "[::ffff:127.0.0.1]:80": true,
		"": false, "example.com": false, "example.com:4005": false, "localhost.example.com": false, "127.0.0.1.example.com": false,
		"192.0.2.7": false, "192.0.2.7:4005": false, "0.0.0.0": false, "[::]": false, "[fe80::1%lo]:80": false, "[::1%lo]": false,
		"localhost:http": false, "127.0.0.1:": false, "[::1": false, "127.1": false, "2130706433": false, "localhost:99999": false,
	} {
		if got := loopbackHost(host); got != want {
			t.Errorf("loopbackHost(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestGuarded(t *testing.T) {
	h := guarded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") }))
	for name, tt := range map[string]struct {
		method, host, body string
		header             map[string]string
		want               int
	}{
		"get":             {method: "GET", host: "127.0.0.1:4005", want: 200},
		"head":            {method: "HEAD", host: "localhost", want: 200},
		"rebound name":    {method: "GET", host: "evil.example:4005", want: 403},
		"no host":         {method: "GET", host: "", want: 403},
		"post":            {method: "POST", host: "127.0.0.1:4005", want: 405},
		"post with body":  {method: "POST", host: "127.0.0.1:4005", body: "x", want: 405},
		"options":         {method: "OPTIONS", host: "127.0.0.1:4005", want: 405},
		"get with body":   {method: "GET", host: "127.0.0.1:4005", body: "x", want: 400},
		"another's page":  {method: "GET", host: "127.0.0.1:4005", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, want: 403},
		"another's link":  {method: "GET", host: "127.0.0.1:4005", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, want: 200},
		"typed":           {method: "GET", host: "127.0.0.1:4005", header: map[string]string{"Sec-Fetch-Site": "none"}, want: 200},
		"other origin":    {method: "GET", host: "127.0.0.1:4005", header: map[string]string{"Origin": "https://evil.example"}, want: 200},
		"asks for CORS":   {method: "OPTIONS", host: "localhost", header: map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}, want: 405},
		"forwarded names": {method: "GET", host: "evil.example", header: map[string]string{"X-Forwarded-Host": "localhost"}, want: 403},
	} {
		r := httptest.NewRequest(tt.method, "/metrics", strings.NewReader(tt.body))
		r.Host = tt.host
		for k, v := range tt.header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want || (w.Body.String() == "secret") != (tt.want == 200) {
			t.Errorf("%s: %d %q, want %d", name, w.Code, w.Body, tt.want)
		}
		for _, k := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods"} {
			if v := w.Header().Get(k); v != "" {
				t.Errorf("%s: %s is %q", name, k, v)
			}
		}
	}
}

// TestAdminStaysHome shows that an address that others can reach is not opened, also
// if its name said otherwise.
func TestAdminStaysHome(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0"} {
		a := newAdmin(addr, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
		if err := a.Open(t.Context()); err == nil || hintOf(err) == "" {
			t.Errorf("%s: Open = %v with the hint %q", addr, err, hintOf(err))
		}
	}
	for addr, want := range map[string]string{
		"127.0.0.1:4005": "admin:4005", "localhost:0": "admin:0", "[::1]:4005": "admin:[::1]:4005", "127.0.0.2:4005": "admin:127.0.0.2:4005",
	} {
		if got := newAdmin(addr, nil, nil).Name(); got != want {
			t.Errorf("name of %s = %q, want %q", addr, got, want)
		}
	}
}

// A pipeListener gives out connections that a test has the other ends of.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (l *pipeListener) dial() net.Conn {
	client, srv := net.Pipe()
	l.conns <- srv
	return client
}

func TestLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under := &pipeListener{make(chan net.Conn, 3), make(chan struct{})}
		l := &limited{Listener: under, slots: make(chan struct{}, 2)}
		under.dial()
		under.dial()
		under.dial()
		a, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		third := make(chan error, 2)
		accept := func() {
			_, err := l.Accept()
			third <- err
		}
		go accept()
		synctest.Wait()
		select {
		case err := <-third:
			t.Fatalf("a third connection was accepted: %v", err)
		default:
		}
		a.Close()
		a.Close() // gives its place back once
		if err := <-third; err != nil {
			t.Errorf("with room: Accept = %v", err)
		}
		go accept()
		synctest.Wait()
		l.Close()
		if err := <-third; !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: Accept = %v", err)
		}
	})
}

// TestServeHTTP shows that a request that is long under way, as for a profile, is
// neither cut off nor waited for when all ends.
func TestServeHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipeListener{make(chan net.Conn, 1), make(chan struct{})}
		asked, ended := make(chan struct{}), make(chan error, 1)
		mux := http.NewServeMux()
		mux.HandleFunc("/long", func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
		})
		mux.HandleFunc("/profile", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(time.Minute):
				io.WriteString(w, "profile")
			case <-r.Context().Done():
				t.Error("the profile was cut off")
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- serveHTTP(ctx, l, mux, adminStop, slog.New(slog.DiscardHandler)) }()
		client := &http.Client{Transport: &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return l.dial(), nil },
			DisableKeepAlives: true,
		}}
		resp, err := client.Get("http://localhost/profile")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "profile" || err != nil {
			t.Errorf("profile = %q, %v", body, err)
		}
		resp.Body.Close()
		gone := make(chan error, 1)
		go func() {
			_, err := client.Get("http://localhost/long")
			gone <- err
		}()
		<-asked
		begun := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serveHTTP = %v", err)
		}
		if took := time.Since(begun); took > adminStop {
			t.Errorf("its end took %v", took)
		}
		if err := <-gone; err == nil {
			t.Error("the long request was answered")
		}
	})
}

// TestPageWithoutServer shows what is told while no Server runs, or what is at its
// socket is no use.
func TestPageWithoutServer(t *testing.T) {
	dir := folder(t.TempDir())
	if err := dir.create(); err != nil {
		t.Fatal(err)
	}
	p, err := portal.New(portal.Config{Listener: pipe.Listen(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	g := &running{game: Game{}, dir: dir, portal: p, log: slog.New(slog.DiscardHandler)}
	h := g.adminHandler(p, "admin:0")
	get := func(path string) (int, string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	code, page := get("/metrics")
	f, err := metricstest.Parse(page)
	if code != 200 || err != nil {
		t.Fatalf("/metrics = %d, %v", code, err)
	}
	if up, ok := metricstest.Value(f, "mudlark_server_up", map[string]string{}); !ok || up != 0 {
		t.Errorf("mudlark_server_up = %v, %v", up, ok)
	}
	for path, want := range map[string]int{
		"/": 200, "/nothing": 404, "/healthz": 503, "/readyz": 503, "/server/turns": 502, "/server/debug/pprof/heap": 502,
		"/debug/pprof/": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/profile?seconds=301": 400, "/debug/pprof/trace?seconds=NaN": 400,
	} {
		if code, page := get(path); code != want {
			t.Errorf("%s = %d %q, want %d", path, code, page, want)
		}
	}
	if _, err := g.askTurns(t.Context()); !errors.Is(err, errNoServer) || hintOf(err) == "" {
		t.Errorf("askTurns = %v", err)
	}
}

// TestAskSpoiltServer shows that what a process tells that is no Server of ours
// spoils nothing.
func TestAskSpoiltServer(t *testing.T) {
	dir := folder(t.TempDir())
	if err := dir.create(); err != nil {
		t.Fatal(err)
	}
	l, err := unix.Listen(dir.serverSocket(42))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range maxServerPage>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serveHTTP(ctx, unixListener{l}, mux, 0, slog.New(slog.DiscardHandler))
	}()
	a := newServerAsker(dir, nil)
	for path, want := range map[string]string{"/huge": "more than", "/none": "404"} {
		_, err := a.getFrom(t.Context(), 42, path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := a.getFrom(t.Context(), 43, "/none"); err == nil {
		t.Error("a process that is not there has answered")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir.serverSocket(42)); err == nil {
		t.Error("the socket stays")
	}
}

func TestDemoSettings(t *testing.T) {
	own := []config.Setting{{Name: "irc.server", Default: "x"}}
	for range 2 { // the second finds what the first has added
		own = demoSettings(own)
		if want := (config.Setting{Name: "admin.addr", Default: "127.0.0.1:0"}); len(own) != 2 || own[1] != want {
			t.Errorf("settings %+v", own)
		}
	}
	mine := []config.Setting{{Name: "admin.addr", Default: "off"}}
	if got := demoSettings(mine); len(got) != 1 || got[0] != mine[0] {
		t.Errorf("settings %+v, want the game's", got)
	}
}

func TestRemoveServerSockets(t *testing.T) {
	dir := folder(t.TempDir() + "/odd [name]*")
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := dir.create(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"server-1.sock", "server-77.sock", "server.lock", "link.sock"} {
		if err := os.WriteFile(dir.path("run", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir.removeServerSockets()
	var left []string
	list, err := os.ReadDir(dir.path("run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != "link.sock server.lock" {
		t.Errorf("left are %s", got)
	}
}

func TestTurnsPrint(t *testing.T) {
	stored := 0.00132
	list := &turns{ThresholdS: 0.01, Turns: []slowTurn{
		{Start: time.Date(2026, 3, 1, 17, 3, 11, 402e6, time.Local), TookS: 0.041234, EndS: 0.00021, Events: 3, Commit: 1207, Rows: 2, Bytes: 604, StoredS: &stored,
			Units: []slowUnit{{"command", "dig", 0.04071}, {"command", "look", 0.00018}, {"timer", "tide", 0.0001}, {"hook", "left out", 0.00001}}},
		{Start: time.Date(2026, 3, 1, 17, 3, 12, 0, time.Local), TookS: 1.5, Events: 1, Units: []slowUnit{{"message", "bad\x1b[2Jname", 1.4}}},
		{Start: time.Date(2026, 3, 1, 17, 3, 14, 0, time.Local), TookS: 0.02, EndS: 0.019, Events: 1},
	}}
	for name, tt := range map[string]struct {
		t    *turns
		want string
	}{
		"table": {list, "" +
			"START         TOOK     EVENTS  END    COMMIT  ROWS  BYTES  STORED  LONGEST\n" +
			"17:03:11.402  41.23ms  3       210µs  1207    2     604    1.32ms  command dig 40.71ms, command look 180µs, timer tide 100µs\n" +
			"17:03:12.000  1.5s     1       0s     -       0     0      -       message \"bad\\x1b[2Jname\" 1.4s\n" +
			"17:03:14.000  20ms     1       19ms   -       0     0      -       -\n"},
		"none": {&turns{ThresholdS: 0.01}, "No turn has taken longer than 10ms within the last minute.\n"},
		"off":  {&turns{ThresholdS: -1e-9}, "No turn is kept, as server.slow_turn is 0.\n"},
	} {
		var b strings.Builder
		if err := tt.t.print(&b); err != nil || b.String() != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, b.String(), tt.want)
		}
	}
}
