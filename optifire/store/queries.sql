-- Every statement of the store, by name. {rows} stands for as many tuples as are written at once:
-- one statement takes up to 128 rows, since a call per row gives the interpreter lock away each time.

-- name: put_runs
INSERT INTO runs (
    run_id, plugin_id, due_us, turn, kind, status, "trigger", version, reason_code, reason_detail,
    attempts, started_us, finished_us, worker, cpu_ms, mem_mb, wall_ms, measured, budget_cpu_ms,
    budget_mem_mb, breaches, degraded, outputs, inputs, failure, note, first_us, count
)
VALUES {rows}
ON CONFLICT (run_id) DO UPDATE SET
    status = excluded.status,
    "trigger" = excluded."trigger",
    version = excluded.version,
    reason_code = excluded.reason_code,
    reason_detail = excluded.reason_detail,
    attempts = excluded.attempts,
    started_us = excluded.started_us,
    finished_us = excluded.finished_us,
    worker = excluded.worker,
    cpu_ms = excluded.cpu_ms,
    mem_mb = excluded.mem_mb,
    wall_ms = excluded.wall_ms,
    measured = excluded.measured,
    budget_cpu_ms = excluded.budget_cpu_ms,
    budget_mem_mb = excluded.budget_mem_mb,
    breaches = excluded.breaches,
    degraded = excluded.degraded,
    outputs = excluded.outputs,
    inputs = excluded.inputs,
    failure = excluded.failure,
    note = excluded.note,
    first_us = excluded.first_us,
    count = excluded.count
WHERE runs.status IN ('due', 'running')

-- name: put_attempts
INSERT INTO attempts (
    run_id, number, status, started_us, finished_us, worker, reason_code, reason_detail,
    cpu_ms, mem_mb, wall_ms, measured, failure, start
)
VALUES {rows}
ON CONFLICT (run_id, number) DO UPDATE SET
    status = excluded.status,
    started_us = excluded.started_us,
    finished_us = excluded.finished_us,
    worker = excluded.worker,
    reason_code = excluded.reason_code,
    reason_detail = excluded.reason_detail,
    cpu_ms = excluded.cpu_ms,
    mem_mb = excluded.mem_mb,
    wall_ms = excluded.wall_ms,
    measured = excluded.measured,
    failure = excluded.failure
WHERE attempts.status IN ('due', 'running')

-- name: put_blobs
INSERT INTO blobs (sha256, size)
VALUES {rows}
ON CONFLICT (sha256) DO NOTHING

-- name: put_run_blobs
INSERT INTO run_blobs (run_id, name, sha256)
VALUES {rows}
ON CONFLICT (run_id, name) DO UPDATE SET sha256 = excluded.sha256

-- name: put_writes
INSERT INTO writes (run_id, statements)
VALUES {rows}

-- name: put_values
INSERT INTO context (name, producer, key, run_id, as_of_us, turn, value, blob)
VALUES {rows}
ON CONFLICT (name) DO UPDATE SET
    producer = excluded.producer,
    key = excluded.key,
    run_id = excluded.run_id,
    as_of_us = excluded.as_of_us,
    turn = excluded.turn,
    value = excluded.value,
    blob = excluded.blob
WHERE (excluded.as_of_us, excluded.turn) >= (context.as_of_us, context.turn)

-- name: put_events
INSERT INTO events (run_id, seq, due_us, turn, name, source, data, blob, taken)
VALUES {rows}

-- name: put_logs
INSERT INTO logs (run_id, attempt, text)
VALUES {rows}
ON CONFLICT (run_id, attempt) DO UPDATE SET text = excluded.text

-- name: put_notes
INSERT INTO notes (at_us, kind, subject, text)
VALUES {rows}

-- name: put_configs
INSERT INTO config_versions (hash, at_us, author, files)
VALUES {rows}

-- name: put_meta
INSERT INTO meta (key, value)
VALUES {rows}
ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: put_owners
INSERT INTO table_owners (name, plugin_id)
VALUES {rows}
ON CONFLICT (name) DO NOTHING

-- name: take_events
UPDATE events SET taken = 1 WHERE due_us = ? AND turn = ? AND taken = 0

-- name: ended_among
SELECT run_id, status FROM runs
WHERE run_id IN (SELECT value FROM json_each(?)) AND status NOT IN ('due', 'running')

-- name: unused_blobs
DELETE FROM blobs
WHERE NOT EXISTS (SELECT 1 FROM run_blobs WHERE run_blobs.sha256 = blobs.sha256)
AND NOT EXISTS (SELECT 1 FROM context WHERE context.blob = blobs.sha256)
AND NOT EXISTS (SELECT 1 FROM events WHERE events.blob = blobs.sha256)
RETURNING sha256

-- name: known_blobs
SELECT sha256 FROM blobs

-- name: context_blob_names
SELECT name FROM context WHERE blob IS NOT NULL

-- name: owners
SELECT name, plugin_id FROM table_owners

-- name: latest_start
SELECT max(number) FROM starts

-- name: last_start
SELECT number, clean FROM starts ORDER BY number DESC LIMIT 1

-- name: begin_start
INSERT INTO starts (number, begun_us, pid, host) VALUES (?, ?, ?, ?)

-- name: end_start
UPDATE starts SET ended_us = ?, clean = ? WHERE number = ?

-- name: runs
SELECT
    run_id, plugin_id, due_us, turn, kind, status, "trigger", version, reason_code, reason_detail,
    attempts, started_us, finished_us, worker, cpu_ms, mem_mb, wall_ms, measured, budget_cpu_ms,
    budget_mem_mb, breaches, degraded, outputs, inputs, failure, note, first_us, count
FROM runs

-- name: open_runs
SELECT
    run_id, plugin_id, due_us, turn, kind, status, "trigger", version, reason_code, reason_detail,
    attempts, started_us, finished_us, worker, cpu_ms, mem_mb, wall_ms, measured, budget_cpu_ms,
    budget_mem_mb, breaches, degraded, outputs, inputs, failure, note, first_us, count
FROM runs
WHERE status IN ('due', 'running')
ORDER BY due_us, turn, plugin_id

-- name: attempts
SELECT
    run_id, number, status, started_us, finished_us, worker, reason_code, reason_detail,
    cpu_ms, mem_mb, wall_ms, measured, failure
FROM attempts
WHERE run_id = ?
ORDER BY number

-- name: run_blobs
SELECT run_id, name, sha256 FROM run_blobs WHERE run_id IN (SELECT value FROM json_each(?))

-- name: events
SELECT run_id, seq, due_us, turn, name, source, data, blob, taken FROM events
WHERE run_id IN (SELECT value FROM json_each(?))
ORDER BY run_id, seq

-- name: waiting_events
SELECT run_id, seq, due_us, turn, name, source, data, blob, taken FROM events
WHERE taken = 0
ORDER BY due_us, turn, run_id, seq

-- name: writes
SELECT run_id, statements FROM writes WHERE run_id IN (SELECT value FROM json_each(?))

-- name: context
SELECT name, producer, key, run_id, as_of_us, turn, value, blob FROM context ORDER BY name

-- name: logs
SELECT run_id, attempt, text FROM logs WHERE run_id = ? ORDER BY attempt

-- name: notes
SELECT at_us, kind, subject, text FROM notes
WHERE at_us >= ?1 AND (?2 IS NULL OR kind = ?2)
ORDER BY at_us DESC, id DESC

-- name: config_versions
SELECT hash, at_us, author, files FROM config_versions ORDER BY id DESC LIMIT ?

-- name: config_version
SELECT hash, at_us, author, files FROM config_versions WHERE hash = ? ORDER BY id DESC LIMIT 1

-- name: meta
SELECT key, value FROM meta ORDER BY key

-- name: statuses
SELECT plugin_id, status, sum(count) FROM runs GROUP BY plugin_id, status

-- name: cursors
-- The latest accounted instant of each plugin: one index seek a plugin instead of a full scan.
WITH RECURSIVE ids (id) AS (
    SELECT min(plugin_id) FROM runs
    UNION ALL
    SELECT (SELECT min(plugin_id) FROM runs WHERE plugin_id > ids.id) FROM ids
    WHERE ids.id IS NOT NULL
)
SELECT id, (
    SELECT due_us FROM runs
    WHERE plugin_id = ids.id AND kind = 'scheduled'
    ORDER BY due_us DESC
    LIMIT 1
)
FROM ids
WHERE id IS NOT NULL
UNION ALL
SELECT subject, max(at_us) FROM notes WHERE kind = 'enabled' GROUP BY subject
