package telnet

import (
	"strings"
)

// An MSSPVar is one variable of the MUD Server Status Protocol, by which lists of
// games learn of one: a name in capitals, such as "PLAYERS", and its values, the
// most important one last.
type MSSPVar struct {
	Name   string
	Values []string
}

// Codes within a subnegotiation of MSSP.
const (
	msspVar = 1
	msspVal = 2
)

// AppendMSSP appends the subnegotiation that tells the variables. Characters that
// would end a value, and line ends, are left out of names and values; a variable
// without a name or value is left out.
func AppendMSSP(dst []byte, vars []MSSPVar) []byte {
	var payload []byte
	for _, v := range vars {
		name := msspText(v.Name)
		if name == "" || len(v.Values) == 0 {
			continue
		}
		payload = append(append(payload, msspVar), name...)
		for _, value := range v.Values {
			payload = append(append(payload, msspVal), msspText(value)...)
		}
	}
	return AppendSub(dst, MSSP, payload)
}

// AppendMSSPText appends the variables in the form of text that a crawler asks for
// by the line "MSSP-REQUEST": a line for each, with tabs between its values.
func AppendMSSPText(dst []byte, vars []MSSPVar) []byte {
	dst = append(dst, "\r\nMSSP-REPLY-START\r\n"...)
	for _, v := range vars {
		name := msspText(v.Name)
		if name == "" || len(v.Values) == 0 {
			continue
		}
		dst = AppendText(dst, name)
		for _, value := range v.Values {
			dst = AppendText(append(dst, '\t'), strings.ReplaceAll(msspText(value), "\t", " "))
		}
		dst = append(dst, '\r', '\n')
	}
	return append(dst, "MSSP-REPLY-END\r\n"...)
}

// msspText takes out of a text what has a meaning of its own around it.
func msspText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
