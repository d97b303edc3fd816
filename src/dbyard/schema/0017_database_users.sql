-- Logins of a database beside the one that it was made with. One that was removed is remembered: older data may have it.
-- pending: the server may not have what stands here yet.
CREATE TABLE database_user (
  database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  read_only   INTEGER NOT NULL CHECK (read_only IN (0, 1)),
  password    BLOB NOT NULL,
  pending     INTEGER NOT NULL DEFAULT 1 CHECK (pending IN (0, 1)),
  login_error TEXT,
  created_at  REAL NOT NULL,
  removed_at  REAL,
  PRIMARY KEY (database_id, name)
) STRICT, WITHOUT ROWID;
-- Those that the server had when the backup was made: a JSON object, name -> whether it is read-only.
ALTER TABLE backup ADD COLUMN users TEXT NOT NULL DEFAULT '{}';
