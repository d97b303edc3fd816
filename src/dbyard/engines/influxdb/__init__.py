"""InfluxDB 1.6 and 1.8, asked over plain HTTP.

Its first admin stands in the meta store before the server ever runs: one that asks for passwords but has no admin yet
lets anybody make one. The tenant has every privilege on its database and none beside it.

`RenderInput.admin_only` changes nothing here, and need not: each request logs in by itself, and none can hold what
`configure` changes, which lies in a store that no tenant gets at. A start alone ends all requests and connections.
There is no `reload`: the server speaks no TLS, and has no access file.
"""

from dbyard.engines.influxdb.access import configure
from dbyard.engines.influxdb.actions import ACTIONS
from dbyard.engines.influxdb.backups import count, render_backup, render_check, render_restore
from dbyard.engines.influxdb.logs import find_damage, log_time
from dbyard.engines.influxdb.names import ADMIN, name_tenant, url
from dbyard.engines.influxdb.render import render
from dbyard.engines.influxdb.session import check_login, ping
from dbyard.engines.influxdb.settings import SETTINGS
from dbyard.engines.influxdb.stats import stats

__all__ = [
    "ACTIONS",
    "ADMIN",
    "BACKUP_SUFFIX",
    "COUNT_DELAY",
    "PASSWORD_ENCRYPTION",
    "SETTINGS",
    "TECHNOLOGY",
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
    "render_restore",
    "stats",
    "url",
]

TECHNOLOGY = "influxdb"
PASSWORD_ENCRYPTION = ""
BACKUP_SUFFIX = "tar"
COUNT_DELAY = 0.0
