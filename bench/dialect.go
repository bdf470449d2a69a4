package bench

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A dialect is what players type in a game, and how its answers look. The zero
// value is that of games made with Mudlark.
//
// In lines {name}, {password} and {n} stand for those of the player and for the
// number of the line; "|" separates lines that are typed by turns. Patterns are
// regular expressions that match anywhere in a line without its colours; what the
// first group of an answer matches must be the number, if the line has {n}.
type dialect struct {
	create  string // makes an account and logs in to it; "" if the accounts are there
	connect string // logs in to an account that is there
	welcome *regexp.Regexp
	refused *regexp.Regexp
	lines   map[kind][]string
	answers map[kind]*regexp.Regexp
}

// Patterns of what the game of this package, and any made with Mudlark, answers.
const (
	usualCreate  = "create {name} {password}"
	usualConnect = "connect {name} {password}"
	usualWelcome = `^Welcome, `
	usualRefused = `name is taken|do not fit together|not available|Too many|too many|No new|cannot `
)

func usualLines() map[string]string {
	return map[string]string{
		"look": "look", "walk": "east|west", "say": "say {n}", "get": "get coin", "drop": "drop coin",
	}
}

func usualAnswers() map[string]string {
	return map[string]string{
		"look": `^Room (\d+)`, "walk": `^Room (\d+)`, "say": `^You say, "(b[\d.]+)"`,
		"get": `^You pick up (\S+)\.$`, "drop": `^You drop (\S+)\.$`,
	}
}

// newDialect makes a dialect of the usual one, with what is given instead.
func newDialect(create, connect, welcome, refused string, lines, answers map[string]string) (*dialect, error) {
	d := &dialect{create: create, connect: connect, lines: map[kind][]string{}, answers: map[kind]*regexp.Regexp{}}
	var errs []error
	compile := func(what, text string) *regexp.Regexp {
		re, err := regexp.Compile(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
		return re
	}
	d.welcome, d.refused = compile("--welcome", welcome), compile("--refused", refused)
	usual, usualRE := usualLines(), usualAnswers()
	known := slices.Sorted(maps.Keys(usual))
	for flag, given := range map[string]map[string]string{"line": lines, "answer": answers} {
		for k := range given {
			if _, ok := usual[k]; !ok {
				errs = append(errs, fmt.Errorf("--%s: %q is none of %s", flag, k, strings.Join(known, ", ")))
			}
		}
	}
	maps.Copy(usual, lines)
	maps.Copy(usualRE, answers)
	for k, text := range usual {
		d.lines[kind(k)] = strings.Split(text, "|")
	}
	for k, text := range usualRE {
		d.answers[kind(k)] = compile("--answer "+k, text)
	}
	if create == "" && connect == "" {
		errs = append(errs, errors.New("--create and --login: one of them is needed"))
	}
	return d, errors.Join(errs...)
}

// fill puts values in the places of a line.
func fill(line, name, password, n string) string {
	return strings.NewReplacer("{name}", name, "{password}", password, "{n}", n, `\n`, "\r\n").Replace(line)
}

// playerName makes a name of letters alone, as many games want it.
func playerName(prefix string, i int) string {
	var tail [4]byte
	for k := range tail {
		tail[len(tail)-1-k] = byte('a' + i%26)
		i /= 26
	}
	return prefix + string(tail[:])
}
