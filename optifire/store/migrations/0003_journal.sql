-- What became durable, in its order: one row for each start and end of a run (status), for each
-- event that one published (event: its seq) and for each note. Rows only name others, and nothing
-- hangs on them. From the oldest that is kept to the newest seq has no holes, and the newest is
-- never removed.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    run INTEGER,
    status TEXT,
    event INTEGER,
    note INTEGER
) STRICT;

-- What tells a place in this journal from one in another: a ledger that is taken back from a backup
-- goes on under a new name, because its next rows have numbers that others had before.
CREATE TABLE journal_name (name TEXT NOT NULL) STRICT;
INSERT INTO journal_name (name) VALUES (lower(hex(randomblob(4))));
