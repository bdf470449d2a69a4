package launch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"
)

// worldID is in the header of each world's file, as the bytes "Mudl": package
// store/sqlite puts it there.
const worldID = 0x4D75646C

const (
	readPeriod = 10 * time.Second // for the world to be opened
	maxDamages = 5                // that are shown
)

// store looks whether the world can be read, and with deep whether all of its
// file is sound, which takes as long as to read it.
func (x *examination) store() {
	const check = "world"
	path := x.dir.database()
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.ok(check, "there is none yet; the first start makes it")
		return
	case err != nil:
		x.problem(check, "make it readable for the user of the game", "%v", err)
		return
	}
	commit, err := x.readWorld(path)
	if err != nil {
		x.problem(check, "stop the game, keep the files in data, and put a copy of them in their place that is sound", "%s: %s", path, errText(err))
		return
	}
	text := fmt.Sprintf("%s can be read: commit %d, %.1f MiB", path, commit, float64(fi.Size())/(1<<20))
	if x.deep {
		text += ", all of it is sound"
	}
	x.ok(check, "%s", text)
}

// readWorld opens the file for reading only and returns its last commit.
func (x *examination) readWorld(path string) (commit int64, err error) {
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(2000)", "query_only(1)", "cell_size_check(1)"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) && !x.runs {
		q.Set("immutable", "1") // nobody writes, and not even a lock is needed
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)

	ctx, cancel := context.WithTimeout(x.ctx, readPeriod)
	defer cancel()
	var id uint32
	if err := db.QueryRowContext(ctx, "SELECT application_id FROM pragma_application_id").Scan(&id); err != nil {
		return 0, err
	}
	if id != worldID {
		return 0, fmt.Errorf("it is a database of another program (application ID %#x)", id)
	}
	if err := db.QueryRowContext(ctx, "SELECT commit_no FROM meta").Scan(&commit); err != nil {
		return 0, err
	}
	if !x.deep {
		return commit, nil
	}
	damages, err := quickCheck(x.ctx, db)
	if err == nil && len(damages) > 0 {
		err = fmt.Errorf("it is damaged: %s", oneLine(strings.Join(damages, "; ")))
	}
	return commit, err
}

// quickCheck returns what SQLite finds wrong with the file, at most maxDamages.
func quickCheck(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, fmt.Sprintf("PRAGMA quick_check(%d)", maxDamages))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if text != "ok" {
			found = append(found, text)
		}
	}
	return found, rows.Err()
}
