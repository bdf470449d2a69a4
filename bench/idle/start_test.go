package idle

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStart builds the tool and has it play the demo in a new folder, again and
// again, and reports how long it takes from the start of the program to the first
// screen: at a client that answers all options at once, and at one that says nothing,
// which is waited for. "empty" is the memory of both processes then, with one
// connection.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	prog := filepath.Join(dir, "mudlark")
	if out, err := exec.Command("go", "build", "-o", prog, "mudlark.dev/cmd/mudlark").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	for _, bb := range []struct{ name, says string }{
		{"answers", agrees},
		{"silent", ""},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var port, screen []time.Duration
			var memory int64
			for b.Loop() {
				p, s, m, err := startOnce(b, prog, bb.says)
				if err != nil {
					b.Fatal(err)
				}
				port, screen, memory = append(port, p), append(screen, s), max(memory, m)
			}
			slices.Sort(port)
			slices.Sort(screen)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(port[len(port)/2]), "port-ms")
			b.ReportMetric(ms(screen[len(screen)/2]), "screen-ms")
			b.ReportMetric(ms(screen[0]), "screen-min-ms")
			b.ReportMetric(ms(screen[len(screen)-1]), "screen-max-ms")
			b.ReportMetric(float64(memory)/(1<<20), "empty-MiB")
		})
	}
}

// startOnce starts the demo and connects as soon as there is a port.
func startOnce(b *testing.B, prog, says string) (port, screen time.Duration, memory int64, err error) {
	dir, err := os.MkdirTemp("", "start")
	if err != nil {
		return 0, 0, 0, err
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, 0, err
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(prog, "demo", "--dir", filepath.Join(dir, "game"), "--set", "telnet.listen="+addr)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, 0, err
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}()
	var c net.Conn
	for {
		if c, err = net.Dial("tcp", addr); err == nil {
			break
		}
		if time.Since(began) > time.Minute {
			return 0, 0, 0, errors.New("the demo opens no port")
		}
		time.Sleep(time.Millisecond)
	}
	defer c.Close()
	port = time.Since(began)
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, says); err != nil {
		return 0, 0, 0, err
	}
	var seen []byte
	for buf := make([]byte, 4096); !bytes.Contains(seen, []byte("create")); {
		n, err := c.Read(buf)
		if err != nil {
			return 0, 0, 0, err
		}
		seen = append(seen, buf[:n]...)
	}
	screen = time.Since(began)
	time.Sleep(time.Second) // it has settled
	memory = rss(cmd.Process.Pid)
	children, _ := exec.Command("pgrep", "-P", strconv.Itoa(cmd.Process.Pid)).Output()
	for _, pid := range bytes.Fields(children) {
		if n, err := strconv.Atoi(string(pid)); err == nil {
			memory += rss(n)
		}
	}
	return port, screen, memory, nil
}
