package launch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mudlark.dev/config"
	link "mudlark.dev/link/unix"
	"mudlark.dev/portal"
)

// What is enough, and what is too little.
const (
	fewFiles   = 1024     // descriptors: fewer are a problem
	someFiles  = 8192     // fewer are worth a warning
	littleDisk = 64 << 20 // bytes
	someDisk   = 1 << 30
)

// ports looks whether each configured port can be bound, or is this game's.
func (x *examination) ports() {
	if x.conf == nil {
		return
	}
	for _, entry := range x.conf.Telnet.Listen {
		addr, _ := config.Port(entry)
		x.port("telnet.listen", portal.Listen(telnetKey, addr, nil).Name(), addr)
	}
	for _, entry := range x.conf.Telnet.TLSListen {
		addr, _ := config.Port(entry)
		x.port("telnet.tls_listen", portal.ListenTLS(telnetKey, addr, nil, nil).Name(), addr)
	}
	if addr := x.conf.Admin.Addr; addr != "" {
		x.port("admin.addr", newAdmin(addr, nil, nil).Name(), addr)
	}
}

// port looks at the address of one service, which that setting has.
func (x *examination) port(setting, name, addr string) {
	if x.status != nil {
		i := slices.IndexFunc(x.status.Portal.Services, func(s serviceStatus) bool { return s.Name == name })
		switch {
		case i < 0:
			x.warn("port", x.name+" reboot, if these are the settings that it is to have", "%s: the game that runs has no %s", addr, name)
		case x.status.Portal.Services[i].State == portal.StateRunning:
			x.ok("port", "%s is held by this game, %s", x.status.Portal.Services[i].Address, name)
		default:
			s := x.status.Portal.Services[i]
			x.problem("port", "end what holds the address, or choose another one", "%s is %s: %s", name, s.State, oneLine(s.Error))
		}
		return
	}
	if x.runs { // and does not answer, which was found already
		return
	}
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
		x.ok("port", "%s is free for %s", addr, name)
		return
	}
	hint := "choose another address in " + setting
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "end the program that listens there, or " + hint
	case errors.Is(err, syscall.EACCES):
		hint = "choose a port from 1024 on, or give the program the capability CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "use an address of this machine, or 0.0.0.0 for all of them"
	}
	x.problem("port", hint, "%v", err)
}

// certificate looks whether the TLS services have one that they can use.
func (x *examination) certificate() {
	const check = "certificate"
	if x.conf == nil || len(x.conf.Telnet.TLSListen) == 0 {
		return
	}
	c := newCertificate(x.dir, x.conf.Telnet, slog.New(slog.DiscardHandler))
	if c.own && c.stat() == [2]fs.FileInfo{} {
		x.ok(check, "the game makes one of its own at the next start")
		return
	}
	pair, err := c.read()
	if err != nil {
		x.problem(check, hintOf(err), "%v", err)
		return
	}
	x.judgeCertificate(c, pair, time.Now())
	if fi, err := os.Stat(c.keyFile); err == nil && fi.Mode().Perm()&0o007 != 0 {
		x.problem(check, "chmod 600 "+quote(c.keyFile), "%s can be read by others (mode %04o)", c.keyFile, fi.Mode().Perm())
	}
}

// judgeCertificate judges when a certificate is valid.
func (x *examination) judgeCertificate(c *certificate, pair *tls.Certificate, now time.Time) {
	const check = "certificate"
	expired := "put a new one there; a game that runs takes it up by itself"
	expiring := expired
	if c.own && selfSigned(pair.Leaf) {
		expired = "restart the game, which makes a new one; players who compare its SHA-256 need to be told"
		expiring = "restart the game when it has expired, which makes a new one; players who compare its SHA-256 need to be told"
	}
	from, until := pair.Leaf.NotBefore, pair.Leaf.NotAfter
	switch {
	case now.Before(from):
		x.problem(check, "set the clock of this machine, or wait", "%s is not valid before %s", c.certFile, from.Format(time.DateTime))
	case !now.Before(until):
		x.problem(check, expired, "%s has expired at %s", c.certFile, until.Format(time.DateTime))
	case until.Sub(now) < soonExpired:
		x.warn(check, expiring, "%s expires at %s", c.certFile, until.Format(time.DateTime))
	default:
		x.ok(check, "%s is valid until %s; its SHA-256 is %s", c.certFile, until.Format(time.DateTime), fingerprint(pair))
	}
}

// openFiles looks at how many descriptors the game may have: each player takes
// one.
func (x *examination) openFiles() {
	const check = "open files"
	limit, err := fileLimit(x.pid)
	if err != nil {
		x.warn(check, "see \"ulimit -Hn\"", "the limit is not known: %v", err)
		return
	}
	x.judgeFiles(limit)
}

// judgeFiles judges the hard limit. Go raises the soft one to it by itself.
func (x *examination) judgeFiles(limit uint64) {
	const check = "open files"
	hint := fmt.Sprintf("raise the hard limit to %d or more: LimitNOFILE= in a unit of systemd, \"ulimit -Hn\" in a shell", someFiles)
	switch {
	case limit < fewFiles:
		x.problem(check, hint, "the limit is %d, of which each player takes one", limit)
	case limit < someFiles:
		x.warn(check, hint, "the limit is %d, of which each player takes one", limit)
	default:
		x.ok(check, "the limit is %d", limit)
	}
}

// fileLimit returns the hard limit of open files of a process, or of this one if
// pid is 0 or another's is not told.
func fileLimit(pid int) (uint64, error) {
	if pid != 0 {
		if data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits"); err == nil {
			if n, ok := parseLimits(string(data)); ok {
				return n, nil
			}
		}
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	return uint64(l.Max), nil
}

// parseLimits reads the hard limit of open files from /proc/<pid>/limits:
// proc_pid_limits(5).
func parseLimits(text string) (uint64, bool) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if f := strings.Fields(rest); ok && len(f) >= 2 {
			if f[1] == "unlimited" {
				return 1 << 62, true
			}
			n, err := strconv.ParseUint(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// folders looks whether the game can write where it has to, and whether others
// can read that.
func (x *examination) folders() {
	const check = "files"
	found := len(x.findings)
	for _, name := range []string{"run", "log", "data"} {
		path := x.dir.path(name)
		fi, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := unix.Access(string(x.dir), unix.W_OK|unix.X_OK); err != nil {
				x.problem(check, "make the folder writable for the user of the game", "%s is missing and cannot be made: %v", path, err)
			}
		case err != nil:
			x.problem(check, "make the folder readable for the user of the game", "%v", err)
		case !fi.IsDir():
			x.problem(check, "move it out of the way", "%s is not a folder", path)
		case unix.Access(path, unix.R_OK|unix.W_OK|unix.X_OK) != nil:
			x.problem(check, "chown -R it to the user of the game", "%s cannot be written by this user", path)
		case fi.Mode().Perm()&0o077 != 0:
			x.warn(check, "chmod 700 "+quote(path), "%s is open to others (mode %04o)", path, fi.Mode().Perm())
		}
	}
	for _, path := range []string{x.dir.database(), x.dir.portalLog(), x.dir.serverLog()} {
		fi, err := os.Stat(path)
		switch {
		case err != nil: // it is made at the next start, or was reported
		case unix.Access(path, unix.R_OK|unix.W_OK) != nil:
			x.problem(check, "chown it to the user of the game", "%s cannot be written by this user", path)
		case fi.Mode().Perm()&0o077 != 0:
			x.problem(check, "chmod 600 "+quote(path), "%s can be read by others (mode %04o)", path, fi.Mode().Perm())
		}
	}
	if len(x.findings) == found {
		x.ok(check, "run, log and data can be written or made, and are closed to others")
	}
}

// space looks at the room that is left on the disk.
func (x *examination) space() {
	const check = "disk"
	free, err := freeSpace(string(x.dir))
	if err != nil {
		x.warn(check, "see \"df\"", "how much is free is not known: %v", err)
		return
	}
	x.judgeSpace(free)
}

func (x *examination) judgeSpace(free uint64) {
	const check = "disk"
	text := fmt.Sprintf("%.1f GiB are free", float64(free)/(1<<30))
	if free < someDisk {
		text = fmt.Sprintf("%.1f MiB are free", float64(free)/(1<<20))
	}
	switch {
	case free < littleDisk:
		x.problem(check, "make room: a full disk stops the game", "%s", text)
	case free < someDisk:
		x.warn(check, "make room before it is full", "%s", text)
	default:
		x.ok(check, "%s", text)
	}
}

// sockets looks for those that were left behind.
func (x *examination) sockets() {
	const check = "sockets"
	if x.runs {
		return
	}
	found := len(x.findings)
	for _, path := range []string{x.dir.control(), x.dir.link()} {
		path, err := link.Path(path) // where a socket goes whose path is too long
		if err != nil {
			x.problem(check, "choose a shorter path for the game's folder", "%v", err)
			continue
		}
		fi, err := os.Lstat(path)
		switch {
		case err != nil: // as it is to be
		case fi.Mode()&os.ModeSocket == 0:
			x.problem(check, "move it out of the way", "%s is not a socket, so the game cannot make its own there", path)
		case x.listens(path):
			x.problem(check, "find it with \"ss -xlp\" and end it", "a process that does not hold the game listens at %s", path)
		default:
			x.warn(check, "nothing: the next start replaces it", "%s was left behind by a process that was killed", path)
		}
	}
	if len(x.findings) == found {
		x.ok(check, "none was left behind")
	}
}

// listens reports whether a process answers at a socket.
func (x *examination) listens(path string) bool {
	ctx, cancel := context.WithTimeout(x.ctx, requestPeriod)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
