package telnet

import (
	"cmp"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrBadState is returned for a state that AppendBinary of this version did not
// write. Nothing is known of the connection then: close it.
var ErrBadState = errors.New("telnet: state cannot be read")

// ErrInflating is returned for the state of a Codec whose input is compressed.
// Disable MCCP3 on our side, and try again when Inflation has told of its end.
var ErrInflating = errors.New("telnet: the input is compressed")

// stateVersion is the first byte of a state. Another one goes with any change of
// what follows it.
const stateVersion = 1

var (
	_ encoding.BinaryAppender    = (*Codec)(nil)
	_ encoding.BinaryMarshaler   = (*Codec)(nil)
	_ encoding.BinaryUnmarshaler = (*Codec)(nil)
)

// AppendBinary appends the whole state but for the Config: options, a line or
// sequence that is half received, and output that was not taken. What is half
// typed is in it in the clear, so it may hold part of a password. The only error
// is ErrInflating: what decompresses the input has no form to be written down.
func (c *Codec) AppendBinary(dst []byte) ([]byte, error) {
	if c.inflater != nil || c.broken {
		return dst, ErrInflating
	}
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
	opts := slices.SortedFunc(slices.Values(c.opts), func(a, b optionState) int { return cmp.Compare(a.option, b.option) })
	for _, side := range []Side{Us, Them} {
		n := 0
		for _, e := range opts {
			if e.side == side {
				n++
			}
		}
		dst = binary.AppendUvarint(dst, uint64(n))
		for _, e := range opts {
			if e.side == side {
				dst = append(dst, byte(e.option), byte(e.q))
			}
		}
	}
	return dst, nil
}

// MarshalBinary returns what AppendBinary appends.
func (c *Codec) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary sets the state to one that AppendBinary wrote, and keeps the
// Config, which need not be the one that the state was made with: options stay
// as they are until one side asks for a change, and a line over a lower limit is
// told of when more of it comes. It keeps no reference to data and takes no more
// memory than that. On an error, which wraps ErrBadState, the Codec is as it
// was.
func (c *Codec) UnmarshalBinary(data []byte) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrBadState, what) }
	switch {
	case len(data) == 0:
		return bad("it is empty")
	case data[0] != stateVersion:
		return bad(fmt.Sprintf("it has version %d, not %d", data[0], stateVersion))
	case len(data) < 5:
		return bad("it is cut short")
	}
	next := &Codec{cfg: c.cfg, decode: c.decode, state: state(data[1]), cmd: Command(data[2]), subOpt: Option(data[3])}
	if next.state > lastState || data[4] > 7 || next.state == inOption && (next.cmd < WILL || next.cmd > DONT) {
		return bad("no such place in a sequence")
	}
	next.skip, next.cr, next.over = data[4]&1 != 0, data[4]&2 != 0, data[4]&4 != 0
	data = data[5:]
	for _, p := range []struct {
		to    *[]byte
		limit int
	}{{&next.sub, MaxSubOOB}, {&next.line, len(data)}, {&next.out, len(data)}} {
		n, k := binary.Uvarint(data)
		if k <= 0 || n > uint64(len(data)-k) || n > uint64(p.limit) {
			return bad("a part is cut short or over its limit")
		}
		*p.to = append([]byte(nil), data[k:k+int(n)]...)
		data = data[k+int(n):]
	}
	for _, side := range []Side{Us, Them} {
		n, k := binary.Uvarint(data)
		if k <= 0 || n > 256 || uint64(len(data)-k) < 2*n {
			return bad("the options are cut short")
		}
		data = data[k:]
		for range n {
			if qstate(data[1]) > lastQ {
				return bad("no such state of an option")
			}
			next.set(Option(data[0]), side, qstate(data[1]))
			data = data[2:]
		}
	}
	if len(data) > 0 {
		return bad("bytes are left over")
	}
	if next.over && len(next.line) > 0 || slices.ContainsFunc(next.line, func(b byte) bool { return b < ' ' && b != '\t' || b == 0x7f }) {
		return bad("no such line can be received")
	}
	next.adopt()
	c.Close()
	*c = *next
	return nil
}
