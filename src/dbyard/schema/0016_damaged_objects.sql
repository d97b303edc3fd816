-- Objects that the archive has damaged or lost, and that its copy has whole: they are put back.
CREATE TABLE archive_damage (
  name     TEXT PRIMARY KEY,
  found_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
