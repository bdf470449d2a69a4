package portal

import (
	"errors"
	"sync"

	"mudlark.dev/internal/metrics"
	"mudlark.dev/link"
)

// families are what the Portal tells of itself; docs/operate/metrics.md explains
// them.
var families = []metrics.Family{
	{Name: "mudlark_connections", Type: metrics.TypeGauge, Help: "Open connections, by protocol."},
	{Name: "mudlark_connections_refused_total", Type: metrics.TypeCounter, Help: "Connections that were turned away, by reason."},
	{Name: "mudlark_input_bytes_total", Type: metrics.TypeCounter, Help: "Bytes of text in the messages that clients gave, by protocol."},
	{Name: "mudlark_input_held_sessions", Type: metrics.TypeGauge, Help: "Sessions of which nothing more is taken, since too much of it waits for the game."},
	{Name: "mudlark_input_refused_total", Type: metrics.TypeCounter, Help: "Times that a message was not taken, by reason: too_long and invalid are lost, rate and full are taken later."},
	{Name: "mudlark_input_waiting_bytes", Type: metrics.TypeGauge, Help: "What these count against the bounds of their sessions."},
	{Name: "mudlark_input_waiting_lines", Type: metrics.TypeGauge, Help: "Lines and other messages that the game has not handled."},
	{Name: "mudlark_lines_in_total", Type: metrics.TypeCounter, Help: "Lines and other messages that clients gave, by protocol."},
	{Name: "mudlark_link_bytes_total", Type: metrics.TypeCounter, Help: "Bytes that went over the link between Portal and Server, by process and direction."},
	{Name: "mudlark_link_unwritten_bytes", Type: metrics.TypeGauge, Help: "Bytes sent over the link that the other process has not taken, by sending process."},
	{Name: "mudlark_output_bytes_total", Type: metrics.TypeCounter, Help: "Bytes that clients were given, before compression and TLS, by protocol."},
	{Name: "mudlark_output_held_bytes", Type: metrics.TypeGauge, Help: "Output of the Server that waits for its commit."},
	{Name: "mudlark_output_held_turns", Type: metrics.TypeGauge, Help: "Turns of the Server that wait for their commit."},
	{Name: "mudlark_output_messages_total", Type: metrics.TypeCounter, Help: "Texts and other messages that clients were given, each receiver counted, by protocol."},
	{Name: "mudlark_output_queued_bytes", Type: metrics.TypeGauge, Help: "Bytes that wait for clients whose sockets are full."},
	{Name: "mudlark_output_writers", Type: metrics.TypeGauge, Help: "Connections whose sockets are full, each with a writer of its own."},
	{Name: "mudlark_reload_duration_seconds", Type: metrics.TypeHistogram, Help: "How long reloads and resets took, from the request to the new Server's attachment or the failure, by mode and outcome."},
	{Name: "mudlark_reload_pause_seconds", Type: metrics.TypeHistogram, Help: "How long nobody played for a reload or reset, by mode."},
	{Name: "mudlark_reloads_reverted_total", Type: metrics.TypeCounter, Help: "New builds that gave way to the one before."},
	{Name: "mudlark_server_attached", Type: metrics.TypeGauge, Help: "1 while a Server is attached, otherwise 0."},
	{Name: "mudlark_server_deaths_total", Type: metrics.TypeCounter, Help: "Ends of Servers that nobody had asked for, by cause."},
	{Name: "mudlark_server_pong_age_seconds", Type: metrics.TypeGauge, Help: "How long ago the Server's loop answered last, or it was attached; it is asked each second."},
	{Name: "mudlark_server_starts_total", Type: metrics.TypeCounter, Help: "Servers that were started, by cause."},
	{Name: "mudlark_sessions", Type: metrics.TypeGauge, Help: "Sessions whose client is there, by protocol."},
	{Name: "mudlark_sessions_dropped_total", Type: metrics.TypeCounter, Help: "Sessions that were ended against their will, by reason."},
	{Name: "mudlark_sessions_opened_total", Type: metrics.TypeCounter, Help: "Sessions that were opened, by protocol."},
	{Name: "mudlark_units_aside", Type: metrics.TypeGauge, Help: "Lines, timers and hooks that are put aside, since Servers have died of them twice."},
	{Name: "mudlark_units_put_aside_total", Type: metrics.TypeCounter, Help: "How often one was put aside."},
}

// Reasons in mudlark_connections_refused_total.
const (
	refusedStopping   = "stopping"
	refusedSessions   = "sessions"
	refusedAddress    = "address"
	refusedRate       = "rate"
	refusedProxyQueue = "proxy_queue"
	refusedProxy      = "proxy_header"
	refusedTLSQueue   = "tls_queue"
	refusedTLS        = "tls_handshake"
)

// A meter counts what a Portal does. It may be used by any goroutine.
type meter struct {
	set     *metrics.Set
	traffic link.Traffic

	refused        map[string]*metrics.Counter
	tooLong        *metrics.Counter
	invalid        *metrics.Counter
	rate           *metrics.Counter
	full           *metrics.Counter
	slowClients    *metrics.Counter
	floods         *metrics.Counter
	heldBytes      *metrics.Gauge
	heldTurns      *metrics.Gauge
	putAside       *metrics.Counter
	reverted       *metrics.Counter
	deaths, starts map[string]*metrics.Counter

	mu     sync.Mutex
	protos map[string]*protoMeter
}

// A protoMeter counts what goes on by one protocol. Each kind of clients has one.
type protoMeter struct {
	lines, inBytes      *metrics.Counter
	messages, outBytes  *metrics.Counter
	opened              *metrics.Counter
	sessions, connected *metrics.Gauge
}

func newMeter() *meter {
	m := &meter{set: metrics.New(families...), protos: make(map[string]*protoMeter)}
	s := m.set
	counters := func(family, label string, values ...string) map[string]*metrics.Counter {
		all := make(map[string]*metrics.Counter, len(values))
		for _, v := range values {
			all[v] = s.Counter(family, label, v)
		}
		return all
	}
	m.refused = counters("mudlark_connections_refused_total", "reason", refusedStopping, refusedSessions, refusedAddress, refusedRate,
		refusedProxyQueue, refusedProxy, refusedTLSQueue, refusedTLS)
	m.deaths = counters("mudlark_server_deaths_total", "cause", "fault", "hang", "start", "outside")
	m.starts = counters("mudlark_server_starts_total", "cause",
		link.ModeCold.String(), link.ModeReload.String(), link.ModeReset.String(), link.ModeCrash.String())
	m.tooLong = s.Counter("mudlark_input_refused_total", "reason", "too_long")
	m.invalid = s.Counter("mudlark_input_refused_total", "reason", "invalid")
	m.rate = s.Counter("mudlark_input_refused_total", "reason", "rate")
	m.full = s.Counter("mudlark_input_refused_total", "reason", "full")
	m.slowClients = s.Counter("mudlark_sessions_dropped_total", "reason", "slow_client")
	m.floods = s.Counter("mudlark_sessions_dropped_total", "reason", "flood")
	m.heldBytes = s.Gauge("mudlark_output_held_bytes")
	m.heldTurns = s.Gauge("mudlark_output_held_turns")
	m.putAside = s.Counter("mudlark_units_put_aside_total")
	m.reverted = s.Counter("mudlark_reloads_reverted_total")
	for _, mode := range []string{link.ModeReload.String(), link.ModeReset.String()} {
		s.Histogram("mudlark_reload_pause_seconds", metrics.Long, "mode", mode)
		for _, outcome := range []string{"ok", "failed"} {
			s.Histogram("mudlark_reload_duration_seconds", metrics.Long, "mode", mode, "outcome", outcome)
		}
	}
	return m
}

// proto returns the meter of a protocol.
func (m *meter) proto(key string) *protoMeter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if pm := m.protos[key]; pm != nil {
		return pm
	}
	s := m.set
	pm := &protoMeter{
		lines: s.Counter("mudlark_lines_in_total", "proto", key), inBytes: s.Counter("mudlark_input_bytes_total", "proto", key),
		messages: s.Counter("mudlark_output_messages_total", "proto", key), outBytes: s.Counter("mudlark_output_bytes_total", "proto", key),
		opened: s.Counter("mudlark_sessions_opened_total", "proto", key), sessions: s.Gauge("mudlark_sessions", "proto", key),
		connected: s.Gauge("mudlark_connections", "proto", key),
	}
	m.protos[key] = pm
	return pm
}

// took counts a message that was taken.
func (m *protoMeter) took(bytes int) {
	m.lines.Inc()
	m.inBytes.Add(bytes)
}

// gave counts a message that was given to a client.
func (m *protoMeter) gave(bytes int) {
	m.messages.Inc()
	m.outBytes.Add(bytes)
}

// given counts what one message becomes for its receivers: as a rule they have one
// protocol, so this is two additions for all of them.
type given struct {
	m        *protoMeter
	n, bytes int
}

func (g *given) add(m *protoMeter, bytes int) {
	if m != g.m {
		g.done()
		*g = given{m: m}
	}
	g.n++
	g.bytes += bytes
}

func (g *given) done() {
	if g.m != nil {
		g.m.messages.Add(g.n)
		g.m.outBytes.Add(g.bytes)
	}
}

// refuse counts why a connection was turned away.
func (m *meter) refuse(err error) {
	reason := refusedAddress
	switch {
	case errors.Is(err, ErrStopped):
		reason = refusedStopping
	case errors.Is(err, ErrTooManySessions):
		reason = refusedSessions
	case errors.Is(err, errTooFast):
		reason = refusedRate
	}
	m.refused[reason].Inc()
}

// holds shows what waits for its commit.
func (m *meter) holds(bytes, turns int) {
	m.heldBytes.Set(float64(bytes))
	m.heldTurns.Set(float64(turns))
}

// replaced counts the end of a replacement.
func (m *meter) replaced(st *ReloadStatus) {
	outcome := "ok"
	if st.Error != "" {
		outcome = "failed"
	}
	m.set.Histogram("mudlark_reload_duration_seconds", metrics.Long, "mode", st.Mode, "outcome", outcome).Update(st.Took.Seconds())
	if outcome == "ok" && st.Pause > 0 {
		m.set.Histogram("mudlark_reload_pause_seconds", metrics.Long, "mode", st.Mode).Update(st.Pause.Seconds())
	}
}

// died counts the end of a process that was not told to stop.
func (m *meter) died(w *watch) {
	switch {
	case w.next != nil:
	case w.outside:
		m.deaths["outside"].Inc()
	case w.why != "" && w.attached:
		m.deaths["hang"].Inc()
	case !w.attached:
		m.deaths["start"].Inc()
	default:
		m.deaths["fault"].Inc()
	}
}

// collect brings up to date what is looked at only when somebody asks.
func (m *meter) collect(p *Portal) {
	p.mu.Lock()
	sessions := make([]*Session, 0, len(p.sessions))
	for _, s := range p.sessions {
		sessions = append(sessions, s)
	}
	conns := make([]*Conn, 0, len(p.conns))
	connected := make(map[string]int)
	for c, key := range p.conns {
		conns = append(conns, c)
		connected[key]++
	}
	aside := 0
	p.sortAsideLocked()
	for _, s := range p.aside {
		if s.put && !s.past {
			aside++
		}
	}
	a := p.link
	p.mu.Unlock()

	var lines, lineBytes, held int
	current := make(map[*protoMeter]int)
	for _, s := range sessions {
		s.mu.Lock()
		lines += s.log.inputs
		lineBytes += s.log.bytes
		if s.waiters != nil && s.waiters.held != 0 {
			held++
		}
		if !s.ended {
			current[s.kind.meter]++
		}
		s.mu.Unlock()
	}
	var queued, writers int
	for _, c := range conns {
		c.mu.Lock()
		queued += len(c.queue) + c.flight
		if c.writing {
			writers++
		}
		c.mu.Unlock()
	}
	for key := range connected {
		m.proto(key)
	}
	m.mu.Lock()
	for key, pm := range m.protos {
		pm.connected.Set(float64(connected[key]))
		pm.sessions.Set(float64(current[pm]))
	}
	m.mu.Unlock()
	gauge := func(v int, family string, labels ...string) { m.set.Gauge(family, labels...).Set(float64(v)) }
	gauge(lines, "mudlark_input_waiting_lines")
	gauge(lineBytes, "mudlark_input_waiting_bytes")
	gauge(held, "mudlark_input_held_sessions")
	gauge(queued, "mudlark_output_queued_bytes")
	gauge(writers, "mudlark_output_writers")
	gauge(aside, "mudlark_units_aside")
	attached, unwritten, age := 0, 0, 0.0
	if a != nil {
		attached, unwritten, age = 1, int(a.conn.Unwritten()), a.quiet().Seconds()
	}
	gauge(attached, "mudlark_server_attached")
	gauge(unwritten, "mudlark_link_unwritten_bytes", "process", "portal")
	m.set.Gauge("mudlark_server_pong_age_seconds").Set(age)
	m.set.Counter("mudlark_link_bytes_total", "process", "portal", "direction", "read").Set(m.traffic.Read.Load())
	m.set.Counter("mudlark_link_bytes_total", "process", "portal", "direction", "written").Set(m.traffic.Written.Load())
}

// AppendMetrics appends the metrics of the Portal to dst, in the text format of
// Prometheus, each family with its HELP and TYPE. It looks at each session and
// connection, and waits for nothing else. docs/operate/metrics.md lists them.
func (p *Portal) AppendMetrics(dst []byte) []byte {
	p.meter.collect(p)
	return p.meter.set.Append(dst)
}
