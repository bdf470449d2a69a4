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
	raw := nonblock.Raw(a)
	if raw == nil {
		t.Skip("there is no writing without waiting on this system")
	}
	piece := bytes.Repeat([]byte("tern "), 10<<10)
	var want []byte
	for {
		n, err := nonblock.Write(raw, piece)
		if err != nil {
			t.Fatalf("Write after %d bytes: %v", len(want), err)
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
	if _, err := nonblock.Write(raw, piece); err == nil {
		t.Error("Write after CloseWrite: no error")
	}
}

func TestNoSocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	raw := nonblock.Raw(a)
	if n, err := nonblock.Write(raw, []byte("x")); raw != nil || n != 0 || err != nil {
		t.Errorf("of a pipe: a socket %v, Write = %d, %v; want false, 0, nil", raw != nil, n, err)
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	a, b := tcp(t)
	go io.Copy(io.Discard, b)
	raw := nonblock.Raw(a)
	line := []byte("The tide comes in.\r\n")
	if n := testing.AllocsPerRun(1000, func() { nonblock.Write(raw, line) }); n >= 1 { // a collection empties the pool
		t.Errorf("Write allocates %v times", n)
	}
}
