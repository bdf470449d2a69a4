package world

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// errNotOfType is wrapped by what says why a stored value is not of a type.
var errNotOfType = errors.New("it is of another type")

var timeType = reflect.TypeFor[time.Time]()

// refValue is what every *Ref is.
type refValue interface {
	refID() ID
	setRef(w *World, id ID)
}

var refType = reflect.TypeFor[refValue]()

// checkStorable reports a type whose values cannot be attributes, with the path
// to what is wrong.
func checkStorable(t reflect.Type, path string) error {
	if reflect.PointerTo(t).Implements(refType) || t == timeType {
		return nil
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Array:
		return checkStorable(t.Elem(), path+"[]")
	case reflect.Struct:
		for f := range t.Fields() {
			if !f.IsExported() {
				return fmt.Errorf("%s.%s: a field of a stored struct begins with a capital letter", path, f.Name)
			}
			if err := checkStorable(f.Type, path+"."+f.Name); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%s: a %s cannot be stored; there are bool, numbers, string, time.Time, world.Ref, and arrays and structs of these", path, t.Kind())
}

// fieldKey is the name under which a stored struct keeps a field.
func fieldKey(f reflect.StructField) string {
	if name := f.Tag.Get("attr"); name != "" {
		return name
	}
	return snake(f.Name)
}

// toValue returns v as attributes have values.
func toValue(v reflect.Value) (any, error) {
	t := v.Type()
	if t == timeType {
		at := v.Interface().(time.Time)
		if at.IsZero() {
			return "", nil
		}
		return at.UTC().Format(time.RFC3339Nano), nil
	}
	if reflect.PointerTo(t).Implements(refType) {
		p := reflect.New(t)
		p.Elem().Set(v)
		if id := p.Interface().(refValue).refID(); id != 0 {
			return id.String(), nil
		}
		return nil, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.String:
		return v.String(), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%d is beyond what is stored of whole numbers, %d", v.Uint(), int64(math.MaxInt64))
		}
		return int64(v.Uint()), nil
	case reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			var err error
			if list[i], err = toValue(v.Index(i)); err != nil {
				return nil, err
			}
		}
		return list, nil
	case reflect.Struct:
		m := make(map[string]any, t.NumField())
		for i := range t.NumField() {
			x, err := toValue(v.Field(i))
			if err != nil {
				return nil, err
			}
			m[fieldKey(t.Field(i))] = x
		}
		return m, nil
	}
	return nil, fmt.Errorf("a %s cannot be stored", t)
}

// fromValue sets dst to a stored value. What a struct has and the value has
// not is zero; what the value has besides is left out.
func fromValue(w *World, dst reflect.Value, v any) error {
	t := dst.Type()
	wrong := func() error { return fmt.Errorf("%w: %s is no %s", errNotOfType, shown(v), t) }
	if t == timeType {
		text, ok := v.(string)
		if !ok {
			return wrong()
		}
		var at time.Time
		if text != "" {
			var err error
			if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return wrong()
			}
		}
		dst.Set(reflect.ValueOf(at))
		return nil
	}
	if r, ok := dst.Addr().Interface().(refValue); ok {
		id, ok := refOf(v)
		if !ok {
			return wrong()
		}
		r.setRef(w, id)
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		b, ok := v.(bool)
		if !ok {
			return wrong()
		}
		dst.SetBool(b)
	case reflect.String:
		s, ok := v.(string)
		if !ok {
			return wrong()
		}
		dst.SetString(s)
	case reflect.Float32, reflect.Float64:
		switch v := v.(type) {
		case float64:
			dst.SetFloat(v)
		case int64:
			dst.SetFloat(float64(v))
		default:
			return wrong()
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, ok := whole(v)
		if !ok || dst.OverflowInt(n) {
			return wrong()
		}
		dst.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, ok := whole(v)
		if !ok || n < 0 || dst.OverflowUint(uint64(n)) {
			return wrong()
		}
		dst.SetUint(uint64(n))
	case reflect.Array:
		list, ok := v.([]any)
		if !ok || len(list) != t.Len() {
			return wrong()
		}
		for i, x := range list {
			if err := fromValue(w, dst.Index(i), x); err != nil {
				return err
			}
		}
	case reflect.Struct:
		m, ok := v.(map[string]any)
		if !ok {
			return wrong()
		}
		for i := range t.NumField() {
			x, ok := m[fieldKey(t.Field(i))]
			if !ok {
				dst.Field(i).SetZero()
				continue
			}
			if err := fromValue(w, dst.Field(i), x); err != nil {
				return fmt.Errorf("%s: %w", t.Field(i).Name, err)
			}
		}
	}
	return nil
}

// whole returns v as a whole number if it is one, of whichever type: people who
// set attributes by hand write 3 and 3.0.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true
		}
	}
	return 0, false
}

// refOf reads a stored reference: "#12", a number, or nothing.
func refOf(v any) (ID, bool) {
	switch v := v.(type) {
	case nil:
		return 0, true
	case int64:
		return ID(max(v, 0)), v >= 0
	case string:
		digits, ok := strings.CutPrefix(v, "#")
		n, err := strconv.ParseUint(digits, 10, 63)
		if ok && err == nil {
			return ID(n), true
		}
		return 0, v == ""
	}
	return 0, false
}

// shown writes a value for an error, in short.
func shown(v any) string {
	s := fmt.Sprintf("%v", v)
	if text, ok := v.(string); ok {
		s = strconv.Quote(text)
	}
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return s
}

// valueOf is toValue for any value, with the common types first.
func valueOf[T any](v T) (any, error) {
	switch v := any(v).(type) {
	case bool, string, int64, float64:
		return v, nil
	case int:
		return int64(v), nil
	}
	return toValue(reflect.ValueOf(&v).Elem())
}

// typed is fromValue for any type, with the common types first.
func typed[T any](w *World, v any) (T, error) {
	if t, ok := v.(T); ok {
		return t, nil
	}
	var out T
	err := fromValue(w, reflect.ValueOf(&out).Elem(), v)
	if err != nil {
		var zero T
		return zero, err
	}
	return out, nil
}
