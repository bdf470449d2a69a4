package telnetd

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"mudlark.dev/portal"
	"mudlark.dev/telnet"
)

// msspLine asks for the variables in the form of text.
const msspLine = "MSSP-REQUEST"

// maxMSSP is how often one connection is told the variables.
const maxMSSP = 3

// mssp returns what lists of games are told: what is known here, and under or
// over it what the game says of itself. It is asked for while a crawler waits,
// and does not need the Server.
func (pr *Protocol) mssp(p *portal.Portal) []telnet.MSSPVar {
	st := p.Status()
	players := 0
	for _, s := range st.Sessions {
		if s.Account != "" && !s.Ended {
			players++
		}
	}
	var ports, secure []string
	for _, s := range st.Services {
		_, port, err := net.SplitHostPort(s.Addr)
		switch {
		case err != nil || s.State != portal.StateRunning:
		case strings.HasPrefix(s.Name, Key+":"):
			ports = append(ports, port)
		case strings.HasPrefix(s.Name, Key+"s:"):
			secure = append(secure, port)
		}
	}
	if len(secure) == 0 {
		secure = []string{"0"}
	}
	slices.Reverse(secure)
	slices.Reverse(ports) // the last one is the one to show
	number := func(n int64) []string { return []string{strconv.FormatInt(n, 10)} }
	yes, no := []string{"1"}, []string{"0"}
	charsets := slices.Clone(pr.offers)
	slices.Reverse(charsets)
	has := func(o telnet.Option) []string {
		if pr.uses(o) {
			return yes
		}
		return no
	}
	vars := []telnet.MSSPVar{
		{Name: "NAME", Values: []string{st.Game}},
		{Name: "PLAYERS", Values: number(int64(players))},
		{Name: "UPTIME", Values: number(st.Started.Unix())},
		{Name: "PORT", Values: ports},
		{Name: "CODEBASE", Values: []string{"Mudlark"}},
		{Name: "FAMILY", Values: []string{"Custom"}},
		{Name: "CRAWL DELAY", Values: []string{"-1"}},
		{Name: "ANSI", Values: yes}, {Name: "VT100", Values: yes}, {Name: "UTF-8", Values: yes},
		{Name: "XTERM 256 COLORS", Values: yes}, {Name: "XTERM TRUE COLORS", Values: yes},
		{Name: "CHARSET", Values: charsets},
		{Name: "GMCP", Values: has(telnet.GMCP)}, {Name: "MSDP", Values: has(telnet.MSDP)},
		{Name: "MCCP", Values: has(telnet.MCCP2)}, {Name: "MXP", Values: has(telnet.MXP)},
		{Name: "MSP", Values: no}, {Name: "MCP", Values: no}, {Name: "PUEBLO", Values: no}, {Name: "SSL", Values: secure},
	}
	for _, given := range slices.Sorted(maps.Keys(pr.cfg.MSSP)) {
		name, values := strings.ToUpper(strings.TrimSpace(given)), pr.cfg.MSSP[given]
		if i := slices.IndexFunc(vars, func(v telnet.MSSPVar) bool { return v.Name == name }); i >= 0 {
			vars[i].Values = values
		} else {
			vars = append(vars, telnet.MSSPVar{Name: name, Values: values})
		}
	}
	return vars
}

// tellMSSP answers a crawler, a few times.
func (cl *client) tellMSSP(text bool) {
	if cl.crawls++; cl.crawls > maxMSSP {
		return
	}
	vars := cl.pr.mssp(cl.p)
	if text {
		cl.Write(telnet.AppendMSSPText(nil, vars))
	} else {
		cl.Write(telnet.AppendMSSP(nil, vars))
	}
}
