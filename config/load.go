package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFile is the largest settings file that is read, in bytes.
const maxFile = 1 << 20

// Sources says where settings come from.
type Sources struct {
	Dir     string   // the game folder; a FileName in it is read if there is one
	Environ []string // as os.Environ returns it
	Ignore  []string // environment variables with EnvPrefix that are no settings
	Set     []string // key=value, later ones over earlier ones
}

// A Problem is one thing that is wrong with the settings.
type Problem struct {
	Where string // "mudlark.toml:3", "MUDLARK_TELNET_LISTEN" or "--set telnet.listen"
	Text  string
}

// Problems is the error that Load returns for wrong settings: all of them, in
// the order of the sources.
type Problems []Problem

// Error has a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, e := range p {
		lines[i] = e.Where + ": " + e.Text
	}
	return strings.Join(lines, "\n")
}

// Hint tells an operator how to go on.
func (p Problems) Hint() string {
	return "nothing was started; mend the settings and try again"
}

// Load reads the settings. If anything is wrong with them the error is
// Problems, with all of it.
func Load(src Sources) (*Config, error) {
	l := &loading{conf: Default(), keys: Keys()}
	l.file(filepath.Join(src.Dir, FileName))
	l.environ(src.Environ, src.Ignore)
	for _, s := range src.Set {
		name, value, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !ok {
			l.add("--set "+s, "it is written --set key=value")
			continue
		}
		l.set("--set "+name, name, value)
	}
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	return l.conf, nil
}

type loading struct {
	conf     *Config
	keys     []Key
	problems Problems
}

func (l *loading) add(where, format string, args ...any) {
	l.problems = append(l.problems, Problem{where, fmt.Sprintf(format, args...)})
}

func (l *loading) set(where, name string, value any) {
	for _, k := range l.keys {
		if k.Name == name {
			if err := k.set(l.conf, value); err != nil {
				l.add(where, "%s: %v", name, err)
			}
			return
		}
	}
	l.add(where, "%s: unknown key%s", name, l.nearest(name))
}

// nearest suggests a key for a name that is none.
func (l *loading) nearest(name string) string {
	best, at := "", len(name)/2+1
	for _, k := range l.keys {
		d := distance(name, k.Name)
		if _, last, _ := strings.Cut(k.Name, "."); last == name {
			d = 0 // its section was forgotten
		}
		if d < at {
			best, at = k.Name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

func (l *loading) file(path string) {
	where := filepath.Base(path)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		l.add(where, "%v", err)
		return
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.Size() > maxFile || !fi.Mode().IsRegular() {
		l.add(where, "it is not a file of at most %d bytes", maxFile)
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		l.add(where, "%v", err)
		return
	}
	l.toml(where, data)
}

func (l *loading) toml(where string, data []byte) {
	tree := map[string]any{}
	if err := toml.Unmarshal(data, &tree); err != nil {
		var d *toml.DecodeError
		if errors.As(err, &d) {
			row, col := d.Position()
			l.add(fmt.Sprintf("%s:%d:%d", where, row, col), "%s", strings.TrimPrefix(d.Error(), "toml: "))
			return
		}
		l.add(where, "%s", strings.TrimPrefix(err.Error(), "toml: "))
		return
	}
	lines := keyLines(data)
	type leaf struct {
		name  string
		value any
		line  int
	}
	var leaves []leaf
	var walk func(prefix string, tree map[string]any)
	walk = func(prefix string, tree map[string]any) {
		for name, v := range tree {
			full := prefix + name
			if sub, ok := v.(map[string]any); ok {
				if len(sub) == 0 && !l.section(full) {
					leaves = append(leaves, leaf{full, v, lines[full]})
				}
				walk(full+".", sub)
				continue
			}
			leaves = append(leaves, leaf{full, v, lines[full]})
		}
	}
	walk("", tree)
	sort.Slice(leaves, func(i, j int) bool {
		if leaves[i].line != leaves[j].line {
			return leaves[i].line < leaves[j].line
		}
		return leaves[i].name < leaves[j].name
	})
	for _, e := range leaves {
		at := where
		if e.line > 0 {
			at = fmt.Sprintf("%s:%d", where, e.line)
		}
		l.set(at, e.name, e.value)
	}
}

// section reports whether keys begin with name.
func (l *loading) section(name string) bool {
	return slices.ContainsFunc(l.keys, func(k Key) bool { return strings.HasPrefix(k.Name, name+".") })
}

// keyLines returns the line on which each key of a valid file stands.
func keyLines(data []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(data)
	prefix := ""
	for p.NextExpression() {
		e := p.Expression()
		var parts []string
		line := 0
		for it := e.Key(); it.Next(); {
			n := it.Node()
			parts = append(parts, string(n.Data))
			if line == 0 {
				line = p.Shape(n.Raw).Start.Line
			}
		}
		name := strings.Join(parts, ".")
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			prefix = name + "."
			lines[name] = line
		case unstable.KeyValue:
			lines[prefix+name] = line
			if v := e.Value(); v.Kind == unstable.InlineTable {
				for it := v.Children(); it.Next(); {
					for k := it.Node().Key(); k.Next(); {
						lines[prefix+name+"."+string(k.Node().Data)] = line
					}
				}
			}
		}
	}
	return lines
}

func (l *loading) environ(environ, ignore []string) {
	environ = slices.Clone(environ)
	slices.Sort(environ)
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, EnvPrefix) || slices.Contains(ignore, name) {
			continue
		}
		key := ""
		for _, k := range l.keys {
			if k.Env() == name {
				key = k.Name
			}
		}
		if key == "" {
			wanted := strings.ToLower(strings.TrimPrefix(name, EnvPrefix))
			best, at := "", len(wanted)/2+1
			for _, k := range l.keys {
				if d := distance(wanted, strings.ReplaceAll(k.Name, ".", "_")); d < at {
					best, at = k.Env(), d
				}
			}
			if best != "" {
				best = "; did you mean " + best + "?"
			}
			l.add(name, "it is no setting%s", best)
			continue
		}
		l.set(name, key, value)
	}
}

// distance is the number of letters to insert, delete or change to make b of a.
func distance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
		}
		prev = row
	}
	return prev[len(b)]
}
