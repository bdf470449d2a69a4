package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"os"

	"mudlark.dev/store"
)

// applicationID stands in the header of our files, as bytes: "Mudl".
const applicationID = 0x4D75646C

// Version n of the schema is what schema/0001.sql to schema/000n.sql make. During
// a warm reload the new build opens the file while the old one still commits, so
// a later step must leave what the step before it made usable.
//
//go:embed schema/*.sql
var schemaFS embed.FS

func schemaSteps() ([]string, error) {
	var steps []string
	for {
		text, err := schemaFS.ReadFile(fmt.Sprintf("schema/%04d.sql", len(steps)+1))
		if errors.Is(err, os.ErrNotExist) {
			return steps, nil
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, string(text))
	}
}

// migrate brings the schema up to date, each step in a transaction. If two
// processes do it at once one waits for the other.
func migrate(ctx context.Context, conn *sql.Conn) error {
	steps, err := schemaSteps()
	if err != nil {
		return err
	}
	for {
		version, err := schemaVersion(ctx, conn)
		if err != nil {
			return err
		}
		if version > len(steps) {
			return fmt.Errorf("%w: its schema has version %d, this build knows %d", store.ErrVersion, version, len(steps))
		}
		if version == len(steps) {
			return nil
		}
		err = transact(ctx, conn, func() error {
			if now, err := schemaVersion(ctx, conn); err != nil || now != version {
				return err // another process was faster
			}
			_, err := conn.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d",
				steps[version], applicationID, version+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("schema version %d: %w", version+1, err)
		}
	}
}

// schemaVersion returns the version of our file, 0 for an empty one. It refuses
// files of others.
func schemaVersion(ctx context.Context, conn *sql.Conn) (version int, err error) {
	var id uint32
	var objects int
	err = conn.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &version, &objects)
	if err != nil {
		return 0, err
	}
	switch {
	case id == applicationID && version > 0:
		return version, nil
	case id == 0 && version == 0 && objects == 0:
		return 0, nil
	}
	return 0, fmt.Errorf("%w: application ID %#x, version %d, %d tables and indices", store.ErrForeign, id, version, objects)
}

// transact runs fn in a transaction that has the write lock from its start.
func transact(ctx context.Context, conn *sql.Conn, fn func() error) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// It fails if SQLite has rolled back by itself, as for a full disk.
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

// useWAL is the last step of opening a new file, and changes nothing in others.
func useWAL(ctx context.Context, conn *sql.Conn) error {
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file's system cannot share memory between processes (journal mode %q): use a local disk", mode)
	}
	return nil
}
