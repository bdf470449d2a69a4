package link_test

import (
	"testing"

	"mudlark.dev/link"
	"mudlark.dev/link/pipe"
)

// TestTraffic shows that what one side has written is what the other has read, and
// that nothing stays unwritten.
func TestTraffic(t *testing.T) {
	l := pipe.Listen()
	defer l.Close()
	a, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var near, far link.Traffic
	client, server := link.New(a, link.Config{Traffic: &near}), link.New(b, link.Config{Traffic: &far})
	defer client.Close()
	defer server.Close()
	for range 3 {
		if err := client.Send(&link.Ping{Seq: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := near.Written.Load(); n == 0 || n != client.Sent() || n != far.Read.Load() || far.Written.Load() != 0 || near.Read.Load() != 0 {
		t.Errorf("written %d, sent %d, read %d; the other way %d and %d", n, client.Sent(), far.Read.Load(), far.Written.Load(), near.Read.Load())
	}
	if n := client.Unwritten(); n != 0 {
		t.Errorf("%d bytes are not written", n)
	}
}
