// Package launch turns a game into a program. A game's main is
//
//	func main() { launch.Main(mygame.Game()) }
//
// and the program that this makes is the Portal, the Server, and the command
// line with which they are started, watched and stopped:
//
//	run        the game in the foreground: the Portal, with its Server as a child
//	demo       the same in a folder of its own, to try the game
//	start      the game in the background
//	reload     replace the Server; the players stay connected
//	reset      the same, as if it had been stopped and started
//	reboot     replace both; the players are disconnected
//	stop       end both
//	status     what runs, for people or as JSON
//	logs       the logs of both, by time
//	superuser  make an account with all powers
//	doctor     what is wrong with the folder and the machine
//	version    what this program was built from
//
// A game runs in a folder, which --dir names and which is the current one
// otherwise. --set key=value stands for a line of its mudlark.toml. Both can be
// given before and after the command.
//
// # Exit codes
//
// 0 is success, an orderly end by Ctrl-C included. 1 is failure: a broken
// configuration, a folder in which the game runs already, a game that does not
// run, a reload that does not build. 2 is wrong use: an unknown command or
// flag, an argument too many. Errors are written to the standard error output
// as lines that begin with "error:", followed by one with "hint:" if there is
// something to be done.
//
// # Processes
//
// The Portal holds run/lock in the game's folder for as long as it lives, so
// that one folder has one game. It starts the Server from the same program or
// from what a reload has built, in a process group of its own: a Ctrl-C in the
// terminal reaches the Portal alone, which then stops both in order. The first
// SIGINT, SIGTERM or SIGHUP does that (SIGHUP not under nohup); a second SIGINT
// kills both at once, and the exit code is 1. The Server
// inherits a pipe that ends with the Portal, however that ends, and then
// commits and ends too. It holds run/server.lock, so that the Server of a
// Portal that was started anew waits for the end of the one before.
//
// A program that is to be used for a reload or reboot is asked first what it is
// (the hidden command describe). For a reboot the Portal stops in order, closes
// all that it has, and executes that program in its own place, with its own
// arguments: the process stays, whoever has started it.
//
// For tests, the environment variable MUDLARK_FAILPOINT has a process end, stop or
// wait at a point of package failpoint: see failpoint.Parse. "@FILE" names a file in
// the game's folder that the next Server reads and removes.
package launch
