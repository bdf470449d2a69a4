// Package storetest is the contract that every store.Store passes, as a test.
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"mudlark.dev/store"
)

// Run tests a driver. For each part it calls fresh, which makes an empty world
// and returns a function that opens it. Two Stores opened on one world stand for
// two processes. Run closes every Store that it opens.
func Run(t *testing.T, fresh func(t *testing.T) (open func() store.Store)) {
	for _, part := range []struct {
		name string
		fn   func(*testing.T, *world)
	}{
		{"New", testNew},
		{"RoundTrip", testRoundTrip},
		{"Replace", testReplace},
		{"Gap", testGap},
		{"BadBatch", testBadBatch},
		{"AllOrNothing", testAllOrNothing},
		{"Epoch", testEpoch},
		{"CatchUp", testCatchUp},
		{"Trim", testTrim},
		{"Lines", testLines},
		{"ManyCommits", testManyCommits},
		{"BigData", testBigData},
		{"Ownership", testOwnership},
		{"Snapshot", testSnapshot},
		{"Concurrent", testConcurrent},
		{"LoadError", testLoadError},
		{"Cancelled", testCancelled},
		{"Closed", testClosed},
	} {
		t.Run(part.name, func(t *testing.T) {
			open := fresh(t)
			part.fn(t, &world{t: t, open: func() store.Store {
				s := open()
				t.Cleanup(func() { s.Close() })
				return s
			}})
		})
	}
}

// world is one Server's view: the Store it has open and where it stands.
type world struct {
	t    *testing.T
	open func() store.Store

	store.Store
	state store.State
}

// start opens the Store and acquires it.
func (w *world) start() *world {
	w.t.Helper()
	n := &world{t: w.t, open: w.open, Store: w.open()}
	var err error
	if n.state, err = n.Acquire(w.t.Context()); err != nil {
		w.t.Fatalf("Acquire: %v", err)
	}
	return n
}

// restart closes the Store and starts another.
func (w *world) restart() *world {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Fatalf("Close: %v", err)
	}
	return w.start()
}

// try numbers batches from the next commit on and commits them.
func (w *world) try(batches ...*store.Batch) error {
	for i, b := range batches {
		b.Commit = w.state.Commit + 1 + uint64(i)
	}
	err := w.Commit(w.t.Context(), w.state.Epoch, batches)
	if err == nil {
		w.state.Commit += uint64(len(batches))
	}
	return err
}

func (w *world) commit(batches ...*store.Batch) {
	w.t.Helper()
	if err := w.try(batches...); err != nil {
		w.t.Fatalf("Commit: %v", err)
	}
}

func key(kind store.Kind, id string) store.Key { return store.Key{Kind: kind, ID: id} }

func put(kind store.Kind, id, data string) store.Row {
	return store.Row{Key: key(kind, id), Data: []byte(data)}
}

func puts(rows ...store.Row) *store.Batch    { return &store.Batch{Puts: rows} }
func deletes(keys ...store.Key) *store.Batch { return &store.Batch{Deletes: keys} }

// text writes a row as a test reads it: "entity 12@3=data", "entity 12@3 gone".
func text(r store.Row) string {
	if r.Deleted() {
		return fmt.Sprintf("%v %s@%d gone", r.Kind, r.ID, r.Commit)
	}
	return fmt.Sprintf("%v %s@%d=%s", r.Kind, r.ID, r.Commit, r.Data)
}

// expect loads since and compares with rows as text writes them.
func (w *world) expect(since uint64, want ...string) {
	w.t.Helper()
	var got []string
	at, err := w.Load(w.t.Context(), since, func(r store.Row) error {
		got = append(got, text(r))
		return nil
	})
	if err != nil {
		w.t.Fatalf("Load since %d: %v", since, err)
	}
	if at != w.state.Commit {
		w.t.Errorf("Load since %d: at commit %d, want %d", since, at, w.state.Commit)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("Load since %d:\n got %q\nwant %q", since, got, want)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s = %v, want %v", what, err, want)
	}
	var e *store.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error of type %T, want *store.Error", what, err)
	}
}

func session(n uint64) (id [16]byte) {
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

func testNew(t *testing.T, w *world) {
	w = w.start()
	want := store.State{Epoch: 1, Lines: map[[16]byte]uint64{}}
	if !reflect.DeepEqual(w.state, want) {
		t.Errorf("first Acquire = %+v, want %+v", w.state, want)
	}
	w.expect(0)
	if d := w.Describe(); d.Driver == "" || d.Durability == "" {
		t.Errorf("Describe = %+v, want a driver and a durability", d)
	}
}

func testRoundTrip(t *testing.T, w *world) {
	w = w.start()
	const future = store.Kind(200) // of a newer build
	long := strings.Repeat("x", store.MaxID)
	w.commit(puts(
		put(future, "\xff\x00raw", "newer"),
		put(store.Entity, "b", "2"), put(store.Entity, "a", "1"), put(store.Entity, "a\x00", "zero"),
		put(store.Entity, "\xff", "last"), put(store.Entity, "B", "upper"),
		put(store.Attribute, long, ""), put(store.Setting, "s", "\x00\x01"),
	))
	want := []string{
		"setting s@1=\x00\x01",
		"entity B@1=upper", "entity a@1=1", "entity a\x00@1=zero", "entity b@1=2", "entity \xff@1=last",
		"attribute " + long + "@1=",
		"kind 200 \xff\x00raw@1=newer",
	}
	w.expect(0, want...)
	w = w.restart()
	w.expect(0, want...)
	if w.state.Commit != 1 || w.state.Epoch != 2 {
		t.Errorf("second Acquire: commit %d, epoch %d; want 1 and 2", w.state.Commit, w.state.Epoch)
	}
}

func testReplace(t *testing.T, w *world) {
	w = w.start()
	w.commit(puts(put(store.Entity, "1", "first"), put(store.Entity, "1", "second")))
	w.expect(0, "entity 1@1=second")
	// In one Commit, later batches win; in one batch, deletes come after puts.
	w.commit(
		puts(put(store.Entity, "1", "third"), put(store.Entity, "2", "x")),
		deletes(key(store.Entity, "1"), key(store.Entity, "2")),
		puts(put(store.Entity, "1", "fourth")),
		&store.Batch{Puts: []store.Row{put(store.Entity, "3", "x")}, Deletes: []store.Key{key(store.Entity, "3")}},
	)
	w.expect(0, "entity 1@4=fourth")
	w.expect(1, "entity 1@4=fourth", "entity 2@3 gone", "entity 3@5 gone")
	w.commit() // nothing
	w.expect(0, "entity 1@4=fourth")
}

func testGap(t *testing.T, w *world) {
	w = w.start()
	w.commit(puts(put(store.Entity, "1", "a")))
	for _, numbers := range [][]uint64{{0}, {1}, {3}, {2, 2}, {2, 4}, {2, 3, 2}, {store.MaxNumber + 1}} {
		var batches []*store.Batch
		for _, n := range numbers {
			batches = append(batches, &store.Batch{Commit: n, Puts: []store.Row{put(store.Entity, "1", "bad")}})
		}
		wantError(t, fmt.Sprint("Commit ", numbers), w.Commit(t.Context(), w.state.Epoch, batches), store.ErrGap)
	}
	w.expect(0, "entity 1@1=a")
	_, err := w.Load(t.Context(), 2, func(store.Row) error { t.Error("fn called"); return nil })
	wantError(t, "Load since 2 of 1", err, store.ErrGap)
}

func testBadBatch(t *testing.T, w *world) {
	w = w.start()
	for name, b := range map[string]*store.Batch{
		"nil data":       puts(store.Row{Key: key(store.Entity, "1")}),
		"much data":      puts(store.Row{Key: key(store.Entity, "1"), Data: make([]byte, store.MaxData+1)}),
		"no kind":        puts(put(0, "1", "x")),
		"no ID":          puts(put(store.Entity, "", "x")),
		"long ID":        deletes(key(store.Entity, strings.Repeat("x", store.MaxID+1))),
		"delete no kind": deletes(key(0, "1")),
		"line":           {Lines: []store.Line{{N: store.MaxNumber + 1}}},
		"high ID":        {HighID: store.MaxNumber + 1},
	} {
		wantError(t, name, w.try(b), store.ErrBadBatch)
	}
	w.expect(0)
}

func testAllOrNothing(t *testing.T, w *world) {
	w = w.start()
	w.commit(&store.Batch{Puts: []store.Row{put(store.Entity, "1", "a")}, HighID: 1, Lines: []store.Line{{Session: session(1), N: 1}}})
	batches := func(second store.Row) []*store.Batch {
		return []*store.Batch{
			{Puts: []store.Row{put(store.Entity, "1", "b")}, HighID: 9, Lines: []store.Line{{Session: session(1), N: 2}}},
			{Puts: []store.Row{second}},
			{Deletes: []store.Key{key(store.Entity, "1")}},
		}
	}
	wantError(t, "Commit", w.try(batches(store.Row{Key: key(store.Entity, "2")})...), store.ErrBadBatch)
	w.expect(0, "entity 1@1=a")
	w = w.restart()
	want := store.State{Commit: 1, HighID: 1, Epoch: 2, Lines: map[[16]byte]uint64{session(1): 1}}
	if !reflect.DeepEqual(w.state, want) {
		t.Errorf("state after a failed Commit = %+v, want %+v", w.state, want)
	}
	w.commit(batches(put(store.Entity, "2", "c"))...) // the same numbers, now good
	w.expect(0, "entity 2@3=c")
}

func testEpoch(t *testing.T, w *world) {
	old := w.start()
	old.commit(puts(put(store.Entity, "1", "old")))
	fresh := w.start()
	if fresh.state.Epoch != old.state.Epoch+1 || fresh.state.Commit != 1 {
		t.Fatalf("second Acquire = %+v after epoch %d, commit 1", fresh.state, old.state.Epoch)
	}
	wantError(t, "Commit of the old", old.try(puts(put(store.Entity, "1", "late"))), store.ErrEpoch)
	wantError(t, "Trim of the old", old.Trim(t.Context(), 1), store.ErrEpoch)
	wantError(t, "Commit with epoch 0", fresh.Commit(t.Context(), 0, []*store.Batch{{Commit: 2}}), store.ErrEpoch)
	wantError(t, "Trim without Acquire", w.open().Trim(t.Context(), 1), store.ErrEpoch)
	fresh.expect(0, "entity 1@1=old")
	fresh.commit(puts(put(store.Entity, "1", "new")))
	// Both at fault: the epoch is what the old one has to know.
	wantError(t, "Commit of the old with a gap", old.try(puts(put(store.Entity, "1", "late"))), store.ErrEpoch)
	old.state.Commit = 2
	old.expect(0, "entity 1@2=new") // it may still read
}

func testCatchUp(t *testing.T, w *world) {
	old := w.start()
	old.commit(puts(put(store.Entity, "1", "a"), put(store.Entity, "2", "b"), put(store.Timer, "t", "c")))
	next := &world{t: t, Store: w.open(), state: old.state} // loads without Acquire
	next.expect(0, "entity 1@1=a", "entity 2@1=b", "timer t@1=c")
	old.commit(deletes(key(store.Entity, "2"), key(store.Timer, "t")))
	old.commit(puts(put(store.Entity, "1", "a2"), put(store.Entity, "3", "d")))
	old.commit(puts(put(store.Timer, "t", "again"))) // undoes the deletion
	old.commit(deletes(key(store.Entity, "9")))      // never was there
	next.state.Commit = 5
	next.expect(1, "entity 1@3=a2", "entity 2@2 gone", "entity 3@3=d", "entity 9@5 gone", "timer t@4=again")
	next.expect(2, "entity 1@3=a2", "entity 3@3=d", "entity 9@5 gone", "timer t@4=again")
	next.expect(5)
	next.expect(0, "entity 1@3=a2", "entity 3@3=d", "timer t@4=again")
}

func testTrim(t *testing.T, w *world) {
	w = w.start()
	var many store.Batch
	for i := range 600 {
		many.Deletes = append(many.Deletes, key(store.Attribute, fmt.Sprint(i)))
	}
	w.commit(puts(put(store.Entity, "1", "a"), put(store.Entity, "2", "b"))) // 1
	w.commit(deletes(key(store.Entity, "1")))                                // 2
	w.commit(&many)                                                          // 3
	w.commit(deletes(key(store.Entity, "2")), puts(put(store.Entity, "3", "c")))
	trim := func(before uint64) {
		t.Helper()
		if err := w.Trim(t.Context(), before); err != nil {
			t.Fatalf("Trim before %d: %v", before, err)
		}
	}
	trim(0)
	trim(2)
	n := 0
	if _, err := w.Load(t.Context(), 1, func(store.Row) error { n++; return nil }); err != nil || n != 603 {
		t.Errorf("Load since 1 after Trim before 2: %d rows, %v; want 603", n, err)
	}
	trim(4)
	trim(3) // later, and less: nothing comes back
	w.expect(3, "entity 2@4 gone", "entity 3@5=c")
	w.expect(0, "entity 3@5=c")
	for _, since := range []uint64{1, 2} {
		_, err := w.Load(t.Context(), since, func(store.Row) error { t.Error("fn called"); return nil })
		wantError(t, fmt.Sprintf("Load since %d after Trim before 4", since), err, store.ErrTrimmed)
	}
	trim(store.MaxNumber) // as much as there is
	w.expect(5)
	w.commit(deletes(key(store.Entity, "3")))
	w.expect(5, "entity 3@6 gone")
}

func testLines(t *testing.T, w *world) {
	w = w.start()
	line := func(s, n uint64) store.Line { return store.Line{Session: session(s), N: n} }
	w.commit(&store.Batch{Lines: []store.Line{line(1, 3), line(2, 5), line(1, 4)}, HighID: 10})
	w.commit(
		&store.Batch{Lines: []store.Line{line(2, 4), line(3, 1), line(4, 1)}, HighID: 7},
		&store.Batch{Ended: [][16]byte{session(3), session(99)}},
		&store.Batch{Lines: []store.Line{line(4, 2)}, Ended: [][16]byte{session(4)}},
		&store.Batch{Lines: []store.Line{line(5, store.MaxNumber)}},
	)
	want := map[[16]byte]uint64{session(1): 4, session(2): 5, session(5): store.MaxNumber}
	for range 3 { // the fold at Acquire changes nothing
		w = w.restart()
		if !maps.Equal(w.state.Lines, want) {
			t.Fatalf("Lines = %v, want %v", w.state.Lines, want)
		}
		if w.state.HighID != 10 {
			t.Fatalf("HighID = %d, want 10: it never falls", w.state.HighID)
		}
	}
	clear(w.state.Lines) // the caller's own
	w.commit(&store.Batch{Ended: [][16]byte{session(1), session(2)}, Lines: []store.Line{line(6, 1)}})
	w = w.restart()
	if want := map[[16]byte]uint64{session(5): store.MaxNumber, session(6): 1}; !maps.Equal(w.state.Lines, want) {
		t.Errorf("Lines = %v, want %v", w.state.Lines, want)
	}
}

// testManyCommits passes the point at which drivers fold line numbers, twice.
func testManyCommits(t *testing.T, w *world) {
	w = w.start()
	want := make(map[[16]byte]uint64)
	for i := uint64(1); i <= 2500; i++ {
		id := session(i % 40)
		b := &store.Batch{Lines: []store.Line{{Session: id, N: i}}, HighID: i}
		want[id] = i
		if i%7 == 0 {
			gone := session(i % 13)
			b.Ended = [][16]byte{gone}
			delete(want, gone)
		}
		w.commit(b)
		if i == 1700 {
			w = w.restart()
		}
	}
	w = w.restart()
	if w.state.Commit != 2500 || w.state.HighID != 2500 {
		t.Errorf("commit %d, high ID %d; want 2500 and 2500", w.state.Commit, w.state.HighID)
	}
	if !maps.Equal(w.state.Lines, want) {
		t.Errorf("Lines = %v\nwant %v", w.state.Lines, want)
	}
}

func testBigData(t *testing.T, w *world) {
	w = w.start()
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i * 31 >> 3)
	}
	w.commit(puts(store.Row{Key: key(store.Attribute, "big"), Data: big}, put(store.Attribute, "empty", "")))
	w = w.restart()
	n := 0
	_, err := w.Load(t.Context(), 0, func(r store.Row) error {
		want := map[string][]byte{"big": big, "empty": {}}[r.ID]
		if !bytes.Equal(r.Data, want) || r.Data == nil {
			t.Errorf("%v has %d bytes (nil: %t), want %d", r.Key, len(r.Data), r.Data == nil, len(want))
		}
		n++
		return nil
	})
	if err != nil || n != 2 {
		t.Errorf("Load = %d rows, %v", n, err)
	}
}

// testOwnership changes what it gave to Commit and got from Load.
func testOwnership(t *testing.T, w *world) {
	w = w.start()
	b := puts(put(store.Entity, "1", "data"))
	w.commit(b)
	copy(b.Puts[0].Data, "XXXX")
	for range 2 {
		w.expect(0, "entity 1@1=data")
		if _, err := w.Load(t.Context(), 0, func(r store.Row) error { copy(r.Data, "YYYY"); return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// testSnapshot commits from within a Load, which must not see it.
func testSnapshot(t *testing.T, w *world) {
	w = w.start()
	w.commit(puts(put(store.Entity, "1", "a"), put(store.Entity, "2", "a"), put(store.Entity, "3", "a")))
	var got []string
	at, err := w.Load(t.Context(), 0, func(r store.Row) error {
		if len(got) == 0 {
			w.commit(&store.Batch{Puts: []store.Row{put(store.Entity, "2", "b"), put(store.Entity, "4", "b")}, Deletes: []store.Key{key(store.Entity, "3")}})
		}
		got = append(got, text(r))
		return nil
	})
	want := []string{"entity 1@1=a", "entity 2@1=a", "entity 3@1=a"}
	if err != nil || at != 1 || !slices.Equal(got, want) {
		t.Errorf("Load = %q at %d, %v; want %q at 1", got, at, err, want)
	}
	w.expect(at, "entity 2@2=b", "entity 3@2 gone", "entity 4@2=b")
}

// testConcurrent loads while commits go on. Each commit writes its number to all
// rows, so a mixture shows.
func testConcurrent(t *testing.T, w *world) {
	w = w.start()
	all := func(n uint64) *store.Batch {
		b := &store.Batch{Commit: n}
		for i := range 20 {
			b.Puts = append(b.Puts, put(store.Entity, fmt.Sprint(i), fmt.Sprint(n)))
		}
		return b
	}
	w.commit(all(1))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				seen := make(map[string]int)
				at, err := w.Load(t.Context(), 0, func(r store.Row) error { seen[string(r.Data)]++; return nil })
				if want := map[string]int{fmt.Sprint(at): 20}; err != nil || !maps.Equal(seen, want) {
					t.Errorf("Load while committing = %v at %d, %v; want %v", seen, at, err, want)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for n := uint64(2); n <= 100; n++ {
		if err := w.Commit(t.Context(), w.state.Epoch, []*store.Batch{all(n)}); err != nil {
			t.Errorf("Commit %d: %v", n, err)
			break
		}
	}
	close(stop)
	wg.Wait()
}

func testLoadError(t *testing.T, w *world) {
	w = w.start()
	w.commit(puts(put(store.Entity, "1", "a"), put(store.Entity, "2", "b")))
	mine := errors.New("mine")
	n := 0
	if _, err := w.Load(t.Context(), 0, func(store.Row) error { n++; return mine }); err != mine || n != 1 {
		t.Errorf("Load whose fn fails = %v after %d calls, want fn's error after 1", err, n)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	if _, err := w.Load(ctx, 0, func(store.Row) error { cancel(context.Canceled); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Load cancelled half-way = %v, want %v", err, context.Canceled)
	}
	w.expect(0, "entity 1@1=a", "entity 2@1=b") // and all goes on
	w.commit(puts(put(store.Entity, "1", "c")))
}

func testCancelled(t *testing.T, w *world) {
	w = w.start()
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := w.Acquire(ctx)
	if !errors.Is(err, cause) {
		t.Errorf("Acquire = %v, want %v", err, cause)
	}
	if err := w.Commit(ctx, w.state.Epoch, []*store.Batch{{Commit: 1}}); !errors.Is(err, cause) {
		t.Errorf("Commit = %v, want %v", err, cause)
	}
	if err := w.Trim(ctx, 1); !errors.Is(err, cause) {
		t.Errorf("Trim = %v, want %v", err, cause)
	}
	if _, err := w.Load(ctx, 0, func(store.Row) error { return nil }); !errors.Is(err, cause) {
		t.Errorf("Load = %v, want %v", err, cause)
	}
	w.commit(puts(put(store.Entity, "1", "a"))) // the epoch is the same, and 1 is free
}

func testClosed(t *testing.T, w *world) {
	w = w.start()
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatalf("Close = %v", err)
		}
	}
	_, err := w.Acquire(t.Context())
	wantError(t, "Acquire", err, store.ErrClosed)
	wantError(t, "Commit", w.try(puts(put(store.Entity, "1", "a"))), store.ErrClosed)
	wantError(t, "empty Commit", w.try(), store.ErrClosed)
	wantError(t, "Trim", w.Trim(t.Context(), 1), store.ErrClosed)
	_, err = w.Load(t.Context(), 0, func(store.Row) error { return nil })
	wantError(t, "Load", err, store.ErrClosed)
	if w.Describe().Driver == "" {
		t.Error("Describe after Close is empty")
	}
}
