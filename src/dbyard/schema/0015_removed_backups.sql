-- What was removed from the archive, and may still be in its copy. prefix is a directory of objects.
CREATE TABLE archive_removal (
  prefix     TEXT PRIMARY KEY,
  removed_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
