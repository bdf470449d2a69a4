package deptest

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mudlark.dev/config"
	"mudlark.dev/message"
	"mudlark.dev/server"
)

var update = flag.Bool("update", false, "write anew what the documents take from the code")

// TestConfigReference compares docs/reference/config.md with the keys in the
// code, from which -update writes it.
func TestConfigReference(t *testing.T) {
	file := filepath.Join(root(t), "docs", "reference", "config.md")
	want := reference(config.Keys())
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
		t.Errorf("%s is not what the code says: go test ./internal/deptest -update, then read the difference", file)
	}
}

func reference(keys []config.Key) string {
	var b strings.Builder
	b.WriteString("# Settings\n\n" +
		"<!-- Written by go test ./internal/deptest -update from the keys in package config; not by hand. -->\n\n" +
		"A setting has its default; `" + config.FileName + "` in the game's folder goes over it, an environment variable over the\n" +
		"file, and `--set key=value` over all. They are strict: an unknown key, a value of the wrong type or out of range, and\n" +
		"a `" + config.EnvPrefix + "` variable that is no setting are errors, and all of them are reported at once. In a setting that\n" +
		"limits something 0 means off; a key that is left out means its default.\n\n" +
		"The file is TOML:\n\n" +
		"    [telnet]\n    listen = [\"127.0.0.1:4000\", \"[::1]:4000\"]\n\n" +
		"In the environment and after `--set`, the items of `telnet.listen` are written with commas between them, and the words\n" +
		"of `reload.build` with spaces.\n")
	section := ""
	for _, k := range keys {
		if s, _, _ := strings.Cut(k.Name, "."); s != section {
			section = s
			fmt.Fprintf(&b, "\n## %s\n", section)
		}
		value := "`" + k.Default + "`"
		if k.Default == "" {
			value = "empty"
		}
		takes := "a reload"
		if k.Restart {
			takes = "a restart of the Portal"
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\nDefault: %s. Variable: `%s`. A change takes %s.\n", k.Name, k.Doc, value, k.Env(), takes)
	}
	return b.String()
}

// TestMessageReference compares docs/reference/messages.md with the inputfuncs
// in the code, from which -update writes it.
func TestMessageReference(t *testing.T) {
	file := filepath.Join(root(t), "docs", "reference", "messages.md")
	want := messageReference(server.BuiltinInputFuncs())
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
		t.Errorf("%s is not what the code says: go test ./internal/deptest -update, then read the difference", file)
	}
}

func messageReference(in []server.InputFunc) string {
	var b strings.Builder
	b.WriteString("# Messages\n\n" +
		"<!-- Written by go test ./internal/deptest -update from the inputfuncs in package server; not by hand. -->\n\n" +
		"A message has a name, arguments and keyword arguments. Its JSON form, which protocols of programs use, is\n\n" +
		"    [\"name\", [args], {kwargs}]\n\n" +
		"where what stands at the end may be left out. A value is null, true or false, a number, a text, a list or an object. A number\n" +
		"without fraction and exponent is whole, of 64 bits. [Inputfuncs and outputfuncs](../guides/inputfuncs.md) tells how to have\n" +
		"messages of your own.\n\n" +
		"## Names and limits\n\n" +
		"A name has letters from a to z, digits, `_`, `.` and `-`. Case does not count: names are compared in lower case\n" +
		"(`message.CanonicalName`), and so are the keywords that an inputfunc declares. A name has at most ")
	fmt.Fprintf(&b, "%d bytes.\nA message has at most %d values, lists and objects nested at most %d deep, and %d KiB in its binary form. What is beyond is\n"+
		"refused with an error that names the place. How long a text may be, and how many messages a client may send, are settings:\n"+
		"see [limits](config.md#limits).\n", message.MaxName, message.MaxValues, message.MaxDepth, message.MaxBytes>>10)
	b.WriteString("\n## From clients to the game\n\nWhat is of another shape is answered with a text that says why.\n\n" +
		"| name | arguments | keyword arguments | what it does |\n|---|---|---|---|\n")
	for _, f := range in {
		var args, kwargs []string
		for _, k := range f.Args {
			args = append(args, k.String())
		}
		if f.MoreArgs {
			args = append(args, "more of any kind")
		}
		for _, name := range slices.Sorted(maps.Keys(f.Kwargs)) {
			kwargs = append(kwargs, "`"+name+"`: "+f.Kwargs[name].String())
		}
		if f.MoreKwargs {
			kwargs = append(kwargs, "others")
		}
		help := f.Help
		if f.NeedsLogin {
			help += " Only after the login."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, strings.Join(args, ", "), strings.Join(kwargs, ", "), help)
	}
	b.WriteString("\nOf the keyword arguments of `text`, only `cmdid` goes on to the command: what the command answers carries it, so that a\n" +
		"program knows which line was answered.\n\n" +
		"## From the game to clients\n\n" +
		"| name | arguments | keyword arguments | when |\n|---|---|---|---|\n" +
		"| `text` | the text, marked up | `cmdid` of the line that it answers, if that had one | whatever a player is to read |\n" +
		"| `prompt` | the text, marked up | | a line without an end, such as a question |\n" +
		"| `client_options` | | the options | the answer to `client_options` and `get_client_options` |\n" +
		"| `get_inputfuncs` | | a name and what it does, for each | the answer to the message of that name |\n" +
		"| `get_value` | | `name`, `value` | the answer to the message of that name |\n" +
		"| `get_values` | | a name and what it is, for each | the answer to the message of that name |\n" +
		"| `monitor` | | `name`, `value` | a value that `monitor` asked for has changed |\n" +
		"| `monitored` | the list of names | | the answer to the message of that name |\n" +
		"| `msdp` | | a name in capitals and its value, for each | variables of MSDP that were asked for or have changed |\n" +
		"| `char_login_default` | | `type` | a program may log its player in by `char_login_credentials` |\n" +
		"| `char_login_result` | | `success`, `message` | the answer to `char_login_credentials` |\n\n" +
		"What a client sees of them is its protocol's to say. Every protocol encodes `text`; `prompt` is encoded as a text by one that has no\n" +
		"prompts; the others go to an outputfunc of their name, or to the protocol's default. Telnet sends the others by GMCP or MSDP to\n" +
		"clients that have agreed to one of these, as [its page](telnet.md) tells.\n\n" +
		"Game code gives hints for one delivery beside the message (`message.Options`): `Raw` sends a text with its markup characters as\n" +
		"they stand, `NoColor` takes the markup out. No client can send them.\n\n" +
		"## Values\n\n" +
		"These can be asked for by name, with `get_value` and `msdp_send`, and reported as they change, with `monitor` and `msdp_report`. A game\n" +
		"has others in `Game.Values`; one of the same name replaces what is built in.\n\n" +
		"| name | what it is |\n|---|---|\n")
	for _, v := range server.BuiltinValues() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", v.Name, v.Help)
	}
	return b.String()
}

// TestReferenceHasKeys shows that the reference names what a key has.
func TestReferenceHasKeys(t *testing.T) {
	text := reference([]config.Key{{Name: "a.b", Default: "7", Doc: "What b does.", Restart: true}, {Name: "a.c", Doc: "What c does."}})
	for _, want := range []string{
		"\n## a\n\n### a.b\n\nWhat b does.\n\nDefault: `7`. Variable: `MUDLARK_A_B`. A change takes a restart of the Portal.\n",
		"\n### a.c\n\nWhat c does.\n\nDefault: empty. Variable: `MUDLARK_A_C`. A change takes a reload.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the reference lacks %q:\n%s", want, text)
		}
	}
}

var indexLine = regexp.MustCompile(`(?m)^- \[(\d{4})\]\((\d{4}-[a-z0-9-]+\.md)\): \S`)

// checkIndex compares the index of docs/adr/README.md with the files there.
func checkIndex(index string, files []string) []string {
	var wrong, listed []string
	for _, m := range indexLine.FindAllStringSubmatch(index, -1) {
		if m[1] != m[2][:4] {
			wrong = append(wrong, fmt.Sprintf("the index calls %s %s", m[2], m[1]))
		}
		if slices.Contains(listed, m[2]) {
			wrong = append(wrong, fmt.Sprintf("the index has %s twice", m[2]))
		}
		listed = append(listed, m[2])
		if !slices.Contains(files, m[2]) {
			wrong = append(wrong, fmt.Sprintf("the index has %s, which does not exist", m[2]))
		}
	}
	numbers := map[string]string{}
	for _, f := range files {
		if !slices.Contains(listed, f) {
			wrong = append(wrong, fmt.Sprintf("%s is not in the index of docs/adr/README.md: add the line \"- [%s](%s): its title\"", f, f[:4], f))
		}
		if other := numbers[f[:4]]; other != "" {
			wrong = append(wrong, fmt.Sprintf("%s and %s have one number", other, f))
		}
		numbers[f[:4]] = f
	}
	return wrong
}

func TestDecisionIndex(t *testing.T) {
	dir := filepath.Join(root(t), "docs", "adr")
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "[0-9][0-9][0-9][0-9]-*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, p := range paths {
		files = append(files, filepath.Base(p))
	}
	for _, s := range checkIndex(string(index), files) {
		t.Error(s)
	}
}

func TestCheckIndex(t *testing.T) {
	tests := []struct {
		name, index string
		files       []string
		want        string
	}{
		{"complete", "- [0001](0001-a.md): A\n- [0002](0002-b-2.md): B\n", []string{"0001-a.md", "0002-b-2.md"}, ""},
		{"missing", "- [0001](0001-a.md): A\n", []string{"0001-a.md", "0002-b.md"},
			`0002-b.md is not in the index of docs/adr/README.md: add the line "- [0002](0002-b.md): its title"`},
		{"no title", "- [0001](0001-a.md):\n", []string{"0001-a.md"},
			`0001-a.md is not in the index of docs/adr/README.md: add the line "- [0001](0001-a.md): its title"`},
		{"gone", "- [0001](0001-a.md): A\n", nil, "the index has 0001-a.md, which does not exist"},
		{"twice", "- [0001](0001-a.md): A\n- [0001](0001-a.md): A\n", []string{"0001-a.md"}, "the index has 0001-a.md twice"},
		{"wrong number", "- [0003](0001-a.md): A\n", []string{"0001-a.md"}, "the index calls 0001-a.md 0003"},
		{"one number", "- [0001](0001-a.md): A\n- [0001](0001-b.md): B\n", []string{"0001-a.md", "0001-b.md"}, "0001-a.md and 0001-b.md have one number"},
	}
	for _, tt := range tests {
		if got := strings.Join(checkIndex(tt.index, tt.files), "\n"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
