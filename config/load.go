package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

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

	Game []Setting // the game's own, which go over the defaults and under all else
}

// A Setting is one that a game declares. If its name is one of Keys, the game
// only gives that key another default. Any other name, a section and a key in
// lower case such as "irc.server", is a key of the game's own, whose value is a
// text: Config.Own has it.
type Setting struct {
	Name    string
	Default string // as one writes it after --set
	Doc     string // one sentence or two, for operators
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
	l := &loading{conf: Default(), keys: Keys(), from: map[string]string{}}
	l.game(src.Game)
	l.file(filepath.Join(src.Dir, FileName))
	l.environ(src.Environ, src.Ignore)
	for _, s := range src.Set {
		name, value, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			l.add("--set "+printable(s), "it is written --set key=value")
			continue
		}
		l.set("--set "+printable(name), printable(name), word(value))
	}
	l.pairs()
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	return l.conf, nil
}

type loading struct {
	conf     *Config
	keys     []Key
	from     map[string]string // by key, where its value comes from
	problems Problems
}

// pairs reports a certificate without its key, and a key without its
// certificate.
func (l *loading) pairs() {
	t := l.conf.Telnet
	switch {
	case t.TLSCert != "" && t.TLSKey == "":
		l.add(l.from[keyTLSCert], "%s: it needs %s beside it", keyTLSCert, keyTLSKey)
	case t.TLSCert == "" && t.TLSKey != "":
		l.add(l.from[keyTLSKey], "%s: it needs %s beside it", keyTLSKey, keyTLSCert)
	}
}

func (l *loading) add(where, format string, args ...any) {
	l.problems = append(l.problems, Problem{where, fmt.Sprintf(format, args...)})
}

// game takes up the settings that the game declares.
func (l *loading) game(own []Setting) {
	const where = "the game's own settings"
	seen := map[string]bool{}
	for _, s := range own {
		switch {
		case !ownName.MatchString(s.Name):
			l.add(where, "%q: a name is a section and a key in lower case, such as irc.server", s.Name)
			continue
		case seen[s.Name]:
			l.add(where, "%s: it is declared twice", s.Name)
			continue
		}
		seen[s.Name] = true
		if !slices.ContainsFunc(l.keys, func(k Key) bool { return k.Name == s.Name }) {
			l.keys = append(l.keys, Key{Name: s.Name, Default: s.Default, Doc: s.Doc, Restart: true, set: ownValue(s.Name)})
		}
		l.set(where, s.Name, word(s.Default))
	}
}

var ownName = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)

// ownValue sets a key of the game's own: whatever has one obvious text.
func ownValue(name string) func(*Config, any) error {
	return func(c *Config, v any) error {
		var text string
		switch v := v.(type) {
		case word:
			text = string(v)
		case string, bool, int64, float64:
			text = fmt.Sprint(v)
		default:
			return errors.New("it is a text, a number, or true or false")
		}
		if c.Own == nil {
			c.Own = make(map[string]string)
		}
		c.Own[name] = text
		return nil
	}
}

func (l *loading) set(where, name string, value any) {
	for _, k := range l.keys {
		if k.Name == name {
			l.from[name] = where
			if err := k.set(l.conf, value); err != nil {
				l.add(where, "%s: %v", name, err)
			}
			return
		}
	}
	if l.section(name) {
		l.add(where, "%s: it is a section with keys of its own, and has no value", name)
		return
	}
	l.add(where, "%s: unknown key%s", name, suggest(l.nearest(name, ".")))
}

// nearest returns the key that is most like a name that is none, or "". sep
// stands between a section and the names in it. A name that lacks nothing but its section is nearest to that key.
func (l *loading) nearest(name, sep string) string {
	best, at := "", len(name)/2+1
	for _, k := range l.keys {
		known := strings.ReplaceAll(k.Name, ".", sep)
		if _, last, _ := strings.Cut(k.Name, "."); name == last {
			return known
		}
		if gap := len(name) - len(known); gap >= at || -gap >= at {
			continue // the distance is no less; a name may be as long as the file
		}
		if d := distance(name, known); d < at {
			best, at = known, d
		}
	}
	return best
}

func suggest(name string) string {
	if name == "" {
		return ""
	}
	return "; did you mean " + name + "?"
}

// printable returns a name from the command line or the environment, quoted if
// it would garble a terminal.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	return s
}

// written returns a name of a file as it is written there: one with a dot or
// with a space is quoted, so that it is not taken for two.
func written(name string) string {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return strconv.Quote(name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}

func (l *loading) file(path string) {
	where := filepath.Base(path)
	fi, err := os.Stat(path) // before it is opened: to open a named pipe waits for its writer
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		l.add(where, "%v", err)
		return
	}
	if !fi.Mode().IsRegular() {
		l.add(where, "it is not a regular file")
		return
	}
	f, err := os.Open(path)
	if err != nil {
		l.add(where, "%v", err)
		return
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		l.add(where, "%v", err)
		return
	}
	if len(data) > maxFile {
		l.add(where, "it is longer than %d bytes", maxFile)
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
	var walk func(prefix string, line int, tree map[string]any)
	walk = func(prefix string, line int, tree map[string]any) {
		for name, v := range tree {
			full := prefix + written(name)
			line := line // of what it stands in, for a value that has none of its own
			if own, ok := lines[full]; ok {
				line = own
			}
			if sub, ok := v.(map[string]any); ok {
				if len(sub) == 0 && !l.section(full) {
					leaves = append(leaves, leaf{full, v, line})
				}
				walk(full+".", line, sub)
				continue
			}
			leaves = append(leaves, leaf{full, v, line})
		}
	}
	walk("", 0, tree)
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

// keyLines returns the line on which each key of a valid file stands. Of a name
// that stands in several lines, as a table does, it is the first.
func keyLines(data []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(data)
	note := func(prefix string, key unstable.Iterator) string {
		name := prefix
		for key.Next() {
			n := key.Node()
			name += written(string(n.Data))
			if _, ok := lines[name]; !ok {
				lines[name] = p.Shape(n.Raw).Start.Line
			}
			name += "."
		}
		return name
	}
	var inline func(prefix string, v *unstable.Node)
	inline = func(prefix string, v *unstable.Node) {
		if v.Kind != unstable.InlineTable {
			return
		}
		for it := v.Children(); it.Next(); {
			kv := it.Node()
			inline(note(prefix, kv.Key()), kv.Value())
		}
	}
	prefix := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			prefix = note("", e.Key())
		case unstable.KeyValue:
			inline(note(prefix, e.Key()), e.Value())
		}
	}
	return lines
}

func (l *loading) environ(environ, ignore []string) {
	names := map[string]string{} // of a name given twice the last counts, as in a shell
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, EnvPrefix) && !slices.Contains(ignore, name) {
			names[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		i := slices.IndexFunc(l.keys, func(k Key) bool { return k.Env() == name })
		if i < 0 {
			near := l.nearest(strings.ToLower(strings.TrimPrefix(name, EnvPrefix)), "_")
			if near != "" {
				near = EnvPrefix + strings.ToUpper(near)
			}
			l.add(printable(name), "it is no setting%s", suggest(near))
			continue
		}
		l.set(name, l.keys[i].Name, word(names[name]))
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
