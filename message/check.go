package message

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Check reports whether m can be encoded: its name, the types of its values and
// the limits. The error is a *PathError. What one of the decoders returned passes.
func (m Message) Check() error {
	_, err := m.measure()
	return err
}

// measure checks m and returns the size of its binary form.
func (m Message) measure() (size int, err error) {
	if perr := m.walk(&size); perr != nil {
		perr.Name = cut(m.Name)
		return 0, perr
	}
	return size, nil
}

func (m Message) walk(size *int) *PathError {
	if err := checkName(m.Name); err != nil {
		return err
	}
	b := newBudget()
	if err := b.text(m.Name); err != nil {
		return err
	}
	if err := b.list(m.Args, 0); err != nil {
		return err.inPart("args")
	}
	if err := b.dict(m.Kwargs, 0); err != nil {
		return err.inPart("kwargs")
	}
	*size = MaxBytes - b.bytes
	return nil
}

func checkName(name string) *PathError {
	switch {
	case name == "":
		return bad(ErrBadName, "a name may not be empty")
	case len(name) > MaxName:
		return bad(ErrBadName, "the name has %d bytes, the limit is %d", len(name), MaxName)
	}
	for i, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '.', r == '-':
		default:
			return bad(ErrBadName, "%q at byte %d of the name; allowed are letters a to z, digits, '_', '.' and '-'", r, i)
		}
	}
	return nil
}

// bad returns a PathError without a name or path, which callers add.
func bad(err error, format string, a ...any) *PathError {
	return &PathError{Reason: fmt.Sprintf(format, a...), Err: err}
}

// A budget is what is left of the limits while a message is walked or decoded.
// Sizes are those of the binary form.
type budget struct {
	bytes  int
	values int
}

// newBudget returns the budget of one message, less the header of the array of
// three that it is.
func newBudget() budget { return budget{bytes: MaxBytes - 1, values: MaxValues} }

// size takes n bytes.
func (b *budget) size(n int) *PathError {
	if n > b.bytes {
		return bad(ErrTooLarge, "the message has more than %d bytes", MaxBytes)
	}
	b.bytes -= n
	return nil
}

// open takes the header of a list or map of n values, and the values.
// Elements of what is opened at level 0, which is Args or Kwargs, have level 1.
func (b *budget) open(n, depth int) *PathError {
	if depth > MaxDepth {
		return bad(ErrTooDeep, "lists and maps nested deeper than %d", MaxDepth)
	}
	if n > b.values {
		return bad(ErrTooLarge, "the message has more than %d values", MaxValues)
	}
	b.values -= n
	return b.size(headerSize(n))
}

// text takes a string.
func (b *budget) text(s string) *PathError {
	n := len(s)
	if !utf8.ValidString(s) {
		n = len(valid(s))
	}
	return b.size(textHeaderSize(n) + n)
}

// key takes the key of a map.
func (b *budget) key(s string) *PathError {
	if !utf8.ValidString(s) {
		return bad(ErrBadName, "the key is not UTF-8")
	}
	return b.size(textHeaderSize(len(s)) + len(s))
}

// float takes a float64.
func (b *budget) float(f float64) *PathError {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		// Not in JSON: RFC 8259, section 6.
		return bad(ErrBadType, "the number %v cannot be sent", f)
	}
	return b.size(9)
}

func (b *budget) list(list []any, depth int) *PathError {
	if err := b.open(len(list), depth); err != nil {
		return err
	}
	for i, v := range list {
		if err := b.value(v, depth); err != nil {
			return err.inIndex(i)
		}
	}
	return nil
}

func (b *budget) dict(dict map[string]any, depth int) *PathError {
	if err := b.open(len(dict), depth); err != nil {
		return err
	}
	for k, v := range dict {
		err := b.key(k)
		if err == nil {
			err = b.value(v, depth)
		}
		if err != nil {
			return err.inKey(k)
		}
	}
	return nil
}

// value takes one value that stands in a list or map of the given depth.
func (b *budget) value(v any, depth int) *PathError {
	switch v := v.(type) {
	case nil, bool:
		return b.size(1)
	case int64:
		return b.size(intSize(v))
	case float64:
		return b.float(v)
	case string:
		return b.text(v)
	case []any:
		return b.list(v, depth+1)
	case map[string]any:
		return b.dict(v, depth+1)
	case uint:
		return badUint(v, uint64(v))
	case uint64:
		return badUint(v, v)
	case int, int8, int16, int32:
		// Only a Message that was not made by New and With holds these.
		return bad(ErrBadType, "an %T cannot be sent as it is: use int64, or New and With, which convert", v)
	}
	return bad(ErrBadType, "a %T cannot be sent", v)
}

func badUint(v any, n uint64) *PathError {
	if n > math.MaxInt64 {
		return bad(ErrBadType, "the %T %d does not fit an int64", v, n)
	}
	return bad(ErrBadType, "a %T cannot be sent as it is: use int64, or New and With, which convert", v)
}

// Sizes of headers and numbers in the MessagePack format.

func headerSize(n int) int {
	switch {
	case n <= 15:
		return 1
	case n <= math.MaxUint16:
		return 3
	}
	return 5
}

func textHeaderSize(n int) int {
	switch {
	case n <= 31:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	}
	return 5
}

// intSize follows the encoder, which writes positive numbers in the signed
// formats and so has none of two bytes for them.
func intSize(n int64) int {
	switch {
	case -32 <= n && n <= math.MaxInt8:
		return 1
	case math.MinInt8 <= n && n < 0:
		return 2
	case math.MinInt16 <= n && n <= math.MaxInt16:
		return 3
	case math.MinInt32 <= n && n <= math.MaxInt32:
		return 5
	}
	return 9
}

// valid replaces what is not UTF-8 in s.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
