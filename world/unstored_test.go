package world_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"mudlark.dev/message"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// inflate puts a field that no build knows into an entity's record. It leaves so
// little room that one more alias of 200 bytes cannot be stored.
func inflate(t *testing.T, data []byte) []byte {
	t.Helper()
	n, k := binary.Uvarint(data[1:])
	head, rest := data[1+k:1+k+int(n)], data[1+k+int(n):]
	m, _, err := message.DecodeBinary(head)
	ok(t, err)
	m.Kwargs["unknown"] = strings.Repeat("x", message.MaxBytes-len(head)-100)
	head, err = m.AppendBinary(nil)
	ok(t, err)
	out := binary.AppendUvarint([]byte{data[0]}, uint64(len(head)))
	return append(append(out, head...), rest...)
}

// One entity that cannot be stored does not keep back the others: what it has in
// the store stays, and it is reported once.
func TestUnstored(t *testing.T) {
	w := newWorld(t, world.Config{Timers: testTimers})
	r := w.NewRoom("Anchorage")
	rope := w.NewObject("rope", r)
	st := rows{}
	st.apply(t, w.TakeChanges())
	key := world.RecordKey{Kind: world.RecordEntity, ID: "2"}
	st[key] = inflate(t, st[key])
	before := string(st[key])
	w, _ = st.load(t, world.Config{Timers: testTimers}, 2, nil)
	r, rope = w.Get(1).(*world.Room), w.Get(2).(*world.Object)

	s := w.OpenSession(sid(1), 1, session.Info{}, "p")
	change := func(name, value string) world.Changes {
		t.Helper()
		ok(t, r.SetDesc(value))
		ok(t, rope.SetAttr("knots", value))
		ok(t, rope.SetAliases(name))
		ok(t, s.SetData("k", value))
		must[world.TimerID](t)(w.After(1e9, r, "tick", nil))
		c := w.TakeChanges()
		st.apply(t, c)
		return c
	}
	long := strings.Repeat("a", 190)
	c := change(long, "one")
	if len(c.Unstored) != 1 || c.Unstored[0].RecordKey != key || c.Unstored[0].Name != "rope" || !strings.Contains(c.Unstored[0].Err.Error(), "#2 cannot be stored") || c.Unstored[0].Stack == "" {
		t.Fatalf("Unstored = %.300v, want the rope", c.Unstored)
	}
	if len(c.Puts) != 3 || c.HighID == 0 {
		t.Errorf("%d records are put, want room, session and timer", len(c.Puts))
	}
	if string(st[key]) != before {
		t.Error("the rope's record has changed")
	}
	if c := change(long+"b", "two"); len(c.Unstored) != 0 || len(c.Puts) != 3 {
		t.Errorf("the second time: %d puts, reported %.300v; want 3, and nothing", len(c.Puts), c.Unstored)
	}
	// In memory it is what it was made to be, and it is stored as soon as it can.
	if v, _ := rope.Attr("knots"); v != "two" {
		t.Errorf("in memory the attribute is %v", v)
	}
	ok(t, rope.SetAliases())
	c = w.TakeChanges()
	st.apply(t, c)
	if len(c.Unstored) != 0 || len(c.Puts) != 1 {
		t.Errorf("when it fits again: %d puts, %.300v; want it stored", len(c.Puts), c.Unstored)
	}
	next, _ := st.load(t, world.Config{Timers: testTimers}, 9, nil)
	if v, _ := next.Get(2).(*world.Object).Attr("knots"); v != "two" {
		t.Errorf("in the store the attribute is %v, want two", v)
	}
	if c := change(long, "three"); len(c.Unstored) != 1 {
		t.Errorf("reported %.300v, want it once more", c.Unstored)
	}
}
