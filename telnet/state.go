package telnet

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrBadState is returned for a state that AppendBinary of this version did not
// write.
var ErrBadState = errors.New("telnet: state cannot be read")

const (
	stateVersion = 1
	maxState     = 1 << 20 // bytes of a line or of output in a state
)

var (
	_ encoding.BinaryAppender    = (*Codec)(nil)
	_ encoding.BinaryMarshaler   = (*Codec)(nil)
	_ encoding.BinaryUnmarshaler = (*Codec)(nil)
)

// AppendBinary appends the whole state but for the Config: options, a line or
// sequence that is half received, and output that was not taken. It never
// fails.
func (c *Codec) AppendBinary(dst []byte) ([]byte, error) {
	var flags byte
	for i, f := range []bool{c.skip, c.cr, c.over} {
		if f {
			flags |= 1 << i
		}
	}
	dst = append(dst, stateVersion, byte(c.state), byte(c.cmd), byte(c.subOpt), flags)
	for _, b := range [][]byte{c.sub, c.line, c.out} {
		dst = binary.AppendUvarint(dst, uint64(len(b)))
		dst = append(dst, b...)
	}
	for _, side := range []*[256]qstate{&c.us, &c.them} {
		n := 0
		for _, q := range side {
			if q != qNo {
				n++
			}
		}
		dst = binary.AppendUvarint(dst, uint64(n))
		for o, q := range side {
			if q != qNo {
				dst = append(dst, byte(o), byte(q))
			}
		}
	}
	return dst, nil
}

// MarshalBinary returns what AppendBinary appends.
func (c *Codec) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary sets the state to one that AppendBinary wrote, and keeps the
// Config. On an error the Codec is as it was.
func (c *Codec) UnmarshalBinary(data []byte) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrBadState, what) }
	if len(data) < 5 || data[0] != stateVersion {
		return bad("another version")
	}
	next := &Codec{cfg: c.cfg, state: state(data[1]), cmd: Command(data[2]), subOpt: Option(data[3])}
	if next.state > lastState || data[4] > 7 {
		return bad("no such place in a sequence")
	}
	next.skip, next.cr, next.over = data[4]&1 != 0, data[4]&2 != 0, data[4]&4 != 0
	data = data[5:]
	for _, p := range []struct {
		to    *[]byte
		limit int
	}{{&next.sub, MaxSubOOB}, {&next.line, maxState}, {&next.out, maxState}} {
		n, k := binary.Uvarint(data)
		if k <= 0 || n > uint64(len(data)-k) || n > uint64(p.limit) {
			return bad("a part is cut short or over its limit")
		}
		*p.to = append([]byte(nil), data[k:k+int(n)]...)
		data = data[k+int(n):]
	}
	for _, side := range []*[256]qstate{&next.us, &next.them} {
		n, k := binary.Uvarint(data)
		if k <= 0 || n > 256 || uint64(len(data)-k) < 2*n {
			return bad("the options are cut short")
		}
		data = data[k:]
		for range n {
			if qstate(data[1]) > lastQ {
				return bad("no such state of an option")
			}
			side[data[0]] = qstate(data[1])
			data = data[2:]
		}
	}
	if len(data) > 0 {
		return bad("bytes are left over")
	}
	if slices.ContainsFunc(next.line, func(b byte) bool { return b < ' ' && b != '\t' || b == 0x7f }) {
		return bad("a line with control characters")
	}
	*c = *next
	return nil
}
