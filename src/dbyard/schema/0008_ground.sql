-- Instances with roles, endpoints apart from instances, operations that last long, and status as facts of instances.

-- An address of a database. It is null until its runtime has published it, and never changes after that.
CREATE TABLE endpoint (
  id          TEXT PRIMARY KEY,
  database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
  role        TEXT NOT NULL CHECK (role IN ('primary', 'read', 'pooler')),
  host        TEXT,
  port        INTEGER,
  instance_id TEXT REFERENCES instance (id) ON DELETE SET NULL
) STRICT;
CREATE UNIQUE INDEX endpoint_role ON endpoint (database_id, role);
CREATE INDEX endpoint_instance ON endpoint (instance_id) WHERE instance_id IS NOT NULL;
INSERT INTO endpoint SELECT id, database_id, 'primary', host, port, id FROM instance;

-- placement is JSON that only the runtime reads; lineage tells where the data come from. The leaf certificate is the
-- instance's own; its key is sealed for the instance's row.
ALTER TABLE instance ADD COLUMN role TEXT NOT NULL DEFAULT 'primary'
  CHECK (role IN ('primary', 'standby', 'retired', 'scratch'));
ALTER TABLE instance ADD COLUMN placement TEXT;
ALTER TABLE instance ADD COLUMN lineage TEXT;
ALTER TABLE instance ADD COLUMN down_at REAL;
ALTER TABLE instance ADD COLUMN down_reason TEXT;
ALTER TABLE instance ADD COLUMN applied_restriction TEXT NOT NULL DEFAULT 'none'
  CHECK (applied_restriction IN ('none', 'read_only', 'closed'));
ALTER TABLE instance ADD COLUMN certificate TEXT;
ALTER TABLE instance ADD COLUMN private_key BLOB;
ALTER TABLE instance ADD COLUMN certificate_ends_at REAL;
UPDATE instance SET lineage = seed, applied_restriction = CASE
    WHEN EXISTS (
      SELECT 1 FROM operation o WHERE o.kind = 'restrict' AND o.status = 'error'
      AND o.seq = (SELECT max(seq) FROM operation WHERE database_id = instance.database_id)
    ) THEN CASE restriction WHEN 'none' THEN 'closed' ELSE 'none' END -- not known: it is asked for again
    ELSE restriction END,
  placement = json_object('host', host, 'slot', port, 'uid', uid) WHERE port IS NOT NULL;
CREATE UNIQUE INDEX instance_primary ON instance (database_id) WHERE role = 'primary';

-- A server that was being brought back, or whose last operation failed, is down.
UPDATE instance SET down_at = (
    SELECT o.created_at FROM operation o WHERE o.database_id = instance.database_id ORDER BY o.seq DESC LIMIT 1
  ), down_reason = (
    SELECT coalesce(o.error, 'the server does not run') FROM operation o
    WHERE o.database_id = instance.database_id ORDER BY o.seq DESC LIMIT 1
  )
WHERE ready_at IS NOT NULL AND EXISTS (
  SELECT 1 FROM operation o WHERE o.kind = 'heal' AND o.status <> 'done'
  AND o.seq = (SELECT max(seq) FROM operation WHERE database_id = instance.database_id)
);
ALTER TABLE instance DROP COLUMN host;
ALTER TABLE instance DROP COLUMN port;
ALTER TABLE instance DROP COLUMN uid;
ALTER TABLE instance DROP COLUMN seed;

-- pending: 1 from the moment a new password is written until the server is known to have it.
ALTER TABLE credential RENAME COLUMN rotating TO pending;
-- Certificates that were a database's: their keys are sealed for the credential's row, so the platform moves them to
-- the instances when it starts.
CREATE TABLE moving_certificate (
  database_id TEXT PRIMARY KEY REFERENCES database (id) ON DELETE CASCADE,
  certificate TEXT NOT NULL,
  private_key BLOB NOT NULL
) STRICT;
INSERT INTO moving_certificate SELECT database_id, certificate, private_key FROM credential;
ALTER TABLE credential DROP COLUMN certificate;
ALTER TABLE credential DROP COLUMN private_key;

-- params, result and progress are JSON. exclusive and owns_server are the policy of the kind when it was queued.
ALTER TABLE operation ADD COLUMN instance_id TEXT REFERENCES instance (id) ON DELETE SET NULL;
ALTER TABLE operation ADD COLUMN exclusive INTEGER NOT NULL DEFAULT 1 CHECK (exclusive IN (0, 1));
ALTER TABLE operation ADD COLUMN owns_server INTEGER NOT NULL DEFAULT 1 CHECK (owns_server IN (0, 1));
ALTER TABLE operation ADD COLUMN params TEXT NOT NULL DEFAULT '{}';
ALTER TABLE operation ADD COLUMN result TEXT NOT NULL DEFAULT '{}';
ALTER TABLE operation ADD COLUMN progress TEXT;
ALTER TABLE operation ADD COLUMN cancel_requested_at REAL;
DROP INDEX operation_active;
CREATE UNIQUE INDEX operation_exclusive ON operation (database_id)
  WHERE status IN ('pending', 'running') AND exclusive = 1;
CREATE INDEX operation_active ON operation (database_id) WHERE status IN ('pending', 'running');

-- Kinds and steps under their new names; what an update would go back to stands with the operation.
UPDATE operation SET params = json_object(
    'plan', (SELECT d.plan FROM database d WHERE d.id = operation.database_id),
    'previous_plan', (SELECT coalesce(d.previous_plan, d.plan) FROM database d WHERE d.id = operation.database_id)
  ) WHERE kind = 'update' AND status IN ('pending', 'running');
UPDATE operation SET step = CASE step
    WHEN 'place' THEN 'allocate' WHEN 'launch' THEN 'start' WHEN 'secure' THEN 'configure'
    WHEN 'examine' THEN 'diagnose' WHEN 'restrict' THEN 'configure' ELSE step END
  WHERE status IN ('pending', 'running') AND kind NOT IN ('restrict', 'rotate');
UPDATE operation SET step = 'apply', owns_server = 0 WHERE kind IN ('restrict', 'rotate');
UPDATE operation SET kind = 'configure' WHERE kind IN ('restrict', 'rotate');
UPDATE operation SET kind = 'resize' WHERE kind = 'update';
ALTER TABLE database DROP COLUMN previous_plan;
