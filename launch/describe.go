package launch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"mudlark.dev/link"
	"mudlark.dev/portal"
)

// Limits of asking a new build what it is.
const (
	describePeriod = 30 * time.Second
	maxDescription = 1 << 20
)

// A description is what a new build tells the Portal that is about to use it:
// one line of JSON on the standard output.
type description struct {
	versionInfo
	Plugins  []string `json:"plugins"`  // of the Portal, in their order
	Problems []string `json:"problems"` // why it cannot play: with its own code, and with the configuration
}

// describe prints what this program is, for the Portal.
func (a *app) describe() error {
	dir, err := openFolder(a.dir)
	if err != nil {
		return err
	}
	d := description{versionInfo: versionOf(a.game, buildInfo()), Plugins: pluginNames(a.game.Plugins), Problems: []string{}}
	_, confErr := a.load(dir)
	if err := errors.Join(a.game.Check(), confErr); err != nil {
		for _, e := range flatten(err, nil) {
			d.Problems = append(d.Problems, e.Error())
		}
	}
	return json.NewEncoder(a.out).Encode(d)
}

func pluginNames(plugins []portal.Plugin) []string {
	names := []string{}
	for _, p := range plugins {
		names = append(names, p.Name)
	}
	return names
}

// inspect asks the program in file what it is, and returns nil if it is the very
// one that runs. One that does not answer cannot be used.
func (s *starter) inspect(ctx context.Context, file string) (*description, error) {
	fi, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("new build: %w", err)
	}
	if s.exeInfo != nil && os.SameFile(fi, s.exeInfo) && fi.ModTime().Equal(s.exeInfo.ModTime()) && fi.Size() == s.exeInfo.Size() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, describePeriod, fmt.Errorf("took longer than %v", describePeriod))
	defer cancel()
	args := append([]string{"describe"}, s.common...)
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Dir = string(s.dir)
	out := &limitedBuffer{limit: maxDescription}
	var words headBuffer
	cmd.Stdout, cmd.Stderr = out, &words
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err = cmd.Run(); ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var d description
	if err == nil {
		// A game's main may say something before: the last line counts.
		lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
		if err = json.Unmarshal(lines[len(lines)-1], &d); err == nil && d.Link == 0 {
			err = errors.New("it does not say which link it speaks")
		}
	}
	if err != nil {
		return nil, &buildError{command: "the new build does not run: " + file + " describe", err: err, out: words.String()}
	}
	if len(d.Problems) > 0 {
		return nil, withHint(fmt.Errorf("the new build cannot play: %s", strings.Join(d.Problems, "; ")), "%s", hintGoesOn)
	}
	return &d, nil
}

// fits reports why the Portal that runs cannot have a Server of this build.
func (s *starter) fits(d *description) error {
	if d == nil || d.Link == link.Version {
		return nil
	}
	return withHint(fmt.Errorf("the new build speaks version %d of the link and the Portal that runs version %d: this takes a reboot, which replaces both", d.Link, link.Version),
		"the game goes on as it was; the players are disconnected by: %s reboot --dir %s", s.name, quote(string(s.dir)))
}

// pluginNote says what of a new build's plugins has no effect before a reboot:
// those of the Portal stay as they are in a reload. It is "" for nothing.
func pluginNote(old, new []string) string {
	without := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return slices.Contains(other, n) })
	}
	var parts []string
	if added := without(new, old); len(added) > 0 {
		parts = append(parts, "New plugins of the Portal, which wait for a reboot: "+strings.Join(added, ", ")+".")
	}
	if removed := without(old, new); len(removed) > 0 {
		parts = append(parts, "Removed plugins of the Portal, which stay until a reboot: "+strings.Join(removed, ", ")+".")
	}
	return strings.Join(parts, " ")
}

// A limitedBuffer fails beyond its limit, which ends a program that writes to
// it.
type limitedBuffer struct {
	bytes.Buffer
	limit int
}

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, fmt.Errorf("more than %d bytes were written", b.limit)
	}
	return b.Buffer.Write(p)
}

// Note implements portal.Noter.
func (s *starter) Note() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.note
}

var _ portal.Noter = (*starter)(nil)
