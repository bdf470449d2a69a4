package world

import (
	"fmt"
	"strconv"
	"strings"

	"mudlark.dev/lock"
	"mudlark.dev/markup"
)

// A SearchError says why a search did not find one thing, in words for the
// player.
type SearchError struct {
	Query string
	Found []Entity // nil if nothing was found, else all that fit
}

// Error is marked-up text; it lists what fits, numbered in the way in which one can be chosen.
func (e *SearchError) Error() string {
	query := e.Query
	if r := []rune(query); len(r) > 60 {
		query = string(r[:60]) + "…"
	}
	query = markup.Escape(query)
	if len(e.Found) == 0 {
		return fmt.Sprintf("There is no '%s' here.", query)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Which '%s' do you mean?", query)
	for i, f := range e.Found {
		if i == 20 {
			fmt.Fprintf(&b, "\n  … and %d more", len(e.Found)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s-%d", strings.ToLower(query), i+1) // finds it again, whatever it is called
		if !strings.EqualFold(f.Name(), e.Query) {
			fmt.Fprintf(&b, " (%s)", f.Name())
		}
	}
	return b.String()
}

// Search finds what is meant by query from where o is: "me" and "self", "here",
// "#12" for whoever has the permission Builder, the name or alias of something
// carried, in the same place, or the place itself, or the beginning of a word
// of it. "sword-2" and "2-sword" choose among several. Exact names go before
// beginnings; names are compared without their tags, see World.Plain. What subject
// may not see (lock "view") is not found.
func (o *Object) Search(subject lock.Subject, query string) ([]Entity, error) {
	w := o.w
	query = strings.TrimSpace(query)
	key := strings.ToLower(query)
	switch key {
	case "":
		return nil, &SearchError{Query: query}
	case "me", "self":
		return []Entity{o.self}, nil
	case "here":
		if o.location != nil {
			return []Entity{o.location.self}, nil
		}
		return nil, &SearchError{Query: query}
	}
	if n, ok := strings.CutPrefix(key, "#"); ok && w.Passes(subject, "Builder") {
		if id, err := strconv.ParseUint(n, 10, 63); err == nil {
			if e := w.Get(ID(id)); e != nil {
				return []Entity{e}, nil
			}
			return nil, &SearchError{Query: query}
		}
	}
	near := o.near(subject)
	if found := match(near, key); len(found) > 0 {
		return found, nil
	}
	name, n := splitNumber(key)
	if n > 0 {
		if found := match(near, name); len(found) >= n {
			return found[n-1 : n], nil
		}
	}
	return nil, &SearchError{Query: query}
}

// SearchOne is Search for one thing; the error is a *SearchError.
func (o *Object) SearchOne(subject lock.Subject, query string) (Entity, error) {
	found, err := o.Search(subject, query)
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		return nil, &SearchError{Query: strings.TrimSpace(query), Found: found}
	}
	return found[0], nil
}

// Pick finds what is meant by query among some entities.
func Pick(from []Entity, query string) (Entity, error) {
	key := strings.ToLower(strings.TrimSpace(query))
	found := match(from, key)
	if len(found) == 0 {
		if name, n := splitNumber(key); n > 0 {
			if all := match(from, name); len(all) >= n {
				found = all[n-1 : n]
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, &SearchError{Query: strings.TrimSpace(query)}
	case 1:
		return found[0], nil
	}
	return nil, &SearchError{Query: strings.TrimSpace(query), Found: found}
}

// Passes reports whether subject holds a permission, by the game's own lock
// functions.
func (w *World) Passes(subject lock.Subject, level string) bool {
	l, ok := w.levels[level]
	if !ok {
		var err error
		if l, err = w.compile("x:perm(" + level + ")"); err != nil {
			return false
		}
		if w.levels == nil || len(w.levels) >= 100 {
			w.levels = make(map[string]lock.Lock)
		}
		w.levels[level] = l
	}
	ok, _ = l.Check("x", subject, nil)
	return ok
}

// near returns what can be meant: carried, beside, and the place, in this
// order.
func (o *Object) near(subject lock.Subject) []Entity {
	var out []Entity
	add := func(c *core) {
		if c.self.Access(subject, "view", true) {
			out = append(out, c.self)
		}
	}
	for _, c := range o.contents {
		add(c)
	}
	if at := o.location; at != nil {
		for _, c := range at.contents {
			add(c)
		}
		add(at)
	}
	return out
}

// match returns those of from whose name or alias is key, or else those in
// which a word of one begins with it.
func match(from []Entity, key string) []Entity {
	if key == "" {
		return nil
	}
	var exact, begins []Entity
	for _, e := range from {
		switch fit(e, key) {
		case 2:
			exact = append(exact, e)
		case 1:
			begins = append(begins, e)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return begins
}

func fit(e Entity, key string) int {
	best := 0
	for i := -1; i < len(e.Aliases()); i++ {
		name := e.Name()
		if i >= 0 {
			name = e.Aliases()[i]
		}
		plain := e.base().w.Plain(name) // colours of a name are not typed
		lower := strings.ToLower(plain)
		if lower == key || plain != name && strings.ToLower(name) == key {
			return 2
		}
		if strings.HasPrefix(lower, key) || strings.Contains(lower, " "+key) {
			best = 1
		}
	}
	return best
}

// splitNumber reads "sword-2" and "2-sword"; n is 0 if there is no number.
func splitNumber(key string) (name string, n int) {
	if i := strings.LastIndexByte(key, '-'); i > 0 {
		if n, err := strconv.Atoi(key[i+1:]); err == nil && n > 0 {
			return strings.TrimSpace(key[:i]), n
		}
	}
	if i := strings.IndexByte(key, '-'); i > 0 {
		if n, err := strconv.Atoi(key[:i]); err == nil && n > 0 {
			return strings.TrimSpace(key[i+1:]), n
		}
	}
	return key, 0
}
