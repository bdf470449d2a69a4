package texts_test

import (
	"strings"
	"testing"

	"mudlark.dev/examples/texts"
	"mudlark.dev/mudtest"
)

func TestFares(t *testing.T) {
	mudtest.Run(t, texts.Game(), func(g *mudtest.Game) {
		ada := g.Dial()
		ada.Login("Ada")
		ada.Send("fares")
		ada.Expect(`Boat   Fare  Takes you to
─────  ────  ────────────────────────────────────────────
punt      3  the far bank, and back before the tide turns
skiff    12  the island
`)
		ada.Send("option width = 40")
		ada.Send("fares")
		ada.Expect(`Boat   Fare  Takes you to
─────  ────  ───────────────────────────
punt      3  the far bank, and back
             before the tide turns
skiff    12  the island
`)
		ada.Send("option screenreader = on")
		ada.Send("fares")
		ada.Expect(`Boat: punt, Fare: 3, Takes you to: the far bank, and back before the tide turns
Boat: skiff, Fare: 12, Takes you to: the island
`)
	})
}

func TestToast(t *testing.T) {
	mudtest.Run(t, texts.Game(), func(g *mudtest.Game) {
		ada, bob, eve := g.Dial(), g.Dial(), g.Dial()
		ada.Login("Ada")
		bob.Login("Bob")
		eve.Login("Eve")
		// What was typed is read as it was typed.
		ada.Send("toast bob = |rTo the  tide! $guest() {whom}")
		ada.Expect(`You raise your cup to Bob: "|rTo the tide! $guest() {whom}"`)
		bob.Expect(`Ada raises their cup to you: "|rTo the tide! $guest() {whom}"`)
		eve.Expect(`Ada raises their cup to Bob: "|rTo the tide! $guest() {whom}"`)
	})
}

func TestWelcome(t *testing.T) {
	mudtest.Run(t, texts.Game(), func(g *mudtest.Game) {
		ada, bob := g.Dial(), g.Dial()
		ada.Login("Ada")
		bob.Login("Bob")
		ada.Send("look")
		ada.Expect("│ Welcome, Ada. Mind the step. │")
		bob.Send("option links = mxp")
		bob.Send("look")
		bob.Expect("│ Welcome, Bob. Mind the step. │")
		for _, want := range []string{
			"\x1b[36mwater\x1b[0m", // the nearest of sixteen colours
			"\x1b[4z<send href=\"fares\">fares\x1b[4z</send>",
		} {
			if !strings.Contains(string(bob.Raw()), want) {
				t.Errorf("%q is not in %q", want, bob.Raw())
			}
		}
	})
}
