package server_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/internal/metrics/metricstest"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/server"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// page is the metrics of the Server, once it has nothing to do.
func (g *game) page() map[string]*metricstest.Family {
	g.t.Helper()
	synctest.Wait()
	text := string(g.s.AppendMetrics(nil))
	f, err := metricstest.Parse(text)
	if err != nil {
		g.t.Fatalf("%v in\n%s", err, text)
	}
	return f
}

// wantMetrics compares samples, which are named as in "name{label=value}".
func wantMetrics(t *testing.T, f map[string]*metricstest.Family, want map[string]float64) {
	t.Helper()
	for id, v := range want {
		name, rest, _ := strings.Cut(strings.TrimSuffix(id, "}"), "{")
		labels := map[string]string{}
		for pair := range strings.SplitSeq(rest, ",") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				labels[k] = v
			}
		}
		if got, ok := metricstest.Value(f, name, labels); !ok || got != v {
			t.Errorf("%s = %v, %v; want %v", id, got, ok, v)
		}
	}
}

// dawdle holds the loop for as long as it is told.
func dawdle() *command.Command {
	return &command.Command{Key: "dawdle", Aliases: []string{"dd"}, Run: func(c *command.Call) error {
		d, err := time.ParseDuration(strings.Fields(c.Args + " 40ms")[0])
		if err != nil {
			return err
		}
		time.Sleep(d)
		return c.Puppet.SetAttr("dawdled", c.Args)
	}}
}

func nap() *command.Command {
	return &command.Command{Key: "nap", Run: func(c *command.Call) error {
		time.Sleep(3 * time.Millisecond)
		c.Sleep(time.Hour)
		time.Sleep(30 * time.Millisecond)
		return nil
	}}
}

// TestMetrics shows that what is done is counted, under names whose number is
// bounded whatever players type.
func TestMetrics(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		before := g.page()
		value := func(f map[string]*metricstest.Family, name string, labels map[string]string) float64 {
			v, _ := metricstest.Value(f, name, labels)
			return v
		}
		text := value(before, "mudlark_messages_in_total", map[string]string{"name": "text"})
		ada.typ("dawdle 20ms", "dd 20ms", "@DAWDLE 20ms", "north", "s", "gibberish one", "gibberish two", "", "nap")
		ada.send(message.New("Echo", int64(1)))
		ada.send(message.New("unheard_of"))
		ada.send(message.New("also_unheard_of"))
		time.Sleep(time.Second) // the commands take some of it
		ada.read()
		f := g.page()
		wantMetrics(t, f, map[string]float64{
			"mudlark_command_duration_seconds_count{cmd=dawdle}":           3,
			"mudlark_command_duration_seconds_bucket{cmd=dawdle,le=0.01}":  0,
			"mudlark_command_duration_seconds_bucket{cmd=dawdle,le=0.025}": 3,
			"mudlark_command_duration_seconds_count{cmd=__exit}":           2,
			"mudlark_command_duration_seconds_count{cmd=__nomatch}":        2,
			"mudlark_command_duration_seconds_count{cmd=__noinput}":        1,
			"mudlark_command_duration_seconds_count{cmd=__other}":          3,
			"mudlark_command_duration_seconds_count{cmd=nap}":              1,
			"mudlark_messages_in_total{name=echo}":                         1,
			"mudlark_messages_in_total{name=default}":                      2,
			"mudlark_messages_in_total{name=text}":                         text + 9,
			"mudlark_server_commands_parked":                               1,
			"mudlark_server_seats":                                         1,
			"mudlark_server_seats_runnable":                                0,
			"mudlark_server_inbox_frames":                                  0,
			"mudlark_server_batches_waiting":                               0,
			"mudlark_store_stalled":                                        0,
			"mudlark_link_unwritten_bytes{process=server}":                 0,
			"mudlark_link_unread_bytes":                                    0,
			"mudlark_game_failures_total":                                  0,
		})
		for _, name := range []string{"mudlark_entities", "mudlark_commit_number", "mudlark_turn_events_sum", "mudlark_commit_rows_sum", "mudlark_committed_bytes_total"} {
			if v := value(f, name, map[string]string{}); v <= 0 {
				t.Errorf("%s = %v", name, v)
			}
		}
		for _, dir := range []string{"read", "written"} {
			if v := value(f, "mudlark_link_bytes_total", map[string]string{"process": "server", "direction": dir}); v <= 0 {
				t.Errorf("bytes %s = %v", dir, v)
			}
		}
		// Each turn counts once, with all of its events.
		if a, b := value(f, "mudlark_turn_duration_seconds_count", map[string]string{}), value(f, "mudlark_turn_events_count", map[string]string{}); a != b || a == 0 {
			t.Errorf("%v durations of turns, %v numbers of events", a, b)
		}
		// A wait parts the durations of a command.
		time.Sleep(time.Hour)
		ada.read()
		wantMetrics(t, g.page(), map[string]float64{
			"mudlark_command_duration_seconds_count{cmd=nap}":           2,
			"mudlark_command_duration_seconds_bucket{cmd=nap,le=0.005}": 1,
			"mudlark_command_duration_seconds_bucket{cmd=nap,le=0.1}":   2,
			"mudlark_server_commands_parked":                            0,
		})
	}, dawdle(), nap())
}

// TestMetricsOfTrouble shows what is counted that goes wrong.
func TestMetricsOfTrouble(t *testing.T) {
	oops := &command.Command{Key: "oops", Run: func(*command.Call) error { panic("oops") }}
	flood := &command.Command{Key: "flood", Run: func(c *command.Call) error {
		c.Puppet.Location().(*world.Room).MsgContents(strings.Repeat("x", 40_000))
		return nil
	}}
	bubble(t, func(t *testing.T, g *game) {
		ada, bob := g.login("Ada"), g.login("Bob")
		eve := g.p.connect()
		for range 7 {
			eve.typ("connect Ada wrong-password")
		}
		ada.typ("oops")
		eve.read()
		wantMetrics(t, g.page(), map[string]float64{
			"mudlark_logins_refused_total{reason=failed}":             5,
			"mudlark_logins_refused_total{reason=throttled}":          2,
			"mudlark_logins_refused_total{reason=creation_throttled}": 0,
			"mudlark_game_failures_total":                             1,
			"mudlark_sessions_dropped_total{reason=unread}":           0,
		})
		bob.taken = false
		bob.read()
		for range 30 {
			ada.typ("flood")
		}
		ada.read()
		wantMetrics(t, g.page(), map[string]float64{"mudlark_sessions_dropped_total{reason=unread}": 1})

		sick := g.sick()
		sick.fail(trouble(store.ErrFull))
		ada.typ("count")
		time.Sleep(3 * time.Second)
		f := g.page()
		wantMetrics(t, f, map[string]float64{"mudlark_store_stalled": 1, "mudlark_store_stalls_total": 1, "mudlark_server_batches_waiting": 1})
		if v, _ := metricstest.Value(f, "mudlark_commit_failures_total", map[string]string{}); v < 3 {
			t.Errorf("%v failed tries", v)
		}
		if v, _ := metricstest.Value(f, "mudlark_server_batches_waiting_bytes", map[string]string{}); v <= 0 {
			t.Errorf("%v bytes wait", v)
		}
		sick.fail(nil)
		time.Sleep(3 * time.Second)
		wantMetrics(t, g.page(), map[string]float64{"mudlark_store_stalled": 0, "mudlark_store_stalls_total": 1, "mudlark_server_batches_waiting": 0})
	}, oops, flood, count())
}

// TestMetricsOfTimers shows that what is no command is counted by its kind.
func TestMetricsOfTimers(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		if err := g.s.Do(t.Context(), func(w *world.World) {
			if _, err := w.Every(time.Minute, w.StartRoom(), "ring", nil); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		before := g.page()
		time.Sleep(5*time.Minute + time.Second)
		after := g.page()
		grown := func(name string, labels map[string]string) float64 {
			a, _ := metricstest.Value(before, name, labels)
			b, _ := metricstest.Value(after, name, labels)
			return b - a
		}
		if n := grown("mudlark_unit_duration_seconds_count", map[string]string{"kind": "timer"}); n != 5 {
			t.Errorf("%v timers, want 5", n)
		}
		if n, ok := metricstest.Value(after, "mudlark_unit_duration_seconds_count", map[string]string{"kind": "do"}); !ok || n != 1 {
			t.Errorf("%v calls of Do, %v; want 1", n, ok)
		}
		wantMetrics(t, after, map[string]float64{"mudlark_timers": 1})
	})
}

// TestMetricsOfAHang shows that nothing of it needs the loop.
func TestMetricsOfAHang(t *testing.T) {
	free := make(chan struct{})
	hang := &command.Command{Key: "hang", Run: func(*command.Call) error { <-free; return nil }}
	bubble(t, func(t *testing.T, g *game) {
		free = make(chan struct{}) // of the bubble
		ada := g.login("Ada")
		ada.typ("hang")
		synctest.Wait()
		ada.typ("look", "look", "look")
		f := g.page()
		wantMetrics(t, f, map[string]float64{"mudlark_server_inbox_frames": 3, "mudlark_server_seats": 1})
		if _, turns := g.s.SlowTurns(); len(turns) != 0 {
			t.Errorf("a turn that has not ended is slow: %+v", turns)
		}
		time.Sleep(time.Minute)
		close(free)
		ada.read()
		wantMetrics(t, g.page(), map[string]float64{"mudlark_server_inbox_frames": 0, "mudlark_slow_turns_total": 1})
		_, turns := g.s.SlowTurns()
		if len(turns) != 1 || turns[0].Took < time.Minute || len(turns[0].Units) == 0 || turns[0].Units[0].Name != "hang" {
			t.Errorf("slow turns %+v, want the one of a minute", turns)
		}
	}, hang)
}

// TestMetricsBeforeRun shows that a Server can be asked at any time.
func TestMetricsBeforeRun(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		cfg := g.cfg
		cfg.Store = g.disk.Open()
		s, err := server.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := metricstest.Parse(string(s.AppendMetrics(nil))); err != nil {
			t.Error(err)
		}
		g.drain(link.ModeShutdown)
		if _, err := metricstest.Parse(string(g.s.AppendMetrics(nil))); err != nil {
			t.Error(err)
		}
		g.start()
	})
}

// TestSlowTurns shows what is kept of slow turns, for how long, and what the log has.
func TestSlowTurns(t *testing.T) {
	bubble(t, func(t *testing.T, g *game) {
		ada := g.login("Ada")
		ada.typ("dawdle 9ms")
		time.Sleep(time.Second)
		release := g.sick().stick()
		start := time.Now()
		ada.typ("dawdle 40ms my secret", "nap")
		time.Sleep(time.Second)
		threshold, turns := g.s.SlowTurns()
		if threshold != server.DefaultSlowTurn || len(turns) != 1 {
			t.Fatalf("threshold %v, turns %+v", threshold, turns)
		}
		got := turns[0]
		if got.Took != 40*time.Millisecond || got.End != 0 || got.Events != 1 || !got.Start.Equal(start) {
			t.Errorf("the turn is %+v, begun %v after the first", got, got.Start.Sub(start))
		}
		if len(got.Units) != 1 || got.Units[0] != (server.SlowUnit{Kind: "command", Name: "dawdle", Took: 40 * time.Millisecond}) {
			t.Errorf("its units are %+v", got.Units)
		}
		if got.Commit == 0 || got.Rows == 0 || got.Bytes == 0 || got.Stored != 0 {
			t.Errorf("its batch is not known, or is stored already: %+v", got)
		}
		release()
		synctest.Wait()
		if _, turns = g.s.SlowTurns(); len(turns) != 1 || turns[0].Stored < 900*time.Millisecond {
			t.Errorf("after its commit: %+v", turns)
		}
		if n := strings.Count(g.log.String(), "slow turns"); n != 0 {
			t.Errorf("the log has %d lines at once", n)
		}
		ada.typ("dawdle 90ms")
		time.Sleep(58 * time.Second)
		if _, turns = g.s.SlowTurns(); len(turns) != 2 {
			t.Errorf("within the minute there are %+v", turns)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if _, turns = g.s.SlowTurns(); len(turns) != 0 {
			t.Errorf("after it there are %+v", turns)
		}
		if log := g.log.String(); strings.Count(log, "slow turns") != 1 ||
			!strings.Contains(log, `msg="slow turns" turns=2 threshold=10ms longest=90ms at=`) || !strings.Contains(log, "kind=command name=dawdle took=90ms") || strings.Contains(log, "my secret\n") {
			t.Errorf("the log has %d lines of them", strings.Count(log, "slow turns"))
		}

		// The number is bounded; so is the log, at one line a minute.
		for range 300 {
			ada.typ("dawdle 11ms")
		}
		time.Sleep(10 * time.Second)
		if _, turns = g.s.SlowTurns(); len(turns) != 256 {
			t.Errorf("there are %d, want 256", len(turns))
		}
		for i := 1; i < len(turns); i++ {
			if turns[i].Start.Before(turns[i-1].Start) {
				t.Fatal("they are not in order")
			}
		}
		g.drain(link.ModeReload) // tells what was not told
		if log := g.log.String(); strings.Count(log, "slow turns") != 2 || !strings.Contains(log, "turns=300 ") {
			t.Errorf("the log has %d lines of them", strings.Count(log, "slow turns"))
		}
		g.start()
	}, dawdle(), nap())
}

// TestSlowTurnsOff shows that a negative threshold keeps none.
func TestSlowTurnsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, dawdle())
		g.cfg.SlowTurn = -1
		g.start()
		ada := g.login("Ada")
		ada.typ("dawdle 1h")
		ada.read()
		time.Sleep(2 * time.Hour)
		if threshold, turns := g.s.SlowTurns(); threshold >= 0 || len(turns) != 0 {
			t.Errorf("threshold %v, %d turns", threshold, len(turns))
		}
		wantMetrics(t, g.page(), map[string]float64{"mudlark_slow_turns_total": 0, "mudlark_command_duration_seconds_count{cmd=dawdle}": 1})
		g.drain(link.ModeShutdown)
	})
}
