-- What a token may do: how much (scope), for which project (null: all of the account's), until when (null: for ever).
-- issued_at is when its present value was made.

ALTER TABLE token ADD COLUMN scope TEXT NOT NULL DEFAULT 'admin' CHECK (scope IN ('read', 'write', 'admin'));
ALTER TABLE token ADD COLUMN project_id TEXT REFERENCES project (id) ON DELETE CASCADE;
ALTER TABLE token ADD COLUMN expires_at REAL;
ALTER TABLE token ADD COLUMN issued_at REAL NOT NULL DEFAULT 0;
UPDATE token SET issued_at = created_at;
CREATE INDEX token_project ON token (project_id) WHERE project_id IS NOT NULL;
