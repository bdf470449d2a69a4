package launch

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"mudlark.dev/link"
	"mudlark.dev/portal"
)

// pageFD is the second of exec.Cmd.ExtraFiles in the child: the page in which
// the Server notes what it runs.
const pageFD = 4

// newPage returns an empty page for one Server, which goes with whoever has it
// open: memory where the system has that as a file, else a file without a name in
// dir.
func newPage(dir string) (*os.File, error) {
	if f, err := memoryFile("mudlark-page"); err == nil {
		return f, nil
	}
	return newPageFile(dir)
}

// newPageFile returns a page that is a file without a name.
func newPageFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "page-*")
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	err = os.Remove(f.Name())
	if err == nil {
		// What is written has its place on the disk: on a full one, a mapping of
		// what is not there would end the Server by a signal.
		_, err = f.Write(make([]byte, os.Getpagesize()))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("page: %w", err)
	}
	return f, nil
}

// mapPage returns the page in f as memory that is shared with whoever else has
// mapped it, for the rest of the process. It closes f.
func mapPage(f *os.File) ([]byte, error) {
	defer f.Close()
	page, err := unix.Mmap(int(f.Fd()), 0, link.PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map page: %w", err)
	}
	return page, nil
}

// A lastUnit is what a Server ran last, as link.LastUnit tells it.
type lastUnit struct {
	unit      link.Unit
	ended, ok bool
}

// readPage returns what is in the page of a Server that is dead. A page that
// cannot be read has nothing.
func readPage(f *os.File) (u lastUnit) {
	// Not by read(2): it need not see what a mapping has written.
	page, err := unix.Mmap(int(f.Fd()), 0, link.PageSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return u
	}
	defer unix.Munmap(page)
	u.unit, u.ended, u.ok = link.LastUnit(page)
	return u
}

var _ portal.Witness = (*process)(nil)

// LastUnit implements portal.Witness.
func (p *process) LastUnit() (u link.Unit, ended, ok bool) {
	<-p.done
	return p.last.unit, p.last.ended, p.last.ok
}

// takePage reads the page of a process that has ended as p.exit says, and lets
// go of it.
func (p *process) takePage() {
	if p.page == nil {
		return
	}
	defer p.page.Close()
	// SIGQUIT of somebody else asked for the stacks: what ran meanwhile did
	// nothing.
	if !p.exit.ByUs && strings.HasPrefix(p.exit.Text, errQuit.Error()) {
		return
	}
	p.last = readPage(p.page)
}
