// Package clientbots has MUD clients for tests: each negotiates as a real one
// does, shows its screen as that would, and complains of what a real one would
// choke on. Their telnet is their own, so that a fault of package telnet does
// not hide itself.
package clientbots
