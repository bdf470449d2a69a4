package telnet

import "strings"

// Codes within a subnegotiation of CHARSET: RFC 2066.
const (
	charsetRequest        = 1
	charsetAccepted       = 2
	charsetRejected       = 3
	charsetTTableIs       = 4
	charsetTTableRejected = 5
)

// maxCharsets is how many names of a request are looked at.
const maxCharsets = 64

// A CharsetKind says what a message of CHARSET is.
type CharsetKind byte

// The kinds of messages.
const (
	CharsetRequest  CharsetKind = charsetRequest  // Names may be used
	CharsetAccepted CharsetKind = charsetAccepted // Names has the one that was chosen
	CharsetRejected CharsetKind = charsetRejected // none of those that were offered
	CharsetTTable   CharsetKind = charsetTTableIs // a translation table, which is to be refused
)

// AppendCharsetRequest appends the offer of these character sets, the preferred
// one first, by their IANA names. There must be one at least, and none may have a
// semicolon in it. RFC 2066, REQUEST.
func AppendCharsetRequest(dst []byte, names ...string) []byte {
	return AppendSub(dst, Charset, []byte(string(rune(charsetRequest))+";"+strings.Join(names, ";")))
}

// AppendCharsetAccepted appends the agreement to one of those that the peer has
// offered, by the name that it gave.
func AppendCharsetAccepted(dst []byte, name string) []byte {
	return AppendSub(dst, Charset, append([]byte{charsetAccepted}, name...))
}

// AppendCharsetRejected appends the refusal of all that the peer has offered.
func AppendCharsetRejected(dst []byte) []byte {
	return AppendSub(dst, Charset, []byte{charsetRejected})
}

// AppendCharsetTTableRejected appends the refusal of a translation table.
func AppendCharsetTTableRejected(dst []byte) []byte {
	return AppendSub(dst, Charset, []byte{charsetTTableRejected})
}

// ParseCharset reads a message of CHARSET; ok is false for a payload that is
// none. Names are printable ASCII of at most 64 bytes.
func ParseCharset(payload []byte) (kind CharsetKind, names []string, ok bool) {
	if len(payload) == 0 {
		return 0, nil, false
	}
	kind, rest := CharsetKind(payload[0]), payload[1:]
	switch kind {
	case CharsetRequest:
		// "[TTABLE]" and a version say that tables would be welcome.
		if table, ok := strings.CutPrefix(string(rest), "[TTABLE]"); ok && len(table) > 0 {
			rest = []byte(table[1:])
		}
		if len(rest) < 2 {
			return kind, nil, false
		}
		for name := range strings.SplitSeq(string(rest[1:]), string(rest[:1])) {
			if name = clean([]byte(name)); name != "" && len(names) < maxCharsets {
				names = append(names, name)
			}
		}
		return kind, names, len(names) > 0
	case CharsetAccepted:
		name := clean(rest)
		return kind, []string{name}, name != ""
	case CharsetRejected, CharsetTTable:
		return kind, nil, true
	}
	return kind, nil, false
}
