//go:build !linux

package sqlite_test

// systemJobs are none here: disks are filled on Linux only.
var systemJobs map[string]func(path string) error
