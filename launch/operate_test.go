package launch_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdBackground has a process killed at the end of the script, should it still
// be there: background $PID
func cmdBackground(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: background pid")
	}
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	program := processName(pid)
	ts.Defer(func() {
		if processName(pid) == program { // and not another one that has got its number
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

// processName returns the command line of a process, or "" if there is none.
func processName(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return string(data)
}

// cmdDetached checks that a process leads a session of its own and has no
// terminal and no input: detached $PID
func cmdDetached(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: detached pid")
	}
	stat := ts.ReadFile("/proc/" + args[0] + "/stat")
	// proc(5): pid (comm) state ppid pgrp session tty_nr …
	_, rest, _ := strings.Cut(stat, ") ")
	f := strings.Fields(rest)
	if len(f) < 5 || f[2] != args[0] || f[3] != args[0] || f[4] != "0" {
		ts.Fatalf("process %s is not detached: %s", args[0], stat)
	}
	in, err := os.Readlink("/proc/" + args[0] + "/fd/0")
	if err != nil && !errors.Is(err, os.ErrPermission) || err == nil && in != os.DevNull {
		ts.Fatalf("the input of process %s is %s (%v), want %s", args[0], in, err, os.DevNull)
	}
}

// An ear listens to a connection until the other side hangs up.
type ear struct {
	conn net.Conn
	done chan struct{}

	mu   sync.Mutex
	text []byte
	more chan struct{} // closed when something is heard
}

func (e *ear) listen() {
	defer close(e.done)
	defer e.conn.Close()
	buf := make([]byte, 4096)
	for {
		n, err := e.conn.Read(buf)
		e.mu.Lock()
		e.text = append(e.text, buf[:n]...)
		close(e.more)
		e.more = make(chan struct{})
		e.mu.Unlock()
		if err != nil { // a reset is an end as well
			return
		}
	}
}

// cmdDial connects to a port and types lines: dial ada $ADDR 'line' ...; by TLS with
// the certificate of the game in this folder, if the address is tls:$ADDR
func cmdDial(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: dial name address line...")
	}
	addr, secure := strings.CutPrefix(args[1], "tls:")
	conn, err := net.DialTimeout("tcp", addr, patience)
	ts.Check(err)
	if secure {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(ts.ReadFile("data/cert.pem")))
		tc := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
		ts.Check(tc.Handshake())
		conn = tc
	}
	e := &ear{conn: conn, done: make(chan struct{}), more: make(chan struct{})}
	ts.Value("ears").(map[string]*ear)[args[0]] = e
	go e.listen()
	ts.Defer(func() { conn.Close(); <-e.done })
	cmdSay(ts, false, append(args[:1:1], args[2:]...))
}

// cmdSay types lines: say ada 'line' ...
func cmdSay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: say name line...")
	}
	for _, line := range args[1:] {
		_, err := io.WriteString(ts.Value("ears").(map[string]*ear)[args[0]].conn, line+"\r\n")
		ts.Check(err)
	}
}

// cmdHear waits for a match in all that was heard: hear ada 'regexp'. Without a
// regexp it waits until the other side has hung up, and then writes what was
// heard to a file of that name: hear ada
func cmdHear(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: hear name [regexp]")
	}
	e := ts.Value("ears").(map[string]*ear)[args[0]]
	timeout := time.After(patience)
	if len(args) == 1 {
		select {
		case <-e.done:
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), e.text, 0o600))
		case <-timeout:
			ts.Fatalf("the connection of %s was not ended", args[0])
		}
		return
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	for {
		e.mu.Lock()
		text, more := string(e.text), e.more
		e.mu.Unlock()
		if re.MatchString(text) {
			return
		}
		select {
		case <-more:
		case <-e.done:
			ts.Fatalf("%s did not hear %q before the end, but:\n%s", args[0], re, text)
		case <-timeout:
			ts.Fatalf("%s does not hear %q, but:\n%s", args[0], re, text)
		}
	}
}
