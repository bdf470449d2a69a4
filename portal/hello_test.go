package portal

import (
	"bytes"
	"testing"
	"time"

	"mudlark.dev/link"
)

type bytesTransport struct{ *bytes.Reader }

func (bytesTransport) Write(p []byte) (int, error)        { return len(p), nil }
func (bytesTransport) Close() error                       { return nil }
func (bytesTransport) SetWriteDeadline(t time.Time) error { return nil }

func FuzzReadHello(f *testing.F) {
	hello := &link.ServerHello{Version: link.Version, Server: "server", Epoch: 3, Commit: 9}
	good, err := link.AppendFrame(nil, hello)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	hello.Version = 77
	other, err := link.AppendFrame(nil, hello)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(other[:len(other):len(other)], "a frame of another version may be longer"...))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		h, err := readHello(bytesTransport{r})
		if (h == nil) == (err == nil) {
			t.Fatalf("readHello(%x) = %v, %v", in, h, err)
		}
		if err != nil {
			return
		}
		// Nothing after the frame is taken, and what was read is what was there.
		out, err := link.AppendFrame(nil, h)
		if err != nil {
			t.Fatalf("%+v was read from %x and cannot be written: %v", h, in, err)
		}
		again, err := readHello(bytesTransport{bytes.NewReader(out)})
		if err != nil || *again != *h {
			t.Fatalf("%+v, written and read again: %+v, %v", h, again, err)
		}
		if r.Len() > len(in)-5 {
			t.Fatalf("%d of %d bytes are left", r.Len(), len(in))
		}
	})
}
