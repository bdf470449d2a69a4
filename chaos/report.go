package chaos

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// A Report is what has come of a run. Times that end in _ms are milliseconds.
type Report struct {
	Seed    uint64    `json:"seed"`
	Bots    int       `json:"bots"`
	Objects int       `json:"objects"`
	Mix     string    `json:"mix"`
	Began   time.Time `json:"began"`
	TookS   float64   `json:"took_s"`
	TypingS float64   `json:"typing_s"` // of that, how long the bots typed

	Planned int            `json:"faults_planned"`
	Faults  map[string]int `json:"faults"` // injected, by kind
	Points  map[string]int `json:"points"` // kills at failpoints, by point
	Missed  int            `json:"points_missed"`
	Skipped map[string]int `json:"skipped,omitempty"` // kinds that are not possible here

	Sent     int64 `json:"lines_sent"`
	Applied  int64 `json:"lines_applied"` // that change something, as stored
	Answered int64 `json:"lines_answered"`
	Unheard  int64 `json:"lines_unheard"` // stored, and answered to a connection that was cut
	Lost     int64 `json:"lines_lost"`    // typed into connections that were cut, without an answer or an effect
	Fuses    int64 `json:"fuses"`         // set and burnt, each once

	Undisturbed Pause            `json:"undisturbed"` // from a line to its answer, without a fault
	Pauses      map[string]Pause `json:"pauses"`      // the longest wait of each bot at each fault, by kind
	Restarts    map[string]Pause `json:"restarts"`    // from the fault to the next Server that plays, by kind

	PortalFDs Change `json:"portal_descriptors"`
	ServerFDs Change `json:"server_descriptors"`
	PortalRSS Change `json:"portal_rss_bytes"`
	ServerRSS Change `json:"server_rss_bytes"`

	Notices    map[string]int `json:"notices"` // what the bots were told beside answers
	Violations []Violation    `json:"violations"`
	More       int            `json:"violations_not_listed,omitempty"`
	Folder     string         `json:"folder,omitempty"` // the game's, if it is kept
}

// A Pause sums up waits, in milliseconds.
type Pause struct {
	Count  int     `json:"count"`
	Median float64 `json:"median_ms"`
	P99    float64 `json:"p99_ms"`
	Max    float64 `json:"max_ms"`
}

// A Change is a number before the first fault and at the end; -1 where the system
// does not tell.
type Change struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// A Violation is something that must not be.
type Violation struct {
	Bot  string  `json:"bot,omitempty"`
	Line int64   `json:"line,omitempty"`
	AtS  float64 `json:"at_s"` // since the bots began to type
	Text string  `json:"text"`
}

// String is the violation for people.
func (v Violation) String() string {
	who := ""
	if v.Bot != "" {
		who = v.Bot + ", "
	}
	if v.Line != 0 {
		who += fmt.Sprintf("line %d, ", v.Line)
	}
	return fmt.Sprintf("%s%.3f s: %s", who, v.AtS, v.Text)
}

// print writes the report for people.
func (r *Report) print(w io.Writer) {
	fmt.Fprintf(w, "Seed %d, %d bots, %d objects: %.1f s, of which they typed %.1f s\n\n", r.Seed, r.Bots, r.Objects, r.TookS, r.TypingS)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Lines\tsent %d\tanswered %d\tstored %d\tcut off: stored %d, lost %d\n", r.Sent, r.Answered, r.Applied, r.Unheard, r.Lost)
	fmt.Fprintf(t, "Fuses\tset %d\tburnt %d\n", r.Fuses, r.Fuses)
	fmt.Fprintf(t, "Descriptors\tPortal %d to %d\tServer %d to %d\n", r.PortalFDs.Before, r.PortalFDs.After, r.ServerFDs.Before, r.ServerFDs.After)
	mib := func(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
	fmt.Fprintf(t, "Memory\tPortal %s to %s\tServer %s to %s\n", mib(r.PortalRSS.Before), mib(r.PortalRSS.After), mib(r.ServerRSS.Before), mib(r.ServerRSS.After))
	t.Flush()
	fmt.Fprintln(w)
	fmt.Fprintln(t, "\t\twait of players\t\t\tnext Server")
	fmt.Fprintln(t, "fault\ttimes\tmedian\tp99\tmaximum\tmedian\tmaximum")
	ms := func(f float64) string { return fmt.Sprintf("%.1f ms", f) }
	u := r.Undisturbed
	fmt.Fprintf(t, "none\t%d lines\t%s\t%s\t%s\n", u.Count, ms(u.Median), ms(u.P99), ms(u.Max))
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		p := r.Pauses[kind]
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s", kind, r.Faults[kind], ms(p.Median), ms(p.P99), ms(p.Max))
		if s := r.Restarts[kind]; s.Count > 0 {
			fmt.Fprintf(t, "\t%s\t%s", ms(s.Median), ms(s.Max))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for _, kind := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(w, "%s: left out %d times, as this system cannot do it\n", kind, r.Skipped[kind])
	}
	if len(r.Points) > 0 {
		fmt.Fprintf(w, "\nKilled at")
		for _, p := range serverPoints() {
			fmt.Fprintf(w, " %s %d", p, r.Points[p])
		}
		fmt.Fprintf(w, "; %d were not reached\n", r.Missed)
	}
	if len(r.Notices) > 0 {
		fmt.Fprintf(w, "\nNotices\n")
		for _, text := range slices.Sorted(maps.Keys(r.Notices)) {
			fmt.Fprintf(w, "  %d × %s\n", r.Notices[text], text)
		}
	}
	fmt.Fprintln(w)
	if len(r.Violations) == 0 {
		fmt.Fprintln(w, "Every line took effect once and was answered once.")
	} else {
		fmt.Fprintf(w, "VIOLATED: %d\n", len(r.Violations)+r.More)
		for _, v := range r.Violations {
			fmt.Fprintf(w, "  %s\n", v)
		}
		if r.More > 0 {
			fmt.Fprintf(w, "  and %d more\n", r.More)
		}
	}
	if r.Folder != "" {
		fmt.Fprintf(w, "Folder: %s\n", r.Folder)
	}
}
