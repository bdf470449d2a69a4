package server

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/internal/metrics"
	"mudlark.dev/link"
	"mudlark.dev/store"
)

// families are what the Server tells of itself; docs/operate/metrics.md explains
// them.
var families = []metrics.Family{
	{Name: "mudlark_command_duration_seconds", Type: metrics.TypeHistogram, Help: "How long commands held the loop, from their start or a wait's end to a wait or their end, by command."},
	{Name: "mudlark_commit_batches", Type: metrics.TypeHistogram, Help: "Batches, of one turn each, that were committed as one transaction."},
	{Name: "mudlark_commit_duration_seconds", Type: metrics.TypeHistogram, Help: "How long commits took, with all their tries."},
	{Name: "mudlark_commit_failures_total", Type: metrics.TypeCounter, Help: "Tries to commit that failed and were made again."},
	{Name: "mudlark_commit_number", Type: metrics.TypeGauge, Help: "The last commit number that is in the store."},
	{Name: "mudlark_commit_rows", Type: metrics.TypeHistogram, Help: "Rows that were written or deleted by one transaction."},
	{Name: "mudlark_committed_bytes_total", Type: metrics.TypeCounter, Help: "Bytes of batches that were committed, as the queue of the store counts them."},
	{Name: "mudlark_entities", Type: metrics.TypeGauge, Help: "Entities in the world."},
	{Name: "mudlark_game_failures_total", Type: metrics.TypeCounter, Help: "Failures of game code: each has a reference and a stack in the log."},
	{Name: "mudlark_link_bytes_total", Type: metrics.TypeCounter, Help: "Bytes that went over the link between Portal and Server, by process and direction."},
	{Name: "mudlark_link_unread_bytes", Type: metrics.TypeGauge, Help: "Output that the clients have not taken, as the Server counts it: the window of the link has 32 MiB."},
	{Name: "mudlark_link_unwritten_bytes", Type: metrics.TypeGauge, Help: "Bytes sent over the link that the other process has not taken, by sending process."},
	{Name: "mudlark_logins_refused_total", Type: metrics.TypeCounter, Help: "Logins and new accounts that were refused, by reason."},
	{Name: "mudlark_messages_in_total", Type: metrics.TypeCounter, Help: "Messages that were given to inputfuncs, by inputfunc."},
	{Name: "mudlark_server_background_works", Type: metrics.TypeGauge, Help: "Background works under way or waiting."},
	{Name: "mudlark_server_batches_waiting", Type: metrics.TypeGauge, Help: "Batches that wait for the store or are being committed."},
	{Name: "mudlark_server_batches_waiting_bytes", Type: metrics.TypeGauge, Help: "Bytes of these."},
	{Name: "mudlark_server_commands_parked", Type: metrics.TypeGauge, Help: "Commands that wait for an answer, a time or a work."},
	{Name: "mudlark_server_gated", Type: metrics.TypeGauge, Help: "Functions that wait for a commit."},
	{Name: "mudlark_server_inbox_frames", Type: metrics.TypeGauge, Help: "Frames that were read from the link and not seen by the loop."},
	{Name: "mudlark_server_seats", Type: metrics.TypeGauge, Help: "Sessions that the Server has."},
	{Name: "mudlark_server_seats_runnable", Type: metrics.TypeGauge, Help: "Sessions with a line to run, at the end of the last turn."},
	{Name: "mudlark_sessions_dropped_total", Type: metrics.TypeCounter, Help: "Sessions that were ended against their will, by reason."},
	{Name: "mudlark_slow_turns_total", Type: metrics.TypeCounter, Help: "Turns that took longer than server.slow_turn."},
	{Name: "mudlark_store_stalled", Type: metrics.TypeGauge, Help: "1 while the game waits for its store, otherwise 0."},
	{Name: "mudlark_store_stalls_total", Type: metrics.TypeCounter, Help: "How often the game had to wait for its store."},
	{Name: "mudlark_timers", Type: metrics.TypeGauge, Help: "Stored timers that are set."},
	{Name: "mudlark_turn_duration_seconds", Type: metrics.TypeHistogram, Help: "How long turns of the loop took."},
	{Name: "mudlark_turn_events", Type: metrics.TypeHistogram, Help: "Lines, timers and finished works of one turn."},
	{Name: "mudlark_unit_duration_seconds", Type: metrics.TypeHistogram, Help: "How long timers and others that are no command held the loop, by kind."},
	{Name: "mudlark_unstored_total", Type: metrics.TypeCounter, Help: "Changes that could not be stored and are in memory only."},
}

// A meter counts what a Server does. Its fields are used as their groups say.
type meter struct {
	set    *metrics.Set
	flight flight

	traffic link.Traffic
	live    atomic.Pointer[liveParts]

	// Used by any goroutine.
	commitSeconds  *metrics.Histogram
	commitBatches  *metrics.Histogram
	commitRows     *metrics.Histogram
	commitBytes    *metrics.Counter
	commitFailures *metrics.Counter
	stalls         *metrics.Counter
	failures       *metrics.Counter

	// The loop's.
	turnSeconds *metrics.Histogram
	turnEvents  *metrics.Histogram
	slowTurns   *metrics.Counter
	unstored    *metrics.Counter
	overdue     *metrics.Counter
	throttled   *metrics.Counter
	failed      *metrics.Counter
	creations   *metrics.Counter
	commands    map[*command.Command]*commandMeter
	exits       *commandMeter
	others      *commandMeter
	units       [len(unitKinds)]*commandMeter
	shown       [shownGauges]shown
	dirtySpans  []*commandMeter // with something that is not shown yet
	dirtyTally  []*tally        // as well

	longest units       // of the turn that runs
	ended   pendingTurn // the last turn, until its end is known
}

// liveParts are what exists from the attachment on.
type liveParts struct {
	commits *committer
	work    *workers
	conn    *link.Conn
}

// A commandMeter has the durations of commands of one name, or of another kind of
// units. They are shown at the end of the turn, from the first one on.
type commandMeter struct {
	name  string
	spans *metrics.Spans
	dirty bool
}

// A tally counts the messages for an inputfunc, and shows them at the end of the
// turn.
type tally struct {
	shown *metrics.Counter
	n     int
}

func (m *meter) count(t *tally) {
	if t.n == 0 {
		m.dirtyTally = append(m.dirtyTally, t)
	}
	t.n++
}

func (m *meter) span(c *commandMeter, took time.Duration) {
	c.spans.Add(took)
	if !c.dirty {
		c.dirty = true
		m.dirtySpans = append(m.dirtySpans, c)
	}
}

// show shows what was counted in the turn.
func (m *meter) show() {
	for _, t := range m.dirtyTally {
		t.shown.Add(t.n)
		t.n = 0
	}
	for _, c := range m.dirtySpans {
		c.spans.Flush()
		c.dirty = false
	}
	m.dirtyTally, m.dirtySpans = m.dirtyTally[:0], m.dirtySpans[:0]
}

// A pendingTurn is a turn whose events are over. How long it took is known when the
// loop looks at its clock next, as it does anyway.
type pendingTurn struct {
	is     bool
	start  time.Time
	spent  time.Duration // on its events
	events int
	batch  *store.Batch // only read; nil: none
}

// unitKinds are what may hold the loop beside commands, by how what they are called
// begins.
var unitKinds = [...]struct{ kind, prefix string }{
	{"timer", "timer "}, {"work", "background work "}, {"do", "do "}, {"value", "value "}, {"hook", ""},
}

// The gauges that the loop shows. They are as they were when its last turn ended, or
// when it began to wait.
const (
	shownRunnable = iota
	shownParked
	shownGated
	shownSeats
	shownEntities
	shownTimers
	shownUnread
	shownGauges
)

// A shown is a gauge of the loop's, which stores it only if it has changed.
type shown struct {
	g    *metrics.Gauge
	last int
}

func (s *shown) set(n int) {
	if n != s.last {
		s.last = n
		s.g.Set(float64(n))
	}
}

// systemKeys are the commands that no set need bring.
var systemKeys = []string{command.NoInput, command.NoMatch, command.MultiMatch, command.LoginStart}

func newMeter(cfg *Config, inputs map[string]*InputFunc) *meter {
	m := &meter{set: metrics.New(families...), flight: flight{slow: cfg.SlowTurn, log: cfg.Logger}}
	s := m.set
	m.turnSeconds = s.Histogram("mudlark_turn_duration_seconds", metrics.Short)
	m.turnEvents = s.Histogram("mudlark_turn_events", metrics.Counts)
	m.slowTurns = s.Counter("mudlark_slow_turns_total")
	m.commitSeconds = s.Histogram("mudlark_commit_duration_seconds", metrics.Short)
	m.commitBatches = s.Histogram("mudlark_commit_batches", metrics.Counts)
	m.commitRows = s.Histogram("mudlark_commit_rows", metrics.Counts)
	m.commitBytes = s.Counter("mudlark_committed_bytes_total")
	m.commitFailures = s.Counter("mudlark_commit_failures_total")
	m.stalls = s.Counter("mudlark_store_stalls_total")
	m.failures = s.Counter("mudlark_game_failures_total")
	m.unstored = s.Counter("mudlark_unstored_total")
	m.overdue = s.Counter("mudlark_sessions_dropped_total", "reason", "unread")
	m.throttled = s.Counter("mudlark_logins_refused_total", "reason", "throttled")
	m.failed = s.Counter("mudlark_logins_refused_total", "reason", "failed")
	m.creations = s.Counter("mudlark_logins_refused_total", "reason", "creation_throttled")
	for name, f := range inputs {
		f.tally = &tally{shown: s.Counter("mudlark_messages_in_total", "name", name)}
	}
	for i, k := range unitKinds {
		m.units[i] = &commandMeter{name: k.kind, spans: s.Spans("mudlark_unit_duration_seconds", metrics.Short, "kind", k.kind)}
		m.units[i].spans.Flush()
	}
	m.longest.least = max(cfg.SlowTurn/leastShare, 0)
	if cfg.SlowTurn < 0 {
		m.longest.least = math.MaxInt64
	}
	for i, name := range [shownGauges]string{
		shownRunnable: "mudlark_server_seats_runnable", shownParked: "mudlark_server_commands_parked", shownGated: "mudlark_server_gated",
		shownSeats: "mudlark_server_seats", shownEntities: "mudlark_entities", shownTimers: "mudlark_timers", shownUnread: "mudlark_link_unread_bytes",
	} {
		m.shown[i].g = s.Gauge(name)
	}
	byKey := make(map[string]*commandMeter)
	named := func(key string) *commandMeter {
		key = strings.ToLower(key)
		if byKey[key] == nil {
			byKey[key] = m.command(key)
		}
		return byKey[key]
	}
	m.exits, m.others = named("__exit"), named("__other")
	m.commands = make(map[*command.Command]*commandMeter)
	for _, set := range cfg.Game.CmdSets {
		if set == nil {
			continue // New says so
		}
		for _, cmd := range set.Commands {
			if cmd != nil {
				m.commands[cmd] = named(cmd.Key)
			}
		}
	}
	m.collect(nil)
	return m
}

func (m *meter) command(key string) *commandMeter {
	return &commandMeter{name: key, spans: m.set.Spans("mudlark_command_duration_seconds", metrics.Short, "cmd", key)}
}

// attached is called when there is a link and what belongs to it.
func (m *meter) attached(s *Server) {
	s.commits.meter = m
	m.live.Store(&liveParts{commits: s.commits, work: s.work, conn: s.conn})
}

// ran is called as a command begins, or calls another one: the first counts.
func (m *meter) ran(of command.Task, cmd *command.Command, exit bool) {
	t, ok := of.(*task)
	if !ok || t.meter != nil {
		return
	}
	switch t.meter = m.commands[cmd]; {
	case t.meter != nil:
	case exit:
		t.meter = m.exits
	default:
		t.meter = m.system(cmd)
	}
}

// system returns the meter of a command that is in no set of the game: one of the
// few that the interpreter brings.
func (m *meter) system(cmd *command.Command) *commandMeter {
	for _, key := range systemKeys {
		if cmd.Key == key {
			m.commands[cmd] = m.command(key)
			return m.commands[cmd]
		}
	}
	return m.others
}

// left counts how long t has held the loop, and returns that.
func (m *meter) left(t *task) time.Duration {
	took := time.Since(t.since)
	m.spent(t, took)
	return took
}

func (m *meter) spent(t *task, took time.Duration) {
	c := t.meter
	if c == nil { // no command, such as a message of a client's program
		m.longest.add("message", t.what, took)
		c = m.others
	} else {
		m.longest.add("command", c.name, took)
	}
	m.span(c, took)
}

// unit counts how long something else has held the loop since start, and returns
// that.
func (m *meter) unit(what string, start time.Time) time.Duration {
	took := time.Since(start)
	for i := range unitKinds {
		if k := &unitKinds[i]; strings.HasPrefix(what, k.prefix) {
			m.span(m.units[i], took)
			m.longest.add(k.kind, what[len(k.prefix):], took)
			break
		}
	}
	return took
}

// begin returns the time at which a turn begins. The one before has ended by then.
func (m *meter) begin() time.Time {
	now := time.Now()
	if m.ended.is {
		m.settle(now)
	}
	return now
}

// flush settles the last turn before the loop waits, and shows how the loop is then.
func (m *meter) flush(s *Server) {
	if m.ended.is {
		m.settle(time.Now())
	}
	m.gauges(s)
}

// endTurn is called when all of a turn is done.
func (m *meter) endTurn(s *Server, t *turn, b *store.Batch) {
	m.show()
	m.gauges(s)
	if t.events == 0 || t.start.IsZero() { // the attachment's, or the last of all
		m.longest.n = 0
		return
	}
	m.ended = pendingTurn{is: true, start: t.start, spent: t.spent, events: t.events, batch: b}
}

func (m *meter) gauges(s *Server) {
	m.shown[shownRunnable].set(len(s.runnable))
	m.shown[shownParked].set(len(s.tasks))
	m.shown[shownGated].set(len(s.gated))
	m.shown[shownSeats].set(len(s.seats))
	m.shown[shownEntities].set(s.world.Len())
	m.shown[shownTimers].set(s.world.TimerCount())
	m.shown[shownUnread].set(int(s.unread))
}

// settle counts the last turn, which has ended now.
func (m *meter) settle(now time.Time) {
	e := &m.ended
	took := now.Sub(e.start)
	m.turnSeconds.Update(took.Seconds())
	m.turnEvents.Update(float64(e.events))
	if m.flight.slow >= 0 && took > m.flight.slow {
		m.slowTurns.Inc()
		t := SlowTurn{
			Start: e.start, Took: took, End: max(took-e.spent, 0), Events: e.events,
			Units: append([]SlowUnit(nil), m.longest.list[:m.longest.n]...),
		}
		if e.batch != nil {
			t.Commit = e.batch.Commit
			t.Rows, t.Bytes = batchSize(e.batch)
		}
		m.flight.add(t)
	}
	m.longest.n = 0
	*e = pendingTurn{}
}

// ticked returns how long the turn has lasted, and notes it.
func (t *turn) ticked() time.Duration {
	t.spent = time.Since(t.start)
	return t.spent
}

// committed counts a commit that was begun at a time. It is called by the committer.
func (m *meter) committed(began time.Time, batches []batchAt, bytes int) {
	took := time.Since(began)
	rows := 0
	for _, b := range batches {
		rows += len(b.batch.Puts) + len(b.batch.Deletes)
	}
	m.commitSeconds.Update(took.Seconds())
	m.commitBatches.Update(float64(len(batches)))
	m.commitRows.Update(float64(rows))
	m.commitBytes.Add(bytes)
	m.flight.committed(batches[0].batch.Commit, batches[len(batches)-1].batch.Commit, took)
}

// collect brings up to date what is looked at only when somebody asks. s may be nil.
func (m *meter) collect(s *Server) {
	var inbox, works, batches, bytes, stalled int
	var commit, unwritten uint64
	if s != nil {
		s.mu.Lock()
		inbox = len(s.inbox)
		s.mu.Unlock()
	}
	if l := m.live.Load(); l != nil {
		works, unwritten = l.work.count(), l.conn.Unwritten()
		l.commits.mu.Lock()
		batches, bytes, commit = l.commits.turns, l.commits.bytes, l.commits.committed
		if l.commits.stall.told != "" {
			stalled = 1
		}
		l.commits.mu.Unlock()
	}
	m.set.Gauge("mudlark_server_inbox_frames").Set(float64(inbox))
	m.set.Gauge("mudlark_server_background_works").Set(float64(works))
	m.set.Gauge("mudlark_server_batches_waiting").Set(float64(batches))
	m.set.Gauge("mudlark_server_batches_waiting_bytes").Set(float64(bytes))
	m.set.Gauge("mudlark_commit_number").Set(float64(commit))
	m.set.Gauge("mudlark_store_stalled").Set(float64(stalled))
	m.set.Gauge("mudlark_link_unwritten_bytes", "process", "server").Set(float64(unwritten))
	m.set.Counter("mudlark_link_bytes_total", "process", "server", "direction", "read").Set(m.traffic.Read.Load())
	m.set.Counter("mudlark_link_bytes_total", "process", "server", "direction", "written").Set(m.traffic.Written.Load())
}

// AppendMetrics appends the metrics of the Server to dst, in the text format of
// Prometheus, each family with its HELP and TYPE. It does not wait for the loop, and
// may be called by any goroutine, at any time. docs/operate/metrics.md lists them.
func (s *Server) AppendMetrics(dst []byte) []byte {
	s.meter.collect(s)
	return s.meter.set.Append(dst)
}
