package telnetd

import (
	"strconv"
	"strings"
	"unique"

	"mudlark.dev/charset"
	"mudlark.dev/session"
	"mudlark.dev/telnet"
)

// facts is what a client has said of itself, by whichever option. Where two
// disagree, the order in describe counts.
type facts struct {
	tty telnet.TermTypes

	charset    string // agreed to by CHARSET
	envCharset string // told by NEW-ENVIRON
	envClient  string
	envVersion string
	envTerm    string
	envMTTS    int
	envColors  session.Colors
	wraps      bool     // lines, by its own word
	osc8       [3]bool  // links by OSC 8, with commands to send, and to be typed on
	reader     tristate // told by NEW-ENVIRON whether a screen reader is in use
	hello      string   // the client of Core.Hello
	helloVer   string
}

// said returns what the client has said, to be added to; cl.mu is held.
func (cl *client) said() *facts {
	if cl.facts == nil {
		f := cl.told.Value()
		cl.facts = &f
	}
	return cl.facts
}

// shareFacts has what the client has said take no memory of its own where others
// have said the same; cl.mu is held.
func (cl *client) shareFacts() {
	if cl.facts != nil {
		cl.told, cl.facts = unique.Make(*cl.facts), nil
	}
}

// share has f's texts share their memory with those of other clients.
func (pr *Protocol) share(f *facts) {
	pr.namesMu.Lock()
	defer pr.namesMu.Unlock()
	pr.names.Share(&f.tty.Client, &f.tty.Terminal, &f.charset, &f.envCharset, &f.envClient, &f.envVersion, &f.envTerm, &f.hello, &f.helloVer)
}

// A tristate is a word that may be missing.
type tristate int8

const (
	unsaid tristate = iota
	saidNo
	saidYes
)

func said(value string) tristate {
	if value == "" || value == "0" {
		return saidNo
	}
	return saidYes
}

// environ takes variables of NEW-ENVIRON: those of MNES, and those by which
// Mudlet tells what it can do. Where the client connects from it may say, and is
// not believed: there is the PROXY protocol for that.
func (f *facts) environ(vars []telnet.EnvironVar) {
	for _, v := range vars {
		value := printable(v.Value)
		switch strings.ToUpper(v.Name) {
		case "CHARSET":
			f.envCharset = charsetName(value)
		case "CLIENT_NAME":
			f.envClient = value
		case "CLIENT_VERSION":
			f.envVersion = value
		case "TERMINAL_TYPE":
			f.envTerm = value
		case "MTTS":
			n, _ := strconv.ParseUint(value, 10, 31)
			f.envMTTS = int(n)
		case "SCREEN_READER":
			f.reader = said(value)
		case "ANSI":
			f.color(value, session.Colors16)
		case "256_COLORS":
			f.color(value, session.Colors256)
		case "TRUECOLOR":
			f.color(value, session.ColorsTrue)
		case "WORD_WRAP":
			f.wraps = said(value) == saidYes
		case "OSC_HYPERLINKS":
			f.osc8[0] = said(value) == saidYes
		case "OSC_HYPERLINKS_SEND":
			f.osc8[1] = said(value) == saidYes
		case "OSC_HYPERLINKS_PROMPT":
			f.osc8[2] = said(value) == saidYes
		case "UTF-8":
			if f.envCharset == "" && said(value) == saidYes {
				f.envCharset = "UTF-8"
			}
		}
	}
}

func (f *facts) color(value string, c session.Colors) {
	if said(value) == saidYes {
		f.envColors = max(f.envColors, c)
	}
}

// charsetName returns the name under which package charset knows an encoding, or ""
// if it does not.
func charsetName(name string) string {
	cs, err := charset.Lookup(name)
	if err != nil {
		return ""
	}
	return cs.Name()
}

// printable returns what a client has said as a line of at most 64 bytes.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	for len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "")
	}
	return strings.TrimSpace(s)
}

// mtts returns the MTTS bits, by whichever option they came.
func (f *facts) mtts() int {
	if f.tty.MTTS != 0 {
		return f.tty.MTTS
	}
	return f.envMTTS
}

// describe puts what follows into i. fallback is the encoding of clients that
// say nothing.
func (f *facts) describe(i *session.Info, fallback string) {
	i.Client, i.Version = firstOf(f.hello, f.envClient, f.tty.Client), firstOf(f.helloVer, f.envVersion)
	if i.Version == "" {
		i.Client, i.Version = splitVersion(i.Client)
	}
	i.Terminal = firstOf(f.tty.Terminal, f.envTerm, f.tty.Client)
	mtts := f.mtts()
	i.ScreenReader = f.reader == saidYes || f.reader == unsaid && mtts&telnet.MTTSScreenReader != 0

	colors := f.envColors
	switch n := f.tty.Colors(); {
	case n >= 1<<24 || mtts&telnet.MTTSTrueColor != 0:
		colors = session.ColorsTrue
	case n >= 256 || mtts&telnet.MTTS256Colors != 0:
		colors = max(colors, session.Colors256)
	case colors == session.NoColors && !f.tty.Dumb():
		colors = session.Colors16 // nearly every client can, whatever it says
	}
	i.Colors = colors

	// Programs that were made for games break lines where words end; what was made
	// for terminals breaks them anywhere.
	i.Wraps = mtts != 0 || i.GMCP || i.MSDP || f.wraps

	switch {
	case f.osc8 == [3]bool{true, true, true}:
		i.Links = session.LinksOSC8
	case i.Flags&flagMXP != 0:
		i.Links = session.LinksMXP
	case mtts&telnet.MTTSMSLP != 0:
		i.Links = session.LinksMSLP
	default:
		i.Links = session.NoLinks
	}

	// What was agreed to counts most, then the client's own word. The bit of
	// MTTS is there or not: without it the client says that it cannot show
	// UTF-8, so it gets the least that everybody reads, unless the game has an
	// encoding of its own.
	switch {
	case f.charset != "":
		i.Encoding = f.charset
	case f.envCharset != "":
		i.Encoding = f.envCharset
	case mtts&telnet.MTTSUTF8 != 0:
		i.Encoding = "UTF-8"
	case mtts != 0 && fallback == "UTF-8":
		i.Encoding = "US-ASCII"
	default:
		i.Encoding = fallback
	}
	if i.Encoding == "UTF-8" {
		i.Encoding = ""
	}
}

// splitVersion takes the version off a client's name, as in "BLIGHTMUD/5.3.1" or
// "Mudlet 4.18": it begins with a digit.
func splitVersion(name string) (client, version string) {
	if i := strings.LastIndexAny(name, " /-"); i > 0 && i+1 < len(name) && name[i+1] >= '0' && name[i+1] <= '9' &&
		!strings.HasSuffix(strings.ToUpper(name), "COLOR") {
		return name[:i], name[i+1:]
	}
	return name, ""
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
