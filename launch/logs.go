package launch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
)

// maxLog is the size from which a log is put aside when it is opened: the old
// one is kept as name.1, and one of that name before it is gone.
const maxLog = 10 << 20

// openLog opens the log at path for appending.
func openLog(path string) (*os.File, error) {
	if fi, err := os.Stat(path); err == nil && fi.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return f, nil
}

// newLogger returns the Portal's logger: all from level on goes to file, of that
// Warn and Error to the terminal as well.
func newLogger(file, terminal io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(file, &slog.HandlerOptions{Level: level}),
		slog.NewTextHandler(terminal, &slog.HandlerOptions{Level: max(level, slog.LevelWarn)}),
	))
}

// Limits of what is read of a dead Server's log, and of what is shown of it.
const (
	maxTailBytes = 256 << 10 // the stacks of a crash come after what says why
	maxTailLines = 20
)

// tail returns the last maxTailBytes of what was written to the log at path
// from offset on, as whole lines.
func tail(path string, offset int64) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil
	}
	size := fi.Size()
	if size < offset { // the log was put aside meanwhile
		offset = 0
	}
	cut := size-offset > maxTailBytes
	if cut {
		offset = size - maxTailBytes
	}
	data, err := io.ReadAll(io.NewSectionReader(f, offset, size-offset))
	if err != nil {
		return nil
	}
	text := strings.TrimRight(strings.ToValidUTF8(string(data), "\uFFFD"), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	if cut {
		lines = lines[1:]
	}
	return lines
}

// lastWords picks from the last lines of a process those that say why it ended:
// the errors that it printed, or the head of a crash; else the last ones that do
// not say that all is well.
func lastWords(lines []string) string {
	problem := func(l string) bool { return strings.HasPrefix(l, "error: ") || strings.HasPrefix(l, "hint: ") }
	for i := len(lines) - 1; i >= 0; i-- {
		switch l := lines[i]; {
		case strings.HasPrefix(l, "error: "):
			for i > 0 && problem(lines[i-1]) { // those of one failure stand together
				i--
			}
			return strings.TrimPrefix(strings.Join(head(lines[i:]), "\n"), "error: ")
		case strings.HasPrefix(l, "panic: "), strings.HasPrefix(l, "fatal error: "):
			return strings.Join(head(lines[i:]), "\n")
		}
	}
	lines = slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
		return strings.HasPrefix(l, "time=") && (strings.Contains(l, " level=INFO ") || strings.Contains(l, " level=DEBUG "))
	})
	return strings.Join(lines[max(0, len(lines)-maxTailLines):], "\n")
}

func head(lines []string) []string { return lines[:min(len(lines), maxTailLines)] }
