package launch

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"mudlark.dev/link"
)

// A versionInfo says what this program was built from. It is what "version
// --json" prints; names and meanings are kept from release to release.
type versionInfo struct {
	Game     string `json:"game"`
	Version  string `json:"version"`  // of the game, as its author calls it
	Mudlark  string `json:"mudlark"`  // of the framework's module; "(devel)" for a work tree
	Go       string `json:"go"`       // what built it
	Commit   string `json:"commit"`   // of the game's source; "" if it is not known
	Modified bool   `json:"modified"` // there were changes that are not in that commit
	Link     int    `json:"link"`     // version of the link: Portal and Server must have the same
}

// versionOf puts together what the game and the build say. Info may be nil.
func versionOf(game Game, info *debug.BuildInfo) versionInfo {
	v := versionInfo{Game: game.Name, Version: game.Version, Mudlark: "unknown", Go: runtime.Version(), Link: link.Version}
	if info == nil {
		return v
	}
	if m := findModule(info, frameworkModule); m != nil {
		v.Mudlark = cmp.Or(m.Version, "(devel)")
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// findModule returns the module of that path as it was built in, or nil.
func findModule(info *debug.BuildInfo, path string) *debug.Module {
	mods := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range mods {
		if m.Path != path {
			continue
		}
		if m.Replace != nil {
			return m.Replace
		}
		return m
	}
	return nil
}

// buildInfo returns what the build has left in this program, or nil.
func buildInfo() *debug.BuildInfo {
	info, _ := debug.ReadBuildInfo()
	return info
}

// version prints what this program is.
func (a *app) version(asJSON bool) error {
	v := versionOf(a.game, buildInfo())
	if asJSON {
		return printJSON(a.out, v)
	}
	return v.print(a.out)
}

// print writes v for people.
func (v versionInfo) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, title(v.Game, v.Version))
	fmt.Fprintf(t, "Mudlark\t%s\n", v.Mudlark)
	fmt.Fprintf(t, "Go\t%s\n", v.Go)
	commit := cmp.Or(v.Commit, "unknown")
	if v.Modified {
		commit += ", modified"
	}
	fmt.Fprintf(t, "Commit\t%s\n", commit)
	fmt.Fprintf(t, "Link\t%d\n", v.Link)
	return t.Flush()
}
