"""How Scalingo's API names a database: an app has its id and name, and one addon, whose id is `ad-` and that id."""

from __future__ import annotations

from dbyard.service.databases import databases
from dbyard.web.routes import Call

ADDON_PREFIX = "ad-"


def addon_id(database_id: str) -> str:
    return f"{ADDON_PREFIX}{database_id}"


def to_database_key(call: Call, key: str) -> str:
    """The id or name in `key`, which may also be an addon id; a database that has `key` for its name comes first."""
    if key.startswith(ADDON_PREFIX) and not databases.exists(call.service, call.principal, key):
        return key.removeprefix(ADDON_PREFIX)
    return key
