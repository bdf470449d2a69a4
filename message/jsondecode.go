package message

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// UnmarshalJSON reads the JSON form from data, which must hold it and nothing
// else but white space: an array of a name, a list of arguments and an object of
// keyword arguments, where the last or the last two may be left out. A key that
// appears twice in one object is an error. The error is a *PathError, and m is
// then as it was.
func (m *Message) UnmarshalJSON(data []byte) error {
	d := jsonDecoder{in: data, left: newBudget()}
	var out Message
	if err := d.message(&out); err != nil {
		err.Name = cut(out.Name)
		return err
	}
	*m = out
	return nil
}

// jsonDecoder reads JSON (RFC 8259) into the values of a message, with its
// limits. The decoder of the standard library does not do here: it builds the
// whole tree before it can be asked for a size, and does not see double keys.
type jsonDecoder struct {
	in   []byte
	pos  int
	left budget
}

func (d *jsonDecoder) message(m *Message) *PathError {
	if d.next() != '[' {
		return d.expected("'['")
	}
	d.pos++
	if d.next() != '"' {
		return d.expected("a name")
	}
	name, err := d.text()
	if err != nil {
		return err
	}
	m.Name = name
	if err := checkName(name); err != nil {
		return err
	}
	more, err := d.separator(']')
	if err != nil {
		return err
	}
	if more {
		if more, err = d.args(m); err != nil {
			return err
		}
	} else if err := d.left.size(1); err != nil { // the empty list of the binary form
		return err
	}
	if more {
		if err := d.kwargs(m); err != nil {
			return err
		}
	} else if err := d.left.size(1); err != nil {
		return err
	}
	if d.next(); d.pos < len(d.in) {
		return d.expected("the end of the input")
	}
	return nil
}

// args reads the second part of a message, and whether a third follows.
func (d *jsonDecoder) args(m *Message) (more bool, err *PathError) {
	if d.next() != '[' {
		return false, d.expected("'['").inPart("args")
	}
	list, err := d.list(0)
	if err != nil {
		return false, err.inPart("args")
	}
	if len(list) > 0 {
		m.Args = list
	}
	return d.separator(']')
}

// kwargs reads the third part of a message and the bracket after it.
func (d *jsonDecoder) kwargs(m *Message) *PathError {
	if d.next() != '{' {
		return d.expected("'{'").inPart("kwargs")
	}
	dict, err := d.dict(0)
	if err != nil {
		return err.inPart("kwargs")
	}
	if len(dict) > 0 {
		m.Kwargs = dict
	}
	if d.next() != ']' {
		return d.expected("']'")
	}
	d.pos++
	return nil
}

// next skips white space and returns the byte that follows, or 0 at the end.
func (d *jsonDecoder) next() byte {
	for ; d.pos < len(d.in); d.pos++ {
		switch c := d.in[d.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (d *jsonDecoder) expected(what string) *PathError {
	if d.pos >= len(d.in) {
		return bad(ErrSyntax, "the input ends, expected %s", what)
	}
	r, _ := utf8.DecodeRune(d.in[d.pos:])
	return bad(ErrSyntax, "%q at byte %d, expected %s", r, d.pos, what)
}

// separator reads a comma, after which there is more, or the end bracket.
func (d *jsonDecoder) separator(end byte) (more bool, err *PathError) {
	switch d.next() {
	case ',':
		d.pos++
		return true, nil
	case end:
		d.pos++
		return false, nil
	}
	return false, d.expected("',' or '" + string(end) + "'")
}

// list reads a list from its bracket on. It grows as the values come, each of
// which is paid for first.
func (d *jsonDecoder) list(depth int) ([]any, *PathError) {
	d.pos++
	if err := d.left.open(0, depth); err != nil {
		return nil, err
	}
	list := []any{}
	if d.next() == ']' {
		d.pos++
		return list, nil
	}
	for more := true; more; {
		if err := d.element(len(list)); err != nil {
			return nil, err
		}
		v, err := d.value(depth)
		if err != nil {
			return nil, err.inIndex(len(list))
		}
		list = append(list, v)
		if more, err = d.separator(']'); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// element pays for one more value in a list or map that has n. As the count
// grows, so does the header that it needs in the binary form.
func (d *jsonDecoder) element(n int) *PathError {
	if d.left.values == 0 {
		return bad(ErrTooLarge, "the message has more than %d values", MaxValues)
	}
	d.left.values--
	return d.left.size(headerSize(n+1) - headerSize(n))
}

func (d *jsonDecoder) dict(depth int) (map[string]any, *PathError) {
	d.pos++
	if err := d.left.open(0, depth); err != nil {
		return nil, err
	}
	dict := map[string]any{}
	if d.next() == '}' {
		d.pos++
		return dict, nil
	}
	for more := true; more; {
		if err := d.element(len(dict)); err != nil {
			return nil, err
		}
		if d.next() != '"' {
			return nil, d.expected("a key")
		}
		key, err := d.text()
		if err != nil {
			return nil, err
		}
		if _, twice := dict[key]; twice {
			return nil, bad(ErrSyntax, "the key appears twice").inKey(key)
		}
		if d.next() != ':' {
			return nil, d.expected("':'").inKey(key)
		}
		d.pos++
		v, err := d.value(depth)
		if err != nil {
			return nil, err.inKey(key)
		}
		dict[key] = v
		if more, err = d.separator('}'); err != nil {
			return nil, err
		}
	}
	return dict, nil
}

// value reads a value that stands in a list or map of the given depth.
func (d *jsonDecoder) value(depth int) (any, *PathError) {
	switch c := d.next(); {
	case c == '"':
		return d.text()
	case c == '[':
		return d.list(depth + 1)
	case c == '{':
		return d.dict(depth + 1)
	case c == 'n' && d.word("null"):
		return nil, d.left.size(1)
	case c == 't' && d.word("true"):
		return true, d.left.size(1)
	case c == 'f' && d.word("false"):
		return false, d.left.size(1)
	case c == '-', '0' <= c && c <= '9':
		return d.number()
	}
	return nil, d.expected("a value")
}

func (d *jsonDecoder) word(word string) bool {
	if rest := d.in[d.pos:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return false
	}
	d.pos += len(word)
	return true
}

// number reads a number by the grammar of RFC 8259, section 6.
func (d *jsonDecoder) number() (any, *PathError) {
	start := d.pos
	if d.in[d.pos] == '-' {
		d.pos++
	}
	if d.pos < len(d.in) && d.in[d.pos] == '0' {
		d.pos++ // nothing but a fraction or exponent may follow
	} else if !d.digits() {
		return nil, d.expected("a digit")
	}
	whole := true
	if d.pos < len(d.in) && d.in[d.pos] == '.' {
		whole = false
		d.pos++
		if !d.digits() {
			return nil, d.expected("a digit")
		}
	}
	if d.pos < len(d.in) && d.in[d.pos]|0x20 == 'e' {
		whole = false
		d.pos++
		if d.pos < len(d.in) && (d.in[d.pos] == '+' || d.in[d.pos] == '-') {
			d.pos++
		}
		if !d.digits() {
			return nil, d.expected("a digit")
		}
	}
	literal := d.in[start:d.pos]
	if whole {
		n, err := strconv.ParseInt(string(literal), 10, 64)
		if err != nil {
			return nil, bad(ErrBadType, "the number %s does not fit an int64", cut(string(literal)))
		}
		return n, d.left.size(intSize(n))
	}
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return nil, bad(ErrBadType, "the number %s does not fit a float64", cut(string(literal)))
	}
	return f, d.left.float(f)
}

func (d *jsonDecoder) digits() bool {
	start := d.pos
	for d.pos < len(d.in) && '0' <= d.in[d.pos] && d.in[d.pos] <= '9' {
		d.pos++
	}
	return d.pos > start
}

// text reads a string from its quotation mark on.
func (d *jsonDecoder) text() (string, *PathError) {
	start := d.pos + 1
	for i := start; i < len(d.in); i++ {
		switch c := d.in[i]; {
		case c == '"':
			raw := d.in[start:i]
			if len(raw) > d.left.bytes { // before it is copied
				return "", d.left.size(len(raw))
			}
			d.pos = i + 1
			s := valid(string(raw))
			return s, d.left.text(s)
		case c == '\\':
			return d.escapedText(start, i)
		case c < 0x20:
			d.pos = i
			return "", d.expected("an escape for the control character")
		}
	}
	d.pos = len(d.in)
	return "", d.expected(`'"'`)
}

// escapedText reads a string that begins at start and has its first escape at i.
func (d *jsonDecoder) escapedText(start, i int) (string, *PathError) {
	out := append([]byte(nil), d.in[start:min(i, start+d.left.bytes)]...)
	d.pos = i
	for d.pos < len(d.in) {
		if len(out) > d.left.bytes { // before it grows on
			return "", d.left.size(len(out))
		}
		switch c := d.in[d.pos]; {
		case c == '"':
			d.pos++
			s := valid(string(out))
			return s, d.left.text(s)
		case c == '\\':
			r, ok := d.escape()
			if !ok {
				return "", d.expected(`one of "\/bfnrtu after a backslash, and 4 hexadecimal digits after u`)
			}
			out = utf8.AppendRune(out, r)
		case c < 0x20:
			return "", d.expected("an escape for the control character")
		default:
			out = append(out, c)
			d.pos++
		}
	}
	return "", d.expected(`'"'`)
}

// escape reads an escape of RFC 8259, section 7. Half of a surrogate pair is
// U+FFFD. If it is none, the position stays at the backslash.
func (d *jsonDecoder) escape() (rune, bool) {
	if d.pos+1 >= len(d.in) {
		return 0, false
	}
	c := d.in[d.pos+1]
	if c == 'u' {
		return d.unicodeEscape()
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	for i := range len(from) {
		if from[i] == c {
			d.pos += 2
			return rune(to[i]), true
		}
	}
	return 0, false
}

func (d *jsonDecoder) unicodeEscape() (rune, bool) {
	r, ok := d.hex(d.pos)
	if !ok {
		return 0, false
	}
	d.pos += 6
	if !utf16.IsSurrogate(r) {
		return r, true
	}
	if low, ok := d.hex(d.pos); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			d.pos += 6
			return pair, true
		}
	}
	return utf8.RuneError, true
}

// hex reads the \uXXXX at i without moving.
func (d *jsonDecoder) hex(i int) (rune, bool) {
	if i+6 > len(d.in) || d.in[i] != '\\' || d.in[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range d.in[i+2 : i+6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
