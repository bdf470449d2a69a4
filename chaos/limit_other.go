//go:build !linux

package chaos

import "errors"

const canLimit = false

func limitFiles(int, bool) error { return errors.ErrUnsupported }
