package message

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MarshalJSON returns the JSON form of m, or the error of Check.
func (m Message) MarshalJSON() ([]byte, error) { return m.AppendJSON(nil) }

// AppendJSON appends the JSON form of m to dst, without white space. If m does
// not pass Check it returns dst as it was and that error. The output may stand
// in a script: U+2028 and U+2029 are escaped, and so are <, > and &.
func (m Message) AppendJSON(dst []byte) ([]byte, error) {
	size, err := m.measure()
	if err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, size+size/8+16)
	dst = append(dst, '[')
	dst = appendJSONText(dst, m.Name)
	dst = append(dst, ',')
	dst = appendJSONList(dst, m.Args)
	dst = append(dst, ',')
	dst = appendJSONDict(dst, m.Kwargs)
	return append(dst, ']'), nil
}

func appendJSONList(dst []byte, list []any) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONValue(dst, v)
	}
	return append(dst, ']')
}

func appendJSONDict(dst []byte, dict map[string]any) []byte {
	dst = append(dst, '{')
	var few [8]string
	for i, k := range sortedKeys(few[:0], dict) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONText(dst, k)
		dst = append(dst, ':')
		dst = appendJSONValue(dst, dict[k])
	}
	return append(dst, '}')
}

// appendJSONValue is called only with values that measure has passed.
func appendJSONValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendJSONFloat(dst, v)
	case string:
		return appendJSONText(dst, valid(v))
	case []any:
		return appendJSONList(dst, v)
	case map[string]any:
		return appendJSONDict(dst, v)
	}
	return append(dst, "null"...)
}

// appendJSONFloat writes the shortest form that reads back as f. It always has a
// fraction or an exponent, which tell it from an int64.
func appendJSONFloat(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if f == math.Trunc(f) {
		dst = append(dst, ".0"...)
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// appendJSONText writes s, which is UTF-8, as a JSON string.
func appendJSONText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0 // of what is not yet written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == '\u2028' || r == '\u2029' {
				dst = append(dst, s[start:i]...)
				dst = append(dst, '\\', 'u', '2', '0', '2', hexDigits[r&15])
				start = i + n
			}
			i += n
			continue
		}
		if !escaped[c] {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// escaped marks what is not written as it is. RFC 8259, section 7 asks for the
// quotation mark, the reverse solidus and the control characters.
var escaped = func() (t [utf8.RuneSelf]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	for _, c := range `"\<>&` {
		t[c] = true
	}
	return t
}()
