// Package bench measures a whole game, beside the yardsticks of package floor. It
// has tests only, and the script compare, which compares the benchmarks of two commits.
//
//	go test -run '^$' -bench . ./bench
package bench
