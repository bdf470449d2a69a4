package lock

import "strings"

// A Hierarchy has the names of permission levels, the lowest first. Who holds a
// level passes where a lower one is asked for.
type Hierarchy []string

// DefaultHierarchy returns Guest, Player, Helper, Builder, Admin, Developer.
func DefaultHierarchy() Hierarchy {
	return Hierarchy{"Guest", "Player", "Helper", "Builder", "Admin", "Developer"}
}

// Level returns the place of a level in the hierarchy, 0 being the lowest, or -1
// if it is none. Case does not count, and the plural will do: "builders".
func (h Hierarchy) Level(name string) int {
	for i, level := range h {
		if strings.EqualFold(name, level) {
			return i
		}
		if n := len(name) - 1; n == len(level) && name[n]|0x20 == 's' && strings.EqualFold(name[:n], level) {
			return i
		}
	}
	return -1
}

// Passes reports whether who holds these permissions passes where wanted is asked
// for: with a level, by that level or a higher one; with another label, by that
// label alone. Case does not count.
func (h Hierarchy) Passes(held []string, wanted string) bool {
	return h.passes(held, wanted, h.Level(wanted))
}

// passes is Passes for a wanted permission whose level is known.
func (h Hierarchy) passes(held []string, wanted string, level int) bool {
	for _, perm := range held {
		if level >= 0 && h.Level(perm) >= level || level < 0 && strings.EqualFold(perm, wanted) {
			return true
		}
	}
	return false
}
