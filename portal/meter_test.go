package portal_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/internal/metrics/metricstest"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// wantMetrics compares samples, which are named as in "name{label=value}", once
// nothing happens any more.
func (b *bench) wantMetrics(want map[string]float64) {
	b.t.Helper()
	synctest.Wait()
	text := string(b.p.AppendMetrics(nil))
	f, err := metricstest.Parse(text)
	if err != nil {
		b.t.Fatalf("%v in\n%s", err, text)
	}
	for id, v := range want {
		name, rest, _ := strings.Cut(strings.TrimSuffix(id, "}"), "{")
		labels := map[string]string{}
		for pair := range strings.SplitSeq(rest, ",") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				labels[k] = v
			}
		}
		if got, ok := metricstest.Value(f, name, labels); !ok || got != v {
			b.t.Errorf("%s = %v, %v; want %v", id, got, ok, v)
		}
	}
}

func (b *bench) wantReady(want string) {
	b.t.Helper()
	synctest.Wait()
	switch err := b.p.Ready(); {
	case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		b.t.Errorf("Ready = %v, want %q", err, want)
	}
}

// TestMetrics shows what is counted of sessions and what they say and are told.
func TestMetrics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) {
			c.Limits = portal.Limits{MessagesPerSecond: 10, RingLines: 8, LineBytes: 20, Sessions: 2}
		})
		b.wantMetrics(map[string]float64{"mudlark_server_attached": 0, "mudlark_input_waiting_lines": 0, "mudlark_output_held_turns": 0})
		ada, c := b.connect()
		_, d := b.connect()
		if _, err := b.p.Connect(t.Context(), &client{}, session.Info{Protocol: "test"}); !errors.Is(err, portal.ErrTooManySessions) {
			t.Fatalf("a third: %v", err)
		}
		if _, err := b.p.Admit("192.0.2.9:1"); !errors.Is(err, portal.ErrTooManySessions) {
			t.Fatalf("Admit = %v", err)
		}
		say(t, ada, "1", "22", "333", "4", "5", "6", "7", "8")
		for _, m := range []message.Message{message.Text("full"), message.Text("full again"), message.Text(strings.Repeat("x", 21)), message.New("no name")} {
			if _, err := ada.TryDataIn(m); err == nil {
				t.Errorf("%v was taken", m)
			}
		}
		b.wantMetrics(map[string]float64{
			"mudlark_sessions{proto=test}":                            2,
			"mudlark_sessions_opened_total{proto=test}":               2,
			"mudlark_lines_in_total{proto=test}":                      8,
			"mudlark_input_bytes_total{proto=test}":                   11,
			"mudlark_input_waiting_lines":                             8,
			"mudlark_input_waiting_bytes":                             8*64 + 11,
			"mudlark_input_held_sessions":                             1,
			"mudlark_input_refused_total{reason=full}":                2,
			"mudlark_input_refused_total{reason=too_long}":            1,
			"mudlark_input_refused_total{reason=invalid}":             1,
			"mudlark_input_refused_total{reason=rate}":                0,
			"mudlark_connections_refused_total{reason=sessions}":      2,
			"mudlark_connections_refused_total{reason=address}":       0,
			"mudlark_output_messages_total{proto=test}":               0,
			"mudlark_sessions_dropped_total{reason=flood}":            0,
			"mudlark_sessions_dropped_total{reason=slow_client}":      0,
			"mudlark_server_starts_total{cause=cold}":                 0,
			"mudlark_link_unwritten_bytes{process=portal}":            0,
			"mudlark_link_bytes_total{process=portal,direction=read}": 0,
		})
		c.take()
		d.take()

		srv := b.attach(1, 1)
		srv.send(text("hello", 1, 2), end(2, 1, 9)) // of both, and processed, when commit 2 is in the store
		srv.take()
		f, err := metricstest.Parse(string(b.p.AppendMetrics(nil)))
		if err != nil {
			t.Fatal(err)
		}
		given, _ := metricstest.Value(f, "mudlark_output_bytes_total", map[string]string{"proto": "test"})
		if v, _ := metricstest.Value(f, "mudlark_output_held_bytes", map[string]string{}); v < 5 {
			t.Errorf("%v bytes are held", v)
		}
		b.wantMetrics(map[string]float64{"mudlark_server_attached": 1, "mudlark_output_held_turns": 1})
		srv.send(&link.Committed{Commit: 2})
		synctest.Wait()
		b.wantMetrics(map[string]float64{
			"mudlark_output_held_turns": 0, "mudlark_output_held_bytes": 0,
			"mudlark_output_bytes_total{proto=test}": given + 2*6,
			"mudlark_input_waiting_lines":            0,
			"mudlark_input_held_sessions":            0,
		})
		for range 20 {
			ada.TryDataIn(message.Text("fast"))
			srv.send(end(0, 1, 100))
			synctest.Wait()
		}
		f, err = metricstest.Parse(string(b.p.AppendMetrics(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := metricstest.Value(f, "mudlark_input_refused_total", map[string]string{"reason": "rate"}); v < 5 {
			t.Errorf("%v messages were too fast", v)
		}
		ada.Disconnect("bye")
		b.wantMetrics(map[string]float64{"mudlark_sessions{proto=test}": 1, "mudlark_sessions_opened_total{proto=test}": 2})
	})
}

// TestReady follows a game through what may be wrong with it.
func TestReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t, nil)
		if err := b.p.Healthy(); err == nil {
			t.Error("a Portal that does not run is healthy")
		}
		b.run()
		if err := b.p.Healthy(); err != nil {
			t.Errorf("a Portal without services: Healthy = %v", err)
		}
		b.wantReady("no Server is attached")
		srv := b.attach(1, 1)
		b.wantReady("")
		srv.send(stall("disk is full"))
		b.wantReady("the store does not commit: disk is full")
		time.Sleep(time.Hour) // pongs come meanwhile
		b.wantReady("the store does not commit: disk is full")
		srv.send(stall(""))
		b.wantReady("")
		srv.kill()
		b.wantReady("no Server is attached")
		b.attach(2, 1)
		b.wantReady("")
	})
}

// A door is a service with an address that opens or not.
type door struct {
	name string
	err  error
}

func (d *door) Name() string                  { return d.name }
func (d *door) Addr() string                  { return "the street" }
func (d *door) Open(context.Context) error    { return d.err }
func (d *door) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// A clock is a service that nobody connects to.
type clock struct{}

func (*clock) Name() string                  { return "clock" }
func (*clock) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func TestHealthy(t *testing.T) {
	shut := errors.New("the key is lost")
	for name, tt := range map[string]struct {
		services []portal.Service
		want     string
	}{
		"all run":          {[]portal.Service{&door{"a", nil}, &door{"b", nil}}, ""},
		"one runs":         {[]portal.Service{&door{"a", shut}, &door{"b", nil}}, ""},
		"none runs":        {[]portal.Service{&door{"a", shut}, &door{"b", shut}}, "a is failed: the key is lost, b is failed: the key is lost"},
		"only that aside":  {[]portal.Service{&door{"aside", nil}}, ""},
		"none but aside":   {[]portal.Service{&door{"a", shut}, &door{"aside", nil}}, "a is failed"},
		"one without door": {[]portal.Service{&door{"a", shut}, &clock{}}, "a is failed"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBench(t, nil)
				for _, s := range tt.services {
					if err := b.p.AddService(s); err != nil {
						t.Fatal(err)
					}
				}
				b.run()
				switch err := b.p.Healthy("aside"); {
				case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("Healthy = %v, want %q", err, tt.want)
				}
				b.stop()
				synctest.Wait()
				if err := b.p.Healthy("aside"); err == nil {
					t.Error("a Portal that stops is healthy")
				}
			})
		})
	}
}

// TestMetricsOfServers counts starts, ends and reloads.
func TestMetricsOfServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, s := startSupervised(t, func(c *portal.Config) { c.Hang = 10 * time.Second }, "attach")
		synctest.Wait()
		b.wantReady("")
		b.wantMetrics(map[string]float64{"mudlark_server_starts_total{cause=cold}": 1, "mudlark_server_attached": 1})
		if state, pid := b.p.ServerState(); state != portal.StateAttached || pid != 4711 {
			t.Errorf("ServerState = %s, %d", state, pid)
		}
		s.proc(1).end(portal.Exit{Code: 3})
		time.Sleep(time.Minute)
		b.wantMetrics(map[string]float64{
			"mudlark_server_starts_total{cause=crash}": 1, "mudlark_server_deaths_total{cause=fault}": 1, "mudlark_server_attached": 1,
		})
		s.proc(2).end(portal.Exit{Code: -1, Signal: "killed"})
		time.Sleep(time.Minute)
		b.wantMetrics(map[string]float64{"mudlark_server_starts_total{cause=crash}": 2, "mudlark_server_deaths_total{cause=outside}": 1})
		if err := b.p.Restart(t.Context(), link.ModeReload, "for a test"); err != nil {
			t.Fatal(err)
		}
		b.wantMetrics(map[string]float64{
			"mudlark_server_starts_total{cause=reload}":                         1,
			"mudlark_reload_duration_seconds_count{mode=reload,outcome=ok}":     1,
			"mudlark_reload_duration_seconds_count{mode=reload,outcome=failed}": 0,
			"mudlark_server_deaths_total{cause=fault}":                          1,
			"mudlark_server_deaths_total{cause=outside}":                        1,
			"mudlark_reloads_reverted_total":                                    0,
		})
	})
}
