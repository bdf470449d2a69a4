package world

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"mudlark.dev/inline"
	"mudlark.dev/lock"
	"mudlark.dev/markup"
	"mudlark.dev/message"
)

// With has what the inline functions of a text speak of, by the names that the
// text has for it: entities, and texts with markup, in which no function is
// expanded.
type With map[string]any

// Act tells all who are in o, and o itself, that actor does something, each from
// where they stand:
//
//	room.Act(ada, "$You() $conj(give) {thing} to $you(whom).", world.With{"thing": rope, "whom": bob})
//
// is for Ada "You give rope to Bob.", for Bob "Ada gives rope to you.", and "Ada
// gives rope to Bob." for everybody else. {name} is what With has of that name;
// functions are those of [ActorFuncs], [SearchFuncs], [inline.Base] and the game,
// and a call that fails stands as it is written. The text is made once for each
// entity it speaks of and once for all others; what the functions draw by chance is
// the same for all.
func (o *Object) Act(actor Entity, text string, with With, exclude ...Entity) {
	c, w := o.core, o.w
	text = named.ReplaceAllStringFunc(text, func(s string) string {
		bars, name, _ := strings.Cut(strings.TrimSuffix(s, "}"), "{")
		if _, ok := with[name]; !ok || len(bars)%2 == 1 { // "|{box}" is markup
			return s
		}
		return bars + "$obj(" + name + ")"
	})
	tmpl, err := inline.Parse(text, false)
	if err != nil {
		return // not without strict
	}
	set := w.actorFuncs()
	act := acting{w: w, with: with, lots: &lots{}}
	if actor != nil {
		act.actor = actor.base()
	}
	render := func(viewer *core) string {
		env := act // with chance of its own
		env.viewer = viewer
		out, _ := tmpl.Render(set, &env, inline.Options{})
		return out
	}
	var others []*Session
	tell := func(r *core) {
		if len(r.sessions) == 0 || slices.ContainsFunc(exclude, func(e Entity) bool { return e != nil && e.base() == r }) {
			return
		}
		if act.mentions(r) {
			w.output(slices.Clone(r.sessions), message.Text(render(r)), message.Options{})
		} else {
			others = append(others, r.sessions...)
		}
	}
	tell(c)
	for _, r := range c.contents {
		tell(r)
	}
	if len(others) > 0 {
		w.output(others, message.Text(render(nil)), message.Options{})
	}
}

var named = regexp.MustCompile(`\|*\{[a-z][a-z0-9_]*\}`)

// actorFuncs returns the functions of Act.
func (w *World) actorFuncs() *inline.Set {
	if w.inline == nil {
		all := inline.Base()
		maps.Copy(all, SearchFuncs())
		maps.Copy(all, ActorFuncs())
		maps.Copy(all, w.cfg.Inline)
		set, err := inline.NewSet(all)
		if err != nil {
			panic(err) // New has checked the game's
		}
		w.inline = set
	}
	return w.inline
}

// Acting is what the Env of an inline function is where it is called in
// [Object.Act]: it tells who acts and who is to read.
type Acting interface {
	Actor() Entity         // nil if nobody acts
	Viewer() Entity        // nil for everybody whom the text does not speak of
	Named(name string) any // what With has of that name, nil if nothing
}

var (
	_ Acting        = (*acting)(nil)
	_ Searcher      = (*acting)(nil)
	_ inline.Chance = (*acting)(nil)
)

// acting is the Env of inline functions in Act, for one rendering.
type acting struct {
	w             *World
	actor, viewer *core // each may be nil
	with          With
	lots          *lots
	rand          *rand.Rand // nil until it is needed
}

// lots is the chance of one Act. Each rendering begins with the same seed, so the
// same calls draw the same for all readers.
type lots struct {
	drawn bool
	seed  [2]uint64
}

// Actor implements Acting.
func (a *acting) Actor() Entity { return a.actor.entity() }

// Viewer implements Acting.
func (a *acting) Viewer() Entity { return a.viewer.entity() }

// Named implements Acting.
func (a *acting) Named(name string) any { return a.with[name] }

// entity returns c as its typeclass, nil if c is nil.
func (c *core) entity() Entity {
	if c == nil {
		return nil
	}
	return c.self
}

// Rand implements inline.Chance.
func (a *acting) Rand() *rand.Rand {
	if !a.lots.drawn {
		r := a.w.Rand()
		*a.lots = lots{true, [2]uint64{r.Uint64(), r.Uint64()}}
	}
	if a.rand == nil {
		a.rand = rand.New(rand.NewPCG(a.lots.seed[0], a.lots.seed[1]))
	}
	return a.rand
}

// expand returns a name, or a text of With, with the game's own tags as what they
// stand for: what is done with it knows no others than those of package markup.
func (a *acting) expand(name string) string { return a.w.cfg.Tags.Expand(name) }

// Search implements Searcher: from where the actor is, by what the actor may see.
func (a *acting) Search(query string) ([]Entity, error) {
	if a.actor == nil {
		return nil, errors.New("nobody looks for it")
	}
	o, ok := As[*Object](a.actor.self)
	if !ok {
		return nil, errors.New("who looks for it is nowhere")
	}
	subject, _ := a.actor.self.(lock.Subject)
	return o.Search(subject, query)
}

// mentions reports whether a text for c may be another than for everybody.
func (a *acting) mentions(c *core) bool {
	if a.actor == c {
		return true
	}
	for _, v := range a.with {
		if e, ok := v.(Entity); ok && e != nil && e.base() == c {
			return true
		}
	}
	return false
}

// who returns the entity that argument i names, or the actor if there is none.
func who(c *inline.Call, i int) (*acting, *core, error) {
	a, ok := c.Env.(*acting)
	if !ok {
		return a, nil, errors.New("it is for what somebody does: see Object.Act")
	}
	key := c.Option("key", i, "")
	if key == "" {
		if a.actor == nil {
			return a, nil, errors.New("nobody does anything")
		}
		return a, a.actor, nil
	}
	e, ok := a.with[key].(Entity)
	if !ok || e == nil {
		return a, nil, fmt.Errorf("nobody is named %q", key)
	}
	return a, e.base(), nil
}

// ActorFuncs returns the functions by which a text speaks of those who take part,
// for use with [Object.Act]:
//
//	$You() $you()            "You", or the actor's name for everybody else
//	$Your() $your()          "Your", or "Ada's"
//	$Obj(name) $obj(name)    what With has of that name
//	$conj(verb)              "smile" for the actor, "smiles" for everybody else
//	$pconj(verb)             the same behind a pronoun: "they smile", "she smiles"
//	$Pron(you) $pron(your)   the pronoun: "your" for the actor, "her" or "their" for everybody else
//
// Each takes the name of another than the actor as its last argument, or as
// "key=name". You, Your and Obj take article=1 for a name with "a" or "an", and
// format=upper, lower, capital or title; tags of the game's own in a name, or in a
// text of With, are replaced before. Pron takes beside the pronoun what it cannot
// tell by itself: subject, object, adjective, possessive or reflexive, and a
// gender. The gender of an entity is its attribute "gender": male, female, neutral
// or plural; without it a character is "they" and a thing "it".
func ActorFuncs() map[string]inline.Func {
	capital := func(f inline.Func) inline.Func {
		return func(c *inline.Call) (any, error) {
			v, err := f(c)
			if s, ok := v.(string); ok {
				v = markup.Capital(s)
			}
			return v, err
		}
	}
	m := map[string]inline.Func{"you": youFunc, "your": yourFunc, "obj": objFunc, "pron": pronFunc, "conj": conjFunc(false), "pconj": conjFunc(true)}
	for _, name := range []string{"you", "your", "obj", "pron"} {
		m[strings.ToUpper(name[:1])+name[1:]] = capital(m[name])
	}
	return m
}

func youFunc(c *inline.Call) (any, error) {
	a, e, err := who(c, 0)
	if err != nil {
		return nil, err
	}
	if e == a.viewer {
		return formatted(c, "you")
	}
	return formatted(c, withArticle(c, a.expand(e.name)))
}

func yourFunc(c *inline.Call) (any, error) {
	a, e, err := who(c, 0)
	if err != nil {
		return nil, err
	}
	if e == a.viewer {
		return formatted(c, "your")
	}
	return formatted(c, withArticle(c, a.expand(e.name))+"'s")
}

func objFunc(c *inline.Call) (any, error) {
	key := c.Option("key", 0, "")
	a, ok := c.Env.(*acting)
	if !ok || a.with[key] == nil {
		return nil, fmt.Errorf("nothing is named %q", key)
	}
	name := fmt.Sprint(a.with[key])
	if e, ok := a.with[key].(Entity); ok {
		name = e.Name()
	}
	return formatted(c, withArticle(c, a.expand(name)))
}

func withArticle(c *inline.Call, name string) string {
	switch c.Option("article", 1, "") {
	case "", "0", "false", "no":
		return name
	}
	return inline.Article(name) + " " + name
}

func formatted(c *inline.Call, s string) (any, error) {
	switch how := c.Option("format", 2, ""); how {
	case "":
		return s, nil
	case "upper":
		return markup.Upper(s), nil
	case "lower":
		return markup.Lower(s), nil
	case "capital":
		return markup.Capital(s), nil
	case "title":
		return markup.Title(s), nil
	default:
		return nil, fmt.Errorf("format is upper, lower, capital or title, not %q", how)
	}
}

func conjFunc(pronoun bool) inline.Func {
	return func(c *inline.Call) (any, error) {
		a, e, err := who(c, 1)
		if err != nil {
			return nil, err
		}
		verb := c.Text(0, "")
		if verb == "" {
			return nil, errors.New("there is no verb")
		}
		if e == a.viewer || pronoun && genderOf(e) == plural {
			return verb, nil
		}
		return ThirdPerson(verb), nil
	}
}

// ThirdPerson returns the form of an English verb that goes with "she": "smiles"
// for "smile". Of several words it is the first that changes.
func ThirdPerson(verb string) string {
	first, rest, more := strings.Cut(verb, " ")
	if more {
		return ThirdPerson(first) + " " + rest
	}
	lower := strings.ToLower(verb)
	stem, not := strings.CutSuffix(lower, "n't")
	if form, ok := thirdPersons[stem]; ok {
		if r, _ := utf8.DecodeRuneInString(verb); unicode.IsUpper(r) {
			form = markup.Capital(form)
		}
		if not {
			form += "n't"
		}
		return form
	}
	if not {
		return verb // "can't"
	}
	switch lower {
	case "can", "could", "may", "might", "must", "shall", "should", "will", "would", "is", "was", "has", "does", "had", "did":
		return verb
	}
	if strings.HasSuffix(lower, "o") && len(lower) > 1 && !strings.ContainsAny(lower[len(lower)-2:len(lower)-1], "aeiou") {
		return verb + "es"
	}
	return inline.Plural(verb) // the same rules
}

var thirdPersons = map[string]string{
	"be": "is", "are": "is", "am": "is", "were": "was", "have": "has", "do": "does", "go": "goes",
}

type gender uint8

const (
	male gender = iota
	female
	neutral
	plural
)

var genders = map[string]gender{
	"male": male, "m": male, "female": female, "f": female, "neutral": neutral, "neuter": neutral, "n": neutral,
	"plural": plural, "p": plural, "ambiguous": plural, "a": plural,
}

func genderOf(c *core) gender {
	if v, ok := c.attrs["gender"]; ok {
		if s, ok := v.value.(string); ok {
			if g, ok := genders[strings.ToLower(s)]; ok {
				return g
			}
		}
	}
	if c.family == famCharacter {
		return plural
	}
	return neutral
}

// The forms of pronouns: subject, object, adjective, possessive, reflexive.
var (
	first  = [5]string{"I", "me", "my", "mine", "myself"}
	second = [5]string{"you", "you", "your", "yours", "yourself"}
	third  = [4][5]string{
		male:    {"he", "him", "his", "his", "himself"},
		female:  {"she", "her", "her", "hers", "herself"},
		neutral: {"it", "it", "its", "its", "itself"},
		plural:  {"they", "them", "their", "theirs", "themselves"},
	}
	pronounForms = map[string]int{"subject": 0, "object": 1, "adjective": 2, "possessive": 3, "reflexive": 4}
)

func pronFunc(c *inline.Call) (any, error) {
	a, ok := c.Env.(*acting)
	if !ok {
		return nil, errors.New("it is for what somebody does: see Object.Act")
	}
	e := a.actor
	if key := c.Option("key", len(c.Args), ""); key != "" {
		other, ok := a.with[key].(Entity)
		if !ok || other == nil {
			return nil, fmt.Errorf("nobody is named %q", key)
		}
		e = other.base()
	}
	word := strings.ToLower(c.Text(0, ""))
	form, mine := -1, false
	var g gender
	known := false
	for i, list := range [][5]string{first, second, third[male], third[female], third[neutral], third[plural]} {
		if at := slices.IndexFunc(list[:], func(s string) bool { return strings.EqualFold(s, word) }); at >= 0 && form < 0 {
			form, mine = at, i == 0
			if i >= 2 {
				g, known = gender(i-2), true
			}
		}
	}
	if form < 0 {
		return nil, fmt.Errorf("%q is no pronoun", word)
	}
	for i := range max(len(c.Args)-1, 0) {
		for _, option := range strings.Fields(strings.ToLower(c.Text(i+1, ""))) {
			if f, ok := pronounForms[option]; ok {
				form = f
			} else if to, ok := genders[option]; ok {
				g, known = to, true
			} else if other, ok := a.with[option].(Entity); ok && other != nil {
				e = other.base()
			} else {
				return nil, fmt.Errorf("%q is neither a form, a gender nor somebody", option)
			}
		}
	}
	if e == nil {
		return nil, errors.New("nobody does anything")
	}
	if e == a.viewer {
		if mine {
			return first[form], nil
		}
		return second[form], nil
	}
	if !known {
		g = genderOf(e)
	}
	return third[g][form], nil
}

// A Searcher is an Env in which somebody can look for things.
type Searcher interface {
	Search(query string) ([]Entity, error)
}

// SearchFuncs returns functions that find entities, for who may see them; their
// Env is a [Searcher]:
//
//	search(query)   the entity that is meant; an error if there are several or none
//	obj(query)      the same, where ActorFuncs has no function of that name
//	objlist(query)  all that fit, as a list
//	dbref(#12)      by number, for builders
func SearchFuncs() map[string]inline.Func {
	find := func(c *inline.Call) ([]Entity, error) {
		s, ok := c.Env.(Searcher)
		if !ok {
			return nil, errors.New("nobody looks for it")
		}
		return s.Search(c.Text(0, ""))
	}
	one := func(c *inline.Call) (any, error) {
		found, err := find(c)
		if err != nil {
			return nil, err
		}
		if len(found) != 1 {
			return nil, &SearchError{Query: c.Text(0, ""), Found: found}
		}
		return found[0], nil
	}
	return map[string]inline.Func{
		"search": one, "obj": one,
		"objlist": func(c *inline.Call) (any, error) {
			found, err := find(c)
			list := make([]any, len(found))
			for i, e := range found {
				list[i] = e
			}
			return list, err
		},
		"dbref": func(c *inline.Call) (any, error) {
			if !strings.HasPrefix(c.Text(0, ""), "#") {
				return nil, fmt.Errorf("%q is no number such as #12", c.Text(0, ""))
			}
			return one(c)
		},
	}
}
