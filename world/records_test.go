package world_test

import (
	"context"
	"testing"

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
