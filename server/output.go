package server

import (
	"context"
	"fmt"
	"slices"

	"mudlark.dev/failpoint"
	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/world"
)

// openQuestion and closeQuestion are effects beside the world's own: they keep
// their place among the texts of a turn.
type openQuestion struct {
	seat   *seat
	id     link.QuestionID
	hidden bool
	prompt string
}

type closeQuestion struct{ seat *seat }

// send turns what leaves the loop into the frames of a turn. What is sent last
// closes the turn, with the lines it has processed.
func (s *Server) send(effects []world.Effect, lines []processed) {
	frames := s.room.frames[:0]
	for _, e := range effects {
		switch e := e.(type) {
		case world.Output:
			frames = s.appendText(frames, e)
		case openQuestion:
			frames = append(frames, &link.Question{Session: e.seat.index, ID: e.id, Hidden: e.hidden, Prompt: s.forReader(e.seat.session, e.prompt)})
		case closeQuestion:
			frames = append(frames, &link.Question{Session: e.seat.index})
		case world.Login:
			if seat := s.bySession[e.Session]; seat != nil {
				f := &link.Login{Session: seat.index}
				if a := e.Session.Account(); a != nil {
					f.Account = a.Name()
					s.passes(failpoint.LoggedIn)
				}
				if p := e.Session.Puppet(); p != nil {
					f.Puppet = p.Name()
					s.passes(failpoint.Puppeted)
				}
				frames = append(frames, f)
			}
		case world.PrefsChanged:
			if seat := s.bySession[e.Session]; seat != nil {
				frames = append(frames, &link.Prefs{Session: seat.index, Prefs: e.Session.Prefs()})
			}
		case world.Disconnected:
			if seat := s.bySession[e.Session]; seat != nil {
				frames = append(frames, &link.Disconnect{Session: seat.index, Reason: e.Reason})
			}
		case world.Action:
			frames = append(frames, s.action(e))
		case world.Work:
			s.turn.after = append(s.turn.after, s.startWork(e))
		default:
			s.log.Error("unknown effect", "type", fmt.Sprintf("%T", e))
		}
	}
	for _, seat := range s.overdue {
		frames = append(frames, &link.Disconnect{Session: seat.index, Reason: textTooSlow})
	}
	s.overdue = nil
	if len(frames) == 0 && len(lines) == 0 {
		return
	}
	end := &s.room.end
	*end = link.End{Commit: s.assigned, Lines: end.Lines[:0]}
	for _, l := range lines {
		end.Lines = append(end.Lines, link.Line{Session: l.seat.index, N: l.n})
	}
	frames = append(frames, end)
	defer s.room.cleared(frames)
	if err := s.conn.Send(frames...); err != nil && s.conn.Err() == nil {
		// Every message was checked, so this is a bug of ours: no player may
		// be told what was not sent, and nothing of it may stay.
		s.fail(fmt.Errorf("server: turn cannot be sent: %w", err))
	}
}

// frameRoom is room for the frames of a turn, which nobody keeps once they are sent.
type frameRoom struct {
	frames  []link.Frame
	outputs []link.Output
	indexes []link.Index
	end     link.End
}

// cleared empties the room, whose frames may have grown; what grew beyond the usual
// is not kept.
func (r *frameRoom) cleared(frames []link.Frame) {
	const most = 4096
	if max(cap(frames), cap(r.outputs), cap(r.end.Lines)) > most || cap(r.indexes) > 16*most {
		*r = frameRoom{}
		return
	}
	clear(frames)
	clear(r.outputs)
	r.frames, r.outputs, r.indexes = frames[:0], r.outputs[:0], r.indexes[:0]
}

func (s *Server) appendOutput(frames []link.Frame, e world.Output) []link.Frame {
	size, err := outputSize(e.Message)
	if err != nil {
		s.log.Error("message not sent", "message", e.Message.Name, "err", err)
		return frames
	}
	// Room that grows leaves the frames before theirs.
	r := &s.room
	r.indexes = slices.Grow(r.indexes, len(e.To))
	start := len(r.indexes)
	for _, session := range e.To {
		if seat := s.bySession[session]; seat != nil && s.counted(seat, size) {
			r.indexes = append(r.indexes, seat.index)
		}
	}
	to := r.indexes[start:len(r.indexes):len(r.indexes)]
	if len(to) == 0 {
		return frames
	}
	r.outputs = append(r.outputs, link.Output{Sessions: to, Options: e.Options, Message: e.Message})
	return append(frames, &r.outputs[len(r.outputs)-1])
}

// outputSize checks a message and returns what it counts against the credit of
// each receiver, in bytes.
func outputSize(m message.Message) (int, error) {
	if m.Name == "text" && len(m.Args) == 1 && len(m.Kwargs) == 0 {
		if text, ok := m.Args[0].(string); ok {
			if len(text) < message.MaxBytes-1<<10 { // else what goes around it may be too much
				return len(text) + 1, nil
			}
		}
	}
	b, err := m.AppendBinary(nil)
	return len(b), err
}

// counted counts size bytes of output for seat and reports whether they are to
// be sent: not to a client that has stopped reading.
func (s *Server) counted(seat *seat, size int) bool {
	if seat.dropped {
		return false
	}
	seat.unread += uint64(size)
	s.unread += uint64(size)
	if seat.unread > seatDrop {
		seat.dropped = true
		s.meter.overdue.Inc()
		s.overdue = append(s.overdue, seat)
		s.log.Warn("client too slow", "session", seat.session.Number(), "unread", seat.unread)
		return false
	}
	return true
}

func (s *Server) action(e world.Action) link.Frame {
	f := &link.Action{Reason: e.Reason}
	switch e.Kind {
	case world.ActionReload:
		f.Mode = link.ModeReload
	case world.ActionReset:
		f.Mode = link.ModeReset
	case world.ActionShutdown:
		f.Mode = link.ModeShutdown
	}
	if seat := s.bySession[e.Session]; seat != nil {
		f.Session = seat.index
	}
	return f
}

// startWork returns what starts the work once its turn is in the store.
func (s *Server) startWork(e world.Work) func() {
	return func() {
		s.work.start(context.Background(), func(ctx context.Context) {
			result, failed := doWork(ctx, e.Do)
			s.post(func() {
				s.turn.worked = true
				if failed != nil {
					s.failed("background work", failed)
					return
				}
				if e.Then == nil {
					return
				}
				if err := s.protect("background work "+funcName(e.Then), func() error { e.Then(result); return nil }); err != nil {
					s.log.Debug("background work undone", "err", err)
				}
			})
		})
	}
}

func doWork(ctx context.Context, do func(context.Context) any) (result any, failed any) {
	defer func() {
		if r := recover(); r != nil {
			failed = withStack(r)
		}
	}()
	return do(ctx), nil
}
