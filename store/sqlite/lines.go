package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mudlark.dev/store"
)

// The ops column of table lines is a row of operations, to be applied in order:
//
//	0, session (16 bytes), n (uvarint)   lines up to n are processed
//	1, session (16 bytes)                the session's number is not needed any more
const (
	opLine  = 0
	opEnded = 1
)

var errOps = errors.New("malformed line numbers")

// appendOps appends what b says of lines.
func appendOps(dst []byte, b *store.Batch) []byte {
	for _, l := range b.Lines {
		dst = appendLine(dst, l.Session, l.N)
	}
	for _, id := range b.Ended {
		dst = append(dst, opEnded)
		dst = append(dst, id[:]...)
	}
	return dst
}

func appendLine(dst []byte, session [16]byte, n uint64) []byte {
	dst = append(dst, opLine)
	dst = append(dst, session[:]...)
	return binary.AppendUvarint(dst, n)
}

// appendFold appends the operations that make lines from nothing, in the order
// of sessions.
func appendFold(dst []byte, lines map[[16]byte]uint64) []byte {
	ids := slices.SortedFunc(maps.Keys(lines), func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		dst = appendLine(dst, id, lines[id])
	}
	return dst
}

// applyOps applies ops to lines. Malformed ones are an error, and those before
// them are applied. It takes no memory beyond an element for each operation.
func applyOps(lines map[[16]byte]uint64, ops []byte) error {
	for rest := ops; len(rest) > 0; {
		at := len(ops) - len(rest)
		if len(rest) < 17 {
			return fmt.Errorf("%w: cut off at byte %d", errOps, at)
		}
		op, id := rest[0], [16]byte(rest[1:17])
		rest = rest[17:]
		switch op {
		case opLine:
			n, size := binary.Uvarint(rest)
			if size <= 0 || n > store.MaxNumber {
				return fmt.Errorf("%w: bad number of the operation at byte %d", errOps, at)
			}
			rest = rest[size:]
			lines[id] = max(lines[id], n)
		case opEnded:
			delete(lines, id)
		default:
			return fmt.Errorf("%w: unknown operation %d at byte %d", errOps, op, at)
		}
	}
	return nil
}
