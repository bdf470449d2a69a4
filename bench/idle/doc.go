// Package idle measures what players cost that do nothing: BenchmarkPlayers has
// thousands of them logged in at a game in its two processes and reports what these
// have grown by for each, and BenchmarkStart the time from the start of a program to
// its first screen. It has nothing but these tests. docs/performance.md says how to
// read them.
package idle
