// Package bench measures a whole game, beside the yardsticks of package floor. It
// has benchmarks only, and the script compare, which compares two commits.
//
//	go test -run '^$' -bench . ./bench
package bench
