package world_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"mudlark.dev/message"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

// What is said and asked for after a mark is taken back with the rest.
func TestUndoTakesEffectsBack(t *testing.T) {
	w := seeded(t, 0)
	s := w.OpenSession(session.NewID(), 1, session.Info{}, "portal")
	w.TakeEffects()
	s.Msg("before")
	m := w.Mark()
	s.Msg("after")
	w.Go(func(context.Context) any { return nil }, nil)
	w.Restart(world.ActionReload, s, "")
	s.Disconnect("bye")
	w.Undo(m)
	if e := w.TakeEffects(); len(e) != 1 {
		t.Errorf("%d effects are left, want the one before the mark", len(e))
	}
}

// A record that cannot be read is reported, and neither changed nor lost, and
// its ID stays used.
func TestDamagedRecords(t *testing.T) {
	w := seeded(t, 0)
	st := rows{}
	st.apply(t, w.TakeChanges())
	next := newWorld(t, world.Config{})
	for k, d := range st {
		ok(t, next.LoadRecord(k.Kind, k.ID, d))
	}
	damaged := []struct {
		kind     world.RecordKind
		id, data string
	}{
		{world.RecordEntity, "77", "\xfdgarbage"}, {world.RecordEntity, "x", "\x01"}, {world.RecordAttribute, "1", "y"},
		{world.RecordSession, "short", ""}, {world.RecordTimer, "5", "garbage"}, {99, "what", "ever"}, {world.RecordSetting, "s", "\xc1"},
	}
	for _, bad := range damaged {
		ok(t, next.LoadRecord(bad.kind, bad.id, []byte(bad.data)))
	}
	report, err := next.FinishLoad()
	if err != nil || len(report.Problems) != len(damaged) {
		t.Errorf("FinishLoad: %v, problems %v; want %d of them", err, report.Problems, len(damaged))
	}
	for _, k := range next.TakeChanges().Deletes {
		t.Errorf("%v is deleted", k)
	}
	if id := next.NewRoom("New").ID(); id <= 77 {
		t.Errorf("a new entity has the ID %s of a record that could not be read", id)
	}
}

// A record has its fields in the order of their keys, with those that this build does
// not know in between: as a message with all of them has them.
func TestRecordsAreInOrder(t *testing.T) {
	w := seeded(t, 2)
	room := w.StartRoom()
	a := must[*world.Account](t)(w.NewAccount("Full", ""))
	c := must[*world.Character](t)(w.NewCharacter("Fuller", room))
	a.AddCharacter(c)
	ok(t, a.SetAliases("one", "two"))
	ok(t, a.AddPerm("Builder"))
	a.SetSuperuser(true)
	ok(t, a.SetLocks("examine:all()"))
	s := w.OpenSession(session.NewID(), 1, session.Info{}, "portal")
	ok(t, s.Login(a))
	ok(t, s.SetPuppet(c))
	x := w.NewExit("out", room, w.NewRoom("Out"), "o")
	ok(t, x.AddCmdSet("some"))
	ok(t, w.AddTag(x, "key", "category"))
	ok(t, x.SetDesc("A way."))
	st := rows{}
	st.apply(t, w.TakeChanges())

	unknown := []string{"a", "between", "classy", "zz"}
	check := func(data []byte) (head message.Message, attrs []byte) {
		n, k := binary.Uvarint(data[1:])
		head, rest, err := message.DecodeBinary(data[1+k : 1+k+int(n)])
		ok(t, err)
		again, err := head.AppendBinary(nil)
		if err != nil || len(rest) > 0 || !bytes.Equal(again, data[1+k:1+k+int(n)]) {
			t.Errorf("%x is not the message %v", data, head)
		}
		return head, data[1+k+int(n):]
	}
	next := newWorld(t, world.Config{})
	for k, data := range st {
		if k.Kind == world.RecordEntity {
			head, attrs := check(data)
			for _, u := range unknown {
				head.Kwargs[u] = u
			}
			b, err := head.AppendBinary(nil)
			ok(t, err)
			data = slices.Concat(binary.AppendUvarint(data[:1:1], uint64(len(b))), b, attrs)
			st[k] = data
		}
		ok(t, next.LoadRecord(k.Kind, k.ID, data))
	}
	_, err := next.FinishLoad()
	ok(t, err)
	next.TakeChanges()
	for e := range next.All() {
		ok(t, next.AddTag(e, "new", ""))
		next.DelTag(e, "new", "")
	}
	stored := 0
	for _, p := range next.TakeChanges().Puts {
		stored++
		if check(p.Data); !bytes.Equal(p.Data, st[p.RecordKey]) {
			t.Errorf("%v is %q, want it as it was loaded: %q", p.RecordKey, p.Data, st[p.RecordKey])
		}
	}
	if stored != next.Len() {
		t.Errorf("%d records, want one of each of the %d entities", stored, next.Len())
	}
}
