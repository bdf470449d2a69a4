// Package sqlite keeps a world in one SQLite file, for one machine. It uses no
// cgo.
//
// The file is in WAL mode: beside game.db there are game.db-wal and game.db-shm
// while it is open, and after a crash. They belong together; who copies or moves
// the file of a stopped Server after a crash takes all three. The file is created
// readable for its owner only.
//
// One connection writes, so that a commit prepares nothing, and others read
// beside it. One goroutine moves what is in the log into the file and folds the
// numbers of processed lines, away from the path of commits; it holds commits up
// only when the log cannot be reused otherwise.
package sqlite
