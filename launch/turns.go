package launch

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"mudlark.dev/server"
)

// turns is what /server/turns and "turns --json" print. Names and meanings are kept
// from release to release; new ones may be added.
//
//	threshold_s   a turn that takes longer is slow; negative if none is
//	turns         those of the last minute, at most 256, the oldest first
//	  start       RFC 3339
//	  took_s      how long nobody else was answered
//	  end_s       of that, what came after its events: values, texts, the batch
//	  events      lines, timers and finished work
//	  units       the longest of these, at most 8, the longest first
//	    kind      "command", "message", "timer", "work", "do", "value" or "hook"
//	    name      of the command, timer, … : nothing that a player typed
//	    took_s
//	  commit      the number of its batch; 0 if it changed nothing that is stored
//	  rows, bytes of the batch
//	  stored_s    how long the commit took that had the batch; left out while it is
//	              not known
type turns struct {
	ThresholdS float64    `json:"threshold_s"`
	Turns      []slowTurn `json:"turns"`
}

type slowTurn struct {
	Start   time.Time  `json:"start"`
	TookS   float64    `json:"took_s"`
	EndS    float64    `json:"end_s"`
	Events  int        `json:"events"`
	Units   []slowUnit `json:"units"`
	Commit  uint64     `json:"commit"`
	Rows    int        `json:"rows"`
	Bytes   int        `json:"bytes"`
	StoredS *float64   `json:"stored_s,omitempty"`
}

type slowUnit struct {
	Kind  string  `json:"kind"`
	Name  string  `json:"name"`
	TookS float64 `json:"took_s"`
}

// turnsOf returns the slow turns of a Server.
func turnsOf(s *server.Server) *turns {
	threshold, list := s.SlowTurns()
	out := &turns{ThresholdS: threshold.Seconds(), Turns: []slowTurn{}}
	for _, t := range list {
		st := slowTurn{
			Start: t.Start, TookS: t.Took.Seconds(), EndS: t.End.Seconds(), Events: t.Events,
			Units: []slowUnit{}, Commit: t.Commit, Rows: t.Rows, Bytes: t.Bytes,
		}
		if t.Stored > 0 {
			s := t.Stored.Seconds()
			st.StoredS = &s
		}
		for _, u := range t.Units {
			st.Units = append(st.Units, slowUnit{u.Kind, u.Name, u.Took.Seconds()})
		}
		out.Turns = append(out.Turns, st)
	}
	return out
}

// print writes t for people.
func (t *turns) print(w io.Writer) error {
	if t.ThresholdS < 0 {
		_, err := fmt.Fprintln(w, "No turn is kept, as server.slow_turn is 0.")
		return err
	}
	if len(t.Turns) == 0 {
		_, err := fmt.Fprintf(w, "No turn has taken longer than %s within the last minute.\n", span(t.ThresholdS))
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "START\tTOOK\tEVENTS\tEND\tCOMMIT\tROWS\tBYTES\tSTORED\tLONGEST")
	for _, s := range t.Turns {
		commit, stored := "-", "-"
		if s.Commit != 0 {
			commit = strconv.FormatUint(s.Commit, 10)
		}
		if s.StoredS != nil {
			stored = span(*s.StoredS)
		}
		var longest []string
		for _, u := range s.Units[:min(len(s.Units), 3)] {
			longest = append(longest, u.Kind+" "+shownName(u.Name)+" "+span(u.TookS))
		}
		if len(longest) == 0 { // it waited for a processor, or for the end
			longest = []string{"-"}
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%s\t%d\t%d\t%s\t%s\n", s.Start.Local().Format("15:04:05.000"), span(s.TookS), s.Events, span(s.EndS),
			commit, s.Rows, s.Bytes, stored, strings.Join(longest, ", "))
	}
	return tw.Flush()
}

// span writes a short time for people.
func span(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// shownName is a name as it may stand in a terminal.
func shownName(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` || name == "" {
		return q
	}
	return name
}

// turns asks the running game for the slow turns of the last minute.
func (a *app) turns(ctx context.Context, asJSON bool) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*statusPeriod)
	defer cancel()
	ans, err := ask(ctx, dir, request{Op: opTurns})
	if err != nil {
		return err
	}
	if ans.Turns == nil {
		return fmt.Errorf("slow turns: the game gave an answer that means nothing")
	}
	if asJSON {
		return printJSON(a.out, ans.Turns)
	}
	return ans.Turns.print(a.out)
}
