// Package chaos proves that nothing is lost: it plays a game of its own in real
// processes, breaks them in many ways while bots type, and compares at the end what
// the bots were told with what is stored. It is the command "mudlark chaos".
//
// The bots type numbered lines over telnet, a few ahead of their answers. Faults come
// one after the other, in an order that follows from a seed: the Server is killed at
// any moment or at a point of package failpoint, stopped, reloaded, and killed during
// a reload; its store is full or slow; connections are cut. Meanwhile each line must
// be answered once and in order, and what is stored must be what was answered.
package chaos
