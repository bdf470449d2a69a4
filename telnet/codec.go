package telnet

import (
	"bytes"
	"io"
	"slices"
	"unicode/utf8"
)

// DefaultMaxLine is the limit of a line in bytes if Config gives none.
const DefaultMaxLine = 4096

// Limits of a subnegotiation's payload in bytes, 255 counted once where it came
// doubled. A longer one is reported as SubDropped and skipped up to its end.
const (
	MaxSub    = 8 << 10
	MaxSubOOB = 64 << 10 // of GMCP and MSDP, which carry whole documents
)

// Config has the settings of a Codec. The zero value refuses every option.
type Config struct {
	// Options has the policy of each option; those that are not named are
	// refused. The Codec keeps the map: any number of Codecs may share one,
	// and nobody may change it any more.
	Options map[Option]Policy

	// MaxLine is the longest line in bytes, as it is received; 0 or less means
	// DefaultMaxLine. No more than that is kept of a line.
	MaxLine int

	// Allow is asked before each WILL, WONT, DO and DONT that is received. One
	// that it refuses is passed over as if it had not come: there is no answer
	// and no change. It bounds what a flood of them costs. Nil allows all.
	Allow func() bool
}

// ServerOptions returns what suits a MUD server: the options that this package
// knows may be agreed to in the direction in which MUD clients use them, SGA is
// agreed to and not to be offered, and ECHO is announced when a password is asked
// for. The caller may change the map before it is used.
func ServerOptions() map[Option]Policy {
	return map[Option]Policy{
		Echo:       {Announced: true},
		SGA:        {AcceptUs: true},
		EndRecord:  {AcceptUs: true},
		Charset:    {AcceptUs: true, AcceptThem: true},
		MSDP:       {AcceptUs: true},
		MSSP:       {AcceptUs: true},
		MCCP2:      {AcceptUs: true},
		MCCP3:      {AcceptUs: true},
		MXP:        {AcceptUs: true},
		GMCP:       {AcceptUs: true},
		NAWS:       {AcceptThem: true},
		TermType:   {AcceptThem: true},
		NewEnviron: {AcceptThem: true},
	}
}

// A Kind says what an Event is.
type Kind uint8

// The kinds of events.
const (
	Line           Kind = iota + 1 // Text is a whole line, without its end
	LineTooLong                    // the line that began is over the limit, told once; the rest of it is skipped
	OptionChanged                  // Option is in force on Side, or no longer, or the peer refused it: On
	Subnegotiation                 // Payload belongs to Option, which is in force
	SubDropped                     // one of Option was over the limit, malformed, or of an option not in force
	Other                          // Command came: NOP, DM, BRK, IP, AO, AYT, GA, EOR
	Inflation                      // what the peer sends is compressed from here on, or no longer: On
	InflateError                   // Err: what was received cannot be decompressed; all that follows is passed over
)

// An Event is what the Codec found in its input.
type Event struct {
	Kind    Kind
	Text    string  // of Line: valid UTF-8
	Payload []byte  // of Subnegotiation: good until the call that reports it returns
	Option  Option  // of OptionChanged, Subnegotiation, SubDropped
	Side    Side    // of OptionChanged
	On      bool    // of OptionChanged, Inflation
	Command Command // of Other
	Err     error   // of InflateError
}

// state is where in a sequence the input is.
type state byte

const (
	inText      state = iota
	inCommand         // after IAC
	inOption          // after IAC and the command in Codec.cmd
	inSubOption       // after IAC SB
	inSub             // in a payload
	inSubIAC          // after IAC in a payload
	lastState   = inSubIAC
)

// A Codec is one end of a telnet connection. It is not safe for concurrent
// use.
type Codec struct {
	cfg Config

	state  state
	cmd    Command
	subOpt Option
	sub    []byte
	skip   bool // the payload is not wanted: over its limit, or its option is not in force
	line   []byte
	cr     bool          // the last byte of text was a CR, which ended a line: an LF or NUL belongs to it
	over   bool          // the line is over its limit: what comes until its end is skipped
	opts   []optionState // those that are not qNo: few of 512
	out    []byte

	decode   func([]byte) string // nil: UTF-8
	inflater *inflater           // while the input is compressed
	broken   bool                // the input cannot be decompressed
	paused   bool                // Decode is to return
	held     []byte              // received, and not decompressed when it did
}

// New returns a Codec at the beginning of a connection.
func New(cfg Config) *Codec {
	if cfg.MaxLine <= 0 {
		cfg.MaxLine = DefaultMaxLine
	}
	return &Codec{cfg: cfg}
}

// Pending returns how many bytes of a line were received without its end.
func (c *Codec) Pending() int { return len(c.line) }

// TakeOutput returns what is to be sent to the peer in answer to what was
// decoded, or nil. The caller owns it.
//
// Requests and answers must reach the peer in the order in which they were
// made: send this before what AppendEnable and AppendDisable append later.
//
// Output that is not taken is kept. It never exceeds what was received since it
// was last taken, for each answer is as long as its request.
func (c *Codec) TakeOutput() []byte {
	out := c.out
	c.out = nil
	return out
}

// SetDecoder has lines that end from now on read by f, which must return valid
// UTF-8 and keep nothing; nil means UTF-8, the default. The encoding must have
// the ASCII characters as they are and no control characters within others. It
// is not part of the state that AppendBinary writes.
func (c *Codec) SetDecoder(f func([]byte) string) { c.decode = f }

// Close releases what decompresses the input. It is needed where MCCP3 may have
// been agreed to, when the connection has ended; nothing is decoded after it.
func (c *Codec) Close() {
	if c.inflater != nil {
		c.inflater.close()
		c.inflater, c.broken = nil, true
	}
}

// Decode takes what was received and calls emit for each event in it, in order.
// The events do not depend on how the input was cut, but for limits of
// decompression, which hold for each call. It never fails: what makes no sense
// is passed over.
//
// If emit calls Pause, more may be true: there is something left that was not
// decompressed. Decode is then to be called without input until it no longer is.
//
// emit may call the Codec's TakeOutput, AppendEnable, AppendDisable, On, Asking,
// Pending, SetDecoder and Pause, and no other method.
func (c *Codec) Decode(in []byte, emit func(Event)) (more bool) {
	if len(c.held) > 0 {
		in = append(c.held, in...)
		c.held = nil
	}
	left := inflateLeast + inflateRatio*len(in)
	c.paused = false
	for !c.broken && (len(in) > 0 || c.inflater != nil && !c.inflater.hungry) {
		if c.inflater == nil {
			in = c.plain(in, emit)
			continue
		}
		if c.paused {
			c.held = bytes.Clone(in)
			return true
		}
		var text []byte
		var err error
		text, in, err = c.inflater.step(in)
		if left -= len(text); left < 0 {
			err = ErrBomb
		}
		switch {
		case err == io.EOF:
			c.inflater.close()
			c.inflater = nil
			emit(Event{Kind: Inflation})
		case err != nil:
			c.Close()
			emit(Event{Kind: InflateError, Err: err})
		default:
			c.plain(text, emit)
		}
	}
	return false
}

// Compact gives up the memory that the Codec keeps to decode what comes next, where
// nothing is half received. It is for connections that are idle.
func (c *Codec) Compact() {
	if len(c.sub) == 0 {
		c.sub = nil
	}
	if len(c.line) == 0 {
		c.line = nil
	}
	if len(c.opts) == 0 {
		c.opts = nil
	} else if cap(c.opts)-len(c.opts) > 4 {
		c.opts = append(make([]optionState, 0, len(c.opts)), c.opts...)
	}
}

// Pause, called by emit, has Decode return soon, with what it has not
// decompressed kept: a few compressed bytes may be a great many lines. Input that
// is not compressed is decoded to its end.
func (c *Codec) Pause() { c.paused = true }

// plain decodes what is not compressed, up to where compression begins. It
// returns the rest.
func (c *Codec) plain(in []byte, emit func(Event)) []byte {
	inflating := c.inflater != nil
	for len(in) > 0 {
		if !inflating && c.inflater != nil {
			return in
		}
		if c.state == inText {
			in = c.text(in, emit)
			continue
		}
		b := in[0]
		in = in[1:]
		switch c.state {
		case inCommand:
			c.command(b, emit)
		case inOption:
			c.state = inText
			c.negotiate(c.cmd, Option(b), emit)
		case inSubOption:
			// RFC 855: there is none before the option is agreed to.
			o := Option(b)
			c.state, c.subOpt, c.sub, c.skip = inSub, o, c.sub[:0], !c.On(o, Us) && !c.On(o, Them)
			if Command(b) == IAC { // the number of the option is missing
				c.state, c.skip = inSubIAC, true
			}
		case inSub:
			if Command(b) == IAC {
				c.state = inSubIAC
			} else {
				c.addSub(b)
			}
		case inSubIAC:
			switch Command(b) {
			case IAC:
				c.state = inSub
				c.addSub(b)
			case SE:
				c.state = inText
				c.endSub(emit)
			default:
				// The end was lost. What follows is a command.
				emit(Event{Kind: SubDropped, Option: c.subOpt})
				c.sub, c.skip = nil, false
				c.command(b, emit)
			}
		}
	}
	return nil
}

// text handles the bytes up to the next IAC and returns the rest.
func (c *Codec) text(in []byte, emit func(Event)) []byte {
	for i := 0; i < len(in); i++ {
		b := in[i]
		if Command(b) == IAC {
			c.state = inCommand
			return in[i+1:]
		}
		if c.cr {
			c.cr = false
			if b == '\n' || b == 0 {
				continue
			}
		}
		if b >= ' ' && b != 0x7f {
			// The common case: as much as can be taken at once.
			end := i + 1
			for end < len(in) && in[end] >= ' ' && in[end] != 0x7f && Command(in[end]) != IAC {
				end++
			}
			c.add(in[i:end], emit)
			i = end - 1
			continue
		}
		switch b {
		case '\r':
			c.cr = true
			c.endLine(emit)
		case '\n':
			c.endLine(emit)
		case '\b', 0x7f:
			c.erase()
		case '\t':
			c.add(in[i:i+1], emit)
		}
	}
	return nil
}

// data is a 255 that came doubled.
func (c *Codec) data(b byte, emit func(Event)) {
	c.cr = false
	c.add([]byte{b}, emit)
}

func (c *Codec) add(b []byte, emit func(Event)) {
	if c.over {
		return
	}
	if len(c.line)+len(b) > c.cfg.MaxLine {
		c.over = true
		c.line = nil
		emit(Event{Kind: LineTooLong})
		return
	}
	c.line = append(c.line, b...)
}

func (c *Codec) endLine(emit func(Event)) {
	if c.over {
		c.over = false
		return
	}
	text := c.read(c.line)
	c.line = c.line[:0]
	if cap(c.line) > 1024 {
		c.line = nil // an idle connection keeps no large buffer
	}
	emit(Event{Kind: Line, Text: text})
}

func (c *Codec) read(b []byte) string {
	if c.decode != nil {
		return c.decode(b)
	}
	return validUTF8(b)
}

// erase takes the last character off the line, which is what a reader of it
// would see as one: bytes that become a single U+FFFD go together.
func (c *Codec) erase() {
	if c.decode != nil {
		// Nothing is known of the encoding: as few bytes as make it a character
		// less.
		chars := utf8.RuneCountInString(c.decode(c.line))
		for n := 1; n <= 4 && n <= len(c.line); n++ {
			if rest := c.line[:len(c.line)-n]; utf8.RuneCountInString(c.decode(rest)) < chars {
				c.line = rest
				return
			}
		}
		return
	}
	r, n := utf8.DecodeLastRune(c.line)
	if r == utf8.RuneError && n == 1 {
		// An unfinished character begins with a byte that continues none, so
		// it cannot be part of another.
		for k := min(3, len(c.line)); k > 1; k-- {
			if !utf8.FullRune(c.line[len(c.line)-k:]) {
				n = k
				break
			}
		}
	}
	c.line = c.line[:len(c.line)-n]
}

// clear forgets the line that was begun, one over the limit too: what comes
// next begins another.
func (c *Codec) clear() { c.line, c.over = c.line[:0], false }

func (c *Codec) command(b byte, emit func(Event)) {
	c.state = inText
	switch cmd := Command(b); cmd {
	case IAC:
		c.data(b, emit)
	case WILL, WONT, DO, DONT:
		c.state, c.cmd = inOption, cmd
	case SB:
		c.state = inSubOption
	case EC:
		c.erase()
	case EL:
		c.clear()
	case IP:
		c.clear()
		emit(Event{Kind: Other, Command: cmd})
	case EOR, NOP, DM, BRK, AO, AYT, GA:
		emit(Event{Kind: Other, Command: cmd})
	}
	// SE without SB and bytes that are no command mean nothing.
}

func (c *Codec) addSub(b byte) {
	if c.skip {
		return
	}
	limit := MaxSub
	if c.subOpt == GMCP || c.subOpt == MSDP {
		limit = MaxSubOOB
	}
	if len(c.sub) >= limit {
		c.skip, c.sub = true, nil
		return
	}
	c.sub = append(c.sub, b)
}

func (c *Codec) endSub(emit func(Event)) {
	switch {
	case c.skip:
		emit(Event{Kind: SubDropped, Option: c.subOpt})
	case c.subOpt == MCCP3 && c.On(MCCP3, Us) && c.inflater == nil:
		// The next byte is compressed.
		c.inflater = newInflater()
		emit(Event{Kind: Inflation, On: true})
	default:
		emit(Event{Kind: Subnegotiation, Option: c.subOpt, Payload: c.sub})
	}
	c.skip = false
	if cap(c.sub) > 256 {
		c.sub = nil
	}
	c.sub = c.sub[:0]
}

// validUTF8 returns b as text, with U+FFFD for each maximal part of it that
// cannot begin a character (The Unicode Standard, section 3.9, "U+FFFD
// Substitution of Maximal Subparts").
func validUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, len(b)+8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = maximalSubpart(b)
			out = utf8.AppendRune(out, utf8.RuneError)
		} else {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return string(out)
}

// maximalSubpart returns how many bytes at the beginning of b could have begun
// a character, at least 1. b does not begin with a whole character.
func maximalSubpart(b []byte) int {
	for n := min(3, len(b)); n > 1; n-- {
		if !utf8.FullRune(b[:n]) {
			return n
		}
	}
	return 1
}

// AppendText appends text as telnet data: 255 is doubled, and line ends become
// CR LF. A CR that is followed by an LF stays as it is; one that is not gets a
// NUL (RFC 854, "THE NVT PRINTER AND KEYBOARD"). Each call stands for itself: a
// CR at the end of text is not joined with an LF of the next one.
func AppendText[T string | []byte](dst []byte, text T) []byte {
	dst = slices.Grow(dst, len(text)+8)
	from := 0 // text is appended up to here
	for i := 0; i < len(text); i++ {
		b := text[i]
		if b > '\r' && Command(b) != IAC {
			continue
		}
		switch {
		case b == '\n' && (i == 0 || text[i-1] != '\r'):
			dst = append(append(dst, text[from:i]...), '\r')
			from = i
		case b == '\r' && (i+1 == len(text) || text[i+1] != '\n'):
			dst = append(append(dst, text[from:i+1]...), 0)
			from = i + 1
		case Command(b) == IAC:
			dst = append(append(dst, text[from:i+1]...), b)
			from = i + 1
		}
	}
	return append(dst, text[from:]...)
}

// AppendCommand appends a command that stands alone, such as GA.
func AppendCommand(dst []byte, c Command) []byte { return append(dst, byte(IAC), byte(c)) }

// AppendSub appends a subnegotiation. RFC 855, with 255 doubled in the payload.
func AppendSub(dst []byte, o Option, payload []byte) []byte {
	dst = append(dst, byte(IAC), byte(SB), byte(o))
	for _, b := range payload {
		if Command(b) == IAC {
			dst = append(dst, b)
		}
		dst = append(dst, b)
	}
	return append(dst, byte(IAC), byte(SE))
}
