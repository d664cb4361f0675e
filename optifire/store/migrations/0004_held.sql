-- What runs were held to, each state once. text: JSON {cpu_ms, cpu_window_s, mem_mb, wall_s, processes,
-- group, layers}. runs.held is its number; the writer sees to it that there is one.
CREATE TABLE held (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;
ALTER TABLE runs ADD COLUMN held INTEGER;
