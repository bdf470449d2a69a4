package message

import (
	"errors"
	"slices"

	"github.com/tinylib/msgp/msgp"
)

// AppendBinary appends the binary form of m to dst. If m does not pass Check it
// returns dst as it was and that error.
func (m Message) AppendBinary(dst []byte) ([]byte, error) {
	size, err := m.measure()
	if err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, size)
	dst = msgp.AppendArrayHeader(dst, 3)
	dst = msgp.AppendString(dst, m.Name)
	dst = appendList(dst, m.Args)
	return appendDict(dst, m.Kwargs), nil
}

func appendList(dst []byte, list []any) []byte {
	dst = msgp.AppendArrayHeader(dst, uint32(len(list)))
	for _, v := range list {
		dst = appendValue(dst, v)
	}
	return dst
}

func appendDict(dst []byte, dict map[string]any) []byte {
	dst = msgp.AppendMapHeader(dst, uint32(len(dict)))
	var few [8]string // most maps are small: their keys are sorted on the stack
	for _, k := range sortedKeys(few[:0], dict) {
		dst = msgp.AppendString(dst, k)
		dst = appendValue(dst, dict[k])
	}
	return dst
}

func sortedKeys(keys []string, dict map[string]any) []string {
	for k := range dict {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// appendValue is called only with values that measure has passed.
func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return msgp.AppendBool(dst, v)
	case int64:
		return msgp.AppendInt64(dst, v)
	case float64:
		// Always the 64 bit format: a reader then sees the type that was sent,
		// and the size depends on nothing else.
		return msgp.AppendFloat64(dst, v)
	case string:
		return msgp.AppendString(dst, valid(v))
	case []any:
		return appendList(dst, v)
	case map[string]any:
		return appendDict(dst, v)
	}
	return msgp.AppendNil(dst)
}

// DecodeBinary reads one message from the start of data and returns what follows
// it. The message shares no memory with data. A 32 bit float, an unsigned number
// that fits an int64, and a header that is longer than it need be are accepted;
// binary data and extension types are not. The error is a *PathError, and rest
// is then data as it was.
func DecodeBinary(data []byte) (m Message, rest []byte, err error) {
	d := binaryDecoder{in: data, left: newBudget()}
	if perr := d.message(&m); perr != nil {
		perr.Name = cut(m.Name)
		return Message{}, data, perr
	}
	return m, d.in, nil
}

type binaryDecoder struct {
	in   []byte
	left budget
}

func (d *binaryDecoder) message(m *Message) *PathError {
	n, rest, err := msgp.ReadArrayHeaderBytes(d.in)
	if err != nil {
		return d.syntax(err, "an array of 3")
	}
	if n != 3 {
		return bad(ErrSyntax, "an array of %d, expected one of 3", n)
	}
	d.in = rest
	name, perr := d.text("a name")
	if perr != nil {
		return perr
	}
	if perr := checkName(name); perr != nil {
		m.Name = name
		return perr
	}
	m.Name = name
	args, perr := d.list(0)
	if perr != nil {
		return perr.inPart("args")
	}
	if len(args) > 0 {
		m.Args = args
	}
	kwargs, perr := d.dict(0)
	if perr != nil {
		return perr.inPart("kwargs")
	}
	if len(kwargs) > 0 {
		m.Kwargs = kwargs
	}
	return nil
}

// syntax translates an error of the codec. It names what is there only by its
// type: the bytes may be anything.
func (d *binaryDecoder) syntax(err error, want string) *PathError {
	if errors.Is(err, msgp.ErrShortBytes) {
		return bad(ErrSyntax, "the input ends, expected %s", want)
	}
	return bad(ErrSyntax, "type %v, expected %s", msgp.NextType(d.in), want)
}

func (d *binaryDecoder) text(want string) (string, *PathError) {
	// The codec reads this length into an int, which has 32 bits on some
	// machines.
	if len(d.in) > 4 && d.in[0] == 0xdb && d.in[1] >= 0x80 {
		return "", bad(ErrTooLarge, "a text of more than 2 GiB")
	}
	raw, rest, err := msgp.ReadStringZC(d.in)
	if err != nil {
		return "", d.syntax(err, want)
	}
	if len(raw) > d.left.bytes { // before it is copied
		return "", d.left.size(len(raw))
	}
	s := valid(string(raw))
	if err := d.left.text(s); err != nil {
		return "", err
	}
	d.in = rest
	return s, nil
}

// open checks a header of n values that need at least least bytes each. A count
// that the input cannot hold is refused here, before anything is allocated.
func (d *binaryDecoder) open(n uint32, depth, least int) *PathError {
	if int64(n) > int64(len(d.in)/least) {
		return bad(ErrSyntax, "the input ends, expected %d values", n)
	}
	return d.left.open(int(n), depth)
}

func (d *binaryDecoder) list(depth int) ([]any, *PathError) {
	n, rest, err := msgp.ReadArrayHeaderBytes(d.in)
	if err != nil {
		return nil, d.syntax(err, "an array")
	}
	d.in = rest
	if err := d.open(n, depth, 1); err != nil {
		return nil, err
	}
	list := make([]any, n)
	for i := range list {
		v, err := d.value(depth)
		if err != nil {
			return nil, err.inIndex(i)
		}
		list[i] = v
	}
	return list, nil
}

func (d *binaryDecoder) dict(depth int) (map[string]any, *PathError) {
	n, rest, err := msgp.ReadMapHeaderBytes(d.in)
	if err != nil {
		return nil, d.syntax(err, "a map")
	}
	d.in = rest
	if err := d.open(n, depth, 2); err != nil {
		return nil, err
	}
	dict := make(map[string]any, n)
	for range n {
		key, err := d.text("a text key")
		if err != nil {
			return nil, err
		}
		if _, twice := dict[key]; twice {
			return nil, bad(ErrSyntax, "the key appears twice").inKey(key)
		}
		v, err := d.value(depth)
		if err != nil {
			return nil, err.inKey(key)
		}
		dict[key] = v
	}
	return dict, nil
}

// value reads a value that stands in a list or map of the given depth.
func (d *binaryDecoder) value(depth int) (any, *PathError) {
	switch t := msgp.NextType(d.in); t {
	case msgp.NilType:
		d.in = d.in[1:]
		return nil, d.left.size(1)
	case msgp.BoolType:
		v, rest, err := msgp.ReadBoolBytes(d.in)
		if err != nil {
			return nil, d.syntax(err, "a bool")
		}
		d.in = rest
		return v, d.left.size(1)
	case msgp.IntType, msgp.UintType:
		v, rest, err := msgp.ReadInt64Bytes(d.in)
		var over msgp.UintOverflow
		if errors.As(err, &over) {
			return nil, bad(ErrBadType, "the number %d does not fit an int64", over.Value)
		}
		if err != nil {
			return nil, d.syntax(err, "a number")
		}
		d.in = rest
		return v, d.left.size(intSize(v))
	case msgp.Float32Type, msgp.Float64Type:
		v, rest, err := msgp.ReadFloat64Bytes(d.in)
		if err != nil {
			return nil, d.syntax(err, "a number")
		}
		d.in = rest
		return v, d.left.float(v)
	case msgp.StrType:
		return d.text("a text")
	case msgp.ArrayType:
		return d.list(depth + 1)
	case msgp.MapType:
		return d.dict(depth + 1)
	case msgp.InvalidType:
		if len(d.in) == 0 {
			return nil, bad(ErrSyntax, "the input ends, expected a value")
		}
		return nil, bad(ErrSyntax, "the byte %#x begins no value", d.in[0])
	default:
		return nil, bad(ErrBadType, "a MessagePack %v cannot be sent", t)
	}
}
