-- When a database was last given another name, project or plan.
ALTER TABLE database ADD COLUMN updated_at REAL;
