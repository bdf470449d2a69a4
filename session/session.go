// Package session holds what both halves of a connection know of it: its ID,
// what its client can do, what its player prefers, and what follows from both
// for rendering.
//
// Each fact has one writer. Info is the Portal's: what was negotiated with the
// client. Prefs are the Server's: what the player chose, kept in the store.
// Either side has a copy of the other's, for reading.
package session

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// ID names a session for ever: 16 random bytes, never reused. People are shown
// the session's short number instead, and frames carry a small index.
type ID [16]byte

// ErrBadID is returned by ParseID for text that is not 32 hexadecimal digits.
var ErrBadID = errors.New("session: an ID has 32 hexadecimal digits")

// NewID returns a new random ID.
func NewID() ID {
	var id ID
	rand.Read(id[:]) // never fails: see crypto/rand
	return id
}

// ParseID reads the form that String writes.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("%w: %q", ErrBadID, s)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("%w: %q", ErrBadID, s)
	}
	return id, nil
}

// String returns the ID as 32 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero ID, which no session has.
func (id ID) IsZero() bool { return id == ID{} }

// Colors says how many colours a client can show.
type Colors uint8

// The depths of colour that clients have, in rising order.
const (
	NoColors   Colors = iota // plain text
	Colors16                 // the ANSI colours and their bright forms
	Colors256                // xterm's palette
	ColorsTrue               // 24 bits
)

// String returns "none", "16", "256" or "true".
func (c Colors) String() string {
	switch c {
	case NoColors:
		return "none"
	case Colors16:
		return "16"
	case Colors256:
		return "256"
	case ColorsTrue:
		return "true"
	}
	return fmt.Sprintf("Colors(%d)", uint8(c))
}

// Links says how a client takes links.
type Links uint8

// The ways to have links; where a client has several, the last counts.
const (
	NoLinks   Links = iota
	LinksMSLP       // the sequences of TinTin++, for commands alone
	LinksMXP        // elements of MXP
	LinksOSC8       // OSC 8, with the schemes "send" and "prompt"
)

// String returns "none", "mslp", "mxp" or "osc8".
func (l Links) String() string {
	switch l {
	case NoLinks:
		return "none"
	case LinksMSLP:
		return "mslp"
	case LinksMXP:
		return "mxp"
	case LinksOSC8:
		return "osc8"
	}
	return fmt.Sprintf("Links(%d)", uint8(l))
}

// ParseLinks returns the way of a name that String gives; false if there is none.
func ParseLinks(name string) (Links, bool) {
	for l := NoLinks; l <= LinksOSC8; l++ {
		if l.String() == name {
			return l, true
		}
	}
	return NoLinks, false
}

// The size that is assumed of a client that tells none, in character cells.
const (
	DefaultWidth  = 80
	DefaultHeight = 24
)

// The widths that a player can choose, in character cells: texts are laid out for
// no more.
const (
	MinWidth = 20
	MaxWidth = 500
)

// Info is what a session's client is and can do. The Portal is its only writer.
// The zero value is a client that has told nothing.
type Info struct {
	Protocol     string // the protocol's key: "telnet"
	Addr         string // the client's address, host:port, as the protocol believes it
	Client       string // the client program's name, as it gave it, such as "MUDLET"; at most 64 bytes
	Terminal     string // the terminal type, as the client gave it; at most 64 bytes
	Encoding     string // IANA name of the character encoding; "" means UTF-8
	Width        int    // window width in cells; 0 means the client did not tell
	Height       int    // window height in lines; 0 means the client did not tell
	Colors       Colors // how many colours the client can show
	Links        Links  // how the client takes links
	Wraps        bool   // the client breaks long lines itself, where words end
	ScreenReader bool   // the client said that a screen reader is in use
	GMCP         bool   // the client takes messages beside text, by GMCP or as its protocol has them
	MSDP         bool   // the client takes messages beside text as variables of MSDP
	TLS          bool   // what is sent cannot be read on the way
	Flags        uint32 // bits that the protocol's own outputfuncs read, such as "no go-ahead"; opaque to others
	Version      string // the client program's version, as it gave it; at most 64 bytes
	Packages     Packages
}

// Prefs are what a session's player chose. The Server is their only writer; a
// zero field leaves the client's own word standing.
type Prefs struct {
	NoColor      bool   // no colours, whatever the client can show
	ScreenReader bool   // as if the client had said so
	Width        int    // window width in cells, from MinWidth to MaxWidth, for a client that tells none or a wrong one; 0 means the client's
	Encoding     string // IANA name of the character encoding, for a client that tells none or a wrong one; "" means the client's
	Links        string // the name of how the client takes links, for a client that tells nothing or something wrong; "" means the client's
	Wrap         string // whether lines of text are broken to the width: "on", "off", or "" for where the client has a width and does not do it itself
}

// Caps is all that the encoding of a text depends on. It is comparable: one
// encoding serves all sessions of one protocol that have equal Caps.
type Caps struct {
	Encoding     string
	Colors       Colors
	Links        Links
	Width        int  // in cells, never 0
	Wrap         bool // lines of text that take more cells are broken
	ScreenReader bool
	GMCP         bool
	MSDP         bool
	Packages     Packages
	Flags        uint32 // Info.Flags
}

// CapsOf returns what follows for rendering from what the client can do and
// what its player chose.
func CapsOf(i Info, p Prefs) Caps {
	c := Caps{
		Encoding:     i.Encoding,
		Colors:       i.Colors,
		Links:        i.Links,
		Width:        i.Width,
		ScreenReader: i.ScreenReader || p.ScreenReader,
		GMCP:         i.GMCP,
		MSDP:         i.MSDP,
		Packages:     i.Packages,
		Flags:        i.Flags,
	}
	if p.Encoding != "" {
		c.Encoding = p.Encoding
	}
	if p.Links != "" {
		c.Links, _ = ParseLinks(p.Links)
	}
	if p.NoColor || c.ScreenReader {
		c.Colors = NoColors
	}
	if c.ScreenReader {
		c.Links = NoLinks
	}
	if p.Width > 0 {
		c.Width = p.Width
	}
	switch p.Wrap {
	case "on":
		c.Wrap = !c.ScreenReader
	case "":
		c.Wrap = !c.ScreenReader && !i.Wraps && c.Width > 0
	}
	if c.Width <= 0 {
		c.Width = DefaultWidth
	}
	return c
}
