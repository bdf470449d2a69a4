package telnet

import "bytes"

// maxGMCPName is the longest name of a package in bytes.
const maxGMCPName = 96

// ParseGMCP splits a payload of GMCP into the name of its package and message,
// such as "Core.Hello", and its data, which is JSON if the client keeps to the
// rules and nil if there is none. Data is a part of payload. The name is
// printable ASCII of at most 96 bytes; ok is false without one, or with a longer.
func ParseGMCP(payload []byte) (name string, data []byte, ok bool) {
	payload = bytes.TrimSpace(payload)
	head, data, _ := bytes.Cut(payload, []byte(" "))
	if data = bytes.TrimSpace(data); len(data) == 0 {
		data = nil
	}
	if len(head) == 0 || len(head) > maxGMCPName {
		return "", nil, false
	}
	for _, b := range head {
		if b <= ' ' || b >= 0x7f {
			return "", nil, false
		}
	}
	return string(head), data, true
}

// AppendGMCP appends a message of GMCP. Data is JSON in UTF-8 on one line, or
// empty for none.
func AppendGMCP[T string | []byte](dst []byte, name string, data T) []byte {
	dst = append(dst, byte(IAC), byte(SB), byte(GMCP))
	dst = append(dst, name...)
	if len(data) > 0 {
		dst = append(dst, ' ')
		for i := range len(data) {
			switch b := data[i]; {
			case Command(b) == IAC: // never in UTF-8
				dst = append(dst, b, b)
			case b < ' ': // what is JSON has these between its parts at most
			default:
				dst = append(dst, b)
			}
		}
	}
	return append(dst, byte(IAC), byte(SE))
}
