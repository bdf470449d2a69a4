//go:build !linux

package launch_test

import "github.com/rogpeppe/go-internal/testscript"

var systemCmds map[string]func(ts *testscript.TestScript, neg bool, args []string)
