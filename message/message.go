package message

import (
	"maps"
	"math"
	"strings"
)

// Limits of one message. They hold for what is encoded and for what is decoded.
const (
	// MaxName is the length of a name in bytes.
	MaxName = 64

	// MaxDepth is how many lists and maps may be nested in one another. Args and
	// Kwargs themselves are not counted.
	MaxDepth = 16

	// MaxValues is the number of values on all levels: each element of a list
	// and each value of a map is one, lists and maps included.
	MaxValues = 4096

	// MaxBytes is the size of the binary form. It is also the measure for the
	// JSON form, whose own size differs: escapes and numbers make it longer, or
	// shorter.
	MaxBytes = 1 << 20
)

// A Message is one named instruction between a client and the game, in either
// direction. Once it was given to somebody it is read and not changed, since
// several goroutines may hold it.
type Message struct {
	// Name says what is to be done: "text", "prompt", "char_vitals". It has 1
	// to MaxName letters a to z, digits, '_', '.' and '-'. Case is kept but does
	// not count: see CanonicalName.
	Name string

	// Args hold nil, bool, int64, float64, string, []any and map[string]any.
	Args []any

	// Kwargs hold the same types as Args. A nil map and an empty one are the
	// same message.
	Kwargs map[string]any
}

// Options are hints for one delivery of a message. They are given beside it by
// game code and never come from a client. The zero value has no hints.
type Options struct {
	Raw     bool // text is sent with markup characters as they stand
	NoColor bool // markup is taken out, whatever the client could show
}

// Text returns the message that shows s: "text", with s as its argument.
func Text(s string) Message {
	return Message{Name: "text", Args: []any{s}}
}

// New returns a message with these arguments. Beside the types that a message
// holds, it takes and converts int and uint of every size, float32, []string and
// map[string]string, also inside of lists and maps; those are then copied, so
// that the caller's stay as they are. Any other value is kept for Check to
// report.
func New(name string, args ...any) Message {
	m := Message{Name: name}
	if len(args) > 0 {
		m.Args = make([]any, len(args))
		c := converter{left: MaxValues}
		for i, v := range args {
			m.Args[i] = c.convert(v, 0)
		}
	}
	return m
}

// With returns m with the keyword argument set, which replaces one of the same
// key. It takes what New takes. The Kwargs of m are not changed.
func (m Message) With(key string, v any) Message {
	kwargs := make(map[string]any, len(m.Kwargs)+1)
	maps.Copy(kwargs, m.Kwargs)
	c := converter{left: MaxValues}
	kwargs[key] = c.convert(v, 0)
	m.Kwargs = kwargs
	return m
}

// ArgText returns argument i if there is one and it is a string.
func (m Message) ArgText(i int) (string, bool) {
	if i < 0 || i >= len(m.Args) {
		return "", false
	}
	s, ok := m.Args[i].(string)
	return s, ok
}

// ArgInt returns argument i if there is one and it is an int64.
func (m Message) ArgInt(i int) (int64, bool) {
	if i < 0 || i >= len(m.Args) {
		return 0, false
	}
	n, ok := m.Args[i].(int64)
	return n, ok
}

// KwargText returns the keyword argument if there is one and it is a string.
func (m Message) KwargText(key string) (string, bool) {
	s, ok := m.Kwargs[key].(string)
	return s, ok
}

// KwargInt returns the keyword argument if there is one and it is an int64.
func (m Message) KwargInt(key string) (int64, bool) {
	n, ok := m.Kwargs[key].(int64)
	return n, ok
}

// CanonicalName returns the form in which names are compared and looked up:
// without surrounding white space and in lower case.
func CanonicalName(name string) string {
	return strings.ToLower(strings.TrimSpace(name))
}

// converter turns the Go types that New accepts into those that a message holds.
// Its bounds are there for structures that contain themselves: what lies beyond
// them stays as it is, and Check refuses the message.
type converter struct {
	left int // values that may still be looked at
}

func (c *converter) convert(v any, depth int) any {
	if c.left--; c.left < 0 || depth > MaxDepth {
		return v
	}
	switch v := v.(type) {
	case int:
		return int64(v)
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint:
		return unsigned(v, uint64(v))
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		return unsigned(v, v)
	case float32:
		return float64(v)
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return list
	case map[string]string:
		dict := make(map[string]any, len(v))
		for k, s := range v {
			dict[k] = s
		}
		return dict
	case []any:
		if len(v) > c.left {
			return v
		}
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = c.convert(e, depth+1)
		}
		return list
	case map[string]any:
		if len(v) > c.left {
			return v
		}
		dict := make(map[string]any, len(v))
		for k, e := range v {
			dict[k] = c.convert(e, depth+1)
		}
		return dict
	}
	return v
}

// unsigned returns n as an int64, or v as it is if n is too large for one.
func unsigned(v any, n uint64) any {
	if n > math.MaxInt64 {
		return v
	}
	return int64(n)
}
