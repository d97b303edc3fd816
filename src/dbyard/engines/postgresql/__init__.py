"""PostgreSQL 15, 17 and 18.

A prepared server holds a role and a database both named `spare`; `configure` renames them to the tenant's, which costs
a fifth of creating a database. The admin is a superuser who can log in from this machine only.

`pg_hba.conf` decides who gets to a password at all: with `RenderInput.admin_only` the tenant's line is missing, and
`reload` closes or opens a running server.
"""

from dbyard.engines.postgresql.access import configure
from dbyard.engines.postgresql.actions import ACTIONS
from dbyard.engines.postgresql.backups import count, render_backup, render_check, render_restore
from dbyard.engines.postgresql.imports import IMPORTS_FILES, render_import
from dbyard.engines.postgresql.journal import JOURNAL, keep_journal, read_journal
from dbyard.engines.postgresql.login import check_login
from dbyard.engines.postgresql.logs import find_damage, log_time
from dbyard.engines.postgresql.names import ADMIN, connection_forms, name_tenant, url
from dbyard.engines.postgresql.render import render
from dbyard.engines.postgresql.replay import render_journal, render_replay
from dbyard.engines.postgresql.session import ping, reload
from dbyard.engines.postgresql.settings import SETTINGS
from dbyard.engines.postgresql.stats import inspect_data, stats

__all__ = [
    "ACTIONS",
    "ADMIN",
    "BACKUP_SUFFIX",
    "COUNT_DELAY",
    "IMPORTS_FILES",
    "JOURNAL",
    "PASSWORD_ENCRYPTION",
    "SETTINGS",
    "TECHNOLOGY",
    "check_login",
    "configure",
    "connection_forms",
    "count",
    "find_damage",
    "inspect_data",
    "keep_journal",
    "log_time",
    "name_tenant",
    "ping",
    "read_journal",
    "reload",
    "render",
    "render_backup",
    "render_check",
    "render_import",
    "render_journal",
    "render_replay",
    "render_restore",
    "stats",
    "url",
]

TECHNOLOGY = "postgresql"
BACKUP_SUFFIX = "tar"
COUNT_DELAY = 11.0  # sessions keep what they count for up to ten seconds
PASSWORD_ENCRYPTION = "SCRAM-SHA-256"  # noqa: S105 - a method
