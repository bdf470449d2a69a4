package launch

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mudlark.dev/config"
	"mudlark.dev/internal/require"
)

var update = flag.Bool("update", false, "write docs/reference/subcommands.md anew")

// docsTree is the tree of commands as the documents call it.
func docsTree() (*cobra.Command, *app) {
	a := newApp(Game{}, Stdio{}, nil)
	a.name = "mudlark"
	return a.command(), a
}

// TestSubcommandReference compares docs/reference/subcommands.md with the tree
// of commands, from which -update writes it.
func TestSubcommandReference(t *testing.T) {
	file := filepath.Join("..", "docs", "reference", "subcommands.md")
	root, _ := docsTree()
	want := subcommandReference(root)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says: go test ./launch -run SubcommandReference -update, then read the difference", file)
	}
}

func subcommandReference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Subcommands\n\n" +
		"<!-- Written by go test ./launch -run SubcommandReference -update from the commands in package launch; not by hand. -->\n\n" +
		"Every game's program has these; here it is called `" + root.Name() + "`. The exit code is 0 for success, 1 for failure and 2 for\n" +
		"a wrong command line. Errors go to the standard error output, each as a line that begins with `error:`, with one below\n" +
		"it that begins with `hint:` if there is something to be done.\n\n" +
		"## All of them\n\n")
	flagTable(&b, root.PersistentFlags())
	for _, c := range shown(root) {
		text := c.Short + "."
		if c.Long != "" { // says more
			text = c.Long
		}
		fmt.Fprintf(&b, "\n## %s\n\n    %s\n\n%s\n", c.Name(), c.UseLine(), text)
		if c.Flags().HasAvailableFlags() {
			b.WriteString("\n")
			flagTable(&b, c.Flags())
		}
	}
	return b.String()
}

// shown returns the commands that people are told of, in the order of names.
func shown(root *cobra.Command) []*cobra.Command {
	list := slices.DeleteFunc(slices.Clone(root.Commands()), func(c *cobra.Command) bool { return c.Hidden })
	slices.SortFunc(list, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | what it does |\n|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		usage = strings.ToUpper(usage[:1]) + usage[1:] + "."
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			usage += " Default: `" + f.DefValue + "`."
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, usage)
	})
}

// TestSubcommandReferenceHas shows that the reference names what a command has.
func TestSubcommandReferenceHas(t *testing.T) {
	root := &cobra.Command{Use: "mudlark"}
	root.PersistentFlags().String("dir", ".", "the game's `folder`")
	c := &cobra.Command{Use: "look <where>", Short: "Look", Long: "Look and see.", Run: func(*cobra.Command, []string) {}}
	c.Flags().BoolP("far", "f", false, "with a glass")
	c.Flags().Bool("secret", false, "x")
	c.Flags().Lookup("secret").Hidden = true
	root.AddCommand(c, &cobra.Command{Use: "inner", Hidden: true, Run: func(*cobra.Command, []string) {}})
	text := subcommandReference(root)
	for _, want := range []string{
		"| `--dir folder` | The game's folder. Default: `.`. |\n",
		"\n## look\n\n    mudlark look <where> [flags]\n\nLook and see.\n\n| flag | what it does |\n|---|---|\n| `-f, --far` | With a glass. |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the reference lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "inner") {
		t.Errorf("the reference has what is hidden:\n%s", text)
	}
}

func operateDoc(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "operate", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkCommand reports what is wrong with the words behind "mudlark" in a
// document: an unknown command, flag or argument.
func checkCommand(words []string) error {
	root, _ := docsTree()
	c, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if c == root {
		return fmt.Errorf("no command in %q", words)
	}
	return c.Args(c, c.Flags().Args())
}

// words splits a command line as a shell does, up to a comment or redirection.
func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(line, -1) {
		if m[0] == '#' || m[0] == '<' {
			break
		}
		out = append(out, strings.Trim(m, `"`))
	}
	return out
}

// TestOperateCommands has every command of the documents for operators parsed.
func TestOperateCommands(t *testing.T) {
	commands := 0
	check := func(where, line string) {
		commands++
		if err := checkCommand(words(line)); err != nil {
			t.Errorf("%s: %q: %v", where, line, err)
		}
	}
	doc := operateDoc(t, "README.md")
	for _, m := range regexp.MustCompile(`(?m)^    (?:sudo -u mudlark |podman exec (?:-it )?game /)?mudlark (.*)$`).FindAllStringSubmatch(doc, -1) {
		check("README.md", m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^Exec\w+=/\S*/mudlark (.*)$`).FindAllStringSubmatch(operateDoc(t, "mudlark.service"), -1) {
		check("mudlark.service", m[1])
	}
	if commands < 20 {
		t.Errorf("only %d commands were found in the documents", commands)
	}
	for _, wrong := range []string{"lgos", "logs -x", "logs kitchen", "superuser", "--dir /game"} {
		if err := checkCommand(strings.Fields(wrong)); err == nil {
			t.Errorf("the check takes %q", wrong)
		}
	}
}

// TestContainerfile has the settings and commands of the image parsed.
func TestContainerfile(t *testing.T) {
	text := operateDoc(t, "Containerfile")
	var environ []string
	for _, m := range regexp.MustCompile(`(?m)^ENV (MUDLARK_\w+=\S+)`).FindAllStringSubmatch(text, -1) {
		environ = append(environ, m[1])
	}
	conf, err := config.Load(config.Sources{Dir: t.TempDir(), Environ: environ})
	if err != nil {
		t.Fatalf("the settings %q: %v", environ, err)
	}
	if want := []string{"0.0.0.0:4000"}; !slices.Equal(conf.Telnet.Listen, want) {
		t.Errorf("telnet listens at %q, want %q: a container's loopback is of no use to others", conf.Telnet.Listen, want)
	}
	list := func(pattern string) []string {
		m := regexp.MustCompile(`(?m)^` + pattern + ` \[(.*)\]$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("the Containerfile has no %s in the form of a list", pattern)
		}
		return strings.Split(strings.ReplaceAll(m[1], `"`, ""), ", ")
	}
	entry, cmd := list("ENTRYPOINT"), list("CMD")
	health := list(`HEALTHCHECK .*\n? *CMD`)
	for _, words := range [][]string{append(entry[1:len(entry):len(entry)], cmd...), health[1:]} {
		if err := checkCommand(words); err != nil {
			t.Errorf("%q: %v", words, err)
		}
	}
	if entry[0] != health[0] || !strings.Contains(text, " "+entry[0]+"\n") {
		t.Errorf("the image runs %q and checks with %q, which are not both what it copies", entry[0], health[0])
	}
}

// TestUnit has systemd read the unit, with this test's program in the place of
// the game's.
func TestUnit(t *testing.T) {
	analyze := require.Program(t, "systemd-analyze")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := operateDoc(t, "mudlark.service")
	const program = "/usr/local/bin/mudlark"
	if strings.Count(text, program) < 2 {
		t.Fatalf("the unit does not run %s", program)
	}
	unit := filepath.Join(t.TempDir(), "mudlark.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, program, exe)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), "mudlark.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
