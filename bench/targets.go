package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"mudlark.dev/bench/floor"
	"mudlark.dev/launch"
)

// A Spread is what a number was in several rounds.
type Spread struct {
	Median float64   `json:"median"`
	Low    float64   `json:"low"`
	High   float64   `json:"high"`
	Rounds []float64 `json:"rounds"`
}

func spreadOf(rounds []float64) Spread {
	if len(rounds) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(rounds))
	median := s[len(s)/2]
	if len(s)%2 == 0 {
		median = (s[len(s)/2-1] + median) / 2
	}
	return Spread{Median: median, Low: s[0], High: s[len(s)-1], Rounds: rounds}
}

// A Row is one target, and what was measured for it. Where Bound is of a ratio, it is
// that of each round, and Ratio its spread.
type Row struct {
	Target    string  `json:"target"`
	Unit      string  `json:"unit"`
	Measured  Spread  `json:"measured"`
	Yardstick string  `json:"yardstick,omitempty"` // what it is
	Beside    *Spread `json:"beside,omitempty"`    // what the yardstick had
	Ratio     *Spread `json:"ratio,omitempty"`     // of measured to yardstick

	Of    string  `json:"bound_of,omitempty"` // "ratio" or "measured"; empty: no target, told for comparison
	Least bool    `json:"bound_is_least"`     // false: the most that is allowed
	Bound float64 `json:"bound"`
	Met   bool    `json:"met"` // by the median
}

// TargetReport is what has come of a run of all targets.
type TargetReport struct {
	Began  time.Time `json:"began"`
	CPUs   int       `json:"cpus"`
	Go     string    `json:"go"`
	Rounds int       `json:"rounds"`
	Rows   []*Row    `json:"rows"`
	Crowd  []Speech  `json:"crowd,omitempty"` // the way to the highest rate, all rounds
	Notes  []string  `json:"notes,omitempty"`

	latencies []*Result
}

// A Speech is a crowd at one rate.
type Speech struct {
	Who        string  `json:"who"` // "game" or "hall"
	Round      int     `json:"round"`
	Lines      float64 `json:"lines_per_s"` // that were offered
	Deliveries float64 `json:"deliveries_per_s"`
	P99        float64 `json:"p99_ms"`
	PerRead    float64 `json:"lines_per_read"` // how far lines came together
	KeptUp     bool    `json:"kept_up"`
}

// A suite runs targets.
type suite struct {
	exe      string
	rounds   int
	quick    bool
	progress io.Writer
	rep      *TargetReport
}

// A target is a part of the suite that can be run by itself.
type target struct {
	name, title string
	run         func(*suite, context.Context) error
}

func targets() []target {
	return []target{
		{"look", "look, 200 clients, closed loop, a room for each", (*suite).lookTarget},
		{"half", "the same, half of the lines change what is stored", (*suite).halfTarget},
		{"pingpong", "look, one client", (*suite).pingpongTarget},
		{"fan", "one line to 1,000 listeners", (*suite).fanTarget},
		{"crowd", "many speakers, 1,000 listeners, open loop", (*suite).crowdTarget},
		{"players", "5,000 players who each type every 5 s, rooms of 10", (*suite).playersTarget},
		{"idle", "the same beside 15,000 idle players", (*suite).idleTarget},
		{"storm", "1,000 logins at once", (*suite).stormTarget},
		{"gate", "lines that change what is stored, and others", (*suite).gateTarget},
	}
}

func targetNames() string {
	var names []string
	for _, t := range targets() {
		names = append(names, t.name)
	}
	return strings.Join(names, ", ")
}

// runTargets is "mudlark bench targets".
func runTargets(ctx context.Context, args []string, stdio launch.Stdio) error {
	flags := pflag.NewFlagSet("bench targets", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(stdio.Err)
	rounds := flags.Int("rounds", 5, "how often each is measured, 1 to 100")
	only := flags.StringSlice("only", nil, "some of "+targetNames())
	quick := flags.Bool("quick", false, "each for a moment with few players, as a test that it runs and loses nothing")
	file := flags.String("json", "", "write the report to this `file` as JSON, too")
	plots := flags.String("plots", "", "draw latency.svg and crowd.svg into this `folder`")
	quiet := flags.Bool("quiet", false, "print nothing but the report")
	flags.Usage = func() {
		fmt.Fprintf(stdio.Out, "Measure all targets beside their yardsticks.\n\nUsage:\n  bench targets [flags]\n\nFlags:\n%s", flags.FlagUsages())
	}
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("bench targets takes no argument, but got %q", flags.Arg(0))
	}
	if err == nil && (*rounds < 1 || *rounds > 100) {
		err = fmt.Errorf("--rounds: %d is not 1 to 100", *rounds)
	}
	for _, name := range *only {
		if err == nil && !slices.ContainsFunc(targets(), func(t target) bool { return t.name == name }) {
			err = fmt.Errorf("--only: %q is none of %s", name, targetNames())
		}
	}
	if err != nil {
		return &flagError{err}
	}
	s := &suite{rounds: *rounds, quick: *quick, progress: stdio.Err}
	if *quick {
		s.rounds = 1
	}
	if *quiet {
		s.progress = io.Discard
	}
	if s.exe, err = os.Executable(); err != nil {
		return fmt.Errorf("bench targets: find this program's file: %w", err)
	}
	s.rep = &TargetReport{Began: time.Now(), CPUs: runtime.NumCPU(), Go: runtime.Version(), Rounds: s.rounds}
	for _, t := range targets() {
		if len(*only) > 0 && !slices.Contains(*only, t.name) {
			continue
		}
		s.say("%s: %s.", t.name, t.title)
		if err := t.run(s, ctx); err != nil {
			return fmt.Errorf("bench targets: %s: %w", t.name, err)
		}
	}
	if err := s.rep.print(stdio.Out, s.quick); err != nil {
		return fmt.Errorf("bench targets: print the report: %w", err)
	}
	if *file != "" {
		data, err := json.MarshalIndent(s.rep, "", "  ")
		if err == nil {
			err = os.WriteFile(*file, append(data, '\n'), 0o666)
		}
		if err != nil {
			return fmt.Errorf("bench targets: write the report: %w", err)
		}
	}
	if *plots != "" {
		for name, svg := range map[string][]byte{"latency.svg": s.rep.latencySVG(), "crowd.svg": s.rep.crowdSVG()} {
			if svg == nil {
				continue // not measured
			}
			if err := os.WriteFile(filepath.Join(*plots, name), svg, 0o666); err != nil {
				return fmt.Errorf("bench targets: draw: %w", err)
			}
		}
	}
	return nil
}

func (s *suite) say(format string, args ...any) { fmt.Fprintf(s.progress, format+"\n", args...) }

// or returns quick in a quick run, and otherwise whole.
func or[T any](s *suite, whole, quick T) T {
	if s.quick {
		return quick
	}
	return whole
}

// row adds a row. The rounds of what has no yardstick are in measured alone.
func (s *suite) row(target, unit, yardstick string, measured, beside []float64) *Row {
	r := &Row{Target: target, Unit: unit, Measured: spreadOf(measured)}
	if yardstick != "" {
		ratios := make([]float64, len(measured))
		for i := range measured {
			if beside[i] != 0 {
				ratios[i] = measured[i] / beside[i]
			}
		}
		b, q := spreadOf(beside), spreadOf(ratios)
		r.Yardstick, r.Beside, r.Ratio = yardstick, &b, &q
	}
	s.rep.Rows = append(s.rep.Rows, r)
	return r
}

func (r *Row) bound(of string, least bool, bound float64) {
	r.Of, r.Least, r.Bound = of, least, bound
	v := r.Measured.Median
	if of == "ratio" {
		v = r.Ratio.Median
	}
	r.Met = least && v >= bound || !least && v <= bound
}

// withGame starts a game and ends it after f.
func (s *suite) withGame(ctx context.Context, rooms int, f func(h *host) error) (err error) {
	dir, err := os.MkdirTemp("", "mudlark-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := startHost(ctx, s.exe, dir, rooms, nil)
	if err != nil {
		return err
	}
	defer func() {
		if endErr := h.end(ctx); err == nil && endErr != nil {
			err = fmt.Errorf("stop the game: %w", endErr)
		}
	}()
	return f(h)
}

// A side is one of those that are measured in turns.
type side struct {
	name  string
	swarm *floor.Swarm
	end   func()
}

// sides connects a Swarm to the game, and one to each yardstick.
func (s *suite) sides(ctx context.Context, h *host, clients int, room func(i int) int, yardsticks ...string) (all []*side, end func(), err error) {
	end = func() {
		for _, sd := range all {
			sd.swarm.Close()
			sd.end()
		}
	}
	swarm, err := swarmOf(admitAll(ctx, h.addr, clients, room))
	if err != nil {
		return nil, end, fmt.Errorf("come into the game: %w", err)
	}
	all = append(all, &side{"game", swarm, func() {}})
	for _, name := range yardsticks {
		y, err := startYardstick(s.exe, name)
		if err != nil {
			return nil, end, err
		}
		swarm, err := swarmOf(connectTo(ctx, name, y.addr, clients))
		if err != nil {
			y.end()
			return nil, end, fmt.Errorf("connect to the %s: %w", name, err)
		}
		all = append(all, &side{name, swarm, y.end})
	}
	return all, end, nil
}

// inTurns calls f for all sides, several times, beginning with another one each time.
func inTurns(all []*side, times int, f func(*side) error) error {
	for t := range times {
		for i := range all {
			sd := all[(i+t)%len(all)]
			if err := f(sd); err != nil {
				return fmt.Errorf("%s: %w", sd.name, err)
			}
		}
	}
	return nil
}

// slice is how long a side types before it is another one's turn.
func (s *suite) slice() time.Duration { return or(s, 500*time.Millisecond, 30*time.Millisecond) }

// closed measures a closed loop of scripts, beside the echo and the relay, whose
// clients type lines of 64 bytes. It returns the Sums of each round by side.
func (s *suite) closed(ctx context.Context, clients int, script func(i int) []floor.Turn) (sums map[string][]*floor.Sum, err error) {
	sums = map[string][]*floor.Sum{}
	err = s.withGame(ctx, clients, func(h *host) error {
		all, end, err := s.sides(ctx, h, clients, func(i int) int { return i }, "echo", "relay")
		defer end()
		if err != nil {
			return err
		}
		for i, sd := range all {
			turns := script
			if i > 0 {
				turns = func(int) []floor.Turn { return []floor.Turn{{Line: floor.Line, Done: floor.Line}} }
			}
			if err := sd.swarm.Script(turns); err != nil {
				return err
			}
		}
		warm := func(sd *side) error { _, err := sd.swarm.Type(ctx, s.slice()); return err }
		if err := inTurns(all, 2, warm); err != nil {
			return err
		}
		for range s.rounds {
			for _, sd := range all {
				sums[sd.name] = append(sums[sd.name], new(floor.Sum))
			}
			if err := inTurns(all, or(s, 4, 1), func(sd *side) error {
				r, err := sd.swarm.Type(ctx, s.slice())
				if err == nil {
					sums[sd.name][len(sums[sd.name])-1].Add(r)
				}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return sums, err
}

func rates(sums []*floor.Sum) (list []float64) {
	for _, s := range sums {
		list = append(list, s.PerSecond())
	}
	return list
}

func medians(sums []*floor.Sum) (list []float64) {
	for _, s := range sums {
		list = append(list, float64(s.P50())/float64(time.Microsecond))
	}
	return list
}

func lookTurns(i int) []floor.Turn {
	return []floor.Turn{{Line: "look\r\n", Done: "You see: " + coinName(i) + "\r\n"}}
}

// halfTurns look, and change what is stored, by turns.
func halfTurns(i int) []floor.Turn {
	coin := coinName(i)
	return []floor.Turn{
		{Line: "look\r\n", Done: "You see: " + coin + "\r\n"},
		{Line: "get " + coin + "\r\n", Done: "You pick up " + coin + ".\r\n"},
		{Line: "look\r\n", Done: "\x1b[0m\r\n"}, // the exits: there is nothing else any more
		{Line: "drop " + coin + "\r\n", Done: "You drop " + coin + ".\r\n"},
	}
}

func (s *suite) lookTarget(ctx context.Context) error {
	clients := or(s, 200, 5)
	sums, err := s.closed(ctx, clients, lookTurns)
	if err != nil {
		return err
	}
	game := rates(sums["game"])
	s.row("look, 200 clients", "lines/s", "echo", game, rates(sums["echo"])).bound("ratio", true, 0.5)
	s.row("look, 200 clients", "lines/s", "relay", game, rates(sums["relay"])).bound("ratio", true, 0.7)
	return nil
}

func (s *suite) halfTarget(ctx context.Context) error {
	clients := or(s, 200, 5)
	sums, err := s.closed(ctx, clients, halfTurns)
	if err != nil {
		return err
	}
	game := rates(sums["game"])
	s.row("half of them changing, 200 clients", "lines/s", "echo", game, rates(sums["echo"])).bound("ratio", true, 0.35)
	s.row("half of them changing, 200 clients", "lines/s", "relay", game, rates(sums["relay"]))
	return nil
}

func (s *suite) pingpongTarget(ctx context.Context) error {
	sums, err := s.closed(ctx, 1, lookTurns)
	if err != nil {
		return err
	}
	s.row("look, one client, p50", "µs", "relay", medians(sums["game"]), medians(sums["relay"])).bound("ratio", false, 1.5)
	return nil
}

// spoken is what listeners read of a line.
func spoken(speaker, n int) string {
	return fmt.Sprintf("%s says, \"b%d.%d\"\r\n", playerName("Bench", speaker), speaker, n)
}

func (s *suite) fanTarget(ctx context.Context) error {
	listeners, lines := or(s, 1000, 10), or(s, 40, 2)
	var last, half map[string][]float64
	last, half = map[string][]float64{}, map[string][]float64{}
	bytes := map[string]int{}
	err := s.withGame(ctx, listeners, func(h *host) error {
		all, end, err := s.sides(ctx, h, listeners, func(int) int { return 0 }, "hall")
		defer end()
		if err != nil {
			return err
		}
		n := 0
		fan := func(sd *side) (floor.Fanned, error) {
			n++
			i := n % listeners
			heard := spoken(i, n)
			if sd.name == "hall" {
				return sd.swarm.Fan(ctx, i, heard, heard, heard)
			}
			return sd.swarm.Fan(ctx, i, fmt.Sprintf("say b%d.%d\r\n", i, n), heard, fmt.Sprintf("You say, \"b%d.%d\"\r\n", i, n))
		}
		if err := inTurns(all, 5, func(sd *side) error { _, err := fan(sd); return err }); err != nil {
			return err
		}
		for range s.rounds {
			took := map[string][]float64{}
			halves := map[string][]float64{}
			if err := inTurns(all, lines, func(sd *side) error {
				f, err := fan(sd)
				took[sd.name] = append(took[sd.name], float64(f.Last)/float64(time.Millisecond))
				halves[sd.name] = append(halves[sd.name], float64(f.Half)/float64(time.Millisecond))
				bytes[sd.name] = max(bytes[sd.name], f.Bytes)
				return err
			}); err != nil {
				return err
			}
			for name := range took {
				last[name] = append(last[name], spreadOf(took[name]).Median)
				half[name] = append(half[name], spreadOf(halves[name]).Median)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.row("one line, 1,000 listeners, to the last", "ms", "bare loop of writes", last["game"], last["hall"]).bound("ratio", false, 1.5)
	s.row("the same, to half of them", "ms", "bare loop of writes", half["game"], half["hall"])
	s.note("One line to 1,000 listeners: a listener read at most %d bytes from the game, %d from the loop.", bytes["game"], bytes["hall"])
	return nil
}

func (s *suite) note(format string, args ...any) {
	s.rep.Notes = append(s.rep.Notes, fmt.Sprintf(format, args...))
}

// crowdRates are the lines a second that a crowd is offered, until it does not keep
// up.
func crowdRates() []float64 {
	return []float64{50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 800, 1000, 1250, 1500, 2000, 2500, 3000}
}

// most returns the deliveries a second that one of the sides had at the highest rate
// with which it kept up. It goes no further after two rates with which it did not.
func (s *suite) most(ctx context.Context, round int, name string, swarm *floor.Swarm) (float64, error) {
	best, failed := 0.0, 0
	line := func(dst []byte, speaker, n int) []byte { return fmt.Appendf(dst, "say b%d.%d\r\n", speaker, n) }
	if name == "hall" {
		line = func(dst []byte, speaker, n int) []byte { return append(dst, spoken(speaker, n)...) }
	}
	for _, rate := range or(s, crowdRates(), []float64{500}) {
		h, err := swarm.Speak(ctx, floor.Crowd{Rate: rate, Duration: or(s, 2*time.Second, 100*time.Millisecond), Seed: uint64(round), Line: line})
		if err != nil {
			return 0, err
		}
		if h.Missing+h.Disordered > 0 {
			return 0, fmt.Errorf("%s, %g lines/s: %d of %d deliveries did not come, %d came twice or in a wrong order", name, rate, h.Missing, h.Lines*swarm.Len(), h.Disordered)
		}
		s.rep.Crowd = append(s.rep.Crowd, Speech{
			Who: name, Round: round, Lines: rate, Deliveries: math.Round(h.PerSecond), P99: float64(h.P99) / float64(time.Millisecond),
			PerRead: round2(float64(h.Deliveries) / float64(max(h.Reads, 1))), KeptUp: h.KeptUp(),
		})
		if h.KeptUp() {
			best, failed = h.PerSecond, 0
		} else if failed++; failed == 2 {
			break
		}
	}
	return best, nil
}

func round2(f float64) float64 { return math.Round(f*100) / 100 }

func (s *suite) crowdTarget(ctx context.Context) error {
	listeners := or(s, 1000, 10)
	got := map[string][]float64{}
	err := s.withGame(ctx, listeners, func(h *host) error {
		all, end, err := s.sides(ctx, h, listeners, func(int) int { return 0 }, "hall")
		defer end()
		if err != nil {
			return err
		}
		for round := range s.rounds {
			for i := range all {
				sd := all[(i+round)%len(all)]
				best, err := s.most(ctx, round, sd.name, sd.swarm)
				if err != nil {
					return err
				}
				got[sd.name] = append(got[sd.name], best)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.row("many speakers, 1,000 listeners, most with which all is delivered", "deliveries/s", "bare loop of writes", got["game"], got["hall"]).bound("measured", true, 500e3)
	return nil
}

// quickly has a Config of a quick run.
func (s *suite) quickly(cfg Config) Config {
	cfg.Exe, cfg.Sources = s.exe, -1
	if s.quick {
		cfg.Clients, cfg.Idle, cfg.Storm, cfg.Rate = min(cfg.Clients, 10), min(cfg.Idle, 10), min(cfg.Storm, 4), min(cfg.Rate, 100)
		cfg.Duration, cfg.Warmup = 300*time.Millisecond, 50*time.Millisecond
	}
	return cfg
}

// measure runs a Config, of which nothing may be lost.
func (s *suite) measure(ctx context.Context, cfg Config) (*Report, error) {
	rep, err := Run(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if n := rep.bad(); n > 0 {
		return nil, fmt.Errorf("%d answers are lost, doubled or wrong", n)
	}
	return rep, nil
}

// besideRelay runs a Config of one mix "look" against the relay, whose clients type
// and read lines of some 10 bytes.
func (s *suite) besideRelay(ctx context.Context, cfg Config) (*Result, error) {
	y, err := startYardstick(s.exe, "relay")
	if err != nil {
		return nil, err
	}
	defer y.end()
	cfg.Mix, cfg.Addr, cfg.PIDs, cfg.Idle = "look", y.addr, y.pids, 0
	if cfg.dialect, err = newDialect("", "Welcome, {name}", "^Welcome, ", "^$",
		map[string]string{"look": "look {n}", "say": "say {n}"},
		map[string]string{"look": `^look (b[\d.]+)$`, "say": `^say (b[\d.]+)$`}); err != nil {
		return nil, err
	}
	rep, err := s.measure(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return rep.Results[0], nil
}

func (s *suite) playersTarget(ctx context.Context) error {
	return s.players(ctx, "players", "5,000 players, 1,000 lines/s", Config{Clients: 5000, Rate: 1000})
}

// settleTime is when a game that was busy has given back what it does not need: it does
// so within a minute, see gcpace.Rest.
const settleTime = 75 * time.Second

func (s *suite) idleTarget(ctx context.Context) error {
	cfg := Config{Clients: 5000, Rate: 1000, Idle: 15000}
	// All of them are files of the Portal, and of this process, which have some others.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if most := int(min(limit.Cur, math.MaxInt32)) - 100; cfg.Clients+cfg.Idle > most && !s.quick {
		cfg.Clients = most - cfg.Idle
		if cfg.Clients < 1000 {
			return withHint(fmt.Errorf("%d open files are too few for 15,000 idle players and others", limit.Cur), "raise the limit (ulimit -n) to 20,100 or more")
		}
		s.note("Beside 15,000 idle players %d typed instead of 5,000, 1,000 lines a second all the same: a process may have %d files open.", cfg.Clients, limit.Cur)
	}
	if !s.quick {
		cfg.settle = settleTime
		s.note("The memory of an idle player is what the game has grown by when all have been idle for %v, before the 15,000 have come and after.", settleTime)
	}
	return s.players(ctx, "idle", "beside 15,000 idle players", cfg)
}

func (s *suite) players(ctx context.Context, name, title string, cfg Config) error {
	cfg.Mix, cfg.Ramp, cfg.Room = "look,play", -1, 10
	cfg = s.quickly(cfg)
	n := map[string][]float64{}
	add := func(name string, v float64) { n[name] = append(n[name], v) }
	for round := range s.rounds {
		beside := func() error {
			r, err := s.besideRelay(ctx, cfg)
			if err == nil {
				add("relay p99", r.All.P99)
				add("relay CPU", r.GameCPU)
				s.keep(r, round, name+", relay")
			}
			return err
		}
		if round%2 == 1 {
			if err := beside(); err != nil {
				return err
			}
		}
		rep, err := s.measure(ctx, cfg)
		if err != nil {
			return err
		}
		for _, res := range rep.Results {
			add(res.Mix+" p99", res.All.P99)
			add(res.Mix+" CPU", res.GameCPU)
			s.keep(res, round, name+", "+res.Mix)
		}
		add("memory", rep.IdleBytes/1024)
		if round%2 == 0 {
			if err := beside(); err != nil {
				return err
			}
		}
	}
	s.row(title+", look, p99", "ms", "relay", n["look p99"], n["relay p99"]).bound("measured", false, 10)
	s.row(title+", look, both processes", "processors", "relay", n["look CPU"], n["relay CPU"]).bound("measured", false, 0.25)
	s.row(title+", look, say, get and drop, p99", "ms", "relay", n["play p99"], n["relay p99"]).bound("measured", false, 10)
	s.row(title+", look, say, get and drop, both processes", "processors", "relay", n["play CPU"], n["relay CPU"]).bound("measured", false, 0.25)
	if cfg.Idle > 0 {
		s.row("an idle player, both processes, at rest", "KiB", "", n["memory"], nil).bound("measured", false, 8)
	}
	return nil
}

// keep keeps the latencies of the first round for the picture.
func (s *suite) keep(res *Result, round int, title string) {
	if round == 0 {
		kept := *res
		kept.Mix = title
		kept.Loop = "" // the title is label enough
		s.rep.latencies = append(s.rep.latencies, &kept)
	}
}

func (s *suite) stormTarget(ctx context.Context) error {
	cfg := s.quickly(Config{Mix: "look,login", Clients: 200, Storm: 1000, Rate: 400, Ramp: -1, Timeout: time.Minute})
	var quiet, storm, logins []float64
	for range s.rounds {
		rep, err := s.measure(ctx, cfg)
		if err != nil {
			return err
		}
		quiet = append(quiet, rep.Results[0].All.P99)
		storm = append(storm, rep.Results[1].Latencies[string(look)].P99)
		logins = append(logins, rep.Results[1].loginsPerSecond(rep.DurationS))
	}
	s.row("1,000 logins at once, 400 lines/s of 200 others, their p99", "ms", "the same without logins", storm, quiet).bound("measured", false, 20)
	s.row("logins meanwhile", "logins/s", "", logins, nil)
	return nil
}

// loginsPerSecond counts logins of a storm that were due and done in the time that
// counts.
func (r *Result) loginsPerSecond(seconds float64) float64 {
	all := r.PerSecond * seconds
	return max(0, round2((all-float64(r.Latencies[string(look)].Count))/seconds))
}

func (s *suite) gateTarget(ctx context.Context) error {
	cfg := s.quickly(Config{Mix: "half", Clients: 200, Room: 1, Rate: 2000, Ramp: -1})
	var reading, changing, more []float64
	for round := range s.rounds {
		rep, err := s.measure(ctx, cfg)
		if err != nil {
			return err
		}
		res := rep.Results[0]
		if res.Reading == nil {
			return errors.New("there were not both kinds of lines")
		}
		reading, changing = append(reading, res.Reading.P999), append(changing, res.Changing.P999)
		more = append(more, res.Changing.P999-res.Reading.P999)
		s.keep(res, round, "gate, half")
	}
	s.row("a changing line, 2,000 lines/s, p99.9", "ms", "a reading line", changing, reading)
	s.row("the gate: p99.9 above that of a reading line", "ms", "", more, nil).bound("measured", false, 5)
	return nil
}

// print writes the report for people.
func (r *TargetReport) print(w io.Writer, quick bool) error {
	fmt.Fprintf(w, "%d processors, %s; medians of %d rounds and [lowest–highest]\n\n", r.CPUs, r.Go, r.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "target\tmeasured\tyardstick\tratio\tbound\tmet")
	cell := func(s *Spread) string {
		if s == nil {
			return ""
		}
		if len(s.Rounds) == 1 {
			return digits3(s.Median)
		}
		return fmt.Sprintf("%s [%s–%s]", digits3(s.Median), digits3(s.Low), digits3(s.High))
	}
	for _, row := range r.Rows {
		yardstick := ""
		if row.Beside != nil {
			yardstick = row.Yardstick + ": " + cell(row.Beside)
		}
		bound, met := "", ""
		if row.Of != "" {
			bound, met = "≤ ", "no"
			if row.Least {
				bound = "≥ "
			}
			bound += digits3(row.Bound)
			if row.Of == "measured" {
				bound += " " + row.Unit
			}
			if row.Met {
				met = "yes"
			}
		}
		if quick {
			met = "-"
		}
		fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\t%s\t%s\n", row.Target, cell(&row.Measured), row.Unit, yardstick, cell(row.Ratio), bound, met)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
	if quick {
		fmt.Fprintln(w, "A quick run says nothing of speed.")
	}
	_, err := fmt.Fprintln(w, "Every line was answered once, and right; every line to many was heard once by each, and in order.")
	return err
}

// digits3 rounds to three digits, whole numbers from 100 on.
func digits3(f float64) string {
	switch a := math.Abs(f); {
	case a >= 100:
		return fmt.Sprintf("%.0f", f)
	case a >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}
