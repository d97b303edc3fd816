-- Settings of a server that its database's owner has chosen, as a JSON object of texts: only those that are not the default.
ALTER TABLE database ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
-- Those that the server was last brought to.
ALTER TABLE instance ADD COLUMN applied_settings TEXT NOT NULL DEFAULT '{}';
