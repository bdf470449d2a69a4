//go:build unix && !linux

package hasher

func isLow() error { return nil }
