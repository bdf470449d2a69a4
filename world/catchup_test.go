package world_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"testing"

	"mudlark.dev/world"
)

// TestCatchUp loads a world as it was, then what has changed since, and compares
// it with one that is loaded at the end.
func TestCatchUp(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		cfg := world.Config{Timers: testTimers, MultisessionMode: int(seed % 4)}
		w := seeded(t, int(seed%4))
		now := rows{}
		turn := func(n int) {
			for range n {
				randomOp(w, r)
				if r.IntN(4) == 0 {
					now.apply(t, w.TakeChanges())
					w.TakeEffects()
				}
			}
			now.apply(t, w.TakeChanges())
			w.TakeEffects()
		}
		turn(150)
		then := maps.Clone(now)
		turn(1 + r.IntN(150))

		late := newWorld(t, cfg)
		for _, k := range then.keys() {
			ok(t, late.LoadRecord(k.Kind, k.ID, then[k]))
		}
		if seed%2 == 0 {
			late.PrepareLoad()
		}
		for _, k := range now.keys() {
			if !bytes.Equal(then[k], now[k]) || then[k] == nil {
				ok(t, late.LoadRecord(k.Kind, k.ID, now[k]))
			}
		}
		for _, k := range then.keys() {
			if _, is := now[k]; !is {
				ok(t, late.UnloadRecord(k.Kind, k.ID))
			}
		}
		report, err := late.FinishLoad()
		ok(t, err)
		whole, wholeReport := now.load(t, cfg, 0, nil)
		if got, want := dump(late), dump(whole); got != want {
			t.Fatalf("seed %d: %s", seed, firstDiff(got, want))
		}
		if len(report.Problems) != len(wholeReport.Problems) || report.Entities != wholeReport.Entities {
			t.Errorf("seed %d: report %+v, want %+v", seed, report, wholeReport)
		}
	}
}

// What was wrong with a record that has changed, or is gone, is wrong no more.
func TestCatchUpMends(t *testing.T) {
	w := newWorld(t, world.Config{})
	room := w.NewRoom("Quay")
	st := rows{}
	st.apply(t, w.TakeChanges())
	late := newWorld(t, world.Config{})
	bad := []byte{1, 200}
	for _, k := range st.keys() {
		ok(t, late.LoadRecord(k.Kind, k.ID, bad))
	}
	ok(t, late.LoadRecord(world.RecordTimer, "77", bad))
	ok(t, late.LoadRecord(world.RecordEntity, "78", []byte{9}))
	for _, k := range st.keys() {
		ok(t, late.LoadRecord(k.Kind, k.ID, st[k]))
	}
	ok(t, late.UnloadRecord(world.RecordTimer, "77"))
	ok(t, late.UnloadRecord(world.RecordEntity, "78"))
	ok(t, late.UnloadRecord(world.RecordSession, "never was"))
	report, err := late.FinishLoad()
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("FinishLoad = %+v, %v", report, err)
	}
	if e := late.Get(room.ID()); e == nil || e.Name() != "Quay" {
		t.Errorf("the room is %v", e)
	}
}
