package launch

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"text/template"
	"unicode"

	"github.com/spf13/cobra"
)

// frameworkModule is the module of this framework.
const frameworkModule = "mudlark.dev"

//go:embed template/*.tmpl
var templateFiles embed.FS

// addInit adds the command that makes a new game.
func (a *app) addInit(root *cobra.Command) {
	var module string
	cmd := &cobra.Command{
		Use:   "init folder",
		Short: "Make a new game in a folder of its own",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return &usageError{err: errors.New("init takes one argument: the folder to make"), hint: "for example: " + a.name + " init mygame"}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.initGame(cmd.Context(), args[0], module)
		},
	}
	cmd.Flags().StringVar(&module, "module", "", "the `path` of the game's Go module; without it the folder's name")
	root.AddCommand(cmd)
}

// A newGame is what the template's files are filled with.
type newGame struct {
	Title   string // for people: "My game"
	Module  string
	Go      string // the language's version, for go.mod
	Version string // of the framework
	Replace string // the framework's folder, if it is not to be fetched
}

// initGame writes a new game into dir and has the go tool complete its go.mod.
func (a *app) initGame(ctx context.Context, dir, module string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("init %s: %w", dir, err)
	}
	name := filepath.Base(abs)
	if module == "" {
		module = fileName(name)
	}
	if !validModule(module) {
		return &usageError{err: fmt.Errorf("%q is not the path of a Go module", module), hint: "for example: --module example.com/mygame"}
	}
	switch entries, err := os.ReadDir(abs); {
	case err == nil && len(entries) > 0:
		return withHint(fmt.Errorf("%s is there already, and not empty", abs), "name a folder that is not there")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("init: %w", err)
	}
	game := newGame{Title: gameTitle(name), Module: module}
	game.Go, game.Version, game.Replace = framework()
	if err := writeGame(abs, game); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	fmt.Fprintf(a.out, "The game %s is in %s.\n", game.Title, abs)
	if err := tidy(ctx, abs); err != nil {
		return withHint(fmt.Errorf("the game is written, but go mod tidy failed:\n%w", err),
			"run it again in %s once the cause is mended; the game needs its go.sum to build", quote(abs))
	}
	fmt.Fprintf(a.out, "\nTo play it:\n\n    cd %s\n    go run . run\n\nTo test it: go test ./...\nThe file README.md says what is where.\n", quote(dir))
	return nil
}

// writeGame writes the files of the template.
func writeGame(dir string, game newGame) error {
	all, err := template.ParseFS(templateFiles, "template/*.tmpl")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, t := range all.Templates() {
		name := strings.TrimSuffix(t.Name(), ".tmpl")
		if name == "gitignore" {
			name = ".gitignore"
		}
		var b strings.Builder
		if err := t.Execute(&b, game); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// tidy has the go tool write the rest of go.mod, and go.sum.
func tidy(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s%w", out, err)
	}
	return nil
}

// framework returns what the go.mod of a new game says of this framework: the
// version that this program was built with, or, if it was built from a folder
// with the sources, that folder.
func framework() (goVersion, version, replace string) {
	goVersion = strings.TrimPrefix(runtime.Version(), "go")
	if i := strings.IndexFunc(goVersion, func(r rune) bool { return r != '.' && !unicode.IsDigit(r) }); i >= 0 {
		goVersion = goVersion[:i]
	}
	if parts := strings.Split(goVersion, "."); len(parts) > 2 {
		goVersion = parts[0] + "." + parts[1]
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		root := filepath.Dir(filepath.Dir(file))
		mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
		inCache := strings.Contains(filepath.Base(root), "@") // of modules, where no folder is to be relied on
		if err == nil && !inCache && strings.HasPrefix(string(mod), "module "+frameworkModule+"\n") {
			return goVersion, "v0.0.0", root
		}
	}
	version = "latest"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == frameworkModule && m.Version != "" && m.Version != "(devel)" {
				version = m.Version
			}
		}
	}
	return goVersion, version, ""
}

// gameTitle makes a title of a folder's name: "river-of-stars" is "River of
// stars".
func gameTitle(name string) string {
	words := strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return ' '
	}, name))
	if len(words) == 0 {
		return "Game"
	}
	title := []rune(strings.Join(words, " "))
	title[0] = unicode.ToUpper(title[0])
	return string(title)
}

// validModule reports whether a path can stand in a go.mod without quotes; the
// go tool says what else may be wrong with it.
func validModule(path string) bool {
	if path == "" || strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
		return false
	}
	return !strings.ContainsFunc(path, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~/", r)
	})
}
