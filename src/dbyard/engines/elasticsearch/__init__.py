"""Elasticsearch: by its fork OpenSearch 2.19, or itself in version 7.17. The platform is a user of its own there.

No request can hold what `configure` changes: each logs in by itself, and users lie where no tenant gets at them. With
`RenderInput.admin_only` OpenSearch makes its users anew, from its files and without a right for its tenant: so a server
comes back whose index of users cannot be read. Elsewhere it changes nothing; a start alone ends all requests.
There is no `reload`: tenants are served without TLS, and OpenSearch keeps its users where files do not reach.
"""

from dbyard.engines.elasticsearch.access import configure
from dbyard.engines.elasticsearch.backups import count, render_backup, render_check, render_restore
from dbyard.engines.elasticsearch.logs import find_damage, log_time
from dbyard.engines.elasticsearch.names import ADMIN, name_tenant, url
from dbyard.engines.elasticsearch.render import render
from dbyard.engines.elasticsearch.session import check_login, ping
from dbyard.engines.elasticsearch.stats import inspect_data, stats

__all__ = [
    "ADMIN",
    "BACKUP_SUFFIX",
    "COUNT_DELAY",
    "PASSWORD_ENCRYPTION",
    "TECHNOLOGY",
    "check_login",
    "configure",
    "count",
    "find_damage",
    "inspect_data",
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

TECHNOLOGY = "elasticsearch"
PASSWORD_ENCRYPTION = ""
BACKUP_SUFFIX = "tar"
COUNT_DELAY = 0.0
