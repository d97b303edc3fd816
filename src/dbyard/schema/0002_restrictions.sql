-- What a tenant may do as far as its disk is concerned, and why; operations bring the server to it.

ALTER TABLE instance ADD COLUMN restriction TEXT NOT NULL DEFAULT 'none'
  CHECK (restriction IN ('none', 'read_only', 'closed'));
ALTER TABLE instance ADD COLUMN restriction_reason TEXT;
ALTER TABLE instance ADD COLUMN restricted_at REAL;

-- Operations again, of any kind: which kinds there are is known to the code, and a new one changes no table.
CREATE TABLE operation_new (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL UNIQUE,
  database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
  kind        TEXT NOT NULL,
  step        TEXT NOT NULL,
  status      TEXT NOT NULL CHECK (status IN ('pending', 'running', 'done', 'error')),
  attempt     INTEGER NOT NULL DEFAULT 0,
  run_at      REAL NOT NULL,
  deadline_at REAL NOT NULL,
  lease_until REAL NOT NULL DEFAULT 0,
  token       TEXT,
  error_code  TEXT,
  error       TEXT,
  created_at  REAL NOT NULL,
  finished_at REAL
) STRICT;
INSERT INTO operation_new SELECT * FROM operation;

-- Their history first, because dropping a table takes along what hangs on it.
CREATE TABLE operation_event_new (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  operation_id TEXT NOT NULL REFERENCES operation_new (id) ON DELETE CASCADE,
  at           REAL NOT NULL,
  step         TEXT NOT NULL,
  outcome      TEXT NOT NULL,
  message      TEXT NOT NULL
) STRICT;
INSERT INTO operation_event_new SELECT * FROM operation_event;
DROP TABLE operation_event;
DROP TABLE operation;
ALTER TABLE operation_new RENAME TO operation;
ALTER TABLE operation_event_new RENAME TO operation_event;

CREATE UNIQUE INDEX operation_active ON operation (database_id) WHERE status IN ('pending', 'running');
CREATE INDEX operation_due ON operation (run_at) WHERE status IN ('pending', 'running');
CREATE INDEX operation_database ON operation (database_id, seq);
CREATE INDEX operation_event_operation ON operation_event (operation_id, seq);
