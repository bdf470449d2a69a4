package messages_test

import (
	"testing"

	"mudlark.dev/examples/messages"
	"mudlark.dev/message"
	"mudlark.dev/mudtest"
	"mudlark.dev/session"
)

func TestRoll(t *testing.T) {
	mudtest.Run(t, messages.Game(), func(g *mudtest.Game) {
		person := g.Dial()
		person.Login("Ada")
		program := g.Connect(session.Info{})
		program.Login("Bob")

		program.SendMessage(message.New("roll").With("sides", 6).With("times", 3))
		m := program.ExpectMessage("roll_result")
		sum, _ := m.ArgInt(0)
		if who, _ := m.KwargText("who"); who != "Bob" || sum < 3 || sum > 18 {
			t.Errorf("roll_result = %v", m)
		}
		person.ExpectRE(`\*\* Bob rolls \d+\.\n`)

		// What is not of the declared shape does not reach the inputfunc.
		program.SendMessage(message.New("roll").With("sides", "six"))
		program.ExpectText("roll: sides is to be a whole number")
		program.SendMessage(message.New("ROLL").With("Sides", 2).With("SIDES", 3))
		program.ExpectText(`roll: the argument "sides" is given twice`)
		program.SendMessage(message.New("ROLL").With("TIMES", 20).With("Sides", 1000))
		if m := program.ExpectMessage("roll_result"); m.Kwargs["times"] != int64(20) || m.Kwargs["sides"] != int64(1000) {
			t.Errorf("roll_result = %v", m)
		}
		program.SendMessage(message.New("roll", 6))
		program.ExpectText("roll takes 0 arguments")
		program.SendMessage(message.New("roll").With("sides", 1))
		program.ExpectText("Roll 1 to 20 dice")

		stranger := g.Connect(session.Info{})
		stranger.SendMessage(message.New("roll"))
		stranger.ExpectText("You are not logged in.")
	})
}
