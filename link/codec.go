package link

import (
	"encoding/binary"
	"fmt"

	"mudlark.dev/message"
	"mudlark.dev/session"
)

// AppendFrame appends f in its wire form to dst. It fails with
// ErrFrameTooLarge, or with the error of a message that cannot be encoded;
// dst is then returned as it was.
func AppendFrame(dst []byte, f Frame) ([]byte, error) {
	start := len(dst)
	out := append(dst, 0, 0, 0, 0, byte(f.op()))
	out, err := f.appendTo(out)
	if err != nil {
		return dst, fmt.Errorf("link: encode frame %d: %w", f.op(), err)
	}
	n := len(out) - start - 4
	if n > MaxFrame {
		return dst, fmt.Errorf("%w: frame %d has %d bytes, the limit is %d", ErrFrameTooLarge, f.op(), n, MaxFrame)
	}
	binary.BigEndian.PutUint32(out[start:], uint32(n))
	return out, nil
}

// DecodeFrame reads one frame from its op and body, without the length field.
// The frame does not share memory with body.
func DecodeFrame(body []byte) (Frame, error) {
	if len(body) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrBadFrame)
	}
	d := decoder{in: body[1:]}
	var f Frame
	switch Op(body[0]) {
	case opServerHello:
		f = &ServerHello{Version: d.u32(), Server: d.str(), Epoch: d.u64(), Mode: Mode(d.u8()), Commit: d.u64()}
	case opPortalHello:
		f = &PortalHello{Version: d.u32(), Portal: d.str(), Epoch: d.u64(), Game: d.str()}
	case opRefuse:
		f = &Refuse{Reason: d.str(), Hint: d.str()}
	case opSeat:
		f = &Seat{Index: d.index(), ID: d.id(), Number: d.u64(), Info: d.info(), Processed: d.u64(), Question: d.question(), Unread: d.u64()}
	case opSynced:
		f = &Synced{}
	case opOpen:
		f = &Open{Index: d.index(), N: d.u64()}
	case opInput:
		f = &Input{Index: d.index(), N: d.u64(), Question: d.question(), Message: d.message()}
	case opInputText:
		t := &struct {
			Input
			arg [1]any // with the frame, so that it costs no memory of its own
		}{Input: Input{Index: d.index(), N: d.u64(), Question: d.question()}}
		t.arg[0] = d.str()
		t.Message = message.Message{Name: "text", Args: t.arg[:]}
		f = &t.Input
	case opUpdate:
		f = &Update{Index: d.index(), N: d.u64(), Info: d.info()}
	case opClose:
		f = &Close{Index: d.index(), N: d.u64(), Reason: d.str()}
	case opCredit:
		f = &Credit{Index: d.index(), Bytes: d.u64()}
	case opPing:
		f = &Ping{Seq: d.u64()}
	case opDrain:
		f = &Drain{Mode: Mode(d.u8()), Reason: d.str()}
	case opGo:
		f = &Go{Mode: Mode(d.u8())}
	case opAside:
		f = &Aside{Unit: Unit{Kind: UnitKind(d.u8()), Session: d.id(), N: d.u64(), Name: d.str()}}
	case opOutput:
		f = &Output{Sessions: d.indexes(nil), Options: d.options(), Message: d.message()}
	case opOutputText:
		t := &struct {
			Output
			arg [1]any
			one [1]Index // nearly always there is one receiver
		}{}
		t.Sessions, t.Options = d.indexes(t.one[:]), d.options()
		t.arg[0] = d.str()
		t.Message = message.Message{Name: "text", Args: t.arg[:]}
		f = &t.Output
	case opQuestion:
		f = &Question{Session: d.index(), ID: d.question(), Hidden: d.bool(), Prompt: d.str()}
	case opLogin:
		f = &Login{Session: d.index(), Account: d.str(), Puppet: d.str()}
	case opPrefs:
		f = &Prefs{Session: d.index(), Prefs: d.prefs()}
	case opDisconnect:
		f = &Disconnect{Session: d.index(), Reason: d.str()}
	case opAction:
		f = &Action{Mode: Mode(d.u8()), Session: d.index(), Reason: d.str()}
	case opEnd:
		f = &End{Commit: d.u64(), Lines: d.lines()}
	case opCommitted:
		f = &Committed{Commit: d.u64()}
	case opPong:
		f = &Pong{Seq: d.u64()}
	case opStalled:
		f = &Stalled{Text: d.str()}
	case opDrained:
		f = &Drained{Commit: d.u64()}
	case opRequest:
		f = &Request{ID: d.u64(), Message: d.message()}
	case opReply:
		r := &Reply{ID: d.u64(), Err: d.str()}
		if r.Err == "" {
			r.Message = d.message()
		}
		f = r
	default:
		return nil, fmt.Errorf("%w: no frame has number %d", ErrBadFrame, body[0])
	}
	if d.err == nil && len(d.in) > 0 {
		d.err = fmt.Errorf("%d bytes left over", len(d.in))
	}
	if d.err != nil {
		return nil, fmt.Errorf("%w: frame %d: %w", ErrBadFrame, body[0], d.err)
	}
	return f, nil
}

func (f *ServerHello) op() Op { return opServerHello }
func (f *PortalHello) op() Op { return opPortalHello }
func (f *Refuse) op() Op      { return opRefuse }
func (f *Seat) op() Op        { return opSeat }
func (f *Synced) op() Op      { return opSynced }
func (f *Open) op() Op        { return opOpen }
func (f *Update) op() Op      { return opUpdate }
func (f *Close) op() Op       { return opClose }
func (f *Credit) op() Op      { return opCredit }
func (f *Ping) op() Op        { return opPing }
func (f *Drain) op() Op       { return opDrain }
func (f *Question) op() Op    { return opQuestion }
func (f *Login) op() Op       { return opLogin }
func (f *Prefs) op() Op       { return opPrefs }
func (f *Disconnect) op() Op  { return opDisconnect }
func (f *Action) op() Op      { return opAction }
func (f *End) op() Op         { return opEnd }
func (f *Committed) op() Op   { return opCommitted }
func (f *Pong) op() Op        { return opPong }
func (f *Drained) op() Op     { return opDrained }
func (f *Go) op() Op          { return opGo }
func (f *Aside) op() Op       { return opAside }
func (f *Stalled) op() Op     { return opStalled }
func (f *Request) op() Op     { return opRequest }
func (f *Reply) op() Op       { return opReply }

func (f *Input) op() Op {
	if _, ok := plainText(f.Message); ok {
		return opInputText
	}
	return opInput
}

func (f *Output) op() Op {
	if _, ok := plainText(f.Message); ok {
		return opOutputText
	}
	return opOutput
}

// plainText returns the text of a message that is nothing but a text: those
// have frames of their own, without MessagePack.
func plainText(m message.Message) (string, bool) {
	if m.Name != "text" || len(m.Args) != 1 || len(m.Kwargs) != 0 {
		return "", false
	}
	s, ok := m.Args[0].(string)
	return s, ok
}

func (f *ServerHello) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Version))
	b = appendString(b, f.Server)
	b = appendUint(b, f.Epoch)
	b = append(b, byte(f.Mode))
	return appendUint(b, f.Commit), nil
}

func (f *PortalHello) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Version))
	b = appendString(b, f.Portal)
	b = appendUint(b, f.Epoch)
	return appendString(b, f.Game), nil
}

func (f *Refuse) appendTo(b []byte) ([]byte, error) {
	b = appendString(b, f.Reason)
	return appendString(b, f.Hint), nil
}

func (f *Seat) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Index))
	b = append(b, f.ID[:]...)
	b = appendUint(b, f.Number)
	b = appendInfo(b, f.Info)
	b = appendUint(b, f.Processed)
	b = appendQuestion(b, f.Question)
	return appendUint(b, f.Unread), nil
}

func (f *Synced) appendTo(b []byte) ([]byte, error) { return b, nil }

func (f *Open) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Index))
	return appendUint(b, f.N), nil
}

func (f *Input) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Index))
	b = appendUint(b, f.N)
	b = appendQuestion(b, f.Question)
	if s, ok := plainText(f.Message); ok {
		return appendString(b, s), nil
	}
	return f.Message.AppendBinary(b)
}

func (f *Update) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Index))
	b = appendUint(b, f.N)
	return appendInfo(b, f.Info), nil
}

func (f *Close) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Index))
	b = appendUint(b, f.N)
	return appendString(b, f.Reason), nil
}

func (f *Credit) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Index))
	return appendUint(b, f.Bytes), nil
}

func (f *Ping) appendTo(b []byte) ([]byte, error) { return appendUint(b, f.Seq), nil }

func (f *Drain) appendTo(b []byte) ([]byte, error) {
	b = append(b, byte(f.Mode))
	return appendString(b, f.Reason), nil
}

func (f *Output) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(len(f.Sessions)))
	for _, s := range f.Sessions {
		b = appendUint(b, uint64(s))
	}
	b = appendBits(b, f.Options.Raw, f.Options.NoColor)
	if s, ok := plainText(f.Message); ok {
		return appendString(b, s), nil
	}
	return f.Message.AppendBinary(b)
}

func (f *Question) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Session))
	b = appendQuestion(b, f.ID)
	b = appendBits(b, f.Hidden)
	return appendString(b, f.Prompt), nil
}

func (f *Login) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Session))
	b = appendString(b, f.Account)
	return appendString(b, f.Puppet), nil
}

func (f *Prefs) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Session))
	b = appendBits(b, f.Prefs.NoColor, f.Prefs.ScreenReader)
	b = appendUint(b, uint64(max(f.Prefs.Width, 0)))
	b = appendString(b, f.Prefs.Encoding)
	b = appendString(b, f.Prefs.Links)
	return appendString(b, f.Prefs.Wrap), nil
}

func (f *Disconnect) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(f.Session))
	return appendString(b, f.Reason), nil
}

func (f *Action) appendTo(b []byte) ([]byte, error) {
	b = append(b, byte(f.Mode))
	b = appendUint(b, uint64(f.Session))
	return appendString(b, f.Reason), nil
}

func (f *End) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, f.Commit)
	b = appendUint(b, uint64(len(f.Lines)))
	for _, l := range f.Lines {
		b = appendUint(b, uint64(l.Session))
		b = appendUint(b, l.N)
	}
	return b, nil
}

func (f *Go) appendTo(b []byte) ([]byte, error) { return append(b, byte(f.Mode)), nil }

func (f *Aside) appendTo(b []byte) ([]byte, error) {
	b = append(append(b, byte(f.Unit.Kind)), f.Unit.Session[:]...)
	return appendString(appendUint(b, f.Unit.N), f.Unit.Name), nil
}

func (f *Stalled) appendTo(b []byte) ([]byte, error) { return appendString(b, f.Text), nil }

func (f *Committed) appendTo(b []byte) ([]byte, error) { return appendUint(b, f.Commit), nil }
func (f *Pong) appendTo(b []byte) ([]byte, error)      { return appendUint(b, f.Seq), nil }
func (f *Drained) appendTo(b []byte) ([]byte, error)   { return appendUint(b, f.Commit), nil }

func (f *Request) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, f.ID)
	return f.Message.AppendBinary(b)
}

func (f *Reply) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, f.ID)
	b = appendString(b, f.Err)
	if f.Err != "" {
		return b, nil
	}
	return f.Message.AppendBinary(b)
}

func appendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendBits appends one byte that holds the flags, the first one lowest.
func appendBits(b []byte, flags ...bool) []byte {
	var v byte
	for i, f := range flags {
		if f {
			v |= 1 << i
		}
	}
	return append(b, v)
}

func appendQuestion(b []byte, q QuestionID) []byte {
	b = appendUint(b, q.Line)
	return appendUint(b, uint64(q.K))
}

func appendInfo(b []byte, i session.Info) []byte {
	b = appendString(b, i.Protocol)
	b = appendString(b, i.Addr)
	b = appendString(b, i.Client)
	b = appendString(b, i.Terminal)
	b = appendString(b, i.Encoding)
	b = append(b, byte(i.Colors), byte(i.Links))
	b = appendUint(b, uint64(max(i.Width, 0)))
	b = appendUint(b, uint64(max(i.Height, 0)))
	b = appendBits(b, i.ScreenReader, i.GMCP, i.MSDP, i.TLS, i.Wraps)
	b = appendString(b, i.Version)
	b = appendString(b, string(i.Packages))
	return appendUint(b, uint64(i.Flags))
}

// A decoder reads fields from a frame's body. After the first error every read
// returns zero, so that a frame is read without a check per field.
type decoder struct {
	in  []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s is cut short or out of range", what)
	}
	d.in = nil
}

func (d *decoder) u64() uint64 {
	v, n := binary.Uvarint(d.in)
	if n <= 0 {
		d.fail("a number")
		return 0
	}
	d.in = d.in[n:]
	return v
}

func (d *decoder) u32() uint32 {
	v := d.u64()
	if v > 1<<32-1 {
		d.fail("a number")
		return 0
	}
	return uint32(v)
}

// small reads a number that fits an int on every platform.
func (d *decoder) small() int {
	v := d.u64()
	if v > 1<<31-1 {
		d.fail("a number")
		return 0
	}
	return int(v)
}

func (d *decoder) u8() byte {
	if len(d.in) == 0 {
		d.fail("a byte")
		return 0
	}
	v := d.in[0]
	d.in = d.in[1:]
	return v
}

func (d *decoder) bool() bool { return d.u8()&1 != 0 }

func (d *decoder) bytes(n uint64) []byte {
	if uint64(len(d.in)) < n {
		d.fail("a text")
		return nil
	}
	v := d.in[:n]
	d.in = d.in[n:]
	return v
}

func (d *decoder) str() string  { return string(d.bytes(d.u64())) }
func (d *decoder) index() Index { return Index(d.u32()) }

func (d *decoder) id() (id session.ID) {
	copy(id[:], d.bytes(uint64(len(id))))
	return id
}

func (d *decoder) question() QuestionID { return QuestionID{Line: d.u64(), K: d.u32()} }

// count reads the number of elements of a list whose elements have at least
// size bytes, so that a hostile number allocates nothing.
func (d *decoder) count(size int) int {
	n := d.u64()
	if n > uint64(len(d.in)/size) {
		d.fail("a list")
		return 0
	}
	return int(n)
}

// indexes reads a list of indexes into room, if they fit.
func (d *decoder) indexes(room []Index) []Index {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	v := room[:0:len(room)]
	if n <= len(room) {
		v = v[:n]
	} else {
		v = make([]Index, n)
	}
	for i := range v {
		// A list may have thousands of them, and most have one byte or two.
		switch in := d.in; {
		case len(in) > 0 && in[0] < 0x80:
			v[i], d.in = Index(in[0]), in[1:]
		case len(in) > 1 && in[1] < 0x80 && in[1] > 0:
			v[i], d.in = Index(in[0]&0x7f)|Index(in[1])<<7, in[2:]
		default:
			v[i] = d.index()
		}
	}
	return v
}

func (d *decoder) lines() []Line {
	n := d.count(2)
	if n == 0 {
		return nil
	}
	v := make([]Line, n)
	for i := range v {
		v[i] = Line{Session: d.index(), N: d.u64()}
	}
	return v
}

func (d *decoder) options() message.Options {
	b := d.u8()
	return message.Options{Raw: b&1 != 0, NoColor: b&2 != 0}
}

func (d *decoder) prefs() session.Prefs {
	b := d.u8()
	return session.Prefs{NoColor: b&1 != 0, ScreenReader: b&2 != 0, Width: d.small(), Encoding: d.str(), Links: d.str(), Wrap: d.str()}
}

func (d *decoder) info() session.Info {
	i := session.Info{
		Protocol: d.str(), Addr: d.str(), Client: d.str(), Terminal: d.str(), Encoding: d.str(),
		Colors: session.Colors(d.u8()), Links: session.Links(d.u8()), Width: d.small(), Height: d.small(),
	}
	b := d.u8()
	i.ScreenReader, i.GMCP, i.MSDP, i.TLS, i.Wraps = b&1 != 0, b&2 != 0, b&4 != 0, b&8 != 0, b&16 != 0
	i.Version, i.Packages = d.str(), session.Packages(d.str())
	i.Flags = d.u32()
	return i
}

func (d *decoder) message() message.Message {
	if d.err != nil {
		return message.Message{}
	}
	m, rest, err := message.DecodeBinary(d.in)
	if err != nil {
		d.err, d.in = err, nil
		return message.Message{}
	}
	d.in = rest
	return m
}
