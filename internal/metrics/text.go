package metrics

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// appendFamilies groups samples by family and appends them with their HELP and TYPE.
// Samples of other families are left out. Each sample gets the labels extra, which
// are written as labelSet does.
func appendFamilies(dst, samples []byte, families map[string]Family, extra []string) []byte {
	groups := make(map[string][][]byte)
	for line := range bytes.Lines(samples) {
		if name, ok := familyOf(line, families); ok {
			groups[name] = append(groups[name], line)
		}
	}
	add := strings.Trim(labelSet(extra), "{}")
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		f := families[name]
		dst = fmt.Appendf(dst, "# HELP %s %s\n# TYPE %s %s\n", name, f.Help, name, f.Type)
		for _, line := range groups[name] {
			end := bytes.IndexAny(line, "{ ")
			switch {
			case add == "":
				dst = append(dst, line...)
			case line[end] == '{':
				dst = fmt.Appendf(dst, "%s{%s,%s", line[:end], add, line[end+1:])
			default:
				dst = fmt.Appendf(dst, "%s{%s}%s", line[:end], add, line[end:])
			}
		}
	}
	return dst
}

// familyOf returns the family of a sample.
func familyOf(line []byte, families map[string]Family) (string, bool) {
	end := bytes.IndexAny(line, "{ ")
	if end < 0 {
		return "", false
	}
	name := string(line[:end])
	if f, ok := families[name]; ok && f.Type != TypeHistogram {
		return name, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		f := families[base]
		if f.Type == TypeHistogram || f.Type == TypeSummary && suffix != "_bucket" {
			return base, true
		}
	}
	return "", false
}

// Merge appends the families of several texts, as Append and AppendProcess write
// them, to dst, each family once. Of a family that two texts declare with different
// types only the first one's samples are taken: two builds may differ while a game
// is reloaded.
func Merge(dst []byte, texts ...[]byte) []byte {
	type group struct{ head, kind, samples []byte }
	groups := make(map[string]*group)
	for _, text := range texts {
		var cur *group
		var help []byte
		for line := range bytes.Lines(text) {
			switch {
			case bytes.HasPrefix(line, []byte("# HELP ")):
				help, cur = line, nil
			case bytes.HasPrefix(line, []byte("# TYPE ")):
				words := bytes.Fields(line)
				if len(words) != 4 {
					cur = nil
					continue
				}
				name := string(words[2])
				switch g := groups[name]; {
				case g == nil:
					cur = &group{head: slices.Concat(help, line), kind: words[3]}
					groups[name] = cur
				case bytes.Equal(g.kind, words[3]):
					cur = g
				default:
					cur = nil
				}
			case cur != nil && len(line) > 1 && line[len(line)-1] == '\n':
				cur.samples = append(cur.samples, line...)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		g := groups[name]
		dst = append(append(dst, g.head...), g.samples...)
	}
	return dst
}
