package portal_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"mudlark.dev/link/pipe"
	"mudlark.dev/portal"
)

// Over real sockets: a port is opened, served, found taken by another service,
// and closed with a farewell.
func TestListen(t *testing.T) {
	started := make(chan portal.Status, 1)
	p, err := portal.New(portal.Config{
		Listener: pipe.Listen(), Hang: -1, Logger: slog.New(slog.DiscardHandler),
		OnStarted: func(st portal.Status) { started <- st },
	})
	if err != nil {
		t.Fatal(err)
	}
	first := portal.Listen("line", "127.0.0.1:0", lineProtocol{})
	if err := p.AddService(first); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	addr := (<-started).Services[0].Addr
	if strings.HasSuffix(addr, ":0") {
		t.Fatalf("the address of a running service is %s", addr)
	}

	if err := p.AddService(portal.Listen("other", addr, lineProtocol{})); err != nil {
		t.Fatal(err)
	}
	if st := p.Status().Services[1]; st.State != portal.StateFailed || !strings.Contains(st.Error, "in use") {
		t.Errorf("a service at a taken port is %q with error %q", st.State, st.Error)
	}

	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	io.WriteString(d, "quit\n")
	if got, err := io.ReadAll(d); !strings.HasSuffix(string(got), "Bye.\r\n") || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	d.Close()
	// No Server attaches, which c is told: its session exists.
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); line != "The game is starting. What you type is kept.\r\n" {
		t.Errorf("read %q, %v", line, err)
	}
	p.Shutdown("See you.")
	if got, err := io.ReadAll(r); string(got) != "See you.\r\n" || err != nil {
		t.Errorf("read %q, %v as the Portal stops", got, err)
	}
	c.Close()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}
