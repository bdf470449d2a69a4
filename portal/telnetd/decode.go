package telnetd

import (
	"cmp"
	"strings"
	"unique"

	"mudlark.dev/charset"
	"mudlark.dev/session"
	"mudlark.dev/telnet"
)

// A received is what one piece of input leads to.
type received struct {
	cl      *client
	next    session.Info
	out     []byte // what is to be sent behind the codec's own answers
	facts   bool   // the facts have changed
	tooLong bool
	mssp    bool
	text    bool // MSSP was asked for by a line
}

// decode handles what was received.
func (cl *client) decode(in []byte) {
	r := received{cl: cl}
	if cl.session != nil {
		r.next = cl.session.Info()
		if cl.resizing != nil {
			r.next = *cl.resizing
		}
		cl.setDecoder(cl.session.Caps().Encoding)
	} else {
		r.next = *cl.info // nobody else changes it
		cl.setDecoder(r.next.Encoding)
	}
	before := r.next
	cl.mu.Lock()
	cl.more = cl.codec.Decode(in, r.event)
	if out := append(cl.codec.TakeOutput(), r.out...); len(out) > 0 {
		cl.Write(out)
	}
	if r.facts {
		cl.pr.share(cl.said())
		cl.said().describe(&r.next, cl.pr.fallback.Name())
	}
	switch {
	case cl.asked.over(&negotiation):
		cl.leave = "Your client negotiates without end."
	case cl.faulty.over(&nonsense):
		cl.leave = "Your client sends data that makes no sense."
	}
	cl.mu.Unlock()
	if r.tooLong {
		cl.tooLong()
	}
	if r.mssp || r.text {
		cl.tellMSSP(r.text)
	}
	next := r.next
	switch {
	case next == before:
	case cl.session == nil:
		*cl.info = next
	case next.Width != before.Width || next.Height != before.Height:
		// A window that is being dragged reports many sizes: the last one
		// counts.
		if cl.now()-cl.resized >= resizeEvery {
			cl.pass(next)
		} else {
			last := next // of its own: next is to stay off the heap
			cl.resizing = &last
		}
	default:
		cl.pass(next)
	}
}

// setDecoder has lines read in the encoding. What is typed at a client that is
// sent ASCII only is read as UTF-8, of which that is a part.
func (cl *client) setDecoder(encoding string) {
	if encoding == cl.decoding {
		return
	}
	cl.decoding = encoding
	cs, err := charset.Lookup(encoding)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if err != nil || encoding == "" || encoding == "UTF-8" || encoding == "US-ASCII" {
		cl.codec.SetDecoder(nil)
		return
	}
	cl.codec.SetDecoder(cs.Decode)
}

// pass tells the Portal what is known of the client.
func (cl *client) pass(next session.Info) {
	cl.resizing = nil
	cl.resized = cl.now()
	cl.mu.Lock()
	cl.caps = unique.Make(session.CapsOf(next, session.Prefs{}))
	cl.mu.Unlock()
	cl.session.Update(func(i *session.Info) { *i = next })
}

// event handles one event; cl.mu is held.
func (r *received) event(e telnet.Event) {
	cl := r.cl
	switch e.Kind {
	case telnet.Line:
		if !cl.first {
			cl.first = true
			cl.foreign = foreignLine(e.Text)
			if e.Text == msspLine && cl.pr.uses(telnet.MSSP) {
				r.text = true
				return
			}
		}
		if !cl.garbled && strings.ContainsRune(e.Text, '\uFFFD') {
			cl.garbled = true // said once
			cl.logger().Info("a line is not of the client's encoding", "encoding", cmp.Or(cl.decoding, "UTF-8"))
		}
		cl.add(input{line: e.Text, size: len(e.Text)})
		if cl.size >= maxPending {
			cl.codec.Pause()
		}
	case telnet.LineTooLong:
		r.tooLong = true
	case telnet.OptionChanged:
		if cl.opened != 0 {
			cl.latency, cl.opened = cl.now()-cl.opened, 0
		}
		r.changed(e.Option, e.Side, e.On)
	case telnet.Subnegotiation:
		r.sub(e.Option, e.Payload)
	case telnet.SubDropped:
		cl.dropped++
		if e.Option == telnet.GMCP || e.Option == telnet.MSDP {
			cl.faulty.take(&nonsense, cl.now())
		} else {
			cl.mayAsk()
		}
	case telnet.Other:
		if e.Command == telnet.AYT && cl.mayAsk() {
			r.out = telnet.AppendText(r.out, "[Yes]\n")
		}
	case telnet.Inflation:
		cl.inflated = e.On
	case telnet.InflateError:
		// Where plain text would begin again cannot be known.
		cl.logger().Info("compressed input cannot be read", "err", e.Err)
		r.out = cl.codec.AppendDisable(r.out, telnet.MCCP3, telnet.Us)
		cl.leave = "What your client compresses cannot be read."
	}
}

// changed handles an option that is in force now, or no longer, or was refused.
func (r *received) changed(o telnet.Option, s telnet.Side, on bool) {
	cl := r.cl
	flag := func(f uint32) {
		if on {
			r.next.Flags |= f
		} else {
			r.next.Flags &^= f
		}
	}
	switch o {
	case telnet.TermType:
		if on {
			r.out = cl.said().tty.AppendSend(r.out)
		} else {
			cl.said().tty.Stop()
		}
	case telnet.NewEnviron:
		if on {
			r.out = telnet.AppendEnvironSend(r.out)
		}
	case telnet.Charset:
		if on && s == telnet.Us {
			r.out = telnet.AppendCharsetRequest(r.out, cl.pr.offers...)
		}
	case telnet.SGA:
		flag(flagNoGA)
	case telnet.EndRecord:
		flag(flagEOR)
	case telnet.MSSP:
		r.mssp = on
	case telnet.GMCP:
		r.next.GMCP = on
	case telnet.MSDP:
		r.next.MSDP = on
	case telnet.MXP:
		flag(flagMXP)
		if on {
			// What is not marked as a tag by us is text: without the lock of the
			// mode a client would take "<north>" for a tag.
			r.out = append(telnet.AppendSub(r.out, telnet.MXP, nil), mxpLockLocked...)
		}
	case telnet.MCCP2:
		before := append(cl.codec.TakeOutput(), r.out...)
		r.out = nil
		cl.compress(on, before)
	case telnet.TimingMark:
		if s == telnet.Them && cl.mark != nil {
			cl.latency = cl.now() - cl.probed
			close(cl.mark)
			cl.mark = nil
		}
	}
}

// mxpLockLocked has a client of MXP show what comes as it is, until a mode is set
// for a single tag. MXP specification, "Line Security": 7 locks the mode locked.
const mxpLockLocked = "\x1b[7z"

// sub handles a subnegotiation of an option that is in force.
func (r *received) sub(o telnet.Option, payload []byte) {
	cl := r.cl
	switch o {
	case telnet.NAWS:
		if w, h, ok := telnet.ParseNAWS(payload); ok {
			r.next.Width, r.next.Height, cl.answers.naws = w, h, true
		}
		return
	case telnet.GMCP:
		r.gmcp(payload)
		return
	case telnet.MSDP:
		r.msdp(payload)
		return
	}
	if !cl.mayAsk() {
		return
	}
	switch o {
	case telnet.TermType:
		if cl.said().tty.Add(payload) {
			r.out = cl.said().tty.AppendSend(r.out)
		}
		r.facts = true
	case telnet.NewEnviron:
		if vars, ok := telnet.ParseEnviron(payload); ok {
			cl.answers.environ = true
			cl.said().environ(vars)
			r.facts = true
		}
	case telnet.Charset:
		r.charset(payload)
	}
}

// charset handles a message of CHARSET.
func (r *received) charset(payload []byte) {
	cl := r.cl
	kind, names, ok := telnet.ParseCharset(payload)
	switch {
	case kind == telnet.CharsetRequest && (!ok || cl.codec.On(telnet.Charset, telnet.Us) && !cl.answers.charset):
		// Both have asked: RFC 2066 has the server's request count.
		r.out = telnet.AppendCharsetRejected(r.out)
	case !ok:
	case kind == telnet.CharsetRequest:
		for _, given := range names {
			if name := charsetName(given); name != "" {
				cl.said().charset, r.facts = name, true
				r.out = telnet.AppendCharsetAccepted(r.out, given)
				return
			}
		}
		r.out = telnet.AppendCharsetRejected(r.out)
	case kind == telnet.CharsetAccepted:
		if name := charsetName(names[0]); name != "" && !cl.answers.charset {
			cl.said().charset, r.facts = name, true
		}
		cl.answers.charset = true
	case kind == telnet.CharsetRejected:
		cl.answers.charset = true
	case kind == telnet.CharsetTTable:
		r.out = telnet.AppendCharsetTTableRejected(r.out)
	}
}
