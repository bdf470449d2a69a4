package server

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"

	"mudlark.dev/inline"
	"mudlark.dev/link"
	"mudlark.dev/markup"
	"mudlark.dev/world"
)

// Outgoing is the Env of inline functions in the texts of a game whose InlineText
// is set: who is to read the text. The functions are those of inline.Base and
// Game.Inline. They must not change the world: it is too late for that.
type Outgoing struct {
	Session *world.Session // who reads it
}

// Rand implements inline.Chance.
func (o Outgoing) Rand() *rand.Rand { return o.Session.World().Rand() }

// texts is what is done with texts before they leave the Server.
type texts struct {
	tags   *markup.Tags
	inline *inline.Set // nil unless all texts are expanded
}

func newTexts(g *Game) (texts, error) {
	tags, err := markup.NewTags(g.Tags)
	if err != nil {
		return texts{}, fmt.Errorf("server: Game.Tags: %w", err)
	}
	all := inline.Base()
	maps.Copy(all, g.Inline)
	set, err := inline.NewSet(all)
	if err != nil {
		return texts{}, fmt.Errorf("server: Game.Inline: %w", err)
	}
	if !g.InlineText {
		set = nil
	}
	return texts{tags, set}, nil
}

// appendText appends the frames of an output whose message is a text: one for each
// distinct text that its readers get.
func (s *Server) appendText(frames []link.Frame, e world.Output) []link.Frame {
	text, ok := e.Message.ArgText(0)
	if !ok || e.Options.Raw || e.Message.Name != "text" && e.Message.Name != "prompt" {
		return s.appendOutput(frames, e)
	}
	with := func(text string) world.Output {
		m := e.Message
		m.Args = append([]any{text}, m.Args[1:]...)
		return world.Output{To: e.To, Message: m, Options: e.Options}
	}
	if s.texts.inline == nil || strings.IndexByte(text, '$') < 0 {
		if expanded := s.texts.tags.Expand(text); expanded != text {
			e = with(expanded)
		}
		return s.appendOutput(frames, e)
	}
	tmpl, err := inline.Parse(text, false)
	if err != nil { // not without strict
		return s.appendOutput(frames, e)
	}
	var order []string
	to := map[string][]*world.Session{}
	for _, r := range e.To {
		expanded := s.expandFor(r, tmpl)
		if to[expanded] == nil {
			order = append(order, expanded)
		}
		to[expanded] = append(to[expanded], r)
	}
	for _, expanded := range order {
		out := with(s.texts.tags.Expand(expanded))
		out.To = to[expanded]
		frames = s.appendOutput(frames, out)
	}
	return frames
}

// expandFor expands a text for one reader. A function that panics is reported, and
// the text stands as it is.
func (s *Server) expandFor(r *world.Session, tmpl *inline.Template) (out string) {
	defer func() {
		if p := recover(); p != nil {
			s.failed("inline function", withStack(p))
			out, _ = tmpl.Render(s.texts.inline, nil, inline.Options{Escape: true})
		}
	}()
	out, _ = tmpl.Render(s.texts.inline, Outgoing{r}, inline.Options{})
	return out
}

// forReader is what becomes of a text that one session gets.
func (s *Server) forReader(r *world.Session, text string) string {
	if s.texts.inline != nil && strings.IndexByte(text, '$') >= 0 {
		if tmpl, err := inline.Parse(text, false); err == nil {
			text = s.expandFor(r, tmpl)
		}
	}
	return s.texts.tags.Expand(text)
}
