package builtin

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mudlark.dev/command"
	"mudlark.dev/markup"
	"mudlark.dev/session"
	"mudlark.dev/world"
)

func clientCommand() *command.Command {
	return &command.Command{
		Key: "client", Locks: "cmd:all(); others:perm(Developer)",
		Help: "See what the game understood of your client, and what you could switch on in it.\n\nUsage:\n  client\n  client <session>\n\n" +
			"Developers may look at others' clients: |wsessions|n and |wwho|n tell the numbers of the sessions.",
		Run: client,
	}
}

func client(c *command.Call) error {
	of := c.Session
	if c.Args != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(c.Args, "#"), 10, 64)
		if err != nil {
			return command.Errorf("Usage: client <number of a session>")
		}
		all := c.World.Sessions()
		i := slices.IndexFunc(all, func(s *world.Session) bool { return s.Number() == n })
		// Whoever may not see it does not learn whether there is one.
		mine := i >= 0 && c.Account != nil && all[i].Account() == c.Account
		if !mine && !c.Access("others") {
			return command.Errorf("You have no session %d.", n)
		}
		if i < 0 {
			return command.Errorf("There is no session %d.", n)
		}
		of = all[i]
	}
	info, prefs, number := of.Info(), of.Prefs(), of.Number()
	var told map[string]any
	var err error
	c.Await(func(ctx context.Context) { told, err = c.Host.Client(ctx, number) })
	if err != nil {
		return err
	}
	d := clientDetails{info: info, prefs: prefs, told: told}
	c.Msg(d.report(of == c.Session))
	return nil
}

// clientDetails is what is known of a client: by the Server, and by the protocol
// in the Portal.
type clientDetails struct {
	info  session.Info
	prefs session.Prefs
	told  map[string]any
}

func (d clientDetails) number(key string) int64 { n, _ := d.told[key].(int64); return n }
func (d clientDetails) texts(key string) []string {
	list, _ := d.told[key].([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// report tells all of it, a fact a line, so that it can be listened to as well.
func (d clientDetails) report(own bool) string {
	i, caps := d.info, session.CapsOf(d.info, d.prefs)
	var b strings.Builder
	line := func(label, text string) {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "|c%s|n: %s", label, markup.Escape(text))
	}
	name := i.Client
	if name == "" {
		name = "it has not told its name"
	} else if i.Version != "" {
		name += " " + i.Version
	}
	line("Client", name)
	how := i.Protocol
	if i.TLS {
		how += ", encrypted with TLS"
	}
	line("Connection", how+", from "+i.Addr)
	if ms, ok := d.told["latency"].(float64); ok {
		line("Latency", fmt.Sprintf("%.1f ms", ms))
	}
	size := fmt.Sprintf("%d columns, as it has not told its size", caps.Width)
	if i.Width > 0 {
		size = fmt.Sprintf("%d columns, %d lines", i.Width, i.Height)
	}
	if d.prefs.Width > 0 {
		size += fmt.Sprintf("; you have set %d columns", d.prefs.Width)
	}
	line("Window", size)
	if i.Terminal != "" && i.Terminal != i.Client {
		line("Terminal", i.Terminal)
	}
	colors := i.Colors.String()
	if caps.Colors != i.Colors {
		colors += ", not used"
	}
	line("Colours", colors)
	links := i.Links.String()
	if caps.Links != i.Links {
		links += "; now " + caps.Links.String()
	}
	line("Links", links)
	encoding := encodingName(i.Encoding)
	if d.prefs.Encoding != "" {
		encoding += "; you have set " + d.prefs.Encoding
	}
	line("Encoding", encoding)
	line("Screen reader", yesNo(caps.ScreenReader))
	if options := d.texts("options"); len(options) > 0 {
		line("Options in force", strings.Join(options, ", "))
	}
	switch written, sent := d.number("written"), d.number("sent"); {
	case written > 0:
		line("Compression", fmt.Sprintf("%d of %d bytes were sent, %d%%", sent, written, (100*sent+written/2)/written))
	case slices.Contains(d.texts("options"), "mccp2"):
		line("Compression", "on")
	}
	if i.GMCP && i.Packages != "" {
		line("GMCP packages", strings.ReplaceAll(string(i.Packages), ",", ", "))
	}
	if n := d.number("dropped"); n > 0 {
		line("Not understood", fmt.Sprintf("%d parts of what it said of itself", n))
	}
	if n := d.number("ignored"); n > 0 {
		line("Ignored", fmt.Sprintf("%d commands of negotiation, as there were too many", n))
	}
	advice := d.advice()
	if len(advice) == 0 {
		return b.String()
	}
	if own {
		b.WriteString("\nYou could have more of this game:")
	} else {
		b.WriteString("\nThe player could have more of this game:")
	}
	for _, a := range advice {
		b.WriteString("\n- " + markup.Escape(a))
	}
	return b.String()
}

// advice says what the player would gain by a setting of the client.
func (d clientDetails) advice() []string {
	i, has := d.info, d.texts("options")
	caps := session.CapsOf(i, d.prefs)
	missing := func(option string) bool { return d.told["options"] != nil && !slices.Contains(has, option) }
	var out []string
	if secure := d.texts("services_tls"); !i.TLS && len(secure) > 0 {
		port := secure[0]
		if at := strings.LastIndexByte(port, ':'); at >= 0 {
			port = port[at+1:]
		}
		out = append(out, "Connect to port "+port+" with TLS, so that nobody can read your password on the way.")
	}
	if caps.Encoding != "" && caps.Encoding != "UTF-8" {
		out = append(out, "Set the encoding of your client to UTF-8, to see all characters as they are meant.")
	}
	if !i.GMCP && missing("gmcp") && missing("msdp") {
		out = append(out, "Switch on GMCP, if your client has it: gauges and maps are made of it.")
	}
	if missing("naws") && d.prefs.Width == 0 {
		out = append(out, "Have your client tell the size of its window (NAWS), or set it here: option width = 100.")
	}
	if missing("eor") && slices.Contains(has, "sga") {
		out = append(out, "Switch on END-OF-RECORD, so that your client can tell prompts from text.")
	}
	if missing("mccp2") {
		out = append(out, "Switch on compression (MCCP), if you pay for what is sent or the connection is slow.")
	}
	return out
}

func encodingName(name string) string {
	if name == "" {
		return "UTF-8"
	}
	return name
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
