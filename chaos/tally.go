package chaos

import (
	"fmt"
	"strconv"
	"strings"
)

// A tally is a sequence of numbers as it happened, in short: "1-57,59". A number
// that came twice or out of order shows, as in "1-57,57-60".
type tally struct{ spans []span }

type span struct{ from, to int64 }

// add appends a number.
func (t *tally) add(n int64) {
	if k := len(t.spans); k > 0 && t.spans[k-1].to+1 == n {
		t.spans[k-1].to = n
		return
	}
	t.spans = append(t.spans, span{n, n})
}

// last returns the number that came last, or 0.
func (t *tally) last() int64 {
	if len(t.spans) == 0 {
		return 0
	}
	return t.spans[len(t.spans)-1].to
}

// count returns how many numbers came.
func (t *tally) count() (n int64) {
	for _, s := range t.spans {
		n += s.to - s.from + 1
	}
	return n
}

// String returns the form that is stored; "-" is the empty tally.
func (t *tally) String() string {
	if len(t.spans) == 0 {
		return "-"
	}
	var b strings.Builder
	for i, s := range t.spans {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(s.from, 10))
		if s.to != s.from {
			b.WriteByte('-')
			b.WriteString(strconv.FormatInt(s.to, 10))
		}
	}
	return b.String()
}

// parseTally reads what String has written; "" is the empty tally as well.
func parseTally(text string) (t tally, err error) {
	if text == "" || text == "-" {
		return t, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, isSpan := strings.Cut(part, "-")
		if !isSpan {
			to = from
		}
		a, err1 := strconv.ParseInt(from, 10, 64)
		b, err2 := strconv.ParseInt(to, 10, 64)
		if err1 != nil || err2 != nil || b < a {
			return tally{}, fmt.Errorf("chaos: tally %q: %q is no span", text, part)
		}
		t.spans = append(t.spans, span{a, b})
	}
	return t, nil
}
