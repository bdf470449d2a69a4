-- One row. Kept apart from rows so that each commit compares and moves it in one
-- statement.
CREATE TABLE meta (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    commit_no INTEGER NOT NULL, -- the last commit
    high_id   INTEGER NOT NULL, -- the highest entity ID ever given out
    epoch     INTEGER NOT NULL, -- begun by the last Acquire
    trimmed   INTEGER NOT NULL  -- deletions up to this commit are forgotten
) STRICT;
INSERT INTO meta VALUES (1, 0, 0, 0, 0);

-- What the game stores, and what it deleted, under the same key. Data may take
-- megabytes, which a table without rowid would carry through its whole tree.
CREATE TABLE rows (
    kind      INTEGER NOT NULL,
    id        BLOB NOT NULL,
    commit_no INTEGER NOT NULL,
    gone      INTEGER NOT NULL, -- 1 for a deletion
    data      BLOB,             -- NULL if it is empty or gone
    UNIQUE (kind, id)
) STRICT;
-- There is no index of all commit numbers: it would make each change of a row
-- write three pages instead of one. What changed since a commit is found by
-- reading the table, under a microsecond a row.
CREATE INDEX rows_gone ON rows (commit_no) WHERE gone;

-- Lines processed: one row for each transaction, folded into one from time to
-- time. The form of ops is in lines.go.
CREATE TABLE lines (
    commit_no INTEGER PRIMARY KEY,
    ops       BLOB NOT NULL
) STRICT;
