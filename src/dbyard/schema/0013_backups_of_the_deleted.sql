-- The project of a backup's database, when it was made or when the database was deleted: who may still restore it.
-- No reference: the project may be known to the archive alone.
ALTER TABLE backup ADD COLUMN project_id TEXT;
UPDATE backup SET project_id = coalesce(
  (SELECT d.project_id FROM database d WHERE d.id = backup.database_id),
  (SELECT e.project_id FROM event e WHERE e.database_id = backup.database_id ORDER BY e.seq DESC LIMIT 1)
);
CREATE INDEX backup_project ON backup (project_id);
