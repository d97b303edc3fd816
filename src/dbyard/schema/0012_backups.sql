-- Backups. They outlive their database, so they refer to none. counts is JSON.
CREATE TABLE backup (
  id                   TEXT PRIMARY KEY,
  database_id          TEXT NOT NULL,
  database_name        TEXT NOT NULL,
  technology           TEXT NOT NULL,
  version              TEXT NOT NULL,
  full_version         TEXT NOT NULL,
  plan                 TEXT NOT NULL,
  lineage              TEXT NOT NULL,
  username             TEXT NOT NULL,
  dbname               TEXT NOT NULL,
  method               TEXT NOT NULL CHECK (method IN ('manual', 'periodic')),
  created_at           REAL NOT NULL,
  started_at           REAL,
  finished_at          REAL,
  error                TEXT,
  size                 INTEGER,
  stored               INTEGER,
  sha256               TEXT,
  counts               TEXT NOT NULL DEFAULT '{}',
  verification         TEXT NOT NULL DEFAULT 'pending' CHECK (verification IN ('pending', 'verified', 'failed')),
  verified_at          REAL,
  verification_seconds REAL,
  verification_message TEXT,
  deleted_at           REAL
) STRICT;
CREATE INDEX backup_database ON backup (database_id, created_at);

-- When a database is backed up without being asked; without a row, every day in the platform's hour.
CREATE TABLE backup_schedule (
  database_id TEXT PRIMARY KEY REFERENCES database (id) ON DELETE CASCADE,
  enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  hour        INTEGER NOT NULL CHECK (hour BETWEEN 0 AND 23)
) STRICT;

-- Since when another instance has its place; it is kept for an undo.
ALTER TABLE instance ADD COLUMN retired_at REAL;
