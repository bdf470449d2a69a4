// Package bench measures how fast a game answers: players type over telnet, their
// lines are matched with the answers, and the time between is counted. It is the
// command "mudlark bench".
//
// The game is one that runs already, of any kind that speaks telnet, or one of this
// package's own that it starts in real processes and ends afterwards. Beside the
// latencies the report has the answers that were lost, doubled or wrong, and what
// CPU time and memory the processes of the game took.
//
// "mudlark bench targets" measures all that the project's game is held to, each beside
// its yardstick of package floor, in real processes and in turns.
//
// Its tests have the benchmarks of a whole game in one process, beside the yardsticks
// of package floor; the script compare compares the benchmarks of two commits:
//
//	go test -run '^$' -bench . ./bench
package bench
