package nonblock_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	"mudlark.dev/internal/nonblock"
)

// tcp returns two ends of a connection.
func tcp(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// A full socket takes nothing, and what it took before arrives.
func TestFullSocket(t *testing.T) {
	a, b := tcp(t)
	w := nonblock.New(a)
	if !w.Able() {
		t.Skip("there is no writing without waiting on this system")
	}
	piece := bytes.Repeat([]byte("tern "), 10<<10)
	var want []byte
	for {
		n, err := w.WriteNow(piece)
		if err != nil {
			t.Fatalf("WriteNow after %d bytes: %v", len(want), err)
		}
		want = append(want, piece[:n]...)
		if n == 0 {
			break
		}
	}
	a.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v; want the %d that were taken", len(got), err, len(want))
	}
	if _, err := w.WriteNow(piece); err == nil {
		t.Error("WriteNow after CloseWrite: no error")
	}
}

func TestNoSocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	w := nonblock.New(a)
	if n, err := w.WriteNow([]byte("x")); w.Able() || n != 0 || err != nil {
		t.Errorf("of a pipe: Able %v, WriteNow = %d, %v; want false, 0, nil", w.Able(), n, err)
	}
}

func TestWriteNowDoesNotAllocate(t *testing.T) {
	a, b := tcp(t)
	go io.Copy(io.Discard, b)
	w := nonblock.New(a)
	line := []byte("The tide comes in.\r\n")
	if n := testing.AllocsPerRun(1000, func() { w.WriteNow(line) }); n >= 1 { // a collection empties the pool
		t.Errorf("WriteNow allocates %v times", n)
	}
}
