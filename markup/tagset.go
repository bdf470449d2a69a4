package markup

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tags are a game's own tags: names for pieces of markup, such as "|fire" for
// "|#ff4400|h". They are written as those of the package, and may take the place
// of some: "r" makes |r what the game says. A set is not changed once it was made,
// and may be used from several goroutines.
type Tags struct {
	by    [128][]ownTag // by the first letter, the longest first
	begin string        // the first letters
}

type ownTag struct{ name, text string }

// NewTags returns the tags whose names, which follow the bar, stand for the texts.
// A name has 1 to 32 printable characters of ASCII, no space, and does not begin
// with "|", "$" or "{". The error says what is wrong with each that is.
func NewTags(tags map[string]string) (*Tags, error) {
	t := &Tags{}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		bad := len(name) < 1 || len(name) > 32 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
		if bad || strings.IndexByte("|${", name[0]) >= 0 {
			wrong = append(wrong, fmt.Sprintf("%q", name))
			continue
		}
		c := name[0]
		if len(t.by[c]) == 0 {
			t.begin += string(c)
		}
		t.by[c] = append(t.by[c], ownTag{name, tags[name]})
		slices.SortStableFunc(t.by[c], func(a, b ownTag) int { return len(b.name) - len(a.name) })
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("markup: no names of tags: %s", strings.Join(wrong, ", "))
	}
	return t, nil
}

// Expand returns text with the tags of t as what they stand for, in which nothing
// is expanded again. Of several that fit, the longest counts. What [Escape] wrote
// stays as it is. A nil t has no tags.
func (t *Tags) Expand(text string) string {
	if t == nil || t.begin == "" {
		return text
	}
	var b strings.Builder
	from := 0
	for i := 0; i+1 < len(text); {
		if text[i] != '|' {
			n := strings.IndexByte(text[i:], '|')
			if n < 0 {
				break
			}
			i += n
			continue
		}
		if c := text[i+1]; c == '|' || c == '$' || c >= 128 {
			i += 2
			continue
		}
		i++
		for _, tag := range t.by[text[i]] {
			if strings.HasPrefix(text[i:], tag.name) {
				b.WriteString(text[from : i-1])
				b.WriteString(tag.text)
				i += len(tag.name)
				from = i
				break
			}
		}
	}
	if from == 0 {
		return text
	}
	b.WriteString(text[from:])
	return b.String()
}
