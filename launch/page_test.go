package launch

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"mudlark.dev/link"
	"mudlark.dev/portal"
)

// What is written into a page is read where the other end of it is, and is
// nowhere to be seen.
func TestPageIsShared(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(dir string) (*os.File, error)
	}{{"the system's own", newPage}, {"a file", newPageFile}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := tt.make(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
				t.Errorf("in the folder are %v, %v", list, err)
			}
			if got := readPage(f); got.ok {
				t.Errorf("a new page has %+v", got)
			}
			fd, err := unix.Dup(int(f.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			page, err := mapPage(os.NewFile(uintptr(fd), "page"))
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Munmap(page)
			u := link.Unit{Kind: link.UnitTimer, N: 9, Name: "tide"}
			link.PutUnit(page, u)
			if got := readPage(f); !got.ok || got.ended || got.unit != u {
				t.Errorf("the page has %+v, want %v", got, u)
			}
			link.EndUnit(page)
			if got := readPage(f); !got.ok || !got.ended || got.unit != u {
				t.Errorf("the page has %+v, want %v, ended", got, u)
			}
			link.ClearUnit(page)
			if got := readPage(f); got.ok {
				t.Errorf("a page that was cleared has %+v", got)
			}
		})
	}
	if _, err := newPageFile("/does/not/exist"); err == nil {
		t.Error("a page in no folder is no error")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if page, err := mapPage(r); err == nil || page != nil {
		t.Errorf("a pipe was mapped: %v", err)
	}
}

// Stacks that somebody else has asked for, by SIGQUIT, are no death of what ran.
func TestTakePage(t *testing.T) {
	u := link.Unit{Kind: link.UnitHook, Name: "AtServerStart"}
	for _, tt := range []struct {
		name string
		exit portal.Exit
		want bool
	}{
		{"a crash", portal.Exit{Code: 2, Text: "panic: oops"}, true},
		{"a hang", portal.Exit{Code: 2, Text: errQuit.Error(), ByUs: true}, true},
		{"somebody's SIGQUIT", portal.Exit{Code: 2, Text: errQuit.Error()}, false},
	} {
		f, err := newPage(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		page, err := unix.Mmap(int(f.Fd()), 0, link.PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		link.PutUnit(page, u)
		unix.Munmap(page)
		p := &process{page: f, exit: tt.exit, done: make(chan struct{})}
		p.takePage()
		close(p.done)
		got, ended, ok := p.LastUnit()
		if ok != tt.want || ok && (ended || got != u) {
			t.Errorf("%s: LastUnit = %v, %v, %v; want one: %v", tt.name, got, ended, ok, tt.want)
		}
		if err := f.Close(); err == nil {
			t.Errorf("%s: the page is still open", tt.name)
		}
	}
	p := &process{done: make(chan struct{})}
	p.takePage()
	close(p.done)
	if _, _, ok := p.LastUnit(); ok {
		t.Error("a process without a page has run something")
	}
}
