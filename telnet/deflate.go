package telnet

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Sizes of a Deflater, which are its memory: less than 7 KiB together.
const (
	deflateWindow = 4 << 10 // bytes that matches may lie back; a power of 2
	deflateHash   = 1 << 10 // places that are remembered
	minMatch      = 3
	maxMatch      = 258
)

// A Deflater compresses what is sent on one connection, for MCCP2: a zlib stream
// (RFC 1950) that is flushed with each write, so that the peer can read all of
// it. It remembers little: 4 KiB of text and where 1,024 of its beginnings are,
// and has one code for all, the fixed one of RFC 1951, section 3.2.6. On lines of
// a game that is nearly as good as the compressors that need a hundred times the
// memory. The zero value is ready. It is not safe for concurrent use.
type Deflater struct {
	begun  bool
	adler  uint32
	pos    uint64 // bytes of the stream
	in     uint64
	out    uint64
	hash   [deflateHash]uint16 // low bits of the position after a place, 0 for none
	window [deflateWindow]byte // the last bytes, by their positions
}

// In returns how many bytes were given to Append, over all streams.
func (d *Deflater) In() uint64 { return d.in }

// Out returns how many bytes came of them, with what begins and ends streams.
func (d *Deflater) Out() uint64 { return d.out }

// Append appends the compressed form of p. It keeps nothing of p but a copy.
// Nothing is appended for an empty p. What cannot be compressed grows by 10 bytes,
// and 5 more for each 64 KiB.
func (d *Deflater) Append(dst, p []byte) []byte {
	if len(p) == 0 {
		return dst
	}
	from := len(dst)
	dst = d.begin(dst)
	d.adler = adler32(d.adler, p)
	d.in += uint64(len(p))
	start := len(dst)
	dst = d.fixed(dst, p)
	if stored := len(p) + 5*(len(p)/maxStored+2); len(dst)-start > stored {
		dst = appendStored(dst[:start], p)
	}
	d.out += uint64(len(dst) - from)
	return dst
}

// AppendEnd ends the stream. The next Append begins another.
func (d *Deflater) AppendEnd(dst []byte) []byte {
	from := len(dst)
	dst = d.begin(dst)
	dst = append(dst, 3, 0) // the last block, with fixed codes, empty
	dst = binary.BigEndian.AppendUint32(dst, d.adler)
	d.out += uint64(len(dst) - from)
	*d = Deflater{in: d.in, out: d.out}
	return dst
}

// begin appends the header of the stream if it has none yet. RFC 1950, section
// 2.2: deflate with a window of 4 KiB.
func (d *Deflater) begin(dst []byte) []byte {
	if d.begun {
		return dst
	}
	d.begun, d.adler = true, 1
	return append(dst, 0x48, 0x0d)
}

// maxStored is the length of the longest block that is stored. RFC 1951, section
// 3.2.4.
const maxStored = 65535

func appendStored(dst, p []byte) []byte {
	for len(p) > 0 {
		n := min(len(p), maxStored)
		dst = append(dst, 0)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, p[:n]...)
		p = p[n:]
	}
	return append(dst, syncFlush...)
}

// syncFlush is an empty stored block that begins at a byte. There are readers,
// that of the Go library among them, which give what they have when they see it.
const syncFlush = "\x00\x00\x00\xff\xff"

// A bitWriter appends bits, the lowest first.
type bitWriter struct {
	dst []byte
	acc uint64
	n   uint
}

func (w *bitWriter) put(v uint32, n uint) {
	w.acc |= uint64(v) << w.n
	if w.n += n; w.n >= 32 {
		w.dst = binary.LittleEndian.AppendUint32(w.dst, uint32(w.acc))
		w.acc >>= 32
		w.n -= 32
	}
}

// literal puts a byte or the end of a block, which is 256.
func (w *bitWriter) literal(c uint) { w.put(uint32(fixedCodes[c].code), uint(fixedCodes[c].bits)) }

// fixed appends p as a block with fixed codes, and an empty stored one, which
// brings what follows to the beginning of a byte.
func (d *Deflater) fixed(dst, p []byte) []byte {
	w := bitWriter{dst: dst}
	w.put(2, 3)
	for i := 0; i < len(p); {
		n, dist := d.match(p, i)
		if n < minMatch {
			w.literal(uint(p[i]))
			d.add(p, i)
			i++
			continue
		}
		l := lengthCodes[n-minMatch]
		w.literal(uint(l.symbol))
		w.put(uint32(n)-uint32(l.base), uint(l.extra))
		c := distanceCode(dist)
		w.put(uint32(bits.Reverse8(uint8(c)))>>3, 5)
		if c > 3 {
			extra := uint(c/2 - 1)
			w.put(uint32(dist-1)&(1<<extra-1), extra)
		}
		for range n {
			d.add(p, i)
			i++
		}
	}
	w.literal(256)
	w.put(0, 3)
	for w.n > 0 {
		w.dst = append(w.dst, byte(w.acc))
		w.acc >>= 8
		w.n -= min(w.n, 8)
	}
	return append(w.dst, 0, 0, 0xff, 0xff)
}

func hashOf(a, b, c byte) uint32 {
	return (uint32(a) | uint32(b)<<8 | uint32(c)<<16) * 0x9e3779b1 >> 22
}

// match returns the length of what at p[i] was there before, and how far back.
func (d *Deflater) match(p []byte, i int) (n, dist int) {
	if len(p)-i < minMatch {
		return 0, 0
	}
	h := &d.hash[hashOf(p[i], p[i+1], p[i+2])]
	dist = int(uint16(d.pos) - (*h - 1))
	if *h == 0 || dist == 0 || dist > deflateWindow || uint64(dist) > d.pos {
		return 0, 0
	}
	most := min(len(p)-i, maxMatch)
	at := d.pos - uint64(dist)
	for n < most && n < dist && d.window[(at+uint64(n))%deflateWindow] == p[i+n] {
		n++
	}
	if n == dist { // on into what is being matched
		for n < most && p[i+n-dist] == p[i+n] {
			n++
		}
	}
	return n, dist
}

// add takes p[i] into the window.
func (d *Deflater) add(p []byte, i int) {
	d.window[d.pos%deflateWindow] = p[i]
	if i+2 < len(p) {
		d.hash[hashOf(p[i], p[i+1], p[i+2])] = uint16(d.pos) + 1
	}
	d.pos++
}

type code struct {
	code uint16 // as it is put: reversed
	bits uint8
}

// fixedCodes are those of literals and lengths. RFC 1951, section 3.2.6.
var fixedCodes = func() (t [288]code) {
	for i := range t {
		v, n := 0, 8
		switch {
		case i < 144:
			v = 0x30 + i
		case i < 256:
			v, n = 0x190+i-144, 9
		case i < 280:
			v, n = i-256, 7
		default:
			v = 0xc0 + i - 280
		}
		t[i] = code{bits.Reverse16(uint16(v)) >> (16 - n), uint8(n)}
	}
	return t
}()

type lengthCode struct {
	symbol uint16
	base   uint16
	extra  uint8
}

// lengthCodes has the code of each length from 3 on. RFC 1951, section 3.2.5.
var lengthCodes = func() (t [maxMatch - minMatch + 1]lengthCode) {
	base := minMatch
	for s := 257; s < 285; s++ {
		extra := max(0, (s-261)/4)
		if s < 265 {
			extra = 0
		}
		for k := range 1 << extra {
			t[base+k-minMatch] = lengthCode{uint16(s), uint16(base), uint8(extra)}
		}
		base += 1 << extra
	}
	t[maxMatch-minMatch] = lengthCode{285, maxMatch, 0}
	return t
}()

// distanceCode returns the code of a distance. RFC 1951, section 3.2.5.
func distanceCode(dist int) int {
	v := uint(dist - 1)
	if v < 4 {
		return int(v)
	}
	n := bits.Len(v) - 1
	return 2*n + int(v>>(n-1)&1)
}

// adler32 goes on with a checksum. RFC 1950, section 8.2.
func adler32(sum uint32, p []byte) uint32 {
	a, b := sum&0xffff, sum>>16
	for len(p) > 0 {
		n := min(len(p), 5552)
		for _, c := range p[:n] {
			a += uint32(c)
			b += a
		}
		a, b = a%65521, b%65521
		p = p[n:]
	}
	return b<<16 | a
}

const deflaterVersion = 1

// AppendBinary appends the state of the stream, by which another process goes on
// with it. The error is always nil.
func (d *Deflater) AppendBinary(dst []byte) ([]byte, error) {
	begun := byte(0)
	if d.begun {
		begun = 1
	}
	dst = append(dst, deflaterVersion, begun)
	dst = binary.BigEndian.AppendUint32(dst, d.adler)
	for _, v := range []uint64{d.pos, d.in, d.out} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	for _, h := range d.hash {
		dst = binary.BigEndian.AppendUint16(dst, h)
	}
	return append(dst, d.window[:]...), nil
}

// MarshalBinary returns what AppendBinary appends.
func (d *Deflater) MarshalBinary() ([]byte, error) { return d.AppendBinary(nil) }

// UnmarshalBinary sets the state to one that AppendBinary wrote. On an error,
// which wraps ErrBadState, it is as it was.
func (d *Deflater) UnmarshalBinary(data []byte) error {
	const size = 2 + 4 + 3*8 + 2*deflateHash + deflateWindow
	if len(data) != size || data[0] != deflaterVersion || data[1] > 1 {
		return fmt.Errorf("%w: no state of a Deflater", ErrBadState)
	}
	next := Deflater{begun: data[1] == 1, adler: binary.BigEndian.Uint32(data[2:])}
	data = data[6:]
	for _, v := range []*uint64{&next.pos, &next.in, &next.out} {
		*v = binary.BigEndian.Uint64(data)
		data = data[8:]
	}
	for i := range next.hash {
		next.hash[i] = binary.BigEndian.Uint16(data)
		data = data[2:]
	}
	copy(next.window[:], data)
	*d = next
	return nil
}
