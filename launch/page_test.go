package launch

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"mudlark.dev/link"
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
