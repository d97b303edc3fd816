-- The platform's state. Times are Unix seconds; a fact is stored once, everything else is derived by query.

CREATE TABLE account (
  id         TEXT PRIMARY KEY,
  username   TEXT NOT NULL UNIQUE,
  email      TEXT NOT NULL,
  admin      INTEGER NOT NULL DEFAULT 0 CHECK (admin IN (0, 1)),
  created_at REAL NOT NULL
) STRICT;

CREATE TABLE project (
  id         TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  name       TEXT NOT NULL,
  is_default INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1)),
  created_at REAL NOT NULL,
  UNIQUE (account_id, name)
) STRICT;
CREATE UNIQUE INDEX project_one_default ON project (account_id) WHERE is_default = 1;

-- A bearer token; only its SHA-256 is kept.
CREATE TABLE token (
  id           TEXT PRIMARY KEY,
  account_id   TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  name         TEXT NOT NULL,
  digest       BLOB NOT NULL UNIQUE,
  created_at   REAL NOT NULL,
  last_used_at REAL
) STRICT;
CREATE INDEX token_account ON token (account_id);

-- deleted_at is set in the transaction before a delete's answer; the row goes when everything else is gone.
CREATE TABLE database (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  id         TEXT NOT NULL UNIQUE,
  name       TEXT NOT NULL,
  project_id TEXT NOT NULL REFERENCES project (id),
  technology TEXT NOT NULL,
  version    TEXT NOT NULL,
  plan       TEXT NOT NULL,
  created_at REAL NOT NULL,
  deleted_at REAL
) STRICT;
CREATE INDEX database_deleted ON database (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE UNIQUE INDEX database_name ON database (name) WHERE deleted_at IS NULL;
CREATE INDEX database_project ON database (project_id, seq) WHERE deleted_at IS NULL;
CREATE INDEX database_version ON database (technology, version) WHERE deleted_at IS NULL;

-- One server process of a database. The placement columns are null until it is placed; seed is not a secret.
CREATE TABLE instance (
  id           TEXT PRIMARY KEY,
  database_id  TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
  generation   INTEGER NOT NULL DEFAULT 1,
  full_version TEXT NOT NULL,
  host         TEXT,
  port         INTEGER,
  uid          INTEGER,
  seed         TEXT,
  ready_at     REAL
) STRICT;
CREATE INDEX instance_database ON instance (database_id);
CREATE INDEX instance_ready ON instance (ready_at) WHERE ready_at IS NOT NULL;

-- The tenant's access to a database; sealed columns are AES-256-GCM bound to table, column and database_id.
CREATE TABLE credential (
  database_id TEXT PRIMARY KEY REFERENCES database (id) ON DELETE CASCADE,
  username    TEXT NOT NULL,
  dbname      TEXT NOT NULL,
  password    BLOB NOT NULL,
  certificate TEXT NOT NULL,
  private_key BLOB NOT NULL
) STRICT;

CREATE TABLE operation (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL UNIQUE,
  database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
  kind        TEXT NOT NULL CHECK (kind IN ('create', 'delete', 'heal')),
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
-- At most one active operation a database.
CREATE UNIQUE INDEX operation_active ON operation (database_id) WHERE status IN ('pending', 'running');
CREATE INDEX operation_due ON operation (run_at) WHERE status IN ('pending', 'running');
CREATE INDEX operation_database ON operation (database_id, seq);

-- The history of an operation: a step done, or an attempt that failed and why.
CREATE TABLE operation_event (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  operation_id TEXT NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
  at           REAL NOT NULL,
  step         TEXT NOT NULL,
  outcome      TEXT NOT NULL,
  message      TEXT NOT NULL
) STRICT;
CREATE INDEX operation_event_operation ON operation_event (operation_id, seq);

-- What was answered to a request that carried an Idempotency-Key.
CREATE TABLE idempotency (
  account_id  TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  key         TEXT NOT NULL,
  digest      BLOB NOT NULL,
  database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
  body        BLOB NOT NULL,
  created_at  REAL NOT NULL,
  PRIMARY KEY (account_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX idempotency_database ON idempotency (database_id);
