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
	// keepJobs is how many sessions' room is kept for the next flush.
	keepJobs = 20000
	// maxJoined and maxEncodings bound what waits for a flush: bytes of joined
	// encodings, and encodings.
	maxJoined    = 4 << 20
	maxEncodings = 256
)

// A renderer carries out Output frames. It encodes once for all clients of one
// kind whose caps are equal, and writes at a flush: once to each client, whatever
// was said since the one before. It belongs to one goroutine at a time.
type renderer struct {
	encoded map[renderKey][]byte // of the frame at hand
	bufs    [][]byte             // the encodings since the last flush; reused after it
	used    int
	jobs    []job     // what waits for the flush, one for each session
	joined  int       // bytes that were copied to join them
	last    renderKey // most receivers of a frame are alike
	lastOut []byte
	cache   renderCache
}

type renderKey struct {
	kind *kind
	caps session.Caps
}

// A job is what is to be written to a session. While it is of one encoding, all its
// receivers share that; if there is more, it has a buffer of its own.
type job struct {
	s    *Session
	out  []byte
	own  *[]byte // nil: out is shared
	ends []int   // where in out the encodings end, for a client that gets a write for each; nil if there is one
}

// joins are buffers of jobs that have more than one encoding to write.
var joins = sync.Pool{New: func() any { return new([]byte) }}

// deliver has m written to the sessions of the list, some of which may be nil, by
// the next flush at the latest. Each counts size bytes as unread. The sessions'
// writing order is kept from one call to the next.
func (r *renderer) deliver(to []*Session, m message.Message, o message.Options, size int) {
	clear(r.encoded)
	r.last, r.lastOut = renderKey{}, nil
	var gave given
	for _, s := range to {
		if s == nil {
			continue
		}
		caps, ended := s.sent(size)
		if ended {
			s.taken() // useless: nobody will take it
			continue
		}
		out := r.encode(s, caps, m, o)
		gave.add(s.kind.meter, len(out))
		r.add(s, out)
	}
	gave.done()
	if r.joined > maxJoined || r.used > maxEncodings {
		r.flush()
	}
}

// add puts out behind what waits for s already.
func (r *renderer) add(s *Session, out []byte) {
	if s.job >= len(r.jobs) || r.jobs[s.job].s != s {
		s.job = len(r.jobs)
		r.jobs = append(r.jobs, job{s: s, out: out})
		return
	}
	j := &r.jobs[s.job]
	if j.own == nil {
		j.own = joins.Get().(*[]byte)
		*j.own = append((*j.own)[:0], j.out...)
		r.joined += len(j.out)
		if !s.kind.stream {
			j.ends = append(j.ends, len(j.out))
		}
	}
	*j.own = append(*j.own, out...)
	if !s.kind.stream {
		j.ends = append(j.ends, len(*j.own))
	}
	j.out = *j.own
	r.joined += len(out)
}

// flush writes what waits.
func (r *renderer) flush() {
	if len(r.jobs) == 0 {
		return
	}
	if len(r.jobs) <= wide {
		for i := range r.jobs {
			r.jobs[i].write()
		}
	} else {
		// A session is in one part only.
		parts := min(maxWriters, runtime.GOMAXPROCS(0))
		each := (len(r.jobs) + parts - 1) / parts
		var wg sync.WaitGroup
		for start := 0; start < len(r.jobs); start += each {
			part := r.jobs[start:min(start+each, len(r.jobs))]
			wg.Go(func() {
				for i := range part {
					part[i].write()
				}
			})
		}
		wg.Wait()
	}
	clear(r.jobs)
	if cap(r.jobs) > keepJobs {
		r.jobs = nil
	}
	r.jobs = r.jobs[:0]
	r.reuse()
}

func (j *job) write() {
	j.s.writeOutput(j.out, j.ends)
	if j.own == nil {
		return
	}
	if cap(*j.own) <= keepEncoding {
		joins.Put(j.own)
	}
}

// reuse takes the buffers of the encodings back, when nothing waits that is of them.
func (r *renderer) reuse() {
	for i, b := range r.bufs {
		if cap(b) > keepEncoding {
			r.bufs[i] = nil
		}
	}
	clear(r.encoded)
	r.used, r.joined, r.last, r.lastOut = 0, 0, renderKey{}, nil
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

// writeOutput writes what was counted with sent: at once, or in pieces with those
// ends.
func (s *Session) writeOutput(out []byte, ends []int) {
	s.out.Lock()
	start := 0
	for _, end := range ends {
		s.write(out[start:end])
		start = end
	}
	s.write(out[start:])
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
	was, caps, ended := s.hidden, s.caps.Value(), s.ended
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
