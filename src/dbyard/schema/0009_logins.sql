-- Why the tenant of a server could not log in when that was last tried; NULL when it could.
ALTER TABLE instance ADD COLUMN login_error TEXT;
