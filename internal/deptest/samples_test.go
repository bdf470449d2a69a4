package deptest

import (
	"bytes"
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
)

// TestSamples shows that the Go code in the documents is code of the module,
// which the compiler and the tests have seen. A block of Go stands behind a line
// that says where it is from:
//
//	<!-- code: examples/myproc/myproc.go Config Protocol.ServeConn -->
//
// names declarations in that file, and without names it is the whole file.
// -update writes the blocks anew.
func TestSamples(t *testing.T) {
	dir := root(t)
	for _, file := range documents(t, dir) {
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

// samples returns a document with its blocks of Go as the source has them, and
// what is wrong with it, each error with its line.
func samples(dir, text string) (string, []error) {
	var out []string
	var errs []error
	lines := strings.Split(text, "\n")
	from := "" // the comment above, if nothing but blank lines came since
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case codeComment.MatchString(line):
			from = line
			out = append(out, line)
			continue
		case strings.TrimSpace(line) == "":
			out = append(out, line)
			continue
		case !strings.HasPrefix(line, "```"):
			from = ""
			out = append(out, line)
			continue
		}
		end := slices.Index(lines[i+1:], "```")
		if end < 0 {
			errs = append(errs, fmt.Errorf("%d: the block does not end", i+1))
			out = append(out, lines[i:]...)
			break
		}
		end += i + 1
		block := lines[i : end+1]
		if line == "```go" {
			switch source, err := sample(dir, from); {
			case err != nil:
				errs = append(errs, fmt.Errorf("%d: %w", i+1, err))
			default:
				block = append(append([]string{"```go"}, strings.Split(strings.TrimRight(source, "\n"), "\n")...), "```")
			}
		}
		out = append(out, block...)
		i, from = end, ""
	}
	return strings.Join(out, "\n"), errs
}

// sample returns the code that a comment names.
func sample(dir, comment string) (string, error) {
	m := codeComment.FindStringSubmatch(comment)
	if m == nil {
		return "", fmt.Errorf("a block of Go has the line <!-- code: file.go Name … --> above it")
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
				t := d.Recv.List[0].Type
				if star, ok := t.(*ast.StarExpr); ok {
					t = star.X
				}
				if id, ok := t.(*ast.Ident); ok {
					full = id.Name + "." + full
				}
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
	const src = "// Package a is one.\npackage a\n\n// F does.\nfunc F() {}\n\ntype T struct{}\n\n// M is a method.\nfunc (t *T) M() {}\n\nvar x, y = 1, 2\n"
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte(src), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want, err string }{
		{"declarations", "<!-- code: a.go F T.M y -->\n\n```go\nold\n```\nmore\n",
			"<!-- code: a.go F T.M y -->\n\n```go\n// F does.\nfunc F() {}\n\n// M is a method.\nfunc (t *T) M() {}\n\nvar x, y = 1, 2\n```\nmore\n", ""},
		{"a file", "<!-- code: a.go -->\n```go\n```\n", "<!-- code: a.go -->\n```go\n" + src + "```\n", ""},
		{"other blocks", "```sh\ngo test\n```\n", "```sh\ngo test\n```\n", ""},
		{"no comment", "x\n\n```go\nx\n```\n", "x\n\n```go\nx\n```\n", "3: a block of Go has the line"},
		{"comment of another paragraph", "<!-- code: a.go F -->\nwords\n```go\n```\n", "<!-- code: a.go F -->\nwords\n```go\n```\n", "3: a block"},
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

var codeSpan = regexp.MustCompile("``[^`].*?``|`[^`]*`")

var linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks shows that links from one document to another lead somewhere.
func TestLinks(t *testing.T) {
	dir := root(t)
	for _, file := range documents(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		fenced := false
		for i, line := range bytes.Split(text, []byte("\n")) {
			if bytes.HasPrefix(line, []byte("```")) {
				fenced = !fenced
			}
			if fenced || bytes.HasPrefix(line, []byte("    ")) {
				continue // code
			}
			line = codeSpan.ReplaceAll(line, nil)
			for _, m := range linkTarget.FindAllSubmatch(line, -1) {
				target, anchor, _ := strings.Cut(string(m[1]), "#")
				if strings.Contains(target, ":") {
					continue // elsewhere
				}
				to := filepath.Join(dir, file)
				if target != "" {
					to = filepath.Join(filepath.Dir(to), filepath.FromSlash(target))
				}
				data, err := os.ReadFile(to)
				if fi, serr := os.Stat(to); serr == nil && fi.IsDir() {
					continue
				}
				if err != nil {
					t.Errorf("%s:%d: link to %s: %v", file, i+1, target, err)
				} else if anchor != "" && !slices.Contains(anchors(string(data)), anchor) {
					t.Errorf("%s:%d: %s has no heading #%s", file, i+1, target, anchor)
				}
			}
		}
	}
}

// anchors returns the names under which the headings of a document can be
// linked to.
func anchors(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			out = append(out, strings.Map(func(r rune) rune {
				switch {
				case r >= 'A' && r <= 'Z':
					return r - 'A' + 'a'
				case r == ' ':
					return '-'
				case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
					return r
				}
				return -1
			}, strings.TrimSpace(heading)))
		}
	}
	return out
}
