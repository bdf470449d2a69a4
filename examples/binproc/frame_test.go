package binproc

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
)

// Whatever comes is frames and then an end, in order or in the middle of one,
// and the same frames however it is cut.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("L\x00\x04look"))
	f.Add([]byte("S\x00\x02\x64\x1eL\x00"))
	f.Add([]byte("L\xff\xffcut short"))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, cut := bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in))
		var again []byte
		for {
			kind, data, err := readFrame(whole)
			kind2, data2, err2 := readFrame(cut)
			if kind != kind2 || !bytes.Equal(data, data2) || err != err2 {
				t.Fatalf("%q: %q %q %v at once, %q %q %v a byte at a time", in, kind, data, err, kind2, data2, err2)
			}
			switch {
			case err == nil:
				again = appendFrame(again, kind, string(data))
				continue
			case errors.Is(err, io.EOF):
				if !bytes.Equal(again, in) {
					t.Fatalf("%q is written as %q", in, again)
				}
			case !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(in, again) || len(again) == len(in):
				t.Fatalf("%q: %v after %q", in, err, again)
			}
			return
		}
	})
}

// A text that is too long for a frame takes several.
func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, math.MaxUint16, math.MaxUint16 + 1, 3 * math.MaxUint16} {
		in := bytes.NewReader(appendFrame(nil, 'T', strings.Repeat("x", n)))
		frames, got := 0, 0
		for {
			kind, data, err := readFrame(in)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || kind != 'T' {
				t.Fatalf("%d bytes: %q, %v", n, kind, err)
			}
			frames++
			got += len(data)
		}
		if want := max(1, (n+math.MaxUint16-1)/math.MaxUint16); got != n || frames != want {
			t.Errorf("%d bytes: %d frames with %d, want %d", n, frames, got, want)
		}
	}
}
