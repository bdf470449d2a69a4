package message

import (
	"slices"

	"github.com/tinylib/msgp/msgp"
)

// Fields are the keyword arguments of a message that is encoded without being made
// before, for those who do that often: AppendBinary appends what it would for a
// Message with them and no arguments. They are given in the order of their keys. The
// zero value has none. A Fields keeps its memory for the next use, and belongs to one
// goroutine at a time.
type Fields struct {
	body []byte
	made bool // left is
	n    int
	last string // the last key
	left budget
	err  *PathError // the first one
}

// Reset takes all fields off.
func (f *Fields) Reset() {
	const most = 64 << 10 // of memory that is kept
	if cap(f.body) > most {
		f.body = nil
	}
	*f = Fields{body: f.body[:0], made: true, left: newBudget()}
}

// key begins a field, and reports whether it may.
func (f *Fields) key(key string) bool {
	if !f.made {
		f.Reset()
	}
	switch {
	case f.err != nil:
		return false
	case f.n > 0 && key <= f.last:
		f.err = bad(ErrBadName, "the key comes behind %q", f.last).inKey(key)
		return false
	}
	if err := f.left.key(key); err != nil {
		f.err = err.inKey(key)
		return false
	}
	f.n++
	f.last = key
	f.body = msgp.AppendString(f.body, key)
	return true
}

func (f *Fields) took(key string, err *PathError) bool {
	if err != nil {
		f.err = err.inKey(key)
	}
	return err == nil
}

// Text adds a field that is a text.
func (f *Fields) Text(key, v string) {
	if f.key(key) && f.took(key, f.left.text(v)) {
		f.body = msgp.AppendString(f.body, valid(v))
	}
}

// Int adds a field that is a number.
func (f *Fields) Int(key string, v int64) {
	if f.key(key) && f.took(key, f.left.size(intSize(v))) {
		f.body = msgp.AppendInt64(f.body, v)
	}
}

// Value adds a field that is any value which a Message may hold.
func (f *Fields) Value(key string, v any) {
	if f.key(key) && f.took(key, f.left.value(v, 0)) {
		f.body = appendValue(f.body, v)
	}
}

// AppendBinary appends the binary form of a message of that name with these fields to
// dst. It returns dst as it was and a *PathError if there is none: a key was not above
// the one before it, or the message would not pass Check.
func (f *Fields) AppendBinary(dst []byte, name string) ([]byte, error) {
	if !f.made {
		f.Reset()
	}
	var err *PathError
	if f.err != nil {
		e := *f.err
		err = e.inPart("kwargs")
	} else if err = checkName(name); err == nil {
		left := f.left
		if err = left.text(name); err == nil {
			err = left.open(0, 0)
		}
		if err == nil {
			err = left.open(f.n, 0)
		}
	}
	if err != nil {
		err.Name = cut(name)
		return dst, err
	}
	dst = slices.Grow(dst, 1+textHeaderSize(len(name))+len(name)+1+headerSize(f.n)+len(f.body))
	dst = msgp.AppendArrayHeader(dst, 3)
	dst = msgp.AppendString(dst, name)
	dst = msgp.AppendArrayHeader(dst, 0)
	dst = msgp.AppendMapHeader(dst, uint32(f.n))
	return append(dst, f.body...), nil
}
