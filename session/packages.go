package session

import (
	"slices"
	"strings"
	"unique"
)

// Packages is the set of GMCP packages that a client has listed as those it
// wants, in lower case with their versions, sorted: "char 1,room 1". It is
// comparable, and equal sets share their memory. "" means that the client has
// listed nothing.
type Packages string

// Bounds of a set: what is over them is not listed.
const (
	maxPackages    = 64
	maxPackageName = 64 // bytes, with the version
)

// Set returns the set of the entries of a list, each the name of a package and,
// after a space, its version.
func (Packages) Set(list []string) Packages { return Packages("").Add(list) }

// Add returns the set with the entries of the list, whose versions count.
func (p Packages) Add(list []string) Packages {
	all := p.list()
	for _, entry := range list {
		fields := strings.Fields(strings.ToLower(entry))
		if len(fields) == 0 || len(entry) > maxPackageName || strings.Contains(entry, ",") {
			continue
		}
		all = slices.DeleteFunc(all, func(e string) bool { return packageName(e) == fields[0] })
		if len(all) < maxPackages {
			all = append(all, strings.Join(fields[:min(len(fields), 2)], " "))
		}
	}
	return join(all)
}

// Remove returns the set without the packages of the list.
func (p Packages) Remove(list []string) Packages {
	all := p.list()
	for _, entry := range list {
		name := packageName(strings.ToLower(strings.TrimSpace(entry)))
		all = slices.DeleteFunc(all, func(e string) bool { return packageName(e) == name })
	}
	return join(all)
}

// Has reports whether the client has listed the package, without regard to case,
// or one above it: "Char" stands for "Char.Vitals". Char.Items, Char.Skills and
// Char.Login are listed by themselves.
func (p Packages) Has(name string) bool {
	name = strings.ToLower(name)
	for {
		for e := range strings.SplitSeq(string(p), ",") {
			if packageName(e) == name {
				return name != ""
			}
		}
		i := strings.LastIndexByte(name, '.')
		if i < 0 || name == "char.items" || name == "char.skills" || name == "char.login" {
			return false
		}
		name = name[:i]
	}
}

func (p Packages) list() []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), ",")
}

func join(all []string) Packages {
	slices.Sort(all)
	return Packages(unique.Make(strings.Join(all, ",")).Value())
}

// packageName returns an entry without its version.
func packageName(entry string) string {
	name, _, _ := strings.Cut(entry, " ")
	return name
}
