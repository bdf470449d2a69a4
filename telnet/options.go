package telnet

import (
	"strconv"
	"strings"
)

// Bounds of a window size that is believed.
const (
	MinWidth, MaxWidth   = 20, 1000
	MinHeight, MaxHeight = 5, 500
)

// ParseNAWS reads a window size: width, then height, 16 bits each, in network
// order (RFC 1073). 0 means that the client does not know. Others are brought
// within the bounds. A payload with one 255 doubled once too often is read as
// it was meant; ok is false for one of another length.
func ParseNAWS(payload []byte) (width, height int, ok bool) {
	if len(payload) == 5 {
		for i, b := range payload {
			if b == 255 {
				payload = append(append([]byte(nil), payload[:i]...), payload[i+1:]...)
				break
			}
		}
	}
	if len(payload) != 4 {
		return 0, 0, false
	}
	clamp := func(hi, lo byte, least, most int) int {
		n := int(hi)<<8 | int(lo)
		switch {
		case n == 0:
			return 0
		case n >= 1<<15: // a client that subtracts its own lines may get below 0
			return least
		}
		return min(max(n, least), most)
	}
	return clamp(payload[0], payload[1], MinWidth, MaxWidth), clamp(payload[2], payload[3], MinHeight, MaxHeight), true
}

// AppendNAWS appends the report of a window size, for a client.
func AppendNAWS(dst []byte, width, height uint16) []byte {
	return AppendSub(dst, NAWS, []byte{byte(width >> 8), byte(width), byte(height >> 8), byte(height)})
}

// The bits of MTTS, the terminal standard of MUD clients.
const (
	MTTSANSI         = 1
	MTTSVT100        = 2
	MTTSUTF8         = 4
	MTTS256Colors    = 8
	MTTSMouse        = 16
	MTTSPalette      = 32
	MTTSScreenReader = 64
	MTTSProxy        = 128
	MTTSTrueColor    = 256
	MTTSMNES         = 512
	MTTSMSLP         = 1024
	MTTSTLS          = 2048
)

// maxTermType is how much is kept of a terminal type, in bytes.
const maxTermType = 64

// maxTermTypes is how often a client is asked: a client program gives its name,
// its terminal and its MTTS bits, and the next answer repeats.
const maxTermTypes = 4

// A TermTypes collects the answers to TERMINAL-TYPE SEND. RFC 1091 has a client
// go through a list and repeat the last entry; MUD clients use it to tell their
// name, their terminal and a set of bits. The zero value is ready.
type TermTypes struct {
	Client   string // the client program, or the terminal of a plain telnet
	Terminal string // the terminal type; "" if the client told one answer only
	MTTS     int    // the MTTS bits; 0 if the client has none
	Answers  int    // how many answers were taken; at most four are

	last string
	sent int
	done bool
}

// AppendSend appends the question for the next answer, or nothing if enough was
// asked: four questions are the most.
func (t *TermTypes) AppendSend(dst []byte) []byte {
	if t.sent++; t.done || t.sent > maxTermTypes {
		return dst
	}
	return AppendSub(dst, TermType, []byte{1}) // SEND
}

// Add takes a payload of TERMINAL-TYPE and reports whether to ask again. An
// answer that repeats the last or the first one, and one with MTTS bits, is the
// last. Payloads that are no answer, or that come after the last, are ignored.
func (t *TermTypes) Add(payload []byte) (again bool) {
	if t.done || len(payload) == 0 || payload[0] != 0 { // IS
		return false
	}
	name := clean(payload[1:])
	t.Answers++
	bits, isMTTS := strings.CutPrefix(strings.ToUpper(name), "MTTS")
	switch {
	case isMTTS && (bits == "" || bits[0] == ' '):
		if n, err := strconv.ParseUint(strings.TrimSpace(bits), 10, 31); err == nil {
			t.MTTS = int(n)
		}
		t.done = true
	case t.Answers == 1:
		t.Client = name
	case strings.EqualFold(name, t.last), strings.EqualFold(name, t.Client): // RFC 1091: case does not count
		t.done = true // the end of the list, or its beginning again
	case t.Answers == 2:
		t.Terminal = name
	}
	t.last = name
	if t.Answers >= maxTermTypes {
		t.done = true
	}
	if t.done {
		t.last = ""
	}
	return !t.done
}

// Done reports whether all was told.
func (t *TermTypes) Done() bool { return t.done }

// Stop ends the questions: the client has refused.
func (t *TermTypes) Stop() { t.done = true }

// Colors returns how many colours the answers speak of: 0 if they say nothing,
// else 16, 256 or 1<<24.
func (t *TermTypes) Colors() int {
	best := 0
	for _, name := range []string{t.Client, t.Terminal} {
		name = strings.ToUpper(name)
		switch {
		case strings.HasSuffix(name, "-TRUECOLOR"):
			best = max(best, 1<<24)
		case strings.HasSuffix(name, "-256COLOR"):
			best = max(best, 256)
		case strings.HasPrefix(name, "ANSI"), strings.HasPrefix(name, "XTERM"), strings.HasPrefix(name, "VT"),
			strings.HasPrefix(name, "SCREEN"), strings.HasPrefix(name, "TMUX"), strings.HasPrefix(name, "LINUX"):
			best = max(best, 16)
		}
	}
	switch {
	case t.MTTS&MTTSTrueColor != 0:
		best = max(best, 1<<24)
	case t.MTTS&MTTS256Colors != 0:
		best = max(best, 256)
	case t.MTTS&MTTSANSI != 0:
		best = max(best, 16)
	}
	return best
}

// Dumb reports whether the terminal says that it can show nothing but text.
func (t *TermTypes) Dumb() bool {
	return strings.EqualFold(t.Client, "DUMB") || strings.EqualFold(t.Terminal, "DUMB")
}

// clean makes a name of a client's bytes: printable ASCII, of bounded length.
func clean(b []byte) string {
	out := make([]byte, 0, min(len(b), maxTermType))
	for _, c := range b {
		if c >= ' ' && c < 0x7f && len(out) < maxTermType {
			out = append(out, c)
		}
	}
	return strings.TrimSpace(string(out))
}
