package portal

import (
	"time"

	"mudlark.dev/message"
)

// A renderCache keeps how texts are encoded, of which games show many again: a
// room's description to whoever comes in, a table to who asks for it. It is
// bounded in bytes. Its entries are in two generations: what is used is in the
// young one; when that has half of the bytes it becomes the old one, and what was
// in the old one and was not used since is forgotten. So no list is kept in the
// order of use. While no text is looked up at all, nothing is kept. It belongs to one
// goroutine at a time.
type renderCache struct {
	limit      int // in bytes
	young, old map[cacheKey][]byte
	size       int  // of young
	used       bool // since tidied
	tidied     time.Time
}

type cacheKey struct {
	renderKey
	opts   message.Options
	prompt bool
	text   string
}

const (
	// minCached is the size in bytes of a text above which looking it up costs less
	// than encoding it: see BenchmarkRoom.
	minCached = 128
	// entryBytes is about what an entry needs beside its text and its encoding.
	entryBytes = 256
	// cacheRest is for how long nothing is looked up before all is forgotten, up to
	// twice that. It is shorter than what a process rests before it gives memory
	// back: see gcpace.Rest.
	cacheRest = 10 * time.Second
)

// keyOf returns the key of a message, and false if it is not kept.
func (c *renderCache) keyOf(k renderKey, m message.Message, o message.Options) (cacheKey, bool) {
	if c.limit <= 0 || len(m.Args) == 0 {
		return cacheKey{}, false
	}
	text, ok := m.Args[0].(string)
	if !ok || len(text) < minCached || len(text) > c.limit/8 {
		return cacheKey{}, false
	}
	prompt := m.Name == "prompt"
	return cacheKey{k, o, prompt, text}, prompt || m.Name == "text"
}

// get returns the encoding that put was given last for the key, which is not to
// be changed.
func (c *renderCache) get(k cacheKey) ([]byte, bool) {
	c.used = true
	out, ok := c.young[k]
	if ok {
		return out, true
	}
	if out, ok = c.old[k]; ok {
		c.keep(k, out)
	}
	return out, ok
}

// put keeps a copy of out.
func (c *renderCache) put(k cacheKey, out []byte) {
	if len(out) <= c.limit/8 {
		c.keep(k, append([]byte(nil), out...))
	}
}

func (c *renderCache) keep(k cacheKey, out []byte) {
	size := len(k.text) + len(out) + entryBytes
	if c.young == nil || c.size+size > c.limit/2 {
		c.old, c.young, c.size = c.young, make(map[cacheKey][]byte), 0
	}
	c.young[k] = out
	c.size += size
}

// tidy forgets all if nothing was looked up for cacheRest. It is called every now and
// then.
func (c *renderCache) tidy(now time.Time) {
	if now.Sub(c.tidied) < cacheRest {
		return
	}
	if !c.used {
		c.young, c.old, c.size = nil, nil, 0
	}
	c.used, c.tidied = false, now
}
