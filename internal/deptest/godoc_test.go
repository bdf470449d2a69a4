package deptest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocComments shows that every exported name of the packages that games
// import has a comment: "go doc" is their reference. A name in a group may be
// told of by the group's.
func TestDocComments(t *testing.T) {
	dir := root(t)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			rel, err := filepath.Rel(dir, path)
			switch {
			case err != nil:
				return err
			case rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || rel == "internal" || rel == "cmd" || rel == "examples"):
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, id := range undocumented(file) {
			t.Errorf("%s: %s has no comment", fset.Position(id.Pos()), id.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func undocumented(file *ast.File) []*ast.Ident {
	var out []*ast.Ident
	bare := func(id *ast.Ident, docs ...*ast.CommentGroup) {
		if !id.IsExported() || id.Name == "Error" || id.Name == "String" || id.Name == "GoString" {
			return // the last three are what fmt and everybody takes them for
		}
		for _, d := range docs {
			if d != nil {
				return
			}
		}
		out = append(out, id)
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || receiver(d).IsExported() {
				bare(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					bare(s.Name, s.Doc, d.Doc, s.Comment)
				case *ast.ValueSpec:
					for _, id := range s.Names {
						bare(id, s.Doc, d.Doc, s.Comment)
					}
				}
			}
		}
	}
	return out
}

func receiver(f *ast.FuncDecl) *ast.Ident {
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x
		default:
			return ast.NewIdent("_")
		}
	}
}

func TestUndocumented(t *testing.T) {
	const src = "package a\n\ntype T struct{}\n\nfunc (T) M() {}\n\nfunc (u) M() {}\n\n// F does.\nfunc F() {}\n\n// Group.\nconst (\n\tA = 1\n)\n\nvar B = 2 // is two\n\nvar C, d = 3, 4\n"
	file, err := parser.ParseFile(token.NewFileSet(), "a.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, id := range undocumented(file) {
		names = append(names, id.Name)
	}
	if got := strings.Join(names, " "); got != "T M C" {
		t.Errorf("undocumented: %s, want T M C", got)
	}
}
