package portal

import (
	"context"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"

	"mudlark.dev/message"
	"mudlark.dev/service"
	"mudlark.dev/session"
)

// A Client is what a protocol supplies for each connection: it encodes what the
// game says for the client at the other end, and the Portal writes it.
//
// The Append methods append the encoded form to dst and return the result, as
// append does. They do not write, do not block, keep nothing of their
// arguments, and their result depends on nothing but these, so that one
// encoding serves every client of the same type and protocol whose caps are
// equal. What they return beside an error is not used; the error is logged.
//
// Write must not block either, and owns nothing of what it is given. A *Conn
// does so, and what stacks on one.
//
// None of these methods, nor those of the optional interfaces, may call the
// Session.
type Client interface {
	io.Writer

	// AppendText encodes one text, marked up unless o says otherwise.
	AppendText(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error)

	// AppendDefault encodes a message that has no encoder of its own.
	AppendDefault(dst []byte, m message.Message, caps session.Caps, o message.Options) ([]byte, error)

	// Close tells the client the reason if it can, and ends the connection. It
	// does not block: see Conn.CloseAfterFlush. It is called once, from any
	// goroutine, also when the client has left already.
	Close(reason string) error
}

// An OutputFunc encodes messages of one name. What is said of the Append
// methods of Client holds for it.
type OutputFunc func(dst []byte, m message.Message, caps session.Caps, o message.Options) ([]byte, error)

// A Prompter is a Client that shows prompts otherwise than texts.
type Prompter interface {
	AppendPrompt(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error)
}

// A LoginObserver is a Client that is told who plays at its session, each time
// that changes. Empty names mean nobody. The call must not block.
type LoginObserver interface {
	AtLogin(account, puppet string)
}

// An OutputFuncer is a Client with encoders for messages by name. It is asked
// once for each type of client and protocol. Names are compared in lower case;
// encoders named "text" and "prompt" are not used, as those have methods.
type OutputFuncer interface {
	OutputFuncs() map[string]OutputFunc
}

// An Asker is a Client for which questions are more than prompts, such as one
// that stops showing what is typed. Its methods may depend on the client's
// state. They are called in the order of what is written, one at a time.
type Asker interface {
	// AppendQuestion encodes the prompt of a question. From then on, if hidden,
	// what is typed must not be shown.
	AppendQuestion(dst []byte, prompt string, hidden bool, caps session.Caps) ([]byte, error)

	// AppendAnswered encodes the end of hiding: the answer was taken, or the
	// question closed. It follows each hidden AppendQuestion, unless another
	// question comes first that is hidden as well.
	AppendAnswered(dst []byte) []byte
}

// A Streamer is a Client whose Write takes a stream of bytes: several encodings may
// come in one Write, one behind the other, so that much that is said at once costs
// one system call. To a Client that is none, such as one that makes a message of
// each Write, each encoding is written by itself. Stream does nothing.
type Streamer interface{ Stream() }

// A Describer is a Client that tells what it knows of the connection, for people
// to read: values that a message may hold, by names in lower case. It may take
// until ctx is done, and is called from any goroutine.
type Describer interface {
	Describe(ctx context.Context) map[string]any
}

// A Queuer is a Client that tells how much of what was written to it has not
// been taken yet. A *Conn is one, and so is a Client that embeds it. For one
// that is not, the Conn of Connect's context is asked. Without either, what was
// written counts as taken, and the game does not slow down for that client.
type Queuer interface {
	// Queued returns how many bytes are waiting.
	Queued() int
	// OnDrained has f called, from any goroutine and without a lock held, each
	// time nothing waits any more. It replaces the f before.
	OnDrained(f func())
}

var _ Queuer = (*Conn)(nil)

// A kind is what clients of one type and protocol have in common.
type kind struct {
	protocol string
	stream   bool // its clients are Streamers
	funcs    map[string]OutputFunc
	meter    *protoMeter
}

type kindKey struct {
	client   reflect.Type
	protocol string
}

// kindOf returns the kind of c, which is made at the first of them.
func (p *Portal) kindOf(c Client, protocol string) *kind {
	key := kindKey{reflect.TypeOf(c), protocol}
	p.mu.Lock()
	k := p.kinds[key]
	p.mu.Unlock()
	if k != nil {
		return k
	}
	k = &kind{protocol: protocol, funcs: make(map[string]OutputFunc), meter: p.meter.proto(protocol)}
	_, k.stream = c.(Streamer)
	if o, ok := c.(OutputFuncer); ok {
		for name, f := range o.OutputFuncs() {
			if f != nil {
				k.funcs[message.CanonicalName(name)] = f
			}
		}
	}
	maps.Copy(k.funcs, p.cfg.OutputFuncs[protocol])
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.kinds[key]; first != nil {
		return first
	}
	p.kinds[key] = k
	return k
}

// outputFuncs checks the encoders of a game and returns them under the
// canonical names of their messages.
func outputFuncs(own map[string]map[string]OutputFunc) (map[string]map[string]OutputFunc, []error) {
	out := make(map[string]map[string]OutputFunc, len(own))
	var errs []error
	for _, protocol := range slices.Sorted(maps.Keys(own)) {
		funcs := make(map[string]OutputFunc)
		for _, given := range slices.Sorted(maps.Keys(own[protocol])) {
			name, f := message.CanonicalName(given), own[protocol][given]
			switch {
			case message.New(name).Check() != nil:
				errs = append(errs, fmt.Errorf("portal: outputfunc %q of %s: not a valid message name", given, protocol))
			case name == "text" || name == "prompt":
				errs = append(errs, fmt.Errorf("portal: outputfunc %q of %s: the protocol itself encodes these", given, protocol))
			case f == nil:
				errs = append(errs, fmt.Errorf("portal: outputfunc %q of %s is nil", given, protocol))
			case funcs[name] != nil:
				errs = append(errs, fmt.Errorf("portal: outputfunc %q of %s is given twice", given, protocol))
			default:
				funcs[name] = f
			}
		}
		out[protocol] = funcs
	}
	return out, errs
}

// encode appends the encoded form of m to dst. A panic of the encoder is an
// error with its stack.
func (k *kind) encode(dst []byte, c Client, m message.Message, caps session.Caps, o message.Options) (out []byte, err error) {
	defer service.Recover(&err)
	switch name := message.CanonicalName(m.Name); name {
	case "text":
		text, _ := m.ArgText(0)
		return c.AppendText(dst, text, caps, o)
	case "prompt":
		text, _ := m.ArgText(0)
		return appendPrompt(dst, c, text, caps, o)
	default:
		if f := k.funcs[name]; f != nil {
			return f(dst, m, caps, o)
		}
		return c.AppendDefault(dst, m, caps, o)
	}
}

func appendPrompt(dst []byte, c Client, text string, caps session.Caps, o message.Options) ([]byte, error) {
	if pr, ok := c.(Prompter); ok {
		return pr.AppendPrompt(dst, text, caps, o)
	}
	return c.AppendText(dst, text, caps, o)
}

// encodeQuestion is encode for a question's prompt.
func encodeQuestion(dst []byte, c Client, prompt string, hidden bool, caps session.Caps) (out []byte, err error) {
	defer service.Recover(&err)
	if a, ok := c.(Asker); ok {
		return a.AppendQuestion(dst, prompt, hidden, caps)
	}
	if prompt == "" {
		return dst, nil
	}
	return appendPrompt(dst, c, prompt, caps, message.Options{})
}

// encodeAnswered is encode for the end of hiding.
func encodeAnswered(dst []byte, c Client) (out []byte, err error) {
	defer service.Recover(&err)
	if a, ok := c.(Asker); ok {
		return a.AppendAnswered(dst), nil
	}
	return dst, nil
}
