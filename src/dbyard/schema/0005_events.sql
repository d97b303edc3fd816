-- What was done, by whom, when. Events outlive what they speak of, so nothing here refers to another table.
-- hash is the SHA-256 over previous (the hash of the event before) and the other columns; store/events.py says how.
CREATE TABLE event (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  at          REAL NOT NULL,
  owner_id    TEXT NOT NULL,
  account_id  TEXT,
  username    TEXT NOT NULL,
  email       TEXT NOT NULL,
  token_id    TEXT,
  project_id  TEXT,
  database_id TEXT,
  app_name    TEXT,
  type        TEXT NOT NULL,
  data        TEXT NOT NULL,
  previous    BLOB NOT NULL,
  hash        BLOB NOT NULL
) STRICT;
CREATE INDEX event_owner ON event (owner_id);
CREATE INDEX event_guest ON event (account_id) WHERE account_id <> owner_id;
CREATE INDEX event_project ON event (project_id, owner_id) WHERE project_id IS NOT NULL;
CREATE INDEX event_database ON event (database_id) WHERE database_id IS NOT NULL;

CREATE TRIGGER event_is_appended BEFORE INSERT ON event
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN
  SELECT RAISE(ABORT, 'an event comes after the last one');
END;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
  SELECT RAISE(ABORT, 'events are never changed');
END;
CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event
BEGIN
  SELECT RAISE(ABORT, 'events are never removed');
END;
