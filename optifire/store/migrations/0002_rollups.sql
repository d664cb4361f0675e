-- What remains of runs that retention has removed: one row a plugin, UTC day and status.
-- day: days since the epoch of their due instants; cpu_ms: all of it together.
CREATE TABLE rollups (
    plugin_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    status TEXT NOT NULL,
    count INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    cpu_ms REAL NOT NULL,
    most_cpu_ms REAL,
    most_mem_mb REAL,
    PRIMARY KEY (plugin_id, day, status)
) STRICT, WITHOUT ROWID;

CREATE VIEW readable_rollups AS
SELECT
    strftime('%Y-%m-%d', day * 86400, 'unixepoch') AS day,
    plugin_id,
    status,
    count,
    attempts,
    cpu_ms,
    most_cpu_ms,
    most_mem_mb
FROM rollups
ORDER BY rollups.day DESC, plugin_id, status;
