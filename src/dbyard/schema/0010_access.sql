-- Access to one database alone, access that changes nothing, and a scope of tokens for credentials.

-- Who works in a project: they may use its databases. limited: see and use, and change nothing.
ALTER TABLE collaborator RENAME TO project_collaborator;
ALTER TABLE project_collaborator ADD COLUMN limited INTEGER NOT NULL DEFAULT 0 CHECK (limited IN (0, 1));
DROP INDEX collaborator_account;
CREATE INDEX project_collaborator_account ON project_collaborator (account_id, project_id);

-- Who may use one database of a project, whichever project that is.
CREATE TABLE database_collaborator (
  database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
  account_id  TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  limited     INTEGER NOT NULL DEFAULT 0 CHECK (limited IN (0, 1)),
  created_at  REAL NOT NULL,
  PRIMARY KEY (database_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX database_collaborator_account ON database_collaborator (account_id, database_id);

-- The same tokens; those of the scope read do not read passwords of databases any more.
CREATE TABLE new_token (
  id           TEXT PRIMARY KEY,
  account_id   TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  name         TEXT NOT NULL,
  digest       BLOB NOT NULL UNIQUE,
  created_at   REAL NOT NULL,
  last_used_at REAL,
  scope        TEXT NOT NULL DEFAULT 'admin' CHECK (scope IN ('read', 'read_credentials', 'write', 'admin')),
  project_id   TEXT REFERENCES project (id) ON DELETE CASCADE,
  expires_at   REAL,
  issued_at    REAL NOT NULL DEFAULT 0
) STRICT;
INSERT INTO new_token (id, account_id, name, digest, created_at, last_used_at, scope, project_id, expires_at, issued_at)
  SELECT id, account_id, name, digest, created_at, last_used_at, scope, project_id, expires_at, issued_at FROM token
  ORDER BY rowid;
DROP TABLE token;
ALTER TABLE new_token RENAME TO token;
CREATE INDEX token_account ON token (account_id);
CREATE INDEX token_project ON token (project_id) WHERE project_id IS NOT NULL;

-- Events are listed by their types too.
DROP INDEX event_owner;
DROP INDEX event_guest;
DROP INDEX event_project;
DROP INDEX event_database;
CREATE INDEX event_owner ON event (owner_id, seq, type);
CREATE INDEX event_guest ON event (account_id, seq, type, owner_id) WHERE account_id <> owner_id;
CREATE INDEX event_project ON event (project_id, seq, type, owner_id, account_id) WHERE project_id IS NOT NULL;
CREATE INDEX event_database ON event (database_id, seq, type, owner_id, account_id) WHERE database_id IS NOT NULL;
