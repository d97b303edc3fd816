"""Redis 7.0. Its users stand in the configuration: the server has them, and what the disk allows them, from its start.

With `RenderInput.admin_only` the tenant is off there, and the server listens where only the platform finds it, because
Redis reserves no connection; `configure` lets everybody in. There is no `reload`: the server speaks no TLS, and has no
access file.
"""

from dbyard.engines.redis.access import configure
from dbyard.engines.redis.backups import count, render_backup, render_check, render_restore
from dbyard.engines.redis.imports import IMPORTS_FILES, render_import
from dbyard.engines.redis.logs import find_damage, log_time
from dbyard.engines.redis.names import ADMIN, TENANT, name_tenant, url
from dbyard.engines.redis.render import render
from dbyard.engines.redis.repair import render_repair
from dbyard.engines.redis.session import check_login, ping
from dbyard.engines.redis.settings import SETTINGS
from dbyard.engines.redis.stats import stats

__all__ = [
    "ADMIN",
    "BACKUP_SUFFIX",
    "COUNT_DELAY",
    "IMPORTS_FILES",
    "PASSWORD_ENCRYPTION",
    "SETTINGS",
    "TECHNOLOGY",
    "TENANT",
    "check_login",
    "configure",
    "count",
    "find_damage",
    "log_time",
    "name_tenant",
    "ping",
    "render",
    "render_backup",
    "render_check",
    "render_import",
    "render_repair",
    "render_restore",
    "stats",
    "url",
]

TECHNOLOGY = "redis"
BACKUP_SUFFIX = "rdb"
COUNT_DELAY = 0.0
PASSWORD_ENCRYPTION = ""
