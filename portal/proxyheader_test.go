package portal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// v2 is a header of version 2 whose length is what follows it.
func v2(command, family byte, rest ...byte) string {
	b := append([]byte(proxySignature), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rest)))
	return string(append(b, rest...))
}

func many(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var (
	v4Addrs = []byte{203, 0, 113, 9, 10, 0, 0, 1, 0xdc, 0x04, 0x0f, 0xa0}
	v6Addrs = many([]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 16), []byte{0xdc, 0x04, 0x0f, 0xa0})
	v6as4   = many([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 9}, make([]byte, 16), []byte{0xdc, 0x04, 0x0f, 0xa0})
)

// proxyHeaders are headers that are taken, and the client they tell of.
var proxyHeaders = []struct{ name, header, want string }{
	{"v1 TCP4", "PROXY TCP4 203.0.113.9 10.0.0.1 56324 4000\r\n", "203.0.113.9:56324"},
	{"v1 TCP6", "PROXY TCP6 2001:db8::7 2001:db8::1 56324 4000\r\n", "[2001:db8::7]:56324"},
	{"v1 mapped", "PROXY TCP6 ::ffff:203.0.113.9 ::ffff:10.0.0.1 1 2\r\n", "203.0.113.9:1"},
	{"v1 the longest", "PROXY TCP6 " + strings.Repeat("ffff:", 7) + "ffff " + strings.Repeat("ffff:", 7) + "ffff 65535 65535\r\n",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	{"v1 port 0", "PROXY TCP4 203.0.113.9 10.0.0.1 0 0\r\n", "203.0.113.9:0"},
	{"v1 unknown", "PROXY UNKNOWN\r\n", ""},
	{"v1 unknown, and what is to be ignored", "PROXY UNKNOWN ffff:: x \x00 999999\r\n", ""},
	{"v1 unknown, 107 bytes", "PROXY UNKNOWN " + strings.Repeat("x", 107-14-2) + "\r\n", ""},
	{"v2 TCP4", v2(0x21, 0x11, v4Addrs...), "203.0.113.9:56324"},
	{"v2 TCP6", v2(0x21, 0x21, v6Addrs...), "[2001:db8::7]:56324"},
	{"v2 mapped", v2(0x21, 0x21, v6as4...), "203.0.113.9:56324"},
	{"v2 with extensions", v2(0x21, 0x11, many(v4Addrs, bytes.Repeat([]byte{1, 0, 2, 'h', '2'}, 100))...), "203.0.113.9:56324"},
	{"v2 of the greatest length", v2(0x21, 0x11, many(v4Addrs, make([]byte, 65535-12))...), "203.0.113.9:56324"},
	{"v2 LOCAL", v2(0x20, 0x00), ""},
	{"v2 LOCAL with addresses", v2(0x20, 0x11, v4Addrs...), ""},
	{"v2 LOCAL with part of them", v2(0x20, 0x11, 1, 2, 3), ""},
	{"v2 unspecified", v2(0x21, 0x00), ""},
	{"v2 unspecified with extensions", v2(0x21, 0x00, 4, 0, 1, 0), ""},
	{"v2 UDP4", v2(0x21, 0x12, v4Addrs...), ""},
	{"v2 UDP6", v2(0x21, 0x22, v6Addrs...), ""},
	{"v2 unix stream", v2(0x21, 0x31, make([]byte, 216)...), ""},
	{"v2 unix datagram", v2(0x21, 0x32, make([]byte, 216)...), ""},
}

// A header is read to its last byte and no further, however it arrives; one
// that is cut off anywhere is none.
func TestProxyHeader(t *testing.T) {
	const rest = "PROXY TCP4 192.0.2.1 192.0.2.2 3 4\r\nlook\r\n" // a second one is the client's
	for _, tc := range proxyHeaders {
		t.Run(tc.name, func(t *testing.T) {
			for how, wrap := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "with its end": iotest.DataErrReader,
			} {
				src := strings.NewReader(tc.header + rest)
				got, err := readProxyHeader(wrap(src))
				text := ""
				if got.IsValid() {
					text = got.String()
				}
				if left, _ := io.ReadAll(src); how != "with its end" && string(left) != rest {
					t.Errorf("%s: %d bytes are left, want %d", how, len(left), len(rest))
				}
				if text != tc.want || err != nil {
					t.Errorf("%s: %q, %v, want %q", how, text, err, tc.want)
				}
			}
			for n := 0; n < len(tc.header); n += 1 + n/300 {
				got, err := readProxyHeader(strings.NewReader(tc.header[:n]))
				if err == nil || got.IsValid() {
					t.Fatalf("cut after %d bytes: %v, %v, want an error", n, got, err)
				}
				if errors.Is(err, errNoBytes) != (n == 0) {
					t.Fatalf("cut after %d bytes: %v", n, err)
				}
			}
		})
	}
}

func TestProxyHeaderRefused(t *testing.T) {
	for _, tc := range []struct{ name, header, want string }{
		{"a line of a player", "look at the lantern\r\n", "no PROXY header"},
		{"a client of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", "no PROXY header"},
		{"lower case", "proxy TCP4 203.0.113.9 10.0.0.1 1 2\r\n", "no PROXY header"},
		{"no space", "PROXY\tTCP4 203.0.113.9 10.0.0.1 1 2\r\n", "no PROXY header"},
		{"too long", "PROXY UNKNOWN " + strings.Repeat("x", 107-14-1) + "\r\n", "no line end within 107 bytes"},
		{"no line end", "PROXY TCP4 " + strings.Repeat("x", 1000), "no line end within 107 bytes"},
		{"LF alone", "PROXY TCP4 203.0.113.9 10.0.0.1 1 2\n", "does not end with CR LF"},
		{"a line within the signature's length", "PROXY TCP\r\nlook\r\n", "not of the form"},
		{"a short line", "PROXY TCP4\r\nlook\r\n", "not of the form"},
		{"two spaces", "PROXY TCP4  203.0.113.9 10.0.0.1 1 2\r\n", "not of the form"},
		{"too few", "PROXY TCP4 203.0.113.9 10.0.0.1 1\r\n", "not of the form"},
		{"too many", "PROXY TCP4 203.0.113.9 10.0.0.1 1 2 3\r\n", "not of the form"},
		{"family", "PROXY UDP4 203.0.113.9 10.0.0.1 1 2\r\n", "not of the form"},
		{"unknown with a tail", "PROXY UNKNOWNS\r\n", "not of the form"},
		{"no address", "PROXY TCP4 localhost 10.0.0.1 1 2\r\n", "no address of its family"},
		{"octal address", "PROXY TCP4 203.0.113.09 10.0.0.1 1 2\r\n", "no address of its family"},
		{"the other family", "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", "no address of its family"},
		{"the other family, as mapped", "PROXY TCP4 ::ffff:203.0.113.9 10.0.0.1 1 2\r\n", "no address of its family"},
		{"IPv4 as TCP6", "PROXY TCP6 203.0.113.9 2001:db8::1 1 2\r\n", "no address of its family"},
		{"zone", "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", "no address of its family"},
		{"destination", "PROXY TCP4 203.0.113.9 10.0.0 1 2\r\n", "no address of its family"},
		{"port too high", "PROXY TCP4 203.0.113.9 10.0.0.1 65536 2\r\n", `"65536" is no port`},
		{"port with a sign", "PROXY TCP4 203.0.113.9 10.0.0.1 +1 2\r\n", `"+1" is no port`},
		{"octal port", "PROXY TCP4 203.0.113.9 10.0.0.1 01 2\r\n", `"01" is no port`},
		{"port of the destination", "PROXY TCP4 203.0.113.9 10.0.0.1 1 x\r\n", `"x" is no port`},
		{"v2 signature that goes wrong", "\r\n\r\n\x00\r\nQUIT\r\r\n", "no PROXY header"},
		{"v2 version 1", v2(0x11, 0x11, v4Addrs...), "version 1"},
		{"v2 version 3", v2(0x31, 0x11, v4Addrs...), "version 3"},
		{"v2 command", v2(0x22, 0x11, v4Addrs...), "command 2"},
		{"v2 family", v2(0x21, 0x41, v4Addrs...), "family 4"},
		{"v2 transport", v2(0x21, 0x13, v4Addrs...), "transport 3"},
		{"v2 too short for IPv4", v2(0x21, 0x11, v4Addrs[:11]...), "11 bytes for the addresses of family 1"},
		{"v2 too short for IPv6", v2(0x21, 0x21, v4Addrs...), "12 bytes for the addresses of family 2"},
		{"v2 too short for unix", v2(0x21, 0x31, make([]byte, 215)...), "215 bytes for the addresses of family 3"},
		{"v2 longer than it is", proxySignature + "\x21\x11\xff\xff" + string(v4Addrs), "65523 bytes before its end"},
		{"v2 LOCAL, longer than it is", proxySignature + "\x20\x00\x00\x01", "1 bytes before its end"},
	} {
		got, err := readProxyHeader(strings.NewReader(tc.header))
		if err == nil || !strings.Contains(err.Error(), tc.want) || got.IsValid() {
			t.Errorf("%s: %v, %v, want an error with %q", tc.name, got, err, tc.want)
		}
		if errors.Is(err, errNoBytes) {
			t.Errorf("%s: %v, though there were bytes", tc.name, err)
		}
	}
}

func FuzzReadProxyHeader(f *testing.F) {
	for _, tc := range proxyHeaders {
		f.Add([]byte(tc.header + "look\r\n"))
	}
	f.Add([]byte("PROXY TCP4 203.0.113.9 10.0.0.1 1 2\n"))
	f.Add([]byte("PROXY " + strings.Repeat("x", 200)))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, slow := bytes.NewReader(data), bytes.NewReader(data)
		got, err := readProxyHeader(whole)
		again, err2 := readProxyHeader(iotest.OneByteReader(slow))
		if got != again || (err == nil) != (err2 == nil) {
			t.Fatalf("at once %v, %v; byte by byte %v, %v", got, err, again, err2)
		}
		used := len(data) - whole.Len()
		if err == nil && whole.Len() != slow.Len() {
			t.Fatalf("at once %d bytes, byte by byte %d", used, len(data)-slow.Len())
		}
		switch {
		case bytes.HasPrefix(data, []byte(proxySignature)):
			if len(data) >= proxyFixed {
				if all := proxyFixed + int(binary.BigEndian.Uint16(data[proxyFixed-2:])); used > all || err == nil && used != all {
					t.Fatalf("%d bytes are read of %d: %v", used, all, err)
				}
			}
		case used > maxProxyLine:
			t.Fatalf("%d bytes are read of a line", used)
		case err == nil && (!bytes.HasSuffix(data[:used], []byte("\r\n")) || bytes.IndexByte(data, '\n') != used-1):
			t.Fatalf("%q is read of a line", data[:used])
		}
		if err != nil && got.IsValid() || got.Addr().Is4In6() || got.Addr().Zone() != "" {
			t.Fatalf("%v, %v", got, err)
		}
	})
}
