package clientbots

// Options and commands, as far as clients know them.
const (
	se, nop, ip, ayt, ga    = 240, 241, 244, 246, 249
	sb, will, wont, do, dnt = 250, 251, 252, 253, 254
	iac, eor                = 255, 239

	optEcho, optSGA, optTM, optTTYPE, optEOR, optNAWS = 1, 3, 6, 24, 25, 31
	optEnviron, optCharset, optMSDP, optMSSP          = 39, 42, 69, 70
	optMCCP2, optMCCP3, optMXP, optGMCP               = 86, 87, 91, 201
)

// A Profile is how a client negotiates.
type Profile struct {
	Name   string
	First  string // what it sends before it has read anything
	Do     string // options that it performs when it is asked to
	Will   string // options that it lets the server perform
	Silent bool   // on what it does not know it says nothing, instead of a refusal
	Mute   bool   // it answers nothing at all
	NoWont bool   // it does not confirm WONT and DONT
	Once   bool   // it answers each option once, whatever comes later

	TTYPE    []string // answers to TERMINAL-TYPE SEND; the last one repeats
	Environ  string   // its answer to NEW-ENVIRON SEND
	Charsets []string // that it accepts
	Width    int
	Height   int
	GMCP     []string // what it sends as soon as GMCP is on
	MSDP     string   // what it sends as soon as MSDP is on
	Latin1   bool     // it writes and shows ISO-8859-1 once that was agreed to
}

const mudletSupports = `Core.Supports.Set [ "Char 1", "Char.Skills 1", "Char.Items 1", "Room 1", "IRE.Rift 1", "IRE.Composer 1", "External.Discord 1", "Client.Media 1", "Char.Login 1"]`

// Mudlet is Mudlet 4 as it is installed.
func Mudlet() Profile {
	return Profile{
		Name: "Mudlet",
		Do:   "\x18\x1f\x27\x2a", Will: "\x2a\x56\x46\xc9\x5b\x19\x01\x5a\x66",
		TTYPE:    []string{"MUDLET", "ANSI-TRUECOLOR", "MTTS 2349"},
		Environ:  "\x00\x03ANSI\x011\x03UTF-8\x011\x03TRUECOLOR\x011\x03SCREEN_READER\x010\x00CLIENT_NAME\x01Mudlet\x00CLIENT_VERSION\x014.18.5",
		Charsets: []string{"UTF-8"}, Width: 100, Height: 40,
		GMCP: []string{`Core.Hello { "client": "Mudlet", "version": "4.18.5" }`, mudletSupports},
	}
}

// ScreenReader is Mudlet as somebody uses it who listens.
func ScreenReader() Profile {
	p := Mudlet()
	p.Name = "Mudlet, listened to"
	p.TTYPE = []string{"MUDLET", "ANSI-TRUECOLOR", "MTTS 2413"}
	p.Environ = "\x00\x03ANSI\x011\x03UTF-8\x011\x03SCREEN_READER\x011\x00CLIENT_NAME\x01Mudlet\x00CLIENT_VERSION\x014.18.5"
	return p
}

// TinTin is TinTin++ 2, which compresses both ways and leaves messages beside
// text to scripts.
func TinTin() Profile {
	return Profile{
		Name: "TinTin++", NoWont: true,
		Do: "\x18\x1f\x27\x2a", Will: "\x2a\x56\x57\x19\x03\x01",
		TTYPE:    []string{"TINTIN++", "xterm-256color", "MTTS 2349"},
		Environ:  "\x00\x00CHARSET\x01UTF-8\x00CLIENT_NAME\x01TinTin++\x00CLIENT_VERSION\x012.02.20\x00MTTS\x012349\x00TERMINAL_TYPE\x01xterm-256color",
		Charsets: []string{"UTF-8"}, Width: 80, Height: 24,
	}
}

// TinTinScripted is TinTin++ with a script that agrees to GMCP and MSDP.
func TinTinScripted() Profile {
	p := TinTin()
	p.Name = "TinTin++, scripted"
	p.Will += "\xc9\x45"
	p.GMCP = []string{`Core.Hello {"client":"TinTin++","version":"2.02"}`, `Core.Supports.Set ["Core 1","Char 1","Room 1"]`}
	p.MSDP = "\x01LIST\x02COMMANDS"
	return p
}

// MUSHclient is MUSHclient 5, which answers each option once.
func MUSHclient() Profile {
	return Profile{
		Name: "MUSHclient", Once: true,
		Do: "\x18\x1f\x2a", Will: "\x2a\x56\x5b\x03\x01\x66",
		TTYPE:    []string{"MUSHCLIENT", "ANSI", "MTTS 265"},
		Charsets: []string{"ISO-8859-1", "US-ASCII"}, Width: 80, Height: 24, Latin1: true,
	}
}

// Blightmud is Blightmud 5.
func Blightmud() Profile {
	return Profile{
		Name: "Blightmud",
		Do:   "\x18\x1f\x2a", Will: "\x2a\x56\x46\xc9\x45\x19\x01",
		TTYPE:    []string{"BLIGHTMUD/5.3.1", "XTERM-TRUECOLOR", "MTTS 271"},
		Charsets: []string{"UTF-8", "ASCII", "US-ASCII"}, Width: 120, Height: 50,
		GMCP: []string{`Core.Hello {"client":"Blightmud","version":"5.3.1"}`, `Core.Supports.Set ["Char 1","Room 1"]`},
		MSDP: "\x01LIST\x02COMMANDS",
	}
}

// Mudpuppy is silent on what it does not know, and asks for the wrong direction.
func Mudpuppy() Profile {
	return Profile{
		Name: "Mudpuppy", Silent: true, First: "\xff\xfd\x1f\xff\xfd\x2a",
		Do: "\x1f\x2a", Will: "\x2a\xc9\x19\x01",
		Charsets: []string{"UTF-8"}, Width: 90, Height: 30,
		GMCP: []string{`Core.Hello {"client":"mudpuppy","version":"0.1.0"}`},
	}
}

// Netcat answers nothing.
func Netcat() Profile { return Profile{Name: "netcat", Mute: true} }

// PuTTY talks first, of options too that nobody asked for.
func PuTTY() Profile {
	return Profile{
		Name:  "PuTTY",
		First: "\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x18\xff\xfb\x27\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03",
		Do:    "\x18\x1f\x27\x03", Will: "\x01\x03",
		TTYPE:   []string{"xterm-256color"},
		Environ: "\x00\x00USER\x01root", Width: 80, Height: 24,
	}
}

// All returns all profiles.
func All() []Profile {
	return []Profile{Mudlet(), ScreenReader(), TinTin(), TinTinScripted(), MUSHclient(), Blightmud(), Mudpuppy(), Netcat(), PuTTY()}
}
