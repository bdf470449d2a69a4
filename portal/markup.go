package portal

import (
	"mudlark.dev/markup"
	"mudlark.dev/message"
	"mudlark.dev/session"
)

// AppendMarkup appends a text as a client of these caps is to get it: with the
// colours and links that it has, laid out for its width, and for who uses a screen
// reader the words alone. What is appended is UTF-8 with line feeds; see
// markup.Append. It is what the AppendText of a protocol begins with that has
// clients with a screen of cells.
func AppendMarkup(dst []byte, text string, caps session.Caps, o message.Options) []byte {
	if o.Raw {
		return markup.AppendRaw(dst, text)
	}
	return markup.Append(dst, text, Target(caps, o))
}

// Target returns what markup is rendered for, for a client of these caps: a
// terminal, or a screen reader.
func Target(caps session.Caps, o message.Options) markup.Target {
	t := markup.Target{Depth: depths[caps.Colors], Links: links[caps.Links], Width: caps.Width, Wrap: caps.Wrap}
	if caps.ScreenReader {
		t.Format = markup.Reader
	}
	if o.NoColor {
		t.Depth = markup.Plain
	}
	return t
}

var (
	depths = map[session.Colors]markup.Depth{
		session.NoColors: markup.Plain, session.Colors16: markup.ANSI16,
		session.Colors256: markup.ANSI256, session.ColorsTrue: markup.TrueColor,
	}
	links = map[session.Links]markup.Links{
		session.NoLinks: markup.NoLinks, session.LinksMSLP: markup.MSLP,
		session.LinksMXP: markup.MXP, session.LinksOSC8: markup.OSC8,
	}
)
