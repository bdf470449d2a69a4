//go:build !linux

package launch

import (
	"errors"
	"os"
)

// memoryFile fails: a file without a name does here.
func memoryFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }
