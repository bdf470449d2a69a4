package lock

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A ParseError says what is wrong with a lock string, in words for whoever wrote it.
type ParseError struct {
	Pos    int    // characters before the place in the lock string
	Near   string // the beginning of what stands there; "" at the end
	Reason string
	Err    error // what the function said of its arguments, or nil
}

// Error returns text of this form:
//
//	lock: at character 6, "prm(Admin)": no function "prm", did you mean "perm"?
func (e *ParseError) Error() string {
	near := "the end"
	if e.Near != "" {
		near = fmt.Sprintf("%q", e.Near)
	}
	return fmt.Sprintf("lock: at character %d, %s: %s", e.Pos+1, near, e.Reason)
}

// Unwrap returns Err.
func (e *ParseError) Unwrap() error { return e.Err }

// Parse compiles a lock string with these functions, whose names in the map are
// in lower case. The error is a *ParseError. An empty string is a lock that
// defines nothing; a semicolon may stand after the last definition.
func Parse(text string, funcs Funcs) (Lock, error) {
	p := parser{text: text, funcs: funcs}
	if len(text) > MaxBytes {
		return Lock{}, p.fail(MaxBytes, "the lock string has %d bytes, the limit is %d", len(text), MaxBytes)
	}
	for i, r := range text {
		if unicode.IsControl(r) {
			return Lock{}, p.fail(i, "control characters are not allowed")
		}
		if _, n := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && n == 1 {
			return Lock{}, p.fail(i, "not UTF-8")
		}
	}
	var l Lock
	for p.space(); p.pos < len(text); p.space() {
		r, err := p.rule()
		if err != nil {
			return Lock{}, err
		}
		l.rules = append(l.rules, r)
		for _, before := range l.rules[:len(l.rules)-1] {
			if before.access == r.access {
				return Lock{}, p.fail(p.start, "%q is defined twice", r.access)
			}
		}
		if p.pos < len(text) && !p.take(';') {
			return Lock{}, p.fail(p.pos, "expected 'and', 'or', ';' or the end")
		}
	}
	// The normal form can be longer, by the spaces that were left out.
	if n := len(l.String()); n > MaxBytes {
		return Lock{}, p.fail(len(text), "in its normal form the lock string has %d bytes, the limit is %d", n, MaxBytes)
	}
	return l, nil
}

type parser struct {
	text  string
	funcs Funcs
	pos   int
	start int // of the definition at hand
	depth int
	calls int
}

func (p *parser) fail(pos int, format string, a ...any) *ParseError {
	near := p.text[pos:]
	if len(near) > 24 {
		near = strings.ToValidUTF8(near[:24], "") + "…" // it may be cut inside of a character
	}
	return &ParseError{Pos: p.chars(pos), Near: near, Reason: fmt.Sprintf(format, a...)}
}

// chars returns the number of characters before pos.
func (p *parser) chars(pos int) int { return utf8.RuneCountInString(p.text[:pos]) }

func (p *parser) space() {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
}

// take skips c, and white space before it, if that is what follows.
func (p *parser) take(c byte) bool {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// peek returns the name that follows, in lower case, or "".
func (p *parser) peek() string {
	p.space()
	end := p.pos
	for end < len(p.text) && nameByte(p.text[end]) {
		end++
	}
	return strings.ToLower(p.text[p.pos:end])
}

func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// word skips one of the words not, and, or if that is what follows.
func (p *parser) word(word string) bool {
	if p.peek() != word {
		return false
	}
	p.pos += len(word)
	return true
}

func (p *parser) rule() (rule, error) {
	access := p.peek()
	p.start = p.pos
	if access == "" {
		return rule{}, p.fail(p.pos, "expected an access type, such as edit")
	}
	p.pos += len(access)
	if !p.take(':') {
		return rule{}, p.fail(p.pos, "expected ':' after the access type %q", access)
	}
	expr, err := p.or()
	if err != nil {
		return rule{}, err
	}
	return rule{access: access, expr: expr, test: expr.compile()}, nil
}

func (p *parser) or() (*node, error)  { return p.joined(opOr, "or", p.and) }
func (p *parser) and() (*node, error) { return p.joined(opAnd, "and", p.not) }

func (p *parser) joined(op op, word string, kid func() (*node, error)) (*node, error) {
	var kids []*node
	for more := true; more; more = p.word(word) {
		k, err := kid()
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	return join(op, kids...), nil
}

func (p *parser) not() (*node, error) {
	p.space()
	start := p.pos
	switch {
	case p.word("not"):
		return p.nested(start, func() (*node, error) {
			kid, err := p.not()
			return &node{op: opNot, kids: []*node{kid}}, err
		})
	case p.take('('):
		return p.nested(start, func() (*node, error) {
			n, err := p.or()
			if err == nil && !p.take(')') {
				err = p.fail(p.pos, "expected 'and', 'or' or ')' for the '(' at character %d", p.chars(start)+1)
			}
			return n, err
		})
	}
	return p.call()
}

// nested reads what stands one level deeper.
func (p *parser) nested(start int, read func() (*node, error)) (*node, error) {
	if p.depth == MaxDepth {
		return nil, p.fail(start, "parentheses and nots are nested deeper than %d", MaxDepth)
	}
	p.depth++
	defer func() { p.depth-- }()
	return read()
}

func (p *parser) call() (*node, error) {
	name := p.peek()
	start := p.pos
	if name == "" || name == "and" || name == "or" {
		return nil, p.fail(start, "expected a function, 'not' or '('")
	}
	f, ok := p.funcs[name]
	if !ok {
		if near := nearest(name, p.funcs); near != "" {
			return nil, p.fail(start, "no function %q, did you mean %q?", name, near)
		}
		return nil, p.fail(start, "no function %q, there are %s", name, list(p.funcs))
	}
	if p.calls++; p.calls > MaxFuncs {
		return nil, p.fail(start, "more than %d functions", MaxFuncs)
	}
	p.pos += len(name)
	if !p.take('(') {
		return nil, p.fail(p.pos, "expected '(' after the function %q", name)
	}
	n := &node{op: opCall, name: name}
	args, err := p.args(n)
	if err != nil {
		return nil, err
	}
	n.test, err = f(args)
	if err == nil && n.test == nil {
		err = fmt.Errorf("the function gave no test")
	}
	if err != nil {
		perr := p.fail(start, "%s: %v", name, err)
		perr.Err = err
		return nil, perr
	}
	return n, nil
}

// args reads the arguments and the parenthesis after them.
func (p *parser) args(n *node) (Args, error) {
	var args Args
	if p.take(')') {
		return args, nil
	}
	for {
		p.space()
		start := p.pos
		length := strings.IndexAny(p.text[start:], ",();")
		if length < 0 {
			length = len(p.text) - start
		}
		p.pos += length
		arg := strings.TrimSpace(p.text[start:p.pos])
		if arg == "" {
			return Args{}, p.fail(start, "expected an argument")
		}
		if p.pos == len(p.text) || p.text[p.pos] == '(' || p.text[p.pos] == ';' {
			return Args{}, p.fail(p.pos, "expected ',' or ')' after the argument %q", arg)
		}
		if key, value, ok := strings.Cut(arg, "="); ok {
			key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
			if key == "" || strings.IndexFunc(key, func(r rune) bool { return r >= utf8.RuneSelf || !nameByte(byte(r)) }) >= 0 {
				return Args{}, p.fail(start, "%q is not a name for a keyword argument", key)
			}
			if _, twice := args.Key[key]; twice {
				return Args{}, p.fail(start, "%q is given twice", key)
			}
			if args.Key == nil {
				args.Key = make(map[string]string)
			}
			args.Key[key] = value
			arg = key + "=" + value
		} else {
			args.Pos = append(args.Pos, arg)
		}
		n.args = append(n.args, arg)
		if p.take(')') {
			return args, nil
		}
		p.take(',')
	}
}

// list returns the names of the functions, for a message.
func list(funcs Funcs) string {
	names := slices.Sorted(maps.Keys(funcs))
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return strings.Join(names, ", ")
}

// nearest returns the function whose name is at most a third of its letters, and
// at least one, away from name, or "".
func nearest(name string, funcs Funcs) string {
	best, least := "", 1+len(name)/3
	for _, f := range slices.Sorted(maps.Keys(funcs)) {
		// The difference in length is the least that the distance can be, and
		// saves the work for names that are far too long.
		if diff := len(f) - len(name); diff > least || -diff > least {
			continue
		}
		if d := distance(name, f); d < least || d == least && best == "" {
			best, least = f, d
		}
	}
	return best
}

// distance returns the number of letters to insert, delete and replace that lead
// from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
