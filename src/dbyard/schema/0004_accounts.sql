-- People beside the first one: how they log in, whether they still may, and whose projects they work in.

ALTER TABLE account ADD COLUMN password TEXT; -- argon2id; null for who comes in by tokens only
ALTER TABLE account ADD COLUMN disabled_at REAL;
CREATE UNIQUE INDEX account_email ON account (email COLLATE NOCASE);

ALTER TABLE project ADD COLUMN updated_at REAL NOT NULL DEFAULT 0;
UPDATE project SET updated_at = created_at;

-- Who may use the databases of a project that is somebody else's.
CREATE TABLE collaborator (
  project_id TEXT NOT NULL REFERENCES project (id) ON DELETE CASCADE,
  account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  created_at REAL NOT NULL,
  PRIMARY KEY (project_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX collaborator_account ON collaborator (account_id, project_id);
