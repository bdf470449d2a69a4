package inline

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limits. What is beyond them is an error if Options.Strict is set, and else stands
// as it was written.
const (
	MaxDepth  = 20       // calls in calls
	MaxCalls  = 1000     // in one text
	MaxOutput = 64 << 10 // bytes that a text may become beyond its own length
)

// Errors of Expand and Value, wrapped in an *Error.
var (
	ErrUnknown = errors.New("there is no such function")
	ErrOpen    = errors.New("the call is not closed")
	ErrDepth   = errors.New("too many calls in one another")
	ErrCalls   = errors.New("too many calls")
	ErrOutput  = errors.New("the result is too long")
)

// An Error says which call failed.
type Error struct {
	Name string // of the function
	At   int    // where its "$" is, in bytes
	Err  error
}

// Error returns the whole in one sentence.
func (e *Error) Error() string {
	return fmt.Sprintf("inline: $%s at byte %d: %v", e.Name, e.At, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// A Func computes the value of a call. It must not keep the Call. What it returns
// becomes text, which may have markup, unless another function gets it as it is.
type Func func(c *Call) (any, error)

// A Call is one call of a function.
type Call struct {
	Name   string
	Args   []any          // of text without calls: string, trimmed
	Kwargs map[string]any // by name; nil if there are none
	Env    any            // what Render was given
}

// Text returns argument i as text, or def if there is none.
func (c *Call) Text(i int, def string) string {
	if i >= len(c.Args) {
		return def
	}
	return text(c.Args[i])
}

// Option returns the argument of that name as text, else argument i, else def.
func (c *Call) Option(name string, i int, def string) string {
	if v, ok := c.Kwargs[name]; ok {
		return text(v)
	}
	return c.Text(i, def)
}

// Number returns argument i as a number: int64 or float64.
func (c *Call) Number(i int) (any, error) {
	if i >= len(c.Args) {
		return nil, fmt.Errorf("argument %d is missing", i+1)
	}
	return number(c.Args[i])
}

func number(v any) (any, error) {
	switch v := v.(type) {
	case int64, float64:
		return v, nil
	case int:
		return int64(v), nil
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n, nil
		}
		// Neither "NaN" nor "0x1p3" is a number that people write.
		if plainNumber.MatchString(v) {
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				return f, nil
			}
		}
	}
	return nil, fmt.Errorf("%q is no number", text(v))
}

var plainNumber = regexp.MustCompile(`^[+-]?[0-9]*\.?[0-9]+$`)

// A Set has functions by name. It is not changed once it was made, and may be used
// from several goroutines if its functions may.
type Set struct{ funcs map[string]Func }

// NewSet returns a set of the functions of several maps, of which the later count.
// A name that cannot be called is an error.
func NewSet(of ...map[string]Func) (*Set, error) {
	s := &Set{funcs: map[string]Func{}}
	for _, m := range of {
		maps.Copy(s.funcs, m)
	}
	for _, name := range s.Names() {
		if !isName.MatchString(name) {
			return nil, fmt.Errorf("inline: %q is no name of a function: letters, digits and _", name)
		}
		if s.funcs[name] == nil {
			return nil, fmt.Errorf("inline: function %q is nil", name)
		}
	}
	return s, nil
}

var isName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// Names returns the names of the functions, sorted.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.funcs)) }

// Options say how calls are expanded. The zero value is usual.
type Options struct {
	Strict bool // a call that cannot be expanded is an error
	Strip  bool // calls are taken out
	Escape bool // calls stay, in a form that is never expanded again

	// Values has arguments that functions get if a call has none of that name,
	// Reserved those that they get whatever a call says.
	Values, Reserved map[string]any
}

// Expand returns text with its calls expanded by the functions of s. env is for
// them.
func (s *Set) Expand(text string, env any, o Options) (string, error) {
	if strings.IndexByte(text, '$') < 0 {
		return text, nil
	}
	t, err := Parse(text, o.Strict)
	if err != nil {
		return text, err
	}
	return t.Render(s, env, o)
}

// Value returns the value of text: if it is one call and nothing else, what its
// function returned, else what Expand returns.
func (s *Set) Value(text string, env any, o Options) (any, error) {
	t, err := Parse(text, o.Strict)
	if err != nil {
		return text, err
	}
	r := t.renderer(s, env, o)
	v, err := r.value(t.nodes)
	if err != nil {
		return text, err
	}
	return v, nil
}

// A Template is text that was parsed, to be rendered for several readers. It is not
// changed and may be used from several goroutines.
type Template struct {
	source string
	nodes  []node
}

// A node is text, or a call.
type node struct {
	text string
	call *call
}

type call struct {
	name     string
	from, to int // in the source
	args     []arg
}

type arg struct {
	key    string
	nodes  []node
	quoted bool // some of it was in quotes: its spaces count, and it is one if it is empty
}

// A frame is a call whose end was not found yet.
type frame struct {
	call   *call
	arg    arg
	text   strings.Builder // of the argument, since its last call
	quote  bool            // it is still
	parens int             // that are open
}

// Parse reads text. With strict, what cannot be read is an error, which is an
// *Error.
func Parse(source string, strict bool) (*Template, error) {
	t := &Template{source: source}
	var top strings.Builder
	var stack []*frame
	calls := 0
	// put adds text to what is being read.
	put := func(s string) {
		if n := len(stack); n > 0 {
			stack[n-1].text.WriteString(s)
		} else {
			top.WriteString(s)
		}
	}
	for i := 0; i < len(source); {
		c := source[i]
		var f *frame
		if n := len(stack); n > 0 {
			f = stack[n-1]
		}
		switch {
		case c == '\\' && i+1 < len(source) && strings.IndexByte(escapes(f != nil), source[i+1]) >= 0:
			put(escaped(source[i+1]))
			i += 2
		case c == '|' && i+1 < len(source) && (source[i+1] == '|' || source[i+1] == '$'):
			put(source[i : i+2])
			i += 2
		case c == '$' && strings.HasPrefix(source[i:], "$$"):
			put("|$")
			i += 2
		case c == '$':
			n := nameLen(source[i+1:])
			if n == 0 {
				put("$")
				i++
				continue
			}
			name := source[i+1 : i+1+n]
			if err := tooMuch(len(stack), calls); err != nil {
				if strict {
					return nil, &Error{name, i, err}
				}
				put("|$" + name) // its parenthesis is text
				i += 1 + n
				continue
			}
			calls++
			stack = append(stack, &frame{call: &call{name: name, from: i}})
			i += n + 2
		case f == nil:
			j := i + 1
			for j < len(source) && source[j] != '\\' && source[j] != '$' && source[j] != '|' {
				j++
			}
			top.WriteString(source[i:j])
			i = j
		case c == '"':
			f.quote = !f.quote
			f.arg.quoted = true
			i++
		case f.quote:
			f.text.WriteByte(c)
			i++
		case c == '(':
			f.parens++
			f.text.WriteByte(c)
			i++
		case c == ')' && f.parens > 0:
			f.parens--
			f.text.WriteByte(c)
			i++
		case c == ',' && f.parens == 0:
			f.endArg()
			i++
		case c == '=' && f.parens == 0 && f.arg.key == "" && len(f.arg.nodes) == 0 && !f.arg.quoted && isKey(f.text.String()):
			f.arg.key = strings.TrimSpace(f.text.String())
			f.text.Reset()
			i++
		case c == ')':
			f.endArg()
			i++
			f.call.to = i
			stack = stack[:len(stack)-1]
			n := node{call: f.call}
			if len(stack) > 0 {
				stack[len(stack)-1].add(n)
			} else {
				t.add(&top, n)
			}
		default:
			f.text.WriteByte(c)
			i++
		}
	}
	if len(stack) > 0 {
		open := stack[0].call
		if strict {
			return nil, &Error{open.name, open.from, ErrOpen}
		}
		top.WriteString(source[open.from:])
	}
	t.add(&top, node{})
	return t, nil
}

// isKey reports whether s, which may be of any length, names an argument.
func isKey(s string) bool { return len(s) <= 64 && isName.MatchString(strings.TrimSpace(s)) }

// escapes returns what a backslash makes a character. Outside of calls that is the
// dollar alone: there nothing else has a meaning, and players type backslashes.
func escapes(inCall bool) string {
	if inCall {
		return `$(),="\`
	}
	return "$"
}

// escaped returns a character that a backslash stood before, as markup.
func escaped(c byte) string {
	if c == '$' {
		return "|$"
	}
	return string(c)
}

func tooMuch(depth, calls int) error {
	switch {
	case depth == MaxDepth:
		return ErrDepth
	case calls == MaxCalls:
		return ErrCalls
	}
	return nil
}

// nameLen returns the length of the name that s begins with, 0 if it is not one
// with a parenthesis behind it.
func nameLen(s string) int {
	n := 0
	for n < len(s) && n < 64 && (s[n] == '_' || s[n] >= '0' && s[n] <= '9' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
		n++
	}
	if n == 0 || n == len(s) || s[n] != '(' || s[0] == '_' || s[0] <= '9' {
		return 0
	}
	return n
}

// add adds a node behind the text that was read.
func (t *Template) add(b *strings.Builder, n node) {
	if b.Len() > 0 {
		t.nodes = append(t.nodes, node{text: b.String()})
		b.Reset()
	}
	if n.call != nil {
		t.nodes = append(t.nodes, n)
	}
}

// add adds a call to the argument that is being read.
func (f *frame) add(n node) {
	if f.text.Len() > 0 {
		f.arg.nodes = append(f.arg.nodes, node{text: f.text.String()})
		f.text.Reset()
	}
	f.arg.nodes = append(f.arg.nodes, n)
}

// endArg ends the argument that is being read.
func (f *frame) endArg() {
	if f.text.Len() > 0 {
		f.arg.nodes = append(f.arg.nodes, node{text: f.text.String()})
		f.text.Reset()
	}
	if nodes := f.arg.nodes; !f.arg.quoted && len(nodes) > 0 {
		if first := &nodes[0]; first.call == nil {
			first.text = strings.TrimLeft(first.text, " \t\n")
		}
		if last := &nodes[len(nodes)-1]; last.call == nil {
			last.text = strings.TrimRight(last.text, " \t\n")
		}
		f.arg.nodes = slices.DeleteFunc(nodes, func(n node) bool { return n.call == nil && n.text == "" })
	}
	f.call.args = append(f.call.args, f.arg)
	f.arg = arg{}
}

// Calls reports whether there is a call in it.
func (t *Template) Calls() bool {
	return slices.ContainsFunc(t.nodes, func(n node) bool { return n.call != nil })
}

// Render returns the text with its calls expanded by the functions of s. If the
// error, which is an *Error, is not nil, the text is the source.
func (t *Template) Render(s *Set, env any, o Options) (string, error) {
	r := t.renderer(s, env, o)
	out, err := r.join(t.nodes)
	if err != nil {
		return t.source, err
	}
	return out, nil
}

type rendering struct {
	t    *Template
	set  *Set
	env  any
	opts Options
	room int // bytes that results may still have
}

func (t *Template) renderer(s *Set, env any, o Options) *rendering {
	return &rendering{t: t, set: s, env: env, opts: o, room: MaxOutput}
}

// join returns nodes as text.
func (r *rendering) join(nodes []node) (string, error) {
	if len(nodes) == 1 && nodes[0].call == nil {
		return nodes[0].text, nil
	}
	var b strings.Builder
	for _, n := range nodes {
		if n.call == nil {
			b.WriteString(n.text)
			continue
		}
		v, err := r.call(n.call)
		if err != nil {
			return "", err
		}
		b.WriteString(text(v))
	}
	return b.String(), nil
}

// value returns nodes as the value of their call, if that is all, else as text.
func (r *rendering) value(nodes []node) (any, error) {
	if len(nodes) == 1 && nodes[0].call != nil {
		return r.call(nodes[0].call)
	}
	return r.join(nodes)
}

// call returns the value of a call, or its source if it has none.
func (r *rendering) call(c *call) (any, error) {
	switch {
	case r.opts.Strip:
		return "", nil
	case r.opts.Escape:
		return r.verbatim(c), nil
	}
	v, err := r.run(c)
	if err == nil {
		if n := len(text(v)); n > r.room {
			err = ErrOutput
		} else {
			r.room -= n
			return v, nil
		}
	}
	var inner *Error
	switch {
	case !r.opts.Strict:
		return r.verbatim(c), nil
	case errors.As(err, &inner):
		return nil, err
	}
	return nil, &Error{c.name, c.from, err}
}

// verbatim returns a call as it was written, as text that shows it.
func (r *rendering) verbatim(c *call) string {
	source := r.t.source[c.from:c.to]
	if r.room -= len(source); r.room < 0 {
		return ""
	}
	return escapeCalls(source)
}

// escapeCalls puts a bar before each dollar that has none.
func escapeCalls(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '|' && i+1 < len(s) && (s[i+1] == '|' || s[i+1] == '$') {
			b.WriteString(s[i : i+2])
			i++
			continue
		}
		if s[i] == '$' {
			b.WriteByte('|')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (r *rendering) run(c *call) (v any, err error) {
	f := r.set.funcs[c.name]
	if f == nil {
		return nil, ErrUnknown
	}
	in := &Call{Name: c.name, Env: r.env}
	if len(r.opts.Values)+len(r.opts.Reserved) > 0 {
		in.Kwargs = maps.Clone(r.opts.Values)
		if in.Kwargs == nil {
			in.Kwargs = map[string]any{}
		}
	}
	for _, a := range c.args {
		if len(c.args) == 1 && a.key == "" && len(a.nodes) == 0 && !a.quoted {
			break // "()" has no arguments
		}
		v, err := r.value(a.nodes)
		if err != nil {
			return nil, err
		}
		if a.key == "" {
			in.Args = append(in.Args, v)
			continue
		}
		if in.Kwargs == nil {
			in.Kwargs = map[string]any{}
		}
		in.Kwargs[a.key] = v
	}
	maps.Copy(in.Kwargs, r.opts.Reserved)
	return f(in)
}

// text returns a value as text.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case interface{ Name() string }:
		return v.Name()
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, text(e))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}
