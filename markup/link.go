package markup

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// Links says how a client takes links.
type Links uint8

const (
	NoLinks Links = iota // as text: that of a link to a page has the address behind it
	MSLP                 // the sequences of TinTin++, for commands alone
	MXP                  // elements of MXP, each in a line mode of its own (MXP 1.0, "Temp Secure Mode")
	OSC8                 // the sequences of terminals, with the schemes "send" and "prompt" for commands
)

// A link is what happens when somebody chooses a piece of text; the zero link is
// none.
type link struct {
	kind   linkKind
	target string
}

type linkKind uint8

const (
	noLink   linkKind = iota
	runLink           // a command is sent
	typeLink          // a command is put where the player types
	openLink          // a page is opened
)

// newLink returns the link to what is written between its tags, the zero link if
// that cannot be one: it must be on one line, not empty, and if it is the address
// of a page, one that begins with http:, https: or mailto:.
func newLink(kind linkKind, raw string) link {
	target := raw
	if run(target, 0) != len(target) {
		target = string(flatText(raw))
	}
	switch trimmed := strings.TrimSpace(target); {
	case trimmed == "":
		return link{}
	case kind == typeLink: // "say ": the player goes on behind the space
		target = strings.TrimLeft(target, " ")
	default:
		target = trimmed
	}
	if target == "" || len(target) > maxTarget || strings.ContainsAny(target, "\n\t") || strings.ContainsFunc(target, isTurn) {
		return link{}
	}
	if kind == openLink {
		u, err := url.Parse(target)
		if err != nil {
			return link{}
		}
		switch u.Scheme { // in lower case
		case "http", "https":
			if u.Host == "" {
				return link{}
			}
		case "mailto":
			if u.Opaque == "" {
				return link{}
			}
		default:
			return link{}
		}
		if target = u.String(); strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '<' || r == '>' }) {
			target = ascii(target)
		}
	}
	return link{kind, target}
}

// ascii writes what may not stand in an address as its bytes, RFC 3986, 2.1.
func ascii(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.Write(percent(nil, s[i], func(c byte) bool { return c > ' ' && c <= '~' && c != '"' && c != '<' && c != '>' }))
	}
	return b.String()
}

// percent appends c as it is if it may be, else as RFC 3986, 2.1, has it.
func percent(dst []byte, c byte, as func(byte) bool) []byte {
	if as(c) {
		return append(dst, c)
	}
	const hex = "0123456789ABCDEF"
	return append(dst, '%', hex[c>>4], hex[c&15])
}

// unreserved reports whether c may stand anywhere in an address, RFC 3986, 2.3.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// flatText returns what is shown of text that is to be one piece: without styles,
// links and blocks.
func flatText(text string) []byte {
	w := writer{}
	s := scanner{rest: text, flat: true}
	for {
		tok, text := s.next()
		switch tok {
		case end:
			return w.dst
		case newline:
			w.dst = append(w.dst, '\n')
		default:
			w.dst = append(w.dst, text...)
		}
	}
}

// begins writes what begins a link, and reports whether the client can have it.
func (w *writer) beginLink(l link) bool {
	switch {
	case w.Format == HTML:
		w.htmlLink(l)
	case w.Format == tags:
		w.dst = append(append(append(w.dst, linkTags[l.kind]...), Escape(l.target)...), "|lt"...)
	case w.Links == OSC8:
		w.dst = append(w.dst, "\x1b]8;;"...)
		switch l.kind {
		case runLink:
			w.dst = append(w.dst, "send:"...)
		case typeLink:
			w.dst = append(w.dst, "prompt:"...)
		}
		if l.kind == openLink {
			w.dst = append(w.dst, l.target...)
		} else {
			for i := range len(l.target) {
				w.dst = percent(w.dst, l.target[i], unreserved)
			}
		}
		w.dst = append(w.dst, "\x1b\\"...)
	case w.Links == MXP:
		// A bar divides the commands of a menu, whether it is escaped or not.
		if l.kind != openLink && strings.Contains(l.target, "|") {
			return false
		}
		if l.kind == openLink {
			w.dst = append(w.dst, "\x1b[4z<a href=\""...)
		} else {
			w.dst = append(w.dst, "\x1b[4z<send href=\""...)
		}
		w.dst = appendEntities(w.dst, l.target)
		w.dst = append(w.dst, '"')
		if l.kind == typeLink {
			w.dst = append(w.dst, " prompt"...)
		}
		w.dst = append(w.dst, '>')
	case w.Links == MSLP:
		if l.kind != runLink {
			return false
		}
		w.dst = append(append(append(w.dst, "\x1b]68;1;SEND;"...), l.target...), "\a\x1b[4m"...)
	default:
		return false
	}
	return true
}

// endLink writes what ends the link that is open at the client.
func (w *writer) endLink() {
	switch {
	case w.link.kind == noLink:
		return
	case w.Format == HTML:
		w.dst = append(w.dst, "</a>"...)
	case w.Format == tags:
		w.dst = append(w.dst, "|le"...)
	case w.Links == OSC8:
		w.dst = append(w.dst, "\x1b]8;;\x1b\\"...)
	case w.Links == MXP && w.link.kind == openLink:
		w.dst = append(w.dst, "\x1b[4z</a>"...)
	case w.Links == MXP:
		w.dst = append(w.dst, "\x1b[4z</send>"...)
	case w.Links == MSLP:
		w.dst = append(w.dst, "\x1b[24m"...)
	}
	w.link = link{}
}

var linkTags = [...]string{runLink: "|lc", typeLink: "|lp", openLink: "|lu"}

// appendEntities escapes what has a meaning in MXP and HTML.
func appendEntities(dst []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '&':
			dst = append(dst, "&amp;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

// bareURL finds the first address of a page in plain text. It returns an end of 0
// if there is none.
func bareURL(s string) (from, to int) {
	for at := 0; ; {
		i := strings.Index(s[at:], "http")
		if i < 0 {
			return 0, 0
		}
		i += at
		at = i + 4
		scheme := strings.TrimPrefix(s[at:], "s")
		if !strings.HasPrefix(scheme, "://") {
			continue
		}
		if i > 0 {
			if r, _ := utf8.DecodeLastRuneInString(s[:i]); r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				continue
			}
		}
		begin := len(s) - len(scheme) + 3
		n := strings.IndexFunc(s[begin:], func(r rune) bool {
			return r <= ' ' || r == '"' || r == '<' || r == '>' || r == '\u00a0' || r == '\u3000' || isTurn(r)
		})
		if n < 0 {
			n = len(s) - begin
		}
		// What ends a sentence is not of the address, nor is a bracket around it.
		to := begin + len(strings.TrimRight(s[begin:begin+n], ".,;:!?'"))
		for to > begin && s[to-1] == ')' && !strings.Contains(s[begin:to], "(") {
			to = begin + len(strings.TrimRight(s[begin:to-1], ".,;:!?'"))
		}
		if to > begin {
			return i, to
		}
	}
}
