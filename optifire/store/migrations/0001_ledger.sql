-- The ledger. Instants are microseconds since the epoch (UTC); the readable_* views show them as text.

-- Starts of a service on this file. A write with an older number than the latest is refused.
CREATE TABLE starts (
    number INTEGER PRIMARY KEY,
    begun_us INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    ended_us INTEGER,
    clean INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Facts about this file itself: parameters, progress and digest of a replay.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Values above 64 KB live in files; this is the list of the files that rows speak of.
CREATE TABLE blobs (
    sha256 TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per occurrence; its run id follows from (due, turn, plugin_id, kind) and is not stored.
-- id grows by one with each row, and so do the rows that hang on it: every write goes to the end of
-- its tree. An index that starts with the plugin would cost as much as all the rest together, so
-- plugin_weeks leads to the rows of one plugin instead.
-- outputs: MessagePack map; those above 64 KB are in run_blobs.
-- inputs: JSON {key: {run_id, as_of, origin}}; failure: JSON {type, message, traceback, retryable}.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    plugin_id TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    version TEXT NOT NULL,
    reason_code TEXT,
    reason_detail TEXT,
    attempts INTEGER NOT NULL,
    started_us INTEGER,
    finished_us INTEGER,
    worker TEXT NOT NULL,
    cpu_ms REAL,
    mem_mb REAL,
    wall_ms REAL,
    measured TEXT NOT NULL,
    budget_cpu_ms REAL,
    budget_mem_mb REAL,
    breaches TEXT NOT NULL,
    degraded INTEGER NOT NULL,
    outputs BLOB,
    inputs TEXT,
    failure TEXT,
    note TEXT NOT NULL,
    first_us INTEGER,
    count INTEGER NOT NULL,
    UNIQUE (due_us, turn, plugin_id, kind)
) STRICT;
CREATE INDEX runs_open ON runs (status) WHERE status IN ('due', 'running');

-- The weeks (due_us / 604,800,000,000, rounded down) in which a plugin has rows, and whether any of
-- them is of kind scheduled.
CREATE TABLE plugin_weeks (
    plugin_id TEXT NOT NULL,
    week INTEGER NOT NULL,
    scheduled INTEGER NOT NULL,
    PRIMARY KEY (plugin_id, week)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_blobs (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_blobs_by_hash ON run_blobs (sha256);

-- One row per start of a run; start is the number of the service start that made it.
CREATE TABLE attempts (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    start INTEGER NOT NULL,
    status TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    finished_us INTEGER,
    worker TEXT NOT NULL,
    reason_code TEXT,
    reason_detail TEXT,
    cpu_ms REAL,
    mem_mb REAL,
    wall_ms REAL,
    measured TEXT NOT NULL,
    failure TEXT,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

-- What each run wrote to tables: MessagePack list of [sql, params], in their order.
CREATE TABLE writes (
    run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    statements BLOB NOT NULL
) STRICT;

-- The shared context: the latest value under each name, full or bare. Either value or blob.
CREATE TABLE context (
    name TEXT PRIMARY KEY,
    producer TEXT NOT NULL,
    key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    as_of_us INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    value BLOB,
    blob TEXT REFERENCES blobs (sha256),
    CHECK ((value IS NULL) <> (blob IS NULL))
) STRICT;
CREATE INDEX context_blobs ON context (blob) WHERE blob IS NOT NULL;

-- Published events. taken = 0: jobs that listen for it are still to be started. Either data or blob.
CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    data BLOB,
    blob TEXT REFERENCES blobs (sha256),
    taken INTEGER NOT NULL,
    PRIMARY KEY (run, seq),
    CHECK ((data IS NULL) <> (blob IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX events_waiting ON events (due_us, turn) WHERE taken = 0;
CREATE INDEX events_blobs ON events (blob) WHERE blob IS NOT NULL;

CREATE TABLE logs (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    text BLOB NOT NULL,
    PRIMARY KEY (run, attempt)
) STRICT;

CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX notes_by_time ON notes (at_us);
CREATE INDEX notes_by_subject ON notes (kind, subject, at_us);

-- Every accepted configuration, whole. files: JSON {name: text}.
CREATE TABLE config_versions (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    author TEXT NOT NULL,
    files TEXT NOT NULL
) STRICT;
CREATE INDEX config_versions_by_hash ON config_versions (hash);

-- Who made which p_<id>_* table: the ids fe and fe_garch may both claim p_fe_garch_x, the first keeps it.
CREATE TABLE table_owners (
    name TEXT PRIMARY KEY,
    plugin_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The tables that all plugins share, behind views of the short names. Plugins insert into the views
-- (a trigger on the writer's connection fills plugin_id, run_id and at) and never change a row.
-- at is the same instant as at_us, as text: a view that calls a date function would open that
-- function to plugins.
CREATE TABLE shared_features (
    id INTEGER PRIMARY KEY,
    symbol TEXT,
    feature_name TEXT NOT NULL,
    value ANY,
    plugin_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    at TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX features_by_name ON shared_features (symbol, feature_name, at_us);
CREATE VIEW features AS
SELECT
    symbol,
    feature_name,
    value,
    plugin_id,
    run_id,
    at,
    at_us
FROM shared_features;

CREATE TABLE shared_signals (
    id INTEGER PRIMARY KEY,
    symbol TEXT,
    signal_type TEXT,
    value ANY,
    strength REAL,
    price REAL,
    size REAL,
    reason TEXT,
    plugin_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    at TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX signals_by_symbol ON shared_signals (symbol, at_us);
CREATE VIEW signals AS
SELECT
    symbol,
    signal_type,
    value,
    strength,
    price,
    size,
    reason,
    plugin_id,
    run_id,
    at,
    at_us
FROM shared_signals;

CREATE TABLE shared_metrics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    value ANY,
    unit TEXT,
    tags TEXT,
    plugin_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    at TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX metrics_by_name ON shared_metrics (name, at_us);
CREATE VIEW metrics AS
SELECT
    name,
    value,
    unit,
    tags,
    plugin_id,
    run_id,
    at,
    at_us
FROM shared_metrics;

-- For people with a sqlite3 shell.
CREATE VIEW readable_runs AS
SELECT
    plugin_id || strftime('@%Y%m%dT%H%M%S', due_us / 1000000, 'unixepoch')
    || CASE WHEN due_us % 1000000 THEN printf('.%06d', due_us % 1000000) ELSE '' END || 'Z'
    || CASE WHEN turn THEN '.t' || turn ELSE '' END
    || CASE WHEN kind <> 'scheduled' THEN '~' || kind ELSE '' END AS run_id,
    plugin_id,
    strftime('%Y-%m-%dT%H:%M:%SZ', due_us / 1000000, 'unixepoch') AS due,
    turn,
    kind,
    status,
    CASE WHEN reason_detail <> '' THEN reason_code || ': ' || reason_detail ELSE reason_code END AS reason,
    "trigger",
    attempts,
    strftime('%Y-%m-%dT%H:%M:%SZ', started_us / 1000000, 'unixepoch') AS started,
    strftime('%Y-%m-%dT%H:%M:%SZ', finished_us / 1000000, 'unixepoch') AS finished,
    worker,
    cpu_ms,
    mem_mb,
    wall_ms,
    breaches,
    inputs,
    failure,
    note,
    strftime('%Y-%m-%dT%H:%M:%SZ', first_us / 1000000, 'unixepoch') AS first,
    count,
    id
FROM runs
ORDER BY due_us DESC, turn DESC, plugin_id;

CREATE VIEW readable_attempts AS
SELECT
    readable_runs.run_id,
    attempts.number,
    attempts.start,
    attempts.status,
    strftime('%Y-%m-%dT%H:%M:%SZ', attempts.started_us / 1000000, 'unixepoch') AS started,
    strftime('%Y-%m-%dT%H:%M:%SZ', attempts.finished_us / 1000000, 'unixepoch') AS finished,
    attempts.worker,
    attempts.cpu_ms,
    attempts.mem_mb,
    attempts.wall_ms,
    attempts.failure
FROM attempts
JOIN readable_runs ON readable_runs.id = attempts.run;

CREATE VIEW readable_context AS
SELECT
    name,
    producer,
    run_id,
    strftime('%Y-%m-%dT%H:%M:%SZ', as_of_us / 1000000, 'unixepoch') AS as_of,
    turn,
    coalesce(length(value), (SELECT size FROM blobs WHERE sha256 = blob)) AS bytes
FROM context;

CREATE VIEW readable_notes AS
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', at_us / 1000000, 'unixepoch') AS at, kind, subject, text
FROM notes
ORDER BY at_us DESC, id DESC;

CREATE VIEW readable_starts AS
SELECT
    number,
    strftime('%Y-%m-%dT%H:%M:%SZ', begun_us / 1000000, 'unixepoch') AS begun,
    strftime('%Y-%m-%dT%H:%M:%SZ', ended_us / 1000000, 'unixepoch') AS ended,
    clean,
    pid,
    host
FROM starts;
