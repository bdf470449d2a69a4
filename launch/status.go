package launch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"mudlark.dev/message"
	"mudlark.dev/portal"
)

// serverPeriod is how long the Server may take to say how it is. One that is
// busy or gone is shown without that.
const serverPeriod = 2 * time.Second

// A status is what "status --json" prints. Names and meanings are kept from
// release to release; new ones may be added.
//
//	game, version     of the game, as its author calls it
//	folder            the game's folder
//	portal            the process that holds the connections
//	  pid, uptime_s, rss_bytes
//	  services        name, address, state, error: see below
//	  plugins         name, error: error is left out if the plugin was started
//	server            the process that runs the game
//	  state           "starting", "attached", "draining" or "down"
//	  cause           why the last one died or could not start; left out if none did
//	  stalled         why its store does not commit, and what to do about it: the game
//	                  waits meanwhile; left out if all is well
//	  pid             0 if none runs
//	  uptime_s, rss_bytes
//	  players, entities, commit
//	                  as the Server counts them; left out if it did not answer
//	  services        as above
//	  aside           what is not run because Servers have died of it; a reload forgets it
//	    kind          "line", "timer" or "hook"
//	    unit          its name, for people
//	    deaths        how many Servers died of it
//	    cause, at     why the last one died, and when, RFC 3339
//	    past          it was a line whose player was told, and will not come again
//	sessions          number, protocol, address, account, puppet, idle_s;
//	                  account and puppet are empty if there is none
//	last_reload       left out if there was none
//	  mode            "reload" or "reset"
//	  reason          what was given for it
//	  at              when it ended, RFC 3339
//	  took_s          until the new Server was attached
//	  error           why it failed; left out if it did not
//
// Times and durations that end in _s are in seconds. rss_bytes is the memory
// that is resident, or -1 where the system does not tell. A service's state is
// "waiting", "running", "failed" or "stopped"; error is the cause of the last
// failure and left out if there is none. Lists are never null.
type status struct {
	Game       string          `json:"game"`
	Version    string          `json:"version"`
	Folder     string          `json:"folder"`
	Portal     portalStatus    `json:"portal"`
	Server     serverStatus    `json:"server"`
	Sessions   []sessionStatus `json:"sessions"`
	LastReload *reloadStatus   `json:"last_reload,omitempty"`
}

type processStatus struct {
	PID      int     `json:"pid"`
	UptimeS  float64 `json:"uptime_s"`
	RSSBytes int64   `json:"rss_bytes"`
}

type portalStatus struct {
	processStatus
	Services []serviceStatus `json:"services"`
	Plugins  []pluginStatus  `json:"plugins"`
}

type serverStatus struct {
	State   string `json:"state"`
	Cause   string `json:"cause,omitempty"`
	Stalled string `json:"stalled,omitempty"`
	processStatus
	Players  *int64          `json:"players,omitempty"`
	Entities *int64          `json:"entities,omitempty"`
	Commit   *int64          `json:"commit,omitempty"`
	Services []serviceStatus `json:"services"`
	Aside    []asideStatus   `json:"aside"`
}

type asideStatus struct {
	Kind   string    `json:"kind"`
	Unit   string    `json:"unit"`
	Deaths int       `json:"deaths"`
	Cause  string    `json:"cause"`
	At     time.Time `json:"at"`
	Past   bool      `json:"past"`
}

type serviceStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	State   string `json:"state"`
	Error   string `json:"error,omitempty"`
}

type pluginStatus struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

type sessionStatus struct {
	Number   uint64 `json:"number"`
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	Account  string `json:"account"`
	Puppet   string `json:"puppet"`
	IdleS    int64  `json:"idle_s"`
}

type reloadStatus struct {
	Mode   string    `json:"mode"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	TookS  float64   `json:"took_s"`
	PauseS float64   `json:"pause_s"` // of that, how long nobody played
	Error  string    `json:"error,omitempty"`
}

// status collects what there is to tell of the game.
func (g *running) status(ctx context.Context) *status {
	p := g.portal.Status()
	st := &status{
		Game:    g.game.Name,
		Version: g.game.Version,
		Folder:  string(g.dir),
		Portal: portalStatus{
			processStatus: processStatus{PID: os.Getpid(), UptimeS: seconds(time.Since(g.started)), RSSBytes: rss(os.Getpid())},
			Services:      []serviceStatus{},
			Plugins:       []pluginStatus{},
		},
		Server: serverStatus{
			State:         p.Server.State,
			Cause:         p.Server.Cause,
			Stalled:       p.Server.Stalled,
			processStatus: processStatus{PID: p.Server.PID, RSSBytes: rss(p.Server.PID)},
			Services:      []serviceStatus{},
			Aside:         []asideStatus{},
		},
		Sessions: []sessionStatus{},
	}
	if started, ok := g.starter.started(p.Server.PID); ok {
		st.Server.UptimeS = seconds(time.Since(started))
	}
	for _, s := range p.Server.Aside {
		st.Server.Aside = append(st.Server.Aside, asideStatus{Kind: s.Kind, Unit: s.Unit, Deaths: s.Deaths, Cause: s.Cause, At: s.When, Past: s.Past})
	}
	for _, s := range p.Services {
		st.Portal.Services = append(st.Portal.Services, serviceStatus{Name: s.Name, Address: s.Addr, State: s.State, Error: s.Error})
	}
	for _, s := range p.Plugins {
		st.Portal.Plugins = append(st.Portal.Plugins, pluginStatus{Name: s.Name, Error: s.Error})
	}
	for _, s := range p.Sessions {
		if s.Ended {
			continue
		}
		st.Sessions = append(st.Sessions, sessionStatus{
			Number: s.Number, Protocol: s.Protocol, Address: s.Addr, Account: s.Account, Puppet: s.Puppet, IdleS: s.IdleSeconds,
		})
	}
	if r := p.LastReload; r != nil {
		st.LastReload = &reloadStatus{Mode: r.Mode, Reason: r.Reason, At: r.When, TookS: seconds(r.Took), PauseS: seconds(r.Pause), Error: r.Error}
	}
	if p.Server.State == portal.StateAttached {
		st.Server.ask(ctx, g.portal)
	}
	return st
}

// ask fills in what the Server says of itself, if it does in time.
func (s *serverStatus) ask(ctx context.Context, p *portal.Portal) {
	ctx, cancel := context.WithTimeout(ctx, serverPeriod)
	defer cancel()
	m, err := p.Request(ctx, message.New("status"))
	if err != nil {
		return
	}
	number := func(key string) *int64 {
		if n, ok := m.KwargInt(key); ok {
			return &n
		}
		return nil
	}
	s.Players, s.Entities, s.Commit = number("players"), number("entities"), number("commit")
	list, _ := m.Kwargs["services"].([]any)
	for _, v := range list {
		fields, _ := v.(map[string]any)
		text := func(key string) string {
			t, _ := fields[key].(string)
			return t
		}
		s.Services = append(s.Services, serviceStatus{Name: text("name"), Address: text("address"), State: text("state"), Error: text("error")})
	}
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// print writes st for people.
func (st *status) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tin %s\n", title(st.Game, st.Version), st.Folder)
	fmt.Fprintf(t, "Portal\trunning\tpid %d\tup %s\t%s\n", st.Portal.PID, period(st.Portal.UptimeS), memory(st.Portal.RSSBytes))
	printServices(t, st.Portal.Services)
	for _, p := range st.Portal.Plugins {
		if p.Error != "" {
			fmt.Fprintf(t, "  plugin %s\tfailed: %s\n", p.Name, indent(p.Error))
		}
	}
	if s := &st.Server; s.PID == 0 {
		fmt.Fprintf(t, "Server\t%s\n", s.State)
	} else {
		fmt.Fprintf(t, "Server\t%s\tpid %d\tup %s\t%s\n", s.State, s.PID, period(s.UptimeS), memory(s.RSSBytes))
	}
	if st.Server.Stalled != "" {
		fmt.Fprintf(t, "  cannot save\t%s\n", indent(st.Server.Stalled))
	}
	if st.Server.Cause != "" {
		fmt.Fprintf(t, "  last failure\t%s\n", indent(st.Server.Cause))
	}
	for _, c := range []struct {
		name string
		n    *int64
	}{{"players", st.Server.Players}, {"entities", st.Server.Entities}, {"commit", st.Server.Commit}} {
		if c.n != nil {
			fmt.Fprintf(t, "  %s\t%d\n", c.name, *c.n)
		}
	}
	printServices(t, st.Server.Services)
	printAside(t, st.Server.Aside)
	if r := st.LastReload; r != nil {
		fmt.Fprintf(t, "Last %s\t%s\ttook %.3fs, paused %.3fs", r.Mode, r.At.Local().Format("2006-01-02 15:04:05"), r.TookS, r.PauseS)
		if r.Reason != "" {
			fmt.Fprintf(t, "\t%s", oneLine(r.Reason))
		}
		fmt.Fprintln(t)
		if r.Error != "" {
			fmt.Fprintf(t, "  failed\t%s\n", indent(r.Error))
		}
	}
	fmt.Fprintf(t, "Sessions\t%d\n", len(st.Sessions))
	if len(st.Sessions) > 0 {
		t.Flush()
		fmt.Fprintln(t, "  #\tprotocol\taddress\taccount\tpuppet\tidle")
	}
	for _, s := range st.Sessions {
		fmt.Fprintf(t, "  %d\t%s\t%s\t%s\t%s\t%s\n", s.Number, s.Protocol, s.Address, dash(s.Account), dash(s.Puppet), period(float64(s.IdleS)))
	}
	return t.Flush()
}

// printJSON writes v as indented JSON.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printServices writes one line for each service.
func printServices(w io.Writer, list []serviceStatus) {
	for _, s := range list {
		state := s.State
		if s.Error != "" {
			state += ": " + oneLine(s.Error)
		}
		fmt.Fprintf(w, "  service %s\t%s\t%s\n", s.Name, dash(s.Address), state)
	}
}

// printAside writes what was put aside. Only the head of a cause is: the whole of
// it is long, and in the log.
func printAside(w io.Writer, list []asideStatus) {
	for _, s := range list {
		cause, _, _ := strings.Cut(s.Cause, "\n")
		state := "not run until a reload"
		if s.Past {
			state = "was not run"
		}
		fmt.Fprintf(w, "  put aside\t%s\t%s\n", oneLine(s.Unit), state)
		fmt.Fprintf(w, "    %d deaths\tlast %s: %s\n", s.Deaths, s.At.Local().Format("2006-01-02 15:04:05"), oneLine(cause))
	}
}

func title(name, version string) string {
	if version == "" {
		return name
	}
	return name + " " + version
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// indent keeps the lines of s behind the first below each other. It leaves no
// tab for the tabwriter to take as the end of a cell.
func indent(s string) string {
	return strings.NewReplacer("\n", "\n    ", "\t", "  ").Replace(strings.TrimRight(s, "\n"))
}

// period writes seconds as people count them.
func period(s float64) string {
	d := time.Duration(s) * time.Second
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(s))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

func memory(bytes int64) string {
	if bytes < 0 {
		return "memory unknown"
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// rss returns the resident memory of a process in bytes, or -1.
func rss(pid int) int64 {
	if pid == 0 {
		return -1
	}
	// proc(5): the second field of statm is resident pages.
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return -1
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return -1
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return -1
	}
	return pages * int64(os.Getpagesize())
}
