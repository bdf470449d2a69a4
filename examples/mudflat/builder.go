package mudflat

import (
	"strings"

	"mudlark.dev/world"
)

// A builder makes a world of short statements and keeps the first error.
type builder struct {
	w     *world.World
	first error
}

func (b *builder) err(err error) {
	if b.first == nil {
		b.first = err
	}
}

// text turns the lines of a raw string into one paragraph, up to its first block,
// which stays as it is.
func text(s string) string {
	words, block, has := strings.Cut(s, "|{")
	words = strings.ReplaceAll(strings.TrimSpace(words), "\n", " ")
	if has {
		words += "\n|{" + block
	}
	return words
}

func (b *builder) room(name, desc string) *world.Room {
	r := b.w.NewRoom(name)
	b.err(r.SetDesc(text(desc)))
	return r
}

// thing puts something into a room that can be taken along.
func (b *builder) thing(in *world.Room, name, aliases, desc string) *world.Object {
	o := b.w.NewObject(name, in)
	b.err(o.SetDesc(text(desc)))
	if aliases != "" {
		b.err(o.SetAliases(strings.Split(aliases, ",")...))
	}
	return o
}

// scenery is a thing that can be looked at and is part of the room's own
// description: it is neither listed nor taken.
func (b *builder) scenery(in *world.Room, name, aliases, desc string) {
	o := b.thing(in, name, aliases, desc)
	b.err(o.SetLocks("get:none()"))
	b.err(o.SetAttr("scenery", true))
}

func (b *builder) exit(from *world.Room, name, aliases string, to *world.Room) *world.Exit {
	return b.w.NewExit(name, from, to, strings.Split(aliases, ",")...)
}

// hidden is an exit that works and is not listed.
func (b *builder) hidden(from *world.Room, name, aliases string, to *world.Room) {
	b.err(b.exit(from, name, aliases, to).SetAttr("scenery", true))
}

// both makes a way there and a way back.
func (b *builder) both(a *world.Room, there, thereAliases string, c *world.Room, back, backAliases string) {
	b.exit(a, there, thereAliases, c)
	b.exit(c, back, backAliases, a)
}
