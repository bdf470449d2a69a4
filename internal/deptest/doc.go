// Package deptest has the tests that hold the repository together: which package
// may import which, that the settings' reference is what the code says, and
// that the index of decisions is complete. It has no code of its own.
package deptest
