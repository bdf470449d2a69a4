package sqlite_test

import (
	"bytes"
	"errors"
	"maps"
	"testing"

	"mudlark.dev/store"
	"mudlark.dev/store/sqlite"
)

func FuzzOps(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00aaaaaaaaaaaaaaaa\x05\x01aaaaaaaaaaaaaaaa"))
	f.Add(sqlite.AppendOps(nil, &store.Batch{
		Lines: []store.Line{{Session: [16]byte{1}, N: store.MaxNumber}, {Session: [16]byte{2}}},
		Ended: [][16]byte{{1}},
	}))
	f.Fuzz(func(t *testing.T, ops []byte) {
		lines := make(map[[16]byte]uint64)
		if err := sqlite.ApplyOps(lines, ops); err != nil {
			if !errors.Is(err, sqlite.ErrOps) {
				t.Fatalf("error %v, want ErrOps", err)
			}
			return
		}
		if len(lines) > len(ops)/17 {
			t.Fatalf("%d lines from %d bytes", len(lines), len(ops))
		}
		folded := sqlite.AppendFold(nil, lines)
		again := make(map[[16]byte]uint64)
		if err := sqlite.ApplyOps(again, folded); err != nil || !maps.Equal(again, lines) {
			t.Fatalf("fold of %v gives %v, %v", lines, again, err)
		}
		if second := sqlite.AppendFold(nil, again); !bytes.Equal(second, folded) {
			t.Fatalf("fold is not the same twice: %x, %x", folded, second)
		}
	})
}

func TestOpsMalformed(t *testing.T) {
	id := "0123456789abcdef"
	for _, ops := range []string{"\x00", "\x00" + id, "\x00" + id + "\x80", "\x02" + id, "\x01" + id[1:],
		"\x00" + id + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x00" + id + "\x01junk"} {
		if err := sqlite.ApplyOps(make(map[[16]byte]uint64), []byte(ops)); !errors.Is(err, sqlite.ErrOps) {
			t.Errorf("ApplyOps(%q) = %v, want ErrOps", ops, err)
		}
	}
}
