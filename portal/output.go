package portal

import (
	"runtime"
	"sync"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/service"
	"mudlark.dev/session"
)

const (
	// wide is the number of sessions above which the writing of one Output is
	// shared. Below, starting goroutines costs more than it gains.
	wide = 64
	// maxWriters bounds how many share it.
	maxWriters = 4
	// keepEncoding is the largest buffer that is kept for the next encoding.
	keepEncoding = 64 << 10
)

// A renderer carries out Output frames. It encodes once for all clients of one
// kind whose caps are equal. It belongs to one goroutine at a time.
type renderer struct {
	encoded map[renderKey][]byte
	bufs    [][]byte // reused from frame to frame
	used    int
	jobs    []job
	last    renderKey // most receivers of a frame are alike
	lastOut []byte
	cache   renderCache
}

type renderKey struct {
	kind *kind
	caps session.Caps
}

type job struct {
	s   *Session
	out []byte
}

// deliver writes m to the sessions of the list, some of which may be nil. Each
// counts size bytes as unread. The sessions' writing order is kept from one
// call to the next.
func (r *renderer) deliver(to []*Session, m message.Message, o message.Options, size int) {
	r.reset()
	for _, s := range to {
		if s == nil {
			continue
		}
		s.mu.Lock()
		caps, ended := s.caps, s.ended
		s.mu.Unlock()
		s.sent(size)
		if ended {
			s.taken() // useless: nobody will take it
			continue
		}
		r.jobs = append(r.jobs, job{s, r.encode(s, caps, m, o)})
	}
	gaveAll(r.jobs)
	if len(r.jobs) <= wide {
		for _, j := range r.jobs {
			j.s.writeOutput(j.out)
		}
		return
	}
	// A session is in one part only, and all parts are done before the next
	// frame: the order of what a session gets is kept.
	parts := min(maxWriters, runtime.GOMAXPROCS(0))
	each := (len(r.jobs) + parts - 1) / parts
	var wg sync.WaitGroup
	for start := 0; start < len(r.jobs); start += each {
		part := r.jobs[start:min(start+each, len(r.jobs))]
		wg.Go(func() {
			for _, j := range part {
				j.s.writeOutput(j.out)
			}
		})
	}
	wg.Wait()
}

func (r *renderer) reset() {
	for i, b := range r.bufs {
		if cap(b) > keepEncoding {
			r.bufs[i] = nil
		}
	}
	clear(r.encoded)
	clear(r.jobs)
	r.jobs = r.jobs[:0]
	r.used, r.last, r.lastOut = 0, renderKey{}, nil
}

// encode returns m as s's client reads it; nothing, if its encoder fails.
func (r *renderer) encode(s *Session, caps session.Caps, m message.Message, o message.Options) []byte {
	key := renderKey{s.kind, caps}
	if key == r.last {
		return r.lastOut
	}
	out, ok := r.encoded[key]
	if !ok {
		ck, kept := r.cache.keyOf(key, m, o)
		if kept {
			if out, ok = r.cache.get(ck); ok {
				return r.remember(key, out)
			}
		}
		if r.used == len(r.bufs) {
			r.bufs = append(r.bufs, nil)
		}
		var err error
		out, err = s.kind.encode(r.bufs[r.used][:0], s.client, m, caps, o)
		if err != nil {
			s.logger().Error("output cannot be encoded", "name", m.Name, service.ErrAttr(err))
			out = nil
		} else {
			r.bufs[r.used] = out
			r.used++
			if kept {
				r.cache.put(ck, out)
			}
		}
	}
	return r.remember(key, out)
}

// remember notes what a kind of clients gets of the message at hand.
func (r *renderer) remember(key renderKey, out []byte) []byte {
	if r.encoded == nil {
		r.encoded = make(map[renderKey][]byte)
	}
	r.encoded[key] = out
	r.last, r.lastOut = key, out
	return out
}

// writeOutput writes what was counted with sent.
func (s *Session) writeOutput(out []byte) {
	s.out.Lock()
	s.write(out)
	s.out.Unlock()
	s.taken()
}

// write writes to the client; s.out is held. A client that cannot be written to
// is about to end by its reader, which knows the cause.
func (s *Session) write(out []byte) {
	if len(out) == 0 {
		return
	}
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if ended {
		return
	}
	s.shown = link.QuestionID{}
	if err := service.Guard(func() error { _, err := s.client.Write(out); return err }); err != nil {
		s.logger().Debug("client cannot be written to", service.ErrAttr(err))
	}
}

// tell writes a text of the Portal's own.
func (s *Session) tell(text string, o message.Options) {
	s.out.Lock()
	defer s.out.Unlock()
	out, err := s.kind.encode(nil, s.client, message.Text(text), s.Caps(), o)
	if err != nil {
		s.logger().Error("output cannot be encoded", "name", "text", service.ErrAttr(err))
		return
	}
	s.kind.meter.gave(len(out))
	s.write(out)
}

// ask carries out a Question frame, of a turn that has processed the session's lines
// up to done.
func (s *Session) ask(f *link.Question, done uint64) {
	s.out.Lock()
	s.mu.Lock()
	was, caps, ended := s.hidden, s.caps, s.ended
	open := f.ID != link.QuestionID{} && !s.log.stamped(f.ID) && !s.log.stampAhead(f.ID, done)
	s.question, s.hidden = link.QuestionID{}, false
	if open && !ended {
		s.question, s.hidden = f.ID, f.Hidden
	}
	hidden := s.hidden
	s.mu.Unlock()
	if !ended {
		if was && !hidden {
			s.writeAnswered()
		}
		// A closed question has nothing more to show. Neither has one whose prompt
		// the player has before them: a Server asks it again that has taken the
		// place of another.
		if f.ID != (link.QuestionID{}) && f.ID != s.shown {
			out, err := encodeQuestion(nil, s.client, f.Prompt, hidden, caps)
			if err != nil {
				s.logger().Error("output cannot be encoded", "name", "question", service.ErrAttr(err))
			} else {
				s.kind.meter.gave(len(out))
				s.write(out)
				if open {
					s.shown = f.ID
				}
			}
		}
	}
	s.out.Unlock()
}

// writeAnswered ends the hiding at the client; s.out is held.
func (s *Session) writeAnswered() {
	out, err := encodeAnswered(nil, s.client)
	if err != nil {
		s.logger().Error("output cannot be encoded", "name", "answered", service.ErrAttr(err))
		return
	}
	s.write(out)
}
