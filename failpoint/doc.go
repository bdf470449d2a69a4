// Package failpoint names the steps of a line's and of a session's life at which a
// test may end, stop or delay a process: the points. Whoever passes one calls a
// function that it was configured with, or nothing at all if that is nil.
//
// Tests in one process supply the function themselves. In a real process Read
// makes it of the environment variable Env; that is a tool for tests and for
// "mudlark chaos", and for nobody who plays.
package failpoint
