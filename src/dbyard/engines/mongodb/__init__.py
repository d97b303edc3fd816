"""MongoDB: served by SecantusDB, or by a real mongod where this machine has one. Both are spoken to in the same words.

Their files are not each other's: an instance's full version says which of the two it belongs to. What is rendered for a
real mongod follows its manual and has not been run against one here.

With `RenderInput.admin_only` SecantusDB refuses every login but the platform's; it looks at the file each time, so a
file written anew holds at once, and there is nothing to `reload`. A mongod has no such switch and needs none: no lock
of a tenant's covers users, and the sessions of one that is changed are ended.
"""

from __future__ import annotations

from dbyard.engines.mongodb import mongod, secantusdb
from dbyard.engines.mongodb.access import configure
from dbyard.engines.mongodb.actions import ACTIONS
from dbyard.engines.mongodb.backups import count, render_backup, render_check, render_restore
from dbyard.engines.mongodb.imports import IMPORTS_FILES, render_import
from dbyard.engines.mongodb.logs import find_damage, log_time
from dbyard.engines.mongodb.names import ADMIN, name_tenant, url
from dbyard.engines.mongodb.session import check_login, ping
from dbyard.engines.mongodb.stats import stats
from dbyard.model import Credentials, InstanceSpec, Layout, RenderInput

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
    "count",
    "find_damage",
    "log_time",
    "name_tenant",
    "ping",
    "render",
    "render_backup",
    "render_check",
    "render_import",
    "render_restore",
    "stats",
    "url",
]

TECHNOLOGY = "mongodb"
PASSWORD_ENCRYPTION = ""
BACKUP_SUFFIX = "tar"
COUNT_DELAY = 0.0


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    if layout.full_version.startswith(secantusdb.PREFIX):
        return secantusdb.render(node, layout, credentials)
    return mongod.render(node, layout, credentials)
