-- The notes of one kind by time, for those who read them page by page.
CREATE INDEX notes_by_kind ON notes (kind, at_us);
