package telnet

// A Policy says what the Codec does about one option. The zero value refuses
// it on both sides.
type Policy struct {
	AcceptUs   bool // a DO of the peer is agreed to
	AcceptThem bool // a WILL of the peer is agreed to

	// Announced is for an option that we switch on and off as we need it and
	// that some clients never confirm, as ECHO around a password: our side is
	// what we said last, and no answer is waited for. A refusal is ignored,
	// since it cannot be told from the late answer to what we said before.
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

func (c *Codec) q(o Option, s Side) *qstate {
	if s == Them {
		return &c.them[o]
	}
	return &c.us[o]
}

// On reports whether the option is in force on that side.
func (c *Codec) On(o Option, s Side) bool { return c.q(o, s).on() }

// Asking reports whether an answer about the option is still to come.
func (c *Codec) Asking(o Option, s Side) bool {
	q := *c.q(o, s)
	return q != qNo && q != qYes && q != qDropped
}

// AppendEnable appends what asks for the option to be performed by that side.
// It appends nothing if it is in force or asked for already, or if the answer
// to an earlier request must be waited for: it is asked for after that.
func (c *Codec) AppendEnable(dst []byte, o Option, s Side) []byte {
	q := c.q(o, s)
	switch *q {
	case qNo, qDropped:
		*q = qWantYes
		if s == Us && c.cfg.Options[o].Announced {
			*q = qYes
		}
		return append(dst, byte(IAC), byte(s.ask()), byte(o))
	case qWantNo:
		*q = qWantNoAgain
	case qWantYesNever:
		*q = qWantYes
	}
	return dst
}

// AppendDisable appends what ends the option on that side; nothing if it is off
// already, or if an answer must be waited for.
func (c *Codec) AppendDisable(dst []byte, o Option, s Side) []byte {
	q := c.q(o, s)
	switch *q {
	case qYes:
		*q = qWantNo
		if s == Us && c.cfg.Options[o].Announced {
			*q = qDropped
		}
		return append(dst, byte(IAC), byte(s.deny()), byte(o))
	case qWantNoAgain:
		*q = qWantNo
	case qWantYes:
		*q = qWantYesNever
	}
	return dst
}

// negotiate handles WILL, WONT, DO and DONT.
func (c *Codec) negotiate(cmd Command, o Option, emit func(Event)) {
	side := Side(cmd == WILL || cmd == WONT)
	yes := cmd == WILL || cmd == DO
	p := c.cfg.Options[o]
	if o == TimingMark && cmd == DO && !p.AcceptUs {
		// A mark is no state: it is answered each time (RFC 860, section 5).
		c.reply(WONT, o)
		return
	}
	q := c.q(o, side)
	if side == Us && p.Announced {
		// Once it was announced, a DO may be the late answer to that, and a
		// refusal could overtake the next announcement.
		if yes && *q == qNo {
			c.reply(WONT, o)
		}
		return
	}
	was, asked := q.on(), *q == qWantYes || *q == qWantYesNever
	if yes {
		accept := side == Us && p.AcceptUs || side == Them && p.AcceptThem
		switch *q {
		case qNo:
			if accept {
				*q = qYes
				c.reply(side.ask(), o)
			} else {
				c.reply(side.deny(), o)
			}
		case qWantNo: // an answer that should not be: RFC 1143 takes the option as off
			*q = qNo
		case qWantNoAgain, qWantYes:
			*q = qYes
		case qWantYesNever:
			*q = qWantNo
			c.reply(side.deny(), o)
		}
	} else {
		switch *q {
		case qYes:
			*q = qNo
			c.reply(side.deny(), o)
		case qWantNo, qWantYes, qWantYesNever:
			*q = qNo
		case qWantNoAgain:
			*q = qWantYes
			c.reply(side.ask(), o)
		}
	}
	if now := q.on(); now != was || asked && !now {
		emit(Event{Kind: OptionChanged, Option: o, Side: side, On: now})
	}
}

func (c *Codec) reply(cmd Command, o Option) {
	c.out = append(c.out, byte(IAC), byte(cmd), byte(o))
}
