package telnet

import "slices"

// A Policy says what the Codec does about one option. The zero value refuses
// it on both sides.
type Policy struct {
	AcceptUs   bool // a DO of the peer is agreed to
	AcceptThem bool // a WILL of the peer is agreed to

	// Announced is for an option that we switch on and off as we need it and
	// that some clients never confirm, as ECHO around a password: our side is
	// what we said last, and no answer is waited for. A refusal is ignored,
	// since it cannot be told from the late answer to what we said before. No
	// OptionChanged is reported. A DO before the first announcement is refused,
	// whatever AcceptUs says.
	Announced bool
}

// qstate is the state of one option on one side: RFC 1143, section 7, with the
// queue bit folded in.
type qstate byte

const (
	qNo           qstate = iota
	qYes                 //
	qWantNo              // we asked to end it
	qWantNoAgain         // we asked to end it, and want it on again after that
	qWantYes             // we asked for it
	qWantYesNever        // we asked for it, and want it off again after that
	qDropped             // of an announced option: we said that it is off
	lastQ         = qDropped
)

// on reports whether the option is in force.
func (q qstate) on() bool { return q == qYes || q == qWantNo || q == qWantNoAgain }

// An optionState is the state of an option on a side.
type optionState struct {
	option Option
	side   Side
	q      qstate
}

// at returns the place of an option's state in c.opts, or -1.
func (c *Codec) at(o Option, s Side) int {
	for i := range c.opts {
		if e := &c.opts[i]; e.option == o && e.side == s {
			return i
		}
	}
	return -1
}

func (c *Codec) q(o Option, s Side) qstate {
	if i := c.at(o, s); i >= 0 {
		return c.opts[i].q
	}
	return qNo
}

func (c *Codec) set(o Option, s Side, q qstate) {
	i := c.at(o, s)
	switch {
	case i < 0 && q != qNo:
		c.opts = append(c.opts, optionState{o, s, q})
	case i < 0:
	case q == qNo:
		c.opts = slices.Delete(c.opts, i, i+1)
	default:
		c.opts[i].q = q
	}
}

// On reports whether the option is in force on that side. One that we have asked
// to end stays in force until the peer confirms it, unless it is announced.
func (c *Codec) On(o Option, s Side) bool { return c.q(o, s).on() }

// Asking reports whether an answer about the option is still to come.
func (c *Codec) Asking(o Option, s Side) bool {
	q := c.q(o, s)
	return q != qNo && q != qYes && q != qDropped
}

// AppendEnable appends what asks for the option to be performed by that side.
// It appends nothing if it is in force or asked for already, or if the answer
// to an earlier request must be waited for: Decode asks for it after that.
//
// The answer is reported as OptionChanged. TIMING-MARK is never in force: it can
// be asked for again once that was reported.
func (c *Codec) AppendEnable(dst []byte, o Option, s Side) []byte {
	switch c.q(o, s) {
	case qNo, qDropped:
		q := qWantYes
		if c.announced(o, s) {
			q = qYes
		}
		c.set(o, s, q)
		return append(dst, byte(IAC), byte(s.ask()), byte(o))
	case qWantNo:
		c.set(o, s, qWantNoAgain)
	case qWantYesNever:
		c.set(o, s, qWantYes)
	}
	return dst
}

// AppendDisable appends what ends the option on that side; nothing if it is off
// already, or if an answer must be waited for: Decode ends it after that.
func (c *Codec) AppendDisable(dst []byte, o Option, s Side) []byte {
	switch c.q(o, s) {
	case qYes:
		q := qWantNo
		if c.announced(o, s) {
			q = qDropped
		}
		c.set(o, s, q)
		return append(dst, byte(IAC), byte(s.deny()), byte(o))
	case qWantNoAgain:
		c.set(o, s, qWantNo)
	case qWantYes:
		c.set(o, s, qWantYesNever)
	}
	return dst
}

// negotiate handles WILL, WONT, DO and DONT.
func (c *Codec) negotiate(cmd Command, o Option, emit func(Event)) {
	if c.cfg.Allow != nil && !c.cfg.Allow() {
		return
	}
	side := Side(cmd == WILL || cmd == WONT)
	yes := cmd == WILL || cmd == DO
	p := c.cfg.Options[o]
	q := c.q(o, side)
	if o == TimingMark {
		// RFC 860, section 5: a mark is no state. Each request is answered, and
		// each answer ends its request.
		switch asked := q != qNo; {
		case asked:
			c.set(o, side, qNo)
			emit(Event{Kind: OptionChanged, Option: o, Side: side, On: yes})
		case cmd == DO && p.AcceptUs:
			c.reply(WILL, o)
		case yes:
			c.reply(side.deny(), o)
		}
		return
	}
	if c.announced(o, side) {
		// Once it was announced, a DO may be the late answer to that, and a
		// refusal could overtake the next announcement.
		if yes && q == qNo {
			c.reply(WONT, o)
		}
		return
	}
	was, asked := q.on(), q == qWantYes || q == qWantYesNever
	if yes {
		accept := side == Us && p.AcceptUs || side == Them && p.AcceptThem
		switch q {
		case qNo:
			if accept {
				q = qYes
				c.reply(side.ask(), o)
			} else {
				c.reply(side.deny(), o)
			}
		case qWantNo: // an answer that should not be: RFC 1143 takes the option as off
			q = qNo
		case qWantNoAgain, qWantYes:
			q = qYes
		case qWantYesNever:
			q = qWantNo
			c.reply(side.deny(), o)
		}
	} else {
		switch q {
		case qYes:
			q = qNo
			c.reply(side.deny(), o)
		case qWantNo, qWantYes, qWantYesNever:
			q = qNo
		case qWantNoAgain:
			q = qWantYes
			c.reply(side.ask(), o)
		}
	}
	c.set(o, side, q)
	if now := q.on(); now != was || asked && !now {
		emit(Event{Kind: OptionChanged, Option: o, Side: side, On: now})
	}
}

// announced reports whether what we said last counts, not the peer's answer.
func (c *Codec) announced(o Option, s Side) bool {
	return s == Us && o != TimingMark && c.cfg.Options[o].Announced
}

// adopt brings states that came about under other policies to such as can
// occur under these: what we said last about an announced option is what
// counts, and one that no longer is announced and was dropped is off.
func (c *Codec) adopt() {
	for _, e := range slices.Clone(c.opts) {
		switch announced := c.announced(e.option, e.side); {
		case e.side != Us:
		case announced && (e.q == qWantYes || e.q == qWantYesNever):
			c.set(e.option, Us, qYes)
		case announced && (e.q == qWantNo || e.q == qWantNoAgain):
			c.set(e.option, Us, qDropped)
		case !announced && e.q == qDropped:
			c.set(e.option, Us, qNo)
		}
	}
}

func (c *Codec) reply(cmd Command, o Option) {
	c.out = append(c.out, byte(IAC), byte(cmd), byte(o))
}
