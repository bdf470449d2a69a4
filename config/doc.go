// Package config reads a game's settings: the defaults, then mudlark.toml in the
// game folder, then environment variables MUDLARK_…, then --set key=value on the
// command line, each over the one before.
//
// It is strict: an unknown key, a value of the wrong type or out of range, a
// variable that is no key, are errors, and Load reports all of them at once with
// where each one stands. In settings that limit something, 0 means off; a key
// that is left out means its default.
package config
