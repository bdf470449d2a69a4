package server

import (
	"fmt"
	"testing"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/link"
	"mudlark.dev/world"
)

// BenchmarkMeter is what it costs to count: a line among many of one turn, without
// the clock, which the loop looks at anyway; and a turn of one line.
func BenchmarkMeter(b *testing.B) {
	var cmds []*command.Command
	for i := range 60 {
		cmds = append(cmds, &command.Command{Key: fmt.Sprint("verb", i)})
	}
	inputs, err := inputTable(nil)
	if err != nil {
		b.Fatal(err)
	}
	w, err := world.New(world.Config{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	s := &Server{world: w, seats: make(map[link.Index]*seat)}
	m := newMeter(&Config{SlowTurn: time.Hour, Game: Game{CmdSets: []*command.CmdSet{{Commands: cmds}}}}, inputs)
	t, text := &task{s: s, what: "text"}, inputs["text"].tally
	i := 0
	line := func() {
		t.meter = nil
		m.count(text)
		m.ran(t, cmds[i%len(cmds)], false)
		m.spent(t, 30*time.Microsecond)
		i++
	}
	b.Run("line", func(b *testing.B) {
		for b.Loop() {
			line()
			if i%256 == 0 {
				m.show()
			}
		}
	})
	b.Run("turn", func(b *testing.B) {
		now := time.Now()
		for b.Loop() {
			line()
			m.endTurn(s, &turn{events: 1, start: now}, nil)
			m.settle(now.Add(50 * time.Microsecond))
		}
	})
}
