package telnetd

import (
	"fmt"
	"strings"

	"mudlark.dev/telnet"
)

// A known is an option that can be switched.
type known struct {
	name    string
	option  telnet.Option
	side    telnet.Side
	offered bool // at the beginning of a connection; else it is agreed to if the client asks
	off     bool // unless it is switched on
}

// all has the options in the order in which they are offered: the terminal type
// before compression, since there are clients that mistake its answers else, and
// the encoding before there is much text.
var all = []known{
	{name: "ttype", option: telnet.TermType, side: telnet.Them, offered: true},
	{name: "naws", option: telnet.NAWS, side: telnet.Them, offered: true},
	{name: "new-environ", option: telnet.NewEnviron, side: telnet.Them, offered: true},
	{name: "charset", option: telnet.Charset, side: telnet.Us, offered: true},
	{name: "mccp2", option: telnet.MCCP2, side: telnet.Us, offered: true},
	{name: "mccp3", option: telnet.MCCP3, side: telnet.Us, offered: true, off: true},
	{name: "mssp", option: telnet.MSSP, side: telnet.Us, offered: true},
	{name: "gmcp", option: telnet.GMCP, side: telnet.Us, offered: true},
	{name: "msdp", option: telnet.MSDP, side: telnet.Us, offered: true},
	{name: "mxp", option: telnet.MXP, side: telnet.Us, offered: true},
	{name: "eor", option: telnet.EndRecord, side: telnet.Us, offered: true},
	{name: "sga", option: telnet.SGA, side: telnet.Us},
}

// Options returns the names of the options that can be switched, in the order in
// which they are offered. ECHO, around passwords, and TIMING-MARK cannot be.
func Options() []string {
	names := make([]string, len(all))
	for i, k := range all {
		names[i] = k.name
	}
	return names
}

// charsetWord begins the word that names an encoding among those of options.
const charsetWord = "charset="

// used returns which options of all are used, after the words were applied.
func used(words []string) ([]bool, error) {
	on := make([]bool, len(all))
	for i, k := range all {
		on[i] = !k.off
	}
	for _, word := range words {
		if strings.HasPrefix(word, charsetWord) {
			continue
		}
		name, off := strings.CutPrefix(word, "-")
		if !off {
			name = strings.TrimPrefix(name, "+")
		}
		found := false
		for i, k := range all {
			if strings.EqualFold(name, k.name) {
				on[i], found = !off, true
			}
		}
		if !found {
			return nil, fmt.Errorf("telnetd: there is no option %q to switch; there are %s", word, strings.Join(Options(), ", "))
		}
	}
	return on, nil
}

// policies returns the codec's policies: those of a server, without what is not
// used.
func policies(on []bool) map[telnet.Option]telnet.Policy {
	m := telnet.ServerOptions()
	for i, k := range all {
		if !on[i] {
			delete(m, k.option)
		}
	}
	return m
}

// uses reports whether an option is used.
func (pr *Protocol) uses(o telnet.Option) bool {
	for i, k := range all {
		if k.option == o {
			return pr.on[i]
		}
	}
	return true
}
