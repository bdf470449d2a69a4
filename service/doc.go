// Package service runs the parts of a process that go on by themselves: ports,
// bridges, watchers. Each has a unique name and an owner, is started and
// stopped at run time, and is started again with growing pauses when it fails.
// Portal and Server both have a Group of them, to which plugins add theirs.
package service
