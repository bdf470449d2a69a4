// Package charset has the character encodings of text clients: what is sent to a
// client whose encoding lacks a character becomes the nearest that it has, and
// what is typed there becomes UTF-8.
//
// Encodings are those of golang.org/x/text/encoding that can be used on a line of
// telnet: without a state, and with the ASCII characters as they are, never as
// parts of others' control codes.
package charset

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/unicode/norm"
)

// ErrUnknown is returned by Lookup for a name that is none of an encoding that
// can be used. Names has those that are.
var ErrUnknown = errors.New("charset: no such encoding")

// A Charset is an encoding. It is shared, and safe for concurrent use: there is
// one of each.
type Charset struct {
	name   string
	single *charmap.Charmap  // one byte a character
	multi  encoding.Encoding // several; if both are nil it is UTF-8 or US-ASCII
}

// all has the encodings by their preferred MIME names, with what else they are
// called.
var all = []struct {
	c       Charset
	aliases string
}{
	{Charset{name: "UTF-8"}, "UTF8 UNICODE-1-1-UTF-8"},
	{Charset{name: "US-ASCII"}, "ASCII ANSI_X3.4-1968 ISO646-US 7BIT"},
	{Charset{name: "ISO-8859-1", single: charmap.ISO8859_1}, "LATIN1 LATIN-1 L1 CP819 IBM819"},
	{Charset{name: "ISO-8859-2", single: charmap.ISO8859_2}, "LATIN2 L2"},
	{Charset{name: "ISO-8859-3", single: charmap.ISO8859_3}, "LATIN3 L3"},
	{Charset{name: "ISO-8859-4", single: charmap.ISO8859_4}, "LATIN4 L4"},
	{Charset{name: "ISO-8859-5", single: charmap.ISO8859_5}, "CYRILLIC"},
	{Charset{name: "ISO-8859-6", single: charmap.ISO8859_6}, "ARABIC"},
	{Charset{name: "ISO-8859-7", single: charmap.ISO8859_7}, "GREEK"},
	{Charset{name: "ISO-8859-8", single: charmap.ISO8859_8}, "HEBREW"},
	{Charset{name: "ISO-8859-9", single: charmap.ISO8859_9}, "LATIN5 L5"},
	{Charset{name: "ISO-8859-10", single: charmap.ISO8859_10}, "LATIN6 L6"},
	{Charset{name: "ISO-8859-13", single: charmap.ISO8859_13}, "LATIN7 L7"},
	{Charset{name: "ISO-8859-14", single: charmap.ISO8859_14}, "LATIN8 L8"},
	{Charset{name: "ISO-8859-15", single: charmap.ISO8859_15}, "LATIN9 LATIN-9 L9"},
	{Charset{name: "ISO-8859-16", single: charmap.ISO8859_16}, "LATIN10 L10"},
	{Charset{name: "WINDOWS-874", single: charmap.Windows874}, "CP874 TIS-620"},
	{Charset{name: "WINDOWS-1250", single: charmap.Windows1250}, "CP1250"},
	{Charset{name: "WINDOWS-1251", single: charmap.Windows1251}, "CP1251"},
	{Charset{name: "WINDOWS-1252", single: charmap.Windows1252}, "CP1252 ANSI"},
	{Charset{name: "WINDOWS-1253", single: charmap.Windows1253}, "CP1253"},
	{Charset{name: "WINDOWS-1254", single: charmap.Windows1254}, "CP1254"},
	{Charset{name: "WINDOWS-1255", single: charmap.Windows1255}, "CP1255"},
	{Charset{name: "WINDOWS-1256", single: charmap.Windows1256}, "CP1256"},
	{Charset{name: "WINDOWS-1257", single: charmap.Windows1257}, "CP1257"},
	{Charset{name: "WINDOWS-1258", single: charmap.Windows1258}, "CP1258"},
	{Charset{name: "IBM437", single: charmap.CodePage437}, "CP437 437 OEM-US"},
	{Charset{name: "IBM850", single: charmap.CodePage850}, "CP850 850"},
	{Charset{name: "IBM852", single: charmap.CodePage852}, "CP852 852"},
	{Charset{name: "IBM855", single: charmap.CodePage855}, "CP855 855"},
	{Charset{name: "IBM858", single: charmap.CodePage858}, "CP858 IBM00858"},
	{Charset{name: "IBM860", single: charmap.CodePage860}, "CP860 860"},
	{Charset{name: "IBM862", single: charmap.CodePage862}, "CP862 862"},
	{Charset{name: "IBM863", single: charmap.CodePage863}, "CP863 863"},
	{Charset{name: "IBM865", single: charmap.CodePage865}, "CP865 865"},
	{Charset{name: "IBM866", single: charmap.CodePage866}, "CP866 866"},
	{Charset{name: "KOI8-R", single: charmap.KOI8R}, "KOI8R KOI8"},
	{Charset{name: "KOI8-U", single: charmap.KOI8U}, "KOI8U"},
	{Charset{name: "MACINTOSH", single: charmap.Macintosh}, "MAC MACROMAN"},
	{Charset{name: "GBK", multi: simplifiedchinese.GBK}, "CP936 GB2312 EUC-CN"},
	{Charset{name: "GB18030", multi: simplifiedchinese.GB18030}, ""},
	{Charset{name: "BIG5", multi: traditionalchinese.Big5}, "BIG-5 CP950 BIG5-HKSCS"},
	{Charset{name: "EUC-JP", multi: japanese.EUCJP}, "EUCJP"},
	{Charset{name: "SHIFT_JIS", multi: japanese.ShiftJIS}, "SHIFT-JIS SJIS CP932 MS_KANJI"},
	{Charset{name: "EUC-KR", multi: korean.EUCKR}, "EUCKR CP949 KS_C_5601-1987"},
}

// byName has them by all their names, as plain makes them.
var byName = func() map[string]*Charset {
	m := map[string]*Charset{}
	for i := range all {
		for _, name := range append(strings.Fields(all[i].aliases), all[i].c.name) {
			m[plain(name)] = &all[i].c
		}
		m[all[i].c.name] = &all[i].c
	}
	return m
}()

// unfit has encodings that are known, and why they cannot be used.
var unfit = map[string]string{
	"UTF16": "it has zero bytes", "UTF16BE": "it has zero bytes", "UTF16LE": "it has zero bytes", "UTF32": "it has zero bytes",
	"UTF7": "it has a state", "ISO2022JP": "it has a state", "ISO2022KR": "it has a state", "HZGB2312": "it has a state", "HZ": "it has a state",
	"IBM037": "it does not have ASCII",
}

// plain brings the ways to write a name together: capitals, without what
// separates its parts.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == '_' || r == ' ' || r == '.':
			return -1
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, name)
}

// maxName is the longest name that is looked at, in bytes.
const maxName = 40

// Lookup returns the encoding of that name, or of one that it is also known by.
// Case and what separates the parts of a name do not count: "utf8", "latin1" and
// "ISO_8859-1" are found.
func Lookup(name string) (*Charset, error) {
	if len(name) > maxName {
		return nil, fmt.Errorf("%w: a name of %d bytes", ErrUnknown, len(name))
	}
	if c := byName[name]; c != nil {
		return c, nil
	}
	key := plain(name)
	key = strings.TrimPrefix(key, "X")
	switch {
	case strings.HasPrefix(key, "CP125"):
		key = "WINDOWS" + key[2:]
	case strings.HasPrefix(key, "ISO8859") && strings.Contains(key, ":"):
		key, _, _ = strings.Cut(key, ":") // as in ISO_8859-1:1987
	}
	if c := byName[key]; c != nil {
		return c, nil
	}
	if why, ok := unfit[key]; ok {
		return nil, fmt.Errorf("%w for a line of text: %s: %s", ErrUnknown, name, why)
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
}

// Names returns the names of all encodings, sorted.
func Names() []string {
	set := map[string]bool{}
	for _, c := range byName {
		set[c.name] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// Name returns the name under which the encoding is known best: that of MIME, in
// capitals, of at most 20 bytes.
func (c *Charset) Name() string { return c.name }

// Append appends text in the encoding. A character that the encoding lacks
// becomes its nearest equivalent, such as "e" for "é", and a question mark if
// there is none; what a reader sees as one character becomes one. Control
// characters beyond ASCII are left out, those of ASCII stay, and bytes that are
// no UTF-8 become question marks. A character has at most 8 bytes.
func (c *Charset) Append(dst []byte, text string) []byte {
	if c.name == "UTF-8" {
		if utf8.ValidString(text) {
			return append(dst, text...)
		}
		return append(dst, strings.ToValidUTF8(text, "\uFFFD")...)
	}
	n := 0
	for n < len(text) && text[n] < utf8.RuneSelf {
		n++
	}
	if r, _ := utf8.DecodeRuneInString(text[n:]); n > 0 && unicode.Is(unicode.Mn, r) {
		n-- // a mark on the last of them
	}
	dst = append(dst, text[:n]...)
	if text = text[n:]; text == "" {
		return dst
	}
	e := appender{c: c, dst: dst}
	if !norm.NFC.IsNormalString(text) {
		text = norm.NFC.String(text)
	}
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				e.mark()
				continue
			}
		}
		e.rune(r)
	}
	return e.dst
}

// An appender goes through the characters of one text.
type appender struct {
	c      *Charset
	dst    []byte
	asked  bool // the last of dst is a question mark for a character that may go on
	joiner bool // the last character was one that joins
	flag   bool // it was the first half of a flag
}

// mark appends a question mark.
func (e *appender) mark() { e.dst, e.asked = append(e.dst, '?'), true }

func (e *appender) rune(r rune) {
	joined := e.joiner
	e.joiner = false
	half := e.flag
	e.flag = false
	switch {
	case r < utf8.RuneSelf:
		e.dst, e.asked = append(e.dst, byte(r)), false
		return
	case r < 0xa0: // control characters
		return
	}
	if e.own(r) {
		e.asked = false
		return
	}
	switch {
	case r == 0x200d:
		e.joiner = e.asked
		return
	case e.asked && joined, ignored(r):
		return // it belongs to what is a question mark, or shows nothing
	case r >= 0x1f1e6 && r <= 0x1f1ff: // half a flag
		if e.asked && half {
			return
		}
		e.mark()
		e.flag = true
		return
	}
	at := len(e.dst)
	if s, ok := equivalents[r]; ok && e.all(s) {
		e.asked = false
		return
	}
	e.dst = e.dst[:at]
	if s := norm.NFKD.String(string(r)); s != string(r) && len(s) <= 32 && e.all(s) {
		if len(e.dst) > at && len(e.dst)-at <= maxBytes {
			e.asked = false
			return
		}
	}
	e.dst = e.dst[:at]
	e.mark()
}

// maxBytes is the most that becomes of a character.
const maxBytes = 8

// all appends a text, all of which must be there.
func (e *appender) all(s string) bool {
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			e.dst = append(e.dst, byte(r))
		case e.own(r), ignored(r):
		default:
			t, ok := equivalents[r]
			if !ok {
				return false
			}
			for _, r := range t {
				if r >= utf8.RuneSelf && !e.own(r) {
					return false
				} else if r < utf8.RuneSelf {
					e.dst = append(e.dst, byte(r))
				}
			}
		}
	}
	return true
}

// own appends a character beyond ASCII if the encoding has it.
func (e *appender) own(r rune) bool {
	switch {
	case e.c.single != nil:
		b, ok := e.c.single.EncodeRune(r)
		if !ok || b < utf8.RuneSelf {
			return false
		}
		e.dst = append(e.dst, b)
		return true
	case e.c.multi != nil:
		b, err := e.c.multi.NewEncoder().Bytes(utf8.AppendRune(nil, r))
		if err != nil || len(b) < 2 && (len(b) == 0 || b[0] < utf8.RuneSelf) {
			return false
		}
		e.dst = append(e.dst, b...)
		return true
	}
	return false
}

// ignored reports whether a character shows nothing by itself: a mark on the one
// before, a variation of it, a skin colour, or nothing at all.
func ignored(r rune) bool {
	switch {
	case r == 0xad, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x2069, r == 0xfeff,
		r >= 0xfe00 && r <= 0xfe0f, r >= 0x1f3fb && r <= 0x1f3ff, r >= 0xe0000 && r <= 0xe0fff:
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me)
}

// Decode returns what bytes of the encoding say, as valid UTF-8. What is none, and
// control characters beyond ASCII, become U+FFFD.
func (c *Charset) Decode(b []byte) string {
	switch {
	case !bytes.ContainsFunc(b, func(r rune) bool { return r >= utf8.RuneSelf }):
		return string(b)
	case c.single != nil:
		out := make([]byte, 0, len(b)+16)
		for _, x := range b {
			r := rune(x)
			if x >= utf8.RuneSelf {
				if r = c.single.DecodeByte(x); r >= 0x80 && r < 0xa0 {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
		}
		return string(out)
	case c.multi != nil:
		out, err := c.multi.NewDecoder().Bytes(b)
		if err != nil {
			return strings.ToValidUTF8(string(b), "\uFFFD")
		}
		return strings.Map(func(r rune) rune {
			if r >= 0x80 && r < 0xa0 {
				return utf8.RuneError
			}
			return r
		}, string(out))
	}
	return decodeUTF8(b, c.name == "US-ASCII")
}

// decodeUTF8 puts U+FFFD for each maximal part that cannot begin a character (The
// Unicode Standard, section 3.9, "U+FFFD Substitution of Maximal Subparts"), or,
// of ASCII, for each byte beyond.
func decodeUTF8(b []byte, ascii bool) string {
	out := make([]byte, 0, len(b)+8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case ascii && b[0] >= utf8.RuneSelf:
			r, n = utf8.RuneError, 1
		case r == utf8.RuneError && n == 1:
			for k := min(3, len(b)); k > 1; k-- {
				if !utf8.FullRune(b[:k]) {
					n = k
					break
				}
			}
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return string(out)
}
