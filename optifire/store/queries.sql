-- Every statement of the store, by name. {rows} stands for as many tuples as are written at once:
-- one statement takes up to 128 rows, since a call per row gives the interpreter lock away each time.

-- name: put_runs
INSERT INTO runs (
    plugin_id, due_us, turn, kind, status, "trigger", version, reason_code, reason_detail, attempts,
    started_us, finished_us, worker, cpu_ms, mem_mb, wall_ms, measured, budget_cpu_ms,
    budget_mem_mb, breaches, degraded, outputs, inputs, failure, note, first_us, count, held,
    id
)
VALUES {rows}
ON CONFLICT (id) DO UPDATE SET
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
    count = excluded.count,
    held = excluded.held

-- name: put_held
INSERT INTO held (id, text)
VALUES {rows}

-- name: held
SELECT text, id FROM held

-- name: put_attempts
INSERT INTO attempts (
    number, status, started_us, finished_us, worker, reason_code, reason_detail, cpu_ms, mem_mb,
    wall_ms, measured, failure, run, start
)
VALUES {rows}
ON CONFLICT (run, number) DO UPDATE SET
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
INSERT INTO run_blobs (run, name, sha256)
VALUES {rows}
ON CONFLICT (run, name) DO UPDATE SET sha256 = excluded.sha256

-- name: put_writes
INSERT INTO writes (run, statements)
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
INSERT INTO events (seq, due_us, turn, name, source, data, blob, taken, run)
VALUES {rows}

-- name: put_logs
INSERT INTO logs (attempt, text, run)
VALUES {rows}
ON CONFLICT (run, attempt) DO UPDATE SET text = excluded.text

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

-- name: put_journal
INSERT INTO journal (seq, run, status, event, note)
VALUES {rows}

-- name: last_journal
SELECT coalesce(max(seq), 0) FROM journal

-- name: last_note
SELECT coalesce(max(id), 0) FROM notes

-- name: trim_journal
DELETE FROM journal WHERE seq <= ?

-- name: rename_journal
UPDATE journal_name SET name = lower(hex(randomblob(4)))

-- name: journal_span
SELECT
    (SELECT name FROM journal_name),
    (SELECT coalesce(min(seq), 1) FROM journal),
    (SELECT coalesce(max(seq), 0) FROM journal)

-- name: journal_after
-- Runs come without their values: whoever wants those asks for the run.
SELECT
    runs.plugin_id, runs.due_us, runs.turn, runs.kind, runs.status, runs."trigger", runs.version,
    runs.reason_code, runs.reason_detail, runs.attempts, runs.started_us, runs.finished_us,
    runs.worker, runs.cpu_ms, runs.mem_mb, runs.wall_ms, runs.measured, runs.budget_cpu_ms,
    runs.budget_mem_mb, runs.breaches, runs.degraded, NULL, NULL, runs.failure, runs.note,
    runs.first_us, runs.count, (SELECT held.text FROM held WHERE held.id = runs.held), runs.id,
    journal.seq, journal.status, events.name, events.source,
    notes.at_us, notes.kind, notes.subject, notes.text
FROM journal
LEFT JOIN runs ON journal.run = runs.id
LEFT JOIN events ON journal.run = events.run AND journal.event = events.seq
LEFT JOIN notes ON journal.note = notes.id
WHERE journal.seq > ?
ORDER BY journal.seq
LIMIT ?

-- name: put_owners
INSERT INTO table_owners (name, plugin_id)
VALUES {rows}
ON CONFLICT (name) DO NOTHING

-- name: take_events
UPDATE events SET taken = 1 WHERE due_us = ? AND turn = ? AND taken = 0

-- name: put_weeks
INSERT INTO plugin_weeks (plugin_id, week, scheduled)
VALUES {rows}
ON CONFLICT (plugin_id, week) DO UPDATE SET scheduled = max(scheduled, excluded.scheduled)

-- name: row_counts
SELECT
    (SELECT count(*) FROM runs),
    (SELECT count(*) FROM attempts),
    (SELECT count(*) FROM events),
    (SELECT count(*) FROM context),
    (SELECT count(*) FROM notes)

-- name: open_ids
SELECT plugin_id, due_us, turn, kind, id FROM runs WHERE status IN ('due', 'running')

-- name: last_id
SELECT coalesce(max(id), 0) FROM runs

-- name: id_of
SELECT id, status FROM runs WHERE plugin_id = ? AND due_us = ? AND turn = ? AND kind = ?

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

-- name: runs_of
-- The reader joins `ids` or `ids_of_plugin`: one statement, so that all is of one instant, and so
-- that a list costs one visit to the thread that reads. Ids first, so that no wide row is sorted
-- that the limit cuts off.
SELECT
    plugin_id, due_us, turn, kind, status, "trigger", version, reason_code, reason_detail, attempts,
    started_us, finished_us, worker, cpu_ms, mem_mb, wall_ms, measured, budget_cpu_ms,
    budget_mem_mb, breaches, degraded, outputs, inputs, failure, note, first_us, count,
    (SELECT held.text FROM held WHERE held.id = runs.held), id,
    (SELECT json_group_object(name, sha256) FROM run_blobs WHERE run_blobs.run = runs.id)
FROM runs
WHERE id IN ({ids})
ORDER BY due_us DESC, turn DESC, plugin_id, kind

-- name: runs_after
SELECT
    plugin_id, due_us, turn, kind, status, "trigger", version, reason_code, reason_detail, attempts,
    started_us, finished_us, worker, cpu_ms, mem_mb, wall_ms, measured, budget_cpu_ms,
    budget_mem_mb, breaches, degraded, outputs, inputs, failure, note, first_us, count,
    (SELECT held.text FROM held WHERE held.id = runs.held), id
FROM runs
WHERE (due_us, turn, plugin_id, kind) > (?, ?, ?, ?)
ORDER BY due_us, turn, plugin_id, kind
LIMIT ?

-- name: run_by_key
SELECT
    plugin_id, due_us, turn, kind, status, "trigger", version, reason_code, reason_detail, attempts,
    started_us, finished_us, worker, cpu_ms, mem_mb, wall_ms, measured, budget_cpu_ms,
    budget_mem_mb, breaches, degraded, outputs, inputs, failure, note, first_us, count,
    (SELECT held.text FROM held WHERE held.id = runs.held), id
FROM runs
WHERE plugin_id = ? AND due_us = ? AND turn = ? AND kind = ?

-- name: ids
-- The reader joins the conditions; newest due first, so that a limit ends the search.
SELECT runs.id FROM runs
WHERE true {conditions}
ORDER BY runs.due_us DESC, runs.turn DESC, runs.plugin_id, runs.kind
LIMIT :limit

-- name: ids_of_plugin
SELECT runs.id
FROM plugin_weeks
CROSS JOIN runs
WHERE
    plugin_weeks.plugin_id = :plugin_id
    AND runs.plugin_id = :plugin_id
    -- one lower bound, so that the index begins at the later of both
    AND runs.due_us >= max(
        plugin_weeks.week * 604800000000, coalesce(:since, -9223372036854775808)
    )
    AND runs.due_us < (plugin_weeks.week + 1) * 604800000000
    {conditions}
ORDER BY plugin_weeks.week DESC, runs.due_us DESC, runs.turn DESC, runs.kind
LIMIT :limit

-- name: cycles
-- The inner query walks the index of keys and ends at its limit.
SELECT due_us, turn, status, count(*), min(started_us), max(finished_us)
FROM runs
WHERE kind = 'scheduled' AND (due_us, turn) IN (
    SELECT DISTINCT due_us, turn FROM runs
    WHERE kind = 'scheduled' AND due_us <= :due AND (due_us, turn) < (:due, :turn)
    ORDER BY due_us DESC, turn DESC
    LIMIT :limit
)
GROUP BY due_us, turn, status
ORDER BY due_us DESC, turn DESC, status

-- name: open_runs
SELECT
    plugin_id, due_us, turn, kind, status, "trigger", version, reason_code, reason_detail, attempts,
    started_us, finished_us, worker, cpu_ms, mem_mb, wall_ms, measured, budget_cpu_ms,
    budget_mem_mb, breaches, degraded, outputs, inputs, failure, note, first_us, count,
    (SELECT held.text FROM held WHERE held.id = runs.held), id
FROM runs
WHERE status IN ('due', 'running')
ORDER BY due_us, turn, plugin_id

-- name: attempts
SELECT
    number, status, started_us, finished_us, worker, reason_code, reason_detail, cpu_ms, mem_mb,
    wall_ms, measured, failure
FROM attempts
WHERE run = ?
ORDER BY number

-- name: run_blobs
SELECT run, name, sha256 FROM run_blobs WHERE run IN (SELECT value FROM json_each(?))

-- name: events
SELECT seq, due_us, turn, name, source, data, blob, taken, run FROM events
WHERE run IN (SELECT value FROM json_each(?))
ORDER BY run, seq

-- name: waiting_events
SELECT
    events.seq, events.due_us, events.turn, events.name, events.source, events.data, events.blob,
    events.taken, runs.plugin_id, runs.due_us, runs.turn, runs.kind
FROM events
JOIN runs ON runs.id = events.run
WHERE events.taken = 0
ORDER BY events.due_us, events.turn, runs.turn, runs.plugin_id, events.seq

-- name: events_at
SELECT
    events.seq, events.due_us, events.turn, events.name, events.source, events.data, events.blob,
    events.taken, runs.plugin_id, runs.due_us, runs.turn, runs.kind
FROM events
JOIN runs ON runs.id = events.run
WHERE events.due_us = ? AND events.turn = ?
ORDER BY runs.plugin_id, events.seq

-- name: writes
SELECT run, statements FROM writes WHERE run IN (SELECT value FROM json_each(?))

-- name: context
SELECT name, producer, key, run_id, as_of_us, turn, value, blob FROM context ORDER BY name

-- name: logs
SELECT attempt, text FROM logs WHERE run = ? ORDER BY attempt

-- name: notes
SELECT at_us, kind, subject, text FROM notes
WHERE at_us >= ?1 AND (?2 IS NULL OR kind = ?2)
ORDER BY at_us DESC, id DESC

-- name: latest_notes
SELECT at_us, kind, subject, text FROM notes
WHERE kind = :kind AND at_us <= :until{conditions}
ORDER BY at_us DESC, id DESC
LIMIT :limit OFFSET :skip

-- name: configs
SELECT hash, at_us, author, files FROM config_versions
WHERE ?1 IS NULL OR hash = ?1
ORDER BY id DESC
LIMIT ?2

-- name: meta
SELECT key, value FROM meta ORDER BY key

-- name: statuses
SELECT plugin_id, status, sum(count)
FROM (
    SELECT plugin_id, status, count FROM runs
    UNION ALL
    SELECT plugin_id, status, count FROM rollups
)
GROUP BY plugin_id, status

-- name: rollups
-- Days are those of UTC; runs that are still there count like those that were removed.
SELECT
    plugin_id, day, status, sum(count), sum(attempts), sum(cpu_ms), max(most_cpu_ms),
    max(most_mem_mb)
FROM (
    SELECT plugin_id, day, status, count, attempts, cpu_ms, most_cpu_ms, most_mem_mb FROM rollups
    UNION ALL
    SELECT
        plugin_id, due_us / 86400000000, status, count, attempts, coalesce(cpu_ms, 0.0), cpu_ms,
        mem_mb
    FROM runs
    WHERE status NOT IN ('due', 'running')
)
WHERE
    (:plugin_id IS NULL OR plugin_id = :plugin_id)
    AND (:status IS NULL OR status = :status)
    AND (:since IS NULL OR day >= :since)
    AND (:until IS NULL OR day <= :until)
GROUP BY plugin_id, day, status
ORDER BY day DESC, plugin_id, status
LIMIT :limit

-- name: prunable
-- What is never given: the newest of each plugin, kind and status, runs of an instant at which one
-- has not ended, and those whose events are still to start somebody. Producers of the context are
-- left out by the reader.
WITH placed AS (
    SELECT
        plugin_id, due_us, turn, kind, status, id,
        row_number() OVER (
            PARTITION BY plugin_id ORDER BY due_us DESC, turn DESC, kind DESC
        ) AS place,
        row_number() OVER (
            PARTITION BY plugin_id, kind, status ORDER BY due_us DESC, turn DESC
        ) AS among
    FROM runs
)

SELECT plugin_id, due_us, turn, kind
FROM placed
WHERE
    (due_us < :before OR place > :most)
    AND among > :least
    AND status NOT IN ('due', 'running')
    AND id NOT IN (SELECT run FROM events WHERE taken = 0)
    AND due_us NOT IN (SELECT due_us FROM runs WHERE status IN ('due', 'running'))
ORDER BY due_us, turn, plugin_id, kind
LIMIT :limit

-- name: prunable_rows
-- What is never given: the newest of each plugin, symbol and name, whatever their age.
WITH placed AS (
    SELECT
        'features' AS source, id, at_us,
        row_number() OVER (
            PARTITION BY plugin_id, symbol, feature_name ORDER BY at_us DESC, id DESC
        ) AS place
    FROM shared_features
    UNION ALL
    SELECT
        'signals', id, at_us,
        row_number() OVER (
            PARTITION BY plugin_id, symbol, signal_type ORDER BY at_us DESC, id DESC
        )
    FROM shared_signals
    UNION ALL
    SELECT
        'metrics', id, at_us,
        row_number() OVER (PARTITION BY plugin_id, name ORDER BY at_us DESC, id DESC)
    FROM shared_metrics
)

SELECT source, id
FROM placed
WHERE at_us < :before AND place > :least
ORDER BY at_us, source, id
LIMIT :limit

-- name: prune_features
DELETE FROM shared_features WHERE id IN (SELECT value FROM json_each(?))

-- name: prune_signals
DELETE FROM shared_signals WHERE id IN (SELECT value FROM json_each(?))

-- name: prune_metrics
DELETE FROM shared_metrics WHERE id IN (SELECT value FROM json_each(?))

-- name: producers
SELECT DISTINCT run_id FROM context

-- name: values_of_runs
SELECT sha256 FROM run_blobs WHERE run IN (SELECT value FROM json_each(?1))
UNION
SELECT blob FROM events
WHERE run IN (SELECT value FROM json_each(?1)) AND blob IS NOT NULL

-- name: roll_up
INSERT INTO rollups (
    plugin_id, day, status, count, attempts, cpu_ms, most_cpu_ms, most_mem_mb
)
SELECT
    plugin_id, due_us / 86400000000 AS on_day, status, sum(count), sum(attempts), total(cpu_ms),
    max(cpu_ms), max(mem_mb)
FROM runs
WHERE id IN (SELECT value FROM json_each(?))
GROUP BY plugin_id, on_day, status
ON CONFLICT (plugin_id, day, status) DO UPDATE SET
    count = count + excluded.count,
    attempts = attempts + excluded.attempts,
    cpu_ms = cpu_ms + excluded.cpu_ms,
    most_cpu_ms = max(
        coalesce(most_cpu_ms, excluded.most_cpu_ms), coalesce(excluded.most_cpu_ms, most_cpu_ms)
    ),
    most_mem_mb = max(
        coalesce(most_mem_mb, excluded.most_mem_mb), coalesce(excluded.most_mem_mb, most_mem_mb)
    )

-- name: prune_runs
-- Attempts, writes, events, logs and names of large values go with their run.
DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?))

-- name: prune_blobs
DELETE FROM blobs
WHERE sha256 IN (SELECT value FROM json_each(?))
AND NOT EXISTS (SELECT 1 FROM run_blobs WHERE run_blobs.sha256 = blobs.sha256)
AND NOT EXISTS (SELECT 1 FROM context WHERE context.blob = blobs.sha256)
AND NOT EXISTS (SELECT 1 FROM events WHERE events.blob = blobs.sha256)
RETURNING sha256

-- name: cursors
-- The latest accounted instant of each plugin: one search backwards in its last week.
SELECT weeks.plugin_id, (
    SELECT due_us FROM runs
    WHERE
        due_us >= weeks.week * 604800000000
        AND due_us < (weeks.week + 1) * 604800000000
        AND plugin_id = weeks.plugin_id
        AND kind = 'scheduled'
    ORDER BY due_us DESC
    LIMIT 1
)
FROM (
    SELECT plugin_id, max(week) AS week FROM plugin_weeks WHERE scheduled = 1 GROUP BY plugin_id
) AS weeks
UNION ALL
SELECT subject, max(at_us) FROM notes WHERE kind = 'enabled' GROUP BY subject

-- name: latest_due
SELECT max(due_us) FROM runs

-- name: ended_runs
-- Runs that began and have ended, in the order of their due instants; of over_budget the reason is
-- the breach that stopped it.
SELECT
    plugin_id, worker, status, reason_code, measured, breaches, cpu_ms, mem_mb, budget_cpu_ms,
    budget_mem_mb
FROM runs
WHERE due_us >= ? AND started_us IS NOT NULL AND status NOT IN ('due', 'running')
ORDER BY due_us

-- name: fill_features
-- Temporary, on the writer's connection: who inserts what, and as of when, is the host's to say.
CREATE TEMP TRIGGER fill_features INSTEAD OF INSERT ON main.features BEGIN
    SELECT raise(ABORT, 'features: plugin_id, run_id and at are filled by the host; name only symbol, feature_name, value')
    WHERE NEW.plugin_id IS NOT NULL OR NEW.run_id IS NOT NULL
    OR NEW.at IS NOT NULL OR NEW.at_us IS NOT NULL;
    INSERT INTO shared_features (symbol, feature_name, value, plugin_id, run_id, at, at_us)
    VALUES (NEW.symbol, NEW.feature_name, NEW.value, host_fill(0), host_fill(1), host_fill(2), host_fill(3));
END

-- name: fill_signals
-- Temporary, on the writer's connection: who inserts what, and as of when, is the host's to say.
CREATE TEMP TRIGGER fill_signals INSTEAD OF INSERT ON main.signals BEGIN
    SELECT raise(ABORT, 'signals: plugin_id, run_id and at are filled by the host; name only symbol, signal_type, value, strength, price, size, reason')
    WHERE NEW.plugin_id IS NOT NULL OR NEW.run_id IS NOT NULL
    OR NEW.at IS NOT NULL OR NEW.at_us IS NOT NULL;
    INSERT INTO shared_signals (symbol, signal_type, value, strength, price, size, reason, plugin_id, run_id, at, at_us)
    VALUES (NEW.symbol, NEW.signal_type, NEW.value, NEW.strength, NEW.price, NEW.size, NEW.reason, host_fill(0), host_fill(1), host_fill(2), host_fill(3));
END

-- name: fill_metrics
-- Temporary, on the writer's connection: who inserts what, and as of when, is the host's to say.
CREATE TEMP TRIGGER fill_metrics INSTEAD OF INSERT ON main.metrics BEGIN
    SELECT raise(ABORT, 'metrics: plugin_id, run_id and at are filled by the host; name only name, value, unit, tags')
    WHERE NEW.plugin_id IS NOT NULL OR NEW.run_id IS NOT NULL
    OR NEW.at IS NOT NULL OR NEW.at_us IS NOT NULL;
    INSERT INTO shared_metrics (name, value, unit, tags, plugin_id, run_id, at, at_us)
    VALUES (NEW.name, NEW.value, NEW.unit, NEW.tags, host_fill(0), host_fill(1), host_fill(2), host_fill(3));
END
