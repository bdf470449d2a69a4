package gauges_test

import (
	"testing"
	"time"

	"mudlark.dev/examples/gauges"
	"mudlark.dev/message"
	"mudlark.dev/mudtest"
	"mudlark.dev/session"
)

func TestGauge(t *testing.T) {
	mudtest.Run(t, gauges.Game(), func(g *mudtest.Game) {
		ada := g.Connect(session.Info{GMCP: true, Packages: "char 1,client.media 1"})
		ada.Login("Ada")
		m := ada.ExpectMessage("char_vitals")
		if m.Kwargs["hp"] != int64(100) || m.Kwargs["maxhp"] != int64(100) {
			t.Errorf("at the login: %v", m)
		}
		ada.SendMessage(message.Text("thorn"))
		if m := ada.ExpectMessage("char_vitals"); m.Kwargs["hp"] != int64(90) {
			t.Errorf("after a thorn: %v", m)
		}
		ada.SendMessage(message.New("msdp_report", "HEALTH"))
		if m := ada.ExpectMessage("msdp"); m.Kwargs["HEALTH"] != int64(90) {
			t.Errorf("as a variable: %v", m)
		}
		ada.SendMessage(message.Text("horn"))
		ada.ExpectMessage("client_media_play")
	})
}

// The bytes that a client of telnet gets.
func TestGaugeBytes(t *testing.T) {
	mudtest.Run(t, gauges.Game(), func(g *mudtest.Game) {
		ada := g.DialAddr("127.0.0.1:4000")
		ada.Write("\xff\xfd\xc9\xff\xfa\xc9Core.Supports.Set [\"Char 1\"]\xff\xf0\r\n")
		ada.Write("create Ada tern-on-a-post\r\n")
		ada.Expect("\xff\xfa\xc9Char.Vitals {\"hp\":100,\"maxhp\":100}\xff\xf0")
		g.Advance(time.Second)
		ada.Write("thorn\r\n")
		ada.Expect("\xff\xfa\xc9Char.Vitals {\"hp\":90,\"maxhp\":100}\xff\xf0Ouch!")
		ada.Write("horn\r\n")
		ada.Expect("A horn sounds.")
	})
}
