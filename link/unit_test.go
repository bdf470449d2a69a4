package link_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"mudlark.dev/link"
	"mudlark.dev/session"
)

func units() []link.Unit {
	return []link.Unit{
		{Kind: link.UnitLine, Session: session.NewID(), N: 9, Name: "text"},
		{Kind: link.UnitTimer, N: 1<<64 - 1, Name: "tide"},
		{Kind: link.UnitHook, Name: "AtInit of #12 (torch)"},
		{Kind: link.UnitHook, Name: strings.Repeat("x", 200)},
		{Kind: link.UnitHook},
	}
}

// newPage returns a page on the heap: on the stack it may begin anywhere.
func newPage() []byte {
	heap = make([]byte, link.PageSize)
	return heap
}

var heap []byte

func TestPage(t *testing.T) {
	page := newPage()
	if u, ok := link.UnitIn(page); ok {
		t.Errorf("an empty page has %v", u)
	}
	link.EndUnit(page)
	if u, _, ok := link.LastUnit(page); ok {
		t.Errorf("after the end of nothing the page has %v", u)
	}
	for _, u := range units() {
		link.PutUnit(page, u)
		if got, ok := link.UnitIn(page); !ok || got != u {
			t.Errorf("UnitIn = %v, %v; want %v", got, ok, u)
		}
		link.EndUnit(page)
		link.EndUnit(page)
		if got, ok := link.UnitIn(page); ok {
			t.Errorf("UnitIn = %v for one that has ended", got)
		}
		if got, ended, ok := link.LastUnit(page); !ok || !ended || got != u {
			t.Errorf("LastUnit = %v, %v, %v; want %v, which has ended", got, ended, ok, u)
		}
		link.PutUnit(page, u)
		link.ClearUnit(page)
		if got, _, ok := link.LastUnit(page); ok {
			t.Errorf("LastUnit = %v for a page that was cleared", got)
		}
	}
	for _, name := range []string{strings.Repeat("y", 300), strings.Repeat("é", 150), "\xff\xfetorch", "€" + strings.Repeat("€", 70)} {
		u := link.Unit{Kind: link.UnitHook, Name: name}
		link.PutUnit(page, u)
		got, ok := link.UnitIn(page)
		if !ok || got != u.Cut() || len(got.Name) > 200 || !utf8.ValidString(got.Name) {
			t.Errorf("UnitIn = %q, %v; want %q", got.Name, ok, u.Cut().Name)
		}
	}
}

// What is no page is left alone.
func TestNoPage(t *testing.T) {
	heap = make([]byte, link.PageSize+1)
	memory := heap
	for _, page := range [][]byte{nil, memory[:link.PageSize-1], memory[1:]} {
		link.PutUnit(page, units()[0])
		link.EndUnit(page)
		link.ClearUnit(page)
		if u, ok := link.UnitIn(page); ok {
			t.Errorf("UnitIn of %d bytes = %v", len(page), u)
		}
	}
	if !bytes.Equal(memory, make([]byte, len(memory))) {
		t.Error("something was written")
	}
}

// A page that was written by half, by a Server that died at it, has no unit.
func TestTornPage(t *testing.T) {
	old, whole := newPage(), newPage()
	link.PutUnit(old, units()[3])
	link.PutUnit(whole, units()[0])
	for n := 4; n < link.PageSize; n++ {
		torn := append(bytes.Clone(whole[:n]), old[n:]...)
		copy(torn, make([]byte, 4)) // the kind comes last
		if u, _, ok := link.LastUnit(torn); ok {
			t.Fatalf("with %d bytes written the page has %v", n, u)
		}
	}
}

func FuzzUnitIn(f *testing.F) {
	for _, u := range units() {
		page := newPage()
		link.PutUnit(page, u)
		f.Add(page)
		link.EndUnit(page)
		f.Add(page)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		page := bytes.Clone(data)
		u, ended, ok := link.LastUnit(page)
		if got, running := link.UnitIn(page); running != (ok && !ended) || running && got != u {
			t.Fatalf("UnitIn = %v, %v; LastUnit = %v, %v, %v", got, running, u, ended, ok)
		}
		if !ok {
			return
		}
		if len(u.Name) > 200 || !utf8.ValidString(u.Name) || u != u.Cut() {
			t.Fatalf("a name that does not fit: %q", u.Name)
		}
		link.PutUnit(page, u)
		if got, ok := link.UnitIn(page); !ok || got != u {
			t.Fatalf("put again, %v is %v, %v", u, got, ok)
		}
	})
}

func BenchmarkPutUnit(b *testing.B) {
	page := newPage()
	for _, u := range units()[:3] {
		b.Run(u.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				link.PutUnit(page, u)
				link.EndUnit(page)
			}
		})
	}
}

func TestPutUnitDoesNotAllocate(t *testing.T) {
	page := newPage()
	for _, u := range units() {
		if n := testing.AllocsPerRun(100, func() { link.PutUnit(page, u); link.EndUnit(page); link.ClearUnit(page) }); n != 0 {
			t.Errorf("%v: %v allocations", u, n)
		}
	}
}
