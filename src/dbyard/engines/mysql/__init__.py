"""MySQL, and MariaDB, which speaks its protocol. The admin and the tenant log in over TCP; there is no root.

With `RenderInput.admin_only` the server runs a script before it takes its first connection, which locks every account
but the platform's, and no event of a tenant runs; `configure` unlocks the tenant's as its last step, and runs events.
"""

from dbyard.engines.mysql.access import configure
from dbyard.engines.mysql.actions import ACTIONS
from dbyard.engines.mysql.backups import count, render_backup, render_check, render_restore
from dbyard.engines.mysql.imports import IMPORTS_FILES, render_import
from dbyard.engines.mysql.login import check_login
from dbyard.engines.mysql.logs import find_damage, log_time
from dbyard.engines.mysql.names import ADMIN, connection_forms, name_tenant, url
from dbyard.engines.mysql.render import render
from dbyard.engines.mysql.session import ping, reload
from dbyard.engines.mysql.stats import stats

__all__ = [
    "ACTIONS",
    "ADMIN",
    "BACKUP_SUFFIX",
    "COUNT_DELAY",
    "IMPORTS_FILES",
    "PASSWORD_ENCRYPTION",
    "TECHNOLOGY",
    "check_login",
    "configure",
    "connection_forms",
    "count",
    "find_damage",
    "log_time",
    "name_tenant",
    "ping",
    "reload",
    "render",
    "render_backup",
    "render_check",
    "render_import",
    "render_restore",
    "stats",
    "url",
]

TECHNOLOGY = "mysql"
BACKUP_SUFFIX = "sql"
COUNT_DELAY = 0.0
PASSWORD_ENCRYPTION = ""
