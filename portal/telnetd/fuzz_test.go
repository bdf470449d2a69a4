package telnetd_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mudlark.dev/portal"
	"mudlark.dev/portal/telnetd"
)

// fixtures are what clients send, well and badly.
var fixtures = map[string]string{
	"hostile":              "\xff\xfc\x22\xff\xfa\x22\xff\xf0\xff\xff\xfc\x03\xff\xfc\x18\xff\xfc\x1f\xff\xfc\x27\xff\xfe\x56\xff\xfc\x5b\xff\xfe\x46\xff\xfe\x5d\xff\xfe\xc9",
	"NAWS of 255":          "\xff\xfb\x1f\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0",
	"NAWS cut short":       "\xff\xfb\x1f\xff\xfa\x1f\x00\x50\xff\xf0",
	"NAWS flood":           "\xff\xfb\x1f" + strings.Repeat("\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0", 200),
	"TTYPE of Mudlet":      "\xff\xfb\x18" + sb(24, "\x00MUDLET") + sb(24, "\x00ANSI-TRUECOLOR") + sb(24, "\x00MTTS 2349") + sb(24, "\x00MTTS 2349"),
	"TTYPE for ever":       "\xff\xfb\x18" + strings.Repeat(sb(24, "\x00xterm"), 50),
	"NEW-ENVIRON":          "\xff\xfb\x27" + sb(39, "\x00\x03ANSI\x011\x03UTF-8\x011\x00CHARSET\x01UTF-8"),
	"NEW-ENVIRON, escaped": "\xff\xfb\x27" + sb(39, "\x00\x00\x41\x02\x01\x42\x01\x43\x02\x02\x44"),
	"CHARSET":              "\xff\xfd\x2a" + sb(42, "\x02ISO-8859-1"),
	"CHARSET, table":       "\xff\xfd\x2a" + sb(42, "\x04\x01") + sb(42, "\x01;LATIN1"),
	"MCCP2":                "\xff\xfd\x56",
	"MCCP2 off and on":     "\xff\xfd\x56\xff\xfe\x56\xff\xfd\x56",
	"MCCP3":                "\xff\xfd\x57\xff\xfa\x57\xff\xf0" + deflated(true, "look\r\n") + "look\r\n",
	"MCCP3 bomb":           "\xff\xfd\x57\xff\xfa\x57\xff\xf0" + deflated(false, strings.Repeat("x", 1<<20)),
	"GMCP hello":           "\xff\xfd\xc9" + gmcp(`Core.Hello { "client": "Mudlet", "version": "4.18.5" }`) + gmcp(`Core.Supports.Set [ "Char 1" ]`),
	"GMCP bare":            "\xff\xfd\xc9" + gmcp("Core.Ping"),
	"GMCP bad":             "\xff\xfd\xc9" + gmcp("Char.Items.Contents 12") + gmcp("Char {bad"),
	"MSDP":                 "\xff\xfd\x45" + msdp("\x01LIST\x02COMMANDS") + msdp("\x01REPORT\x02ROOM\x02SERVER_TIME"),
	"MSSP":                 "\xff\xfd\x46",
	"TIMING-MARK":          "half\xff\xf4\xff\xfd\x06",
	"line ends":            "a\r\nb\r\x00c\nd\re",
	"UTF-8":                "\xe2\x82\xac\r\n\xc3\x28\r\n",
	"ECHO":                 "create Ada\r\n\xff\xfd\x01secret-word-1\r\nsecret-word-1\r\n",
	"MXP":                  "\xff\xfd\x5b\x1b[1z<send \"quit\">hi</send>\r\n",
	"OSC":                  "\x1b]8;;send:quit\x1b\\x\r\n",
	"HTTP":                 "GET / HTTP/1.1\r\n\r\n",
	"TLS":                  "\x16\x03\x01\x00\x05hello",
	"SSH":                  "SSH-2.0-x\r\n",
}

// FuzzConnection lets a client say anything to a game. Whatever that is, nothing
// breaks, no escape reaches another client, and who comes next is served.
func FuzzConnection(f *testing.F) {
	for _, in := range fixtures {
		f.Add([]byte(in), uint64(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		cfg := telnetd.Config{KeepAlive: -1, Options: []string{"mccp3"}}
		bubbleWith(t, portal.Limits{}, cfg, func(t *testing.T, g *game) {
			rng := rand.New(rand.NewPCG(seed, 1))
			other := g.settled("")
			c := g.dial()
			for rest := in; len(rest) > 0; {
				n := 1 + rng.IntN(len(rest))
				if _, err := c.conn.Write(rest[:n]); err != nil {
					break // it was sent away
				}
				rest = rest[n:]
			}
			time.Sleep(time.Second)
			c.conn.Close()
			time.Sleep(10 * time.Second)
			if n := len(g.p.Status().Sessions); n != 1 {
				t.Errorf("%d sessions are there, want that of the other client", n)
			}
			other.send("help\r\n")
			got := other.read()
			if !strings.Contains(got, "create") {
				t.Errorf("the other client is answered with %q", got)
			}
			if strings.Contains(got, "\x1b]") || strings.Contains(got, "z<") {
				t.Errorf("the other client gets %q", got)
			}
		})
	})
}
