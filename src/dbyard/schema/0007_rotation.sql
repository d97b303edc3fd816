-- 1 from the moment a new password is written until the server is known to have it.
ALTER TABLE credential ADD COLUMN rotating INTEGER NOT NULL DEFAULT 0 CHECK (rotating IN (0, 1));

-- What an update goes back to when the server cannot run with the new plan; null while none is under way.
ALTER TABLE database ADD COLUMN previous_plan TEXT;
