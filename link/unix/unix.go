//go:build unix

// Package unix is the link's transport between two processes of one machine: a
// unix socket, open to its owner only.
//
// The socket file and its folder are readable by their owner alone, and on
// Linux each peer's user is checked as well (SO_PEERCRED). A path that is too
// long for a socket (107 bytes on Linux) is replaced by one in a private
// folder under the system's temporary folder; Addr tells it.
package unix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"mudlark.dev/internal/nonblock"
	"mudlark.dev/link"
)

// maxPath is the longest path that a socket address takes everywhere: the
// smallest sun_path of the systems that Go runs on has 104 bytes with its NUL.
const maxPath = 103

// ErrPeer is returned for a peer that runs as another user.
var ErrPeer = errors.New("unix: the peer runs as another user")

// Path returns the path at which a socket that is wanted at path is found:
// path itself, or a short one that follows from it if it is too long.
func Path(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("unix: path %s: %w", path, err)
	}
	if len(abs) <= maxPath {
		return abs, nil
	}
	sum := sha256.Sum256([]byte(abs))
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("mudlark-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("unix: folder for sockets: %w", err)
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("unix: folder for sockets: %w", err)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !fi.IsDir() || fi.Mode().Perm() != 0o700 || !ok || int(st.Uid) != os.Getuid() {
		return "", fmt.Errorf("unix: %s must be a folder of this user that nobody else can open; remove it or choose a shorter game folder than %s", dir, abs)
	}
	short := filepath.Join(dir, hex.EncodeToString(sum[:8])+".sock")
	if len(short) > maxPath {
		return "", fmt.Errorf("unix: both %s and %s are too long for a socket; choose a shorter folder", abs, short)
	}
	return short, nil
}

// A Listener is a Portal's socket.
type Listener struct {
	l    *net.UnixListener
	path string
}

var (
	_ link.Listener  = (*Listener)(nil)
	_ link.Dialer    = (*Dialer)(nil)
	_ link.NowWriter = (*netSocket)(nil)
)

// A netSocket is a socket that can be written without waiting.
type netSocket struct {
	*net.UnixConn
	raw syscall.RawConn
}

// WriteNow implements link.NowWriter.
func (t *netSocket) WriteNow(p []byte) (int, error) { return nonblock.Write(t.raw, p) }

// Listen opens the socket at Path(path). A socket file that nobody listens at
// any more is replaced; one that somebody answers at is an error. The caller
// makes sure that two processes do not Listen at one path at the same moment.
func Listen(path string) (*Listener, error) {
	path, err := Path(path)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("unix: listen at %s: there is a file of that name that is no socket", path)
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("unix: listen at %s: another process listens there: %w", path, syscall.EADDRINUSE)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("unix: listen at %s: old socket: %w", path, err)
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("unix: listen: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("unix: listen: %w", err)
	}
	return &Listener{l: l, path: path}, nil
}

// Accept implements link.Listener. Peers of another user are turned away and
// the next one is waited for.
func (l *Listener) Accept() (link.Transport, error) {
	c, err := l.AcceptConn()
	if err != nil {
		return nil, err
	}
	return newTransport(c), nil
}

// AcceptConn is Accept for those who use the socket for something else than a
// link.
func (l *Listener) AcceptConn() (*net.UnixConn, error) {
	for {
		c, err := l.l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if err := checkPeer(c); err != nil {
			c.Close()
			continue
		}
		return c, nil
	}
}

// Addr implements link.Listener.
func (l *Listener) Addr() string { return l.path }

// Close stops listening and removes the socket file.
func (l *Listener) Close() error { return l.l.Close() }

// A Dialer connects to the Portal whose socket is at Path(string(d)).
type Dialer string

// Dial implements link.Dialer.
func (d Dialer) Dial(ctx context.Context) (link.Transport, error) {
	c, err := d.DialConn(ctx)
	if err != nil {
		return nil, err
	}
	return newTransport(c), nil
}

// DialConn is Dial for those who use the socket for something else than a
// link.
func (d Dialer) DialConn(ctx context.Context) (*net.UnixConn, error) {
	path, err := Path(string(d))
	if err != nil {
		return nil, err
	}
	var nd net.Dialer
	c, err := nd.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("unix: %w", err)
	}
	uc := c.(*net.UnixConn)
	if err := checkPeer(uc); err != nil {
		uc.Close()
		return nil, err
	}
	return uc, nil
}
