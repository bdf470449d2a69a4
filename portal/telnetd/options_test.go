package telnetd_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mudlark.dev/config"
	"mudlark.dev/link"
	"mudlark.dev/portal"
	"mudlark.dev/portal/telnetd"
)

// sb returns a subnegotiation with that payload.
func sb(option byte, payload string) string {
	return "\xff\xfa" + string([]byte{option}) + payload + "\xff\xf0"
}

func gmcp(s string) string { return sb(201, s) }
func msdp(s string) string { return sb(69, s) }

// settled dials, lets the client say that, and waits until it has its screen.
func (g *game) settled(say string) *client {
	c := g.dial()
	c.read()
	c.send(say)
	time.Sleep(time.Second)
	return c
}

func inflate(t *testing.T, b string) (text, rest string) {
	t.Helper()
	in := strings.NewReader(b)
	r, err := zlib.NewReader(in)
	if err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	out, err := io.ReadAll(r)
	if err != nil && err != io.ErrUnexpectedEOF {
		t.Fatalf("%q: %v", b, err)
	}
	if err != nil {
		return string(out), "" // the stream goes on
	}
	after, _ := io.ReadAll(in)
	return string(out), string(after)
}

func TestOptionNames(t *testing.T) {
	if !slices.Equal(telnetd.Options(), config.TelnetOptions()) {
		t.Errorf("the settings know the options %q, the protocol %q", config.TelnetOptions(), telnetd.Options())
	}
}

func TestBadConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg  telnetd.Config
		want string
	}{
		{telnetd.Config{Options: []string{"-gcmp"}}, `no option "-gcmp"`},
		{telnetd.Config{Charset: "UTF-16"}, "UTF-16"},
		{telnetd.Config{Options: []string{"charset=none-such"}}, "none-such"},
	} {
		if _, err := telnetd.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%+v) = %v, want an error with %q", tt.cfg, err, tt.want)
		}
	}
}

// What is switched off is neither offered nor agreed to.
func TestOptionsSwitched(t *testing.T) {
	for _, name := range telnetd.Options() {
		t.Run(name, func(t *testing.T) {
			var with, without string
			for _, sign := range []string{"+", "-"} {
				bubbleWith(t, portal.Limits{}, telnetd.Config{KeepAlive: -1, Options: []string{sign + name}}, func(t *testing.T, g *game) {
					c := g.dial()
					offers := c.read()
					if sign == "+" {
						with = offers
						return
					}
					without = offers
					var refusals string
					for _, o := range []byte{1, 3, 6, 24, 25, 31, 39, 42, 69, 70, 86, 87, 91, 201} {
						if !strings.Contains(with, string([]byte{o})) {
							continue
						}
						if !strings.Contains(without, string([]byte{o})) {
							c.send("\xff\xfd" + string([]byte{o}) + "\xff\xfb" + string([]byte{o}))
							refusals = "\xff\xfc" + string([]byte{o}) + "\xff\xfe" + string([]byte{o})
						}
					}
					if got := c.read(); got != refusals {
						t.Errorf("what is off is answered with %q, want %q", got, refusals)
					}
				})
			}
			if name == "sga" {
				if with != without {
					t.Error("SUPPRESS-GO-AHEAD is offered")
				}
			} else if len(with) != len(without)+3 {
				t.Errorf("offered with %q, without %q", with, without)
			}
		})
	}
}

func TestMCCP2(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		const start = "\xff\xfa\x56\xff\xf0"
		c := g.dial()
		c.read()
		c.send("\xff\xfd\x56")
		synctest.Wait()
		c.mu.Lock()
		writes := slices.Clone(c.got)
		c.mu.Unlock()
		if len(writes) != 1 || writes[0] != start {
			t.Fatalf("DO MCCP2 is answered with the writes %q, want one: %q", writes, start)
		}
		c.read()
		time.Sleep(time.Second)
		c.send("create Ada tern-on-a-post\r\n\xff\xfb\x03")
		stream := c.read()
		text, _ := inflate(t, stream)
		if !strings.HasPrefix(text, "SCREEN\r\n") || !strings.Contains(text, "Welcome") || !strings.Contains(text, "\xff\xfe\x03") {
			t.Errorf("inflated: %q", text)
		}
		// Off, on and off again in one piece.
		c.send("\xff\xfe\x56\xff\xfd\x56\xff\xfe\x56option\r\n")
		text, rest := inflate(t, stream+c.read())
		if !strings.HasPrefix(rest, "\xff\xfc\x56\xff\xfb\x56"+start) {
			t.Fatalf("after the stream: %q", rest)
		}
		text2, rest := inflate(t, strings.TrimPrefix(rest, "\xff\xfc\x56\xff\xfb\x56"+start))
		if text2 != "" || !strings.HasPrefix(rest, "\xff\xfc\x56nocolor") {
			t.Errorf("second stream %q, then %q", text2, rest)
		}
		_ = text
	})
}

// The end of the connection is the end of the stream, with the farewell in it.
func TestMCCP2End(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfd\x56")
		c.send("quit\r\n")
		got := c.read()
		_, stream, ok := strings.Cut(got, "\xff\xf0")
		if !ok {
			t.Fatalf("got %q", got)
		}
		r, err := zlib.NewReader(strings.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r) // the checksum is compared
		if err != nil || !strings.HasPrefix(string(text), "SCREEN\r\n") {
			t.Errorf("%q, %v", text, err)
		}
	})
}

// deflated compresses pieces, each with a flush.
func deflated(end bool, pieces ...string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	for _, p := range pieces {
		io.WriteString(w, p)
		w.Flush()
	}
	if end {
		w.Close()
	}
	return b.String()
}

func TestMCCP3(t *testing.T) {
	cfg := telnetd.Config{KeepAlive: -1, Options: []string{"mccp3"}}
	bubbleWith(t, portal.Limits{}, cfg, func(t *testing.T, g *game) {
		// The answer, the marker and the first compressed bytes in one piece, as
		// TinTin++ sends them.
		c := g.settled("\xff\xfd\x57\xff\xfa\x57\xff\xf0" + deflated(false, "create Ada tern-on-a-post\r\n"))
		g.expect(c, "Welcome, ")
	})
	bubbleWith(t, portal.Limits{}, cfg, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfd\x57\xff\xfa\x57\xff\xf0" + deflated(true, "create Ada tern-on-a-post\r\n", "option\r\n") + "option nocolor on\r\n")
		g.expect(c, "Welcome, ", "screenreader", "nocolor is now on")
	})
	for name, in := range map[string]string{
		"a bomb":  deflated(false, strings.Repeat("x", 64<<20)),
		"garbage": "this is no zlib stream\r\n",
		"damaged": strings.Replace(deflated(true, "one two three four five six seven"), "\x00\x00\xff\xff", "\x00\x01\xff\xff", 1),
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, portal.Limits{}, cfg, func(t *testing.T, g *game) {
				c := g.settled("")
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				c.send("\xff\xfd\x57\xff\xfa\x57\xff\xf0")
				for len(in) > 0 { // as much as is taken
					n := min(1<<10, len(in))
					if _, err := c.conn.Write([]byte(in[:n])); err != nil {
						break
					}
					in = in[n:]
				}
				runtime.ReadMemStats(&after)
				got := g.expect(c, "compresses cannot be read")
				if !strings.Contains(got, "\xff\xfc\x57") {
					t.Errorf("no WONT MCCP3: %q", got)
				}
				time.Sleep(5 * time.Second)
				if n := len(g.p.Status().Sessions); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
				if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
					t.Errorf("%d bytes were allocated for it", took)
				}
			})
		})
	}
}

// A few bytes that are a great many lines cost no more than those lines do when
// they come as they are: what waits is bounded, and the flood ends in the end.
func TestMCCP3Lines(t *testing.T) {
	cfg := telnetd.Config{KeepAlive: -1, Options: []string{"mccp3"}}
	bubbleWith(t, portal.Limits{MessagesPerSecond: 1000}, cfg, func(t *testing.T, g *game) {
		in := deflated(false, strings.Repeat("\n", 20000), "create Ada tern-on-a-post\n")
		c := g.settled("\xff\xfd\x57\xff\xfa\x57\xff\xf0")
		c.read()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c.send(in)
		synctest.Wait()
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("%d bytes were allocated for %d bytes", took, len(in))
		}
		time.Sleep(30 * time.Second)
		g.expect(c, "Welcome")
	})
}

// Without the option the marker is no marker.
func TestMCCP3Off(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfd\x57\xff\xfa\x57\xff\xf0create Ada tern-on-a-post\r\n")
		g.expect(c, "\xff\xfc\x57", "Welcome")
	})
}

func TestCharset(t *testing.T) {
	const request = "\xff\xfa\x2a\x01;UTF-8;ISO-8859-1;US-ASCII\xff\xf0"
	for _, tt := range []struct {
		name, say, answer string
		encoding          string
	}{
		{"UTF-8", "\xff\xfd\x2a" + sb(42, "\x02UTF-8"), request, "UTF-8"},
		{"Latin-1", "\xff\xfd\x2a" + sb(42, "\x02ISO-8859-1"), request, "ISO-8859-1"},
		{"an alias, in lower case", "\xff\xfd\x2a" + sb(42, "\x02latin1"), request, "ISO-8859-1"},
		{"rejected", "\xff\xfd\x2a" + sb(42, "\x03"), request, "UTF-8"},
		{"refused", "\xff\xfe\x2a", "", "UTF-8"},
		{"unknown", "\xff\xfd\x2a" + sb(42, "\x02KOI-9"), request, "UTF-8"},
		{"a table", "\xff\xfd\x2a" + sb(42, "\x04\x01whatever"), request + sb(42, "\x05"), "UTF-8"},
		{"the client asks", "\xff\xfe\x2a\xff\xfb\x2a" + sb(42, "\x01;KOI-9;iso-8859-1;UTF-8"), "\xff\xfd\x2a" + sb(42, "\x02iso-8859-1"), "ISO-8859-1"},
		{"the client asks in vain", "\xff\xfe\x2a\xff\xfb\x2a" + sb(42, "\x01 KOI-9"), "\xff\xfd\x2a" + sb(42, "\x03"), "UTF-8"},
		{"an empty request", "\xff\xfe\x2a\xff\xfb\x2a" + sb(42, "\x01") + sb(42, "\x01;"), "\xff\xfd\x2a" + sb(42, "\x03") + sb(42, "\x03"), "UTF-8"},
		{"both ask", "\xff\xfd\x2a\xff\xfb\x2a" + sb(42, "\x01;ISO-8859-1") + sb(42, "\x02UTF-8"), "\xff\xfd\x2a" + request + sb(42, "\x03"), "UTF-8"},
		{"nonsense", "\xff\xfd\x2a" + sb(42, "") + sb(42, "\x09") + sb(42, "\x02"), request, "UTF-8"},
		{"MTTS without UTF-8", "\xff\xfb\x18" + sb(24, "\x00X") + sb(24, "\x00Y") + sb(24, "\x00MTTS 9"), askTTY + askTTY + askTTY, "US-ASCII"},
		{"MTTS with UTF-8", "\xff\xfb\x18" + sb(24, "\x00X") + sb(24, "\x00Y") + sb(24, "\x00MTTS 13"), askTTY + askTTY + askTTY, "UTF-8"},
		{"NEW-ENVIRON", "\xff\xfb\x27" + sb(39, "\x00\x00CHARSET\x01ISO-8859-1"), "\xff\xfa\x27\x01\xff\xf0", "ISO-8859-1"},
		{"NEW-ENVIRON, changed", "\xff\xfb\x27" + sb(39, "\x00\x00CHARSET\x01ISO-8859-1") + sb(39, "\x02\x00CHARSET\x01UTF-8"), "\xff\xfa\x27\x01\xff\xf0", "UTF-8"},
		{"CHARSET before NEW-ENVIRON", "\xff\xfd\x2a" + sb(42, "\x02UTF-8") + "\xff\xfb\x27" + sb(39, "\x00\x00CHARSET\x01ISO-8859-1"), request + "\xff\xfa\x27\x01\xff\xf0", "UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
				c := g.dial()
				c.read()
				c.send(tt.say)
				// MSSP and others answer nothing here.
				if got := c.read(); !strings.HasPrefix(got, tt.answer) || strings.Contains(strings.TrimPrefix(got, tt.answer), "\xff") {
					t.Errorf("answered with %q, want %q", got, tt.answer)
				}
				time.Sleep(time.Second)
				c.send("create Ada tern-on-a-post\r\noption\r\n")
				g.expect(c, "encoding "+tt.encoding+",")
			})
		})
	}
}

// A line of another encoding is read and written in it; 255 is doubled.
func TestLatin1(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfd\x2a" + sb(42, "\x02ISO-8859-1"))
		c.send("create Ada tern-on-a-post\r\n")
		c.read()
		c.send("caf\xe9\x08\xe9\xff\xff\r\n")
		got := g.expect(c, "caf\xe9\xff\xff")
		if strings.Contains(got, "\xc3") {
			t.Errorf("UTF-8 in %q", got)
		}
		// The player's word goes before all others, and holds at once.
		c.send("option encoding utf-8\r\n")
		c.read()
		c.send("caf\xc3\xa9\r\n")
		g.expect(c, "caf\xc3\xa9")
	})
}

// A line that is not of the encoding is taken as far as it can be read, and the
// log says so once.
func TestGarbledLine(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("")
		c.send("caf\xe9\r\ncaf\xe9\r\n")
		g.expect(c, "caf\uFFFD")
		if n := strings.Count(g.log.String(), "not of the client's encoding"); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
	})
}

func TestNewEnviron(t *testing.T) {
	for _, tt := range []struct{ name, say, want string }{
		{"Mudlet", sb(39, "\x00\x03ANSI\x011\x03UTF-8\x011\x00CHARSET\x01UTF-8\x03CLIENT_NAME\x01Mudlet\x03CLIENT_VERSION\x014.20"), "Client|n: Mudlet 4.20"},
		{"one at a time", sb(39, "\x00\x00CLIENT_NAME\x01TinTin++") + sb(39, "\x00\x00CLIENT_VERSION\x012.02.20"), "Client|n: TinTin++ 2.02.20"},
		{"a screen reader", sb(39, "\x00\x03SCREEN_READER\x011"), "Screen reader|n: yes"},
		{"none", sb(39, "\x00\x03SCREEN_READER\x010"), "Screen reader|n: no"},
		{"later", sb(39, "\x00") + sb(39, "\x02\x03SCREEN_READER\x011"), "Screen reader|n: yes"},
		{"true colour", sb(39, "\x00\x03TRUECOLOR\x011"), "Colours|n: true"},
		{"never who they are", sb(39, "\x00\x00USER\x01root\x00IPADDRESS\x01198.51.100.1"), "from 192.0.2.7:5555"},
		{"escapes", sb(39, "\x00\x00CLIENT_NAME\x01a\x1b[31mb\x02\x01"), "Client|n: a[31mb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
				c := g.settled("\xff\xfb\x27" + tt.say)
				c.send("create Ada tern-on-a-post\r\noption nocolor on\r\nclient\r\n")
				time.Sleep(2 * time.Second)
				g.expect(c, strings.ReplaceAll(tt.want, "|n", ""))
			})
		})
	}
}

func TestGMCP(t *testing.T) {
	const mudlet = `Core.Hello { "client": "Mudlet", "version": "4.18.5" }`
	const supports = `Core.Supports.Set [ "Char 1", "Char.Skills 1", "Room 1" ]`
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfd\xc9" + gmcp(mudlet) + gmcp(supports))
		if got := c.read(); got != "SCREEN\r\n" {
			t.Errorf("a client that says who it is gets %q", got)
		}
		ask := func(say, want string) {
			t.Helper()
			c.send(gmcp(say))
			if want != "" {
				want = gmcp(want)
			}
			if got := c.read(); got != want {
				t.Errorf("%s: got %q, want %q", say, got, want)
			}
		}
		ask(`Core.Ping`, `Core.Ping`)
		ask(`core.ping 120`, `Core.Ping`)
		ask(`Core.KeepAlive`, ``)
		ask(`Char.Value.Get {"name":"servername"}`, `Char.Value.Get {"name":"servername","value":"Mudlark"}`)
		ask(`char.value.get "servername"`, `Char.Value.Get {"name":"servername","value":"Mudlark"}`)
		ask(`Relay ["char_vitals", 1, "a", null]`, `Char.Vitals [1,"a",null]`)
		ask(`Relay [["char_vitals"], {"hp": 0, "name": "\u00ff"}]`, "Char.Vitals {\"hp\":0,\"name\":\"\xc3\xbf\"}")
		ask(`Relay ["room_wrongdir", "ne"]`, `Room.WrongDir "ne"`)
		ask(`Relay ["char_items_list", 1]`, ``) // listed by itself, and this client has not
		ask(`Relay ["char_skills_list", 1]`, `Char.Skills.List 1`)
		ask(`Relay ["comm_channel_text", 1]`, ``)
		ask(`Relay ["client_gui", 1]`, `Client.GUI 1`)
		ask(`Relay ["msdp"]`, `MSDP`)
		ask(`Core.Supports.Add ["Comm 1"]`, ``)
		ask(`Relay ["comm_channel_text", 1]`, `Comm.Channel.Text 1`)
		ask(`Core.Supports.Remove ["Comm"]`, ``)
		ask(`Relay ["comm_channel_text", 1]`, ``)
		// A reload changes nothing of that, and sends nothing.
		if err := g.p.Restart(t.Context(), link.ModeReload, "test"); err != nil {
			t.Fatal(err)
		}
		if got := c.read(); got != "" {
			t.Errorf("a reload sends %q", got)
		}
		ask(`Relay ["char_vitals", 2]`, `Char.Vitals 2`)
		ask(`Relay ["comm_channel_text", 1]`, ``)

		c.send("create Ada tern-on-a-post\r\noption nocolor on\r\nclient\r\n")
		time.Sleep(2 * time.Second)
		got := g.expect(c, "Client: Mudlet 4.18.5", "GMCP packages: char 1, char.skills 1, room 1")
		if strings.Contains(got, "Switch on GMCP") {
			t.Error("a client with GMCP is told to switch it on")
		}
		c.send("quit\r\n")
		got = c.read()
		if bye, text := strings.Index(got, "\xff\xfa\xc9Core.Goodbye \""), strings.LastIndex(got, "\r\n"); bye < 0 || text < bye {
			t.Errorf("the farewell is %q", got)
		}
	})
}

// A client that agreed to nothing is sent nothing but text, and one that lists
// nothing the two packages that all know.
func TestOutOfBandUnasked(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfe\xc9\xff\xfe\x45" + gmcp(`Relay ["char_vitals", 1]`) + msdp("\x01RELAY\x02char_vitals"))
		if got := c.read(); got != "SCREEN\r\n" {
			t.Errorf("got %q", got)
		}
		c = g.settled("\xff\xfd\xc9")
		c.read()
		c.send(gmcp(`Relay ["char_vitals", 1]`) + gmcp(`Relay ["comm_channel_text", 1]`) + gmcp(`Relay ["room_info", 1]`) + gmcp(`Relay ["text", "x"]`))
		if got := c.read(); got != gmcp("Char.Vitals 1")+gmcp("Room.Info 1")+"x\r\n" {
			t.Errorf("got %q", got)
		}
	})
}

// Data that is no JSON is handed over as text; what cannot be meant is counted,
// and a client that goes on sending it is sent away.
func TestGMCPBadData(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfd\xc9")
		c.read()
		c.send(gmcp(`Echo north`) + gmcp(`Echo 12`) + gmcp("") + gmcp(" ") + gmcp(`Echo {bad`))
		g.expect(c, `\"north\"`[1:6], "[12]")
		for range 20 {
			c.send(gmcp(`Echo {bad`))
			time.Sleep(10 * time.Millisecond)
		}
		g.expect(c, "data that makes no sense")
	})
}

func TestMSDP(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfd\x45")
		c.read()
		ask := func(name, say, want string) {
			t.Helper()
			c.send(msdp(say))
			if got := c.read(); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		commands := msdp("\x01COMMANDS\x02\x05\x02LIST\x02REPORT\x02RESET\x02SEND\x02UNREPORT\x06")
		ask("LIST", "\x01LIST\x02COMMANDS", commands)
		ask("in lower case", "\x01list\x02commands", commands)
		ask("SEND", "\x01SEND\x02SERVER_ID", msdp("\x01SERVER_ID\x02Mudlark"))
		ask("SEND of an array", "\x01SEND\x02\x05\x02SERVER_ID\x02ACCOUNT_NAME\x06", msdp("\x01ACCOUNT_NAME\x02")+msdp("\x01SERVER_ID\x02Mudlark"))
		ask("SEND of several", "\x01SEND\x02SERVER_ID\x02NO_SUCH", msdp("\x01SERVER_ID\x02Mudlark"))
		ask("REPORTED", "\x01LIST\x02REPORTED_VARIABLES", msdp("\x01REPORTED_VARIABLES\x02\x05\x06"))
		ask("REPORT", "\x01REPORT\x02ACCOUNT_NAME\x02SERVER_ID", msdp("\x01ACCOUNT_NAME\x02")+msdp("\x01SERVER_ID\x02Mudlark"))
		ask("REPORTED", "\x01LIST\x02REPORTED_VARIABLES", msdp("\x01REPORTED_VARIABLES\x02\x05\x02ACCOUNT_NAME\x02SERVER_ID\x06"))
		time.Sleep(time.Second)
		c.send("create Ada tern-on-a-post\r\n")
		time.Sleep(time.Second)
		g.expect(c, msdp("\x01ACCOUNT_NAME\x02Ada"))
		// A reload goes on with what is reported, and tells nothing that is known.
		if err := g.p.Restart(t.Context(), link.ModeReload, "test"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := c.read(); got != "" {
			t.Errorf("after a reload: %q", got)
		}
		ask("UNREPORT", "\x01UNREPORT\x02SERVER_ID", "")
		ask("REPORTED", "\x01LIST\x02REPORTED_VARIABLES", msdp("\x01REPORTED_VARIABLES\x02\x05\x02ACCOUNT_NAME\x06"))
		ask("RESET", "\x01RESET\x02REPORTED_VARIABLES", "")
		ask("REPORTED", "\x01LIST\x02REPORTED_VARIABLES", msdp("\x01REPORTED_VARIABLES\x02\x05\x06"))
		ask("another message", "\x01RELAY\x02room_info\x02\x03\x01VNUM\x0212\x04", msdp("\x01ROOM_INFO\x02\x03\x01VNUM\x0212\x04"))
	})
}

// With both, each message goes by one of them: variables by MSDP, all else by
// GMCP. With GMCP alone MSDP goes by that.
func TestGMCPAndMSDP(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfd\x45\xff\xfd\xc9" + gmcp(`Core.Supports.Set ["Room 1"]`))
		c.read()
		c.send(msdp("\x01SEND\x02SERVER_ID") + gmcp(`Relay ["room_info", 1]`))
		if got, want := c.read(), msdp("\x01SERVER_ID\x02Mudlark")+gmcp(`Room.Info 1`); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		c = g.settled("\xff\xfd\xc9")
		c.read()
		c.send(gmcp(`MSDP {"SEND":["SERVER_ID","ACCOUNT_NAME"]}`))
		if got, want := c.read(), gmcp(`MSDP {"ACCOUNT_NAME":null,"SERVER_ID":"Mudlark"}`); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestMXP(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.dial()
		c.read()
		c.send("\xff\xfd\x5b")
		if got, want := c.read(), "\xff\xfa\x5b\xff\xf0\x1b[7z"; got != want {
			t.Errorf("DO MXP is answered with %q, want %q", got, want)
		}
	})
}

func TestKeepAlive(t *testing.T) {
	bubbleWith(t, portal.Limits{}, telnetd.Config{KeepAlive: 30 * time.Second}, func(t *testing.T, g *game) {
		c := g.settled("")
		c.read()
		time.Sleep(28 * time.Second)
		c.send("look\r\n") // it is answered: something was sent
		if got := c.read(); strings.Contains(got, "\xff\xf1") {
			t.Errorf("a NOP before its time: %q", got)
		}
		time.Sleep(29 * time.Second)
		if got := c.read(); got != "" {
			t.Errorf("before its time: %q", got)
		}
		time.Sleep(62 * time.Second)
		if got := c.read(); got != "\xff\xf1\xff\xf1\xff\xf1" {
			t.Errorf("in 91 s: %q, want three NOPs", got)
		}
	})
}

// A flood of negotiation is answered within a budget, then ignored, then ended;
// lines are taken all the while.
func TestNegotiationFlood(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("")
		c.read()
		c.send(strings.Repeat("\xff\xfd\x63", 3000))
		c.send("create Ada tern-on-a-post\r\n")
		got := g.expect(c, "Welcome")
		if n := strings.Count(got, "\xff\xfc\x63"); n < 190 || n > 210 {
			t.Errorf("%d of 3000 are answered, want about 200", n)
		}
		time.Sleep(20 * time.Second) // it may negotiate again
		c.send("\xff\xfd\x63\xff\xf6")
		g.expect(c, "\xff\xfc\x63", "[Yes]")
		c.send("option nocolor on\r\nclient\r\n")
		time.Sleep(2 * time.Second)
		g.expect(c, "Ignored: 2800 commands")
		for range 10 {
			c.send(strings.Repeat("\xff\xf6", 1000))
		}
		g.expect(c, "negotiates without end")
		time.Sleep(5 * time.Second)
		if n := len(g.p.Status().Sessions); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// Char.Login: offered where nobody can listen, or where the operator says so.
func TestCharLogin(t *testing.T) {
	const offer = `Char.Login.Default {"type":["password-credentials"]}`
	hello := "\xff\xfd\xc9" + gmcp(`Core.Supports.Set ["Char.Login 1"]`)
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled(hello)
		if got := c.read(); strings.Contains(got, "Char.Login") {
			t.Errorf("offered without TLS: %q", got)
		}
		c.send(gmcp(`Char.Login.Credentials {"account":"Ada","password":"tern-on-a-post"}`))
		g.expect(c, `Char.Login.Result {"message":"Passwords are taken this way over TLS only.`, `"success":false}`)
		if strings.Contains(g.log.String(), "tern-on") {
			t.Error("the password is in the log")
		}
	})
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		g.plain = true
		if err := g.p.Restart(t.Context(), link.ModeReset, "test"); err != nil {
			t.Fatal(err)
		}
		c := g.settled(hello)
		g.expect(c, gmcp(offer), "SCREEN")
		c.send(gmcp(`Char.Login.Credentials {}`))
		if got := c.read(); got != "" {
			t.Errorf("a client without credentials is answered with %q", got)
		}
		c.send("create Ada tern-on-a-post\r\nquit\r\n")
		time.Sleep(5 * time.Second)
		c = g.settled(hello)
		c.read()
		c.send(gmcp(`Char.Login.Credentials {"account":"Ada","password":"wrong"}`))
		g.expect(c, `Char.Login.Result {"message":"That name and password do not fit together.`, `"success":false}`)
		c.send(gmcp(`Char.Login.Credentials {"account":"Ada","password":"tern-on-a-post"}`))
		g.expect(c, `Char.Login.Result {"success":true}`, "Welcome, ")
		if err := g.p.Restart(t.Context(), link.ModeReload, "test"); err != nil {
			t.Fatal(err)
		}
		if got := c.read(); got != "" {
			t.Errorf("a reload sends %q", got)
		}
	})
	// One that lists the package late is told as well.
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		g.plain = true
		if err := g.p.Restart(t.Context(), link.ModeReset, "test"); err != nil {
			t.Fatal(err)
		}
		c := g.settled("\xff\xfd\xc9")
		c.read()
		c.send(gmcp(`Core.Supports.Add ["Char.Login 1"]`))
		if got := c.read(); got != gmcp(offer) {
			t.Errorf("got %q, want %q", got, gmcp(offer))
		}
		c.send(gmcp(`Core.Supports.Add ["Char 1"]`))
		if got := c.read(); got != "" {
			t.Errorf("offered again: %q", got)
		}
	})
}

func TestClientCommand(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		c := g.settled("\xff\xfb\x18" + sb(24, "\x00TINTIN++") + sb(24, "\x00xterm") + sb(24, "\x00MTTS 2349") + "\xff\xfb\x1f\xff\xfa\x1f\x00\x84\x00\x29\xff\xf0" + noMore)
		c.send("create Ada tern-on-a-post\r\noption nocolor on\r\n")
		c.read()
		c.send("client\r\n")
		if got := c.read(); got != "\xff\xfd\x06" {
			t.Fatalf("the mark is asked for with %q", got)
		}
		time.Sleep(34 * time.Millisecond)
		c.send("\xff\xfc\x06")
		g.expect(c, "Client: TINTIN++\r\n", "Connection: telnet, from 192.0.2.7:5555", "Latency: 34.0 ms", "Window: 132 columns, 41 lines",
			"Terminal: xterm", "Colours: true, not used", "Encoding: UTF-8", "Screen reader: no", "Options in force: ttype, naws",
			"You could have more", "Switch on GMCP", "Switch on compression")
		c.send("client 99\r\n")
		time.Sleep(time.Second)
		g.expect(c, "You have no session 99.")
		c.send("client x\r\n")
		g.expect(c, "Usage: client")
		// One that does not answer marks keeps nobody.
		c.send("client\r\n")
		time.Sleep(1100 * time.Millisecond)
		g.expect(c, "Latency: 34.0 ms")
		c.send(fmt.Sprintf("client %d\r\n", g.p.Status().Sessions[0].Number))
		g.expect(c, "Latency: 34.0 ms")
	})
}

// What garbage there is, it harms nobody else.
func TestGarbage(t *testing.T) {
	bubble(t, portal.Limits{}, func(t *testing.T, g *game) {
		hostile := "\xff\xfc\x22\xff\xfa\x22\xff\xf0\xff\xff\xfc\x03\xff\xfc\x18\xff\xfc\x1f\xff\xfc\x27\xff\xfe\x56\xff\xfc\x5b\xff\xfe\x46\xff\xfe\x5d\xff\xfe\xc9"
		c := g.settled(hostile)
		g.expect(c, "SCREEN")
		for o := range 256 {
			c.send(sb(byte(o), "") + sb(byte(o), "\x01") + "\xff\xfa" + string([]byte{byte(o)}) + "\xff\xff")
		}
		c.send("\xff\xf0\xff\xf0\r\n")
		c.read()
		c.send("create Ada tern-on-a-post\r\n")
		g.expect(c, "Welcome")
	})
}
