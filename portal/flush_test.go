package portal_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"mudlark.dev/link"
	"mudlark.dev/message"
	"mudlark.dev/portal"
	"mudlark.dev/session"
)

// A writesClient keeps what each Write was.
type writesClient struct {
	client
	writes []string
}

func (c *writesClient) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, string(p))
	return len(p), nil
}

func (c *writesClient) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.writes
	c.writes = nil
	return w
}

// A streamClient is one to which a Write may bring several encodings.
type streamClient struct{ writesClient }

func (*streamClient) Stream() {}

var _ portal.Streamer = (*streamClient)(nil)

// What turns that come together say to a client is one write, in order. A client
// that is no stream gets a write for each text.
func TestOneWriteForAllThatHasCome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.ConnectionsPerAddress = -1 })
		stream, single := &streamClient{}, &writesClient{}
		for _, c := range []portal.Client{stream, single} {
			if _, err := b.p.Connect(t.Context(), c, session.Info{Protocol: "test"}); err != nil {
				t.Fatal(err)
			}
		}
		srv := b.attach(1, 0)
		srv.take()
		bell := &link.Output{Sessions: []link.Index{2, 1}, Message: message.New("bell")}
		// One Send: all of it is there when the Portal looks.
		srv.send(text("a", 1), text("b", 1, 2), end(0), text("c", 2, 1), bell, end(0), text("d", 1), end(0))
		check := func(want, wantSingle []string) {
			t.Helper()
			synctest.Wait()
			if got := stream.take(); !slices.Equal(got, want) {
				t.Errorf("the stream was written %q, want %q", got, want)
			}
			if got := single.take(); !slices.Equal(got, wantSingle) {
				t.Errorf("the other was written %q, want %q", got, wantSingle)
			}
		}
		check([]string{"a\nb\nc\nding\nd\n"}, []string{"b\n", "c\n", "ding\n"})

		// A turn that waits for its commit holds those behind it, and they come
		// together when that is there.
		srv.send(text("e", 1), end(1), text("f", 1, 2), end(1))
		check(nil, nil)
		srv.send(&link.Committed{Commit: 1}, text("g", 1), end(1))
		check([]string{"e\nf\ng\n"}, []string{"f\n"})

		// What is no text keeps its place among the texts.
		srv.send(text("h", 1, 2), end(1), text("i", 1),
			&link.Question{Session: 1, ID: link.QuestionID{Line: 1, K: 1}, Prompt: "Name?"}, text("j", 1), end(1),
			text("k", 1, 2), &link.Disconnect{Session: 1, Reason: "bye"}, text("l", 1, 2), end(1))
		check([]string{"h\n", "i\n", "ask Name? hidden=false\n", "j\n", "k\n"}, []string{"h\n", "k\n", "l\n"})
		if got := stream.reasons(); !slices.Equal(got, []string{"bye"}) {
			t.Errorf("Close was called with %q", got)
		}
	})
}

// A crowd that talks: everybody is written everything, in order, with few writes.
func TestCrowdIsJoined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startBench(t, func(c *portal.Config) { c.Limits.ConnectionsPerAddress, c.Limits.Sessions = -1, -1 })
		var clients []*streamClient
		var to []link.Index
		for i := range 200 { // more than are written by one goroutine
			c := &streamClient{}
			clients = append(clients, c)
			to = append(to, link.Index(i+1))
			if _, err := b.p.Connect(t.Context(), c, session.Info{Protocol: "test", Colors: session.Colors(i % 2)}); err != nil {
				t.Fatal(err)
			}
		}
		srv := b.attach(1, 0)
		srv.take()
		for _, c := range clients {
			c.take()
		}
		var frames []link.Frame
		want := ""
		for i := range 40 {
			frames = append(frames, text(fmt.Sprint("line ", i), to...), end(0))
			want += fmt.Sprintf("line %d\n", i)
		}
		srv.send(frames...)
		synctest.Wait()
		for i, c := range clients {
			writes := c.take()
			got := ""
			for _, w := range writes {
				got += w
			}
			if got != want {
				t.Fatalf("client %d was written %q, want %q", i, got, want)
			}
			if len(writes) > 10 {
				t.Errorf("client %d: %d writes for 40 lines that came together", i, len(writes))
			}
		}
	})
}
