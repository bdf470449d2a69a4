package lock

import "strings"

// An op is what a node does with its kids. A higher one binds closer.
type op uint8

const (
	opOr op = iota
	opAnd
	opNot
	opCall
)

// A node is an expression. Nodes keep the expression for String; what runs is the
// Test that compile makes of them.
type node struct {
	op   op
	kids []*node // two or more for or and and, one for not

	// For a call:
	name string
	args []string // as they are written, without white space around them
	test Test
}

// join returns the expression of kids joined by op. Kids of the same op are taken
// in, since parentheses around them change nothing.
func join(op op, kids ...*node) *node {
	if len(kids) == 1 {
		return kids[0]
	}
	n := &node{op: op}
	for _, k := range kids {
		if k.op == op {
			n.kids = append(n.kids, k.kids...)
		} else {
			n.kids = append(n.kids, k)
		}
	}
	return n
}

// compile returns a Test for the expression, which allocates nothing of its own.
func (n *node) compile() Test {
	tests := make([]Test, len(n.kids))
	for i, k := range n.kids {
		tests[i] = k.compile()
	}
	switch n.op {
	case opOr:
		return func(s Subject, o Object) bool {
			for _, test := range tests {
				if test(s, o) {
					return true
				}
			}
			return false
		}
	case opAnd:
		return func(s Subject, o Object) bool {
			for _, test := range tests {
				if !test(s, o) {
					return false
				}
			}
			return true
		}
	case opNot:
		test := tests[0]
		return func(s Subject, o Object) bool { return !test(s, o) }
	}
	return n.test
}

// calls returns the number of functions in the expression.
func (n *node) calls() int {
	if n.op == opCall {
		return 1
	}
	sum := 0
	for _, k := range n.kids {
		sum += k.calls()
	}
	return sum
}

func (n *node) String() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	if n.op == opCall {
		b.WriteString(n.name)
		b.WriteByte('(')
		b.WriteString(strings.Join(n.args, ", "))
		b.WriteByte(')')
		return
	}
	for i, k := range n.kids {
		switch {
		case n.op == opNot:
			b.WriteString("not ")
		case i > 0 && n.op == opAnd:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(" or ")
		}
		if k.op < n.op {
			b.WriteByte('(')
			k.write(b)
			b.WriteByte(')')
		} else {
			k.write(b)
		}
	}
}
