package portal

import (
	"sync"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/session"
)

// lineOverhead is what a held message counts beside its text.
const lineOverhead = 64

type lineKind uint8

const (
	lineOpen lineKind = iota
	lineInput
	lineUpdate
	lineClose
)

// A line is an entry of a session's log.
type line struct {
	kind     lineKind
	n        uint64
	size     int             // lineInput: what it counts against the ring's bytes
	question link.QuestionID // lineInput
	message  message.Message // lineInput
	info     *session.Info   // lineUpdate
	reason   string          // lineClose
}

// frame returns the frame of a line on a link where the session has that index.
func (l *line) frame(i link.Index) link.Frame {
	switch l.kind {
	case lineOpen:
		return &link.Open{Index: i, N: l.n}
	case lineInput:
		return &link.Input{Index: i, N: l.n, Question: l.question, Message: l.message}
	case lineUpdate:
		return &link.Update{Index: i, N: l.n, Info: *l.info}
	default:
		return &link.Close{Index: i, N: l.n, Reason: l.reason}
	}
}

// A lineLog holds the lines of a session that are not processed, numbered from
// 1 without gaps. The ring's bounds hold back input alone: of the others there
// is at most one Open, one Close and one Update at a time.
type lineLog struct {
	lines     []line // those above processed, in order
	last      uint64 // the number of the newest line ever
	processed uint64
	inputs    int  // lineInput among lines
	bytes     int  // their sizes
	pending   bool // an Update is to follow the one that is not processed
}

// logRoom is how many lines have room in a log at once. Most hold one at a time, and
// none while their player is idle.
const logRoom = 4

var logPool = sync.Pool{New: func() any { return new([logRoom]line) }}

// append numbers l and adds it.
func (g *lineLog) append(l line) *line {
	g.last++
	l.n = g.last
	if l.kind == lineInput {
		g.inputs++
		g.bytes += l.size
	}
	if g.lines == nil {
		g.lines = logPool.Get().(*[logRoom]line)[:0]
	}
	g.lines = append(g.lines, l)
	return &g.lines[len(g.lines)-1]
}

// room reports whether an input of that size fits. One that is larger than the
// ring fits an empty one.
func (g *lineLog) room(size, maxLines, maxBytes int) bool {
	if g.inputs == 0 {
		return true
	}
	return (maxLines < 0 || g.inputs < maxLines) && (maxBytes < 0 || g.bytes+size <= maxBytes)
}

// half reports whether the ring is no more than half full.
func (g *lineLog) half(maxLines, maxBytes int) bool {
	return (maxLines < 0 || g.inputs <= maxLines/2) && (maxBytes < 0 || g.bytes <= maxBytes/2)
}

// update returns the Update that is not processed, if there is one.
func (g *lineLog) update() *line {
	for i := range g.lines {
		if g.lines[i].kind == lineUpdate {
			return &g.lines[i]
		}
	}
	return nil
}

// stamped reports whether an input in the log carries that question.
func (g *lineLog) stamped(q link.QuestionID) bool {
	for i := range g.lines {
		if g.lines[i].kind == lineInput && g.lines[i].question == q {
			return true
		}
	}
	return false
}

// stampAhead gives a question's stamp to the text that was typed before it was
// asked and will answer it, and reports whether there is one: the first without a
// stamp behind the command's own line and done. The Server that asks has that line
// without the stamp; with it, the next one cannot take it for a command.
func (g *lineLog) stampAhead(q link.QuestionID, done uint64) bool {
	for i := range g.lines {
		l := &g.lines[i]
		if l.kind != lineInput || l.n <= max(q.Line, done) || l.question != (link.QuestionID{}) || message.CanonicalName(l.message.Name) != "text" {
			continue
		}
		l.question = q
		return true
	}
	return false
}

// process takes out the lines up to n. It reports whether an input was among
// them, an update, and the close.
func (g *lineLog) process(n uint64) (input, update, closed bool) {
	n = min(n, g.last)
	if n <= g.processed {
		return false, false, false
	}
	k := int(n - g.processed)
	for i := range g.lines[:k] {
		switch l := &g.lines[i]; l.kind {
		case lineInput:
			input = true
			g.inputs--
			g.bytes -= l.size
		case lineUpdate:
			update = true
		case lineClose:
			closed = true
		}
	}
	g.processed = n
	rest := copy(g.lines, g.lines[k:])
	clear(g.lines[rest:])
	if g.lines = g.lines[:rest]; rest == 0 {
		if cap(g.lines) == logRoom {
			logPool.Put((*[logRoom]line)(g.lines[:logRoom]))
		}
		g.lines = nil
	}
	return input, update, closed
}

// textBytes is what a message counts in the ring: the bytes of the texts in its
// arguments and keyword arguments, at any depth, keys not counted.
func textBytes(m message.Message) int {
	if len(m.Args) == 1 && len(m.Kwargs) == 0 {
		if s, ok := m.Args[0].(string); ok {
			return len(s)
		}
	}
	n := 0
	for _, v := range m.Args {
		n += valueBytes(v)
	}
	for _, v := range m.Kwargs {
		n += valueBytes(v)
	}
	return n
}

func valueBytes(v any) (n int) {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		for _, e := range v {
			n += valueBytes(e)
		}
	case map[string]any:
		for _, e := range v {
			n += valueBytes(e)
		}
	}
	return n
}
