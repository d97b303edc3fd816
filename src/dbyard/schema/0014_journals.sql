-- What the archive has of the journals of servers, without a gap from start to position. They outlive their database.
CREATE TABLE journal_span (
  id          INTEGER PRIMARY KEY,
  database_id TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  identity    TEXT NOT NULL,
  start       INTEGER NOT NULL,
  position    INTEGER NOT NULL CHECK (position >= start),
  started_at  REAL NOT NULL,
  read_at     REAL NOT NULL,
  ended_at    REAL,
  reason      TEXT
) STRICT;
CREATE INDEX journal_span_database ON journal_span (database_id);

-- Of which instance a backup is, and from where on its journal is needed to go on from there.
ALTER TABLE backup ADD COLUMN instance_id TEXT;
ALTER TABLE backup ADD COLUMN journal TEXT;
ALTER TABLE backup ADD COLUMN position INTEGER;
