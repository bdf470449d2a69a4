package telnet

import (
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"iter"
)

// What a call of Decode may decompress, in bytes: so much, and for each byte of
// its input so many more. What people type is far below, since deflate makes
// text a tenth at best; what is made to exhaust the memory is above at once.
const (
	inflateLeast = 64 << 10
	inflateRatio = 64
)

// ErrBomb is the Err of an InflateError: the input expands to more than text can.
// Close the connection.
var ErrBomb = errors.New("telnet: compressed input expands too far")

// An inflater decompresses a zlib stream (RFC 1950) that comes in pieces. The
// decompressor of the standard library pulls its input, so it runs as a
// coroutine, which is left whenever it wants more than there is.
type inflater struct {
	in     []byte
	hungry bool // there is nothing to be had without more input
	next   func() ([]byte, bool)
	stop   func()
	yield  func([]byte) bool
	err    error
}

func newInflater() *inflater {
	f := &inflater{hungry: true}
	f.next, f.stop = iter.Pull(f.run)
	return f
}

// step gives in to the decompressor. It returns what came of it so far, nil if
// nothing did, and what is left of in. The error is io.EOF at the end of the
// stream.
func (f *inflater) step(in []byte) (text, rest []byte, err error) {
	f.in, f.hungry = in, false
	text, ok := f.next()
	rest, f.in = f.in, nil
	if !ok {
		return nil, rest, f.err
	}
	return text, rest, nil
}

func (f *inflater) close() { f.stop() }

// run is the coroutine.
func (f *inflater) run(yield func([]byte) bool) {
	f.yield = yield
	r, err := zlib.NewReader(f)
	buf := make([]byte, 1<<10)
	for err == nil {
		var n int
		n, err = r.Read(buf)
		if n > 0 && !yield(buf[:n]) {
			return
		}
	}
	if f.err = err; err != io.EOF {
		f.err = fmt.Errorf("telnet: decompress: %w", err)
	}
}

// ReadByte implements io.ByteReader. With it the decompressor takes no byte
// behind the stream.
func (f *inflater) ReadByte() (byte, error) {
	if len(f.in) == 0 && !f.more() {
		return 0, io.ErrUnexpectedEOF
	}
	b := f.in[0]
	f.in = f.in[1:]
	return b, nil
}

// Read implements io.Reader.
func (f *inflater) Read(p []byte) (int, error) {
	if len(f.in) == 0 && !f.more() {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, f.in)
	f.in = f.in[n:]
	return n, nil
}

// more leaves the coroutine until there is more input.
func (f *inflater) more() bool {
	for len(f.in) == 0 {
		f.hungry = true
		if !f.yield(nil) {
			return false
		}
	}
	return true
}
