package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"mudlark.dev/failpoint"
)

// The kinds of faults.
const (
	kindKill       = "kill"       // SIGKILL of the Server at any moment
	kindPoint      = "point"      // the Server kills itself at a failpoint
	kindPause      = "pause"      // SIGSTOP for less than server.hang, then SIGCONT
	kindStop       = "stop"       // SIGSTOP until the Portal replaces the Server
	kindReload     = "reload"     // an orderly replacement
	kindReloadKill = "reloadkill" // SIGKILL of a Server during a reload
	kindCut        = "cut"        // connections of bots are cut
	kindFull       = "full"       // no file of the Server may grow for a while
	kindSlow       = "slow"       // each commit takes longer, up to the next reload
)

// usualMix says how often each kind of fault is, if nobody chooses.
var usualMix = []choice{
	{kindKill, 36}, {kindPoint, 26}, {kindCut, 9}, {kindReload, 8}, {kindReloadKill, 7},
	{kindPause, 6}, {kindFull, 4}, {kindSlow, 2}, {kindStop, 2},
}

// A fault is one entry of the plan. All that is left to chance is drawn with it, so
// that it follows from the seed.
type fault struct {
	kind    string
	wait    time.Duration // before it
	hold    time.Duration // how long it lasts, or when in its course the kill comes
	point   string
	passage int
	reload  bool // a failpoint comes with a reload, and not with a kill
	bots    []int
	hard    bool
}

// parseMix reads "kill=3,reload=1" or "reload"; "none" is no fault at all, and ""
// the usual ones.
func parseMix(text string) ([]choice, error) {
	switch text {
	case "":
		return usualMix, nil
	case "none":
		return nil, nil
	}
	var mix []choice
	var errs []error
	sum := 0
	for part := range strings.SplitSeq(text, ",") {
		name, weight, given := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(weight)
		if !given {
			n, err = 1, nil
		}
		known := false
		for _, c := range usualMix {
			known = known || c.name == name
		}
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("--mix: there is no fault %q; there are %s, and none", name, names(usualMix)))
		case err != nil || n < 0 || n > 1000:
			errs = append(errs, fmt.Errorf("--mix: %s=%q: how often is a number from 0 to 1000", name, weight))
		}
		mix = append(mix, choice{name, n})
		sum += n
	}
	if len(errs) == 0 && sum == 0 {
		errs = append(errs, errors.New("--mix: all of it is 0"))
	}
	return mix, errors.Join(errs...)
}

func names(list []choice) string {
	var out []string
	for _, c := range list {
		out = append(out, c.name)
	}
	return strings.Join(out, ", ")
}

// plan draws the faults of a run.
func plan(cfg Config, mix []choice) []fault {
	if len(mix) == 0 {
		return nil
	}
	rng := rand.New(rand.NewPCG(cfg.Seed, 0))
	between := func(a, b time.Duration) time.Duration { return a + time.Duration(rng.Int64N(int64(b-a))) }
	points := serverPoints()
	var out []fault
	for range cfg.Faults {
		f := fault{kind: pick(rng, mix), wait: between(20*time.Millisecond, 200*time.Millisecond)}
		switch f.kind {
		case kindPoint:
			f.point, f.reload = points[rng.IntN(len(points))], rng.IntN(4) == 0
			f.passage = 1
			switch f.point {
			case failpoint.Attached, failpoint.Drained, failpoint.Connected, failpoint.Disconnected:
			case failpoint.LoggedIn, failpoint.Puppeted:
				f.passage += rng.IntN(cfg.Bots)
			case failpoint.Fired:
				f.passage += rng.IntN(5)
			default:
				f.passage += rng.IntN(60)
			}
		case kindPause:
			f.hold = between(50*time.Millisecond, max(cfg.Hang/2, 100*time.Millisecond))
		case kindReloadKill:
			f.hold = between(0, 400*time.Millisecond)
		case kindFull:
			f.hold = between(100*time.Millisecond, 800*time.Millisecond)
		case kindSlow:
			f.hold = between(200*time.Millisecond, time.Second)
		}
		if f.kind == kindCut || f.point == failpoint.Connected || f.point == failpoint.Disconnected {
			for range 1 + rng.IntN(3) {
				f.bots = append(f.bots, rng.IntN(cfg.Bots))
			}
			f.hard = rng.IntN(2) == 0
		}
		out = append(out, f)
	}
	return out
}

// serverPoints returns the points that are passed in the Server's process.
func serverPoints() (list []string) {
	for _, p := range failpoint.Points() {
		if strings.HasPrefix(p, "server.") {
			list = append(list, p)
		}
	}
	return list
}
