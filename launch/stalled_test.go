package launch_test

import (
	"context"
	"database/sql"
	"errors"

	"github.com/rogpeppe/go-internal/testscript"

	"mudlark.dev/store/sqlite"
)

// cmdHold locks a world as another program would, until release: hold data/game.db
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold file")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { db.Close() })
	conn, err := db.Conn(context.Background())
	ts.Check(err)
	_, err = conn.ExecContext(context.Background(), "PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE")
	ts.Check(err)
	*ts.Value("held").(*func() error) = func() error {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		return errors.Join(err, conn.Close(), db.Close())
	}
}

// cmdUsurp takes a world over as a second Server would: usurp data/game.db
func cmdUsurp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: usurp file")
	}
	st, err := sqlite.Open(context.Background(), sqlite.Config{Path: ts.MkAbs(args[0])})
	ts.Check(err)
	_, err = st.Acquire(context.Background())
	ts.Check(errors.Join(err, st.Close()))
}

// cmdRelease ends what hold began: release
func cmdRelease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: release")
	}
	ts.Check((*ts.Value("held").(*func() error))())
}
