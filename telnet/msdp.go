package telnet

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Codes within a subnegotiation of MSDP.
const (
	msdpVar        = 1
	msdpVal        = 2
	msdpTableOpen  = 3
	msdpTableClose = 4
	msdpArrayOpen  = 5
	msdpArrayClose = 6
)

// MaxMSDPDepth is how deep tables and arrays may be within each other.
const MaxMSDPDepth = 16

// An MSDPVar is a variable with its values: most have one. A value is a string,
// a []any or a map[string]any of values.
type MSDPVar struct {
	Name   string
	Values []any
}

// ParseMSDP reads a payload of MSDP. Texts are made valid UTF-8. ok is false if
// something of it made no sense; what came before that is returned.
func ParseMSDP(payload []byte) (vars []MSDPVar, ok bool) {
	p := msdpParser{in: payload}
	for len(p.in) > 0 {
		if p.in[0] != msdpVar {
			return vars, false
		}
		p.in = p.in[1:]
		v := MSDPVar{Name: p.text()}
		for len(p.in) > 0 && p.in[0] == msdpVal {
			p.in = p.in[1:]
			value, ok := p.value(MaxMSDPDepth)
			if !ok {
				return vars, false
			}
			v.Values = append(v.Values, value)
		}
		if v.Name == "" {
			return vars, false
		}
		vars = append(vars, v)
	}
	return vars, true
}

type msdpParser struct{ in []byte }

// text takes what comes before the next code.
func (p *msdpParser) text() string {
	n := 0
	for n < len(p.in) && (p.in[n] == 0 || p.in[n] > msdpArrayClose) {
		n++
	}
	s := validUTF8(p.in[:n])
	p.in = p.in[n:]
	return s
}

// value takes a value, and of a table or array all of it.
func (p *msdpParser) value(depth int) (any, bool) {
	if len(p.in) == 0 {
		return "", true
	}
	switch p.in[0] {
	case msdpTableOpen:
		p.in = p.in[1:]
		table := map[string]any{}
		for depth > 0 && len(p.in) > 0 {
			switch p.in[0] {
			case msdpTableClose:
				p.in = p.in[1:]
				return table, true
			case msdpVar:
				p.in = p.in[1:]
				name := p.text()
				if len(p.in) == 0 || p.in[0] != msdpVal {
					table[name] = ""
					continue
				}
				p.in = p.in[1:]
				v, ok := p.value(depth - 1)
				if !ok {
					return nil, false
				}
				table[name] = v
			default:
				return nil, false
			}
		}
		return nil, false
	case msdpArrayOpen:
		p.in = p.in[1:]
		list := []any{}
		for depth > 0 && len(p.in) > 0 {
			switch p.in[0] {
			case msdpArrayClose:
				p.in = p.in[1:]
				return list, true
			case msdpVal:
				p.in = p.in[1:]
				v, ok := p.value(depth - 1)
				if !ok {
					return nil, false
				}
				list = append(list, v)
			default:
				return nil, false
			}
		}
		return nil, false
	}
	return p.text(), true
}

// AppendMSDP appends a subnegotiation with one variable. A value is a string, a
// bool (which becomes 1 or 0), an int64, a float64, a []any or a map[string]any of
// these, or nil, which becomes an empty text; of any other an empty text is sent.
// Characters that have a meaning in MSDP are left out of texts, and what lies
// deeper than MaxMSDPDepth is. Tables are in the order of their keys.
func AppendMSDP(dst []byte, name string, values ...any) []byte {
	dst = append(dst, byte(IAC), byte(SB), byte(MSDP), msdpVar)
	dst = appendMSDPText(dst, name)
	for _, v := range values {
		dst = appendMSDPValue(append(dst, msdpVal), v, MaxMSDPDepth)
	}
	return append(dst, byte(IAC), byte(SE))
}

func appendMSDPValue(dst []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case string:
		return appendMSDPText(dst, v)
	case bool:
		if v {
			return append(dst, '1')
		}
		return append(dst, '0')
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	case []any:
		if depth == 0 {
			return dst
		}
		dst = append(dst, msdpArrayOpen)
		for _, e := range v {
			dst = appendMSDPValue(append(dst, msdpVal), e, depth-1)
		}
		return append(dst, msdpArrayClose)
	case map[string]any:
		if depth == 0 {
			return dst
		}
		dst = append(dst, msdpTableOpen)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			dst = appendMSDPText(append(dst, msdpVar), k)
			dst = appendMSDPValue(append(dst, msdpVal), v[k], depth-1)
		}
		return append(dst, msdpTableClose)
	}
	return dst
}

// appendMSDPText appends a text without the codes: 0 is no code and cuts texts
// short in clients, and 255 is not in UTF-8.
func appendMSDPText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	for i := range len(s) {
		if s[i] > msdpArrayClose {
			dst = append(dst, s[i])
		}
	}
	return dst
}
