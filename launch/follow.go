package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Limits of what is read of the logs.
const (
	defaultEntries = 20
	maxEntries     = 1 << 20
	maxLogRead     = 64 << 20 // bytes of each log; older entries are not shown
	firstLogRead   = 64 << 10 // bytes that are tried first
	maxPartial     = 1 << 20  // bytes of a line without an end; it is cut there
	followEvery    = 200 * time.Millisecond
)

// An entry is a line of a log with the lines that belong to it: those of a
// stack, or whatever else was written without a time.
type entry struct {
	at   time.Time // of the line before if it has none of its own
	from int       // which log
	text string    // ends with a line end
}

// A logFile is one of the logs that are shown.
type logFile struct {
	name string // "portal" or "server"
	path string
}

// logs shows the last n entries of the logs by time, and with follow what is
// added to them until ctx ends.
func (a *app) logs(ctx context.Context, which string, n int, follow bool) error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	all := []logFile{{"portal", dir.portalLog()}, {"server", dir.serverLog()}}
	files := all
	if which != "" {
		files = slices.DeleteFunc(all, func(f logFile) bool { return f.name != which })
	}
	if _, err := os.Stat(dir.path("log")); errors.Is(err, fs.ErrNotExist) {
		return withHint(fmt.Errorf("there is no log in %s: no game was ever started there", dir), "name the game's folder with --dir")
	}
	out := &entryWriter{w: a.out, files: files}
	lists := make([][]entry, len(files))
	followers := make([]*follower, len(files))
	for i, f := range files {
		// What is written between the two is shown by the follower, which begins
		// where the reading ended.
		list, end, info, err := lastEntries(f.path, i, n)
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		lists[i] = list
		followers[i] = &follower{path: f.path, from: i, info: info, offset: end}
		if len(list) > 0 {
			followers[i].last = list[len(list)-1].at
		}
	}
	entries := mergeEntries(lists)
	if err := out.write(entries[max(0, len(entries)-n):]); err != nil || !follow {
		return err
	}
	return followAll(ctx, followers, out)
}

// An entryWriter writes entries with the name of their log before each line, if
// there is more than one.
type entryWriter struct {
	w     io.Writer
	files []logFile
}

func (w *entryWriter) write(list []entry) error {
	var b strings.Builder
	for _, e := range list {
		for line := range strings.Lines(e.text) {
			if len(w.files) > 1 {
				b.WriteString(w.files[e.from].name + "  ")
			}
			b.WriteString(line)
		}
	}
	if _, err := io.WriteString(w.w, b.String()); err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	return nil
}

// entryTime returns the time of a line that begins an entry.
func entryTime(line string) (time.Time, bool) {
	rest, ok := strings.CutPrefix(line, "time=")
	if !ok {
		return time.Time{}, false
	}
	stamp, _, _ := strings.Cut(rest, " ")
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(stamp, "\n"))
	return at, err == nil
}

// appendEntries appends the entries of text, whole lines of one log. Lines
// before its first entry belong to the last one of dst; without that they are an
// entry of the time last.
func appendEntries(dst []entry, text string, from int, last time.Time) []entry {
	begin, at, known := 0, last, false
	add := func(end int) {
		switch part := text[begin:end]; {
		case part == "":
		case !known && len(dst) > 0:
			dst[len(dst)-1].text += part
		default:
			dst = append(dst, entry{at, from, part})
		}
		begin = end
	}
	pos := 0
	for line := range strings.Lines(text) {
		if t, ok := entryTime(line); ok {
			add(pos)
			at, known = t, true
		}
		pos += len(line)
	}
	add(pos)
	return dst
}

// mergeEntries puts the entries of several logs in the order of their times.
// Those of one log stay in their order, also when its clock was set back.
func mergeEntries(lists [][]entry) []entry {
	var out []entry
	for {
		first := -1
		for i, l := range lists {
			if len(l) > 0 && (first < 0 || l[0].at.Before(lists[first][0].at)) {
				first = i
			}
		}
		if first < 0 {
			return out
		}
		out = append(out, lists[first][0])
		lists[first] = lists[first][1:]
	}
}

// lastEntries returns the last n entries of the log at path and of the one that
// was put aside before it. It tells where in the log it stopped reading: behind
// its last whole line. A log that is missing is empty, and info is nil.
func lastEntries(path string, from, n int) (list []entry, end int64, info fs.FileInfo, err error) {
	list, end, info, err = readEntries(path, from, n)
	if err != nil || len(list) >= n {
		return list, end, info, err
	}
	old, _, _, err := readEntries(path+".1", from, n)
	return append(old, list...), end, info, err
}

// readEntries returns up to n entries from the end of a file; more if they came
// along.
func readEntries(path string, from, n int) (list []entry, end int64, info fs.FileInfo, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil, nil
	}
	if err != nil {
		return nil, 0, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, 0, nil, err
	}
	for size := int64(firstLogRead); ; size *= 4 {
		size = min(size, info.Size(), maxLogRead)
		start := info.Size() - size
		data := make([]byte, size)
		if _, err := f.ReadAt(data, start); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, nil, err
		}
		last := bytes.LastIndexByte(data, '\n') + 1
		text := string(data[:last])
		if start > 0 { // it begins in the middle of an entry
			i := strings.Index(text, "\ntime=")
			text = text[i+1:] // all of it if there is none
		}
		list = appendEntries(nil, text, from, time.Time{})
		if len(list) >= n || start == 0 || size == maxLogRead {
			return list, start + int64(last), info, nil
		}
	}
}

// A follower reads what is added to a log, also when that is put aside and a
// new one begun.
type follower struct {
	path   string
	from   int
	f      *os.File    // nil: to be opened
	info   fs.FileInfo // of the file that offset is in; nil if there was none
	offset int64

	partial []byte    // a line that has no end yet; at most maxPartial bytes, then it is cut
	waiting []entry   // one that may get more lines
	last    time.Time // of the last entry that was read
}

// followAll writes what is added to the logs until ctx ends. That is how it is
// meant to end, so it is no error.
func followAll(ctx context.Context, all []*follower, out *entryWriter) error {
	defer func() {
		for _, f := range all {
			f.close()
		}
	}()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		lists := make([][]entry, len(all))
		for i, f := range all {
			var err error
			if lists[i], err = f.more(); err != nil {
				return fmt.Errorf("log: %w", err)
			}
		}
		if err := out.write(mergeEntries(lists)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// more returns the entries that are complete: others follow them, or nothing
// was added since the last call.
func (f *follower) more() ([]entry, error) {
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	if text == "" {
		out := f.waiting
		f.waiting = nil
		return out, nil
	}
	f.waiting = appendEntries(f.waiting, text, f.from, f.last)
	k := len(f.waiting) - 1
	f.last = f.waiting[k].at
	if len(f.waiting[k].text) > maxPartial {
		k++ // long enough; what still comes is shown as an entry of its own
	}
	out := f.waiting[:k:k]
	f.waiting = slices.Clone(f.waiting[k:])
	return out, nil
}

// read returns the whole lines that were added since the last call.
func (f *follower) read() (string, error) {
	var b bytes.Buffer
	for {
		if f.f == nil {
			if ok, err := f.open(); !ok {
				return f.lines(b.Bytes()), err
			}
		}
		n, err := io.Copy(&b, io.NewSectionReader(f.f, f.offset, maxLogRead))
		f.offset += n
		if err != nil {
			return "", err
		}
		now, err := os.Stat(f.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		switch {
		case n == maxLogRead:
			return f.lines(b.Bytes()), nil // the rest is read the next time
		case err == nil && os.SameFile(now, f.info):
			if now.Size() < f.offset { // it was emptied
				f.offset = 0
				f.partial = nil
			}
			return f.lines(b.Bytes()), nil
		}
		// Put aside, and a new one is there or will be. Whoever put it aside
		// had no more to write to it, but others may still end a line.
		if _, err = io.Copy(&b, io.NewSectionReader(f.f, f.offset, maxLogRead)); err != nil {
			return "", err
		}
		f.close()
		f.info, f.offset = nil, 0
		if b.Len() > 0 && b.Bytes()[b.Len()-1] != '\n' {
			b.WriteByte('\n')
		}
	}
}

// open opens the log if it is there. It goes on where the file was read before,
// unless it is another one by now.
func (f *follower) open() (bool, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return false, err
	}
	if f.info != nil && !os.SameFile(info, f.info) {
		// It was put aside between the first reading and now.
		if old, err := os.Open(f.path + ".1"); err == nil {
			if oldInfo, err := old.Stat(); err == nil && os.SameFile(oldInfo, f.info) {
				file.Close()
				f.f = old
				return true, nil
			}
			old.Close()
		}
		f.offset = 0
	}
	f.f, f.info = file, info
	return true, nil
}

func (f *follower) close() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

// lines returns the whole lines of what was kept and data, and keeps the rest.
func (f *follower) lines(data []byte) string {
	data = append(f.partial, data...)
	end := bytes.LastIndexByte(data, '\n') + 1
	if len(data)-end > maxPartial {
		data = append(data, '\n')
		end = len(data)
	}
	f.partial = slices.Clone(data[end:])
	return string(data[:end])
}
