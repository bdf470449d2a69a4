package portal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// headerTime is how long a trusted proxy has for its header.
	headerTime = 5 * time.Second
	// maxHeaders bounds the connections that wait for theirs; more are closed
	// at once. Proxies send it with the first packet.
	maxHeaders = 1024
	// faultEvery is the time between two faults of headers that are logged at
	// level Info; those in between are logged at Debug.
	faultEvery = 10 * time.Second
)

// unmapped returns prefixes as trusts compares them.
func unmapped(prefixes []netip.Prefix) (out []netip.Prefix, errs []error) {
	for i, pre := range prefixes {
		switch a := pre.Addr(); {
		case !pre.IsValid():
			errs = append(errs, fmt.Errorf("portal: Config.TrustedProxies[%d] is no valid prefix", i))
		case a.Is4In6() && pre.Bits() >= 96:
			out = append(out, netip.PrefixFrom(a.Unmap(), pre.Bits()-96))
		default:
			out = append(out, pre)
		}
	}
	return out, errs
}

// trusts reports whether the peer at addr is a trusted proxy.
func (p *Portal) trusts(addr net.Addr) bool {
	if len(p.cfg.TrustedProxies) == 0 {
		return false
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return false // such as a unix socket
	}
	ip := at.Addr().Unmap().WithZone("")
	for _, pre := range p.cfg.TrustedProxies {
		if pre.Contains(ip) {
			return true
		}
	}
	return false
}

// readHeader reads the header of a trusted proxy's connection and takes the
// client's address from it. It reports whether that went well.
func (p *Portal) readHeader(c *Conn, key string) bool {
	c.SetReadDeadline(time.Now().Add(headerTime))
	client, err := readProxyHeader(c.under)
	c.SetReadDeadline(time.Time{})
	if err == nil {
		if client.IsValid() {
			c.remote = net.TCPAddrFromAddrPort(client)
		}
		return true
	}
	level := slog.LevelDebug // a health check: it looks whether the port is open
	if !errors.Is(err, errNoBytes) && p.faults.Allow() {
		level = slog.LevelInfo
	}
	p.log.Log(p.connCtx, level, "connection of a trusted proxy without a PROXY header", "proto", key,
		"proxy", c.under.RemoteAddr().String(), "err", err,
		"hint", "have the proxy send the PROXY protocol, or take its address out of the trusted proxies")
	return false
}

// The PROXY protocol: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
const (
	proxyPrefix    = "PROXY "                        // of version 1, section 2.1
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"        // of version 2, section 2.2
	maxProxyLine   = 107                             // section 2.1, CR LF included
	proxyFixed     = len(proxySignature) + 1 + 1 + 2 // version and command, family and transport, length
	proxyAddrs4    = 4 + 4 + 2 + 2                   // source, destination, and their ports
	proxyAddrs6    = 16 + 16 + 2 + 2
	proxyAddrsUnix = 108 + 108
)

var (
	errNoBytes  = errors.New("portal: the proxy has sent nothing")
	errNoHeader = errors.New("portal: what the proxy has sent is no PROXY header")
)

func badHeader(format string, args ...any) error {
	return fmt.Errorf("portal: PROXY header: "+format, args...)
}

// readProxyHeader reads a header of the PROXY protocol, version 1 or 2, and not
// a byte more. It returns the client's address, or the zero AddrPort if the
// header says that it is the proxy's, or gives none that TCP has. It keeps no
// more than the fixed part of a header, however long that says it is.
func readProxyHeader(r io.Reader) (netip.AddrPort, error) {
	var buf [maxProxyLine]byte
	// The shortest header is "PROXY UNKNOWN\r\n", which is longer than the
	// signature of version 2.
	start := buf[:len(proxySignature)]
	if n, err := io.ReadFull(r, start); err != nil {
		if n == 0 {
			return netip.AddrPort{}, fmt.Errorf("%w: %w", errNoBytes, err)
		}
		return netip.AddrPort{}, fmt.Errorf("%w: %q and then %w", errNoHeader, start[:n], err)
	}
	switch {
	case string(start) == proxySignature:
		return readProxyBinary(r, buf[:])
	case bytes.HasPrefix(start, []byte(proxyPrefix)):
		return readProxyLine(r, buf[:], len(start))
	}
	return netip.AddrPort{}, fmt.Errorf("%w: %q", errNoHeader, start)
}

// readProxyLine reads the rest of a header of version 1, of which buf has n
// bytes. It reads byte by byte: what follows the line is the client's.
func readProxyLine(r io.Reader, buf []byte, n int) (netip.AddrPort, error) {
	for buf[n-1] != '\n' {
		if n == len(buf) {
			return netip.AddrPort{}, badHeader("no line end within %d bytes", len(buf))
		}
		if _, err := io.ReadFull(r, buf[n:n+1]); err != nil {
			return netip.AddrPort{}, badHeader("%q and then %w", buf[:n], err)
		}
		n++
	}
	line, ok := strings.CutSuffix(string(buf[:n]), "\r\n")
	if !ok {
		return netip.AddrPort{}, badHeader("%q does not end with CR LF", buf[:n])
	}
	f := strings.Split(line, " ")
	// "UNKNOWN": whatever is before the line end is ignored.
	if f[1] == "UNKNOWN" {
		return netip.AddrPort{}, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return netip.AddrPort{}, badHeader("%q is not of the form PROXY TCP4 source destination port port", line)
	}
	from, err := parseProxyAddr(f[2], f[4], f[1] == "TCP4")
	if err != nil {
		return netip.AddrPort{}, err
	}
	if _, err := parseProxyAddr(f[3], f[5], f[1] == "TCP4"); err != nil {
		return netip.AddrPort{}, err
	}
	return from, nil
}

// parseProxyAddr parses an address and a port of version 1.
func parseProxyAddr(addr, port string, v4 bool) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Zone() != "" || ip.Is4() != v4 {
		return netip.AddrPort{}, badHeader("%q is no address of its family", addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' { // it might be meant to be octal
		return netip.AddrPort{}, badHeader("%q is no port", port)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

// readProxyBinary reads the rest of a header of version 2, whose signature has
// been read.
func readProxyBinary(r io.Reader, buf []byte) (netip.AddrPort, error) {
	fixed := buf[:proxyFixed-len(proxySignature)]
	if _, err := io.ReadFull(r, fixed); err != nil {
		return netip.AddrPort{}, badHeader("after the signature: %w", err)
	}
	version, command := fixed[0]>>4, fixed[0]&15
	family, transport := fixed[1]>>4, fixed[1]&15
	rest := int(binary.BigEndian.Uint16(fixed[2:]))
	switch {
	case version != 2:
		return netip.AddrPort{}, badHeader("version %d", version)
	case command > 1:
		return netip.AddrPort{}, badHeader("command %d", command)
	case family > 3 || transport > 2:
		// Section 2.2 has receivers reject what it does not define.
		return netip.AddrPort{}, badHeader("family %d, transport %d", family, transport)
	}
	var from netip.AddrPort
	// The connections of command 0, LOCAL, are the proxy's own, whatever else the
	// header has. A combination that is not TCP falls back to the real address,
	// as the unspecified one does.
	if command == 1 {
		need := [...]int{0, proxyAddrs4, proxyAddrs6, proxyAddrsUnix}[family]
		if rest < need {
			return netip.AddrPort{}, badHeader("%d bytes for the addresses of family %d, which have %d", rest, family, need)
		}
		if transport == 1 && (family == 1 || family == 2) {
			a := buf[:need]
			if _, err := io.ReadFull(r, a); err != nil {
				return netip.AddrPort{}, badHeader("within the addresses: %w", err)
			}
			rest -= need
			size := (need - 4) / 2
			ip, _ := netip.AddrFromSlice(a[:size])
			from = netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(a[2*size:]))
		}
	}
	// What is left are addresses that are not used, and extensions.
	for rest > 0 {
		n, err := r.Read(buf[:min(rest, len(buf))])
		rest -= n
		if err != nil && rest > 0 {
			return netip.AddrPort{}, badHeader("%d bytes before its end: %w", rest, err)
		}
	}
	return from, nil
}
