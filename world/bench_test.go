package world_test

import (
	"fmt"
	"runtime"
	"testing"

	"mudlark.dev/session"
	"mudlark.dev/world"
)

func BenchmarkSetAttr(b *testing.B) {
	for _, attrs := range []int{1, 20, 200} {
		b.Run(fmt.Sprintf("attrs=%d", attrs), func(b *testing.B) {
			w := seeded(b, 0)
			o := w.NewObject("o", w.StartRoom())
			for i := range attrs {
				ok(b, o.SetAttr(fmt.Sprint("a", i), int64(i)))
			}
			w.TakeChanges()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ok(b, o.SetAttr("hp", int64(i)))
				w.TakeChanges()
			}
		})
	}
}

func BenchmarkMoveTo(b *testing.B) {
	for _, n := range []int{0, 1000, 10000} {
		b.Run(fmt.Sprintf("beside=%d", n), func(b *testing.B) {
			w := seeded(b, 0)
			x, y := w.NewRoom("x"), w.NewRoom("y")
			for i := range n {
				w.NewObject("o", []*world.Room{x, y}[i%2])
				if i%256 == 0 {
					w.TakeChanges()
				}
			}
			c := w.NewObject("c", x)
			w.TakeChanges()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ok(b, c.MoveTo([]*world.Room{y, x}[i%2], world.MoveOptions{Quiet: true}))
				w.TakeChanges()
			}
		})
	}
}

func BenchmarkMsgContents1000(b *testing.B) {
	w := seeded(b, 3)
	for i := range 1000 {
		a := must[*world.Account](b)(w.NewAccount(fmt.Sprint("Acc", i), ""))
		c := must[*world.Character](b)(w.NewCharacter(fmt.Sprint("Char", i), w.StartRoom()))
		a.AddCharacter(c)
		s := w.OpenSession(session.ID{byte(i), byte(i >> 8), 1}, uint64(i), session.Info{}, "p")
		ok(b, s.Login(a))
		ok(b, s.SetPuppet(c))
		w.TakeChanges()
		w.TakeEffects()
	}
	b.ReportAllocs()
	for b.Loop() {
		w.StartRoom().MsgContents("hello")
		w.TakeEffects()
	}
}

// BenchmarkCreateInOneTurn is a first build: all things of one room in one turn.
func BenchmarkCreateInOneTurn(b *testing.B) {
	for _, n := range []int{1000, 4000, 16000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				w := seeded(b, 0)
				for range n {
					w.NewObject("o", w.StartRoom())
				}
				b.StopTimer()
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/1e6, "heapMB")
				b.StartTimer()
				w.TakeChanges()
			}
		})
	}
}

func BenchmarkDeleteRoom(b *testing.B) {
	w := seeded(b, 0)
	for i := range 100000 {
		w.NewObject("o", nil)
		if i%1000 == 0 {
			w.TakeChanges()
		}
	}
	w.TakeChanges()
	b.ReportAllocs()
	for b.Loop() {
		ok(b, w.Delete(w.NewRoom("r")))
		w.TakeChanges()
	}
}

func BenchmarkCancelTimer(b *testing.B) {
	w := seeded(b, 0)
	for i := range 100000 {
		must[world.TimerID](b)(w.After(1e9, w.StartRoom(), "tick", nil))
		if i%1000 == 0 {
			w.TakeChanges()
		}
	}
	w.TakeChanges()
	for b.Loop() {
		id := must[world.TimerID](b)(w.After(1e15, w.StartRoom(), "tick", nil))
		w.CancelTimer(id)
		w.TakeChanges()
	}
}

func BenchmarkLoad100000(b *testing.B) {
	w := seeded(b, 0)
	st := rows{}
	for i := range 100000 {
		if i%50 == 0 {
			w.NewRoom("a room")
		}
		r := w.Get(world.ID(3 + i/50*51)).(*world.Room)
		o := w.NewObject("a brass lamp", r)
		ok(b, o.SetAttr("desc", "A lamp of brass, dented and dull, that has seen better days."))
		ok(b, o.SetAttr("fuel", int64(i)))
		if i%50 == 49 {
			st.apply(b, w.TakeChanges())
		}
	}
	keys := st.keys()
	n := float64(len(keys))
	w = nil
	runtime.GC()
	for b.Loop() {
		var before, after runtime.MemStats
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		w := newWorld(b, world.Config{})
		for _, k := range keys {
			ok(b, w.LoadRecord(k.Kind, k.ID, st[k]))
		}
		if _, err := w.FinishLoad(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/n, "B/entity")
		runtime.KeepAlive(w)
		b.StartTimer()
	}
}

// BenchmarkFinishLoad100000 is what a reload waits for: the world is loaded by
// then, and a few entities have changed since.
func BenchmarkFinishLoad100000(b *testing.B) {
	w := seeded(b, 0)
	st := rows{}
	var r *world.Room
	for i := range 100000 {
		if i%50 == 0 {
			r = w.NewRoom("a room")
		}
		o := w.NewObject("a brass lamp", r)
		ok(b, o.SetAttr("desc", "A lamp of brass, dented and dull, that has seen better days."))
		ok(b, o.SetAttr("fuel", int64(i)))
	}
	st.apply(b, w.TakeChanges())
	keys := st.keys()
	w = nil
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, world.Config{})
		for _, k := range keys {
			ok(b, w.LoadRecord(k.Kind, k.ID, st[k]))
		}
		w.PrepareLoad()
		runtime.GC()
		b.StartTimer()
		for _, k := range keys[1000:1100] {
			ok(b, w.LoadRecord(k.Kind, k.ID, st[k]))
		}
		if _, err := w.FinishLoad(); err != nil {
			b.Fatal(err)
		}
	}
}
