package server_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/store"
	"mudlark.dev/world"
)

// inflate puts a field that no build knows into the record of an entity, so that
// it cannot be stored with more than some hundred bytes of aliases.
func (g *game) inflate(id string) {
	g.t.Helper()
	st := g.disk.Open()
	defer st.Close()
	state, err := st.Acquire(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	var data []byte
	st.Load(g.t.Context(), 0, func(r store.Row) error {
		if r.Kind == store.Entity && r.ID == id {
			data = r.Data
		}
		return nil
	})
	n, k := binary.Uvarint(data[1:])
	head, rest := data[1+k:1+k+int(n)], data[1+k+int(n):]
	m, _, err := message.DecodeBinary(head)
	if err != nil {
		g.t.Fatal(err)
	}
	m.Kwargs["unknown"] = strings.Repeat("x", message.MaxBytes-len(head)-100)
	if head, err = m.AppendBinary(nil); err != nil {
		g.t.Fatal(err)
	}
	data = append(append(binary.AppendUvarint([]byte{data[0]}, uint64(len(head))), head...), rest...)
	row := store.Row{Key: store.Key{Kind: store.Entity, ID: id}, Data: data}
	if err := st.Commit(g.t.Context(), state.Epoch, []*store.Batch{{Commit: state.Commit + 1, Puts: []store.Row{row}}}); err != nil {
		g.t.Fatal(err)
	}
}

// An entity that cannot be stored keeps back nobody else's changes: its player is
// told, the log has it, and what the store has of it stays.
func TestEntityThatCannotBeStored(t *testing.T) {
	var rope world.ID
	splice := &command.Command{Key: "splice", Run: func(c *command.Call) error {
		o := c.World.Get(rope).(*world.Object)
		if err := o.SetAliases(strings.Repeat("a", 190)); err != nil {
			return err
		}
		if err := o.SetAttr("spliced", true); err != nil {
			return err
		}
		if err := c.Puppet.SetAttr("tired", true); err != nil {
			return err
		}
		c.Msg("spliced")
		return nil
	}}
	bubble(t, func(t *testing.T, g *game) {
		ada, bob := g.login("Ada"), g.login("Bob")
		g.s.Do(t.Context(), func(w *world.World) {
			for e := range w.All() {
				if o, ok := e.(*world.Object); ok && o.Name() == "rope" {
					rope = o.ID()
				}
			}
		})
		g.drain(link.ModeReload)
		g.inflate(rope.String()[1:])
		g.start()
		ada.read()
		bob.read()

		ada.typ("splice")
		bob.typ("count")
		out := ada.read()
		expect(t, "Ada", out, "spliced", "cannot be saved", "E-")
		expect(t, "Bob", bob.read(), "count 1")
		expect(t, "the log", g.log.String(), "a change cannot be stored", "name=rope", "stack=")
		ada.typ("splice") // again: it is known by now
		out = ada.read()
		expect(t, "Ada again", out, "spliced")
		refute(t, "Ada again", out, "cannot be saved")
		bob.typ("count")
		expect(t, "Bob", bob.read(), "count 2")

		g.kill()
		g.start()
		if err := g.s.Do(t.Context(), func(w *world.World) {
			o := w.Get(rope).(*world.Object)
			if v, ok := o.Attr("spliced"); ok || len(o.Aliases()) > 0 {
				t.Errorf("the rope has spliced %v and aliases %v, want what the store had", v, o.Aliases())
			}
			if v, _ := w.CharacterByName("Ada").Attr("tired"); v != true {
				t.Errorf("Ada's own change is lost: %v", v)
			}
		}); err != nil {
			t.Fatal(err)
		}
		bob.typ("count")
		expect(t, "Bob", bob.read(), "count 3")
	}, splice, count())
}
