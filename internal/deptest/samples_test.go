package deptest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestSamples shows that the Go code in the documents is code of the module,
// which the compiler and the tests have seen. A block of Go stands behind a line
// that says where it is from:
//
//	<!-- code: examples/myproc/myproc.go Config Protocol.ServeConn -->
//
// names declarations in that file, and without names it is the whole file. It may
// be a template or test data, as long as it is Go. -update writes the blocks anew.
func TestSamples(t *testing.T) {
	dir := root(t)
	docs := documents(t, dir)
	// Guards against a walk that finds nothing.
	for _, file := range []string{"README.md", "docs/guides/inputfuncs.md"} {
		if !slices.Contains(docs, filepath.FromSlash(file)) {
			t.Errorf("%s was not found", file)
		}
	}
	for _, file := range docs {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		want, errs := samples(dir, string(text))
		for _, err := range errs {
			t.Errorf("%s:%v", file, err)
		}
		if want == string(text) {
			continue
		}
		if *update {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(want), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s shows code that is not what the source says: go test ./internal/deptest -update, then read the difference", file)
	}
}

// documents returns the Markdown files of the module, templates left out.
func documents(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			rel, err := filepath.Rel(dir, path)
			out = append(out, rel)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var codeComment = regexp.MustCompile(`^<!-- code: (\S+)((?: \S+)*) -->$`)

// fence matches the line that begins a block of code, in a list too, with its
// marks and the word behind them.
var fence = regexp.MustCompile("^ *(`{3,}|~{3,})[ \t]*([^`\\s]*)")

// fenceAt returns the marks and the word of the block that begins at a line.
func fenceAt(line string) (marks, word string, ok bool) {
	m := fence.FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return m[1], strings.ToLower(m[2]), true
}

// fenceEnd returns the index of the line that ends the block whose first line is
// at i, or -1.
func fenceEnd(lines []string, i int, marks string) int {
	for j := i + 1; j < len(lines); j++ {
		line := strings.TrimSpace(lines[j])
		if strings.HasPrefix(line, marks) && strings.Trim(line, marks[:1]) == "" {
			return j
		}
	}
	return -1
}

// samples returns a document with its blocks of Go as the source has them, and
// what is wrong with it, each error with its line.
func samples(dir, text string) (string, []error) {
	var out []string
	var errs []error
	wrong := func(i int, err error) { errs = append(errs, fmt.Errorf("%d: %w", i+1, err)) }
	lines := strings.Split(text, "\n")
	from, at := "", 0 // the comment above, if nothing but blank lines came since
	unused := func() {
		if from != "" {
			wrong(at, fmt.Errorf("no block of Go follows %s", from))
		}
		from = ""
	}
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		marks, word, begins := fenceAt(line)
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "<!-- code:"):
			unused()
			if from, at = line, i; !codeComment.MatchString(line) {
				wrong(i, fmt.Errorf("%q is to be <!-- code: file.go Name … -->", line))
			}
			out = append(out, line)
			continue
		case strings.TrimSpace(line) == "":
			out = append(out, line)
			continue
		case !begins:
			unused()
			out = append(out, line)
			continue
		}
		end := fenceEnd(lines, i, marks)
		if end < 0 {
			wrong(i, fmt.Errorf("the block does not end"))
			return strings.Join(append(out, lines[i:]...), "\n"), errs
		}
		block := lines[i : end+1]
		switch {
		case word != "go" && word != "golang":
			unused()
		case line != "```go":
			wrong(i, fmt.Errorf("a block of Go begins with ```go, not %q", line))
		default:
			source, err := sample(dir, from)
			if err != nil {
				wrong(i, err)
				break
			}
			block = append(append([]string{"```go"}, strings.Split(strings.TrimRight(source, "\n"), "\n")...), "```")
		}
		out = append(out, block...)
		i, from = end, ""
	}
	unused()
	return strings.Join(out, "\n"), errs
}

// sample returns the code that a comment names.
func sample(dir, comment string) (string, error) {
	m := codeComment.FindStringSubmatch(comment)
	if m == nil {
		return "", fmt.Errorf("a block of Go has the line <!-- code: file.go Name … --> above it")
	}
	if !filepath.IsLocal(filepath.FromSlash(m[1])) || !strings.HasSuffix(strings.TrimSuffix(m[1], ".tmpl"), ".go") {
		return "", fmt.Errorf("%s is no file of Go in the module", m[1])
	}
	src, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(m[1])))
	if err != nil {
		return "", err
	}
	names := strings.Fields(m[2])
	if len(names) == 0 {
		return string(src), nil
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, m[1], src, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, name := range names {
		from, to, ok := declaration(file, name)
		if !ok {
			return "", fmt.Errorf("%s declares no %s", m[1], name)
		}
		parts = append(parts, string(src[fset.Position(from).Offset:fset.Position(to).Offset]))
	}
	return strings.Join(parts, "\n\n"), nil
}

// declaration finds a top-level declaration, with its comment: F, T, T.Method.
func declaration(file *ast.File, name string) (from, to token.Pos, ok bool) {
	begin := func(doc *ast.CommentGroup, pos token.Pos) token.Pos {
		if doc != nil {
			return doc.Pos()
		}
		return pos
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			full := d.Name.Name
			if d.Recv != nil {
				full = receiver(d).Name + "." + full
			}
			if full == name {
				return begin(d.Doc, d.Pos()), d.End(), true
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				var ids []*ast.Ident
				switch s := s.(type) {
				case *ast.TypeSpec:
					ids = []*ast.Ident{s.Name}
				case *ast.ValueSpec:
					ids = s.Names
				}
				if slices.ContainsFunc(ids, func(id *ast.Ident) bool { return id.Name == name }) {
					return begin(d.Doc, d.Pos()), d.End(), true
				}
			}
		}
	}
	return 0, 0, false
}

func TestSamplesOfADocument(t *testing.T) {
	dir := t.TempDir()
	const src = "// Package a is one.\npackage a\n\n// F does.\nfunc F() {}\n\ntype T struct{}\n\n// M is a method.\nfunc (t *T) M() {}\n\nvar x, y = 1, 2\n\ntype L[E any] []E\n\nfunc (l *L[E]) N() {}\n"
	for _, name := range []string{"a.go", "t.go.tmpl", "testdata/a.go", "a.txt"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(src), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ name, text, want, err string }{
		{"declarations", "<!-- code: a.go F T.M y -->\n\n```go\nold\n```\nmore\n",
			"<!-- code: a.go F T.M y -->\n\n```go\n// F does.\nfunc F() {}\n\n// M is a method.\nfunc (t *T) M() {}\n\nvar x, y = 1, 2\n```\nmore\n", ""},
		{"a file", "<!-- code: a.go -->\n```go\n```\n", "<!-- code: a.go -->\n```go\n" + src + "```\n", ""},
		{"a template", "<!-- code: t.go.tmpl T -->\n```go\n```\n", "<!-- code: t.go.tmpl T -->\n```go\ntype T struct{}\n```\n", ""},
		{"test data", "<!-- code: testdata/a.go F -->\n```go\n```\n", "<!-- code: testdata/a.go F -->\n```go\n// F does.\nfunc F() {}\n```\n", ""},
		{"a method of a generic type", "<!-- code: a.go L.N -->\n```go\n```\n", "<!-- code: a.go L.N -->\n```go\nfunc (l *L[E]) N() {}\n```\n", ""},
		{"in the order of the comment", "<!-- code: a.go T F -->\n```go\n```\n", "<!-- code: a.go T F -->\n```go\ntype T struct{}\n\n// F does.\nfunc F() {}\n```\n", ""},
		{"other blocks", "```sh\ngo test\n```\n", "```sh\ngo test\n```\n", ""},
		{"Go in another block", "````text\n```go\n```\n````\n", "````text\n```go\n```\n````\n", ""},
		{"a comment in a block", "```text\n<!-- code: a.go F -->\n```\n", "```text\n<!-- code: a.go F -->\n```\n", ""},
		{"in a list", "- x\n\n  ```go\n  ```\n", "- x\n\n  ```go\n  ```\n", "3: a block of Go begins with ```go, not"},
		{"tildes", "~~~go\n~~~\n", "~~~go\n~~~\n", "1: a block of Go begins with"},
		{"golang", "<!-- code: a.go F -->\n```golang\n```\n", "<!-- code: a.go F -->\n```golang\n```\n", "2: a block of Go begins with"},
		{"Go with a title", "```go title=\"a.go\"\n```\n", "```go title=\"a.go\"\n```\n", "1: a block of Go begins with"},
		{"comment above another block", "<!-- code: a.go F -->\n```sh\n```\n", "<!-- code: a.go F -->\n```sh\n```\n", "1: no block of Go follows"},
		{"comment at the end", "x\n<!-- code: a.go F -->\n", "x\n<!-- code: a.go F -->\n", "2: no block of Go follows"},
		{"two comments", "<!-- code: a.go F -->\n<!-- code: a.go T -->\n```go\n```\n", "<!-- code: a.go F -->\n<!-- code: a.go T -->\n```go\ntype T struct{}\n```\n", "1: no block of Go follows"},
		{"comment out of form", "<!-- code: a.go  F -->\n```go\n```\n", "<!-- code: a.go  F -->\n```go\n```\n", "1: \"<!-- code: a.go  F -->\" is to be"},
		{"elsewhere", "<!-- code: ../a.go -->\n```go\n```\n", "<!-- code: ../a.go -->\n```go\n```\n", "2: ../a.go is no file of Go in the module"},
		{"not Go", "<!-- code: a.txt -->\n```go\n```\n", "<!-- code: a.txt -->\n```go\n```\n", "2: a.txt is no file of Go"},
		{"no comment", "x\n\n```go\nx\n```\n", "x\n\n```go\nx\n```\n", "3: a block of Go has the line"},
		{"comment of another paragraph", "<!-- code: a.go F -->\nwords\n```go\n```\n", "<!-- code: a.go F -->\nwords\n```go\n```\n", "3: a block of Go has the line"},
		{"no such name", "<!-- code: a.go G -->\n```go\n```\n", "<!-- code: a.go G -->\n```go\n```\n", "2: a.go declares no G"},
		{"no such file", "<!-- code: b.go -->\n```go\n```\n", "<!-- code: b.go -->\n```go\n```\n", "b.go"},
		{"no end", "```go\nx", "```go\nx", "1: the block does not end"},
	} {
		got, errs := samples(dir, tt.text)
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if s := fmt.Sprint(errs); tt.err == "" && len(errs) > 0 || !strings.Contains(s, tt.err) {
			t.Errorf("%s: errors %s, want %q", tt.name, s, tt.err)
		}
	}
}

var (
	codeSpan = regexp.MustCompile("``[^`].*?``|`[^`]*`")

	// linkTarget matches [a](target), [a](target "title") and [a]: target.
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)|^\[[^\]]+\]: +(\S+)`)

	// elsewhere is what begins a link that leaves the repository.
	elsewhere = regexp.MustCompile(`^(?:[a-z][a-z0-9+.-]*:|//)`)
)

// TestLinks shows that links from one document to another lead somewhere.
func TestLinks(t *testing.T) {
	dir := root(t)
	for _, file := range documents(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range links(dir, file, string(text)) {
			t.Errorf("%s:%v", file, err)
		}
	}
}

// prose returns the lines of a document with those of code emptied: what is
// between fences, and what is indented and stands behind a blank line.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	blank := true // or code
	for i := 0; i < len(lines); i++ {
		if marks, _, ok := fenceAt(lines[i]); ok {
			end := fenceEnd(lines, i, marks)
			if end < 0 {
				end = len(lines) - 1
			}
			clear(lines[i : end+1])
			i, blank = end, false
			continue
		}
		if blank && strings.HasPrefix(lines[i], "    ") {
			lines[i] = ""
			continue
		}
		blank = strings.TrimSpace(lines[i]) == ""
	}
	return lines
}

// links returns what is wrong with the links of a document, each error with its
// line.
func links(dir, file, text string) []error {
	var errs []error
	for i, line := range prose(text) {
		for _, m := range linkTarget.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
			link := m[1] + m[2]
			if elsewhere.MatchString(link) {
				continue
			}
			wrong := func(format string, args ...any) {
				errs = append(errs, fmt.Errorf("%d: link to %s: "+format, append([]any{i + 1, link}, args...)...))
			}
			target, anchor, _ := strings.Cut(link, "#")
			to := file
			if target != "" {
				to = filepath.Join(filepath.Dir(file), filepath.FromSlash(target))
			}
			if !filepath.IsLocal(to) {
				wrong("it leaves the module")
				continue
			}
			if fi, err := os.Stat(filepath.Join(dir, to)); err != nil {
				wrong("there is no %s", filepath.ToSlash(to))
				continue
			} else if fi.IsDir() || anchor == "" {
				continue
			}
			data := []byte(text)
			if target != "" {
				var err error
				if data, err = os.ReadFile(filepath.Join(dir, to)); err != nil {
					wrong("%w", err)
					continue
				}
			}
			if !slices.Contains(anchors(string(data)), anchor) {
				wrong("%s has no heading of that name", filepath.ToSlash(to))
			}
		}
	}
	return errs
}

// anchors returns the names under which the headings of a document can be
// linked to, by GitHub's rules: the second of one name has -1 behind it.
func anchors(text string) []string {
	var out []string
	seen := make(map[string]int)
	for _, line := range prose(text) {
		heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading))
		n := seen[name]
		if seen[name]++; n > 0 {
			name = fmt.Sprintf("%s-%d", name, n)
		}
		out = append(out, name)
	}
	return out
}

func TestLinksOfADocument(t *testing.T) {
	dir := t.TempDir()
	const other = "# The `Other` one, again\n\n## Part\n\n```sh\n# no heading\n```\n\n## Part\n\n## Für alle\n"
	for name, text := range map[string]string{"docs/a.md": "", "docs/sub/b.md": other, "c.go": "package c\n"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a file", "[b](sub/b.md)", ""},
		{"above", "[c](../c.go)", ""},
		{"a folder", "[b](sub) and [here](.)", ""},
		{"a heading", "[b](sub/b.md#the-other-one-again)", ""},
		{"the second of one name", "[b](sub/b.md#part-1)", ""},
		{"other letters", "[b](sub/b.md#für-alle)", ""},
		{"a heading of its own", "# Here\n[x](#here)", ""},
		{"elsewhere", "[x](https://example.org/y.md) [y](mailto:a@example.org) [z](//example.org)", ""},
		{"code", "`[x](y.md)` ``a ` [x](y.md)``\n\n    m[k](y.md)\n\n```text\n[x](y.md)\n```\n", ""},
		{"no file", "x\n[b](b.md)", "2: link to b.md: there is no docs/b.md"},
		{"two in a line", "[b](sub/b.md) [d](d.md)", "1: link to d.md: there is no docs/d.md"},
		{"no image", "![b](b.png)", "1: link to b.png: there is no docs/b.png"},
		{"with a title", "[b](b.md \"B\")", "1: link to b.md: there is no docs/b.md"},
		{"a reference", "[b]: b.md", "1: link to b.md: there is no docs/b.md"},
		{"no heading", "[b](sub/b.md#parts)", "1: link to sub/b.md#parts: docs/sub/b.md has no heading of that name"},
		{"a heading in code", "[b](sub/b.md#no-heading)", "1: link to sub/b.md#no-heading: docs/sub/b.md has no heading of that name"},
		{"no third of one name", "[b](sub/b.md#part-2)", "1: link to sub/b.md#part-2: docs/sub/b.md has no heading of that name"},
		{"no heading of its own", "[x](#there)", "1: link to #there: docs/a.md has no heading of that name"},
		{"out of the module", "[x](../../x.md)", "1: link to ../../x.md: it leaves the module"},
		{"behind code", "```text\nx\n```\n[b](b.md)", "4: link to b.md: there is no docs/b.md"},
		{"a line of a list", "- x\n    [b](b.md)", "2: link to b.md: there is no docs/b.md"},
	} {
		var got []string
		for _, err := range links(dir, filepath.FromSlash("docs/a.md"), tt.text) {
			got = append(got, err.Error())
		}
		if s := strings.Join(got, "\n"); s != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, s, tt.want)
		}
	}
}
