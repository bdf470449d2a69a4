package portal

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unique"

	"mudlark.dev/message"
	"mudlark.dev/session"
)

// A countedClient counts how often it encodes.
type countedClient struct{ encoded *int }

func (countedClient) Write(p []byte) (int, error) { return len(p), nil }
func (countedClient) Close(string) error          { return nil }
func (c countedClient) AppendText(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	*c.encoded++
	return fmt.Appendf(dst, "%s %d %v", text, caps.Width, o.NoColor), nil
}
func (countedClient) AppendDefault(dst []byte, m message.Message, caps session.Caps, o message.Options) ([]byte, error) {
	return dst, nil
}

// TestFiveRenderings has a thousand sessions with five kinds of clients in a room:
// its description is encoded five times, and not once more when it is shown again.
func TestFiveRenderings(t *testing.T) {
	encoded := 0
	k := &kind{protocol: "test"}
	var room []*Session
	for i := range 1000 {
		caps := session.Caps{Width: 80 + i%5}
		room = append(room, &Session{kind: k, client: countedClient{&encoded}, caps: unique.Make(caps)})
	}
	r := renderer{cache: renderCache{limit: 1 << 20}}
	desc := message.Text(strings.Repeat("The tide is out and the mudflats shine. ", 10))
	for round := range 3 {
		outs := map[string]bool{}
		r.reuse()
		for _, s := range room {
			outs[string(r.encode(s, s.Caps(), desc, message.Options{}))] = true
		}
		if encoded != 5 || len(outs) != 5 {
			t.Fatalf("round %d: %d renderings, %d different; want 5", round, encoded, len(outs))
		}
	}
	// Another option, another text and a short one are their own.
	for i, m := range []struct {
		message.Message
		message.Options
	}{{desc, message.Options{NoColor: true}}, {message.Text(desc.Args[0].(string) + "!"), message.Options{}}, {message.New("prompt", desc.Args[0]), message.Options{}}} {
		r.reuse()
		r.encode(room[0], room[0].Caps(), m.Message, m.Options)
		if encoded != 6+i {
			t.Errorf("message %d: %d renderings, want %d", i, encoded, 6+i)
		}
	}
}

// BenchmarkRoom shows texts to 1,000 sessions with five kinds of clients, again and
// again, with and without what is kept.
func BenchmarkRoom(b *testing.B) {
	table := "|{table head}Name|,On for|,Where"
	for i := range 50 {
		table += fmt.Sprintf("|;|wPlayer %d|n|,%dm|,The |cFerry|n Jetty", i, i)
	}
	table += "|}"
	k := &kind{protocol: "test"}
	var room []*Session
	for i := range 1000 {
		caps := session.Caps{Width: 80, Colors: session.Colors(i % 4)}
		if i%5 == 4 {
			caps = session.Caps{Width: 80, ScreenReader: true}
		}
		room = append(room, &Session{kind: k, client: markedClient{}, caps: unique.Make(caps)})
	}
	for _, text := range []struct{ name, text string }{
		{"line", "|cAda|n says, \"The tide is out, and I have lost my boots.\""},
		{"128", "|cAda|n says, \"" + strings.Repeat("The tide is out. ", 7)[:110] + "\""},
		{"room", "|cThe Ferry Jetty|n\n" + strings.Repeat("The tide is out and the |gmudflats|n shine. ", 12) + "\nExits: |lcup|lt|wup|n|le"},
		{"table", table + "|}"},
	} {
		for _, limit := range []int{-1, 4 << 20} {
			b.Run(fmt.Sprintf("%s/cache=%v", text.name, limit > 0), func(b *testing.B) {
				r := renderer{cache: renderCache{limit: limit}}
				m := message.Text(text.text)
				b.ReportAllocs()
				for b.Loop() {
					r.reuse()
					for _, s := range room {
						r.encode(s, s.Caps(), m, message.Options{})
					}
				}
			})
		}
	}
}

type markedClient struct{ countedClient }

func (markedClient) AppendText(dst []byte, text string, caps session.Caps, o message.Options) ([]byte, error) {
	return AppendMarkup(dst, text, caps, o), nil
}

func TestRenderCacheBounded(t *testing.T) {
	c := renderCache{limit: 100_000}
	first, _ := c.keyOf(renderKey{}, message.Text(strings.Repeat("x", 200)), message.Options{})
	c.put(first, []byte("first"))
	total := 0
	for i := range 5000 {
		k, ok := c.keyOf(renderKey{}, message.Text(fmt.Sprintf("%0200d", i)), message.Options{})
		if !ok {
			t.Fatal("not kept")
		}
		out := make([]byte, 300)
		c.put(k, out)
		if got, ok := c.get(first); !ok || string(got) != "first" {
			t.Fatalf("what is used again and again is gone after %d others", i)
		}
		total = 0
		for _, gen := range []map[cacheKey][]byte{c.young, c.old} {
			for k, v := range gen {
				total += len(k.text) + len(v) + entryBytes
			}
		}
		if total > c.limit {
			t.Fatalf("%d bytes of %d", total, c.limit)
		}
	}
	if total < c.limit/3 {
		t.Errorf("only %d bytes of %d are used", total, c.limit)
	}
	for name, m := range map[string]message.Message{
		"short": message.Text("short"), "long": message.Text(strings.Repeat("x", 20_000)), "another name": message.New("map", strings.Repeat("x", 200)),
		"no text": message.New("text", 5), "nothing": message.New("text"),
	} {
		if _, ok := c.keyOf(renderKey{}, m, message.Options{}); ok {
			t.Errorf("%s is kept", name)
		}
	}
	off := renderCache{limit: -1}
	if _, ok := off.keyOf(renderKey{}, message.Text(strings.Repeat("x", 200)), message.Options{}); ok {
		t.Error("it is off and keeps")
	}
}

// While nothing is looked up, nothing is kept.
func TestCacheRests(t *testing.T) {
	c := renderCache{limit: 1 << 20}
	text := strings.Repeat("x", minCached)
	k, ok := c.keyOf(renderKey{}, message.Text(text), message.Options{})
	if !ok {
		t.Fatal("the text is not kept")
	}
	now := time.Now()
	c.tidy(now)
	c.put(k, []byte(text))
	c.get(k)
	for i, kept := range []bool{true, true, false} {
		now = now.Add(cacheRest)
		c.tidy(now)
		if got := c.young != nil; got != kept {
			t.Errorf("tidy %d: kept = %v, want %v", i+1, got, kept)
		}
		if i == 0 {
			c.get(k)
		}
	}
}
