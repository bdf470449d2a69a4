package session

// maxNames bounds what a Names remembers: beyond it begins anew.
const maxNames = 1000

// A Names has equal texts share their memory, such as those that many clients say of
// themselves. It remembers at most 1000. The zero value is ready. It is not safe for
// concurrent use.
type Names struct{ known map[string]string }

// Share replaces each text by an equal one that was given before, if there is one.
func (n *Names) Share(texts ...*string) {
	for _, t := range texts {
		if *t == "" {
			continue
		}
		if first, ok := n.known[*t]; ok {
			*t = first
			continue
		}
		if n.known == nil || len(n.known) >= maxNames {
			n.known = make(map[string]string)
		}
		n.known[*t] = *t
	}
}

// ShareInfo is Share for the texts of i that many clients have in common.
func (n *Names) ShareInfo(i *Info) {
	n.Share(&i.Protocol, &i.Client, &i.Terminal, &i.Encoding, &i.Version)
	packages := string(i.Packages)
	n.Share(&packages)
	i.Packages = Packages(packages)
}
