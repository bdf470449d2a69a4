//go:build !linux

package portal

import "errors"

// A parker cannot be had here: connections that rest keep a goroutine.
type parker struct{}

func newParker() (*parker, error) { return nil, errors.ErrUnsupported }

func (*parker) close()            {}
func (*parker) add(*Conn) uint64  { return 0 }
func (*parker) take(uint64) *Conn { return nil }
