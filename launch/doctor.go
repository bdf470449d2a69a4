package launch

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"mudlark.dev/config"
)

// How grave a finding is.
const (
	levelOK      = "ok"
	levelWarning = "warning" // it works; something may come of it
	levelProblem = "problem" // it does not work, or is not safe
)

// A finding is what one check found.
type finding struct {
	Check string `json:"check"`
	Level string `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"` // what to do about it
}

// A report is what "doctor --json" prints. Names and meanings are kept from
// release to release; checks may be added.
type report struct {
	Folder   string    `json:"folder"`
	OK       bool      `json:"ok"` // there is no problem
	Findings []finding `json:"findings"`
}

// An examination looks at one game's folder. Its checks change nothing there.
type examination struct {
	ctx  context.Context
	dir  folder
	conf *config.Config // nil if it cannot be read
	name string         // of the program, for people to type
	deep bool

	runs   bool    // a process holds the folder
	pid    int     // which one
	status *status // of the game that runs, if it answers

	findings []finding
}

func (x *examination) ok(check, format string, args ...any) {
	x.findings = append(x.findings, finding{Check: check, Level: levelOK, Text: fmt.Sprintf(format, args...)})
}

func (x *examination) warn(check, hint, format string, args ...any) {
	x.findings = append(x.findings, finding{Check: check, Level: levelWarning, Text: fmt.Sprintf(format, args...), Hint: hint})
}

func (x *examination) problem(check, hint, format string, args ...any) {
	x.findings = append(x.findings, finding{Check: check, Level: levelProblem, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// doctor examines the game's folder and what the game needs of the machine. A
// problem makes the command fail.
func (a *app) doctor(ctx context.Context, asJSON, deep bool) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	x := &examination{ctx: ctx, dir: dir, name: a.name, deep: deep}
	x.examine(a)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := report{Folder: string(dir), OK: true, Findings: x.findings}
	problems := 0
	for _, f := range x.findings {
		if f.Level == levelProblem {
			problems++
		}
	}
	r.OK = problems == 0
	if asJSON {
		err = printJSON(a.out, r)
	} else {
		err = r.print(a.out, problems)
	}
	if err == nil && !r.OK {
		err = errShown
	}
	return err
}

// examine runs all checks.
func (x *examination) examine(a *app) {
	x.configuration(a)
	x.code(a.game)
	x.game()
	x.toolchain()
	x.modules(buildInfo())
	x.ports()
	x.certificate()
	x.openFiles()
	x.folders()
	x.space()
	x.sockets()
	x.store()
}

// configuration reads the settings as the game would.
func (x *examination) configuration(a *app) {
	const check = "configuration"
	conf, err := a.load(x.dir)
	if err == nil {
		x.conf = conf
		x.ok(check, "the settings can be read")
		return
	}
	for _, e := range flatten(err, nil) {
		x.problem(check, hintOf(e), "%v", e)
	}
}

// code looks whether this program can play: its commands, typeclasses and so on.
func (x *examination) code(game Game) {
	const check = "code"
	err := game.Check()
	if err == nil {
		x.ok(check, "this program can play")
		return
	}
	for _, e := range flatten(err, nil) {
		x.problem(check, "correct it and build the game again", "%v", e)
	}
}

// game asks the game how it is, if it runs.
func (x *examination) game() {
	const check = "game"
	who, held := whoHolds(x.dir.lock())
	if !held {
		x.ok(check, "it does not run")
		return
	}
	x.runs, x.pid = true, who.PID
	st, err := statusOf(x.ctx, x.dir)
	switch {
	case err != nil:
		x.problem(check, fmt.Sprintf("wait a moment if it is just starting or stopping; else stop process %d and start the game again", who.PID),
			"process %d runs it and does not answer: %v", who.PID, err)
	case st.Server.Stalled != "":
		x.status = st
		x.problem(check, "remove the cause: the game then goes on by itself, and nothing is lost",
			"process %d runs it, and it waits because it cannot save: %s", who.PID, st.Server.Stalled)
	case st.Server.Commit == nil && st.Server.Cause != "":
		x.status = st
		x.problem(check, "see "+x.dir.serverLog(), "process %d runs it, but its Server does not: %s", who.PID, st.Server.Cause)
	case st.Server.Commit == nil:
		x.status = st
		x.warn(check, "try again in a moment", "process %d runs it, and its Server is %s", who.PID, st.Server.State)
	default:
		x.status = st
		x.ok(check, "process %d runs it", who.PID)
	}
}

// print writes the report for people.
func (r *report) print(w io.Writer, problems int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Level, f.Check, indent(f.Text))
		if f.Hint != "" && f.Level != levelOK {
			fmt.Fprintf(t, "\t\tto do: %s\n", indent(f.Hint))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	end := "There is no problem."
	switch {
	case problems == 1:
		end = "There is 1 problem."
	case problems > 1:
		end = fmt.Sprintf("There are %d problems.", problems)
	}
	_, err := fmt.Fprintln(w, end)
	return err
}

// errText is an error's first line, which is enough beside a hint.
func errText(err error) string {
	text, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return text
}
