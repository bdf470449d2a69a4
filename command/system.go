package command

import (
	"fmt"
	"slices"
	"strings"

	"mudlark.dev/markup"
)

// systemCommands are what the Interpreter does when no set brings its own.
func systemCommands() []*Command {
	return []*Command{
		{Key: NoInput, Run: func(*Call) error { return nil }},
		{Key: NoMatch, Run: noMatch},
		{Key: MultiMatch, Run: multiMatch},
		{Key: LoginStart, Run: func(c *Call) error {
			c.Msg(c.Host.Screen(c.Session))
			return nil
		}},
	}
}

func noMatch(c *Call) error {
	line := strings.TrimSpace(c.Raw)
	word, _, _ := strings.Cut(line, " ")
	if r := []rune(word); len(r) > 40 {
		word = string(r[:40]) + "…"
	}
	text := fmt.Sprintf("Command '%s' is not available.", markup.Escape(word))
	if near := c.suggest(strings.ToLower(word)); len(near) > 0 {
		return Errorf("%s Did you mean %s?", text, orList(near))
	}
	return Errorf("%s Type |whelp|n to see what you can do.", text)
}

func multiMatch(c *Call) error {
	var b strings.Builder
	b.WriteString("Which of these do you mean?")
	for i, m := range c.Matches {
		cmd := m.Command()
		fmt.Fprintf(&b, "\n  %s-%d", markup.Escape(m.Name), i+1)
		if x := m.entry.exit; x != nil && x.Destination() != nil {
			fmt.Fprintf(&b, " (to %s)", x.Destination().Name())
		} else if cmd.Key != m.Name {
			fmt.Fprintf(&b, " (%s)", markup.Escape(cmd.Key))
		}
	}
	return &UserError{b.String()}
}

// suggest returns up to three names that the caller may use and that are much
// like word.
func (c *Call) suggest(word string) []string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	n := len([]rune(word))
	if n < 2 || n > 40 {
		return nil
	}
	for _, e := range c.Sets.list {
		if isSystem(e.cmd.Key) || e.cmd.Hidden || e.secret(c.Session) || !e.allowed(c.Session) {
			continue
		}
		best := -1
		var name string
		for _, candidate := range e.names {
			d := distance(word, candidate)
			if d*10 <= 3*max(n, len([]rune(candidate))) || len(word) > 2 && strings.HasPrefix(candidate, word) {
				if best < 0 || d < best {
					best, name = d, candidate
				}
			}
		}
		if best >= 0 {
			found = append(found, near{name, best})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.distance - b.distance })
	var out []string
	for _, f := range found {
		if name := "'" + f.name + "'"; len(out) < 3 && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// distance is the number of letters to insert, delete, change or swap with a
// neighbour to make b of a.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var before []int // two rows up
	prev := make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(y)]
}
