package mudtest

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// A logbook keeps what Portal and Server log.
type logbook struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	bad     []string // at level Error, while that is not allowed
	warned  []string
	allowed bool
}

func newLogbook(*testing.T) *logbook { return &logbook{} }

func (b *logbook) logger(side string) *slog.Logger {
	text := slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})
	return slog.New(&handler{book: b, text: text}).With("side", side)
}

// Write implements io.Writer for the handlers, each of which has a lock of its
// own.
func (b *logbook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logbook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logbook) allow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed, b.bad = true, nil
}

// pardon allows errors while f runs.
func (b *logbook) pardon(f func()) {
	b.mu.Lock()
	before := b.allowed
	b.allowed = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.allowed = before
		b.mu.Unlock()
	}()
	f()
}

func (b *logbook) errors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bad
}

// warnings returns the last of what was logged at Warn and above.
func (b *logbook) warnings() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.warned[max(0, len(b.warned)-20):], "")
}

// A handler writes to the logbook and takes note of errors.
type handler struct {
	book *logbook
	text slog.Handler
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }
func (h *handler) WithAttrs(a []slog.Attr) slog.Handler {
	return &handler{h.book, h.text.WithAttrs(a)}
}
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.book, h.text.WithGroup(name)}
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		var line bytes.Buffer
		line.WriteString(r.Level.String() + " " + r.Message)
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "" { // a group that is written out
				for _, a := range a.Value.Group() {
					line.WriteString("\n\t" + a.Key + ": " + indent(a.Value.String()))
				}
				return true
			}
			line.WriteString("\n\t" + a.Key + ": " + indent(a.Value.String()))
			return true
		})
		line.WriteByte('\n')
		h.book.mu.Lock()
		h.book.warned = append(h.book.warned, line.String())
		if r.Level >= slog.LevelError && !h.book.allowed {
			h.book.bad = append(h.book.bad, line.String())
		}
		h.book.mu.Unlock()
	}
	return h.text.Handle(ctx, r)
}

func indent(s string) string {
	if len(s) > 4000 {
		s = s[:4000] + " …"
	}
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n\t  ")
}
