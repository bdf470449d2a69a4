//go:build unix

package config_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"mudlark.dev/config"
)

// To open a named pipe waits until somebody writes to it.
func TestNamedPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, config.FileName), 0o600); err != nil {
		t.Skip("no named pipes here:", err)
	}
	_, err := config.Load(config.Sources{Dir: dir})
	check(t, "named pipe", err, "mudlark.toml: it is not a regular file")
}
